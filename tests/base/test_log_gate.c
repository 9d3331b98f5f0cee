#include "base/log_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t now_us;

static uint64_t mono(void *arg)
{
	(void)arg;
	return now_us;
}

static const struct kw_env env = {.mono_us = mono};
static struct kw_log_gate gate;
static char said[4096];

/* How many of so many lines get through; what the gate itself says is in `said`. */
static unsigned passes(unsigned lines)
{
	unsigned count = 0;
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t got;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	for (unsigned i = 0; i < lines; i++) {
		count += kw_log_gate(&gate, &env, KW_LOG_WARNING, "test");
	}
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	got = read(ends[0], said, sizeof(said) - 1);
	said[got > 0 ? got : 0] = '\0';
	close(ends[0]);
	return count;
}

static int setup(void **state)
{
	(void)state;
	gate = (struct kw_log_gate){0};
	now_us = 0;
	kw_log_setup(KW_LOG_INFO, false);
	return 0;
}

static void test_ten_a_second(void **state)
{
	(void)state;
	assert_int_equal(passes(10), 10);
	assert_int_equal(passes(1000), 0);
	assert_string_equal(said, "");
	now_us = 999999;
	assert_int_equal(passes(1), 0);
	now_us = 1000000;
	assert_int_equal(passes(11), 10);
}

static void test_what_was_held_back_is_said_once(void **state)
{
	(void)state;
	assert_int_equal(passes(25), 10);
	now_us = 5000000;
	assert_int_equal(passes(1), 1);
	assert_non_null(strstr(said, "lines=15\n"));
	assert_int_equal(passes(1), 1);
	assert_string_equal(said, "");
}

static void test_a_level_that_is_not_logged(void **state)
{
	(void)state;
	kw_log_setup(KW_LOG_ERROR, false);
	assert_int_equal(passes(100), 0);
	kw_log_setup(KW_LOG_INFO, false);
	assert_int_equal(passes(10), 10);
	assert_string_equal(said, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ten_a_second, setup),
		cmocka_unit_test_setup(test_what_was_held_back_is_said_once, setup),
		cmocka_unit_test_setup(test_a_level_that_is_not_logged, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
