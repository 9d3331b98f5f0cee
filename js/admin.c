/*
 * What the portal may ask of the vault. Each handler reads its request from the message, works in
 * transactions of its own, and fills the answer's body; none of them can reach a root key.
 */
#include "js/admin.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "js/convert.h"
#include "keystore/intake.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define EVENTS_LOOKED_MAX 20000 /* records: a few milliseconds */

void js_admin_say(char text[IPC_TEXT_SIZE], const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(text, IPC_TEXT_SIZE, format, list);
	va_end(list);
}

/* 0 is never. */
static uint64_t sooner(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0) {
		return a + b;
	}
	return a < b ? a : b;
}

static void alarms_status(const struct js_alarms *alarms, struct ipc_status *status)
{
	status->mic_alarms = alarms->count[JS_SUSPECTS_MIC];
	status->replay_alarms = alarms->count[JS_SUSPECTS_REPLAY];
	status->mic_alarm_ms = alarms->last_ms[JS_SUSPECTS_MIC];
	status->replay_alarm_ms = alarms->last_ms[JS_SUSPECTS_REPLAY];
	status->rate_ms = alarms->rate_ms;
	memcpy(status->mic_alarm_dev_eui, alarms->last_dev_eui[JS_SUSPECTS_MIC].octets,
		LW_EUI_SIZE);
	memcpy(status->replay_alarm_dev_eui, alarms->last_dev_eui[JS_SUSPECTS_REPLAY].octets,
		LW_EUI_SIZE);
	memcpy(status->rate_peer, alarms->rate_peer, sizeof(status->rate_peer));
}

static enum kw_err get_status(const struct js_question *question, void *answer)
{
	struct js_vault *vault = question->vault;
	const struct js_counters *counters = &vault->backend.counters;
	struct ipc_status *status = answer;
	struct ks_store_figures figures;

	ks_store_figures(vault->store, &figures);
	*status = (struct ipc_status){
		.generation = vault->generation,
		.started_ms = vault->started_ms,
		.devices = figures.devices,
		.peers = figures.peers,
		.joins_accepted = counters->accepted,
		.joins_repeated = counters->repeated,
		.joins_refused = counters->refused,
		.unknown_devices = counters->unknown_devices,
		.mic_failures = counters->mic_failures,
		.missing_keks = counters->missing_keks,
		.rate_refused = counters->rate_refused,
		.late_refused = counters->late_refused,
		.commits = vault->commits,
		.commit_us_total = vault->commit_us_total,
		.commit_us_max = vault->commit_us_max,
		.journal_records = figures.journal_records,
		.store_bytes = figures.used_bytes,
		.store_map_bytes = figures.map_bytes,
		.events = figures.events,
		.dev_nonces_high = counters->dev_nonces_high,
		.store_format = figures.format,
		.epoch = figures.epoch,
		.store_failed = vault->store_failed,
	};
	for (size_t i = 0; i < JS_FRONTS_MAX; i++) {
		const struct ipc_report *report = &vault->reports[i];

		if (!vault->reported[i]) {
			continue;
		}
		status->fronts++;
		status->reports.requests += report->requests;
		status->reports.http_refused += report->http_refused;
		status->reports.busy += report->busy;
		status->reports.connections += report->connections;
		status->reports.connections_refused += report->connections_refused;
		status->reports.connections_timed_out += report->connections_timed_out;
		status->reports.answers_posted += report->answers_posted;
		status->reports.answers_failed += report->answers_failed;
		status->reports.tls_expires_s =
			sooner(status->reports.tls_expires_s, report->tls_expires_s);
		kw_histogram_merge(&status->reports.latency, &report->latency);
	}
	alarms_status(&vault->backend.alarms, status);
	js_admin_peers_status(vault, status);
	return KW_OK;
}

static enum kw_err get_intake(const struct js_question *question, void *answer)
{
	struct ipc_intake *intake = answer;
	size_t length;
	const uint8_t *der = ks_intake_certificate(question->vault->store, &length);

	if (length > sizeof(intake->certificate)) {
		return KW_E_TOO_LONG;
	}
	intake->length = (uint32_t)length;
	memcpy(intake->certificate, der, length);
	return KW_OK;
}

/* ---- devices ---- */

static void note_problem(void *context, const struct pr_problem *problem)
{
	struct ipc_import_ans *ans = context;
	struct ipc_row_error *row;

	static_assert(sizeof(problem->text) == sizeof(row->text), "texts fit");
	if (ans->listed == IPC_ROW_ERRORS_MAX) {
		return;
	}
	row = &ans->list[ans->listed++];
	row->line = problem->line;
	row->err = problem->err;
	memcpy(row->text, problem->text, sizeof(row->text));
}

static enum kw_err import_in_txn(
	const struct js_question *question, struct ks_import *import, struct ipc_import_ans *ans)
{
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(question->vault->store, &txn);

	if (err != KW_OK) {
		return err;
	}
	err = ks_import(txn, question->tail, question->tail_length, import);
	if (err != KW_OK || import->dry_run || (import->refused > 0 && !import->skip_errors)) {
		ks_txn_abort(txn);
	} else {
		err = js_vault_commit(question->vault, txn);
	}
	memcpy(ans->text, import->why, sizeof(import->why));
	ans->rows = import->rows;
	ans->errors = import->refused;
	ans->added = err == KW_OK ? import->added : 0;
	ans->already = err == KW_OK ? import->already : 0;
	ans->warned = err == KW_OK ? import->warned : 0;
	if (import->refused > 0 && !import->skip_errors && !import->dry_run) {
		ans->added = 0;
	}
	return err;
}

static enum kw_err import_devices(const struct js_question *question, void *answer)
{
	const struct ipc_import_req *request = question->body;
	struct ipc_import_ans *ans = answer;
	struct ks_import import = {
		.dry_run = request->dry_run != 0,
		.skip_errors = request->skip_errors != 0,
		.strict = request->strict != 0,
		.quiet = request->quiet != 0,
		.run = request->run,
		.problem = note_problem,
		.context = ans,
	};
	enum kw_err err = js_policy_from_ipc(&request->policy,
		IPC_SET_NET_IDS | IPC_SET_NS_ID | IPC_SET_AS_ID | IPC_SET_DELIVERY |
			IPC_SET_ROAMING,
		&import.policy);

	if (err == KW_OK) {
		err = import_in_txn(question, &import, ans);
	}
	for (uint32_t i = 0; request->first_line > 0 && i < ans->listed; i++) {
		/* Line 1 of the envelope is its header line, line 2 the first data row. */
		ans->list[i].line += request->first_line >= 2 ? request->first_line - 2 : 0;
	}
	if (ans->added > 0 && !import.dry_run) {
		kw_log(KW_LOG_NOTICE, "device", "devices imported", KW_NUM("added", ans->added),
			KW_NUM("already", ans->already), KW_NUM("refused", ans->errors),
			KW_NUM("warned", ans->warned));
	}
	return err;
}

static enum kw_err show(struct ks_txn *txn, const struct ks_device *device, struct ipc_device *out)
{
	struct ks_session sessions[KS_SESSIONS_MAX];
	struct ks_state state;
	enum kw_err err = ks_state_get(txn, &device->id, &state);
	int count = err == KW_OK ? ks_sessions_get(txn, &device->id, sessions) : 0;

	if (err == KW_OK && count < 0) {
		err = KW_E_STORE_DAMAGED;
	}
	if (err == KW_OK) {
		js_device_to_ipc(device, &state, (unsigned)count, out);
	}
	return err;
}

enum kw_err js_admin_end(struct js_vault *vault, struct ks_txn *txn, enum kw_err err)
{
	if (err == KW_OK) {
		return js_vault_commit(vault, txn);
	}
	ks_txn_abort(txn);
	return err;
}

static enum kw_err generate_device(const struct js_question *question, void *answer)
{
	const struct ipc_device_req *request = question->body;
	struct ipc_device_ans *ans = answer;
	struct ks_device device;
	struct ks_txn *txn;
	enum kw_err err;

	memset(&device, 0, sizeof(device));
	memcpy(device.id.join_eui.octets, request->join_eui, LW_EUI_SIZE);
	memcpy(device.id.dev_eui.octets, request->dev_eui, LW_EUI_SIZE);
	device.version = (enum lw_version)request->lorawan_version;
	device.origin = KS_ORIGIN_GENERATED;
	err = lw_version_valid(request->lorawan_version)
		      ? js_policy_from_ipc(&request->policy, ~(uint32_t)0, &device.policy)
		      : KW_E_VERSION;
	if (err == KW_OK) {
		err = ks_txn_begin(question->vault->store, &txn);
	}
	if (err != KW_OK) {
		return err;
	}
	err = ks_device_generate(txn, &device);
	if (err == KW_E_EXISTS) {
		js_admin_say(ans->text, "a device with this DevEUI is registered already");
	}
	if (err == KW_OK) {
		err = show(txn, &device, &ans->device);
	}
	err = js_admin_end(question->vault, txn, err);
	if (err == KW_OK) {
		kw_log(KW_LOG_NOTICE, "device", "root keys generated",
			KW_EUI("dev_eui", request->dev_eui), KW_EUI("join_eui", request->join_eui));
	}
	return err;
}

/* What is done to one device that must exist; the answer shows it afterwards. */
typedef enum kw_err (*device_work)(
	struct ks_txn *txn, struct ks_device *device, const struct ipc_device_req *request);

static enum kw_err with_device(const struct js_question *question, struct ipc_device_ans *ans,
	device_work work, const char *done)
{
	const struct ipc_device_req *request = question->body;
	struct ks_device device;
	struct lw_eui dev_eui;
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(question->vault->store, &txn);

	if (err != KW_OK) {
		return err;
	}
	memcpy(dev_eui.octets, request->dev_eui, LW_EUI_SIZE);
	err = ks_device_find(txn, &dev_eui, &device);
	if (err == KW_E_NOT_FOUND) {
		js_admin_say(ans->text, "no device with this DevEUI is registered here");
	}
	if (err == KW_OK && work != NULL) {
		err = work(txn, &device, request);
	}
	if (err == KW_OK) {
		err = show(txn, &device, &ans->device);
	}
	err = js_admin_end(question->vault, txn, err);
	if (err == KW_OK && done != NULL) {
		kw_log(KW_LOG_NOTICE, "device", done, KW_EUI("dev_eui", request->dev_eui));
	}
	return err;
}

static enum kw_err work_set(
	struct ks_txn *txn, struct ks_device *device, const struct ipc_device_req *request)
{
	enum kw_err err = js_policy_from_ipc(&request->policy, request->set, &device->policy);

	return err == KW_OK ? ks_device_put_policy(txn, device) : err;
}

static enum kw_err work_remove(
	struct ks_txn *txn, struct ks_device *device, const struct ipc_device_req *request)
{
	(void)request;
	return ks_device_remove(txn, &device->id);
}

static enum kw_err work_reset(
	struct ks_txn *txn, struct ks_device *device, const struct ipc_device_req *request)
{
	(void)request;
	return ks_dev_nonce_reset(txn, &device->id);
}

static enum kw_err get_device(const struct js_question *question, void *answer)
{
	return with_device(question, answer, NULL, NULL);
}

static enum kw_err set_device(const struct js_question *question, void *answer)
{
	return with_device(question, answer, work_set, "device changed");
}

static enum kw_err remove_device(const struct js_question *question, void *answer)
{
	return with_device(question, answer, work_remove, "device removed");
}

static enum kw_err reset_device(const struct js_question *question, void *answer)
{
	return with_device(question, answer, work_reset, "DevNonces forgotten");
}

uint32_t js_page_limit(uint32_t wanted, uint32_t most)
{
	return wanted == 0 || wanted > most ? most : wanted;
}

static enum kw_err list_devices(const struct js_question *question, void *answer)
{
	const struct ipc_list_req *request = question->body;
	struct ipc_device_page *page = answer;
	uint32_t limit = js_page_limit(request->limit, IPC_PAGE_MAX);
	struct lw_device_id after;
	bool has_after = request->has_after != 0;
	struct ks_device device;
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(question->vault->store, &txn);

	if (err != KW_OK) {
		return err;
	}
	memcpy(after.join_eui.octets, request->after, LW_EUI_SIZE);
	memcpy(after.dev_eui.octets, request->after + LW_EUI_SIZE, LW_EUI_SIZE);
	while ((err = ks_device_next(txn, has_after ? &after : NULL, &device)) == KW_OK) {
		if (page->count == limit) {
			page->more = 1;
			break;
		}
		err = show(txn, &device, &page->devices[page->count]);
		if (err != KW_OK) {
			break;
		}
		page->count++;
		after = device.id;
		has_after = true;
	}
	ks_txn_abort(txn);
	return err == KW_E_NOT_FOUND ? KW_OK : err;
}

/* ---- the join log ---- */

static enum kw_err get_events(const struct js_question *question, void *answer)
{
	const struct ipc_events_req *request = question->body;
	struct ipc_events_page *page = answer;
	struct ks_event events[IPC_PAGE_MAX];
	struct lw_eui dev_eui;
	struct ks_txn *txn;
	bool more = false;
	int found;
	enum kw_err err = ks_txn_begin(question->vault->store, &txn);

	if (err != KW_OK) {
		return err;
	}
	memcpy(dev_eui.octets, request->dev_eui, LW_EUI_SIZE);
	found = ks_events_get(txn, request->after, request->backwards != 0,
		request->has_device != 0 ? &dev_eui : NULL, events,
		js_page_limit(request->limit, IPC_PAGE_MAX), EVENTS_LOOKED_MAX, &page->resume,
		&more);
	ks_txn_abort(txn);
	if (found < 0) {
		return KW_E_STORE_DAMAGED;
	}
	for (int i = 0; i < found; i++) {
		js_event_to_ipc(&events[i],
			ks_peer_by_id(question->vault->store, events[i].ns_peer), &page->events[i]);
	}
	page->count = (uint32_t)found;
	page->more = more;
	return KW_OK;
}

/* ---- */

static const struct {
	enum ipc_kind kind;
	enum kw_err (*handle)(const struct js_question *question, void *answer);
} handlers[] = {
	{IPC_STATUS, get_status},
	{IPC_INTAKE, get_intake},
	{IPC_DEVICE_IMPORT, import_devices},
	{IPC_DEVICE_GENERATE, generate_device},
	{IPC_DEVICE_GET, get_device},
	{IPC_DEVICE_LIST, list_devices},
	{IPC_DEVICE_SET, set_device},
	{IPC_DEVICE_REMOVE, remove_device},
	{IPC_DEVICE_RESET, reset_device},
	{IPC_PEER_ADD, js_admin_add_peer},
	{IPC_PEER_SET, js_admin_set_peer},
	{IPC_PEER_GET, js_admin_get_peer},
	{IPC_PEER_LIST, js_admin_list_peers},
	{IPC_PEER_REMOVE, js_admin_remove_peer},
	{IPC_PEER_PROBE, js_admin_probe_peer},
	{IPC_PEER_KEK_RETIRE, js_admin_retire_kek},
	{IPC_EVENTS, get_events},
	{IPC_BACKUP, js_admin_backup},
};

size_t js_admin_answer(
	struct js_vault *vault, const struct ipc_header *message, struct ipc_header *answer)
{
	struct js_question question = {.vault = vault, .body = ipc_body(message)};
	size_t size = ipc_body_size(message->kind, false);

	question.tail = ipc_tail(message, true, &question.tail_length);
	memset(answer, 0, sizeof(*answer) + size);
	answer->kind = message->kind;
	answer->count = 1;
	answer->number = message->number;
	answer->err = KW_E_UNSUPPORTED;
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].kind == message->kind) {
			answer->err = handlers[i].handle(&question, answer + 1);
		}
	}
	return size;
}
