#include "js/front_posts.h"

#include "base/log.h"

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
		kw_log(KW_LOG_INFO, "front", "answer posted", KW_NUM("txn", tag),
			KW_NUM("attempts", result->attempts), KW_NUM("took_ms", result->took_ms));
	} else {
		kw_log(KW_LOG_WARNING, "front", "an answer could not be posted", KW_NUM("txn", tag),
			KW_STR("reason", result->reason), KW_NUM("attempts", result->attempts),
			KW_NUM("took_ms", result->took_ms));
	}
}

enum kw_err js_front_posts_init(struct js_front_posts *posts,
	const struct js_front_posts_files *files, struct ipc_report *report)
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

	*posts = (struct js_front_posts){.report = report};
	return http_client_open(&options, &posts->client);
}

void js_front_posts_finish(struct js_front_posts *posts)
{
	http_client_close(posts->client);
	posts->client = NULL;
}

enum kw_err js_front_posts_send(struct js_front_posts *posts, const char *url,
	const struct bi_request *request, const char *body, size_t length)
{
	enum kw_err err =
		http_client_post(posts->client, url, body, length, request->transaction_id);

	if (err != KW_OK) {
		posts->report->answers_failed++;
		kw_log(KW_LOG_WARNING, "front", "an answer cannot be posted", KW_STR("url", url),
			KW_NUM("txn", request->transaction_id), KW_STR("reason", kw_err_text(err)));
	}
	return err;
}
