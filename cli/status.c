#include "cli/api.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct cli_command self = {"status", NULL,
	"Usage: keyward [--json] status\n"
	"\n"
	"Shows processes, store, joins, latencies and warnings. Figures count from the start of\n"
	"the process that counts them.\n"
	"\n"
	"Examples:\n"
	"  keyward status\n"
	"  keyward --json status\n",
	cli_status};

static void print_processes(const json_t *processes)
{
	static const struct cli_column columns[] = {
		{"PROCESS", "name"},
		{"RUNNING", "running"},
		{"PID", "pid"},
		{"RESTARTS", "restarts"},
		{"UPTIME S", "uptime_s"},
		{NULL, NULL},
	};
	struct cli_table table = {.columns = columns};

	if (json_array_size(processes) > 0) {
		cli_table_print(&table, processes);
		putchar('\n');
	}
}

static void print_joins(const json_t *status)
{
	const json_t *joins = json_object_get(status, "joins");
	const json_t *vault = json_object_get(status, "vault");
	const uint64_t accepted = cli_member_number(joins, "accepted");
	const uint64_t uptime = cli_member_number(vault, "uptime_s");

	cli_print_member("joins accepted", joins, "accepted");
	cli_print_member("      repeated", joins, "repeated");
	cli_print_member("      refused", joins, "refused");
	cli_print_member("  unknown devices", joins, "unknown_devices");
	cli_print_member("  wrong MIC", joins, "mic_failures");
	cli_print_member("  missing KEK", joins, "missing_keks");
	cli_print_member("  over a rate", joins, "rate_refused");
	cli_print_member("  too late", joins, "late_refused");
	cli_print_member("MIC alarms", joins, "mic_alarms");
	cli_print_member("replay alarms", joins, "replay_alarms");
	if (uptime > 0) {
		printf("%-18s %.2f/s on average over %" PRIu64 " s\n", "rate",
			(double)accepted / (double)uptime, uptime);
	}
}

static void print_store(const json_t *store)
{
	printf("\n");
	cli_print_member("devices", store, "devices");
	cli_print_member("peers", store, "peers");
	cli_print_member("events", store, "events");
	printf("%-18s %.1f MiB of %.1f MiB\n", "store",
		(double)cli_member_number(store, "bytes") / 1048576.0,
		(double)cli_member_number(store, "map_bytes") / 1048576.0);
	cli_print_member("journal records", store, "journal_records");
	printf("%-18s %" PRIu64 ", %" PRIu64 " us on average, %" PRIu64 " us at most\n", "commits",
		cli_member_number(store, "commits"), cli_member_number(store, "commit_us_mean"),
		cli_member_number(store, "commit_us_max"));
}

static void print_fronts(const json_t *fronts)
{
	const json_t *latency = json_object_get(fronts, "latency_us");

	printf("\n");
	cli_print_member("requests", fronts, "requests");
	cli_print_member("  not HTTP 200", fronts, "http_refused");
	cli_print_member("  HTTP 503", fronts, "busy");
	cli_print_member("connections", fronts, "connections");
	cli_print_member("  refused", fronts, "connections_refused");
	cli_print_member("  timed out", fronts, "connections_timed_out");
	cli_print_member("answers posted", fronts, "answers_posted");
	cli_print_member("  given up", fronts, "answers_failed");
	cli_print_member("TLS ends", fronts, "tls_expires");
	printf("%-18s p50 %" PRIu64 " us, p99 %" PRIu64 " us, at most %" PRIu64 " us\n", "latency",
		cli_member_number(latency, "p50"), cli_member_number(latency, "p99"),
		cli_member_number(latency, "max"));
}

static void print_warnings(const json_t *warnings)
{
	const json_t *warning;
	size_t index;

	json_array_foreach(warnings, index, warning)
	{
		const char *text = json_string_value(warning);
		char *clean = text == NULL ? NULL : cli_clean(text);

		if (clean != NULL) {
			printf("%swarning: %s\n", index == 0 ? "\n" : "", clean);
		}
		free(clean);
	}
}

int cli_status(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_COMMON_OPTIONS};
	struct cli_path path;
	struct cli_reply reply;
	int status;

	while (cli_next_option(cli, &self, argc, argv, options) != -1) {
	}
	cli_want_words(&self, argc, argv, 0, "");
	cli_path_init(&path, "/status");
	status = cli_api_get(cli, &path, &reply);
	if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		print_processes(json_object_get(reply.json, "processes"));
		print_joins(reply.json);
		print_store(json_object_get(reply.json, "store"));
		print_fronts(json_object_get(reply.json, "fronts"));
		print_warnings(json_object_get(reply.json, "warnings"));
	}
	cli_reply_finish(&reply);
	return status;
}
