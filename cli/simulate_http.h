/**
 * HTTP for the simulator: POSTs over a fixed number of connections, from one thread. The one file
 * that uses libcurl in cli/ for other servers than our own.
 */
#ifndef KW_CLI_SIMULATE_HTTP_H
#define KW_CLI_SIMULATE_HTTP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_CONNECTIONS_MAX 512
#define SIM_ANSWER_MAX      (64 * 1024)
#define SIM_TIMEOUT_S       10

struct sim_http_options {
	const char *url;
	const char *token;         /* bearer token; NULL: no Authorization */
	const char *authorization; /* any other value of Authorization; NULL: none */
	const char *certificate;   /* TLS client certificate, PEM file; NULL: none */
	const char *key;           /* its key, PEM file */
	const char *connect_to; /* HOST:PORT to connect to instead of those in url; NULL: those */
	const char *ca;         /* PEM file to trust instead of the system's; NULL: the system's */
	unsigned connections;   /* 1 to SIM_CONNECTIONS_MAX */
	bool fresh;             /* a new connection for each request */
	bool loopback_only;     /* refuse to connect anywhere else */
};

/** What came back. Borrowed; valid during the call. */
struct sim_http_answer {
	long status;      /* 0: no answer */
	const char *body; /* not NUL-terminated */
	size_t length;
	const char *why; /* without an answer: why, in words of printable ASCII; else NULL */
};

/** Called from sim_http_turn(); may call sim_http_start() for the same slot. */
typedef void (*sim_http_done)(void *context, unsigned slot, const struct sim_http_answer *answer);

struct sim_http;

/** Allocates. Everything in `options` is copied. @return NULL if out of memory; said by nobody */
struct sim_http *sim_http_create(
	const struct sim_http_options *options, sim_http_done done, void *context);
/** Breaks off what is under way; `done` is not called. NULL is fine. */
void sim_http_destroy(struct sim_http *http);

/**
 * Send a POST.
 *
 * @param slot  0 to connections - 1, with nothing under way
 * @param body  borrowed until the answer
 * @return KW_OK, KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err sim_http_start(
	struct sim_http *http, unsigned slot, const char *body, size_t length);

/** Wait until something happens, at most `wait_us` microseconds, and deal with it. */
void sim_http_turn(struct sim_http *http, uint64_t wait_us);

/** Whether the URL is http or https and names a host; *loopback: whether that is this machine by
 *  name or number, *plain: whether it is http. */
bool sim_url_check(const char *url, bool *loopback, bool *plain);

#endif
