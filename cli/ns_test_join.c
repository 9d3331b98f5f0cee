/* The requests: a join, the same again, and a forged one. */
#include "cli/ns_test.h"

#include "base/env.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A device opens its first window so long after its Join-request (JOIN_ACCEPT_DELAY1). */
#define WINDOW_US ((uint64_t)5 * 1000 * 1000)
/* Refusals are written to the join log once a second. */
#define LOG_WAIT_MS 3000

static int tell_transport(struct nst_run *run, const struct nst_exchange *exchange)
{
	if (nst_interrupted()) {
		return CLI_FAILED;
	}
	nst_fail(&run->steps, NST_HTTP,
		"the port answers, but not as a join server does: see the log of keywardd or of "
		"the proxy",
		"no answer: %s", exchange->why);
	return CLI_FAILED;
}

static const char *status_help(long status)
{
	switch (status) {
	case 400:
		return "Authorization is there twice, or a proxy spoils the request";
	case 403:
		return "plain HTTP is taken from this machine and from trusted_proxies only: test "
		       "the https URL of the proxy with --url";
	case 404:
		return "the path of the URL is not one of [server] paths";
	case 502:
	case 504:
		return "the proxy does not reach keywardd";
	case 503:
		return "keywardd is too busy, or its vault is silent: keyward status";
	default:
		return "is this the URL of a join server?";
	}
}

/* A 401 is for the next step to explain. */
static int tell_http(struct nst_run *run, const struct nst_exchange *exchange)
{
	if (exchange->status != 200 && exchange->status != 401) {
		nst_fail(&run->steps, NST_HTTP, status_help(exchange->status), "status %ld",
			exchange->status);
		return CLI_FAILED;
	}
	if (exchange->status == 200 && exchange->length == 0 && run->answer_url == NULL) {
		nst_fail(&run->steps, NST_HTTP, "is this the URL of a join server?",
			"status 200 and nothing behind it");
		return CLI_FAILED;
	}
	nst_ok(&run->steps, NST_HTTP, exchange->took_us, "status %ld%s", exchange->status,
		exchange->status == 200 && exchange->length == 0
			? ", acknowledged; the answer goes to the answer URL"
			: "");
	return CLI_DONE;
}

static bool is_made(const struct nst_run *run)
{
	const struct nst_wish *wish = &run->wish;

	return wish->token_file == NULL && wish->authorization_file == NULL &&
	       wish->basic_file == NULL && wish->certificate == NULL;
}

static void tell_unauthorized(struct nst_run *run)
{
	const struct nst_wish *wish = &run->wish;
	const char *option = wish->token_file != NULL           ? "--token-file"
			     : wish->authorization_file != NULL ? "--authorization-file"
			     : wish->basic_file != NULL         ? "--basic-file"
								: "--certificate";
	char help[NST_TEXT_SIZE];

	snprintf(help, sizeof(help), "keyward ns set %s %s F lets it in%s", wish->name, option,
		wish->certificate != NULL
			? "; one that is known by --ca and --subject needs that CA in "
			  "tls_client_ca of keyward.conf, too"
			: "");
	nst_fail(&run->steps, NST_SENDER,
		is_made(run) ? "--url leads to another join server than the one that this "
			       "command administers, or a proxy drops Authorization"
			     : help,
		"the credential is nobody's");
}

/* The join log names the command that helps, if it knows who it was. */
static void tell_unknown_sender(struct nst_run *run, const json_t *event)
{
	const char *words = json_string_value(json_object_get(event, "text"));
	char help[NST_TEXT_SIZE];

	if (run->ns.protocol_1_1 && run->peer.has_ns_id && !run->ns.has_ns_id) {
		snprintf(help, sizeof(help),
			"it is registered with an NSID and speaks 1.1 without one: "
			"keyward ns set %s --ns-id ''",
			run->wish.name);
	} else {
		snprintf(help, sizeof(help), "keyward ns show %s lists its NetIDs and NSID",
			run->wish.name);
	}
	nst_fail(&run->steps, NST_SENDER, words != NULL ? words : help, "UnknownSender");
}

/* Who the join server took this for stands in its log. */
static int tell_sender(struct nst_run *run, const struct sim_verdict *verdict, const json_t *event)
{
	const char *sender = json_string_value(json_object_get(event, "sender"));

	if (strcmp(verdict->result_code, "UnknownSender") == 0) {
		tell_unknown_sender(run, event);
		return CLI_FAILED;
	}
	if (sender == NULL) {
		nst_fail(&run->steps, NST_SENDER,
			"--url leads to another join server than the one that this command "
			"administers",
			"nothing of this is in the join log%s%s",
			verdict->result_code[0] == '\0' ? "" : "; the answer was ",
			verdict->result_code);
		return CLI_FAILED;
	}
	if (strcmp(sender, run->wish.name) != 0) {
		nst_fail(&run->steps, NST_SENDER,
			"give each network server a credential of its own",
			"accepted as %s: the credential is that one's", sender);
		return CLI_FAILED;
	}
	nst_ok(&run->steps, NST_SENDER, 0, "accepted as %s", sender);
	return CLI_DONE;
}

/* Without an answer to look at, the join log says how it went. */
static int tell_posted(struct nst_run *run, const json_t *event, const struct nst_posts *before)
{
	static const enum nst_step unseen[] = {
		NST_MIC, NST_KEK, NST_APP_S_KEY, NST_REPEAT, NST_FORGED};
	const char *kind = json_string_value(json_object_get(event, "kind"));
	const char *words = json_string_value(json_object_get(event, "text"));

	nst_not_seen(&run->steps, NST_VERSION, "in the answer, which goes to the answer URL");
	nst_not_seen(&run->steps, NST_HEADER, "the same");
	if (kind == NULL || strcmp(kind, "accepted") != 0) {
		nst_fail(&run->steps, NST_JOIN, words == NULL ? "" : words, "refused");
		return CLI_FAILED;
	}
	nst_ok(&run->steps, NST_JOIN, 0, "the join log says: accepted");
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++) {
		nst_not_seen(&run->steps, unseen[i], "the same");
	}
	nst_posts_wait(run, before);
	return CLI_DONE;
}

static bool start(struct nst_run *run, struct nst_exchange *exchange)
{
	uint32_t random;

	memset(exchange, 0, sizeof(*exchange));
	if (kw_random(&kw_env_system, &random, sizeof(random)) != KW_OK ||
		sim_join_start(run->aes, &run->ns, &run->device, random, &run->join) != KW_OK) {
		snprintf(exchange->why, sizeof(exchange->why), "the device cannot be played");
		return false;
	}
	return true;
}

static void tell_repeat(struct nst_run *run, const struct nst_exchange *first)
{
	struct nst_exchange again = {.status = 0};

	memcpy(again.body, first->body, sizeof(again.body));
	nst_send(run, &again);
	if (nst_interrupted()) {
		/* Told as not run. */
	} else if (again.status == 0) {
		nst_fail(&run->steps, NST_REPEAT, "", "no answer: %s", again.why);
	} else if (again.status != first->status || again.length != first->length ||
		   memcmp(again.answer, first->answer, first->length) != 0) {
		nst_fail(&run->steps, NST_REPEAT,
			"a request that a network server sends twice must get one answer: see "
			"repeat_window in [join], and the log of keywardd",
			"the same request got another answer");
	} else {
		nst_ok(&run->steps, NST_REPEAT, again.took_us,
			"the same request got the identical answer");
	}
	nst_exchange_finish(&again);
}

static void tell_forged(struct nst_run *run)
{
	struct nst_exchange forged;
	struct sim_verdict verdict = {.fault = SIM_FAULT_NONE};

	if (!start(run, &forged)) {
		nst_fail(&run->steps, NST_FORGED, "", "%s", forged.why);
		return;
	}
	run->join.frame[LW_JOIN_REQUEST_SIZE - 1] ^= 1;
	sim_join_body(&run->ns, &run->join, forged.body);
	if (nst_send(run, &forged)) {
		sim_join_answer(run->aes, &run->ns, &run->join, forged.status, forged.answer,
			forged.length, &verdict);
	}
	if (nst_interrupted()) {
		/* Told as not run. */
	} else if (strcmp(verdict.result_code, "MICFailed") == 0) {
		nst_ok(&run->steps, NST_FORGED, forged.took_us, "a wrong MIC gets MICFailed");
	} else {
		nst_fail(&run->steps, NST_FORGED, "see the log of keywardd",
			"a wrong MIC gets %s instead of MICFailed",
			verdict.result_code[0] != '\0' ? verdict.result_code : "no answer");
	}
	kw_wipe(&verdict, sizeof(verdict));
	nst_exchange_finish(&forged);
}

static int tell_answer(struct nst_run *run, const struct nst_exchange *first,
	const struct sim_verdict *verdict, const json_t *event)
{
	if (!nst_judge(run, verdict, event)) {
		return CLI_FAILED;
	}
	if (!nst_interrupted()) {
		tell_repeat(run, first);
	}
	if (!nst_interrupted()) {
		tell_forged(run);
	}
	return CLI_DONE;
}

static int look_at_answer(struct nst_run *run, const struct nst_exchange *first, uint64_t before,
	const struct nst_posts *posts)
{
	struct sim_verdict verdict = {.fault = SIM_FAULT_NONE};
	json_t *event;
	int status;

	if (first->status == 401) {
		tell_unauthorized(run);
		return CLI_FAILED;
	}
	if (first->length > 0) {
		sim_join_answer(run->aes, &run->ns, &run->join, first->status, first->answer,
			first->length, &verdict);
	}
	event = nst_log_wait(run, before, LOG_WAIT_MS);
	status = nst_interrupted() ? CLI_FAILED : tell_sender(run, &verdict, event);
	if (status == CLI_DONE && first->length > 0) {
		status = tell_answer(run, first, &verdict, event);
	} else if (status == CLI_DONE) {
		status = tell_posted(run, event, posts);
	}
	json_decref(event);
	kw_wipe(&verdict, sizeof(verdict));
	return status;
}

static void tell_time(struct nst_run *run)
{
	double slowest_ms = (double)run->slowest_us / 1000;

	if (run->slowest_us > WINDOW_US) {
		nst_fail(&run->steps, NST_TIME,
			"keyward status shows how busy it is; the network in between may be slow",
			"%.1f ms, but a device waits 5 s only", slowest_ms);
	} else {
		nst_ok(&run->steps, NST_TIME, 0, "%.1f ms, the slowest of %u; a device waits 5 s",
			slowest_ms, run->exchanges);
	}
}

int nst_join_run(struct nst_run *run)
{
	const uint64_t before = nst_log_newest(run);
	struct nst_posts posts = {.posted = 0};
	struct nst_exchange first;
	int status = CLI_FAILED;

	if (run->answer_url != NULL && !nst_posts_read(run, &posts)) {
		return CLI_FAILED;
	}
	if (start(run, &first)) {
		sim_join_body(&run->ns, &run->join, first.body);
		nst_send(run, &first);
	}
	status = first.status == 0 ? tell_transport(run, &first) : tell_http(run, &first);
	if (status == CLI_DONE) {
		status = look_at_answer(run, &first, before, &posts);
	}
	if (run->exchanges > 0 && !nst_interrupted()) {
		tell_time(run);
	}
	nst_exchange_finish(&first);
	return status;
}
