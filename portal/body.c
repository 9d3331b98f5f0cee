#include "portal/body.h"

#include "base/hex.h"
#include "lorawan/version.h"
#include "portal/envelope.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* What a reader returns for a wrong value; NULL for a good one. */
#define NEED_TEXT      "must be a text of at most 63 octets without control characters"
#define NEED_PRINTABLE "must be 1 to 63 printable ASCII characters"
#define NEED_EUI       "must be an EUI, which has 16 hexadecimal digits"
#define NEED_NET_IDS   "must be a list of at most 8 NetIDs of 6 hexadecimal digits each"
#define NEED_BOOL      "must be true or false"

#define SEALED_WAY                                                                                 \
	"root keys are not taken here in the clear; seal them to the intake certificate and send " \
	"them to /devices/import, or let the vault make them with \"generate\": true"

/* Where readers put what they read; one of the two. */
struct target {
	struct ipc_device_req *device;
	struct ipc_peer_req *peer;
	struct po_envelope *kek;
};

enum when {
	ON_CREATE = 1,
	ON_CHANGE = 2,
	ALWAYS = 3,
};

struct member {
	const char *name; /* NULL ends a table */
	const char *(*read)(const json_t *value, struct target *target);
	uint32_t set; /* what the vault is told was given */
	enum when when;
	bool needed; /* on creation */
};

/* Members that people might try. The words for them say how it is done instead. */
static const struct {
	const char *name;
	const char *text;
} refused[] = {
	{"appkey", SEALED_WAY},
	{"nwkkey", SEALED_WAY},
	{"rootkey", SEALED_WAY},
	{"rootkeys", SEALED_WAY},
	{"genappkey", SEALED_WAY},
	{"key", SEALED_WAY},
	{"keys", SEALED_WAY},
	{"token", "tokens are not taken here; send token_sha256, the SHA-256 of the token"},
	{"kek", "KEKs are not taken here in the clear; seal the KEK to the intake certificate and "
		"send it as kek_envelope with kek_label"},
	{"kekkey", "KEKs are not taken here in the clear; send kek_envelope with kek_label"},
};

/* C0, DEL and C1 would reach somebody's terminal. */
static bool has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		unsigned char next = (unsigned char)text[1];

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next <= 0x9f)) {
			return true;
		}
	}
	return false;
}

bool po_printable(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length >= IPC_NAME_SIZE) {
		return false;
	}
	for (; *text != '\0'; text++) {
		if (*text < 0x20 || *text > 0x7e) {
			return false;
		}
	}
	return true;
}

bool po_peer_name_valid(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t length = strlen(name);

	return length > 0 && length < IPC_NAME_SIZE && strspn(name, allowed) == length &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* "" for null, which takes away; NULL for what is no text. */
static const char *text_or_empty(const json_t *value)
{
	return json_is_null(value) ? "" : json_string_value(value);
}

static void copy_text(char *out, const char *text)
{
	memset(out, 0, IPC_NAME_SIZE);
	memcpy(out, text, strnlen(text, IPC_NAME_SIZE - 1));
}

static const char *name_read(const json_t *value, struct target *target)
{
	const char *text = text_or_empty(value);

	if (text == NULL || strlen(text) >= IPC_NAME_SIZE || has_control(text)) {
		return NEED_TEXT;
	}
	copy_text(target->device->policy.name, text);
	return NULL;
}

static const char *printable_read(const json_t *value, char out[IPC_NAME_SIZE])
{
	const char *text = text_or_empty(value);

	if (text == NULL || (!json_is_null(value) && !po_printable(text))) {
		return NEED_PRINTABLE;
	}
	copy_text(out, text);
	return NULL;
}

static const char *eui_read(const json_t *value, uint8_t out[LW_EUI_SIZE])
{
	const char *text = json_string_value(value);
	struct lw_eui eui;

	if (text == NULL || lw_eui_read(text, &eui) != KW_OK) {
		return NEED_EUI;
	}
	memcpy(out, eui.octets, LW_EUI_SIZE);
	return NULL;
}

static const char *eui_or_null(const json_t *value, uint8_t out[LW_EUI_SIZE], uint8_t *has)
{
	*has = json_is_null(value) ? 0 : 1;
	return json_is_null(value) ? NULL : eui_read(value, out);
}

static const char *net_ids_read(
	const json_t *value, uint8_t out[IPC_NET_IDS_MAX][LW_NET_ID_SIZE], uint8_t *count)
{
	size_t size = json_array_size(value);

	if (!json_is_null(value) && (!json_is_array(value) || size > IPC_NET_IDS_MAX)) {
		return NEED_NET_IDS;
	}
	for (size_t i = 0; i < size; i++) {
		const char *text = json_string_value(json_array_get(value, i));
		struct lw_net_id net_id;

		if (text == NULL || lw_net_id_read(text, &net_id) != KW_OK) {
			return NEED_NET_IDS;
		}
		memcpy(out[i], net_id.octets, LW_NET_ID_SIZE);
	}
	*count = (uint8_t)size;
	return NULL;
}

static const char *delivery_read(const json_t *value, uint8_t *out)
{
	const char *text = json_is_null(value) ? "default" : json_string_value(value);

	if (text == NULL || ipc_delivery_read(text, out) != KW_OK) {
		return "must be \"default\", \"inline\", \"inline-id\", \"wrapped\" or \"fetch\"";
	}
	return NULL;
}

static const char *bool_read(const json_t *value, uint8_t *out)
{
	if (!json_is_boolean(value)) {
		return NEED_BOOL;
	}
	*out = json_is_true(value) ? 1 : 0;
	return NULL;
}

static const char *device_join_eui(const json_t *value, struct target *target)
{
	return eui_read(value, target->device->join_eui);
}

static const char *device_dev_eui(const json_t *value, struct target *target)
{
	return eui_read(value, target->device->dev_eui);
}

static const char *device_version(const json_t *value, struct target *target)
{
	const char *text = json_string_value(value);
	enum lw_version version = LW_VERSION_NONE;

	if (text == NULL || lw_version_read(text, &version) != KW_OK) {
		return "must be a LoRaWAN version such as \"1.0.3\", \"1.0.4\" or \"1.1\"";
	}
	target->device->lorawan_version = (uint8_t)version;
	return NULL;
}

static const char *device_generate(const json_t *value, struct target *target)
{
	(void)target;
	return json_is_true(value) ? NULL : "must be true; " SEALED_WAY;
}

static const char *device_net_ids(const json_t *value, struct target *target)
{
	struct ipc_device_policy *policy = &target->device->policy;

	return net_ids_read(value, policy->net_ids, &policy->net_id_count);
}

static const char *device_roaming(const json_t *value, struct target *target)
{
	struct ipc_device_policy *policy = &target->device->policy;

	return net_ids_read(value, policy->roaming, &policy->roaming_count);
}

static const char *device_ns_id(const json_t *value, struct target *target)
{
	struct ipc_device_policy *policy = &target->device->policy;

	return eui_or_null(value, policy->ns_id, &policy->has_ns_id);
}

static const char *device_as_id(const json_t *value, struct target *target)
{
	return printable_read(value, target->device->policy.as_id);
}

static const char *device_app_s_key(const json_t *value, struct target *target)
{
	return delivery_read(value, &target->device->policy.delivery);
}

static const char *device_blocked(const json_t *value, struct target *target)
{
	return bool_read(value, &target->device->policy.blocked);
}

static const struct member device_members[] = {
	{"join_eui", device_join_eui, 0, ON_CREATE, true},
	{"dev_eui", device_dev_eui, 0, ON_CREATE, true},
	{"lorawan_version", device_version, 0, ON_CREATE, true},
	{"generate", device_generate, 0, ON_CREATE, true},
	{"name", name_read, IPC_SET_NAME, ALWAYS, false},
	{"net_ids", device_net_ids, IPC_SET_NET_IDS, ALWAYS, false},
	{"ns_id", device_ns_id, IPC_SET_NS_ID, ALWAYS, false},
	{"as_id", device_as_id, IPC_SET_AS_ID, ALWAYS, false},
	{"app_s_key", device_app_s_key, IPC_SET_DELIVERY, ALWAYS, false},
	{"roaming", device_roaming, IPC_SET_ROAMING, ALWAYS, false},
	{"blocked", device_blocked, IPC_SET_BLOCKED, ALWAYS, false},
	{.name = NULL},
};

static const char *peer_name(const json_t *value, struct target *target)
{
	const char *text = json_string_value(value);

	if (text == NULL || !po_peer_name_valid(text)) {
		return "must be 1 to 63 letters, digits, '-', '_' or '.'";
	}
	copy_text(target->peer->peer.name, text);
	return NULL;
}

static const char *peer_net_ids(const json_t *value, struct target *target)
{
	return net_ids_read(value, target->peer->peer.net_ids, &target->peer->peer.net_id_count);
}

static const char *peer_ns_id(const json_t *value, struct target *target)
{
	return eui_or_null(value, target->peer->peer.ns_id, &target->peer->peer.has_ns_id);
}

static const char *peer_as_id(const json_t *value, struct target *target)
{
	return printable_read(value, target->peer->peer.as_id);
}

/* All zeros are what a digest is that nobody filled in; no peer may answer to that. */
static const char *peer_token(const json_t *value, struct target *target)
{
	static const uint8_t none[IPC_DIGEST_SIZE];
	const char *text = json_string_value(value);
	uint8_t *digest = target->peer->token_digest;

	if (text == NULL || strlen(text) != 2 * IPC_DIGEST_SIZE ||
		kw_hex_read(text, strlen(text), digest, IPC_DIGEST_SIZE) != KW_OK ||
		memcmp(digest, none, sizeof(none)) == 0) {
		return "must be the SHA-256 of the token, which has 64 hexadecimal digits";
	}
	target->peer->peer.has_token = 1;
	return NULL;
}

static const char *peer_app_s_key(const json_t *value, struct target *target)
{
	return delivery_read(value, &target->peer->peer.delivery);
}

static const char *peer_any_device(const json_t *value, struct target *target)
{
	return bool_read(value, &target->peer->peer.any_device);
}

static const char *peer_ranges(const json_t *value, struct target *target)
{
	struct ipc_peer *peer = &target->peer->peer;
	size_t size = json_array_size(value);

	if (!json_is_null(value) && (!json_is_array(value) || size > IPC_RANGES_MAX)) {
		return "must be a list of at most 8 ranges of JoinEUIs";
	}
	for (size_t i = 0; i < size; i++) {
		const char *text = json_string_value(json_array_get(value, i));
		struct lw_eui_range range;

		if (text == NULL || lw_eui_range_read(text, &range) != KW_OK) {
			return "holds something that is no range; write \"70b3d57ed0000000/40\", "
			       "\"FIRST-LAST\" or one EUI";
		}
		memcpy(peer->ranges[i].first, range.first.octets, LW_EUI_SIZE);
		memcpy(peer->ranges[i].last, range.last.octets, LW_EUI_SIZE);
	}
	peer->range_count = (uint8_t)size;
	return NULL;
}

static const char *peer_kek_label(const json_t *value, struct target *target)
{
	static_assert(IPC_LABEL_SIZE == IPC_NAME_SIZE, "labels are read as names are");
	return printable_read(value, target->peer->peer.kek_label);
}

static const char *peer_kek_envelope(const json_t *value, struct target *target)
{
	const char *text = json_string_value(value);

	if (text == NULL ||
		po_envelope_read_base64(text, json_string_length(value), target->kek) != KW_OK) {
		return "must be the KEK sealed to the intake certificate: CMS AuthEnvelopedData "
		       "in DER, as base64";
	}
	target->peer->kek_envelope_length = (uint32_t)target->kek->length;
	return NULL;
}

static const struct member peer_members[] = {
	{"name", peer_name, 0, ON_CREATE, true},
	{"net_ids", peer_net_ids, IPC_PEER_SET_NET_IDS, ALWAYS, false},
	{"ns_id", peer_ns_id, IPC_PEER_SET_NS_ID, ALWAYS, false},
	{"as_id", peer_as_id, IPC_PEER_SET_AS_ID, ALWAYS, false},
	{"token_sha256", peer_token, IPC_PEER_SET_TOKEN, ALWAYS, false},
	{"app_s_key", peer_app_s_key, IPC_PEER_SET_DELIVERY, ALWAYS, false},
	{"join_eui_ranges", peer_ranges, IPC_PEER_SET_RANGES, ALWAYS, false},
	{"any_device", peer_any_device, IPC_PEER_SET_ANY_DEVICE, ALWAYS, false},
	{"kek_label", peer_kek_label, IPC_PEER_SET_KEK, ALWAYS, false},
	{"kek_envelope", peer_kek_envelope, IPC_PEER_SET_KEK, ALWAYS, false},
	{.name = NULL},
};

__attribute__((format(printf, 2, 3))) static void say(struct po_why *why, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why->text, sizeof(why->text), format, arguments);
	va_end(arguments);
}

/* A name without case and separators: "appKey", "app-key" and "APP_KEY" are one. */
static void squeeze(const char *name, char *out, size_t size)
{
	size_t used = 0;

	for (; *name != '\0' && used + 1 < size; name++) {
		if (*name >= 'A' && *name <= 'Z') {
			out[used++] = (char)(*name - 'A' + 'a');
		} else if (*name != '_' && *name != '-' && *name != ' ') {
			out[used++] = *name;
		}
	}
	out[used] = '\0';
}

#define SHOWN_MAX 24

/* Only so much of a name is repeated that it cannot be a key in the wrong place. */
static void name_shown(const char *name, char out[SHOWN_MAX + sizeof("...")])
{
	size_t length = strnlen(name, SHOWN_MAX);

	for (size_t i = 0; i < length; i++) {
		char c = name[i];

		if (c < 0x20 || c > 0x7e || c == '"') {
			c = '?';
		}
		out[i] = c;
	}
	strcpy(out + length, name[length] == '\0' ? "" : "...");
}

static void say_unknown(const char *name, struct po_why *why)
{
	char squeezed[16];
	char shown[SHOWN_MAX + sizeof("...")];

	squeeze(name, squeezed, sizeof(squeezed));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (strcmp(squeezed, refused[i].name) == 0) {
			say(why, "%s", refused[i].text);
			return;
		}
	}
	name_shown(name, shown);
	say(why, "there is no member \"%s\"", shown);
}

static const struct member *member_find(const struct member *members, const char *name)
{
	for (; members->name != NULL; members++) {
		if (strcmp(members->name, name) == 0) {
			return members;
		}
	}
	return NULL;
}

static enum kw_err member_read(const struct member *member, const json_t *value, enum when when,
	struct target *target, struct po_why *why)
{
	const char *wrong;

	if ((member->when & when) == 0) {
		say(why, "%s cannot be changed", member->name);
		return KW_E_INVALID;
	}
	wrong = member->read(value, target);
	if (wrong != NULL) {
		say(why, "%s %s", member->name, wrong);
		return KW_E_INVALID;
	}
	return KW_OK;
}

static enum kw_err needed_check(
	const struct member *members, const json_t *object, struct po_why *why)
{
	for (; members->name != NULL; members++) {
		if (members->needed && json_object_get(object, members->name) == NULL) {
			say(why, "%s is missing%s%s", members->name,
				members->read == device_generate ? "; " : "",
				members->read == device_generate ? SEALED_WAY : "");
			return KW_E_MISSING;
		}
	}
	return KW_OK;
}

/* What must not be there is looked for first: it matters more than what is missing. */
static enum kw_err members_read(const struct member *members, json_t *object, enum when when,
	struct target *target, uint32_t *set, struct po_why *why)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		if (member_find(members, name) == NULL) {
			say_unknown(name, why);
			return KW_E_INVALID;
		}
	}
	json_object_foreach(object, name, value)
	{
		const struct member *member = member_find(members, name);
		enum kw_err err = member_read(member, value, when, target, why);

		if (err != KW_OK) {
			return err;
		}
		*set |= member->set;
	}
	if (when == ON_CREATE) {
		return needed_check(members, object, why);
	}
	if (json_object_size(object) == 0) {
		say(why, "nothing to change is given");
		return KW_E_MISSING;
	}
	return KW_OK;
}

static enum kw_err object_read(const char *body, size_t length, json_t **object, struct po_why *why)
{
	json_error_t error = {.line = 0};

	*object = NULL;
	if (length > PO_JSON_BODY_MAX) {
		say(why, "the body is longer than %d octets", PO_JSON_BODY_MAX);
		return KW_E_TOO_LONG;
	}
	if (length == 0) {
		say(why, "the body is empty; it must be a JSON object");
		return KW_E_SYNTAX;
	}
	*object = json_loadb(body, length, JSON_REJECT_DUPLICATES, &error);
	if (*object == NULL) {
		/* The library's own words repeat a part of the text. */
		say(why, "the body is not JSON, or has a member twice: line %d, column %d",
			error.line, error.column);
		return KW_E_SYNTAX;
	}
	if (!json_is_object(*object)) {
		json_decref(*object);
		*object = NULL;
		say(why, "the body must be a JSON object");
		return KW_E_SYNTAX;
	}
	return KW_OK;
}

enum kw_err po_body_device(const char *body, size_t length, bool create, struct ipc_device_req *out,
	struct po_why *why)
{
	struct target target = {.device = out};
	json_t *object;
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	err = object_read(body, length, &object, why);
	if (err == KW_OK) {
		err = members_read(device_members, object, create ? ON_CREATE : ON_CHANGE, &target,
			&out->set, why);
	}
	json_decref(object);
	return err;
}

static enum kw_err kek_check(const json_t *object, bool create, struct po_why *why)
{
	const json_t *label = json_object_get(object, "kek_label");
	const json_t *envelope = json_object_get(object, "kek_envelope");

	if (envelope != NULL && !json_is_string(label)) {
		say(why, "kek_label is missing; kek_envelope needs it");
		return KW_E_MISSING;
	}
	if (envelope == NULL && json_is_string(label)) {
		say(why, "kek_envelope is missing; kek_label needs it%s",
			create ? "" : ", or must be null to take the KEK away");
		return KW_E_MISSING;
	}
	return KW_OK;
}

/* What a peer cannot be without. */
static enum kw_err identity_check(
	const struct ipc_peer_req *req, enum ipc_peer_kind kind, bool create, struct po_why *why)
{
	bool ns = kind == IPC_PEER_NS;
	uint32_t bit = ns ? IPC_PEER_SET_NET_IDS : IPC_PEER_SET_AS_ID;
	bool there = ns ? req->peer.net_id_count > 0 : req->peer.as_id[0] != '\0';

	if (there || (!create && (req->set & bit) == 0)) {
		return KW_OK;
	}
	say(why, ns ? "net_ids is missing; a network server has at least one NetID"
		    : "as_id is missing; an application server has one");
	return KW_E_MISSING;
}

enum kw_err po_body_peer(const char *body, size_t length, enum ipc_peer_kind kind, bool create,
	struct ipc_peer_req *out, struct po_envelope *kek, struct po_why *why)
{
	struct target target = {.peer = out, .kek = kek};
	json_t *object;
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	*kek = (struct po_envelope){.octets = NULL};
	out->peer.kind = (uint8_t)kind;
	err = object_read(body, length, &object, why);
	if (err == KW_OK) {
		err = members_read(peer_members, object, create ? ON_CREATE : ON_CHANGE, &target,
			&out->set, why);
	}
	if (err == KW_OK) {
		err = kek_check(object, create, why);
	}
	if (err == KW_OK) {
		err = identity_check(out, kind, create, why);
	}
	if (err != KW_OK) {
		po_envelope_finish(kek);
	}
	json_decref(object);
	return err;
}
