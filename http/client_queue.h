/** The posts of a client and where they go. Private to http/. */
#ifndef KW_HTTP_CLIENT_QUEUE_H
#define KW_HTTP_CLIENT_QUEUE_H

#include "http/client.h"
#include "http/client_attempt.h"
#include "http/client_url.h"

#include <sys/queue.h>

enum http_post_state {
	HTTP_POST_WAITING,  /* in its target's line */
	HTTP_POST_STARTED,  /* has an attempt */
	HTTP_POST_RESTING,  /* will be tried again at due_us */
	HTTP_POST_HOPELESS, /* will be reported at due_us, with the reason it has */
	HTTP_POST_REPORTED, /* its attempt still looks a name up, and is dropped after that */
};

struct http_post {
	TAILQ_ENTRY(http_post) all;
	TAILQ_ENTRY(http_post) line;
	struct http_client *client;
	struct http_target *target;
	struct http_attempt attempt;
	struct http_attempt_outcome outcome; /* of the last attempt */
	enum http_post_state state;
	unsigned attempts;
	uint64_t tag;
	uint64_t submitted_us;
	uint64_t deadline_us;
	uint64_t due_us; /* when to look at it again, if nothing happens before */
	char url[HTTP_URL_MAX + 1];
	size_t length;
	unsigned char body[];
};

struct http_target {
	LIST_ENTRY(http_target) entry;
	TAILQ_HEAD(http_line, http_post) line;
	size_t members;            /* posts, the reported ones too */
	size_t pending;            /* posts that are not reported */
	unsigned busy;             /* attempts */
	struct http_post *opening; /* whose attempt may look the name up: one at a time */
	char name[];
};

struct http_queue {
	TAILQ_HEAD(http_posts, http_post) posts;
	LIST_HEAD(http_targets, http_target) targets;
	size_t pending; /* posts that are not reported */
};

void http_queue_init(struct http_queue *queue);
/**
 * A new post, waiting in its target's line; the caller sets client, tag and times.
 * @return KW_OK, KW_E_BUSY (the target has `per_target_max` already), KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err http_queue_add(struct http_queue *queue, const struct http_url *url,
	const void *body, size_t length, size_t per_target_max, struct http_post **out);
/** No longer pending: wipe the body; it stays a member for its attempt's sake. */
void http_queue_reported(struct http_queue *queue, struct http_post *post);
/** Wipe and free, and the target with its last post. The attempt must have been stopped. */
void http_queue_remove(struct http_queue *queue, struct http_post *post);

#endif
