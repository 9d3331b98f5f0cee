/**
 * Posts JSON to peers without waiting for them: the one wrapper over libcurl's multi interface.
 * The caller's loop polls one descriptor and calls http_client_run(); nothing here blocks, so a URL
 * may even lead back to this process's own server.
 *
 * A target is scheme, host and port. Each has its own room and its own connections, kept open for
 * the next post: a peer that hangs takes nothing from another one. HTTP/1.1; redirects are not
 * followed; no proxy, cookie or .netrc is used, whatever the environment says; the answer's header
 * and body are thrown away and cut off beyond 64 KiB. TLS 1.2 or later, and the certificate and
 * name of the peer are always verified, against the given CA certificates and no others.
 *
 * Tried again, over a new connection, 250 ms and then 1 s later, while the deadline allows: a
 * connection that is refused, reset or does not come about, HTTP status 429 and 5xx. Nothing else.
 *
 * A body may hold session keys. It is copied, and the copy is wiped; so is all memory that libcurl
 * frees. The process must ignore SIGPIPE.
 *
 * Needs the libcurl with OpenSSL, which finds names in a thread of its own, one per target at most
 * at a time; those of a client that was closed end with the resolver's patience.
 *
 * For a sandbox, as strace shows it on Debian 12 (libcurl 7.88.1, glibc 2.36). After
 * http_client_open() no file is opened for a URL with an IP address or "localhost". Other names are
 * looked up by getaddrinfo(), which reads (openat, newfstatat, read, lseek, close)
 *
 *   /etc/nsswitch.conf /etc/host.conf /etc/resolv.conf /etc/hosts
 *
 * and, where nsswitch.conf names services other than "files" and "dns", their libraries with what
 * these read. It asks for /var/run/nscd/socket first and does without.
 *
 * System calls for a post: socket, connect, setsockopt, getsockopt, getsockname, getpeername, fcntl,
 * sendto, recvfrom, poll, epoll_ctl, epoll_wait, getpid, getrandom, futex, brk, mmap, munmap, close.
 * For a name also: clone3 (or clone), rseq, set_robust_list, rt_sigprocmask, mprotect, madvise,
 * exit, socketpair, write, read, uname, ioctl, sendmmsg; socket and connect for AF_UNIX (nscd).
 * Not seen, but glibc's for a name with several addresses: /etc/gai.conf, and bind and recvmsg on
 * AF_NETLINK.
 */
#ifndef KW_HTTP_CLIENT_H
#define KW_HTTP_CLIENT_H

#include "base/env.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_URL_MAX      255 /* octets */
#define HTTP_URL_WHY_SIZE 128

struct http_client;

/** What became of a post. */
struct http_client_result {
	bool ok;            /* a whole answer came and its status is 2xx */
	unsigned status;    /* of the last answer; 0: there was none */
	unsigned attempts;  /* how often a connection was sought; 0: it never came to that */
	unsigned took_ms;   /* since http_client_post() */
	const char *target; /* scheme, host and port, without path. Valid during the call only */
	const char *reason; /* why not ok, for people; else "". Valid during the call only */
};

/** Called in http_client_run(), once per post. May call http_client_post(), not run or close. */
typedef void (*http_client_done)(
	void *context, uint64_t tag, const struct http_client_result *result);

struct http_client_options {
	size_t queue_max;                /* posts at a time, waiting or under way */
	size_t per_target_max;           /* of these to one target */
	unsigned connections_per_target; /* in use at a time; 64 idle ones are kept in all */
	unsigned deadline_ms;            /* from http_client_post() to the result */
	unsigned connect_timeout_ms; /* from knowing the address to the end of TLS's handshake */
	const char *ca_pem;          /* PEM text; NULL: posts to https fail and say so. Copied */
	const char *certificate_pem; /* shown to peers that ask, chain included; NULL: none */
	const char *key_pem;         /* its key, not encrypted; copied, may be wiped after open */
	const struct kw_env *env;    /* NULL: the system's */
	http_client_done done;
	void *context;
};

/**
 * Reads what libcurl and OpenSSL want from disk (openssl.cnf), now and not later.
 * Start the process with LD_BIND_NOW=1: a function bound at its first call leaves what was in the
 * vector registers on the stack.
 * Clears SSLKEYLOGFILE from the environment: libcurl would write TLS secrets there.
 * @return KW_OK; KW_E_INVALID (a limit is 0, or a PEM text is not usable: logged),
 *         KW_E_UNSUPPORTED (this libcurl cannot do it: logged), KW_E_NO_MEMORY, KW_E_SYSTEM
 */
KW_MUST_CHECK enum kw_err http_client_open(
	const struct http_client_options *options, struct http_client **out);
/**
 * Drop everything: `done` is not called for posts under way. All memory is wiped and freed, but for
 * what a thread that looks a name up has until it ends; nobody waits for that. NULL is fine.
 */
void http_client_close(struct http_client *client);

/**
 * Take a post in. Nothing is reported before http_client_run(), and then by `done` with this tag.
 * @param body  copied; may be wiped at once
 * @return KW_OK: `done` will be called; otherwise it will not: KW_E_BUSY (no room, in all or for this
 *         target), KW_E_INVALID (http_client_url_check() tells why), KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err http_client_post(
	struct http_client *client, const char *url, const void *body, size_t length, uint64_t tag);

/** The one descriptor to poll for reading. */
int http_client_fd(const struct http_client *client);
/** How long the loop may sleep at most, from now; -1: as long as it likes. */
int http_client_timeout_ms(const struct http_client *client);
/** Do what can be done without waiting, and report what is done. */
void http_client_run(struct http_client *client);
/** Posts taken in and not yet reported. */
size_t http_client_pending(const struct http_client *client);

/**
 * Whether a URL may be posted to: https://host[:port][/path][?query], or the same with http if the
 * host is a loopback address or "localhost". At most HTTP_URL_MAX octets of printable ASCII, no
 * user name, password, fragment or IPv6 zone.
 * @param why  what to do about it; "" if the URL is good
 * @return KW_OK, KW_E_INVALID, KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err http_client_url_check(const char *url, char why[HTTP_URL_WHY_SIZE]);

#endif
