/* What keywardd itself says: the join log about the device, and the answers that were posted. */
#include "cli/ns_test.h"

#include "base/env.h"
#include "cli/text.h"

#include <unistd.h>

#define PAUSE_US ((useconds_t)100 * 1000)
/* Fronts report once a second; an answer that is not taken is tried again for a while. */
#define POSTS_WAIT_MS 10000

static json_t *newest(struct nst_run *run)
{
	char dev_eui[LW_EUI_TEXT_SIZE];
	struct cli_path path;
	struct cli_reply reply;
	json_t *event = NULL;

	lw_eui_write(&run->device.id.dev_eui, dev_eui);
	cli_path_init(&path, "/events");
	cli_path_query(&path, "newest", "1");
	cli_path_query_number(&path, "limit", 1);
	cli_path_query(&path, "dev_eui", dev_eui);
	if (cli_api_get(run->cli, &path, &reply) == CLI_DONE) {
		event = json_array_get(json_object_get(reply.json, "events"), 0);
		json_incref(event);
	}
	cli_reply_finish(&reply);
	return event;
}

uint64_t nst_log_newest(struct nst_run *run)
{
	json_t *event = newest(run);
	uint64_t sequence = cli_member_number(event, "sequence");

	json_decref(event);
	return sequence;
}

static bool is_over(uint64_t started_us, unsigned wait_ms)
{
	return nst_interrupted() ||
	       kw_mono_us(&kw_env_system) - started_us > (uint64_t)wait_ms * 1000;
}

json_t *nst_log_wait(struct nst_run *run, uint64_t after, unsigned wait_ms)
{
	uint64_t started_us = kw_mono_us(&kw_env_system);

	for (;;) {
		json_t *event = newest(run);

		if (event != NULL && cli_member_number(event, "sequence") > after) {
			return event;
		}
		json_decref(event);
		if (is_over(started_us, wait_ms)) {
			return NULL;
		}
		usleep(PAUSE_US);
	}
}

bool nst_posts_read(struct nst_run *run, struct nst_posts *posts)
{
	struct cli_path path;
	struct cli_reply reply;
	const json_t *fronts;
	bool good;

	cli_path_init(&path, "/status");
	good = cli_api_get(run->cli, &path, &reply) == CLI_DONE;
	fronts = json_object_get(reply.json, "fronts");
	posts->posted = cli_member_number(fronts, "answers_posted");
	posts->failed = cli_member_number(fronts, "answers_failed");
	cli_reply_finish(&reply);
	return good;
}

void nst_posts_wait(struct nst_run *run, const struct nst_posts *before)
{
	uint64_t started_us = kw_mono_us(&kw_env_system);
	struct nst_posts now = *before;

	while (now.posted == before->posted && now.failed == before->failed &&
		!is_over(started_us, POSTS_WAIT_MS)) {
		usleep(PAUSE_US);
		if (!nst_posts_read(run, &now)) {
			break;
		}
	}
	if (now.posted > before->posted) {
		nst_ok(&run->steps, NST_ANSWER, 0, "posted to %s, which took it", run->answer_url);
	} else {
		nst_fail(&run->steps, NST_ANSWER,
			"journalctl -u keyward says why; is the URL right (keyward ns set NAME "
			"--answer-url U), and its certificate trusted?",
			"%s %s", run->answer_url,
			now.failed > before->failed ? "did not take the answer"
						    : "has not taken the answer within 10 s");
	}
}
