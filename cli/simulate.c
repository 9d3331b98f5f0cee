#include "cli/simulate.h"

#include "base/env.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: keyward simulate --url U DEVICES --net-id N [OPTION ...]\n"
	"\n"
	"Plays LoRaWAN devices and a network server: sends JoinReq to a join server by the\n"
	"Backend Interfaces and checks every part of the answer as a device would.\n"
	"\n"
	"Devices:\n"
	"  --dev-eui E --join-eui E --lorawan-version V --keys FILE\n"
	"                        one device; FILE has lines app_key=HEX and, for 1.1,\n"
	"                        nwk_key=HEX; - is standard input\n"
	"  --devices FILE        those of a file for import; --dev-eui, --join-eui pick from it\n"
	"  --state FILE          where DevNonce and JoinNonce are kept from call to call\n"
	"  --dev-nonce N         the next DevNonce instead of the one in the state file\n"
	"Network server:\n"
	"  --net-id N            its NetID, six hexadecimal digits\n"
	"  --sender TEXT         SenderID as it is sent, if it is not to be the NetID\n"
	"  --protocol 1.0|1.1    of the Backend Interfaces (1.0)\n"
	"  --ns-id E             SenderNSID, with --protocol 1.1\n"
	"  --dialect plain|chirpstack|tts\n"
	"                        spells the request as these programs do (plain)\n"
	"  --token-file FILE     bearer token; - is standard input\n"
	"  --ca FILE             certificates to trust, PEM, instead of the system's\n"
	"  --kek-file LABEL=FILE a KEK to open keys with, hexadecimal; repeatable\n"
	"Join:\n"
	"  --mac-version V       (the device's)    --dev-addr A     (one of the network)\n"
	"  --dl-settings HEX     (80 for 1.1)      --rx-delay S     (5)\n"
	"  --cf-list HEX         16 octets\n"
	"  --print-request       print the request and a curl line instead of sending it\n"
	"Load, against this machine:\n"
	"  --count N             joins in all, at most 10000000\n"
	"  --duration S          at most 3600\n"
	"  --rate R              joins per second; latency counts from the time when a join was\n"
	"                        due; without it as fast as answers come\n"
	"  --connections C       1 to 512 (16)\n"
	"  --fresh-connections   a new connection for each join\n"
	"  --allow-remote-load   load a server of your own elsewhere\n"
	"\n"
	"  --json                results as JSON\n"
	"\n"
	"Exit status 1 if an answer was refused or wrong.\n"
	"\n"
	"Example:\n"
	"  keyward simulate --url http://127.0.0.1:8003/ --devices devices.csv \\\n"
	"          --state simulate.state --net-id 000013 --token-file ns.token\n";

const struct cli_command sim_command = {
	.name = "simulate",
	.summary = "play devices and a network server: one join, or a load",
	.help = help,
	.run = cli_simulate,
};

/* One join as it happens. */
struct single {
	struct sim_run *run;
	struct sim_join join;
	uint32_t last_join_nonce;
	char body[SIM_BODY_MAX];
	uint64_t started_us;
	bool done;
	bool right;
};

static void print_report(struct single *single, const struct sim_http_answer *answer,
	const struct sim_verdict *verdict)
{
	const struct sim_report report = {
		.run = single->run,
		.join = &single->join,
		.last_join_nonce = single->last_join_nonce,
		.body = single->body,
		.answer = answer->status == 0 ? NULL : answer->body,
		.answer_length = answer->length,
		.status = answer->status,
		.took_us = kw_mono_us(&kw_env_system) - single->started_us,
		.verdict = verdict,
	};

	if (single->run->cli->json) {
		sim_print_join_json(&report);
	} else {
		sim_print_join(&report);
	}
}

static void answered(void *context, unsigned slot, const struct sim_http_answer *answer)
{
	struct single *single = context;
	struct sim_run *run = single->run;
	struct sim_verdict verdict;

	(void)slot;
	if (answer->status == 0) {
		memset(&verdict, 0, sizeof(verdict));
		sim_verdict_fault(&verdict, SIM_FAULT_TRANSPORT, "%s", answer->why);
	} else {
		sim_join_answer(run->aes, &run->ns, &single->join, answer->status, answer->body,
			answer->length, &verdict);
	}
	print_report(single, answer, &verdict);
	single->right = verdict.fault == SIM_FAULT_NONE;
	single->done = true;
	kw_wipe(&verdict, sizeof(verdict));
}

static int start_join(struct single *single, struct sim_device *device)
{
	char dev_eui[LW_EUI_TEXT_SIZE];
	uint32_t random;
	enum kw_err err = kw_random(&kw_env_system, &random, sizeof(random));

	single->last_join_nonce = device->last_join_nonce;
	if (err == KW_OK) {
		err = sim_join_start(
			single->run->aes, &single->run->ns, device, random, &single->join);
	}
	if (err == KW_E_EXHAUSTED) {
		lw_eui_write(&device->id.dev_eui, dev_eui);
		return cli_fail("device %s has used up its DevNonces; --dev-nonce N sets the next",
			dev_eui);
	}
	if (err != KW_OK) {
		return cli_fail("%s", kw_err_text(err));
	}
	sim_join_body(&single->run->ns, &single->join, single->body);
	/* A device writes its DevNonce down before it sends. */
	return sim_state_save(single->run);
}

static int join_one(struct sim_run *run, struct sim_http *http, struct single *single,
	struct sim_device *device)
{
	int status = start_join(single, device);

	if (status != CLI_DONE) {
		return status;
	}
	if (run->print_request) {
		sim_print_request(run, &single->join, single->body);
		return CLI_DONE;
	}
	single->done = false;
	single->started_us = kw_mono_us(&kw_env_system);
	if (sim_http_start(http, 0, single->body, strlen(single->body)) != KW_OK) {
		return cli_fail("%s", kw_err_text(KW_E_NO_MEMORY));
	}
	while (!single->done) {
		sim_http_turn(http, UINT64_MAX);
	}
	status = sim_state_save(run);
	return single->right ? status : CLI_FAILED;
}

static int join_all(struct sim_run *run)
{
	const struct sim_http_options options = {
		.url = run->url, .token = run->token, .ca = run->ca, .connections = 1};
	struct single single = {.run = run};
	struct sim_http *http;
	int worst = CLI_DONE;

	if (run->device_count > SIM_SHOWN_MAX) {
		return cli_fail("%zu devices are too many to show; --dev-eui picks one, --count "
				"makes it a load",
			run->device_count);
	}
	http = sim_http_create(&options, answered, &single);
	if (http == NULL) {
		return cli_fail("%s", kw_err_text(KW_E_NO_MEMORY));
	}
	for (size_t i = 0; i < run->device_count; i++) {
		int status;

		if (i > 0 && !run->cli->json) {
			putchar('\n');
		}
		status = join_one(run, http, &single, &run->devices[i]);
		worst = status != CLI_DONE ? status : worst;
	}
	sim_http_destroy(http);
	return worst;
}

int cli_simulate(struct cli *cli, int argc, char **argv)
{
	struct sim_run run;
	int status = sim_run_read(&run, cli, argc, argv);

	if (status == CLI_DONE) {
		status = run.load ? sim_load(&run) : join_all(&run);
	}
	sim_run_finish(&run);
	if (fflush(stdout) != 0 && status == CLI_DONE) {
		status = cli_fail("standard output cannot be written");
	}
	return status;
}
