#include "tests/backend-if/example.h"

#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The octets behind a struct bi_answer. */
struct octets {
	uint8_t phy[64], session[64], keys[4][24], h_net_id[3], h_ns_id[8];
};

static void read_hex(const json_t *value, uint8_t *out, size_t size, size_t *length)
{
	const char *text = json_string_value(value);

	*length = 0;
	if (text != NULL) {
		assert_int_equal(KW_OK, kw_hex_read_any(text, strlen(text), out, size, length));
	}
}

static void read_key(const json_t *message, const char *name, uint8_t octets[24],
	struct bi_key *key, const char **label)
{
	const json_t *envelope = json_object_get(message, name);

	if (envelope != NULL) {
		read_hex(json_object_get(envelope, "AESKey"), octets, 24, &key->length);
		key->octets = octets;
		*label = json_string_value(json_object_get(envelope, "KEKLabel"));
	}
}

static void read_home(const json_t *message, struct octets *octets, struct bi_answer *answer)
{
	size_t length;

	read_hex(json_object_get(message, "HNetID"), octets->h_net_id, 3, &length);
	answer->h_net_id = length > 0 ? octets->h_net_id : NULL;
	read_hex(json_object_get(message, "HNSID"), octets->h_ns_id, 8, &length);
	answer->h_ns_id = length > 0 ? octets->h_ns_id : NULL;
}

static void read_answer(const json_t *message, struct octets *octets, struct bi_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	read_hex(json_object_get(message, "PHYPayload"), octets->phy, sizeof(octets->phy),
		&answer->phy_length);
	answer->phy_payload = octets->phy;
	read_hex(json_object_get(message, "SessionKeyID"), octets->session, sizeof(octets->session),
		&answer->session_key_id_length);
	answer->session_key_id = octets->session;
	answer->lifetime = (uint32_t)json_integer_value(json_object_get(message, "Lifetime"));
	answer->opt_neg = json_object_get(message, "SNwkSIntKey") != NULL;
	read_key(message, answer->opt_neg ? "FNwkSIntKey" : "NwkSKey", octets->keys[0],
		&answer->f_nwk_s_int_key, &answer->nwk_kek_label);
	read_key(message, "SNwkSIntKey", octets->keys[1], &answer->s_nwk_s_int_key,
		&answer->nwk_kek_label);
	read_key(message, "NwkSEncKey", octets->keys[2], &answer->nwk_s_enc_key,
		&answer->nwk_kek_label);
	read_key(message, "AppSKey", octets->keys[3], &answer->app_s_key, &answer->app_kek_label);
	read_home(message, octets, answer);
}

static void assert_encodes(
	const struct bi_request *request, const struct bi_answer *answer, const json_t *expected)
{
	char *text = example_text(expected);
	char out[BI_ANSWER_MAX];
	size_t length;

	assert_int_equal(KW_OK, bi_answer_encode(request, answer, out, sizeof(out), &length));
	assert_int_equal(strlen(text), length);
	assert_memory_equal(text, out, length);
	free(text);
}

static void decode_example(const char *name, struct bi_request *request)
{
	json_t *json = example_json(name);

	assert_int_equal(KW_OK, example_decode(json, request));
	json_decref(json);
}

static void answers_of_success(void **state)
{
	static const char *const pairs[][2] = {
		{"joinreq-10", "joinans-10"},
		{"joinreq-10", "joinans-10-clear"},
		{"joinreq-11", "joinans-11"},
		{"rejoinreq-0", "rejoinans-0"},
		{"rejoinreq-1", "rejoinans-1"},
		{"appskeyreq", "appskeyans"},
		{"homensreq-10", "homensans-10"},
		{"homensreq-11", "homensans-11"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		json_t *expected = example_json(pairs[i][1]);
		struct bi_request request;
		struct bi_answer answer;
		struct octets octets;

		decode_example(pairs[i][0], &request);
		read_answer(expected, &octets, &answer);
		assert_encodes(&request, &answer, expected);
		json_decref(expected);
	}
}

/* The examples were requests without a token; their words are free text, so ours are put there. */
static void answers_of_failure(void **state)
{
	static const struct {
		const char *request;
		const char *answer;
		enum kw_err err;
	} cases[] = {
		{"joinreq-10", "fail-mic", KW_E_MIC},
		{"joinreq-10", "fail-deveui", KW_E_NO_DEVICE},
		{"joinreq-10", "fail-replay-10", KW_E_REPLAY},
		{"joinreq-11", "fail-replay-11", KW_E_REPLAY},
		{"joinreq-10", "fail-sender", KW_E_SENDER},
		{"joinreq-10", "fail-receiver", KW_E_RECEIVER},
		{"joinreq-10", "fail-disallowed", KW_E_NOT_ALLOWED},
		{"joinreq-10", "fail-disallowed", KW_E_BLOCKED},
		{"joinreq-10", "fail-version", KW_E_PROTOCOL},
		{"joinreq-10", "fail-malformed-10", KW_E_HEX},
		{"joinreq-11", "fail-malformed-11", KW_E_HEX},
		{"joinreq-10", "fail-size", KW_E_FRAME_SIZE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *expected = example_json(cases[i].answer);
		struct bi_answer answer = {.err = cases[i].err};
		struct bi_request request;

		decode_example(cases[i].request, &request);
		request.sender_token[0] = '\0';
		json_object_set_new(json_object_get(expected, "Result"), "Description",
			json_string(bi_result_description(cases[i].err)));
		assert_encodes(&request, &answer, expected);
		json_decref(expected);
	}
}

/* Word for word, from what was decoded to what is said about it. */
static void a_field_is_named(void **state)
{
	static const char *const pairs[][2] = {
		{"joinreq-10", "fail-malformed-10"},
		{"joinreq-11", "fail-malformed-11"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		json_t *json = example_json(pairs[i][0]), *expected = example_json(pairs[i][1]);
		struct bi_request request;
		struct bi_answer answer;

		json_object_del(json, "SenderToken");
		json_object_set_new(json, "PHYPayload", json_string("00341"));
		assert_int_equal(KW_OK, example_decode(json, &request));
		answer = (struct bi_answer){.err = request.err};
		assert_encodes(&request, &answer, expected);
		/* Another reason comes with its own words. */
		answer.err = KW_E_SENDER;
		json_object_set_new(expected, "Result",
			json_pack("{s:s, s:s}", "ResultCode", "UnknownSender", "Description",
				"no agreement with this SenderID"));
		assert_encodes(&request, &answer, expected);
		json_decref(json);
		json_decref(expected);
	}
}

static void an_unknown_version_is_answered_in_ours(void **state)
{
	json_t *json = example_json("joinreq-11"), *expected = example_json("fail-version");
	struct bi_request request;
	struct bi_answer answer;

	(void)state;
	json_object_set_new(json, "ProtocolVersion", json_string("2.0"));
	json_object_del(json, "SenderNSID");
	json_object_set_new(json, "TransactionID", json_integer(3040474011));
	assert_int_equal(KW_OK, example_decode(json, &request));
	json_object_set_new(expected, "ProtocolVersion", json_string("1.1"));
	answer = (struct bi_answer){.err = request.err};
	assert_encodes(&request, &answer, expected);
	json_decref(json);
	json_decref(expected);
}

static void the_type_of_the_answer(void **state)
{
	struct bi_request request;
	struct bi_answer answer;
	char out[BI_ANSWER_MAX + 1];
	size_t length;

	(void)state;
	decode_example("homensreq-10", &request);
	strcpy(request.message_type, "PRStartReq");
	request.type = BI_TYPE_OTHER;
	answer = (struct bi_answer){.err = KW_E_UNSUPPORTED};
	assert_int_equal(KW_OK, bi_answer_encode(&request, &answer, out, BI_ANSWER_MAX, &length));
	out[length] = '\0';
	assert_string_equal("{\"ProtocolVersion\":\"1.0\",\"SenderID\":\"70b3d57ed0001234\","
			    "\"ReceiverID\":\"000013\",\"TransactionID\":5,"
			    "\"MessageType\":\"PRStartAns\",\"Result\":{\"ResultCode\":"
			    "\"MalformedRequest\",\"Description\":\"this MessageType is not "
			    "offered here\"}}",
		out);
}

/* An application server learns nothing from which of these it was: same octets for all. */
static void sessions_that_are_not_given(void **state)
{
	static const enum kw_err errs[] = {KW_E_NO_SESSION, KW_E_OTHER_AS, KW_E_NO_DEVICE};
	json_t *expected = example_json("appskeyans-unknown");

	(void)state;
	json_object_set_new(json_object_get(expected, "Result"), "Description",
		json_string("device not provisioned here"));
	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		static const uint8_t octets[LW_JOIN_ACCEPT_MAX];
		/* Nothing of it but err counts. */
		struct bi_answer answer = {.err = errs[i],
			.app_s_key = {octets, 16},
			.session_key_id = octets,
			.session_key_id_length = 16,
			.phy_payload = octets,
			.phy_length = 17};
		struct bi_request request;

		decode_example("appskeyreq", &request);
		assert_encodes(&request, &answer, expected);
	}
	json_decref(expected);
}

/* DevEUI and SessionKeyID as they came, with every failure, if they could be read. */
static void app_s_key_ans_names_what_was_asked(void **state)
{
	json_t *json = example_json("appskeyreq");
	struct bi_request request;
	struct bi_answer answer = {.err = KW_E_RECEIVER};
	char out[BI_ANSWER_MAX + 1];
	size_t length;

	(void)state;
	json_object_set_new(json, "ProtocolVersion", json_string("1.0"));
	json_object_set_new(json, "DevEUI", json_string("0x0004A30B001C0530"));
	json_object_set_new(json, "SessionKeyID", json_string("0XB8d2"));
	assert_int_equal(KW_OK, example_decode(json, &request));
	assert_int_equal(KW_OK, bi_answer_encode(&request, &answer, out, BI_ANSWER_MAX, &length));
	out[length] = '\0';
	assert_string_equal("{\"ProtocolVersion\":\"1.0\",\"SenderID\":\"70b3d57ed0001234\","
			    "\"ReceiverID\":\"as1.example\",\"TransactionID\":90210,"
			    "\"MessageType\":\"AppSKeyAns\",\"Result\":{\"ResultCode\":"
			    "\"UnkownReceiver\",\"Description\":\"JoinEUI is not served here\"},"
			    "\"DevEUI\":\"0x0004A30B001C0530\",\"SessionKeyID\":\"0XB8d2\"}",
		out);
	json_object_set_new(json, "DevEUI", json_string("0004"));
	json_object_del(json, "SessionKeyID");
	assert_int_equal(KW_OK, example_decode(json, &request));
	answer.err = request.err;
	assert_int_equal(KW_OK, bi_answer_encode(&request, &answer, out, BI_ANSWER_MAX, &length));
	out[length] = '\0';
	assert_string_equal("{\"ProtocolVersion\":\"1.0\",\"SenderID\":\"70b3d57ed0001234\","
			    "\"ReceiverID\":\"as1.example\",\"TransactionID\":90210,"
			    "\"MessageType\":\"AppSKeyAns\",\"Result\":{\"ResultCode\":"
			    "\"MalformedRequest\",\"Description\":\"DevEUI: 8 octets expected\"}}",
		out);
	json_decref(json);
}

/* A key in the clear has no label; without a KEK it was no try to join that failed. */
static void app_s_key_in_the_clear(void **state)
{
	static const uint8_t key[16] = {0x0a};
	json_t *expected = example_json("appskeyans"),
	       *refused = example_json("appskeyans-unknown");
	struct bi_answer answer = {.app_s_key = {key, sizeof(key)}, .app_kek_label = ""};
	struct bi_request request;

	(void)state;
	json_object_set_new(expected, "AppSKey",
		json_pack("{s:s}", "AESKey", "0a000000000000000000000000000000"));
	decode_example("appskeyreq", &request);
	assert_encodes(&request, &answer, expected);
	answer.err = KW_E_NO_KEK;
	json_object_set_new(refused, "Result",
		json_pack("{s:s, s:s}", "ResultCode", "Other", "Description",
			"internal error, try again later"));
	assert_encodes(&request, &answer, refused);
	json_decref(expected);
	json_decref(refused);
}

static void home_ns_ans(void **state)
{
	static const uint8_t net_id[] = {0x60, 0x05, 0x0a}, ns_id[8] = {0x70};
	json_t *expected = example_json("homensans-10");
	struct bi_answer answer = {.h_net_id = net_id, .h_ns_id = ns_id};
	struct bi_request request;

	(void)state;
	/* 1.0 has no HNSID. */
	decode_example("homensreq-10", &request);
	assert_encodes(&request, &answer, expected);
	json_decref(expected);
	/* In 1.1 it is left out where it is not known. */
	expected = example_json("homensans-11");
	json_object_del(expected, "HNSID");
	decode_example("homensreq-11", &request);
	answer.h_ns_id = NULL;
	assert_encodes(&request, &answer, expected);
	json_decref(expected);
	/* No roaming agreement, and nothing else. */
	expected = example_json("homensans-10-refused");
	answer = (struct bi_answer){.err = KW_E_ROAMING, .h_net_id = net_id, .h_ns_id = ns_id};
	decode_example("homensreq-10", &request);
	assert_encodes(&request, &answer, expected);
	json_decref(expected);
}

/* No room at any length but the right one, and nothing is written beyond. */
static void every_size_of_the_buffer(void **state)
{
	json_t *expected = example_json("joinans-11");
	struct bi_request request;
	struct bi_answer answer;
	struct octets octets;
	char out[BI_ANSWER_MAX];
	size_t whole, length;

	(void)state;
	decode_example("joinreq-11", &request);
	read_answer(expected, &octets, &answer);
	assert_int_equal(KW_OK, bi_answer_encode(&request, &answer, out, sizeof(out), &whole));
	for (size_t size = 0; size < whole; size++) {
		char *exact = malloc(size + 1);

		exact[size] = 'x';
		assert_int_equal(
			KW_E_TOO_LONG, bi_answer_encode(&request, &answer, exact, size, &length));
		assert_int_equal(0, length);
		assert_int_equal('x', exact[size]);
		free(exact);
	}
	assert_int_equal(KW_OK, bi_answer_encode(&request, &answer, out, whole, &length));
	json_decref(expected);
}

/* The largest answer that decoding and the vault allow fits, and labels are escaped. */
static void the_largest_answer_fits(void **state)
{
	static const uint8_t key[24], phy[33], session[16];
	struct bi_key wrapped = {key, sizeof(key)};
	struct bi_request request = {.protocol = BI_PROTOCOL_1_1, .transaction_id = UINT32_MAX};
	char label[64], out[BI_ANSWER_MAX];
	struct bi_answer answer = {
		.lifetime = UINT32_MAX,
		.opt_neg = true,
		.phy_payload = phy,
		.phy_length = sizeof(phy),
		.session_key_id = session,
		.session_key_id_length = sizeof(session),
		.f_nwk_s_int_key = wrapped,
		.s_nwk_s_int_key = wrapped,
		.nwk_s_enc_key = wrapped,
		.app_s_key = wrapped,
		.nwk_kek_label = label,
		.app_kek_label = label,
	};
	json_t *json;
	size_t length;

	(void)state;
	memset(request.sender_id, 's', BI_ID_SIZE - 1);
	memset(request.receiver_id, 'r', BI_ID_SIZE - 1);
	memset(request.sender_token, 'a', BI_TOKEN_SIZE - 1);
	memset(request.sender_ns_id_text, 'b', BI_NS_ID_SIZE - 1);
	memset(request.message_type, 'T', BI_TYPE_SIZE - 1);
	memcpy(request.message_type + BI_TYPE_SIZE - 4, "Req", 3);
	memset(label, '\x01', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	memcpy(label, "\"\\\x7f\xff", 4);
	assert_int_equal(KW_OK, bi_answer_encode(&request, &answer, out, sizeof(out), &length));
	json = json_loadb(out, length, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_memory_equal("\"\\\x7f?\x01",
		json_string_value(json_object_get(json_object_get(json, "AppSKey"), "KEKLabel")),
		5);
	json_decref(json);
}

static void the_largest_app_s_key_ans_fits(void **state)
{
	static const uint8_t key[24];
	struct bi_request request = {.protocol = BI_PROTOCOL_1_1,
		.type = BI_TYPE_APP_S_KEY,
		.transaction_id = UINT32_MAX,
		.message_type = "AppSKeyReq",
		.has_dev_eui = true};
	char label[64], out[BI_ANSWER_MAX];
	const struct bi_answer answer = {.app_s_key = {key, sizeof(key)}, .app_kek_label = label};
	json_t *json;
	size_t length;

	(void)state;
	memset(request.sender_id, 's', BI_ID_SIZE - 1);
	memset(request.receiver_id, 'r', BI_ID_SIZE - 1);
	memset(request.sender_token, 'a', BI_TOKEN_SIZE - 1);
	memset(request.sender_ns_id_text, 'b', BI_NS_ID_SIZE - 1);
	memset(request.dev_eui_text, 'c', BI_NS_ID_SIZE - 1);
	memset(request.app_s_key.session_key_id_text, 'd', BI_SESSION_KEY_ID_TEXT - 1);
	memset(label, '\x01', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	assert_int_equal(KW_OK, bi_answer_encode(&request, &answer, out, sizeof(out), &length));
	json = json_loadb(out, length, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(request.app_s_key.session_key_id_text,
		json_string_value(json_object_get(json, "SessionKeyID")));
	json_decref(json);
}

static void no_empty_members(void **state)
{
	static const uint8_t phy[17];
	struct bi_request request;
	struct bi_answer answer = {.phy_payload = phy, .phy_length = 17, .nwk_kek_label = ""};
	char out[BI_ANSWER_MAX + 1];
	size_t length;

	(void)state;
	decode_example("chirpstack-joinreq-empty-members", &request);
	assert_int_equal(KW_OK, bi_answer_encode(&request, &answer, out, BI_ANSWER_MAX, &length));
	out[length] = '\0';
	assert_string_equal("{\"ProtocolVersion\":\"1.0\",\"SenderID\":\"70b3d57ed0001234\","
			    "\"ReceiverID\":\"60050a\",\"TransactionID\":2930842317,"
			    "\"MessageType\":\"JoinAns\",\"Result\":{\"ResultCode\":\"Success\"},"
			    "\"PHYPayload\":\"0000000000000000000000000000000000\","
			    "\"Lifetime\":0}",
		out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_of_success),
		cmocka_unit_test(answers_of_failure),
		cmocka_unit_test(a_field_is_named),
		cmocka_unit_test(an_unknown_version_is_answered_in_ours),
		cmocka_unit_test(the_type_of_the_answer),
		cmocka_unit_test(sessions_that_are_not_given),
		cmocka_unit_test(app_s_key_ans_names_what_was_asked),
		cmocka_unit_test(app_s_key_in_the_clear),
		cmocka_unit_test(home_ns_ans),
		cmocka_unit_test(every_size_of_the_buffer),
		cmocka_unit_test(the_largest_answer_fits),
		cmocka_unit_test(the_largest_app_s_key_ans_fits),
		cmocka_unit_test(no_empty_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
