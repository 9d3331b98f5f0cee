#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 300
#define SIZE       16

static bool all_zero(const uint8_t *octets, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (octets[i] != 0) {
			return false;
		}
	}
	return true;
}

static void reads_either_case_and_a_prefix(void **state)
{
	static const char *const cases[] = {"00a1B2ff", "00A1b2FF", "0x00a1b2ff", "0X00A1B2FF"};
	uint8_t out[4];
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(kw_hex_read(cases[i], strlen(cases[i]), out, sizeof(out)), KW_OK);
		assert_memory_equal(out, "\x00\xa1\xb2\xff", sizeof(out));
		memset(out, 0xee, sizeof(out));
		assert_int_equal(
			kw_hex_read_any(cases[i], strlen(cases[i]), out, sizeof(out), &length),
			KW_OK);
		assert_int_equal(length, sizeof(out));
		assert_memory_equal(out, "\x00\xa1\xb2\xff", sizeof(out));
	}
}

/* The text is exactly as long as said and has no NUL, so that a sanitizer sees a digit too far. */
static void every_number_of_digits(void **state)
{
	uint8_t out[SIZE];
	size_t length;

	(void)state;
	for (size_t digits = 0; digits <= DIGITS_MAX; digits++) {
		char *text = malloc(digits);
		enum kw_err fixed = digits % 2 == 1      ? KW_E_HEX
				    : digits == 2 * SIZE ? KW_OK
							 : KW_E_LENGTH;
		enum kw_err any = digits % 2 == 1     ? KW_E_HEX
				  : digits > 2 * SIZE ? KW_E_LENGTH
						      : KW_OK;

		assert_true(text != NULL || digits == 0);
		if (digits > 0) {
			memset(text, '7', digits);
		}
		memset(out, 0xee, sizeof(out));
		assert_int_equal(kw_hex_read(text, digits, out, sizeof(out)), fixed);
		assert_int_equal(all_zero(out, sizeof(out)), fixed != KW_OK);
		memset(out, 0xee, sizeof(out));
		length = 99;
		assert_int_equal(kw_hex_read_any(text, digits, out, sizeof(out), &length), any);
		assert_int_equal(length, any == KW_OK ? digits / 2 : 0);
		assert_true(any == KW_OK || all_zero(out, sizeof(out)));
		free(text);
	}
}

static void every_octet_in_every_place(void **state)
{
	char text[] = "a1b2c3d4";
	uint8_t out[4];

	(void)state;
	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		char kept = text[at];

		for (unsigned value = 0; value < 256; value++) {
			bool digit =
				value != 0 && strchr("0123456789abcdefABCDEF", (int)value) != NULL;

			text[at] = (char)value;
			memset(out, 0xee, sizeof(out));
			assert_int_equal(kw_hex_read(text, sizeof(text) - 1, out, sizeof(out)),
				digit ? KW_OK : KW_E_HEX);
			assert_true(digit || all_zero(out, sizeof(out)));
		}
		text[at] = kept;
	}
}

static void prefixes_that_are_none(void **state)
{
	static const char *const cases[] = {
		"x", "0x0", "x0", "0x0x", "1x00", "0y00", "00x0", "-0", "+1", " 1", "1 "};
	uint8_t out[4];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			kw_hex_read(cases[i], strlen(cases[i]), out, sizeof(out)), KW_E_HEX);
	}
	assert_int_equal(kw_hex_read("0x", 2, out, sizeof(out)), KW_E_LENGTH);
	assert_int_equal(kw_hex_read("0x", 2, out, 0), KW_OK);
	assert_int_equal(kw_hex_read("", 0, out, 0), KW_OK);
}

static void writes_every_octet(void **state)
{
	uint8_t octets[256];
	uint8_t back[256];
	char text[2 * sizeof(octets) + 1];
	char *end;

	(void)state;
	for (unsigned i = 0; i < sizeof(octets); i++) {
		octets[i] = (uint8_t)i;
	}
	end = kw_hex_write(text, octets, sizeof(octets));
	assert_ptr_equal(end, text + sizeof(text) - 1);
	assert_int_equal(strlen(text), sizeof(text) - 1);
	assert_memory_equal(text, "000102", 6);
	assert_string_equal(end - 6, "fdfeff");
	assert_int_equal(kw_hex_read(text, strlen(text), back, sizeof(back)), KW_OK);
	assert_memory_equal(back, octets, sizeof(octets));
	end = kw_hex_write(text, octets, 0);
	assert_ptr_equal(end, text);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_either_case_and_a_prefix),
		cmocka_unit_test(every_number_of_digits),
		cmocka_unit_test(every_octet_in_every_place),
		cmocka_unit_test(prefixes_that_are_none),
		cmocka_unit_test(writes_every_octet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
