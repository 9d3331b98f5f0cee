#include "cli/simulate.h"

#include "base/env.h"
#include "base/histogram.h"
#include "base/secret.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define US_PER_S     1000000u
#define PROGRESS_US  500000u
#define CODES_MAX    16
#define FAULTS_SHOWN 5

/* One connection and the join on it. */
struct slot {
	struct sim_join join;
	char body[SIM_BODY_MAX];
	uint64_t due_us;
};

struct load {
	struct sim_run *run;
	struct sim_http *http;
	struct slot *slots;
	unsigned *free_slots;
	unsigned free_count;
	size_t next_device;
	uint64_t begun_us;
	uint64_t ended_us; /* of the last answer */
	uint64_t started;
	uint64_t answered;
	uint64_t right;
	uint64_t faults[SIM_FAULT_COUNT];
	struct {
		char code[SIM_CODE_SIZE];
		uint64_t count;
	} codes[CODES_MAX];
	unsigned shown;
	bool progress; /* standard error is a terminal */
	uint64_t progress_us;
	bool exhausted; /* no device has a DevNonce left */
	struct kw_histogram latency;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static void count_code(struct load *load, const char *code)
{
	for (size_t i = 0; i < CODES_MAX; i++) {
		if (load->codes[i].count == 0) {
			snprintf(load->codes[i].code, SIM_CODE_SIZE, "%s", code);
		} else if (strcmp(load->codes[i].code, code) != 0 && i + 1 < CODES_MAX) {
			continue;
		}
		load->codes[i].count++;
		return;
	}
}

static void clear_progress(struct load *load)
{
	if (load->progress_us != 0) {
		fputs("\r\033[K", stderr);
	}
}

static void count_fault(
	struct load *load, const struct sim_join *join, const struct sim_verdict *verdict)
{
	char dev_eui[LW_EUI_TEXT_SIZE];

	load->faults[verdict->fault]++;
	if (verdict->fault == SIM_FAULT_REFUSED) {
		count_code(load, verdict->result_code);
	}
	if (load->shown++ < FAULTS_SHOWN) {
		clear_progress(load);
		lw_eui_write(&join->device->id.dev_eui, dev_eui);
		fprintf(stderr, "device %s, DevNonce %u: %s: %s\n", dev_eui, join->dev_nonce,
			sim_fault_text(verdict->fault), verdict->detail);
	}
}

static void answered(void *context, unsigned number, const struct sim_http_answer *answer)
{
	struct load *load = context;
	struct slot *slot = &load->slots[number];
	struct sim_verdict verdict;

	load->ended_us = kw_mono_us(&kw_env_system);
	load->answered++;
	if (answer->status == 0) {
		memset(&verdict, 0, sizeof(verdict));
		sim_verdict_fault(&verdict, SIM_FAULT_TRANSPORT, "%s", answer->why);
	} else {
		kw_histogram_add(&load->latency, load->ended_us - slot->due_us);
		sim_join_answer(load->run->aes, &load->run->ns, &slot->join, answer->status,
			answer->body, answer->length, &verdict);
	}
	if (verdict.fault == SIM_FAULT_NONE) {
		load->right++;
	} else {
		count_fault(load, &slot->join, &verdict);
	}
	slot->join.device->busy = false;
	load->free_slots[load->free_count++] = number;
	kw_wipe(&verdict, sizeof(verdict));
}

/*
 * The next device that is not joining already: with two requests of one device under way the
 * order of their answers would mean nothing.
 */
static struct sim_device *choose_device(struct load *load)
{
	struct sim_run *run = load->run;
	size_t used_up = 0;

	for (size_t tried = 0; tried < run->device_count; tried++) {
		struct sim_device *device = &run->devices[load->next_device];

		load->next_device = (load->next_device + 1) % run->device_count;
		if (device->next_dev_nonce >= SIM_DEV_NONCES) {
			used_up++;
		} else if (!device->busy) {
			return device;
		}
	}
	load->exhausted = used_up == run->device_count;
	return NULL;
}

/* When the join with this number is due; in a closed loop that is now. */
static uint64_t due_us(const struct load *load, uint64_t now_us)
{
	if (load->run->rate == 0) {
		return now_us;
	}
	return load->begun_us + (uint64_t)((double)load->started / load->run->rate * US_PER_S);
}

/* Until the duration is over. */
static uint64_t time_left_us(const struct load *load, uint64_t now_us)
{
	uint64_t end_us = load->begun_us + (uint64_t)load->run->duration_s * US_PER_S;

	if (load->run->duration_s == 0) {
		return UINT64_MAX;
	}
	return end_us > now_us ? end_us - now_us : 0;
}

static bool at_end(const struct load *load, uint64_t now_us)
{
	const struct sim_run *run = load->run;

	if (interrupted || load->exhausted) {
		return true;
	}
	if (run->count != 0 && load->started >= run->count) {
		return true;
	}
	return run->duration_s != 0 &&
	       now_us - load->begun_us >= (uint64_t)run->duration_s * US_PER_S;
}

static bool start_one(struct load *load, struct sim_device *device, uint64_t due)
{
	unsigned number = load->free_slots[load->free_count - 1];
	struct slot *slot = &load->slots[number];
	uint32_t random = (uint32_t)(load->begun_us + load->started);
	size_t length;

	if (sim_join_start(load->run->aes, &load->run->ns, device, random, &slot->join) != KW_OK) {
		return false;
	}
	length = sim_join_body(&load->run->ns, &slot->join, slot->body);
	slot->due_us = due;
	if (sim_http_start(load->http, number, slot->body, length) != KW_OK) {
		return false;
	}
	device->busy = true;
	load->free_count--;
	load->started++;
	return true;
}

/* Start what is due. @return microseconds until there is more to start */
static uint64_t start_due(struct load *load, bool *failed)
{
	while (load->free_count > 0) {
		uint64_t now_us = kw_mono_us(&kw_env_system);
		uint64_t due = due_us(load, now_us);
		struct sim_device *device;

		if (at_end(load, now_us)) {
			return UINT64_MAX;
		}
		if (due > now_us) {
			uint64_t left_us = time_left_us(load, now_us);

			return due - now_us < left_us ? due - now_us : left_us;
		}
		device = choose_device(load);
		if (device == NULL) {
			return load->exhausted ? 0 : UINT64_MAX;
		}
		if (!start_one(load, device, due)) {
			*failed = true;
			return 0;
		}
	}
	return UINT64_MAX;
}

static void show_progress(struct load *load)
{
	uint64_t now_us = kw_mono_us(&kw_env_system);
	double seconds = (double)(now_us - load->begun_us) / US_PER_S;

	if (!load->progress || now_us - load->progress_us < PROGRESS_US) {
		return;
	}
	load->progress_us = now_us;
	fprintf(stderr, "\r\033[K%" PRIu64 " joins, %.0f/s, %" PRIu64 " not right", load->answered,
		(double)load->answered / seconds, load->answered - load->right);
}

static int run_load(struct load *load)
{
	bool failed = false;

	load->begun_us = kw_mono_us(&kw_env_system);
	load->ended_us = load->begun_us;
	for (;;) {
		uint64_t wait_us = start_due(load, &failed);

		if (failed) {
			return cli_fail("%s", kw_err_text(KW_E_NO_MEMORY));
		}
		if (load->free_count == load->run->connections &&
			at_end(load, kw_mono_us(&kw_env_system))) {
			break;
		}
		sim_http_turn(load->http,
			load->progress && wait_us > PROGRESS_US ? PROGRESS_US : wait_us);
		show_progress(load);
	}
	clear_progress(load);
	if (load->exhausted) {
		cli_warn("stopped early: the devices have used up their DevNonces");
	}
	return CLI_DONE;
}

static const struct {
	const char *name;
	double share;
} shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

static void print_text(const struct load *load, double seconds)
{
	printf("joins     %" PRIu64 " right of %" PRIu64 " in %.2f s: %.0f joins/s over %u "
	       "connections\n",
		load->right, load->answered, seconds, (double)load->answered / seconds,
		load->run->connections);
	printf("latency  ");
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		printf(" %s %.2f", shares[i].name,
			(double)kw_histogram_percentile(&load->latency, shares[i].share) / 1000);
	}
	printf(" max %.2f ms, from the time when %s\n", (double)load->latency.max / 1000,
		load->run->rate > 0 ? "the join was due" : "the request was sent");
	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++) {
		if (load->faults[i] != 0) {
			printf("%-9s %" PRIu64 " %s\n",
				i == SIM_FAULT_REFUSED ? "refused" : "wrong", load->faults[i],
				i == SIM_FAULT_REFUSED ? "in all"
						       : sim_fault_text((enum sim_fault)i));
		}
	}
	for (size_t i = 0; i < CODES_MAX && load->codes[i].count > 0; i++) {
		const char *meaning = sim_result_meaning(load->codes[i].code);

		printf("  %" PRIu64 " %s%s%s\n", load->codes[i].count, load->codes[i].code,
			meaning == NULL ? "" : ": ", meaning == NULL ? "" : meaning);
	}
}

static void print_json(const struct load *load, double seconds)
{
	json_t *latency = json_object();
	json_t *faults = json_object();
	json_t *codes = json_object();
	json_t *all;
	char *text;

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		uint64_t value = kw_histogram_percentile(&load->latency, shares[i].share);

		json_object_set_new(latency, shares[i].name, json_integer((json_int_t)value));
	}
	json_object_set_new(latency, "max", json_integer((json_int_t)load->latency.max));
	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++) {
		if (load->faults[i] != 0) {
			json_object_set_new(faults, sim_fault_text((enum sim_fault)i),
				json_integer((json_int_t)load->faults[i]));
		}
	}
	for (size_t i = 0; i < CODES_MAX && load->codes[i].count > 0; i++) {
		json_object_set_new(
			codes, load->codes[i].code, json_integer((json_int_t)load->codes[i].count));
	}
	all = json_pack("{s:I, s:I, s:f, s:f, s:i, s:o, s:o, s:o}", "answered",
		(json_int_t)load->answered, "right", (json_int_t)load->right, "seconds", seconds,
		"joins_per_s", (double)load->answered / seconds, "connections",
		(int)load->run->connections, "latency_us", latency, "faults", faults,
		"result_codes", codes);
	text = all == NULL ? NULL : json_dumps(all, JSON_COMPACT);
	puts(text == NULL ? "{}" : text);
	free(text);
	json_decref(all);
}

static void print_load(const struct load *load)
{
	double seconds = (double)(load->ended_us - load->begun_us) / US_PER_S;

	if (seconds <= 0) {
		seconds = 1.0 / US_PER_S;
	}
	if (load->run->cli->json) {
		print_json(load, seconds);
	} else {
		print_text(load, seconds);
	}
}

static int prepare(struct load *load)
{
	struct sim_run *run = load->run;
	const struct sim_http_options options = {
		.url = run->url,
		.token = run->token,
		.ca = run->ca,
		.connections = run->connections,
		.fresh = run->fresh_connections,
		.loopback_only = !run->remote_load,
	};

	load->slots = calloc(run->connections, sizeof(*load->slots));
	load->free_slots = calloc(run->connections, sizeof(*load->free_slots));
	load->http = sim_http_create(&options, answered, load);
	if (load->slots == NULL || load->free_slots == NULL || load->http == NULL) {
		return cli_fail("%s", kw_err_text(KW_E_NO_MEMORY));
	}
	for (unsigned i = 0; i < run->connections; i++) {
		load->free_slots[i] = run->connections - 1 - i;
	}
	load->free_count = run->connections;
	load->progress = isatty(STDERR_FILENO) == 1;
	return CLI_DONE;
}

int sim_load(struct sim_run *run)
{
	struct load load = {.run = run};
	int status = prepare(&load);

	interrupted = 0;
	cli_signal(SIGINT, interrupt, 0);
	cli_signal(SIGTERM, interrupt, 0);
	if (status == CLI_DONE) {
		status = run_load(&load);
	}
	/* What was sent is used, whatever came of it. */
	if (load.started > 0 && sim_state_save(run) != CLI_DONE) {
		status = CLI_FAILED;
	}
	if (status == CLI_DONE) {
		print_load(&load);
		status = load.right == load.answered && load.answered > 0 ? CLI_DONE : CLI_FAILED;
	}
	sim_http_destroy(load.http);
	free(load.slots);
	free(load.free_slots);
	return status;
}
