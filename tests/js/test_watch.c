#include "js/keywardd_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define START    UINT64_C(1000)
#define SECOND   UINT64_C(1000000)
#define NOTICED  (START + JS_WATCH_LOOKS_MAX * JS_WATCH_LOOK_US)
#define FOR_LONG (START + 1000 * SECOND)

/* @return when it was found to be stuck; 0: not at all */
static uint64_t look_until(struct js_watch *watch, uint64_t from, uint64_t to)
{
	for (uint64_t now = from; now <= to; now += SECOND / 10) {
		if (js_watch_look(watch, now)) {
			return now;
		}
	}
	return 0;
}

static void silent_child_is_noticed_once(void **state)
{
	struct js_watch watch;
	uint64_t found;

	(void)state;
	js_watch_begin(&watch, START);
	found = look_until(&watch, START, FOR_LONG);
	assert_in_range(found, NOTICED, NOTICED + SECOND);
	assert_int_equal(look_until(&watch, found + 1, FOR_LONG), 0);
	assert_int_equal(watch.look_us, 0);
}

static void child_that_speaks_is_left_alone(void **state)
{
	struct js_watch watch;

	(void)state;
	js_watch_begin(&watch, START);
	for (uint64_t now = START; now < FOR_LONG; now += SECOND) {
		js_watch_hear(&watch);
		assert_int_equal(look_until(&watch, now, now + SECOND - 1), 0);
	}
}

/* A turn that takes long, but less than what is allowed, again and again. */
static void long_turns_are_allowed(void **state)
{
	const uint64_t turn = (JS_WATCH_LOOKS_MAX - 1) * JS_WATCH_LOOK_US;
	struct js_watch watch;

	(void)state;
	js_watch_begin(&watch, START);
	for (uint64_t now = START; now < FOR_LONG; now += turn) {
		js_watch_hear(&watch);
		assert_int_equal(look_until(&watch, now, now + turn - 1), 0);
	}
}

static void silence_after_words_is_noticed(void **state)
{
	struct js_watch watch;

	(void)state;
	js_watch_begin(&watch, START);
	js_watch_hear(&watch);
	assert_int_equal(look_until(&watch, START, NOTICED), 0);
	assert_in_range(look_until(&watch, NOTICED, FOR_LONG), NOTICED, NOTICED + 3 * SECOND);
}

/* keywardd slept as long as the child did. */
static void pause_of_all_is_one_look(void **state)
{
	struct js_watch watch;

	(void)state;
	js_watch_begin(&watch, START);
	assert_false(js_watch_look(&watch, START + 3600 * SECOND));
	assert_false(js_watch_look(&watch, START + 3600 * SECOND + 1));
	js_watch_hear(&watch);
	assert_false(js_watch_look(&watch, START + 7200 * SECOND));
	assert_int_equal(watch.silent, 0);
}

static void nobody_is_watched_after_a_death(void **state)
{
	struct js_watch watch;

	(void)state;
	js_watch_begin(&watch, START);
	js_watch_end(&watch);
	assert_int_equal(look_until(&watch, START, FOR_LONG), 0);
	/* And the next child begins anew. */
	js_watch_begin(&watch, FOR_LONG);
	assert_int_equal(look_until(&watch, FOR_LONG, FOR_LONG + NOTICED - START - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silent_child_is_noticed_once),
		cmocka_unit_test(child_that_speaks_is_left_alone),
		cmocka_unit_test(long_turns_are_allowed),
		cmocka_unit_test(silence_after_words_is_noticed),
		cmocka_unit_test(pause_of_all_is_one_look),
		cmocka_unit_test(nobody_is_watched_after_a_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
