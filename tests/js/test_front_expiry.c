#include "js/front_expiry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW  UINT64_C(1800000000)
#define DAY  UINT64_C(86400)
#define HOUR UINT64_C(3600000000) /* us */

static void judges(void **state)
{
	(void)state;
	assert_int_equal(js_front_expiry_judge(0, NOW), JS_FRONT_EXPIRY_FINE);
	assert_int_equal(js_front_expiry_judge(1, NOW), JS_FRONT_EXPIRY_OVER);
	assert_int_equal(js_front_expiry_judge(NOW - 1, NOW), JS_FRONT_EXPIRY_OVER);
	assert_int_equal(js_front_expiry_judge(NOW, NOW), JS_FRONT_EXPIRY_OVER);
	assert_int_equal(js_front_expiry_judge(NOW + 1, NOW), JS_FRONT_EXPIRY_SOON);
	assert_int_equal(js_front_expiry_judge(NOW + 30 * DAY, NOW), JS_FRONT_EXPIRY_SOON);
	assert_int_equal(js_front_expiry_judge(NOW + 30 * DAY + 1, NOW), JS_FRONT_EXPIRY_FINE);
	assert_int_equal(js_front_expiry_judge(UINT64_MAX, NOW), JS_FRONT_EXPIRY_FINE);
}

static struct js_front_expiry expiry;

/* What is logged by one look, at `mono_us`. */
static const char *said(uint64_t expires_s, uint64_t mono_us, int *next_ms)
{
	static char text[512];
	int ends[2], kept = dup(STDERR_FILENO);
	ssize_t got;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	*next_ms = js_front_expiry_watch(&expiry, expires_s, NOW, mono_us);
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	close(kept);
	close(ends[1]);
	got = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void says_it_once_a_day(void **state)
{
	int next_ms;

	(void)state;
	memset(&expiry, 0, sizeof(expiry));
	assert_non_null(strstr(said(NOW + 7 * DAY, HOUR, &next_ms), "expires soon"));
	assert_int_equal(next_ms, 24 * 3600 * 1000);
	assert_string_equal(said(NOW + 7 * DAY, 20 * HOUR, &next_ms), "");
	assert_int_equal(next_ms, 5 * 3600 * 1000);
	assert_string_equal(said(NOW + 7 * DAY, 25 * HOUR - 1, &next_ms), "");
	assert_int_equal(next_ms, 1);
	assert_non_null(strstr(said(NOW + 7 * DAY, 25 * HOUR, &next_ms), "days=7"));
	assert_int_equal(next_ms, 24 * 3600 * 1000);
}

static void says_what_is_the_case(void **state)
{
	int next_ms;

	(void)state;
	memset(&expiry, 0, sizeof(expiry));
	assert_string_equal(said(NOW + 31 * DAY, 1, &next_ms), "");
	memset(&expiry, 0, sizeof(expiry));
	assert_string_equal(said(0, 1, &next_ms), "");
	memset(&expiry, 0, sizeof(expiry));
	assert_non_null(strstr(said(NOW - DAY, 1, &next_ms), "has expired"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges),
		cmocka_unit_test(says_it_once_a_day),
		cmocka_unit_test(says_what_is_the_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
