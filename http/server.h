/**
 * HTTP/1.1 service on libmicrohttpd, driven by the caller's own loop: the one place that knows
 * that library, used by front and portal alike.
 *
 * A handler either answers at once (http_answer()) or leaves the request pending; the caller then
 * does the work of all pending requests of a turn together, answers them, and runs the server
 * again. libmicrohttpd calls a handler again for a request that has no answer yet; no suspend and
 * resume (25 to 55 % of the throughput) and no thread is involved. External epoll only: its own
 * epoll thread hangs with 128 or more ready sockets.
 *
 * Refused before a handler sees them: a method other than the handler's (405 by the handler), a
 * body above the limit (413), a request that the library cannot parse or whose body could be taken
 * to end in two places (400). Slow or idle clients are cut off after idle_timeout_s.
 */
#ifndef KW_HTTP_SERVER_H
#define KW_HTTP_SERVER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_request;

/** Called once for each request, when it is complete. Answer it, or keep the pointer and answer
 *  before http_server_run() is called the second time. */
typedef void (*http_handler)(void *context, struct http_request *request);
/** Called for a pending request whose connection went away before it was answered: forget it. */
typedef void (*http_gone)(void *context, struct http_request *request);

struct http_server_options {
	const int *listeners; /* listening sockets, non-blocking; taken over */
	size_t listener_count;
	const char *tls_certificate; /* PEM text, chain included; NULL: plain HTTP. Borrowed */
	const char *tls_key;         /* PEM text; borrowed, may be wiped after open */
	size_t body_max;             /* octets; more is 413 */
	unsigned connections_max;
	unsigned idle_timeout_s;
	http_handler handler;
	http_gone gone; /* may be NULL if every request is answered in the handler */
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
/** How long the loop may sleep at most; -1: as long as it likes. */
int http_server_timeout_ms(const struct http_server *server);
/** Do what can be done without waiting: read, call handlers, send answers. */
void http_server_run(struct http_server *server);
/** Answered requests whose answer libmicrohttpd has not yet taken: run again if not 0. */
size_t http_server_unsent(const struct http_server *server);
/** Requests begun and not finished: header there, answer not sent to its last octet. */
size_t http_server_active(const struct http_server *server);
/** Open connections now. */
size_t http_server_connections(const struct http_server *server);

/** What the request says; all borrowed until it is answered. NULL / "" if absent. */
const char *http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request);
const char *http_request_header(const struct http_request *request, const char *name);
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
