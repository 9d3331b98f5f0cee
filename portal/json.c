#include "portal/json.h"

#include "base/hex.h"
#include "lorawan/eui.h"
#include "lorawan/version.h"
#include "portal/code.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define HEX_MAX 32

void po_json_start(void)
{
	json_object_seed(0);
}

/* Takes the value over. */
static char *text_of(json_t *value)
{
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	return text;
}

/* An object in the making. One member that cannot be made, for want of memory, fails the whole. */
struct maker {
	json_t *object;
	bool failed;
};

static struct maker make(void)
{
	struct maker maker = {.object = json_object()};

	maker.failed = maker.object == NULL;
	return maker;
}

/* Takes the value over, also when it fails. */
static void put(struct maker *maker, const char *name, json_t *value)
{
	if (value == NULL || json_object_set_new(maker->object, name, value) != 0) {
		maker->failed = true;
	}
}

static json_t *done(struct maker *maker)
{
	if (maker->failed) {
		json_decref(maker->object);
		maker->object = NULL;
	}
	return maker->object;
}

static char *text_done(struct maker *maker)
{
	return text_of(done(maker));
}

static void put_number(struct maker *maker, const char *name, uint64_t number)
{
	put(maker, name, json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number));
}

static void put_bool(struct maker *maker, const char *name, bool value)
{
	put(maker, name, json_boolean(value));
}

/* Text of another process: ends where its array ends, and may be no UTF-8. */
static json_t *text_json(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	json_t *value = json_stringn(text, length);
	char plain[IPC_TEXT_SIZE];

	if (value != NULL) {
		return value;
	}
	length = length < sizeof(plain) ? length : sizeof(plain) - 1;
	for (size_t i = 0; i < length; i++) {
		plain[i] = text[i];
		if ((unsigned char)plain[i] >= 0x80) {
			plain[i] = '?';
		}
	}
	return json_stringn(plain, length);
}

static void put_text(struct maker *maker, const char *name, const char *text, size_t size)
{
	put(maker, name, text_json(text, size));
}

static void put_text_or_null(struct maker *maker, const char *name, const char *text, size_t size)
{
	put(maker, name, text[0] == '\0' ? json_null() : text_json(text, size));
}

static void put_word(struct maker *maker, const char *name, const char *word)
{
	put(maker, name, word == NULL ? json_null() : json_string(word));
}

static json_t *hex_json(const uint8_t *octets, size_t length)
{
	char text[2 * HEX_MAX + 1];

	kw_hex_write(text, octets, length);
	return json_string(text);
}

static void put_hex(struct maker *maker, const char *name, const uint8_t *octets, size_t length)
{
	put(maker, name, hex_json(octets, length));
}

static void put_hex_if(
	struct maker *maker, const char *name, bool there, const uint8_t *octets, size_t length)
{
	put(maker, name, there ? hex_json(octets, length) : json_null());
}

static void put_time(struct maker *maker, const char *name, uint64_t time_ms)
{
	char text[KW_TIME_TEXT_SIZE];

	kw_time_text(time_ms, text);
	put(maker, name, time_ms == 0 ? json_null() : json_string(text));
}

static void put_net_ids(struct maker *maker, const char *name,
	const uint8_t net_ids[IPC_NET_IDS_MAX][LW_NET_ID_SIZE], size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count && i < IPC_NET_IDS_MAX; i++) {
		if (json_array_append_new(array, hex_json(net_ids[i], LW_NET_ID_SIZE)) != 0) {
			maker->failed = true;
		}
	}
	put(maker, name, array);
}

char *po_json_error(const char *code, const char *message)
{
	struct maker inner = make();
	struct maker outer = make();

	put_word(&inner, "code", code);
	put_text(&inner, "message", message, IPC_TEXT_SIZE);
	put(&outer, "error", done(&inner));
	return text_done(&outer);
}

char *po_json_removed(const char *name)
{
	struct maker maker = make();

	put_word(&maker, "removed", name);
	return text_done(&maker);
}

static const char *origin_text(uint8_t origin)
{
	switch (origin) {
	case IPC_ORIGIN_IMPORTED:
		return "imported";
	case IPC_ORIGIN_GENERATED:
		return "generated";
	default:
		return NULL;
	}
}

static void put_policy(struct maker *maker, const struct ipc_device_policy *policy)
{
	put_text_or_null(maker, "name", policy->name, sizeof(policy->name));
	put_net_ids(maker, "net_ids", policy->net_ids, policy->net_id_count);
	put_net_ids(maker, "roaming", policy->roaming, policy->roaming_count);
	put_hex_if(maker, "ns_id", policy->has_ns_id != 0, policy->ns_id, LW_EUI_SIZE);
	put_text_or_null(maker, "as_id", policy->as_id, sizeof(policy->as_id));
	put_word(maker, "app_s_key", ipc_delivery_text(policy->delivery));
	put_bool(maker, "blocked", policy->blocked != 0);
}

static void put_device_state(struct maker *maker, const struct ipc_device *device)
{
	put_word(maker, "dev_nonce_rule", device->counts_dev_nonce != 0 ? "counter" : "unique");
	put_number(maker, "dev_nonces_used", device->dev_nonce_count);
	put(maker, "last_dev_nonce",
		device->dev_nonce_count > 0 ? json_integer(device->last_dev_nonce) : json_null());
	put_number(maker, "next_join_nonce", device->next_join_nonce);
	put_number(maker, "joins_accepted", device->joins_accepted);
	put_number(maker, "joins_refused", device->joins_refused);
	put_number(maker, "sessions", device->session_count);
	put_hex_if(maker, "last_net_id", device->session_count > 0, device->last_net_id,
		LW_NET_ID_SIZE);
	put_time(maker, "last_join", device->last_join_ms);
	put_time(maker, "created", device->created_ms);
	put_time(maker, "changed", device->changed_ms);
}

static json_t *device_json(const struct ipc_device *device)
{
	struct maker maker = make();
	enum lw_version version = (enum lw_version)device->lorawan_version;

	put_hex(&maker, "join_eui", device->join_eui, LW_EUI_SIZE);
	put_hex(&maker, "dev_eui", device->dev_eui, LW_EUI_SIZE);
	put_word(&maker, "lorawan_version", lw_version_text(version));
	put_policy(&maker, &device->policy);
	put_word(&maker, "origin", origin_text(device->origin));
	put_hex(&maker, "app_key_kcv", device->app_key_kcv, sizeof(device->app_key_kcv));
	put_hex_if(&maker, "nwk_key_kcv", device->has_nwk_key != 0, device->nwk_key_kcv,
		sizeof(device->nwk_key_kcv));
	put_device_state(&maker, device);
	return done(&maker);
}

char *po_json_device(const struct ipc_device *device)
{
	return text_of(device_json(device));
}

static void append(struct maker *maker, json_t *array, json_t *value)
{
	if (value == NULL || json_array_append_new(array, value) != 0) {
		maker->failed = true;
	}
}

char *po_json_devices(const struct ipc_device_page *page)
{
	struct maker maker = make();
	json_t *array = json_array();
	uint32_t count = page->count < IPC_PAGE_MAX ? page->count : IPC_PAGE_MAX;
	uint8_t last[2 * LW_EUI_SIZE];

	for (uint32_t i = 0; i < count; i++) {
		append(&maker, array, device_json(&page->devices[i]));
	}
	put(&maker, "devices", array);
	if (count > 0) {
		memcpy(last, page->devices[count - 1].join_eui, LW_EUI_SIZE);
		memcpy(last + LW_EUI_SIZE, page->devices[count - 1].dev_eui, LW_EUI_SIZE);
	}
	put(&maker, "resume", count > 0 ? hex_json(last, sizeof(last)) : json_null());
	put_bool(&maker, "more", page->more != 0 && count > 0);
	return text_done(&maker);
}

static json_t *ranges_json(struct maker *maker, const struct ipc_peer *peer)
{
	json_t *array = json_array();

	for (size_t i = 0; i < peer->range_count && i < IPC_RANGES_MAX; i++) {
		struct lw_eui_range range;
		char text[LW_EUI_RANGE_TEXT_SIZE];

		memcpy(range.first.octets, peer->ranges[i].first, LW_EUI_SIZE);
		memcpy(range.last.octets, peer->ranges[i].last, LW_EUI_SIZE);
		lw_eui_range_write(&range, text);
		append(maker, array, json_string(text));
	}
	return array;
}

static json_t *peer_json(const struct ipc_peer *peer)
{
	struct maker maker = make();

	put_text(&maker, "name", peer->name, sizeof(peer->name));
	put_net_ids(&maker, "net_ids", peer->net_ids, peer->net_id_count);
	put_hex_if(&maker, "ns_id", peer->has_ns_id != 0, peer->ns_id, LW_EUI_SIZE);
	put_text_or_null(&maker, "as_id", peer->as_id, sizeof(peer->as_id));
	put_bool(&maker, "has_token", peer->has_token != 0);
	put_bool(&maker, "has_kek", peer->has_kek != 0);
	put_text_or_null(&maker, "kek_label", peer->kek_label, sizeof(peer->kek_label));
	put_word(&maker, "app_s_key", ipc_delivery_text(peer->delivery));
	put(&maker, "join_eui_ranges", ranges_json(&maker, peer));
	put_bool(&maker, "any_device", peer->any_device != 0);
	put_time(&maker, "created", peer->created_ms);
	put_time(&maker, "changed", peer->changed_ms);
	return done(&maker);
}

char *po_json_peer(const struct ipc_peer *peer)
{
	return text_of(peer_json(peer));
}

char *po_json_peers(const struct ipc_peer_page *page, const char *member)
{
	struct maker maker = make();
	json_t *array = json_array();
	uint32_t count = page->count < IPC_PAGE_MAX ? page->count : IPC_PAGE_MAX;

	for (uint32_t i = 0; i < count; i++) {
		append(&maker, array, peer_json(&page->peers[i]));
	}
	put(&maker, member, array);
	put(&maker, "resume",
		count > 0 ? text_json(page->peers[count - 1].name, IPC_NAME_SIZE) : json_null());
	put_bool(&maker, "more", page->more != 0 && count > 0);
	return text_done(&maker);
}

static const char *event_kind_text(uint8_t kind)
{
	switch (kind) {
	case IPC_EVENT_ACCEPTED:
		return "accepted";
	case IPC_EVENT_REFUSED:
		return "refused";
	case IPC_EVENT_REPEATED:
		return "repeated";
	default:
		return "unknown";
	}
}

static void put_version(struct maker *maker, const char *name, uint8_t version)
{
	put_word(maker, name,
		lw_version_valid(version) ? lw_version_text((enum lw_version)version) : NULL);
}

static json_t *event_json(const struct ipc_event *event)
{
	struct maker maker = make();
	bool refused = event->kind == IPC_EVENT_REFUSED;
	char words[IPC_TEXT_SIZE];

	ipc_event_words(event, words);
	put_number(&maker, "sequence", event->sequence);
	put_time(&maker, "time", event->time_ms);
	put_hex(&maker, "dev_eui", event->dev_eui, LW_EUI_SIZE);
	put_hex(&maker, "join_eui", event->join_eui, LW_EUI_SIZE);
	put_word(&maker, "kind", event_kind_text(event->kind));
	put_word(&maker, "code", refused ? po_code_text((enum kw_err)event->err) : NULL);
	put_text(&maker, "text", words, sizeof(words));
	put_hex(&maker, "net_id", event->net_id, LW_NET_ID_SIZE);
	put_text_or_null(&maker, "sender", event->peer, sizeof(event->peer));
	put_number(&maker, "dev_nonce", event->dev_nonce);
	put(&maker, "last_dev_nonce",
		event->has_last != 0 ? json_integer(event->last_dev_nonce) : json_null());
	put(&maker, "join_nonce", refused ? json_null() : json_integer(event->join_nonce));
	put_version(&maker, "mac_version", event->mac_version);
	put_version(&maker, "lorawan_version", event->lorawan_version);
	put_bool(&maker, "opt_neg", event->opt_neg != 0);
	put_number(&maker, "repeats", event->repeats);
	return done(&maker);
}

char *po_json_events(const struct ipc_events_page *page)
{
	struct maker maker = make();
	json_t *array = json_array();

	for (uint32_t i = 0; i < page->count && i < IPC_PAGE_MAX; i++) {
		append(&maker, array, event_json(&page->events[i]));
	}
	put(&maker, "events", array);
	put_number(&maker, "resume", page->resume);
	put_bool(&maker, "more", page->more != 0);
	return text_done(&maker);
}

static json_t *row_error_json(const struct ipc_row_error *row)
{
	struct maker maker = make();

	put_number(&maker, "line", row->line);
	put_word(&maker, "code", po_code_text((enum kw_err)row->err));
	put_text(&maker, "text", row->text, sizeof(row->text));
	return done(&maker);
}

char *po_json_import(const struct ipc_import_ans *answer, bool dry_run)
{
	struct maker maker = make();
	json_t *array = json_array();

	for (uint32_t i = 0; i < answer->listed && i < IPC_ROW_ERRORS_MAX; i++) {
		append(&maker, array, row_error_json(&answer->list[i]));
	}
	put_number(&maker, "rows", answer->rows);
	put_number(&maker, "added", answer->added);
	put_number(&maker, "refused", answer->errors);
	put(&maker, "errors", array);
	put_bool(&maker, "dry_run", dry_run);
	return text_done(&maker);
}

static uint64_t seconds_since(uint64_t then_ms, uint64_t now_ms)
{
	return then_ms != 0 && now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0;
}

static json_t *process_json(const struct po_process *process, uint64_t now_ms)
{
	struct maker maker = make();
	bool runs = process->pid != 0;

	put_text(&maker, "name", process->name, sizeof(process->name));
	put_bool(&maker, "running", runs);
	put(&maker, "pid", runs ? json_integer(process->pid) : json_null());
	put_number(&maker, "restarts", process->restarts);
	put_number(&maker, "uptime_s", runs ? seconds_since(process->started_ms, now_ms) : 0);
	return done(&maker);
}

static json_t *joins_json(const struct ipc_status *status)
{
	struct maker maker = make();

	put_number(&maker, "accepted", status->joins_accepted);
	put_number(&maker, "repeated", status->joins_repeated);
	put_number(&maker, "refused", status->joins_refused);
	put_number(&maker, "unknown_devices", status->unknown_devices);
	put_number(&maker, "mic_failures", status->mic_failures);
	put_number(&maker, "missing_keks", status->missing_keks);
	return done(&maker);
}

static json_t *store_json(const struct ipc_status *status)
{
	struct maker maker = make();
	uint64_t commits = status->commits;

	put_number(&maker, "devices", status->devices);
	put_number(&maker, "peers", status->peers);
	put_number(&maker, "events", status->events);
	put_number(&maker, "bytes", status->store_bytes);
	put_number(&maker, "map_bytes", status->store_map_bytes);
	put_number(&maker, "journal_records", status->journal_records);
	put_number(&maker, "commits", commits);
	put_number(&maker, "commit_us_mean", commits > 0 ? status->commit_us_total / commits : 0);
	put_number(&maker, "commit_us_max", status->commit_us_max);
	put_number(&maker, "dev_nonces_high", status->dev_nonces_high);
	put_number(&maker, "format", status->store_format);
	put_number(&maker, "epoch", status->epoch);
	put_bool(&maker, "failed", status->store_failed != 0);
	return done(&maker);
}

static json_t *latency_json(const struct kw_histogram *latency)
{
	struct maker maker = make();

	put_number(&maker, "count", latency->count);
	put_number(&maker, "p50", kw_histogram_percentile(latency, 0.50));
	put_number(&maker, "p99", kw_histogram_percentile(latency, 0.99));
	put_number(&maker, "max", latency->max);
	return done(&maker);
}

static json_t *fronts_json(const struct ipc_status *status)
{
	struct maker maker = make();

	put_number(&maker, "count", status->fronts);
	put_number(&maker, "requests", status->reports.requests);
	put_number(&maker, "http_refused", status->reports.http_refused);
	put_number(&maker, "connections", status->reports.connections);
	put(&maker, "latency_us", latency_json(&status->reports.latency));
	return done(&maker);
}

static json_t *vault_json(const struct ipc_status *status, uint64_t now_ms)
{
	struct maker maker = make();
	char generation[2 * sizeof(uint64_t) + 1];

	/* A number that other JSON readers would round. */
	snprintf(generation, sizeof(generation), "%016llx", (unsigned long long)status->generation);
	put_word(&maker, "generation", generation);
	put_time(&maker, "started", status->started_ms);
	put_number(&maker, "uptime_s", seconds_since(status->started_ms, now_ms));
	return done(&maker);
}

char *po_json_status(const struct ipc_status *status, const struct po_status_view *view)
{
	struct maker maker = make();
	json_t *processes = json_array();
	json_t *warnings = json_array();

	for (size_t i = 0; i < view->process_count; i++) {
		append(&maker, processes, process_json(&view->processes[i], view->now_ms));
	}
	for (size_t i = 0; i < view->warning_count; i++) {
		append(&maker, warnings, text_json(view->warnings[i], PO_WARNING_SIZE));
	}
	put_time(&maker, "time", view->now_ms);
	put(&maker, "vault", vault_json(status, view->now_ms));
	put(&maker, "joins", joins_json(status));
	put(&maker, "store", store_json(status));
	put(&maker, "fronts", fronts_json(status));
	put(&maker, "processes", processes);
	put(&maker, "warnings", warnings);
	return text_done(&maker);
}
