#include "backend-if/message.h"

#include "base/hex.h"
#include "base/secret.h"

#include <string.h>

/* JSON text in a buffer, with a sticky error. */
struct json {
	char *out;
	size_t used;
	size_t size;
	bool failed;
};

static char *room(struct json *json, size_t length)
{
	char *at = json->out + json->used;

	if (json->failed || json->size - json->used < length) {
		json->failed = true;
		return NULL;
	}
	json->used += length;
	return at;
}

static void put(struct json *json, const char *text, size_t length)
{
	char *at = room(json, length);

	if (at != NULL) {
		memcpy(at, text, length);
	}
}

#define PUT(json, literal) put((json), "" literal "", sizeof(literal) - 1)

static void put_text(struct json *json, const char *text)
{
	put(json, text, strlen(text));
}

static void put_number(struct json *json, uint32_t value)
{
	char digits[10];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	put(json, digits + at, sizeof(digits) - at);
}

/* kw_hex_write() ends with a NUL: it needs room for one more, which the next text takes again. */
static void put_hex(struct json *json, const uint8_t *octets, size_t length)
{
	char *at = room(json, 2 * length + 1);

	if (at != NULL) {
		kw_hex_write(at, octets, length);
		json->used--;
	}
}

/* A string that may hold anything: escaped, so that what comes out is JSON in ASCII. */
static void put_escaped(struct json *json, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			PUT(json, "\\");
			put(json, text, 1);
		} else if (c < 0x20 || c >= 0x7f) {
			/* Not UTF-8 aware: nothing outside ASCII is expected here. */
			uint8_t octet = c < 0x80 ? c : (uint8_t)'?';

			PUT(json, "\\u00");
			put_hex(json, &octet, 1);
		} else {
			put(json, text, 1);
		}
	}
}

/* "JoinReq" is answered by "JoinAns". */
static void put_answer_type(struct json *json, const char *message_type)
{
	put(json, message_type, strlen(message_type) - strlen("Req"));
	PUT(json, "Ans");
}

static void put_header(struct json *json, const struct bi_request *request)
{
	PUT(json, "{\"ProtocolVersion\":\"");
	put_text(json, bi_protocol_text(request->protocol));
	PUT(json, "\",\"SenderID\":\"");
	put_escaped(json, request->receiver_id);
	PUT(json, "\",\"ReceiverID\":\"");
	put_escaped(json, request->sender_id);
	PUT(json, "\",\"TransactionID\":");
	put_number(json, request->transaction_id);
	PUT(json, ",\"MessageType\":\"");
	put_answer_type(json, request->message_type);
	PUT(json, "\"");
	if (request->sender_token[0] != '\0') {
		PUT(json, ",\"ReceiverToken\":\"");
		put_escaped(json, request->sender_token);
		PUT(json, "\"");
	}
	if (request->sender_ns_id_text[0] != '\0') {
		PUT(json, ",\"ReceiverNSID\":\"");
		put_escaped(json, request->sender_ns_id_text);
		PUT(json, "\"");
	}
}

/* Who only fetches a key did not try to join. */
static enum kw_err said(const struct bi_request *request, enum kw_err err)
{
	return request->type == BI_TYPE_APP_S_KEY && err == KW_E_NO_KEK ? KW_E_SYSTEM : err;
}

static void put_result(struct json *json, const struct bi_request *request, enum kw_err why)
{
	enum kw_err err = said(request, why);
	const char *description = bi_result_description(err);

	PUT(json, ",\"Result\":{\"ResultCode\":\"");
	put_text(json, bi_result_code(err, request->protocol));
	PUT(json, "\"");
	if (err != KW_OK && err == request->err && request->field != NULL) {
		PUT(json, ",\"Description\":\"");
		put_escaped(json, request->field);
		PUT(json, ": ");
		put_escaped(json, request->problem);
		PUT(json, "\"");
	} else if (description[0] != '\0') {
		PUT(json, ",\"Description\":\"");
		put_escaped(json, description);
		PUT(json, "\"");
	}
	PUT(json, "}");
}

static void put_key(
	struct json *json, const char *name, const struct bi_key *key, const char *kek_label)
{
	if (key->length == 0) {
		return;
	}
	PUT(json, ",\"");
	put_text(json, name);
	PUT(json, "\":{");
	if (kek_label != NULL && kek_label[0] != '\0') {
		PUT(json, "\"KEKLabel\":\"");
		put_escaped(json, kek_label);
		PUT(json, "\",");
	}
	PUT(json, "\"AESKey\":\"");
	put_hex(json, key->octets, key->length);
	PUT(json, "\"}");
}

static void put_session(struct json *json, const struct bi_answer *answer)
{
	PUT(json, ",\"PHYPayload\":\"");
	put_hex(json, answer->phy_payload, answer->phy_length);
	PUT(json, "\",\"Lifetime\":");
	put_number(json, answer->lifetime);
	if (answer->opt_neg) {
		put_key(json, "SNwkSIntKey", &answer->s_nwk_s_int_key, answer->nwk_kek_label);
		put_key(json, "FNwkSIntKey", &answer->f_nwk_s_int_key, answer->nwk_kek_label);
		put_key(json, "NwkSEncKey", &answer->nwk_s_enc_key, answer->nwk_kek_label);
	} else {
		put_key(json, "NwkSKey", &answer->f_nwk_s_int_key, answer->nwk_kek_label);
	}
	put_key(json, "AppSKey", &answer->app_s_key, answer->app_kek_label);
	if (answer->session_key_id_length > 0) {
		PUT(json, ",\"SessionKeyID\":\"");
		put_hex(json, answer->session_key_id, answer->session_key_id_length);
		PUT(json, "\"");
	}
}

/* What was asked for is named again, also where it is refused. */
static void put_app_s_key(
	struct json *json, const struct bi_request *request, const struct bi_answer *answer)
{
	if (request->has_dev_eui) {
		PUT(json, ",\"DevEUI\":\"");
		put_escaped(json, request->dev_eui_text);
		PUT(json, "\"");
	}
	if (answer->err == KW_OK) {
		put_key(json, "AppSKey", &answer->app_s_key, answer->app_kek_label);
	}
	if (request->app_s_key.session_key_id_text[0] != '\0') {
		PUT(json, ",\"SessionKeyID\":\"");
		put_escaped(json, request->app_s_key.session_key_id_text);
		PUT(json, "\"");
	}
}

static void put_home(
	struct json *json, const struct bi_request *request, const struct bi_answer *answer)
{
	PUT(json, ",\"HNetID\":\"");
	put_hex(json, answer->h_net_id, LW_NET_ID_SIZE);
	PUT(json, "\"");
	if (request->protocol != BI_PROTOCOL_1_0 && answer->h_ns_id != NULL) {
		PUT(json, ",\"HNSID\":\"");
		put_hex(json, answer->h_ns_id, LW_EUI_SIZE);
		PUT(json, "\"");
	}
}

static void put_members(
	struct json *json, const struct bi_request *request, const struct bi_answer *answer)
{
	if (request->type == BI_TYPE_APP_S_KEY) {
		put_app_s_key(json, request, answer);
	} else if (answer->err != KW_OK) {
		return;
	} else if (request->type == BI_TYPE_HOME_NS) {
		put_home(json, request, answer);
	} else {
		put_session(json, answer);
	}
}

enum kw_err bi_answer_encode(const struct bi_request *request, const struct bi_answer *answer,
	char *out, size_t size, size_t *length)
{
	struct json json = {.out = out, .size = size};

	put_header(&json, request);
	put_result(&json, request, answer->err);
	put_members(&json, request, answer);
	PUT(&json, "}");
	*length = json.failed ? 0 : json.used;
	if (json.failed) {
		kw_wipe(out, json.used);
	}
	return json.failed ? KW_E_TOO_LONG : KW_OK;
}
