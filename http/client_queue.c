#include "http/client_queue.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

void http_queue_init(struct http_queue *queue)
{
	TAILQ_INIT(&queue->posts);
	LIST_INIT(&queue->targets);
	queue->pending = 0;
}

static struct http_target *find(const struct http_queue *queue, const char *name)
{
	struct http_target *target;

	LIST_FOREACH(target, &queue->targets, entry)
	{
		if (strcmp(target->name, name) == 0) {
			return target;
		}
	}
	return NULL;
}

static struct http_target *create(struct http_queue *queue, const char *name)
{
	size_t size = strlen(name) + 1;
	struct http_target *target = calloc(1, sizeof(*target) + size);

	if (target != NULL) {
		memcpy(target->name, name, size);
		TAILQ_INIT(&target->line);
		LIST_INSERT_HEAD(&queue->targets, target, entry);
	}
	return target;
}

static void leave(struct http_target *target)
{
	if (target->members == 0) {
		LIST_REMOVE(target, entry);
		free(target);
	}
}

enum kw_err http_queue_add(struct http_queue *queue, const struct http_url *url, const void *body,
	size_t length, size_t per_target_max, struct http_post **out)
{
	struct http_target *target = find(queue, url->target);
	struct http_post *post;

	*out = NULL;
	if (target != NULL && target->pending >= per_target_max) {
		return KW_E_BUSY;
	}
	if (target == NULL) {
		target = create(queue, url->target);
	}
	if (target == NULL) {
		return KW_E_NO_MEMORY;
	}
	post = length > SIZE_MAX / 2 ? NULL : calloc(1, sizeof(*post) + length);
	if (post == NULL) {
		leave(target);
		return KW_E_NO_MEMORY;
	}
	if (length > 0) {
		memcpy(post->body, body, length);
	}
	post->length = length;
	post->target = target;
	post->attempt.plain = !url->tls;
	target->members++;
	target->pending++;
	queue->pending++;
	TAILQ_INSERT_TAIL(&queue->posts, post, all);
	TAILQ_INSERT_TAIL(&target->line, post, line);
	*out = post;
	return KW_OK;
}

void http_queue_reported(struct http_queue *queue, struct http_post *post)
{
	if (post->state == HTTP_POST_WAITING) {
		TAILQ_REMOVE(&post->target->line, post, line);
	}
	kw_wipe(post->body, post->length);
	post->state = HTTP_POST_REPORTED;
	post->target->pending--;
	queue->pending--;
}

void http_queue_remove(struct http_queue *queue, struct http_post *post)
{
	struct http_target *target = post->target;

	if (post->state != HTTP_POST_REPORTED) {
		http_queue_reported(queue, post);
	}
	TAILQ_REMOVE(&queue->posts, post, all);
	target->members--;
	leave(target);
	kw_wipe(post, sizeof(*post)); /* the URL may hold a token */
	free(post);
}
