#include "backend-if/message.h"

#include "backend-if/json_room.h"
#include "base/hex.h"

#include <jansson.h>
#include <string.h>

/* A frame of any kind that might be sent here by mistake; more is too long for all of them. */
#define FRAME_BUFFER 64

struct reading {
	const json_t *root;
	struct bi_request *out;
};

void bi_decode_seed(uint32_t seed)
{
	/* 0 would make the library look for a seed of its own. */
	json_object_seed(seed != 0 ? seed : 1);
}

/* The parser recurses: how deep, is decided before it is asked. */
static bool too_deep(const char *body, size_t length)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < length; i++) {
		char c = body[i];

		if (in_string) {
			if (c == '\\') {
				i++;
			} else if (c == '"') {
				in_string = false;
			}
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > BI_DEPTH_MAX) {
				return true;
			}
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static bool copy(const json_t *value, char *out, size_t size)
{
	size_t length = json_string_length(value);

	if (length >= size) {
		return false;
	}
	memcpy(out, json_string_value(value), length + 1);
	return true;
}

/* An identifier is given back as it came, and strict peers do not read escapes in it. */
static bool plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < 0x20 || *text > 0x7e || *text == '"' || *text == '\\') {
			return false;
		}
	}
	return true;
}

static bool read_id(const json_t *root, const char *name, char out[BI_ID_SIZE])
{
	const json_t *value = json_object_get(root, name);

	return json_is_string(value) && copy(value, out, BI_ID_SIZE) && out[0] != '\0' &&
	       plain(out);
}

static bool ascii_letters(const char *text)
{
	for (; *text != '\0'; text++) {
		if (!((*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z'))) {
			return false;
		}
	}
	return true;
}

static const struct {
	const char *name;
	enum bi_type type;
} types[] = {
	{"JoinReq", BI_TYPE_JOIN},
	{"RejoinReq", BI_TYPE_REJOIN},
	{"AppSKeyReq", BI_TYPE_APP_S_KEY},
	{"HomeNSReq", BI_TYPE_HOME_NS},
	{"ErrorNotif", BI_TYPE_ERROR_NOTIF},
};

static bool read_type(const json_t *root, struct bi_request *out)
{
	const json_t *value = json_object_get(root, "MessageType");
	size_t length;

	if (!json_is_string(value) || !copy(value, out->message_type, BI_TYPE_SIZE) ||
		!ascii_letters(out->message_type)) {
		return false;
	}
	length = strlen(out->message_type);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(out->message_type, types[i].name) == 0) {
			out->type = types[i].type;
		}
	}
	return out->type != BI_TYPE_OTHER ||
	       (length > 3 && strcmp(out->message_type + length - 3, "Req") == 0);
}

static bool read_transaction(const json_t *root, struct bi_request *out)
{
	const json_t *value = json_object_get(root, "TransactionID");
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || number > UINT32_MAX) {
		return false;
	}
	out->transaction_id = (uint32_t)number;
	return true;
}

/* Without these no answer can be built. */
static bool read_header(const json_t *root, struct bi_request *out)
{
	return read_type(root, out) && read_id(root, "SenderID", out->sender_id) &&
	       read_id(root, "ReceiverID", out->receiver_id) && read_transaction(root, out);
}

/* Only the first problem counts. */
static void refuse(struct bi_request *out, enum kw_err err, const char *field, const char *problem)
{
	if (out->err == KW_OK) {
		out->err = err;
		out->field = field;
		out->problem = problem;
	}
}

static void read_protocol(struct reading *reading)
{
	const char *text = json_string_value(json_object_get(reading->root, "ProtocolVersion"));

	reading->out->protocol = BI_PROTOCOL_HIGHEST;
	if (text != NULL && strcmp(text, "1.0") == 0) {
		reading->out->protocol = BI_PROTOCOL_1_0;
	} else if (text != NULL && strcmp(text, "1.1") == 0) {
		reading->out->protocol = BI_PROTOCOL_1_1;
	} else {
		refuse(reading->out, KW_E_PROTOCOL, NULL, NULL);
	}
}

static const char *hex_problem(const char *text)
{
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
	}
	return text[strspn(text, "0123456789abcdefABCDEF")] == '\0' ? "odd number of digits"
								    : "not hexadecimal";
}

/*
 * The text of a member, or NULL if it is not there; null and "" are as good as absent. Another
 * type is refused.
 */
static const char *text_of(struct reading *reading, const char *name)
{
	const json_t *value = json_object_get(reading->root, name);

	if (value == NULL || json_is_null(value)) {
		return NULL;
	}
	if (!json_is_string(value)) {
		refuse(reading->out, KW_E_SYNTAX, name, "must be a string");
		return NULL;
	}
	return json_string_length(value) > 0 ? json_string_value(value) : NULL;
}

static const char *mandatory_text_of(struct reading *reading, const char *name)
{
	const char *text = text_of(reading, name);

	if (text == NULL) {
		/* Does nothing if another type was refused just now. */
		refuse(reading->out, KW_E_MISSING, name, "missing");
	}
	return text;
}

static bool read_octets(struct reading *reading, const char *name, const char *text,
	uint8_t *octets, size_t length, const char *length_problem)
{
	enum kw_err err;

	if (text == NULL) {
		return false;
	}
	err = kw_hex_read(text, strlen(text), octets, length);
	if (err != KW_OK) {
		refuse(reading->out, err, name,
			err == KW_E_HEX ? hex_problem(text) : length_problem);
	}
	return err == KW_OK;
}

/* A token is opaque, but it is hexadecimal; it is given back as it came. */
static const char *read_token(struct reading *reading, const char *name)
{
	const char *text = text_of(reading, name);
	uint8_t octets[BI_TOKEN_SIZE / 2];
	size_t length;
	enum kw_err err;

	if (text == NULL) {
		return NULL;
	}
	if (strlen(text) >= BI_TOKEN_SIZE) {
		refuse(reading->out, KW_E_LENGTH, name, "more than 256 digits");
		return NULL;
	}
	err = kw_hex_read_any(text, strlen(text), octets, sizeof(octets), &length);
	if (err != KW_OK) {
		refuse(reading->out, err, name, hex_problem(text));
	}
	return err == KW_OK && length > 0 ? text : NULL;
}

static void read_tokens(struct reading *reading)
{
	const char *text = read_token(reading, "SenderToken");

	if (text != NULL) {
		strcpy(reading->out->sender_token, text);
	}
	/* We never send a token, so there is none to come back; it has to be well formed. */
	(void)read_token(reading, "ReceiverToken");
}

/* Before the final text of 1.1 other things were sent under this name in 1.0. */
static void read_ns_id(struct reading *reading)
{
	struct bi_request *out = reading->out;
	const char *text;

	if (out->protocol == BI_PROTOCOL_1_0) {
		return;
	}
	text = text_of(reading, "SenderNSID");
	out->has_ns_id = read_octets(reading, "SenderNSID", text, out->sender_ns_id.octets,
		LW_EUI_SIZE, "8 octets expected");
	if (out->has_ns_id) {
		strcpy(out->sender_ns_id_text, text);
	}
}

static void read_parties(struct bi_request *out)
{
	out->sender_is_net_id = kw_hex_read(out->sender_id, strlen(out->sender_id),
					out->sender_net_id.octets, LW_NET_ID_SIZE) == KW_OK;
	out->receiver_is_eui = kw_hex_read(out->receiver_id, strlen(out->receiver_id),
				       out->receiver.octets, LW_EUI_SIZE) == KW_OK;
	if (out->type == BI_TYPE_OTHER) {
		refuse(out, KW_E_UNSUPPORTED, NULL, NULL);
		return;
	}
	/* An application server sends its AS-ID, which is any text. */
	if (!out->sender_is_net_id && out->type != BI_TYPE_APP_S_KEY) {
		refuse(out, KW_E_SENDER, NULL, NULL);
	}
	if (!out->receiver_is_eui) {
		refuse(out, KW_E_RECEIVER, NULL, NULL);
	}
}

static void read_mac_version(struct reading *reading)
{
	const char *text = mandatory_text_of(reading, "MACVersion");

	if (text != NULL && lw_version_read(text, &reading->out->join.mac_version) != KW_OK) {
		refuse(reading->out, KW_E_VERSION, "MACVersion", "unknown version");
	}
}

/* What a frame says of itself. */
struct frame {
	struct lw_eui dev_eui;
	bool has_join_eui;
	struct lw_eui join_eui;
};

static enum kw_err decode_join(const uint8_t *octets, size_t length, struct frame *frame)
{
	struct lw_join_request request;
	enum kw_err err = lw_join_request_read(octets, length, &request);

	*frame = (struct frame){request.dev_eui, true, request.join_eui};
	return err;
}

static enum kw_err decode_rejoin(const uint8_t *octets, size_t length, struct frame *frame)
{
	struct lw_rejoin_request request;
	enum kw_err err = lw_rejoin_request_read(octets, length, &request);

	*frame = (struct frame){
		request.dev_eui, request.type == LW_JOIN_REQ_REJOIN_1, request.join_eui};
	return err;
}

static bool read_frame(struct reading *reading, struct frame *frame)
{
	struct bi_request *out = reading->out;
	const char *text = mandatory_text_of(reading, "PHYPayload");
	bool join = out->type == BI_TYPE_JOIN;
	uint8_t octets[FRAME_BUFFER];
	size_t length;
	enum kw_err err;

	memset(frame, 0, sizeof(*frame));
	if (text == NULL) {
		return false;
	}
	err = kw_hex_read_any(text, strlen(text), octets, sizeof(octets), &length);
	if (err == KW_E_HEX) {
		refuse(out, err, "PHYPayload", hex_problem(text));
		return false;
	}
	if (err == KW_OK) {
		err = join ? decode_join(octets, length, frame)
			   : decode_rejoin(octets, length, frame);
	} else {
		err = KW_E_FRAME_SIZE;
	}
	if (err == KW_E_FRAME_SIZE) {
		refuse(out, err, "PHYPayload",
			join ? "a join-request has 23 octets"
			     : "a rejoin-request has 19 octets, one of type 1 has 24");
	} else if (err != KW_OK) {
		refuse(out, err, "PHYPayload",
			join ? "not a join-request" : "not a rejoin-request");
	} else {
		memcpy(out->join.phy_payload, octets, length);
		out->join.phy_length = (uint8_t)length;
	}
	return err == KW_OK;
}

static void read_dev_eui(struct reading *reading)
{
	struct bi_request *out = reading->out;
	const char *text = mandatory_text_of(reading, "DevEUI");

	out->has_dev_eui = read_octets(
		reading, "DevEUI", text, out->dev_eui.octets, LW_EUI_SIZE, "8 octets expected");
	if (out->has_dev_eui) {
		strcpy(out->dev_eui_text, text);
	}
}

/* 0 to 15 in one or two digits; old peers send them as a string. */
static bool rx_delay_of(const json_t *value, json_int_t *seconds)
{
	const char *text = json_string_value(value);

	if (text == NULL) {
		*seconds = json_integer_value(value);
		return json_is_integer(value);
	}
	*seconds = 0;
	for (; *text >= '0' && *text <= '9' && *seconds <= 15; text++) {
		*seconds = *seconds * 10 + (*text - '0');
	}
	return *text == '\0';
}

static void read_rx_delay(struct reading *reading)
{
	const json_t *value = json_object_get(reading->root, "RxDelay");
	json_int_t seconds;

	if (value == NULL || json_is_null(value) ||
		(json_is_string(value) && json_string_length(value) == 0)) {
		refuse(reading->out, KW_E_MISSING, "RxDelay", "missing");
	} else if (!rx_delay_of(value, &seconds)) {
		refuse(reading->out, KW_E_SYNTAX, "RxDelay", "must be a number from 0 to 15");
	} else if (seconds < 0 || seconds > 15) {
		refuse(reading->out, KW_E_INVALID, "RxDelay", "must be a number from 0 to 15");
	} else {
		reading->out->join.rx_delay = (uint8_t)seconds;
	}
}

static void read_cf_list(struct reading *reading)
{
	struct bi_join *join = &reading->out->join;
	const char *text = text_of(reading, "CFList");
	enum kw_err err;

	if (text == NULL) {
		return;
	}
	err = kw_hex_read(text, strlen(text), join->cf_list, LW_CF_LIST_SIZE);
	if (err == KW_E_HEX) {
		refuse(reading->out, err, "CFList", hex_problem(text));
	} else if (err != KW_OK) {
		refuse(reading->out, KW_E_FRAME_SIZE, "CFList", "a CFList has 16 octets");
	}
	join->has_cf_list = err == KW_OK;
}

/* What the frame says counts; the message must say the same. */
static void compare_with_frame(struct bi_request *out, const struct frame *frame)
{
	if (out->has_dev_eui && !lw_eui_equal(&out->dev_eui, &frame->dev_eui)) {
		refuse(out, KW_E_MISMATCH, "DevEUI", "differs from that in PHYPayload");
	}
	if (out->receiver_is_eui && frame->has_join_eui &&
		!lw_eui_equal(&out->receiver, &frame->join_eui)) {
		refuse(out, KW_E_MISMATCH, "ReceiverID", "differs from JoinEUI in PHYPayload");
	}
}

static void read_join(struct reading *reading)
{
	struct bi_join *join = &reading->out->join;
	struct frame frame;
	bool framed;

	read_mac_version(reading);
	framed = read_frame(reading, &frame);
	read_dev_eui(reading);
	(void)read_octets(reading, "DevAddr", mandatory_text_of(reading, "DevAddr"),
		join->dev_addr.octets, LW_DEV_ADDR_SIZE, "4 octets expected");
	(void)read_octets(reading, "DLSettings", mandatory_text_of(reading, "DLSettings"),
		&join->dl_settings, 1, "1 octet expected");
	read_rx_delay(reading);
	read_cf_list(reading);
	if (framed) {
		compare_with_frame(reading->out, &frame);
	}
}

/* Any length is answered, but only ours can be found. */
static void read_session_key_id(struct reading *reading)
{
	struct bi_app_s_key *out = &reading->out->app_s_key;
	const char *text = mandatory_text_of(reading, "SessionKeyID");
	uint8_t octets[BI_SESSION_KEY_ID_TEXT / 2];
	size_t length;
	enum kw_err err;

	if (text == NULL) {
		return;
	}
	if (strlen(text) >= BI_SESSION_KEY_ID_TEXT) {
		refuse(reading->out, KW_E_LENGTH, "SessionKeyID", "more than 256 digits");
		return;
	}
	err = kw_hex_read_any(text, strlen(text), octets, sizeof(octets), &length);
	if (err != KW_OK || length == 0) {
		refuse(reading->out, err == KW_OK ? KW_E_LENGTH : err, "SessionKeyID",
			err == KW_OK ? "no octets" : hex_problem(text));
		return;
	}
	strcpy(out->session_key_id_text, text);
	out->has_session_key_id = length == sizeof(out->session_key_id);
	if (out->has_session_key_id) {
		memcpy(out->session_key_id, octets, length);
	}
}

/* Only for the log. Nothing is refused: there is no answer in which that could be said. */
static void read_notified(struct reading *reading)
{
	const json_t *result = json_object_get(reading->root, "Result");
	const json_t *code = json_object_get(result, "ResultCode");
	char text[BI_RESULT_SIZE];

	if (json_is_string(code) && copy(code, text, sizeof(text)) && ascii_letters(text)) {
		strcpy(reading->out->notified, text);
	}
}

static void read_members(struct reading *reading)
{
	switch (reading->out->type) {
	case BI_TYPE_JOIN:
	case BI_TYPE_REJOIN:
		read_join(reading);
		break;
	case BI_TYPE_APP_S_KEY:
		read_dev_eui(reading);
		read_session_key_id(reading);
		break;
	case BI_TYPE_HOME_NS:
		read_dev_eui(reading);
		break;
	case BI_TYPE_ERROR_NOTIF:
		read_notified(reading);
		break;
	case BI_TYPE_OTHER:
		break;
	}
}

static enum kw_err decode(const char *body, size_t length, struct bi_request *out)
{
	struct reading reading = {.out = out};
	json_t *root = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(root) || !read_header(root, out)) {
		json_decref(root);
		memset(out, 0, sizeof(*out));
		return KW_E_SYNTAX;
	}
	reading.root = root;
	read_protocol(&reading);
	read_parties(out);
	read_tokens(&reading);
	read_ns_id(&reading);
	read_members(&reading);
	json_decref(root);
	return KW_OK;
}

enum kw_err bi_request_decode(const char *body, size_t length, struct bi_request *out)
{
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	/* The parser overlooks a NUL behind a number. */
	if (memchr(body, '\0', length) != NULL || too_deep(body, length)) {
		return KW_E_SYNTAX;
	}
	bi_json_enter();
	err = decode(body, length, out);
	bi_json_leave();
	return err;
}
