#include "backend-if/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MALFORMED  "MalformedRequest", "MalformedMessage"
#define BOTH(code) code, code

static const struct {
	enum kw_err err;
	const char *code_1_0;
	const char *code_1_1;
} cases[] = {
	{KW_OK, BOTH("Success")},
	{KW_E_INVALID, MALFORMED},
	{KW_E_NO_MEMORY, BOTH("Other")},
	{KW_E_SYSTEM, BOTH("Other")},
	{KW_E_TOO_LONG, MALFORMED},
	{KW_E_TRUNCATED, BOTH("Other")},
	{KW_E_EXISTS, BOTH("Other")},
	{KW_E_NOT_FOUND, BOTH("Other")},
	{KW_E_BUSY, BOTH("Other")},
	{KW_E_TIMEOUT, BOTH("Other")},
	{KW_E_RATE, BOTH("Other")},
	{KW_E_CLOSED, BOTH("Other")},
	{KW_E_FORBIDDEN, BOTH("Other")},
	{KW_E_CRYPTO, BOTH("Other")},
	{KW_E_SYNTAX, MALFORMED},
	{KW_E_HEX, MALFORMED},
	{KW_E_LENGTH, MALFORMED},
	{KW_E_VERSION, MALFORMED},
	{KW_E_MISSING, MALFORMED},
	{KW_E_MISMATCH, MALFORMED},
	{KW_E_NUMBER, MALFORMED},
	{KW_E_CONFLICT, MALFORMED},
	{KW_E_FRAME_SIZE, BOTH("FrameSizeError")},
	{KW_E_FRAME_TYPE, MALFORMED},
	{KW_E_UNAUTHENTICATED, BOTH("UnknownSender")},
	{KW_E_SENDER, BOTH("UnknownSender")},
	{KW_E_RECEIVER, BOTH("UnkownReceiver")},
	{KW_E_NO_DEVICE, BOTH("UnknownDevEUI")},
	{KW_E_NOT_ALLOWED, BOTH("ActivationDisallowed")},
	{KW_E_BLOCKED, BOTH("ActivationDisallowed")},
	{KW_E_MIC, BOTH("MICFailed")},
	{KW_E_DISAGREE, BOTH("JoinReqFailed")},
	{KW_E_REPLAY, "JoinReqFailed", "FrameReplayed"},
	{KW_E_EXHAUSTED, BOTH("JoinReqFailed")},
	{KW_E_NO_KEK, BOTH("JoinReqFailed")},
	{KW_E_NO_SESSION, BOTH("UnknownDevEUI")},
	{KW_E_OTHER_AS, BOTH("UnknownDevEUI")},
	{KW_E_REJOIN, BOTH("JoinReqFailed")},
	{KW_E_NET_ID, BOTH("JoinReqFailed")},
	{KW_E_ROAMING, BOTH("NoRoamingAgreement")},
	{KW_E_NO_HOME, BOTH("ActivationDisallowed")},
	{KW_E_UNSUPPORTED, MALFORMED},
	{KW_E_PROTOCOL, BOTH("InvalidProtocolVersion")},
	{KW_E_SENDER_NS_ID, BOTH("UnknownSender")},
	{KW_E_RANGE, BOTH("ActivationDisallowed")},
	{KW_E_DEVICE_NS_ID, BOTH("ActivationDisallowed")},
	{KW_E_STORE, BOTH("Other")},
	{KW_E_STORE_FULL, BOTH("Other")},
	{KW_E_STORE_NEWER, BOTH("Other")},
	{KW_E_STORE_DAMAGED, BOTH("Other")},
	{KW_E_STORE_LOCKED, BOTH("Other")},
	{KW_E_STORE_ABSENT, BOTH("Other")},
	{KW_E_SEAL, BOTH("Other")},
	{KW_E_MASTER_KEY, BOTH("Other")},
	{KW_E_MASTER_FILE, BOTH("Other")},
	{KW_E_ENVELOPE, BOTH("Other")},
};

static void each_error_has_its_codes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(
			cases[i].code_1_0, bi_result_code(cases[i].err, BI_PROTOCOL_1_0));
		assert_string_equal(
			cases[i].code_1_1, bi_result_code(cases[i].err, BI_PROTOCOL_1_1));
	}
}

/* Whatever another process says, a 1.0 peer gets only codes that 1.0 has. */
static void no_code_of_1_1_in_1_0(void **state)
{
	static const char *const allowed[] = {"Success", "MICFailed", "JoinReqFailed",
		"ActivationDisallowed", "UnknownDevEUI", "UnknownSender", "UnkownReceiver",
		"InvalidProtocolVersion", "MalformedRequest", "FrameSizeError",
		"NoRoamingAgreement", "Other"};

	(void)state;
	for (int err = -300; err < 300; err++) {
		const char *code = bi_result_code((enum kw_err)err, BI_PROTOCOL_1_0);
		bool found = false;

		for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
			found = found || strcmp(allowed[i], code) == 0;
		}
		assert_true(found);
		assert_string_not_equal(
			"NoAction", bi_result_code((enum kw_err)err, BI_PROTOCOL_1_1));
		if (err > 0) {
			assert_string_equal("Other", code);
		}
	}
}

static void descriptions_are_plain(void **state)
{
	(void)state;
	for (int err = -300; err < 300; err++) {
		const char *text = bi_result_description((enum kw_err)err);

		assert_non_null(text);
		/* Of these the code says all. */
		assert_int_equal(err == KW_OK || err == KW_E_ROAMING, text[0] == '\0');
		for (; *text != '\0'; text++) {
			assert_in_range(*text, 0x20, 0x7e);
			assert_true(*text != '"' && *text != '\\');
		}
	}
}

/* An application server is not told which of them it was. */
static void sessions_are_not_told_apart(void **state)
{
	const char *text = bi_result_description(KW_E_NO_DEVICE);

	(void)state;
	assert_string_equal(text, bi_result_description(KW_E_NO_SESSION));
	assert_string_equal(text, bi_result_description(KW_E_OTHER_AS));
}

static void versions(void **state)
{
	(void)state;
	assert_string_equal("1.0", bi_protocol_text(BI_PROTOCOL_1_0));
	assert_string_equal("1.1", bi_protocol_text(BI_PROTOCOL_1_1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_error_has_its_codes),
		cmocka_unit_test(no_code_of_1_1_in_1_0),
		cmocka_unit_test(descriptions_are_plain),
		cmocka_unit_test(sessions_are_not_told_apart),
		cmocka_unit_test(versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
