#include "http/client.h"

#include "base/log.h"
#include "base/secret.h"
#include "http/client_loop.h"
#include "http/client_memory.h"
#include "http/client_queue.h"
#include "http/client_store.h"
#include "http/client_tls.h"

#include <assert.h>
#include <limits.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ATTEMPTS_MAX 3
#define ROUNDS_MAX   16 /* of one run, so that the loop's other work has its turn */
#define US_PER_MS    1000

static const uint64_t rest_us[ATTEMPTS_MAX - 1] = {250 * US_PER_MS, 1000 * US_PER_MS};

struct http_client {
	struct http_client_options options;
	struct http_attempt_common common;
	struct http_queue queue;
	struct http_loop loop;
	uint64_t due_us; /* no post is due earlier */
	bool running;    /* http_client_run() is on the stack */
};

static uint64_t now_us(const struct http_client *client)
{
	return kw_mono_us(client->options.env);
}

static struct http_post *post_of(struct http_attempt *attempt)
{
	return (struct http_post *)(void *)((char *)attempt - offsetof(struct http_post, attempt));
}

static void set_due(struct http_post *post, uint64_t due_us)
{
	struct http_client *client = post->client;

	post->due_us = due_us < post->deadline_us ? due_us : post->deadline_us;
	if (post->due_us < client->due_us) {
		client->due_us = post->due_us;
	}
}

static void attempt_moved(struct http_attempt *attempt)
{
	struct http_post *post = post_of(attempt);
	struct http_client *client = post->client;

	if (post->target->opening == post) {
		post->target->opening = NULL;
	}
	if (attempt->phase == HTTP_ATTEMPT_CONNECTING) {
		set_due(post,
			now_us(client) + (uint64_t)client->options.connect_timeout_ms * US_PER_MS);
	} else {
		set_due(post, HTTP_NEVER);
	}
}

static void give_up(struct http_post *post, const char *reason)
{
	post->state = HTTP_POST_HOPELESS;
	snprintf(post->outcome.reason, sizeof(post->outcome.reason), "%s", reason);
	set_due(post, 0);
}

static void start(struct http_post *post)
{
	struct http_target *target = post->target;
	const struct http_attempt_request request = {
		.url = post->url,
		.body = post->body,
		.length = post->length,
		.fresh = post->attempts > 0,
	};

	TAILQ_REMOVE(&target->line, post, line);
	if (http_attempt_start(&post->attempt, post->client->loop.multi, &post->client->common,
		    &request) != KW_OK) {
		give_up(post, kw_err_text(KW_E_NO_MEMORY));
		return;
	}
	post->state = HTTP_POST_STARTED;
	post->attempts++;
	target->busy++;
	target->opening = post;
	set_due(post, HTTP_NEVER);
}

/* One at a time looks the name up, so that a target whose name hangs has one thread and not many. */
static void start_next(struct http_client *client, struct http_target *target)
{
	struct http_post *post = TAILQ_FIRST(&target->line);

	if (post != NULL && target->opening == NULL &&
		target->busy < client->options.connections_per_target) {
		start(post);
	}
}

static void start_all(struct http_client *client)
{
	struct http_target *target;

	LIST_FOREACH(target, &client->queue.targets, entry)
	{
		start_next(client, target);
	}
}

static void stop_attempt(struct http_post *post)
{
	if (post->attempt.easy != NULL) {
		http_attempt_stop(&post->attempt, post->client->loop.multi);
		post->target->busy--;
	}
	if (post->target->opening == post) {
		post->target->opening = NULL;
	}
}

static void report(struct http_post *post)
{
	struct http_client *client = post->client;
	const struct http_client_result result = {
		.ok = post->outcome.ok,
		.status = post->outcome.status,
		.attempts = post->attempts,
		.took_ms = (unsigned)((now_us(client) - post->submitted_us) / US_PER_MS),
		.target = post->target->name,
		.reason = post->outcome.reason,
	};

	http_queue_reported(&client->queue, post);
	client->options.done(client->options.context, post->tag, &result);
	if (post->attempt.easy != NULL) {
		post->attempt.abandoned = true;
		post->due_us = HTTP_NEVER;
	} else {
		http_queue_remove(&client->queue, post);
	}
}

static void rest_or_report(struct http_post *post)
{
	uint64_t now = now_us(post->client);
	uint64_t rest = post->attempts >= 1 && post->attempts < ATTEMPTS_MAX
				? rest_us[post->attempts - 1]
				: HTTP_NEVER;

	if (post->outcome.again && rest != HTTP_NEVER && now + rest < post->deadline_us) {
		post->state = HTTP_POST_RESTING;
		set_due(post, now + rest);
	} else {
		report(post);
	}
}

static void attempt_done(struct http_post *post, CURLcode code)
{
	if (post->state == HTTP_POST_REPORTED) {
		stop_attempt(post);
		http_queue_remove(&post->client->queue, post);
		return;
	}
	http_attempt_judge(&post->attempt, code, &post->outcome);
	stop_attempt(post);
	rest_or_report(post);
}

static void collect(struct http_client *client)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(client->loop.multi, &left)) != NULL) {
		if (message->msg == CURLMSG_DONE) {
			attempt_done(post_of(http_attempt_of(message->easy_handle)),
				message->data.result);
		}
	}
}

/* The reason of an earlier attempt says more than that time is up. */
static const char *late_words(const struct http_post *post)
{
	if (post->state == HTTP_POST_WAITING) {
		return post->attempts > 0 ? NULL
					  : "not sent in time: earlier posts to this peer are not "
					    "answered";
	}
	switch (post->attempt.phase) {
	case HTTP_ATTEMPT_OPENING:
		return "the name was not resolved in time";
	case HTTP_ATTEMPT_CONNECTING:
		return "no connection in time";
	default:
		return http_attempt_status(&post->attempt) == 0 ? "no answer in time"
								: "the answer did not end in time";
	}
}

static void overdue_started(struct http_post *post, bool late)
{
	const char *words = late_words(post);

	memset(&post->outcome, 0, sizeof(post->outcome));
	post->outcome.status = http_attempt_status(&post->attempt);
	post->outcome.again = !late;
	snprintf(post->outcome.reason, sizeof(post->outcome.reason), "%s", words);
	if (post->attempt.phase != HTTP_ATTEMPT_OPENING) {
		stop_attempt(post);
	}
	if (late) {
		report(post);
	} else {
		rest_or_report(post);
	}
}

static void overdue(struct http_post *post, uint64_t now)
{
	switch (post->state) {
	case HTTP_POST_STARTED:
		overdue_started(post, now >= post->deadline_us);
		return;
	case HTTP_POST_RESTING:
		post->state = HTTP_POST_WAITING;
		TAILQ_INSERT_TAIL(&post->target->line, post, line);
		set_due(post, HTTP_NEVER);
		return;
	case HTTP_POST_WAITING:
		if (late_words(post) != NULL) {
			snprintf(post->outcome.reason, sizeof(post->outcome.reason), "%s",
				late_words(post));
		}
		report(post);
		return;
	case HTTP_POST_HOPELESS:
		report(post);
		return;
	case HTTP_POST_REPORTED:
		return;
	}
}

/* What `done` adds goes to the end of the list, and nothing but this takes posts off it here. */
static void look_at_due(struct http_client *client)
{
	uint64_t now = now_us(client);
	struct http_post *post, *next;

	if (now < client->due_us) {
		return;
	}
	client->due_us = HTTP_NEVER;
	for (post = TAILQ_FIRST(&client->queue.posts); post != NULL; post = next) {
		bool due = post->due_us <= now;

		next = TAILQ_NEXT(post, all);
		if (due) {
			overdue(post, now);
		} else if (post->due_us < client->due_us) {
			client->due_us = post->due_us;
		}
	}
}

void http_client_run(struct http_client *client)
{
	bool more = true;

	assert(!client->running);
	client->running = true;
	for (unsigned i = 0; i < ROUNDS_MAX && more; i++) {
		http_loop_events(&client->loop);
		more = http_loop_timer(&client->loop);
		collect(client);
		look_at_due(client);
		start_all(client);
	}
	client->running = false;
}

int http_client_fd(const struct http_client *client)
{
	return client->loop.epoll;
}

int http_client_timeout_ms(const struct http_client *client)
{
	uint64_t due = client->due_us < client->loop.due_us ? client->due_us : client->loop.due_us;
	uint64_t now, wait;

	if (due == HTTP_NEVER) {
		return -1;
	}
	now = now_us(client);
	wait = due <= now ? 0 : (due - now + US_PER_MS - 1) / US_PER_MS;
	return wait > INT_MAX ? INT_MAX : (int)wait;
}

size_t http_client_pending(const struct http_client *client)
{
	return client->queue.pending;
}

enum kw_err http_client_post(
	struct http_client *client, const char *url, const void *body, size_t length, uint64_t tag)
{
	char why[HTTP_URL_WHY_SIZE];
	struct http_url parts;
	struct http_post *post;
	enum kw_err err = http_url_read(url, &parts, why);

	if (err != KW_OK) {
		return err;
	}
	if (client->queue.pending >= client->options.queue_max) {
		return KW_E_BUSY;
	}
	err = http_queue_add(
		&client->queue, &parts, body, length, client->options.per_target_max, &post);
	if (err != KW_OK) {
		return err;
	}
	memcpy(post->url, url, strlen(url) + 1);
	post->client = client;
	post->attempt.moved = attempt_moved;
	post->tag = tag;
	post->submitted_us = now_us(client);
	post->deadline_us = post->submitted_us + (uint64_t)client->options.deadline_ms * US_PER_MS;
	set_due(post, HTTP_NEVER);
	if (parts.tls && client->common.ca == NULL) {
		TAILQ_REMOVE(&post->target->line, post, line);
		give_up(post, "no CA certificates are configured to verify an https peer with");
	} else {
		start_next(client, post->target);
	}
	return KW_OK;
}

static bool copy(char **out, const char *text)
{
	*out = text == NULL ? NULL : strdup(text);
	return (*out == NULL) == (text == NULL);
}

static bool add_header(struct http_client *client, const char *line)
{
	struct curl_slist *list = curl_slist_append(client->common.headers, line);

	if (list != NULL) {
		client->common.headers = list;
	}
	return list != NULL;
}

static enum kw_err open_parts(struct http_client *client)
{
	const struct http_client_options *options = &client->options;
	enum kw_err err = http_loop_open(&client->loop, options->env);

	if (err != KW_OK) {
		return err;
	}
	/* An empty Expect keeps libcurl from waiting for a "100 Continue". */
	if (!copy(&client->common.certificate, options->certificate_pem) ||
		!copy(&client->common.key, options->key_pem) ||
		!add_header(client, "Content-Type: application/json") ||
		!add_header(client, "Expect:")) {
		return KW_E_NO_MEMORY;
	}
	if (options->ca_pem == NULL) {
		return KW_OK;
	}
	err = http_attempt_supported();
	return err == KW_OK ? http_client_store_read(options->ca_pem, &client->common.ca) : err;
}

enum kw_err http_client_open(const struct http_client_options *options, struct http_client **out)
{
	struct http_client *client;
	enum kw_err err;

	*out = NULL;
	if (options->queue_max == 0 || options->per_target_max == 0 ||
		options->connections_per_target == 0 || options->deadline_ms == 0 ||
		options->connect_timeout_ms == 0 || options->done == NULL) {
		return KW_E_INVALID;
	}
	err = http_client_tls_check(options->certificate_pem, options->key_pem);
	if (err != KW_OK) {
		return err;
	}
	unsetenv("SSLKEYLOGFILE");
	tzset(); /* or OpenSSL's gmtime_r() reads /etc/localtime at the first certificate */
	client = calloc(1, sizeof(*client));
	if (client == NULL || http_client_memory_init() != KW_OK) {
		free(client);
		return KW_E_NO_MEMORY;
	}
	client->options = *options;
	client->options.env = options->env != NULL ? options->env : &kw_env_system;
	client->due_us = HTTP_NEVER;
	http_queue_init(&client->queue);
	err = open_parts(client);
	client->options.ca_pem = client->options.certificate_pem = client->options.key_pem = NULL;
	if (err != KW_OK) {
		http_client_close(client);
		return err;
	}
	*out = client;
	return KW_OK;
}

void http_client_close(struct http_client *client)
{
	struct http_post *post;

	if (client == NULL) {
		return;
	}
	assert(!client->running);
	while ((post = TAILQ_FIRST(&client->queue.posts)) != NULL) {
		stop_attempt(post);
		http_queue_remove(&client->queue, post);
	}
	http_loop_close(&client->loop);
	curl_slist_free_all(client->common.headers);
	if (client->common.key != NULL) {
		kw_wipe(client->common.key, strlen(client->common.key));
	}
	free(client->common.key);
	free(client->common.certificate);
	X509_STORE_free(client->common.ca);
	free(client);
	http_client_memory_finish();
}
