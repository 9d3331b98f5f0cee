/**
 * Asynchronous answers: a peer with an answer URL gets its request acknowledged and the answer
 * posted there (LoRaWAN Backend Interfaces 1.0, synchronous and asynchronous transfer).
 *
 * What is posted had its commit before; an answer that cannot be delivered in time is lost, as one is
 * whose connection breaks, and the device tries again.
 */
#ifndef KW_JS_FRONT_POSTS_H
#define KW_JS_FRONT_POSTS_H

#include "backend-if/message.h"
#include "base/log_gate.h"
#include "http/client.h"
#include "ipc/ipc.h"

struct js_front_posts {
	struct http_client *client;
	struct http_client *retiring; /* had other files; ends what it has begun. Mostly NULL */
	struct ipc_report *report;    /* borrowed; what became of answers is counted there */
	struct kw_log_gate failed;
	struct kw_log_gate refused;
};

/** PEM texts; NULL: none. Borrowed, the key may be wiped afterwards. */
struct js_front_posts_files {
	const char *ca;
	const char *certificate;
	const char *key;
};

/** @return KW_OK; KW_E_INVALID (a file is not usable; logged), KW_E_NO_MEMORY, KW_E_SYSTEM */
KW_MUST_CHECK enum kw_err js_front_posts_init(struct js_front_posts *posts,
	const struct js_front_posts_files *files, struct ipc_report *report);
void js_front_posts_finish(struct js_front_posts *posts);

/** Use other files for answers from now on. Errors as init: the old ones stay. */
KW_MUST_CHECK enum kw_err js_front_posts_renew(
	struct js_front_posts *posts, const struct js_front_posts_files *files);

#define JS_FRONT_POSTS_FDS 2
/** Descriptors to poll for reading; -1: none. */
void js_front_posts_fds(const struct js_front_posts *posts, int fds[JS_FRONT_POSTS_FDS]);
/** How long the loop may sleep at most, ms; -1: as long as it likes. */
int js_front_posts_timeout_ms(const struct js_front_posts *posts);
/** Do what can be done without waiting. */
void js_front_posts_run(struct js_front_posts *posts);
/** Answers that are still under way. */
size_t js_front_posts_pending(const struct js_front_posts *posts);

/**
 * Post the answer to a request. A body that could not be taken is counted as failed.
 * @return KW_OK; KW_E_BUSY (no room: let the peer ask again), KW_E_INVALID, KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err js_front_posts_send(struct js_front_posts *posts, const char *url,
	const struct bi_request *request, const char *body, size_t length);

#endif
