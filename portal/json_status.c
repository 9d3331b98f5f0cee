#include "portal/json.h"
#include "portal/maker.h"

#include <stdio.h>

static uint64_t seconds_since(uint64_t then_ms, uint64_t now_ms)
{
	return then_ms != 0 && now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0;
}

static json_t *process_json(const struct po_process *process, uint64_t now_ms)
{
	struct po_maker maker = po_make();
	bool runs = process->pid != 0;

	po_put_text(&maker, "name", process->name, sizeof(process->name));
	po_put_bool(&maker, "running", runs);
	po_put(&maker, "pid", runs ? json_integer(process->pid) : json_null());
	po_put_number(&maker, "restarts", process->restarts);
	po_put_number(&maker, "uptime_s", runs ? seconds_since(process->started_ms, now_ms) : 0);
	return po_done(&maker);
}

static json_t *joins_json(const struct ipc_status *status)
{
	struct po_maker maker = po_make();

	po_put_number(&maker, "accepted", status->joins_accepted);
	po_put_number(&maker, "repeated", status->joins_repeated);
	po_put_number(&maker, "refused", status->joins_refused);
	po_put_number(&maker, "unknown_devices", status->unknown_devices);
	po_put_number(&maker, "mic_failures", status->mic_failures);
	po_put_number(&maker, "missing_keks", status->missing_keks);
	po_put_number(&maker, "rate_refused", status->rate_refused);
	po_put_number(&maker, "late_refused", status->late_refused);
	po_put_number(&maker, "mic_alarms", status->mic_alarms);
	po_put_number(&maker, "replay_alarms", status->replay_alarms);
	return po_done(&maker);
}

static json_t *store_json(const struct ipc_status *status)
{
	struct po_maker maker = po_make();
	uint64_t commits = status->commits;

	po_put_number(&maker, "devices", status->devices);
	po_put_number(&maker, "peers", status->peers);
	po_put_number(&maker, "events", status->events);
	po_put_number(&maker, "bytes", status->store_bytes);
	po_put_number(&maker, "map_bytes", status->store_map_bytes);
	po_put_number(&maker, "journal_records", status->journal_records);
	po_put_number(&maker, "commits", commits);
	po_put_number(
		&maker, "commit_us_mean", commits > 0 ? status->commit_us_total / commits : 0);
	po_put_number(&maker, "commit_us_max", status->commit_us_max);
	po_put_number(&maker, "dev_nonces_high", status->dev_nonces_high);
	po_put_number(&maker, "format", status->store_format);
	po_put_number(&maker, "epoch", status->epoch);
	po_put_bool(&maker, "failed", status->store_failed != 0);
	return po_done(&maker);
}

static json_t *latency_json(const struct kw_histogram *latency)
{
	struct po_maker maker = po_make();

	po_put_number(&maker, "count", latency->count);
	po_put_number(&maker, "p50", kw_histogram_percentile(latency, 0.50));
	po_put_number(&maker, "p99", kw_histogram_percentile(latency, 0.99));
	po_put_number(&maker, "max", latency->max);
	return po_done(&maker);
}

static json_t *fronts_json(const struct ipc_status *status)
{
	struct po_maker maker = po_make();

	po_put_number(&maker, "count", status->fronts);
	po_put_number(&maker, "requests", status->reports.requests);
	po_put_number(&maker, "http_refused", status->reports.http_refused);
	po_put_number(&maker, "busy", status->reports.busy);
	po_put_number(&maker, "connections", status->reports.connections);
	po_put_number(&maker, "connections_refused", status->reports.connections_refused);
	po_put_number(&maker, "connections_timed_out", status->reports.connections_timed_out);
	po_put_number(&maker, "answers_posted", status->reports.answers_posted);
	po_put_number(&maker, "answers_failed", status->reports.answers_failed);
	po_put_time(&maker, "tls_expires", po_seconds_ms(status->reports.tls_expires_s));
	po_put(&maker, "latency_us", latency_json(&status->reports.latency));
	return po_done(&maker);
}

static json_t *peers_json(const struct ipc_status *status)
{
	struct po_maker maker = po_make();

	po_put_number(&maker, "count", status->peers);
	po_put_number(&maker, "keks_missing", status->keks_missing);
	po_put_time(&maker, "certificate_expires", po_seconds_ms(status->credential_expires_s));
	po_put_text_or_null(&maker, "certificate_peer", status->credential_peer,
		sizeof(status->credential_peer));
	return po_done(&maker);
}

static json_t *vault_json(const struct ipc_status *status, uint64_t now_ms)
{
	struct po_maker maker = po_make();
	char generation[2 * sizeof(uint64_t) + 1];

	/* A number that other JSON readers would round. */
	snprintf(generation, sizeof(generation), "%016llx", (unsigned long long)status->generation);
	po_put_word(&maker, "generation", generation);
	po_put_time(&maker, "started", status->started_ms);
	po_put_number(&maker, "uptime_s", seconds_since(status->started_ms, now_ms));
	return po_done(&maker);
}

char *po_json_status(const struct ipc_status *status, const struct po_status_view *view)
{
	struct po_maker maker = po_make();
	json_t *processes = json_array();
	json_t *warnings = json_array();

	for (size_t i = 0; i < view->process_count; i++) {
		po_append(&maker, processes, process_json(&view->processes[i], view->now_ms));
	}
	for (size_t i = 0; i < view->warning_count; i++) {
		po_append(&maker, warnings, po_text_json(view->warnings[i], PO_WARNING_SIZE));
	}
	po_put_time(&maker, "time", view->now_ms);
	po_put(&maker, "vault", vault_json(status, view->now_ms));
	po_put(&maker, "joins", joins_json(status));
	po_put(&maker, "store", store_json(status));
	po_put(&maker, "peers", peers_json(status));
	po_put(&maker, "fronts", fronts_json(status));
	po_put(&maker, "processes", processes);
	po_put(&maker, "warnings", warnings);
	return po_text_done(&maker);
}
