#include "backend-if/message.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool says(const json_t *answer, const char *name, const char *text)
{
	const char *said = json_string_value(json_object_get(answer, name));

	return said != NULL && strcmp(said, text) == 0;
}

/* Whatever was read gets an answer that is JSON with a complete header. */
static void answer_it(const struct bi_request *request, const struct bi_answer *answer)
{
	const char *type = request->message_type;
	const char *answer_type;
	char out[BI_ANSWER_MAX];
	size_t length;
	json_t *json;

	fuzz_require(bi_answer_encode(request, answer, out, sizeof(out), &length) == KW_OK);
	/* Strict readers take identifiers as they stand, without looking for escapes. */
	fuzz_require(memchr(out, '\\', length) == NULL);
	json = json_loadb(out, length, JSON_REJECT_DUPLICATES, NULL);
	fuzz_require(json != NULL);
	fuzz_require(says(json, "SenderID", request->receiver_id));
	fuzz_require(says(json, "ReceiverID", request->sender_id));
	fuzz_require(says(json, "ProtocolVersion", bi_protocol_text(request->protocol)));
	fuzz_require(json_integer_value(json_object_get(json, "TransactionID")) ==
		     request->transaction_id);
	answer_type = json_string_value(json_object_get(json, "MessageType"));
	fuzz_require(answer_type != NULL && strlen(answer_type) == strlen(type));
	fuzz_require(strncmp(answer_type, type, strlen(type) - 3) == 0);
	fuzz_require(strcmp(answer_type + strlen(type) - 3, "Ans") == 0);
	json_decref(json);
}

static bool is_join(const struct bi_request *request)
{
	return request->type == BI_TYPE_JOIN || request->type == BI_TYPE_REJOIN;
}

/* What the frame says is what the message says. */
static void check_frame(const struct bi_request *request)
{
	const struct bi_join *join = &request->join;
	struct lw_join_request frame;
	struct lw_rejoin_request again;

	if (request->type == BI_TYPE_JOIN) {
		fuzz_require(
			lw_join_request_read(join->phy_payload, join->phy_length, &frame) == KW_OK);
		fuzz_require(lw_eui_equal(&frame.dev_eui, &request->dev_eui));
		fuzz_require(lw_eui_equal(&frame.join_eui, &request->receiver));
	} else {
		fuzz_require(lw_rejoin_request_read(join->phy_payload, join->phy_length, &again) ==
			     KW_OK);
		fuzz_require(lw_eui_equal(&again.dev_eui, &request->dev_eui));
		fuzz_require(again.type != LW_JOIN_REQ_REJOIN_1 ||
			     lw_eui_equal(&again.join_eui, &request->receiver));
	}
	fuzz_require(join->rx_delay <= 15 && lw_version_valid(join->mac_version));
}

static void check_session_key_id(const struct bi_app_s_key *asked)
{
	size_t digits = strlen(asked->session_key_id_text);

	fuzz_require(digits > 0 && digits < BI_SESSION_KEY_ID_TEXT);
	fuzz_require(strspn(asked->session_key_id_text, "0123456789abcdefABCDEFxX") == digits);
	fuzz_require(!asked->has_session_key_id || digits == 32 || digits == 34);
}

static void check(const struct bi_request *request)
{
	fuzz_require((request->field == NULL) == (request->problem == NULL));
	fuzz_require(strspn(request->notified, LETTERS) == strlen(request->notified));
	fuzz_require(request->err != KW_OK || request->type != BI_TYPE_OTHER);
	if (request->err != KW_OK || request->type == BI_TYPE_ERROR_NOTIF) {
		return;
	}
	fuzz_require(request->receiver_is_eui && request->has_dev_eui);
	fuzz_require(request->sender_is_net_id || request->type == BI_TYPE_APP_S_KEY);
	if (is_join(request)) {
		check_frame(request);
	} else if (request->type == BI_TYPE_APP_S_KEY) {
		check_session_key_id(&request->app_s_key);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bi_request zero;
	static const uint8_t octets[LW_JOIN_ACCEPT_MAX];
	struct bi_answer answer = {
		.phy_payload = octets,
		.phy_length = sizeof(octets),
		.session_key_id = octets,
		.session_key_id_length = 16,
		.f_nwk_s_int_key = {octets, 16},
		.app_s_key = {octets, 16},
		.h_net_id = octets,
		.h_ns_id = octets,
	};
	struct bi_request request;

	bi_decode_seed(1);
	if (bi_request_decode((const char *)data, size, &request) != KW_OK) {
		fuzz_require(memcmp(&request, &zero, sizeof(zero)) == 0);
		return 0;
	}
	check(&request);
	if (request.type == BI_TYPE_ERROR_NOTIF) {
		return 0; /* has no answer */
	}
	answer_it(&request, &answer);
	answer.err = request.err != KW_OK ? request.err : KW_E_MIC;
	answer_it(&request, &answer);
	return 0;
}
