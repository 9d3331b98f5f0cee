/**
 * What one turn of a front collected: handed to the vault in one go, answered together.
 *
 * While a batch is with the vault the front waits; meanwhile the next one gathers in the sockets.
 * Every request of a batch is answered in js_front_batch_run(), whatever happens: with the vault's
 * answer (by post if the peer has an answer URL), `Other` if the vault started anew and may have lost the question, or HTTP 503.
 */
#ifndef KW_JS_FRONT_BATCH_H
#define KW_JS_FRONT_BATCH_H

#include "backend-if/message.h"
#include "http/server.h"
#include "ipc/ipc.h"
#include "js/front_posts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JS_FRONT_BATCH_MAX  4096
#define JS_FRONT_TIMEOUT_US (2 * 1000 * 1000)
#define JS_FRONT_LEAVE_US   (1500 * 1000)

struct js_front_entry {
	struct http_request *request; /* NULL: answered, or its client has gone */
	struct bi_request message;
};

struct js_front_batch {
	int channel;
	int signals; /* readable: asked to end */
	struct ipc_report *report;
	struct js_front_posts *posts; /* where answers go whose peer has an answer URL */
	struct js_front_entry *entries;
	struct ipc_backend_req *questions; /* entry by entry */
	size_t count;
	size_t sent;
	size_t open;          /* entries that have a request */
	uint64_t first;       /* number of entries[0] */
	uint64_t generation;  /* of the vault; 0: it has not said */
	bool heard;           /* an answer came since this process started */
	bool greeted;         /* the vault said hello: it knows nothing of us */
	bool closed;          /* keywardd has gone */
	uint64_t leave_by_us; /* asked to end: when this process is to be gone; 0: not asked */
	void *message;        /* IPC_MESSAGE_MAX octets */
};

/** @return KW_OK, KW_E_NO_MEMORY, KW_E_SYSTEM (no randomness) */
KW_MUST_CHECK enum kw_err js_front_batch_init(struct js_front_batch *batch, int channel,
	int signals, struct js_front_posts *posts, struct ipc_report *report);
void js_front_batch_finish(struct js_front_batch *batch);

/** Where to decode the next request; NULL if the batch is full. */
struct bi_request *js_front_batch_room(struct js_front_batch *batch);
/** Take the request that was decoded there into the batch. */
void js_front_batch_add(struct js_front_batch *batch, struct http_request *request,
	const struct ipc_credential *credentials, size_t count);
/** The client has gone (http_gone): the vault is not asked, if it was not yet. */
void js_front_batch_gone(struct http_request *request);

/** Ask the vault and answer all. Leaves the batch empty. */
void js_front_batch_run(struct js_front_batch *batch);
/** Note that this process was asked to end: it is to be gone in JS_FRONT_LEAVE_US, and no batch
 *  waits so long for the vault that its answers could not be sent. */
void js_front_batch_leave(struct js_front_batch *batch);
/** Read what the vault says unasked; false if the channel is closed. */
bool js_front_batch_listen(struct js_front_batch *batch);

/** Answer without a body; counted as refused. The reason is for the log only. */
void js_front_refuse(struct ipc_report *report, struct http_request *request, unsigned status,
	const struct http_header *headers, const char *reason);
/** 401, 503 with their headers. */
void js_front_refuse_credential(struct ipc_report *report, struct http_request *request);
void js_front_refuse_busy(struct ipc_report *report, struct http_request *request);

#endif
