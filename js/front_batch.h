/**
 * The requests that are under way between a front and the vault.
 *
 * What one turn of the loop collected goes to the vault in one message. While the vault works on it
 * the front goes on: the next requests gather, and go as one message when the vault has answered
 * (FLIGHTS messages may be with it, so that it finds the next one when it ends the last). Batches
 * form by themselves, and nobody waits for anybody.
 *
 * Every request is answered, whatever happens: with the vault's answer (by post if the peer has an
 * answer URL), `Other` if the vault started anew and may have lost the question, or HTTP 503.
 */
#ifndef KW_JS_FRONT_BATCH_H
#define KW_JS_FRONT_BATCH_H

#include "backend-if/message.h"
#include "http/server.h"
#include "ipc/ipc.h"
#include "js/front_answer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JS_FRONT_BATCH_MAX   4096
#define JS_FRONT_FLIGHTS     2
#define JS_FRONT_TIMEOUT_US  (2 * 1000 * 1000) /* for the vault's answer */
#define JS_FRONT_WAIT_MAX_US (1000 * 1000)     /* before the vault is asked */
#define JS_FRONT_LEAVE_US    (1500 * 1000)

struct js_front_entry {
	struct http_request *request; /* NULL: answered, or its client has gone */
	struct bi_request message;
};

/** A message that is with the vault. */
struct js_front_flight {
	uint64_t number; /* of its first question */
	uint64_t due_us; /* when its answer must have come */
	size_t count;    /* 0: nothing is under way here */
	uint16_t slots[IPC_BATCH_MAX];
};

struct js_front_batch {
	int channel;
	struct js_front_teller teller;
	struct js_front_entry *entries;
	uint16_t
		*vacant; /* entries that were used and are free again; the last one is used first */
	size_t vacant_count;
	size_t used;                       /* entries from here on were never used */
	struct ipc_backend_req *questions; /* not yet sent: those in from .. to */
	uint16_t *slots;                   /* whose they are */
	size_t from;
	size_t to;
	bool gone; /* somebody may have gone whose question is not sent */
	struct js_front_flight flights[JS_FRONT_FLIGHTS];
	uint64_t next;        /* number of the next question */
	uint64_t generation;  /* of the vault; 0: it has not said */
	bool heard;           /* an answer came since this process started */
	bool greeted;         /* the vault said hello: it knows nothing of us */
	bool closed;          /* keywardd has gone */
	uint64_t leave_by_us; /* asked to end: when this process is to be gone; 0: not asked */
	void *message;        /* IPC_MESSAGE_MAX octets */
};

/** @return KW_OK, KW_E_NO_MEMORY, KW_E_SYSTEM (no randomness) */
KW_MUST_CHECK enum kw_err js_front_batch_init(
	struct js_front_batch *batch, int channel, const struct js_front_teller *teller);
void js_front_batch_finish(struct js_front_batch *batch);

/** Where to decode the next request; NULL if there are too many. */
struct bi_request *js_front_batch_room(struct js_front_batch *batch);
/** Take the request that was decoded there. The vault may be asked at once, and earlier requests be
 *  answered; this one too if the vault cannot be asked. */
void js_front_batch_add(struct js_front_batch *batch, struct http_request *request,
	const struct ipc_credential *credentials, size_t count);
/** The client has gone (http_gone): the vault is not asked, if it was not yet. */
void js_front_batch_gone(struct js_front_batch *batch, struct http_request *request);

/** Ask the vault what it can be asked now; refuse what waited too long. Does not wait. */
void js_front_batch_run(struct js_front_batch *batch);
/** How long the loop may sleep at most, ms; -1: as long as it likes. */
int js_front_batch_timeout_ms(const struct js_front_batch *batch);
/** Note that this process was asked to end: it is to be gone in JS_FRONT_LEAVE_US, and what the vault
 *  has not answered shortly before is refused. */
void js_front_batch_leave(struct js_front_batch *batch);
/** Read what the vault says; false if the channel is closed. */
bool js_front_batch_listen(struct js_front_batch *batch);

#endif
