/**
 * One request on its way through the server. Private to http/.
 *
 * A request is taken from a pool when its header is there, collects its body, is shown to the
 * handler once it is complete, and goes back when libmicrohttpd has done with it.
 */
#ifndef KW_HTTP_REQUEST_H
#define KW_HTTP_REQUEST_H

#include "http/server.h"

#include <microhttpd.h>

enum http_request_state {
	HTTP_REQUEST_RECEIVING, /* the body is coming */
	HTTP_REQUEST_PENDING,   /* the handler has it and has not answered */
	HTTP_REQUEST_ANSWERED,  /* answered; libmicrohttpd has not taken the answer */
	HTTP_REQUEST_QUEUED,    /* libmicrohttpd sends the answer */
};

struct http_request {
	struct http_server *server;
	struct http_request *next; /* in the pool */
	struct MHD_Connection *connection;
	const char *method;
	const char *path;
	enum http_request_state state;
	char *body; /* NUL-terminated */
	size_t length;
	size_t size;
	size_t dropped; /* octets of a body above the limit that were read and forgotten */
	uint64_t arrived_us;
	void *user;
	unsigned status;
	struct MHD_Response *response; /* NULL in ANSWERED: out of memory */
};

/** Requests that are in use or kept for use. */
struct http_request_pool {
	struct http_request *free;
	size_t kept;
	size_t used;
	size_t grown;     /* octets of bodies that have outgrown their first buffer */
	size_t grown_max; /* 0: no limit */
};

/** @return a request in state RECEIVING, or NULL without memory */
struct http_request *http_request_take(struct http_request_pool *pool);
/** Wipe the body and give the request back. */
void http_request_give(struct http_request_pool *pool, struct http_request *request);
void http_request_pool_finish(struct http_request_pool *pool);

/**
 * Add to the body. Above `body_max` everything is dropped, and the request is to be answered 413.
 * @return KW_OK; KW_E_TOO_LONG (so much was dropped that the connection should go), KW_E_BUSY (all
 *         bodies together are too large: it should go, too), KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err http_request_collect(struct http_request_pool *pool,
	struct http_request *request, const char *octets, size_t length, size_t body_max);

/** How much of a body above the limit is read, so that its sender sees the 413. */
#define HTTP_DROP_MAX ((size_t)1024 * 1024)

#endif
