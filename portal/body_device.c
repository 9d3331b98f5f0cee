#include "portal/body.h"
#include "portal/member.h"
#include "portal/value.h"

#include "lorawan/version.h"

#include <string.h>

#define NEED_TEXT "must be a text of at most 63 octets without control characters"

static const char *name_read(const json_t *value, struct po_target *target)
{
	const char *text = po_value_text_or_empty(value);

	if (text == NULL || strlen(text) >= IPC_NAME_SIZE || po_has_control(text)) {
		return NEED_TEXT;
	}
	po_text_copy(target->device->policy.name, text);
	return NULL;
}

static const char *device_join_eui(const json_t *value, struct po_target *target)
{
	return po_value_eui(value, target->device->join_eui);
}

static const char *device_dev_eui(const json_t *value, struct po_target *target)
{
	return po_value_eui(value, target->device->dev_eui);
}

static const char *device_version(const json_t *value, struct po_target *target)
{
	const char *text = json_string_value(value);
	enum lw_version version = LW_VERSION_NONE;

	if (text == NULL || lw_version_read(text, &version) != KW_OK) {
		return "must be a LoRaWAN version such as \"1.0.3\", \"1.0.4\" or \"1.1\"";
	}
	target->device->lorawan_version = (uint8_t)version;
	return NULL;
}

static const char *device_generate(const json_t *value, struct po_target *target)
{
	(void)target;
	return json_is_true(value) ? NULL : "must be true; " PO_SEALED_WAY;
}

static const char *device_net_ids(const json_t *value, struct po_target *target)
{
	struct ipc_device_policy *policy = &target->device->policy;

	return po_value_net_ids(value, policy->net_ids, &policy->net_id_count);
}

static const char *device_roaming(const json_t *value, struct po_target *target)
{
	struct ipc_device_policy *policy = &target->device->policy;

	return po_value_net_ids(value, policy->roaming, &policy->roaming_count);
}

static const char *device_ns_id(const json_t *value, struct po_target *target)
{
	struct ipc_device_policy *policy = &target->device->policy;

	return po_value_eui_or_null(value, policy->ns_id, &policy->has_ns_id);
}

static const char *device_as_id(const json_t *value, struct po_target *target)
{
	return po_value_printable(value, target->device->policy.as_id);
}

static const char *device_app_s_key(const json_t *value, struct po_target *target)
{
	return po_value_delivery(value, &target->device->policy.delivery);
}

static const char *device_blocked(const json_t *value, struct po_target *target)
{
	return po_value_bool(value, &target->device->policy.blocked);
}

static const struct po_member device_members[] = {
	{"join_eui", device_join_eui, 0, PO_ON_CREATE, true, NULL},
	{"dev_eui", device_dev_eui, 0, PO_ON_CREATE, true, NULL},
	{"lorawan_version", device_version, 0, PO_ON_CREATE, true, NULL},
	{"generate", device_generate, 0, PO_ON_CREATE, true, PO_SEALED_WAY},
	{"name", name_read, IPC_SET_NAME, PO_ALWAYS, false, NULL},
	{"net_ids", device_net_ids, IPC_SET_NET_IDS, PO_ALWAYS, false, NULL},
	{"ns_id", device_ns_id, IPC_SET_NS_ID, PO_ALWAYS, false, NULL},
	{"as_id", device_as_id, IPC_SET_AS_ID, PO_ALWAYS, false, NULL},
	{"app_s_key", device_app_s_key, IPC_SET_DELIVERY, PO_ALWAYS, false, NULL},
	{"roaming", device_roaming, IPC_SET_ROAMING, PO_ALWAYS, false, NULL},
	{"blocked", device_blocked, IPC_SET_BLOCKED, PO_ALWAYS, false, NULL},
	{.name = NULL},
};
enum kw_err po_body_device(const char *body, size_t length, bool create, struct ipc_device_req *out,
	struct po_why *why)
{
	struct po_target target = {.device = out};
	json_t *object;
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	err = po_object_read(body, length, &object, why);
	if (err == KW_OK) {
		err = po_members_read(device_members, object, create ? PO_ON_CREATE : PO_ON_CHANGE,
			&target, &out->set, why);
	}
	json_decref(object);
	return err;
}
