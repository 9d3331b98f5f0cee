/* RejoinReq, AppSKeyReq, HomeNSReq and ErrorNotif, in both versions; JoinReq and what all have in
 * common is in test_msg_decode.c. */
#include "tests/backend-if/example.h"

#include "lorawan/join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct lw_eui join_eui = {{0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0x00, 0x12, 0x34}};
static const struct lw_eui dev_eui = {{0x00, 0x04, 0xa3, 0x0b, 0x00, 0x1c, 0x05, 0x30}};

static const char *const versions[] = {"1.0", "1.1"};

/* Change a member of an example, in version 1.0 or 1.1, and decode (NULL: take it away; "": change
 * none). Steals the value. */
static void decode_in(const char *version, const char *example, const char *name, json_t *value,
	struct bi_request *request)
{
	json_t *json = example_json(example);

	json_object_set_new(json, "ProtocolVersion", json_string(version));
	if (name[0] == '\0') {
		assert_null(value);
	} else if (value == NULL) {
		json_object_del(json, name);
	} else {
		assert_int_equal(0, json_object_set_new(json, name, value));
	}
	assert_int_equal(KW_OK, example_decode(json, request));
	json_decref(json);
}

/* In both versions. Steals the value. */
static void assert_refused(const char *example, const char *name, json_t *value, enum kw_err wanted)
{
	struct bi_request request;

	for (size_t i = 0; i < 2; i++) {
		decode_in(versions[i], example, name, value != NULL ? json_incref(value) : NULL,
			&request);
		assert_int_equal(wanted, request.err);
		assert_string_equal(name, request.field);
		assert_non_null(request.problem);
	}
	json_decref(value);
}

static void assert_accepted(const char *example, const char *name, json_t *value)
{
	struct bi_request request;

	for (size_t i = 0; i < 2; i++) {
		decode_in(versions[i], example, name, value != NULL ? json_incref(value) : NULL,
			&request);
		assert_int_equal(KW_OK, request.err);
		assert_null(request.field);
	}
	json_decref(value);
}

static void is_of_the_device(const struct bi_request *request, enum bi_type type)
{
	assert_int_equal(KW_OK, request->err);
	assert_int_equal(type, request->type);
	assert_true(request->receiver_is_eui && request->has_dev_eui);
	assert_true(lw_eui_equal(&join_eui, &request->receiver));
	assert_true(lw_eui_equal(&dev_eui, &request->dev_eui));
	assert_string_equal("0004a30b001c0530", request->dev_eui_text);
}

/* ---- RejoinReq ---- */

static void each_type_of_rejoin(void **state)
{
	struct bi_request request;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		decode_in(versions[i], "rejoinreq-0", "", NULL, &request);
		is_of_the_device(&request, BI_TYPE_REJOIN);
		assert_int_equal(LW_VERSION_1_1, request.join.mac_version);
		assert_int_equal(0x80, request.join.dl_settings);
		assert_int_equal(1, request.join.rx_delay);
		assert_memory_equal("\xea\x14\x0b\x2c", request.join.dev_addr.octets, 4);
		assert_int_equal(19, request.join.phy_length);
		assert_memory_equal("\xc0\x00\x0a\x05\x60", request.join.phy_payload, 5);
		assert_memory_equal("\xbe\x6a\x0a\x6e", request.join.phy_payload + 15, 4);
		decode_in(versions[i], "rejoinreq-1", "", NULL, &request);
		is_of_the_device(&request, BI_TYPE_REJOIN);
		assert_int_equal(24, request.join.phy_length);
		assert_memory_equal("\x77\x77\xc2\x97", request.join.phy_payload + 20, 4);
	}
	decode_in("1.1", "rejoinreq-0", "PHYPayload",
		json_string("C0020a056030051c000ba304000100be6a0a6e"), &request);
	is_of_the_device(&request, BI_TYPE_REJOIN);
	assert_int_equal(2, request.join.phy_payload[1]);
	decode_in("1.1", "rejoinreq-0", "CFList", json_string("184f84e85684b85e84886684586e8400"),
		&request);
	assert_true(request.join.has_cf_list);
}

static const char *const rejoins[] = {"rejoinreq-0", "rejoinreq-1"};
static const char *const of_join[] = {
	"MACVersion", "PHYPayload", "DevEUI", "DevAddr", "DLSettings", "RxDelay"};

static void members_of_a_rejoin(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sizeof(of_join) / sizeof(of_join[0]); i++) {
			assert_refused(rejoins[k], of_join[i], NULL, KW_E_MISSING);
			assert_refused(rejoins[k], of_join[i], json_null(), KW_E_MISSING);
			assert_refused(rejoins[k], of_join[i], json_string(""), KW_E_MISSING);
			assert_refused(rejoins[k], of_join[i], json_true(), KW_E_SYNTAX);
			assert_refused(rejoins[k], of_join[i], json_array(), KW_E_SYNTAX);
			assert_refused(rejoins[k], of_join[i], json_object(), KW_E_SYNTAX);
		}
		assert_refused(rejoins[k], "DevEUI", json_string("0004a30b001c053"), KW_E_HEX);
		assert_refused(rejoins[k], "DevEUI", json_string("0004a30b001c05300"), KW_E_HEX);
		assert_refused(
			rejoins[k], "DevEUI", json_string("0004a30b001c053000"), KW_E_LENGTH);
		assert_refused(rejoins[k], "DevAddr", json_string("ea140b"), KW_E_LENGTH);
		assert_refused(rejoins[k], "CFList", json_string("00"), KW_E_FRAME_SIZE);
		assert_refused(rejoins[k], "MACVersion", json_string("1.2"), KW_E_VERSION);
		assert_refused(
			rejoins[k], "DevEUI", json_string("0004a30b001c0531"), KW_E_MISMATCH);
	}
}

/* The JoinEUI is in a frame of type 1 only. */
static void receiver_of_a_rejoin(void **state)
{
	(void)state;
	assert_refused("rejoinreq-1", "ReceiverID", json_string("70b3d57ed0001235"), KW_E_MISMATCH);
	assert_accepted("rejoinreq-0", "ReceiverID", json_string("70b3d57ed0001235"));
}

static void frames_of_a_rejoin(void **state)
{
	static const char *const frames[] = {
		"c0000a056030051c000ba304000100be6a0a6e",
		"c001341200d07ed5b37030051c000ba3040003027777c297",
	};
	char digits[132];

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		size_t whole = strlen(frames[k]);

		for (size_t length = 2; length <= 130; length += 2) {
			memset(digits, '0', sizeof(digits));
			memcpy(digits, frames[k], length < whole ? length : whole);
			digits[length] = '\0';
			if (length == whole) {
				assert_accepted(rejoins[k], "PHYPayload", json_string(digits));
			} else {
				assert_refused(rejoins[k], "PHYPayload", json_string(digits),
					KW_E_FRAME_SIZE);
			}
			digits[length - 1] = '\0';
			assert_refused(rejoins[k], "PHYPayload", json_string(digits), KW_E_HEX);
		}
	}
	assert_refused("rejoinreq-0", "PHYPayload",
		json_string("c0030a056030051c000ba304000100be6a0a6e"), KW_E_FRAME_TYPE);
	assert_refused("rejoinreq-0", "PHYPayload",
		json_string("c1000a056030051c000ba304000100be6a0a6e"), KW_E_FRAME_TYPE);
	assert_refused("rejoinreq-1", "PHYPayload",
		json_string("00341200d07ed5b37030051c000ba30400020009ece777"), KW_E_FRAME_SIZE);
	assert_refused("joinreq-10", "PHYPayload",
		json_string("c001341200d07ed5b37030051c000ba3040003027777c297"), KW_E_FRAME_SIZE);
}

/* ---- AppSKeyReq ---- */

static void an_app_s_key_req(void **state)
{
	struct bi_request request;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		decode_in(versions[i], "appskeyreq", "SessionKeyID",
			json_string("0x000102030405060708090A0b0c0d0e0f"), &request);
		is_of_the_device(&request, BI_TYPE_APP_S_KEY);
		assert_string_equal("as1.example", request.sender_id);
		assert_false(request.sender_is_net_id);
		assert_true(request.app_s_key.has_session_key_id);
		assert_memory_equal(
			"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
			request.app_s_key.session_key_id, 16);
		assert_string_equal("0x000102030405060708090A0b0c0d0e0f",
			request.app_s_key.session_key_id_text);
	}
	/* A DevAddr that some send is nothing to us, whatever it is. */
	assert_accepted("appskeyreq", "DevAddr", json_integer(5));
}

/* Any length is answered, but only ours can be found. */
static void lengths_of_a_session_key_id(void **state)
{
	char digits[300];
	struct bi_request request;

	(void)state;
	for (size_t octets = 1; octets <= 128; octets++) {
		memset(digits, 'a', sizeof(digits));
		digits[2 * octets] = '\0';
		decode_in("1.1", "appskeyreq", "SessionKeyID", json_string(digits), &request);
		assert_int_equal(KW_OK, request.err);
		assert_string_equal(digits, request.app_s_key.session_key_id_text);
		assert_int_equal(octets == 16, request.app_s_key.has_session_key_id);
		digits[2 * octets - 1] = '\0';
		assert_refused("appskeyreq", "SessionKeyID", json_string(digits), KW_E_HEX);
	}
	memset(digits, 'a', sizeof(digits));
	digits[258] = '\0';
	assert_refused("appskeyreq", "SessionKeyID", json_string(digits), KW_E_LENGTH);
	digits[258] = 'a';
	digits[299] = '\0';
	assert_refused("appskeyreq", "SessionKeyID", json_string(digits), KW_E_LENGTH);
	assert_refused("appskeyreq", "SessionKeyID", json_string("0x"), KW_E_LENGTH);
	assert_refused("appskeyreq", "SessionKeyID", json_string("session"), KW_E_HEX);
	/* What could not be read is not given back. */
	decode_in("1.1", "appskeyreq", "SessionKeyID", json_string("b\"d2"), &request);
	assert_int_equal(KW_E_HEX, request.err);
	assert_string_equal("", request.app_s_key.session_key_id_text);
	assert_false(request.app_s_key.has_session_key_id);
}

static void members_of_other_requests(void **state)
{
	static const struct {
		const char *example;
		const char *name;
	} members[] = {
		{"appskeyreq", "DevEUI"},
		{"appskeyreq", "SessionKeyID"},
		{"homensreq-10", "DevEUI"},
		{"homensreq-11", "DevEUI"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *example = members[i].example, *name = members[i].name;

		assert_refused(example, name, NULL, KW_E_MISSING);
		assert_refused(example, name, json_null(), KW_E_MISSING);
		assert_refused(example, name, json_string(""), KW_E_MISSING);
		assert_refused(example, name, json_true(), KW_E_SYNTAX);
		assert_refused(example, name, json_integer(1), KW_E_SYNTAX);
		assert_refused(example, name, json_real(1.5), KW_E_SYNTAX);
		assert_refused(example, name, json_array(), KW_E_SYNTAX);
		assert_refused(example, name, json_object(), KW_E_SYNTAX);
		assert_refused(example, name, json_string("0004a30b001c053"), KW_E_HEX);
		assert_refused(example, name, json_string("0004a30b001c053g"), KW_E_HEX);
		if (strcmp(name, "DevEUI") == 0) {
			assert_refused(example, name, json_string("0004a30b001c05"), KW_E_LENGTH);
			assert_refused(
				example, name, json_string("0004a30b001c053000"), KW_E_LENGTH);
		}
		assert_accepted(example, "SenderToken", json_string(""));
		assert_accepted(example, "VSExtension", json_object());
	}
}

/* An AS-ID is any text that JSON need not escape. */
static void as_ids(void **state)
{
	static const char *const wrong[] = {"", "as\x01.example", "as\n.example", "as\".example",
		"as\\.example", "\x7f", "\xc3\xa4"};
	char longer[301];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		json_t *json = example_json("appskeyreq");
		struct bi_request request;

		json_object_set_new(json, "SenderID", json_string(wrong[i]));
		assert_int_equal(KW_E_SYNTAX, example_decode(json, &request));
		json_decref(json);
	}
	memset(longer, 'a', 300);
	for (size_t length = 300; length >= 120; length--) {
		json_t *json = example_json("appskeyreq");
		struct bi_request request;

		longer[length] = '\0';
		json_object_set_new(json, "SenderID", json_string(longer));
		assert_int_equal(
			length < BI_ID_SIZE ? KW_OK : KW_E_SYNTAX, example_decode(json, &request));
		json_decref(json);
	}
	assert_accepted("appskeyreq", "SenderID", json_string("any text <of> 'theirs' &c."));
	assert_accepted("appskeyreq", "SenderID", json_string("60050a"));
}

/* ---- HomeNSReq ---- */

static void a_home_ns_req(void **state)
{
	struct bi_request request;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		decode_in(versions[i], "homensreq-10", "", NULL, &request);
		is_of_the_device(&request, BI_TYPE_HOME_NS);
		assert_true(request.sender_is_net_id);
		assert_memory_equal("\x00\x00\x13", request.sender_net_id.octets, 3);
		assert_false(request.has_ns_id);
	}
	decode_in("1.1", "homensreq-11", "", NULL, &request);
	is_of_the_device(&request, BI_TYPE_HOME_NS);
	assert_true(request.has_ns_id);
	assert_string_equal("ec656efffe000113", request.sender_ns_id_text);
	decode_in("1.0", "homensreq-11", "", NULL, &request);
	assert_false(request.has_ns_id);
}

/* Only an AppSKeyReq comes from one that has no NetID. */
static void senders(void **state)
{
	static const char *const examples[] = {"rejoinreq-0", "rejoinreq-1", "homensreq-11"};
	struct bi_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		decode_in("1.1", examples[i], "SenderID", json_string("as1.example"), &request);
		assert_int_equal(KW_E_SENDER, request.err);
		assert_false(request.sender_is_net_id);
		decode_in("1.1", examples[i], "ReceiverID", json_string("js.example"), &request);
		assert_int_equal(KW_E_RECEIVER, request.err);
		decode_in("2.0", examples[i], "", NULL, &request);
		assert_int_equal(KW_E_PROTOCOL, request.err);
	}
	decode_in("1.1", "appskeyreq", "ReceiverID", json_string("js.example"), &request);
	assert_int_equal(KW_E_RECEIVER, request.err);
}

/* ---- ErrorNotif ---- */

/* One that was sent to us: it names a NetID as its sender. */
static json_t *notif(void)
{
	json_t *json = example_json("errornotif");

	json_object_set_new(json, "SenderID", json_string("60050a"));
	json_object_set_new(json, "ReceiverID", json_string("70b3d57ed0001234"));
	return json;
}

static void notified(json_t *result, const char *expected)
{
	json_t *json = notif();
	struct bi_request request;

	if (result == NULL) {
		json_object_del(json, "Result");
	} else {
		json_object_set_new(json, "Result", result);
	}
	assert_int_equal(KW_OK, example_decode(json, &request));
	assert_int_equal(KW_OK, request.err);
	assert_int_equal(BI_TYPE_ERROR_NOTIF, request.type);
	assert_string_equal("ErrorNotif", request.message_type);
	assert_string_equal(expected, request.notified);
	json_decref(json);
}

static void an_error_notif(void **state)
{
	char longer[BI_RESULT_SIZE + 1];

	(void)state;
	notified(json_pack("{s:s}", "ResultCode", "InvalidProtocolVersion"),
		"InvalidProtocolVersion");
	notified(NULL, "");
	notified(json_null(), "");
	notified(json_string("Other"), "");
	notified(json_array(), "");
	notified(json_object(), "");
	notified(json_pack("{s:i}", "ResultCode", 5), "");
	notified(json_pack("{s:s}", "ResultCode", ""), "");
	/* It goes into the log: letters, and not more than a code has. */
	notified(json_pack("{s:s}", "ResultCode", "Other\nfake=line"), "");
	notified(json_pack("{s:s}", "ResultCode", "O\xc3\xa4"), "");
	memset(longer, 'a', sizeof(longer));
	longer[BI_RESULT_SIZE] = '\0';
	notified(json_pack("{s:s}", "ResultCode", longer), "");
	longer[BI_RESULT_SIZE - 1] = '\0';
	notified(json_pack("{s:s}", "ResultCode", longer), longer);
}

/* Cut off anywhere, it is no message. */
static void every_length_of_a_message(void **state)
{
	static const char *const names[] = {
		"rejoinreq-0", "rejoinreq-1", "appskeyreq", "homensreq-11", "errornotif"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *json = example_json(names[i]);
		char *text = example_text(json);
		size_t length = strlen(text);
		struct bi_request request;

		for (size_t cut = 0; cut < length; cut++) {
			char *exact = malloc(cut > 0 ? cut : 1);

			memcpy(exact, text, cut);
			assert_int_equal(KW_E_SYNTAX, bi_request_decode(exact, cut, &request));
			free(exact);
		}
		free(text);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_of_rejoin),
		cmocka_unit_test(members_of_a_rejoin),
		cmocka_unit_test(receiver_of_a_rejoin),
		cmocka_unit_test(frames_of_a_rejoin),
		cmocka_unit_test(an_app_s_key_req),
		cmocka_unit_test(lengths_of_a_session_key_id),
		cmocka_unit_test(members_of_other_requests),
		cmocka_unit_test(as_ids),
		cmocka_unit_test(a_home_ns_req),
		cmocka_unit_test(senders),
		cmocka_unit_test(an_error_notif),
		cmocka_unit_test(every_length_of_a_message),
	};

	bi_decode_seed(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
