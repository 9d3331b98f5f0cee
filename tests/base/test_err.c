#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#define LOWEST (-300)

/* No default: the compiler asks for the case of a new error. */
static bool is_error(enum kw_err err)
{
	switch (err) {
	case KW_OK:
	case KW_E_INVALID:
	case KW_E_NO_MEMORY:
	case KW_E_SYSTEM:
	case KW_E_TOO_LONG:
	case KW_E_TRUNCATED:
	case KW_E_EXISTS:
	case KW_E_NOT_FOUND:
	case KW_E_BUSY:
	case KW_E_TIMEOUT:
	case KW_E_CLOSED:
	case KW_E_FORBIDDEN:
	case KW_E_CRYPTO:
	case KW_E_SYNTAX:
	case KW_E_HEX:
	case KW_E_LENGTH:
	case KW_E_VERSION:
	case KW_E_MISSING:
	case KW_E_MISMATCH:
	case KW_E_NUMBER:
	case KW_E_CONFLICT:
	case KW_E_FRAME_SIZE:
	case KW_E_FRAME_TYPE:
	case KW_E_UNAUTHENTICATED:
	case KW_E_SENDER:
	case KW_E_RECEIVER:
	case KW_E_NO_DEVICE:
	case KW_E_NOT_ALLOWED:
	case KW_E_BLOCKED:
	case KW_E_MIC:
	case KW_E_DISAGREE:
	case KW_E_REPLAY:
	case KW_E_EXHAUSTED:
	case KW_E_NO_KEK:
	case KW_E_UNSUPPORTED:
	case KW_E_PROTOCOL:
	case KW_E_SENDER_NS_ID:
	case KW_E_RANGE:
	case KW_E_DEVICE_NS_ID:
	case KW_E_NO_SESSION:
	case KW_E_OTHER_AS:
	case KW_E_STORE:
	case KW_E_STORE_FULL:
	case KW_E_STORE_NEWER:
	case KW_E_STORE_DAMAGED:
	case KW_E_STORE_LOCKED:
	case KW_E_STORE_ABSENT:
	case KW_E_SEAL:
	case KW_E_MASTER_KEY:
	case KW_E_MASTER_FILE:
	case KW_E_ENVELOPE:
	case KW_E_ROAMING:
	case KW_E_NO_HOME:
	case KW_E_NET_ID:
	case KW_E_REJOIN:
	case KW_E_RATE:
		return true;
	}
	return false;
}

static void each_error_has_a_text(void **state)
{
	const char *unknown = kw_err_text((enum kw_err)1);

	(void)state;
	for (int i = LOWEST; i <= 10; i++) {
		const char *text = kw_err_text((enum kw_err)i);

		assert_non_null(text);
		if (is_error((enum kw_err)i)) {
			assert_string_not_equal(text, unknown);
			assert_true(strlen(text) > 0);
			assert_int_not_equal(text[strlen(text) - 1], '.');
		} else {
			assert_string_equal(text, unknown);
		}
	}
}

static void no_text_is_doubled(void **state)
{
	(void)state;
	for (int i = LOWEST; i <= 0; i++) {
		for (int j = LOWEST; j < i; j++) {
			if (is_error((enum kw_err)i) && is_error((enum kw_err)j)) {
				assert_string_not_equal(
					kw_err_text((enum kw_err)i), kw_err_text((enum kw_err)j));
			}
		}
	}
}

static void success_is_zero(void **state)
{
	(void)state;
	assert_int_equal(KW_OK, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_error_has_a_text),
		cmocka_unit_test(no_text_is_doubled),
		cmocka_unit_test(success_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
