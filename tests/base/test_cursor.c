#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static const uint8_t octets[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
	20, 21, 22, 23, 24, 25, 26};

static void reads_numbers_in_both_orders(void **state)
{
	struct kw_reader reader;
	uint8_t copy[2];

	(void)state;
	kw_reader_init(&reader, octets, sizeof(octets));
	assert_int_equal(kw_read_u8(&reader), 0x01);
	assert_int_equal(kw_read_u16(&reader), 0x0203);
	assert_int_equal(kw_read_u24(&reader), 0x040506);
	assert_int_equal(kw_read_u32(&reader), 0x0708090a);
	assert_true(kw_read_u64(&reader) == UINT64_C(0x0b0c0d0e0f101112));
	assert_int_equal(kw_read_u16_le(&reader), 0x1413);
	assert_int_equal(kw_read_u24_le(&reader), 0x171615);
	assert_int_equal(kw_reader_end(&reader), KW_E_TRUNCATED);
	kw_read_octets(&reader, copy, sizeof(copy));
	assert_memory_equal(copy, "\x18\x19", sizeof(copy));
	assert_ptr_equal(kw_read_span(&reader, 1), octets + 25);
	assert_int_equal(kw_reader_end(&reader), KW_OK);
}

static void reads_backwards(void **state)
{
	struct kw_reader reader;
	uint8_t out[4];

	(void)state;
	kw_reader_init(&reader, octets, 4);
	kw_read_reversed(&reader, out, sizeof(out));
	assert_memory_equal(out, "\x04\x03\x02\x01", sizeof(out));
	assert_int_equal(kw_reader_end(&reader), KW_OK);
}

static void everything_is_zero_after_a_failure(void **state)
{
	struct kw_reader reader;
	uint8_t out[4];
	char text[4];

	(void)state;
	kw_reader_init(&reader, octets, 3);
	assert_int_equal(kw_read_u32(&reader), 0);
	assert_int_equal(kw_read_u8(&reader), 0);
	assert_int_equal(kw_read_u16(&reader), 0);
	assert_int_equal(kw_read_u24(&reader), 0);
	assert_int_equal(kw_read_u16_le(&reader), 0);
	assert_int_equal(kw_read_u24_le(&reader), 0);
	assert_true(kw_read_u64(&reader) == 0);
	memset(out, 0xee, sizeof(out));
	kw_read_octets(&reader, out, 1);
	assert_int_equal(out[0], 0);
	kw_read_reversed(&reader, out, sizeof(out));
	assert_memory_equal(out, "\0\0\0\0", sizeof(out));
	assert_null(kw_read_span(&reader, 1));
	memset(text, 'x', sizeof(text));
	kw_read_string(&reader, text, sizeof(text));
	assert_memory_equal(text, "\0\0\0\0", sizeof(text));
	assert_int_equal(kw_reader_end(&reader), KW_E_TRUNCATED);
}

/* A failure in the middle stays, though a smaller field would still fit. */
static void fails_at_every_length_but_the_right_one(void **state)
{
	(void)state;
	for (size_t length = 0; length <= sizeof(octets); length++) {
		uint8_t *exact = malloc(length);
		struct kw_reader reader;

		assert_true(exact != NULL || length == 0);
		if (length > 0) {
			memcpy(exact, octets, length);
		}
		kw_reader_init(&reader, exact, length);
		kw_read_u8(&reader);
		kw_read_u32(&reader);
		kw_read_u24_le(&reader);
		kw_read_u16_le(&reader);
		kw_read_span(&reader, 3);
		kw_read_u64(&reader);
		assert_int_equal(kw_reader_end(&reader), length == 21 ? KW_OK : KW_E_TRUNCATED);
		free(exact);
	}
}

static void an_empty_input_has_an_end(void **state)
{
	struct kw_reader reader;
	uint8_t out = 0xee;

	(void)state;
	kw_reader_init(&reader, octets, 0);
	assert_int_equal(kw_reader_end(&reader), KW_OK);
	kw_read_octets(&reader, &out, 0);
	assert_int_equal(out, 0xee);
	assert_int_equal(kw_reader_end(&reader), KW_OK);
	assert_int_equal(kw_read_u8(&reader), 0);
	assert_int_equal(kw_reader_end(&reader), KW_E_TRUNCATED);
}

static void strings_must_fit_and_hold_no_nul(void **state)
{
	static const struct {
		const char *input;
		size_t length;
		const char *want; /* NULL: a failure */
	} cases[] = {
		{"\x03"
		 "abc",
			4, "abc"},
		{"\x00", 1, ""},
		{"\x04"
		 "abcd",
			5, "abcd"},
		{"\x05"
		 "abcde",
			6, NULL},
		{"\x03"
		 "ab",
			3, NULL},
		{"\x03"
		 "a\0c",
			4, NULL},
		{"\xff"
		 "abc",
			4, NULL},
		{"", 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kw_reader reader;
		char out[5] = "xxxx";

		kw_reader_init(&reader, cases[i].input, cases[i].length);
		kw_read_string(&reader, out, sizeof(out));
		assert_string_equal(out, cases[i].want != NULL ? cases[i].want : "");
		assert_int_equal(
			kw_reader_end(&reader), cases[i].want != NULL ? KW_OK : KW_E_TRUNCATED);
	}
}

static void writes_what_is_read(void **state)
{
	uint8_t out[40];
	struct kw_writer writer;
	char text[8];
	struct kw_reader reader;

	(void)state;
	kw_writer_init(&writer, out, sizeof(out));
	kw_write_u8(&writer, 0x01);
	kw_write_u16(&writer, 0x0203);
	kw_write_u24(&writer, 0x040506);
	kw_write_u32(&writer, 0x0708090a);
	kw_write_u64(&writer, UINT64_C(0x0b0c0d0e0f101112));
	kw_write_u16_le(&writer, 0x1413);
	kw_write_u24_le(&writer, 0x171615);
	kw_write_octets(&writer, octets + 23, 1);
	kw_write_reversed(&writer, "\x1a\x19", 2);
	assert_memory_equal(out, octets, sizeof(octets));
	assert_int_equal(writer.used, sizeof(octets));
	kw_write_string(&writer, "LoRa");
	assert_int_equal(kw_writer_end(&writer), KW_OK);
	kw_reader_init(&reader, out + sizeof(octets), writer.used - sizeof(octets));
	kw_read_string(&reader, text, sizeof(text));
	assert_string_equal(text, "LoRa");
	assert_int_equal(kw_reader_end(&reader), KW_OK);
}

static void fields_keep_their_size(void **state)
{
	uint8_t out[3];
	struct kw_writer writer;

	(void)state;
	kw_writer_init(&writer, out, sizeof(out));
	kw_write_u24(&writer, 0xff010203);
	assert_memory_equal(out, "\x01\x02\x03", sizeof(out));
	kw_writer_init(&writer, out, sizeof(out));
	kw_write_u24_le(&writer, 0xff010203);
	assert_memory_equal(out, "\x03\x02\x01", sizeof(out));
}

static void never_writes_past_the_end(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 24; size++) {
		uint8_t *out = malloc(size + 1);
		struct kw_writer writer;

		assert_non_null(out);
		out[size] = 0xee;
		kw_writer_init(&writer, out, size);
		kw_write_u8(&writer, 1);
		kw_write_u64(&writer, 2);
		kw_write_u24(&writer, 3);
		kw_write_string(&writer, "abc");
		kw_write_reversed(&writer, octets, 2);
		kw_write_u16(&writer, 4);
		assert_int_equal(kw_writer_end(&writer), size >= 20 ? KW_OK : KW_E_TOO_LONG);
		assert_in_range(writer.used, 0, size);
		assert_int_equal(out[size], 0xee);
		free(out);
	}
}

static void nothing_is_written_after_a_failure(void **state)
{
	uint8_t out[4] = {0};
	struct kw_writer writer;

	(void)state;
	kw_writer_init(&writer, out, sizeof(out));
	kw_write_u64(&writer, UINT64_MAX);
	kw_write_u8(&writer, 0xff);
	kw_write_octets(&writer, octets, 1);
	kw_write_string(&writer, "");
	assert_int_equal(writer.used, 0);
	assert_memory_equal(out, "\0\0\0\0", sizeof(out));
	assert_int_equal(kw_writer_end(&writer), KW_E_TOO_LONG);
}

static void strings_end_at_255_octets(void **state)
{
	uint8_t out[300];
	char text[258] = "";
	struct kw_writer writer;

	(void)state;
	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		kw_writer_init(&writer, out, sizeof(out));
		kw_write_string(&writer, text);
		assert_int_equal(kw_writer_end(&writer), length <= 255 ? KW_OK : KW_E_TOO_LONG);
		assert_int_equal(writer.used, length <= 255 ? length + 1 : 0);
		text[length] = 'a';
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_numbers_in_both_orders),
		cmocka_unit_test(reads_backwards),
		cmocka_unit_test(everything_is_zero_after_a_failure),
		cmocka_unit_test(fails_at_every_length_but_the_right_one),
		cmocka_unit_test(an_empty_input_has_an_end),
		cmocka_unit_test(strings_must_fit_and_hold_no_nul),
		cmocka_unit_test(writes_what_is_read),
		cmocka_unit_test(fields_keep_their_size),
		cmocka_unit_test(never_writes_past_the_end),
		cmocka_unit_test(nothing_is_written_after_a_failure),
		cmocka_unit_test(strings_end_at_255_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
