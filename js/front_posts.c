#include "js/front_posts.h"

#include "base/log_gate.h"

#include <stdio.h>
#include <string.h>

/* An answer is useless once the device has closed its receive windows, 5 and 6 s after its request. */
#define DEADLINE_MS        5000
#define CONNECT_TIMEOUT_MS 2000
#define QUEUE_MAX          4096
#define PER_TARGET_MAX     1024
#define CONNECTIONS        8

static void on_done(void *context, uint64_t tag, const struct http_client_result *result)
{
	struct js_front_posts *posts = context;

	posts->report->answers_posted += result->ok;
	posts->report->answers_failed += !result->ok;
	if (result->ok) {
		kw_log(KW_LOG_INFO, "front", "answer posted", KW_STR("to", result->target),
			KW_NUM("txn", tag), KW_NUM("attempts", result->attempts),
			KW_NUM("took_ms", result->took_ms));
	} else if (kw_log_gate(&posts->failed, &kw_env_system, KW_LOG_WARNING, "front")) {
		kw_log(KW_LOG_WARNING, "front", "an answer could not be posted",
			KW_STR("to", result->target), KW_NUM("txn", tag),
			KW_STR("reason", result->reason), KW_NUM("attempts", result->attempts),
			KW_NUM("took_ms", result->took_ms));
	}
}

static enum kw_err client_open(struct js_front_posts *posts,
	const struct js_front_posts_files *files, struct http_client **out)
{
	const struct http_client_options options = {
		.queue_max = QUEUE_MAX,
		.per_target_max = PER_TARGET_MAX,
		.connections_per_target = CONNECTIONS,
		.deadline_ms = DEADLINE_MS,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
		.ca_pem = files->ca,
		.certificate_pem = files->certificate,
		.key_pem = files->key,
		.done = on_done,
		.context = posts,
	};

	return http_client_open(&options, out);
}

enum kw_err js_front_posts_init(struct js_front_posts *posts,
	const struct js_front_posts_files *files, struct ipc_report *report)
{
	*posts = (struct js_front_posts){.report = report};
	return client_open(posts, files, &posts->client);
}

void js_front_posts_finish(struct js_front_posts *posts)
{
	http_client_close(posts->retiring);
	http_client_close(posts->client);
	posts->retiring = NULL;
	posts->client = NULL;
}

enum kw_err js_front_posts_renew(
	struct js_front_posts *posts, const struct js_front_posts_files *files)
{
	struct http_client *fresh;
	enum kw_err err = client_open(posts, files, &fresh);

	if (err != KW_OK) {
		return err;
	}
	/* Two changes within the life of an answer: what is older than both is given up. */
	if (posts->retiring != NULL && http_client_pending(posts->retiring) > 0) {
		posts->report->answers_failed += http_client_pending(posts->retiring);
		kw_log(KW_LOG_WARNING, "front", "answers were given up for newer files",
			KW_NUM("answers", http_client_pending(posts->retiring)));
	}
	http_client_close(posts->retiring);
	posts->retiring = posts->client;
	posts->client = fresh;
	return KW_OK;
}

void js_front_posts_fds(const struct js_front_posts *posts, int fds[JS_FRONT_POSTS_FDS])
{
	fds[0] = http_client_fd(posts->client);
	fds[1] = posts->retiring != NULL ? http_client_fd(posts->retiring) : -1;
}

int js_front_posts_timeout_ms(const struct js_front_posts *posts)
{
	int timeout = http_client_timeout_ms(posts->client);
	int other = posts->retiring != NULL ? http_client_timeout_ms(posts->retiring) : -1;

	if (timeout < 0 || other < 0) {
		return timeout < 0 ? other : timeout;
	}
	return timeout < other ? timeout : other;
}

void js_front_posts_run(struct js_front_posts *posts)
{
	http_client_run(posts->client);
	if (posts->retiring == NULL) {
		return;
	}
	http_client_run(posts->retiring);
	if (http_client_pending(posts->retiring) == 0) {
		http_client_close(posts->retiring);
		posts->retiring = NULL;
	}
}

size_t js_front_posts_pending(const struct js_front_posts *posts)
{
	return http_client_pending(posts->client) +
	       (posts->retiring != NULL ? http_client_pending(posts->retiring) : 0);
}

/* Scheme, host and port: what follows may hold a token. */
static void write_target(const char *url, char out[HTTP_URL_MAX + 1])
{
	const char *host = strstr(url, "://");
	size_t before = host != NULL ? (size_t)(host - url) + 3 : 0;

	snprintf(out, HTTP_URL_MAX + 1, "%.*s", (int)(before + strcspn(url + before, "/?")), url);
}

enum kw_err js_front_posts_send(struct js_front_posts *posts, const char *url,
	const struct bi_request *request, const char *body, size_t length)
{
	enum kw_err err =
		http_client_post(posts->client, url, body, length, request->transaction_id);

	if (err != KW_OK) {
		char target[HTTP_URL_MAX + 1];

		posts->report->answers_failed++;
		if (!kw_log_gate(&posts->refused, &kw_env_system, KW_LOG_WARNING, "front")) {
			return err;
		}
		write_target(url, target);
		kw_log(KW_LOG_WARNING, "front", "an answer cannot be posted", KW_STR("to", target),
			KW_NUM("txn", request->transaction_id), KW_STR("reason", kw_err_text(err)));
	}
	return err;
}
