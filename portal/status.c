#include "base/hex.h"
#include "portal/call.h"
#include "portal/envelope.h"
#include "portal/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STORE_FULL_PERCENT 80
#define RECENT_MS          (UINT64_C(10) * 60 * 1000)
#define DAY_S              (UINT64_C(24) * 60 * 60)
#define EXPIRY_DAYS        30

struct warnings {
	char texts[PO_WARNINGS_MAX][PO_WARNING_SIZE];
	size_t count;
};

__attribute__((format(printf, 2, 3))) static void warn(
	struct warnings *warnings, const char *format, ...)
{
	va_list arguments;

	if (warnings->count == PO_WARNINGS_MAX) {
		return;
	}
	va_start(arguments, format);
	vsnprintf(warnings->texts[warnings->count++], PO_WARNING_SIZE, format, arguments);
	va_end(arguments);
}

static void warn_store(struct warnings *warnings, const struct ipc_status *status)
{
	uint64_t map = status->store_map_bytes;
	uint64_t percent = map >= 100 ? status->store_bytes / (map / 100) : 0;

	if (status->store_failed != 0) {
		warn(warnings,
			"disk or store full: the last commit failed, and joins are refused until "
			"one works; free disk space or raise map_size in [keystore]");
	}
	if (percent > STORE_FULL_PERCENT) {
		warn(warnings, "the store fills %llu %% of its map; raise map_size in [keystore]",
			(unsigned long long)percent);
	}
}

static void warn_joins(struct warnings *warnings, const struct ipc_status *status)
{
	if (status->missing_keks > 0) {
		warn(warnings,
			"%llu joins were refused because a KEK is missing; \"keyward events\" "
			"names the devices and what helps",
			(unsigned long long)status->missing_keks);
	}
	if (status->keks_missing > 0) {
		warn(warnings,
			"%lu peer%s no current KEK, and joins that need it are refused; \"keyward "
			"ns list\" and \"as list\" show whose, \"keyward kek add\" gives one",
			(unsigned long)status->keks_missing,
			status->keks_missing == 1 ? " has" : "s have");
	}
	if (status->dev_nonces_high > 0) {
		warn(warnings,
			"%llu device%s joined with a DevNonce above 60000, and cannot join beyond "
			"65535",
			(unsigned long long)status->dev_nonces_high,
			status->dev_nonces_high == 1 ? "" : "s");
	}
}

static bool is_recent(uint64_t then_ms, uint64_t now_ms)
{
	return then_ms != 0 && (then_ms > now_ms || now_ms - then_ms < RECENT_MS);
}

/* What somebody does to us, as long as it is fresh. */
static void warn_attacks(
	struct warnings *warnings, const struct ipc_status *status, uint64_t now_ms)
{
	char dev_eui[2 * LW_EUI_SIZE + 1];

	if (is_recent(status->mic_alarm_ms, now_ms)) {
		kw_hex_write(dev_eui, status->mic_alarm_dev_eui, LW_EUI_SIZE);
		warn(warnings,
			"MIC guessing: wrong MICs came again and again for %s (alarms so far: "
			"%llu); "
			"\"keyward events --device %s\" says from where",
			dev_eui, (unsigned long long)status->mic_alarms, dev_eui);
	}
	if (is_recent(status->replay_alarm_ms, now_ms)) {
		kw_hex_write(dev_eui, status->replay_alarm_dev_eui, LW_EUI_SIZE);
		warn(warnings,
			"replay flood: used nonces came again and again for %s (alarms so far: "
			"%llu); \"keyward events --device %s\" says from where",
			dev_eui, (unsigned long long)status->replay_alarms, dev_eui);
	}
	if (is_recent(status->rate_ms, now_ms)) {
		warn(warnings,
			"requests of %.*s were refused: it asked more than its --rate, or "
			"peer_rate, "
			"allows",
			(int)sizeof(status->rate_peer), status->rate_peer);
	}
}

/* "has ended", "ends in 3 days" ... @return whether it is time to say so */
static bool ends_soon(uint64_t expires_s, uint64_t now_s, char out[32])
{
	if (expires_s == 0 || (expires_s > now_s && expires_s - now_s > EXPIRY_DAYS * DAY_S)) {
		return false;
	}
	if (expires_s <= now_s) {
		snprintf(out, 32, "has ended");
	} else if (expires_s - now_s < DAY_S) {
		snprintf(out, 32, "ends today");
	} else {
		const unsigned days = (unsigned)((expires_s - now_s) / DAY_S);

		snprintf(out, 32, "ends in %u day%s", days, days == 1 ? "" : "s");
	}
	return true;
}

static void warn_certificates(
	struct warnings *warnings, const struct ipc_status *status, uint64_t now_ms)
{
	char words[32];

	if (ends_soon(status->reports.tls_expires_s, now_ms / 1000, words)) {
		warn(warnings,
			"the TLS certificate of this server %s; peers refuse an ended one; renew "
			"it",
			words);
	}
	if (ends_soon(status->credential_expires_s, now_ms / 1000, words)) {
		warn(warnings,
			"a pinned certificate of %.*s %s; ask for the new one and pin both with "
			"--certificate",
			(int)sizeof(status->credential_peer), status->credential_peer, words);
	}
}

static void warn_process(
	struct warnings *warnings, const struct po_process *process, uint64_t now_ms)
{
	int size = (int)sizeof(process->name);
	uint64_t up_ms = now_ms > process->started_ms ? now_ms - process->started_ms : 0;

	if (process->pid == 0) {
		warn(warnings, "%.*s is not running; see the log", size, process->name);
	} else if (process->restarts > 0 && up_ms < RECENT_MS) {
		warn(warnings, "%.*s was restarted %llu s ago (restarts so far: %u); see the log",
			size, process->name, (unsigned long long)(up_ms / 1000),
			(unsigned)process->restarts);
	}
}

void po_status_get(struct po_call *call)
{
	struct po_process processes[PO_PROCESSES_MAX];
	struct warnings warnings = {.count = 0};
	struct po_status_view view = {
		.now_ms = kw_now_ms(po_call_env(call)),
		.processes = processes,
		.warnings = warnings.texts,
	};
	const struct ipc_status *status =
		po_call_ask(call, IPC_STATUS, NULL, 0, NULL, 0, sizeof(*status));

	if (status == NULL) {
		return;
	}
	view.process_count = po_call_processes(call, processes, PO_PROCESSES_MAX);
	warn_store(&warnings, status);
	warn_joins(&warnings, status);
	warn_attacks(&warnings, status, view.now_ms);
	warn_certificates(&warnings, status, view.now_ms);
	for (size_t i = 0; i < view.process_count; i++) {
		warn_process(&warnings, &processes[i], view.now_ms);
	}
	view.warning_count = warnings.count;
	po_call_json(call, 200, po_json_status(status, &view));
}

void po_intake_get(struct po_call *call)
{
	const struct ipc_intake *intake =
		po_call_ask(call, IPC_INTAKE, NULL, 0, NULL, 0, sizeof(*intake));

	if (intake == NULL) {
		return;
	}
	if (intake->length == 0 || intake->length > sizeof(intake->certificate)) {
		po_call_fail(call, KW_E_SYSTEM, "the vault gave no certificate");
		return;
	}
	po_call_json(call, 200, po_certificate_pem(intake->certificate, intake->length));
	if (call->answer->text != NULL) {
		call->answer->content_type = "application/x-pem-file";
	}
}

void po_events_get(struct po_call *call)
{
	struct ipc_events_req req = {.limit = IPC_PAGE_MAX};
	const struct ipc_events_page *page;

	if (!po_query_number(call, "after", 0, INT64_MAX, &req.after) ||
		!po_query_limit(call, IPC_PAGE_MAX, &req.limit) ||
		!po_query_eui(call, "dev_eui", req.dev_eui, &req.has_device) ||
		!po_query_flag(call, "newest", &req.backwards)) {
		return;
	}
	page = po_call_ask(call, IPC_EVENTS, &req, sizeof(req), NULL, 0, sizeof(*page));
	if (page != NULL) {
		po_call_json(call, 200, po_json_events(page));
	}
}
