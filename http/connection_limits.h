/**
 * How many connections there may be, from one address and in all, and how long each may take to ask
 * and to read its answer. Private to http/.
 *
 * A connection beyond those of its address is closed before anything is read of it. One beyond those
 * in all takes the place of the oldest that waits without a request, or else of the oldest that is
 * slow in sending one: who holds connections keeps nobody out.
 *
 * The time for a header and for a body is counted as a whole, so octets that trickle in do not
 * lengthen it. What is over its time is shut down here and closed by libmicrohttpd in the same turn.
 */
#ifndef KW_HTTP_CONNECTION_LIMITS_H
#define KW_HTTP_CONNECTION_LIMITS_H

#include "http/server.h"

enum http_phase {
	HTTP_PHASE_NEW,  /* nothing asked yet: TLS handshake and first header; request_timeout_s */
	HTTP_PHASE_IDLE, /* between requests, to the end of the next header; idle_timeout_s */
	HTTP_PHASE_BODY, /* the header is there; request_timeout_s */
	HTTP_PHASE_ANSWER,                  /* the answer is being sent; request_timeout_s */
	HTTP_PHASE_TIMED,                   /* how many of the above, each with a time */
	HTTP_PHASE_BUSY = HTTP_PHASE_TIMED, /* with the handler, which has a time of its own */
	HTTP_PHASE_SHUT,                    /* shut down, not closed yet; counts no more */
};

/** Of one connection; its memory is the caller's. */
struct http_slot {
	struct http_slot *older;
	struct http_slot *newer;
	enum http_phase phase;
	uint64_t since_us;
	int fd;
	uint16_t *address; /* how many its address has; NULL: not counted */
};

/** Slots of one phase in the order in which they came to it. */
struct http_queue {
	struct http_slot *oldest;
	struct http_slot *newest;
	struct http_slot
		*look; /* the next to be looked at, whether its client has gone; NULL: oldest */
};

struct http_limits {
	unsigned connections_max;
	unsigned per_address_max;           /* 0: no limit */
	uint64_t time_us[HTTP_PHASE_TIMED]; /* 0: no limit */
	struct http_queue queues[HTTP_PHASE_TIMED];
	unsigned open; /* without those that are shut down */
	uint16_t *addresses;
	uint64_t secret[3]; /* so that nobody can choose whom he is counted with */
	uint64_t now_us;    /* as of this turn */
	struct http_limits_count count;
	http_exempt exempt;
	void *context;
};

/** @return KW_OK, KW_E_NO_MEMORY, KW_E_SYSTEM (no randomness) */
KW_MUST_CHECK enum kw_err http_limits_open(
	struct http_limits *limits, const struct http_server_options *options);
/** After the last connection left. All zero is fine. */
void http_limits_close(struct http_limits *limits);

/** Whether one more from this address may come in; if not, it is counted as refused and logged. */
bool http_limits_admit(struct http_limits *limits, const struct sockaddr *address);
/** A connection is there; another one, or this one, may be shut down for it. */
void http_limits_enter(
	struct http_limits *limits, struct http_slot *slot, int fd, const struct sockaddr *address);
void http_limits_leave(struct http_limits *limits, struct http_slot *slot);
/** It goes on; nothing happens to one that was shut down. */
void http_limits_move(struct http_limits *limits, struct http_slot *slot, enum http_phase phase);

/** A turn begins: take the time, and shut down what is over its own. */
void http_limits_turn(struct http_limits *limits);
/** How long until the next is over its time; -1: none. */
int http_limits_timeout_ms(const struct http_limits *limits);

#endif
