/**
 * HTTP/1.1 service on libmicrohttpd, driven by the caller's own loop: the one place that knows
 * that library, used by front and portal alike.
 *
 * A handler either answers at once (http_answer()) or leaves the request pending; the caller does
 * the work of many pending requests together, answers them, and runs the server again.
 * libmicrohttpd calls a handler again in each turn for a request that has no answer yet; no suspend
 * and resume (25 to 55 % of the throughput) and no thread is involved. External epoll only: its own
 * epoll thread hangs with 128 or more ready sockets.
 *
 * Refused before a handler sees them: a method other than the handler's (405 by the handler), a
 * body above the limit (413), a request that the library cannot parse, or whose header could be read in
 * two ways (400; http/head.h). Slow and idle clients are cut off
 * (request_timeout_s, idle_timeout_s). How many connections there may be is limited in all and per
 * address (http/connection_limits.h).
 */
#ifndef KW_HTTP_SERVER_H
#define KW_HTTP_SERVER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct http_server;
struct http_request;

/** Octets that somebody else owns. */
struct http_octets {
	const uint8_t *octets;
	size_t length;
};

/** Called once for each request, when it is complete. Answer it, or keep the pointer and answer
 *  later, in one of the next turns. */
typedef void (*http_handler)(void *context, struct http_request *request);
/** Called for a pending request whose connection went away before it was answered: forget it. */
typedef void (*http_gone)(void *context, struct http_request *request);
/** Whether connections from this address are not counted, as those of a proxy for many clients. */
typedef bool (*http_exempt)(void *context, const struct sockaddr *address);
/** Called once when a connection whose user (http_request_set_connection_user()) is not NULL is
 *  closed, after http_gone for its request. */
typedef void (*http_connection_gone)(void *context, void *user);

struct http_server_options {
	const int *listeners; /* listening sockets, non-blocking; taken over */
	size_t listener_count;
	const char *tls_certificate; /* PEM text, chain included; NULL: plain HTTP. Borrowed */
	const char *tls_key;         /* PEM text; borrowed, may be wiped after open */
	/*
	 * Ask each client for a certificate, name no CA (some clients show none if theirs is not
	 * among those named), and let in those without one too. Nothing is verified here beyond
	 * that the client has the key of what it shows: see http_request_certificates(). Only ECDSA,
	 * EdDSA and RSA keys are taken, RSA to 8192 bits and exponents to 64.
	 */
	bool tls_ask_certificate;
	size_t body_max;   /* octets; more is 413 */
	size_t bodies_max; /* octets of all bodies beyond 2 KiB each; more: closed. 0: no limit */
	unsigned
		connections_max; /* in all; HTTP_CONNECTIONS_SPARE more descriptors may be in use */
	unsigned per_address_max; /* connections of one IPv4 address or IPv6 /64; 0: no limit */
	unsigned idle_timeout_s;  /* from an answer to the end of the next header */
	/* from the connection to the end of its first header, from there to the end of the body, for
	   reading the answer: each; 0: idle_timeout_s without anything happening */
	unsigned request_timeout_s;
	http_exempt exempt; /* from per_address_max; may be NULL */
	http_handler handler;
	http_gone gone; /* may be NULL if every request is answered in the handler */
	http_connection_gone connection_gone; /* may be NULL */
	void *context;
};

/** @return KW_OK; KW_E_INVALID (certificate or key is not usable; logged), KW_E_SYSTEM */
KW_MUST_CHECK enum kw_err http_server_open(
	const struct http_server_options *options, struct http_server **out);
/** Stop at once. NULL is fine. */
void http_server_close(struct http_server *server);
/** Stop accepting; requests under way may finish. */
void http_server_quiesce(struct http_server *server);

#define HTTP_FDS_MAX 16
/** Descriptors to poll for reading, one per listener (an epoll descriptor each). @return how many */
size_t http_server_fds(const struct http_server *server, int fds[HTTP_FDS_MAX]);
/** How long the loop may sleep at most; -1: as long as it likes. Run the server as soon as a pending
 *  request is answered, whatever this says. */
int http_server_timeout_ms(const struct http_server *server);
/** Do what can be done without waiting: read, call handlers, send answers. */
void http_server_run(struct http_server *server);
/** Answered requests whose answer libmicrohttpd has not yet taken: run again if not 0. */
size_t http_server_unsent(const struct http_server *server);
/** Requests begun and not finished: header there, answer not sent to its last octet. */
size_t http_server_active(const struct http_server *server);
/** Open connections now. */
size_t http_server_connections(const struct http_server *server);

/** What the limits did since the start. */
struct http_limits_count {
	uint64_t refused;   /* connections: too many from one address */
	uint64_t displaced; /* closed for a newer one: too many in all */
	uint64_t timed_out; /* closed in the middle of a request, or before the first */
};
struct http_limits_count http_server_limits_count(const struct http_server *server);

/** Descriptors that connections beyond connections_max take until they are closed. */
#define HTTP_CONNECTIONS_SPARE 64

/**
 * Show another certificate (PEM chain and key, RSA or ECDSA; borrowed for the call) to connections
 * that begin from now on. Those that are there keep the old one, also one in its handshake; it is
 * freed with the last of them. Sessions begun under the old one may be resumed.
 * @return KW_OK; KW_E_INVALID (not a certificate and its key, or a server without TLS; logged) and
 *         KW_E_NO_MEMORY: the old one stays
 */
KW_MUST_CHECK enum kw_err http_server_tls_replace(
	struct http_server *server, const char *certificate, const char *key);
/** Whether certificate and key could be shown: what open and replace would say, without a server.
 *  @return KW_OK; KW_E_INVALID, KW_E_NO_MEMORY: logged */
KW_MUST_CHECK enum kw_err http_server_tls_check(const char *certificate, const char *key);
/** Unix seconds at which the certificate shown to new connections expires; 0 without TLS. */
uint64_t http_server_tls_expires_s(const struct http_server *server);

/** What the request says; all borrowed until it is answered. NULL / "" if absent. */
const char *http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request);
const char *http_request_header(const struct http_request *request, const char *name);
/** How many times a header of this name (in any case) stands in the request. */
size_t http_request_header_count(const struct http_request *request, const char *name);
const char *http_request_query(const struct http_request *request, const char *name);
/** Call for every value of a repeated query parameter, in order. */
void http_request_query_each(const struct http_request *request, const char *name,
	void (*each)(void *context, const char *value), void *context);
const char *http_request_body(const struct http_request *request, size_t *length);
/** Monotonic microseconds at which the last octet of the request was there. */
uint64_t http_request_arrived_us(const struct http_request *request);
/** A pointer for the handler's use; NULL at first. */
void http_request_set_user(struct http_request *request, void *user);
void *http_request_user(const struct http_request *request);

/** Where the connection comes from; borrowed until answered. NULL if the system did not say. */
const struct sockaddr *http_request_address(const struct http_request *request);
/**
 * The X.509 certificates (DER) that the client has shown in TLS, its own first; borrowed until
 * answered. The client has proved that it has the first one's key. Nothing else was verified: not
 * who issued it, not that it is valid now. A resumed session gives those of the handshake that it
 * resumes, so they may have expired since: verify them in every connection, and again while one
 * lasts. At most 16 KiB come through the handshake.
 * @return how many there are, at most `max`; 0: none, or no TLS
 */
size_t http_request_certificates(
	const struct http_request *request, struct http_octets *chain, size_t max);
/**
 * A pointer for the handler's use that stays with the connection; NULL at first. The caller frees
 * what it points to in http_connection_gone, and itself when it sets another.
 */
void http_request_set_connection_user(struct http_request *request, void *user);
void *http_request_connection_user(const struct http_request *request);

/** A header to send with an answer. */
struct http_header {
	const char *name; /* NULL ends the list */
	const char *value;
};

/**
 * Answer: status, body (copied; wiped after sending), Content-Type (NULL: none) and further
 * headers (NULL: none). Exactly once per request.
 */
void http_answer(struct http_request *request, unsigned status, const char *content_type,
	const void *body, size_t length, const struct http_header *headers);

#endif
