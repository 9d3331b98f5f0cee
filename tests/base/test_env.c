#include "base/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include <string.h>

static void writes_times_in_utc(void **state)
{
	static const struct {
		uint64_t time_ms;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{999, "1970-01-01T00:00:00.999Z"},
		{951827696789, "2000-02-29T12:34:56.789Z"},
		{1767225600000, "2026-01-01T00:00:00.000Z"},
		{1767225599999, "2025-12-31T23:59:59.999Z"},
		{4294967296000, "2106-02-07T06:28:16.000Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"},
	};
	char text[KW_TIME_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kw_time_text(cases[i].time_ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

/* Each day of three eras of the calendar. */
static void writes_every_day(void **state)
{
	(void)state;
	for (time_t day = 0; day < 440000; day++) {
		time_t seconds = day * 86400 + day % 86400;
		char text[KW_TIME_TEXT_SIZE], right[KW_TIME_TEXT_SIZE];
		struct tm tm;

		assert_non_null(gmtime_r(&seconds, &tm));
		assert_int_not_equal(strftime(right, sizeof(right), "%FT%T.000Z", &tm), 0);
		kw_time_text((uint64_t)seconds * 1000, text);
		assert_string_equal(text, right);
	}
}

static void reads_what_it_writes(void **state)
{
	static const struct {
		const char *text;
		uint64_t time_ms;
	} cases[] = {
		{"1970-01-01T00:00:00.000Z", 0},
		{"2000-02-29T12:34:56.789Z", 951827696789},
		{"2000-02-29T12:34:56.7899999999999Z", 951827696789},
		{"2000-02-29T12:34:56.7Z", 951827696700},
		{"2026-01-01T00:00:00Z", 1767225600000},
		{"9999-12-31T23:59:59.999Z", 253402300799999},
	};
	static const char *const wrong[] = {"", "2026-01-01", "2026-01-01T00:00:00",
		"2026-01-01T00:00:00.Z", "2026-01-01T00:00:00z", "2026-01-01T00:00:00Z ",
		"2026-01-01 00:00:00Z", "2026-01-01T00:00:00+00:00", "2026-1-01T00:00:00Z",
		"2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "1969-12-31T23:59:59Z",
		"-026-01-01T00:00:00Z", "12026-01-01T00:00:00Z", "2026-01-01T00:00:00.0xZ"};
	uint64_t time_ms;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(kw_time_read(cases[i].text, &time_ms), KW_OK);
		assert_int_equal(time_ms, cases[i].time_ms);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		time_ms = 1;
		assert_int_equal(kw_time_read(wrong[i], &time_ms), KW_E_SYNTAX);
		assert_int_equal(time_ms, 0);
	}
}

static void times_without_a_text_are_empty(void **state)
{
	static const uint64_t cases[] = {253402300800000, UINT64_MAX / 2, UINT64_MAX};
	char text[KW_TIME_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(text, 'x', sizeof(text));
		kw_time_text(cases[i], text);
		assert_string_equal(text, "");
	}
}

static void the_system_has_clocks(void **state)
{
	uint64_t last = kw_mono_us(&kw_env_system);

	(void)state;
	assert_true(kw_now_ms(&kw_env_system) > 1700000000000);
	for (int i = 0; i < 1000; i++) {
		uint64_t now = kw_mono_us(&kw_env_system);

		assert_true(now >= last);
		last = now;
	}
}

static void the_system_has_randomness(void **state)
{
	uint8_t a[1000] = {0};
	uint8_t b[1000] = {0};
	uint8_t kept = 0xee;
	size_t zeros = 0;

	(void)state;
	assert_int_equal(kw_random(&kw_env_system, a, sizeof(a)), KW_OK);
	assert_int_equal(kw_random(&kw_env_system, b, sizeof(b)), KW_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++) {
		zeros += a[i] == 0;
	}
	assert_in_range(zeros, 0, 100);
	assert_int_equal(kw_random(&kw_env_system, &kept, 0), KW_OK);
	assert_int_equal(kept, 0xee);
}

static uint64_t fixed_time(void *arg)
{
	return *(const uint64_t *)arg;
}

static enum kw_err no_random(void *arg, void *out, size_t length)
{
	(void)arg;
	memset(out, 0, length);
	return KW_E_SYSTEM;
}

static void a_test_can_decide_both(void **state)
{
	uint64_t time = 42;
	struct kw_env env = {
		.now_ms = fixed_time, .mono_us = fixed_time, .random = no_random, .arg = &time};
	uint8_t out[4];

	(void)state;
	assert_int_equal(kw_now_ms(&env), 42);
	time = 43;
	assert_int_equal(kw_mono_us(&env), 43);
	assert_int_equal(kw_random(&env, out, sizeof(out)), KW_E_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_times_in_utc),
		cmocka_unit_test(writes_every_day),
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(times_without_a_text_are_empty),
		cmocka_unit_test(the_system_has_clocks),
		cmocka_unit_test(the_system_has_randomness),
		cmocka_unit_test(a_test_can_decide_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
