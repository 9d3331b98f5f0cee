#include "portal/json.h"

#include "lorawan/version.h"
#include "portal/code.h"
#include "portal/maker.h"

#include <string.h>

void po_json_start(void)
{
	json_object_seed(0);
}

char *po_json_error(const char *code, const char *message)
{
	struct po_maker inner = po_make();
	struct po_maker outer = po_make();

	po_put_word(&inner, "code", code);
	po_put_text(&inner, "message", message, IPC_TEXT_SIZE);
	po_put(&outer, "error", po_done(&inner));
	return po_text_done(&outer);
}

char *po_json_removed(const char *name)
{
	struct po_maker maker = po_make();

	po_put_word(&maker, "removed", name);
	return po_text_done(&maker);
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

static void put_policy(struct po_maker *maker, const struct ipc_device_policy *policy)
{
	po_put_text_or_null(maker, "name", policy->name, sizeof(policy->name));
	po_put_net_ids(maker, "net_ids", policy->net_ids, policy->net_id_count);
	po_put_net_ids(maker, "roaming", policy->roaming, policy->roaming_count);
	po_put_hex_if(maker, "ns_id", policy->has_ns_id != 0, policy->ns_id, LW_EUI_SIZE);
	po_put_text_or_null(maker, "as_id", policy->as_id, sizeof(policy->as_id));
	po_put_word(maker, "app_s_key", ipc_delivery_text(policy->delivery));
	po_put_bool(maker, "blocked", policy->blocked != 0);
}

static void put_device_state(struct po_maker *maker, const struct ipc_device *device)
{
	po_put_word(maker, "dev_nonce_rule", device->counts_dev_nonce != 0 ? "counter" : "unique");
	po_put_number(maker, "dev_nonces_used", device->dev_nonce_count);
	po_put(maker, "last_dev_nonce",
		device->dev_nonce_count > 0 ? json_integer(device->last_dev_nonce) : json_null());
	po_put_number(maker, "next_join_nonce", device->next_join_nonce);
	po_put_number(maker, "joins_accepted", device->joins_accepted);
	po_put_number(maker, "joins_refused", device->joins_refused);
	po_put_number(maker, "sessions", device->session_count);
	po_put_hex_if(maker, "last_net_id", device->session_count > 0, device->last_net_id,
		LW_NET_ID_SIZE);
	po_put_time(maker, "last_join", device->last_join_ms);
	po_put_time(maker, "created", device->created_ms);
	po_put_time(maker, "changed", device->changed_ms);
}

static json_t *device_json(const struct ipc_device *device)
{
	struct po_maker maker = po_make();
	enum lw_version version = (enum lw_version)device->lorawan_version;

	po_put_hex(&maker, "join_eui", device->join_eui, LW_EUI_SIZE);
	po_put_hex(&maker, "dev_eui", device->dev_eui, LW_EUI_SIZE);
	po_put_word(&maker, "lorawan_version", lw_version_text(version));
	put_policy(&maker, &device->policy);
	po_put_word(&maker, "origin", origin_text(device->origin));
	po_put_hex(&maker, "app_key_kcv", device->app_key_kcv, sizeof(device->app_key_kcv));
	po_put_hex_if(&maker, "nwk_key_kcv", device->has_nwk_key != 0, device->nwk_key_kcv,
		sizeof(device->nwk_key_kcv));
	put_device_state(&maker, device);
	return po_done(&maker);
}

char *po_json_device(const struct ipc_device *device)
{
	return po_text_of(device_json(device));
}

char *po_json_devices(const struct ipc_device_page *page)
{
	struct po_maker maker = po_make();
	json_t *array = json_array();
	uint32_t count = page->count < IPC_PAGE_MAX ? page->count : IPC_PAGE_MAX;
	uint8_t last[2 * LW_EUI_SIZE];

	for (uint32_t i = 0; i < count; i++) {
		po_append(&maker, array, device_json(&page->devices[i]));
	}
	po_put(&maker, "devices", array);
	if (count > 0) {
		memcpy(last, page->devices[count - 1].join_eui, LW_EUI_SIZE);
		memcpy(last + LW_EUI_SIZE, page->devices[count - 1].dev_eui, LW_EUI_SIZE);
	}
	po_put(&maker, "resume", count > 0 ? po_hex_json(last, sizeof(last)) : json_null());
	po_put_bool(&maker, "more", page->more != 0 && count > 0);
	return po_text_done(&maker);
}

static json_t *row_error_json(const struct ipc_row_error *row)
{
	struct po_maker maker = po_make();

	po_put_number(&maker, "line", row->line);
	if (row->err != KW_OK) {
		po_put_word(&maker, "code", po_code_text((enum kw_err)row->err));
	}
	po_put_text(&maker, "text", row->text, sizeof(row->text));
	return po_done(&maker);
}

char *po_json_import(const struct ipc_import_ans *answer, bool dry_run)
{
	struct po_maker maker = po_make();
	json_t *errors = json_array();
	json_t *warnings = json_array();

	for (uint32_t i = 0; i < answer->listed && i < IPC_ROW_ERRORS_MAX; i++) {
		const struct ipc_row_error *row = &answer->list[i];

		po_append(&maker, row->err == KW_OK ? warnings : errors, row_error_json(row));
	}
	po_put_number(&maker, "rows", answer->rows);
	po_put_number(&maker, "added", answer->added);
	po_put_number(&maker, "already", answer->already);
	po_put_number(&maker, "refused", answer->errors);
	po_put(&maker, "errors", errors);
	po_put_number(&maker, "warned", answer->warned);
	po_put(&maker, "warnings", warnings);
	po_put_bool(&maker, "dry_run", dry_run);
	return po_text_done(&maker);
}

char *po_json_backup(const struct ipc_backup_ans *answer)
{
	struct po_maker maker = po_make();

	po_put_number(&maker, "id", answer->id);
	po_put_number(&maker, "records", answer->records);
	po_put_number(&maker, "epoch", answer->epoch);
	po_put_time(&maker, "time", answer->time_ms);
	return po_text_done(&maker);
}
