#include "cli/ns_test.h"

#include "base/env.h"
#include "base/secret.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answered(void *context, unsigned slot, const struct sim_http_answer *answer)
{
	struct nst_run *run = context;
	struct nst_exchange *exchange = run->exchange;

	(void)slot;
	exchange->done = true;
	exchange->status = answer->status;
	if (answer->status == 0) {
		snprintf(exchange->why, sizeof(exchange->why), "%s", answer->why);
		return;
	}
	exchange->answer = malloc(answer->length + 1);
	if (exchange->answer == NULL) {
		exchange->status = 0;
		snprintf(exchange->why, sizeof(exchange->why), "out of memory");
		return;
	}
	memcpy(exchange->answer, answer->body, answer->length);
	exchange->answer[answer->length] = '\0';
	exchange->length = answer->length;
}

static bool open_http(struct nst_run *run)
{
	const struct nst_target *target = &run->target;
	char connect_to[CLI_URL_SIZE + 8];
	struct sim_http_options options = {
		.url = target->url.text,
		.authorization = run->authorization,
		.certificate = run->wish.certificate,
		.key = run->wish.key,
		.ca = target->ca,
		.connections = 1,
	};

	if (target->connect_host[0] != '\0') {
		snprintf(connect_to, sizeof(connect_to), "%.240s:%u", target->connect_host,
			target->connect_port);
		options.connect_to = connect_to;
	}
	if (run->http == NULL) {
		run->http = sim_http_create(&options, answered, run);
	}
	return run->http != NULL;
}

bool nst_send(struct nst_run *run, struct nst_exchange *exchange)
{
	uint64_t started_us;

	run->exchange = exchange;
	if (!open_http(run) ||
		sim_http_start(run->http, 0, exchange->body, strlen(exchange->body)) != KW_OK) {
		snprintf(exchange->why, sizeof(exchange->why), "out of memory");
		return false;
	}
	started_us = kw_mono_us(&kw_env_system);
	while (!exchange->done && !nst_interrupted()) {
		sim_http_turn(run->http, UINT64_MAX);
	}
	exchange->took_us = kw_mono_us(&kw_env_system) - started_us;
	if (exchange->status == 0) {
		return false;
	}
	run->exchanges++;
	if (exchange->took_us > run->slowest_us) {
		run->slowest_us = exchange->took_us;
	}
	return true;
}

void nst_exchange_finish(struct nst_exchange *exchange)
{
	if (exchange->answer != NULL) {
		kw_wipe(exchange->answer, exchange->length);
		free(exchange->answer);
	}
	memset(exchange, 0, sizeof(*exchange));
}
