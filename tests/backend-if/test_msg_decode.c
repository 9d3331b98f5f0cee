#include "tests/backend-if/example.h"

#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct lw_eui join_eui = {{0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0x00, 0x12, 0x34}};
static const struct lw_eui dev_eui = {{0x00, 0x04, 0xa3, 0x0b, 0x00, 0x1c, 0x05, 0x30}};

static enum kw_err decode_text(const char *text, struct bi_request *request)
{
	size_t length = strlen(text);
	/* Exactly as large as it is, so that a sanitizer sees every octet too far. */
	char *exact = malloc(length > 0 ? length : 1);
	enum kw_err err;

	memcpy(exact, text, length);
	err = bi_request_decode(exact, length, request);
	free(exact);
	return err;
}

static void assert_no_header(const char *text)
{
	static const struct bi_request zero;
	struct bi_request request;

	memset(&request, 0xff, sizeof(request));
	if (decode_text(text, &request) != KW_E_SYNTAX) {
		fail_msg("accepted: %.200s", text);
	}
	assert_memory_equal(&zero, &request, sizeof(zero));
}

/* Change a member of an example (NULL: take it away) and decode. Steals the value. */
static enum kw_err decode_with(
	const char *example, const char *name, json_t *value, struct bi_request *request)
{
	json_t *json = example_json(example);
	enum kw_err err;

	if (value == NULL) {
		json_object_del(json, name);
	} else {
		assert_int_equal(0, json_object_set_new(json, name, value));
	}
	err = example_decode(json, request);
	json_decref(json);
	return err;
}

static void assert_refused(const char *example, const char *name, json_t *value, enum kw_err wanted)
{
	struct bi_request request;

	assert_int_equal(KW_OK, decode_with(example, name, value, &request));
	assert_int_equal(wanted, request.err);
	assert_string_equal(name, request.field);
	assert_non_null(request.problem);
}

static void assert_accepted(const char *example, const char *name, json_t *value)
{
	struct bi_request request;

	assert_int_equal(KW_OK, decode_with(example, name, value, &request));
	assert_int_equal(KW_OK, request.err);
	assert_null(request.field);
}

static void decode_example(const char *name, struct bi_request *request)
{
	json_t *json = example_json(name);

	assert_int_equal(KW_OK, example_decode(json, request));
	json_decref(json);
}

static void a_join_over_1_0(void **state)
{
	static const uint8_t cf_list[] = {0x18, 0x4f, 0x84, 0xe8, 0x56, 0x84, 0xb8, 0x5e, 0x84,
		0x88, 0x66, 0x84, 0x58, 0x6e, 0x84, 0x00};
	struct bi_request request;

	(void)state;
	decode_example("joinreq-10", &request);
	assert_int_equal(KW_OK, request.err);
	assert_int_equal(BI_PROTOCOL_1_0, request.protocol);
	assert_int_equal(BI_TYPE_JOIN, request.type);
	assert_int_equal(3040474011, request.transaction_id);
	assert_string_equal("JoinReq", request.message_type);
	assert_string_equal("60050a", request.sender_id);
	assert_string_equal("70b3d57ed0001234", request.receiver_id);
	assert_string_equal("7f01", request.sender_token);
	assert_string_equal("", request.sender_ns_id_text);
	assert_true(request.sender_is_net_id && request.receiver_is_eui);
	assert_memory_equal("\x60\x05\x0a", request.sender_net_id.octets, 3);
	assert_true(lw_eui_equal(&join_eui, &request.receiver));
	assert_false(request.has_ns_id);
	assert_int_equal(LW_VERSION_1_0_3, request.join.mac_version);
	assert_true(request.has_dev_eui);
	assert_true(lw_eui_equal(&dev_eui, &request.dev_eui));
	assert_memory_equal("\xea\x14\x0b\x2c", request.join.dev_addr.octets, 4);
	assert_int_equal(0x13, request.join.dl_settings);
	assert_int_equal(5, request.join.rx_delay);
	assert_true(request.join.has_cf_list);
	assert_memory_equal(cf_list, request.join.cf_list, sizeof(cf_list));
	assert_memory_equal("\x00\x34\x12\x00\xd0", request.join.phy_payload, 5);
	assert_memory_equal("\x09\xec\xe7\x77", request.join.phy_payload + 19, 4);
}

static void a_join_over_1_1(void **state)
{
	struct bi_request request;

	(void)state;
	decode_example("joinreq-11", &request);
	assert_int_equal(KW_OK, request.err);
	assert_int_equal(BI_PROTOCOL_1_1, request.protocol);
	assert_int_equal(17, request.transaction_id);
	assert_string_equal("", request.sender_token);
	assert_string_equal("70b3d57ed0fe0001", request.sender_ns_id_text);
	assert_true(request.has_ns_id);
	assert_memory_equal("\x70\xb3\xd5\x7e\xd0\xfe\x00\x01", request.sender_ns_id.octets, 8);
	assert_int_equal(LW_VERSION_1_1, request.join.mac_version);
	assert_int_equal(0x80, request.join.dl_settings);
	assert_int_equal(1, request.join.rx_delay);
	assert_false(request.join.has_cf_list);
}

static void real_network_servers(void **state)
{
	struct bi_request request;

	(void)state;
	decode_example("chirpstack-joinreq", &request);
	assert_int_equal(KW_OK, request.err);
	assert_int_equal(2930842317, request.transaction_id);
	assert_int_equal(LW_VERSION_1_0_3, request.join.mac_version);

	decode_example("chirpstack-joinreq-empty-members", &request);
	assert_int_equal(KW_OK, request.err);
	assert_int_equal(LW_VERSION_1_1, request.join.mac_version);
	assert_string_equal("", request.sender_token);
	assert_false(request.join.has_cf_list);

	decode_example("thethingsstack-joinreq-11", &request);
	assert_int_equal(KW_OK, request.err);
	assert_int_equal(0, request.transaction_id);
	assert_string_equal("70B3D57ED0001234", request.receiver_id);
	assert_string_equal("EC656E0000000181", request.sender_ns_id_text);
	assert_true(request.has_ns_id);
	assert_true(lw_eui_equal(&dev_eui, &request.dev_eui));

	decode_example("thethingsstack-joinreq-10", &request);
	assert_int_equal(KW_OK, request.err);
	assert_int_equal(LW_VERSION_1_1, request.join.mac_version);
	assert_true(request.join.has_cf_list);
}

/* Other requests are answered with their own type; what is no request gets no answer. */
static void other_messages(void **state)
{
	static const char *const others[] = {"joinans-10", "joinans-10-clear", "joinans-11",
		"rejoinans-0", "rejoinans-1", "appskeyans", "appskeyans-unknown", "homensans-10",
		"homensans-10-refused", "homensans-11", "fail-mic", "fail-deveui", "fail-replay-10",
		"fail-replay-11", "fail-sender", "fail-receiver", "fail-disallowed", "fail-version",
		"fail-malformed-10", "fail-malformed-11", "fail-size"};
	static const char *const types[] = {"Req", "", "joinreq", "JOINREQ", "JoinReq ", "JoinReqs",
		"Join\"Req", "J1Req", "\xc3\xa4Req", "ThisIsALongerNameThanAnyRequestHasReq",
		"ErrorNotifs", "errornotif", "XmitNotif"};
	struct bi_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		json_t *json = example_json(others[i]);

		assert_int_equal(KW_E_SYNTAX, example_decode(json, &request));
		json_decref(json);
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(KW_E_SYNTAX,
			decode_with("joinreq-10", "MessageType", json_string(types[i]), &request));
	}
	assert_int_equal(KW_OK,
		decode_with("joinreq-10", "MessageType", json_string("PRStartReq"), &request));
	assert_int_equal(KW_E_UNSUPPORTED, request.err);
	assert_int_equal(BI_TYPE_OTHER, request.type);
	assert_null(request.field);
	assert_string_equal("PRStartReq", request.message_type);
	assert_false(request.has_dev_eui);
}

static void unknown_protocol_versions(void **state)
{
	static const char *const texts[] = {"", "1", "1.2", "2.0", "1.0.0", "1.00", "v1.0", " 1.0"};
	struct bi_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) + 3; i++) {
		json_t *value = i == 0   ? NULL
				: i == 1 ? json_null()
				: i == 2 ? json_real(1.0)
					 : json_string(texts[i - 3]);

		assert_int_equal(
			KW_OK, decode_with("joinreq-10", "ProtocolVersion", value, &request));
		assert_int_equal(KW_E_PROTOCOL, request.err);
		assert_int_equal(BI_PROTOCOL_1_1, request.protocol);
		assert_null(request.field);
		assert_string_equal("60050a", request.sender_id);
	}
}

static void a_header_that_is_not_usable(void **state)
{
	static const char *const members[] = {
		"SenderID", "ReceiverID", "TransactionID", "MessageType"};
	char longer[BI_ID_SIZE + 1];
	struct bi_request request;

	(void)state;
	memset(longer, 'a', BI_ID_SIZE);
	longer[BI_ID_SIZE] = '\0';
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *values[] = {NULL, json_null(), json_true(), json_array(), json_object(),
			json_real(5.5), json_string(""), json_string("\""), json_string("a\\b"),
			json_string("tab\there"), json_string("caf\xc3\xa9"), json_string("\x7f"),
			json_string(longer), json_integer(-1), json_integer(4294967296)};

		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			assert_int_equal(KW_E_SYNTAX,
				decode_with("joinreq-10", members[i], values[k], &request));
		}
	}
	assert_int_equal(KW_E_SYNTAX,
		decode_with("joinreq-10", "TransactionID", json_string("17"), &request));
	assert_int_equal(
		KW_E_SYNTAX, decode_with("joinreq-10", "SenderID", json_integer(13), &request));
	longer[BI_ID_SIZE - 1] = '\0';
	assert_int_equal(
		KW_OK, decode_with("joinreq-10", "SenderID", json_string(longer), &request));
	assert_string_equal(longer, request.sender_id);
	assert_int_equal(KW_E_SENDER, request.err);
	assert_int_equal(KW_OK,
		decode_with("joinreq-10", "TransactionID", json_integer(UINT32_MAX), &request));
	assert_int_equal(UINT32_MAX, request.transaction_id);
}

static void parties_of_another_form(void **state)
{
	static const char *const senders[] = {
		"as1.example", "0013", "00000013", "60050", "g0050a", "60-05-0a", " 60050a"};
	static const char *const receivers[] = {"70b3d57ed000123", "70b3d57ed00012", "js.example",
		"70b3d57ed000123400", "70-b3-d5-7e-d0-00-12-34"};
	struct bi_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		assert_int_equal(KW_OK,
			decode_with("joinreq-10", "SenderID", json_string(senders[i]), &request));
		assert_int_equal(KW_E_SENDER, request.err);
		assert_false(request.sender_is_net_id);
		assert_string_equal(senders[i], request.sender_id);
	}
	for (size_t i = 0; i < sizeof(receivers) / sizeof(receivers[0]); i++) {
		assert_int_equal(KW_OK, decode_with("joinreq-10", "ReceiverID",
						json_string(receivers[i]), &request));
		assert_int_equal(KW_E_RECEIVER, request.err);
		assert_false(request.receiver_is_eui);
	}
	assert_accepted("joinreq-10", "SenderID", json_string("0x60050A"));
	assert_accepted("joinreq-10", "ReceiverID", json_string("0X70B3D57ED0001234"));
	assert_int_equal(
		KW_OK, decode_with("joinreq-10", "SenderID", json_string("0x60050A"), &request));
	assert_string_equal("0x60050A", request.sender_id);
}

static const char *const mandatory[] = {
	"MACVersion", "PHYPayload", "DevEUI", "DevAddr", "DLSettings", "RxDelay"};
static const char *const optional[] = {"SenderToken", "ReceiverToken", "SenderNSID", "CFList"};

static void each_missing_member(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mandatory) / sizeof(mandatory[0]); i++) {
		assert_refused("joinreq-11", mandatory[i], NULL, KW_E_MISSING);
		assert_refused("joinreq-11", mandatory[i], json_null(), KW_E_MISSING);
		assert_refused("joinreq-11", mandatory[i], json_string(""), KW_E_MISSING);
	}
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		assert_accepted("joinreq-11", optional[i], NULL);
		assert_accepted("joinreq-11", optional[i], json_null());
		assert_accepted("joinreq-11", optional[i], json_string(""));
	}
}

static void each_member_of_a_wrong_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10; i++) {
		const char *name = i < 6 ? mandatory[i] : optional[i - 6];

		assert_refused("joinreq-11", name, json_true(), KW_E_SYNTAX);
		assert_refused("joinreq-11", name, json_array(), KW_E_SYNTAX);
		assert_refused("joinreq-11", name, json_object(), KW_E_SYNTAX);
		assert_refused("joinreq-11", name, json_real(1.5), KW_E_SYNTAX);
		if (strcmp(name, "RxDelay") != 0) {
			assert_refused("joinreq-11", name, json_integer(1), KW_E_SYNTAX);
		}
	}
}

/* Each member of octets: every other length, odd lengths, letters that are no digits. */
static void lengths_of_octets(void **state)
{
	static const struct {
		const char *name;
		size_t digits;
		enum kw_err err;
	} cases[] = {
		{"DevEUI", 16, KW_E_LENGTH},
		{"DevAddr", 8, KW_E_LENGTH},
		{"DLSettings", 2, KW_E_LENGTH},
		{"SenderNSID", 16, KW_E_LENGTH},
		{"CFList", 32, KW_E_FRAME_SIZE},
	};
	char digits[102];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t length = 1; length <= 100; length++) {
			memset(digits, '0', sizeof(digits));
			digits[length] = '\0';
			if (length == cases[i].digits) {
				continue;
			}
			assert_refused("joinreq-11", cases[i].name, json_string(digits),
				length % 2 != 0 ? KW_E_HEX : cases[i].err);
		}
		memset(digits, '0', sizeof(digits));
		digits[cases[i].digits] = '\0';
		digits[1] = 'g';
		assert_refused("joinreq-11", cases[i].name, json_string(digits), KW_E_HEX);
		assert_refused("joinreq-11", cases[i].name, json_string("0x"), cases[i].err);
		assert_refused("joinreq-11", cases[i].name, json_string("\xc3\xa9"), KW_E_HEX);
	}
	assert_accepted("joinreq-11", "DevEUI", json_string("0x0004A30b001C0530"));
	assert_accepted("joinreq-11", "DLSettings", json_string("0X80"));
	assert_accepted("joinreq-11", "CFList", json_string("0x184F84E85684B85E84886684586E8400"));
}

static void assert_problem(const char *dev_eui_text, const char *problem)
{
	struct bi_request request;

	assert_int_equal(
		KW_OK, decode_with("joinreq-11", "DevEUI", json_string(dev_eui_text), &request));
	assert_int_equal(KW_E_HEX, request.err);
	assert_string_equal(problem, request.problem);
}

static void what_is_wrong_with_digits(void **state)
{
	(void)state;
	assert_problem("0", "odd number of digits");
	assert_problem("0x0", "odd number of digits");
	assert_problem("0X004", "odd number of digits");
	assert_problem("00x", "not hexadecimal");
	assert_problem("0Xg", "not hexadecimal");
	assert_problem("x0", "not hexadecimal");
}

static void lengths_of_frames(void **state)
{
	static const char frame[] = "00341200d07ed5b37030051c000ba30400020009ece777";
	char digits[602];

	(void)state;
	for (size_t octets = 1; octets <= 300; octets++) {
		memset(digits, '0', sizeof(digits));
		memcpy(digits, frame, 2 * octets < 46 ? 2 * octets : 46);
		digits[2 * octets] = '\0';
		if (octets == LW_JOIN_REQUEST_SIZE) {
			assert_accepted("joinreq-10", "PHYPayload", json_string(digits));
		} else {
			assert_refused(
				"joinreq-10", "PHYPayload", json_string(digits), KW_E_FRAME_SIZE);
		}
		digits[2 * octets - 1] = '\0';
		assert_refused("joinreq-10", "PHYPayload", json_string(digits), KW_E_HEX);
	}
	assert_refused("joinreq-10", "PHYPayload", json_string("0x"), KW_E_FRAME_SIZE);
	memcpy(digits, frame, sizeof(frame));
	digits[0] = '2';
	assert_refused("joinreq-10", "PHYPayload", json_string(digits), KW_E_FRAME_TYPE);
}

static void the_frame_and_the_message_must_agree(void **state)
{
	(void)state;
	assert_refused("joinreq-10", "DevEUI", json_string("0004a30b001c0531"), KW_E_MISMATCH);
	assert_refused("joinreq-10", "ReceiverID", json_string("70b3d57ed0001235"), KW_E_MISMATCH);
}

static void what_rx_delay_may_be(void **state)
{
	static const char *const wrong[] = {"1s", "-1", "0x5", " 5", "5 ", "1.0", "160"};
	struct bi_request request;

	(void)state;
	for (int i = 0; i <= 15; i++) {
		char text[8];

		assert_int_equal(
			KW_OK, decode_with("joinreq-10", "RxDelay", json_integer(i), &request));
		assert_int_equal(KW_OK, request.err);
		assert_int_equal(i, request.join.rx_delay);
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(
			KW_OK, decode_with("joinreq-10", "RxDelay", json_string(text), &request));
		assert_int_equal(KW_OK, request.err);
		assert_int_equal(i, request.join.rx_delay);
	}
	assert_refused("joinreq-10", "RxDelay", json_integer(16), KW_E_INVALID);
	assert_refused("joinreq-10", "RxDelay", json_integer(-1), KW_E_INVALID);
	assert_refused("joinreq-10", "RxDelay", json_integer(INT64_MAX), KW_E_INVALID);
	assert_refused("joinreq-10", "RxDelay", json_string("16"), KW_E_INVALID);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_refused("joinreq-10", "RxDelay", json_string(wrong[i]), KW_E_SYNTAX);
	}
}

static void mac_versions(void **state)
{
	static const char *const right[] = {
		"1.0", "1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.1", "1.1.0", "1.1.1"};
	static const char *const wrong[] = {"1", "1.2", "2.0", "1.0.5", "one", "1.0.", "1.1.0.0"};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_accepted("joinreq-10", "MACVersion", json_string(right[i]));
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_refused("joinreq-10", "MACVersion", json_string(wrong[i]), KW_E_VERSION);
	}
}

static void ns_id_is_ignored_in_1_0(void **state)
{
	struct bi_request request;

	(void)state;
	assert_accepted("joinreq-10", "SenderNSID", json_integer(5));
	assert_int_equal(
		KW_OK, decode_with("joinreq-10", "SenderNSID", json_string("60050a"), &request));
	assert_int_equal(KW_OK, request.err);
	assert_false(request.has_ns_id);
	assert_string_equal("", request.sender_ns_id_text);
	/* What cannot be read is not given back. */
	assert_int_equal(
		KW_OK, decode_with("joinreq-11", "SenderNSID", json_string("60050a"), &request));
	assert_int_equal(KW_E_LENGTH, request.err);
	assert_string_equal("", request.sender_ns_id_text);
}

static void tokens(void **state)
{
	char digits[BI_TOKEN_SIZE + 2];
	struct bi_request request;

	(void)state;
	memset(digits, 'A', sizeof(digits));
	digits[BI_TOKEN_SIZE - 1] = '\0';
	assert_int_equal(
		KW_OK, decode_with("joinreq-10", "SenderToken", json_string(digits), &request));
	assert_int_equal(KW_OK, request.err);
	assert_string_equal(digits, request.sender_token);
	digits[BI_TOKEN_SIZE - 1] = 'A';
	digits[BI_TOKEN_SIZE + 1] = '\0';
	assert_refused("joinreq-10", "SenderToken", json_string(digits), KW_E_LENGTH);
	assert_refused("joinreq-10", "SenderToken", json_string("7f0"), KW_E_HEX);
	assert_refused("joinreq-10", "ReceiverToken", json_string("token"), KW_E_HEX);
	assert_accepted("joinreq-10", "ReceiverToken", json_string("0xAb"));
	/* Without a digit it is none, and none is given back. */
	assert_int_equal(
		KW_OK, decode_with("joinreq-10", "SenderToken", json_string("0x"), &request));
	assert_int_equal(KW_OK, request.err);
	assert_string_equal("", request.sender_token);
}

static void unknown_members_are_ignored(void **state)
{
	(void)state;
	assert_accepted("joinreq-10", "VSExtension", json_object());
	assert_accepted("joinreq-10", "devEUI", json_integer(5));
	assert_accepted("joinreq-10", "", json_string("\xe2\x82\xac"));
}

/* The first problem is the one that is told, and the rest is read all the same. */
static void several_problems(void **state)
{
	json_t *json = example_json("joinreq-10");
	struct bi_request request;

	(void)state;
	json_object_del(json, "DevAddr");
	json_object_set_new(json, "CFList", json_string("00"));
	assert_int_equal(KW_OK, example_decode(json, &request));
	assert_int_equal(KW_E_MISSING, request.err);
	assert_string_equal("DevAddr", request.field);
	assert_true(request.has_dev_eui);
	assert_int_equal(5, request.join.rx_delay);
	json_decref(json);
}

#define HEADER                                                                                     \
	"\"ProtocolVersion\":\"1.0\",\"SenderID\":\"60050a\",\"ReceiverID\":\"70b3d57ed0001234\"," \
	"\"TransactionID\":1,\"MessageType\":\"JoinReq\""

static void no_json(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"null",
		"5",
		"\"JoinReq\"",
		"[]",
		"{}",
		"{" HEADER,
		"{" HEADER "} x",
		"{" HEADER "}{}",
		"{" HEADER ",}",
		"{" HEADER ",\"SenderID\":\"60050a\"}",
		"{" HEADER ",\"x\":{\"a\":1,\"a\":1}}",
		"{" HEADER ",\"x\":\"\\u0000\"}",
		"{" HEADER ",\"\\u0000\":1}",
		"{" HEADER ",\"x\":\"\xff\"}",
		"{" HEADER ",\"x\":\"\xc0\x80\"}",
		"{" HEADER ",\"x\":\"\xed\xa0\x80\"}",
		"{" HEADER ",\"x\":\"\\ud800\"}",
		"{" HEADER ",\"x\":1e999}",
		"{" HEADER ",\"x\":99999999999999999999}",
		"{" HEADER ",\"x\":01}",
		"{" HEADER ",'x':1}",
		"\xef\xbb\xbf{" HEADER "}",
		"]{" HEADER "}",
		"}",
	};
	struct bi_request request;
	char text[] = "{" HEADER ",\"x\":\" \"}";

	(void)state;
	assert_int_equal(KW_OK, decode_text("{" HEADER "}", &request));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_no_header(texts[i]);
	}
	assert_int_equal(KW_OK, bi_request_decode(text, sizeof(text) - 1, &request));
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		char was = text[i];

		text[i] = '\0';
		assert_int_equal(KW_E_SYNTAX, bi_request_decode(text, sizeof(text) - 1, &request));
		text[i] = was;
	}
}

static void nesting(void **state)
{
	static char text[8192];
	struct bi_request request;

	(void)state;
	for (size_t depth = 1; depth <= 3000; depth += depth < 100 ? 1 : 100) {
		size_t at = (size_t)snprintf(text, sizeof(text), "{" HEADER ",\"x\":");

		for (size_t i = 0; i < depth; i++) {
			text[at++] = '[';
		}
		for (size_t i = 0; i < depth; i++) {
			text[at++] = ']';
		}
		memcpy(text + at, "}", 2);
		/* The object itself is one. */
		assert_int_equal(
			depth < BI_DEPTH_MAX ? KW_OK : KW_E_SYNTAX, decode_text(text, &request));
	}
	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_no_header(text);
	/* Brackets in strings are not nesting, and an escaped quote does not end one. */
	assert_int_equal(KW_OK,
		decode_text("{" HEADER ",\"x\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}",
			&request));
}

static void large_bodies(void **state)
{
	const size_t size = 40000;
	char *text = malloc(size + 1);
	struct bi_request request;
	size_t at = (size_t)snprintf(text, size, "{" HEADER ",\"x\":[");

	(void)state;
	while (at < size - 4) {
		memcpy(text + at, "1,", 2);
		at += 2;
	}
	strcpy(text + at, "1]}");
	assert_int_equal(KW_OK, decode_text(text, &request));
	assert_int_equal(KW_E_MISSING, request.err);
	memset(text, ' ', size);
	text[size] = '\0';
	assert_no_header(text);
	memset(text, '"', size);
	assert_no_header(text);
	memset(text, '{', size);
	assert_no_header(text);
	free(text);
}

/* Cut off anywhere, it is no message. */
static void every_length_of_a_message(void **state)
{
	json_t *json = example_json("joinreq-11");
	char *text = example_text(json);
	size_t length = strlen(text);
	struct bi_request request;

	(void)state;
	for (size_t cut = 0; cut < length; cut++) {
		char *exact = malloc(cut > 0 ? cut : 1);

		memcpy(exact, text, cut);
		assert_int_equal(KW_E_SYNTAX, bi_request_decode(exact, cut, &request));
		free(exact);
	}
	free(text);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_join_over_1_0),
		cmocka_unit_test(a_join_over_1_1),
		cmocka_unit_test(real_network_servers),
		cmocka_unit_test(other_messages),
		cmocka_unit_test(unknown_protocol_versions),
		cmocka_unit_test(a_header_that_is_not_usable),
		cmocka_unit_test(parties_of_another_form),
		cmocka_unit_test(each_missing_member),
		cmocka_unit_test(each_member_of_a_wrong_type),
		cmocka_unit_test(lengths_of_octets),
		cmocka_unit_test(what_is_wrong_with_digits),
		cmocka_unit_test(lengths_of_frames),
		cmocka_unit_test(the_frame_and_the_message_must_agree),
		cmocka_unit_test(what_rx_delay_may_be),
		cmocka_unit_test(mac_versions),
		cmocka_unit_test(ns_id_is_ignored_in_1_0),
		cmocka_unit_test(tokens),
		cmocka_unit_test(unknown_members_are_ignored),
		cmocka_unit_test(several_problems),
		cmocka_unit_test(no_json),
		cmocka_unit_test(nesting),
		cmocka_unit_test(large_bodies),
		cmocka_unit_test(every_length_of_a_message),
	};

	bi_decode_seed(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
