#include "js/told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_first_is_told_and_the_others_are_counted(void **state)
{
	struct js_told told = {.due_us = 0};
	uint64_t now = 5, held = 99;

	(void)state;
	assert_true(js_told_due(&told, now, &held));
	assert_int_equal(held, 0);
	for (unsigned i = 0; i < 1000; i++) {
		assert_false(js_told_due(&told, now + i, &held));
		assert_int_equal(held, 0);
	}
	assert_false(js_told_due(&told, now + JS_TOLD_REST_US - 1, &held));
	assert_true(js_told_due(&told, now + JS_TOLD_REST_US, &held));
	assert_int_equal(held, 1001);
	assert_true(js_told_due(&told, now + 3 * JS_TOLD_REST_US, &held));
	assert_int_equal(held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_told_and_the_others_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
