#include "portal/value.h"

#include "portal/body.h"

#include <string.h>

#define NEED_PRINTABLE "must be 1 to 63 printable ASCII characters"
#define NEED_EUI       "must be an EUI, which has 16 hexadecimal digits"
#define NEED_NET_IDS   "must be a list of at most 8 NetIDs of 6 hexadecimal digits each"
#define NEED_BOOL      "must be true or false"

/* C0, DEL and C1 would reach somebody's terminal. */
bool po_has_control(const char *text)
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
const char *po_value_text_or_empty(const json_t *value)
{
	return json_is_null(value) ? "" : json_string_value(value);
}

void po_text_copy(char out[IPC_NAME_SIZE], const char *text)
{
	memset(out, 0, IPC_NAME_SIZE);
	memcpy(out, text, strnlen(text, IPC_NAME_SIZE - 1));
}

const char *po_value_printable(const json_t *value, char out[IPC_NAME_SIZE])
{
	const char *text = po_value_text_or_empty(value);

	if (text == NULL || (!json_is_null(value) && !po_printable(text))) {
		return NEED_PRINTABLE;
	}
	po_text_copy(out, text);
	return NULL;
}

const char *po_value_eui(const json_t *value, uint8_t out[LW_EUI_SIZE])
{
	const char *text = json_string_value(value);
	struct lw_eui eui;

	if (text == NULL || lw_eui_read(text, &eui) != KW_OK) {
		return NEED_EUI;
	}
	memcpy(out, eui.octets, LW_EUI_SIZE);
	return NULL;
}

const char *po_value_eui_or_null(const json_t *value, uint8_t out[LW_EUI_SIZE], uint8_t *has)
{
	*has = json_is_null(value) ? 0 : 1;
	return json_is_null(value) ? NULL : po_value_eui(value, out);
}

const char *po_value_net_ids(
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

const char *po_value_delivery(const json_t *value, uint8_t *out)
{
	const char *text = json_is_null(value) ? "default" : json_string_value(value);

	if (text == NULL || ipc_delivery_read(text, out) != KW_OK) {
		return "must be \"default\", \"inline\", \"inline-id\", \"wrapped\" or \"fetch\"";
	}
	return NULL;
}

const char *po_value_bool(const json_t *value, uint8_t *out)
{
	if (!json_is_boolean(value)) {
		return NEED_BOOL;
	}
	*out = json_is_true(value) ? 1 : 0;
	return NULL;
}
