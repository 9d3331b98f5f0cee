#include "tests/bench/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BEGIN  5000000u
#define SECOND 1000000u

/* Requests that can be taken at this moment. */
static unsigned take_all(struct schedule *schedule, uint64_t now_us)
{
	unsigned taken = 0;
	uint64_t due_us;

	while (schedule_take(schedule, now_us, &due_us)) {
		assert_true(due_us <= now_us);
		taken++;
	}
	return taken;
}

static void test_closed_loop_is_always_due(void **state)
{
	struct schedule schedule;
	uint64_t due_us;

	(void)state;
	schedule_init(&schedule, 0, BEGIN, SECOND, 3);
	assert_true(schedule_take(&schedule, BEGIN, &due_us));
	assert_int_equal(due_us, BEGIN);
	assert_true(schedule_take(&schedule, BEGIN + 77, &due_us));
	assert_int_equal(due_us, BEGIN + 77);
	assert_false(schedule_take(&schedule, BEGIN + SECOND, &due_us));
	assert_true(schedule_take(&schedule, BEGIN + SECOND - 1, &due_us));
	assert_false(schedule_take(&schedule, BEGIN + SECOND - 1, &due_us));
	assert_int_equal(schedule.taken, 3);
}

static void test_open_loop_keeps_its_moments(void **state)
{
	struct schedule schedule;
	uint64_t due_us;

	(void)state;
	schedule_init(&schedule, 1000, BEGIN, SECOND, 1u << 30);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(schedule_next_us(&schedule, BEGIN), BEGIN + i * 1000);
		assert_false(i > 0 && schedule_take(&schedule, BEGIN + i * 1000 - 1, &due_us));
		assert_true(schedule_take(&schedule, BEGIN + i * 1000, &due_us));
		assert_int_equal(due_us, BEGIN + i * 1000);
	}
	assert_true(schedule_next_us(&schedule, BEGIN) == UINT64_MAX);
	assert_false(schedule_take(&schedule, BEGIN + 5 * SECOND, &due_us));
}

/* All that became due in a stall is there after it, each with its own moment. */
static void test_a_stall_omits_nothing(void **state)
{
	struct schedule schedule;
	uint64_t due_us;

	(void)state;
	schedule_init(&schedule, 1000, BEGIN, SECOND, 1u << 30);
	assert_int_equal(take_all(&schedule, BEGIN + 99999), 100);
	for (unsigned i = 100; i < 200; i++) {
		assert_true(schedule_take(&schedule, BEGIN + 199999, &due_us));
		assert_int_equal(due_us, BEGIN + i * 1000);
	}
	assert_false(schedule_take(&schedule, BEGIN + 199999, &due_us));
}

/* What was due before the end is sent after it. */
static void test_the_backlog_outlives_the_end(void **state)
{
	struct schedule schedule;

	(void)state;
	schedule_init(&schedule, 100, BEGIN, SECOND, 1u << 30);
	assert_int_equal(schedule_next_us(&schedule, BEGIN + 3 * SECOND), BEGIN);
	assert_int_equal(take_all(&schedule, BEGIN + 3 * SECOND), 100);
}

static void test_count_ends_it(void **state)
{
	struct schedule schedule;

	(void)state;
	schedule_init(&schedule, 100, BEGIN, SECOND, 7);
	assert_int_equal(take_all(&schedule, BEGIN + SECOND), 7);
	assert_true(schedule_next_us(&schedule, BEGIN) == UINT64_MAX);
}

/* A rate that does not divide a second does not drift. */
static void test_an_odd_rate_does_not_drift(void **state)
{
	const uint32_t rates[] = {1, 3, 7, 4801, 333333, SCHEDULE_RATE_MAX};

	(void)state;
	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct schedule schedule;

		schedule_init(&schedule, rates[i], BEGIN, 2 * SECOND, 1u << 30);
		assert_int_equal(take_all(&schedule, BEGIN + SECOND - 1), rates[i]);
		assert_int_equal(schedule_next_us(&schedule, BEGIN), BEGIN + SECOND);
		assert_int_equal(take_all(&schedule, BEGIN + 9 * SECOND), rates[i]);
	}
	/* The last of an hour at the greatest rate. */
	{
		struct schedule schedule;

		schedule_init(&schedule, 999983, BEGIN, 3600ull * SECOND, 1ull << 40);
		schedule.taken = 999983ull * 3600 - 1;
		assert_int_equal(schedule_next_us(&schedule, BEGIN), BEGIN + 3600ull * SECOND - 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_loop_is_always_due),
		cmocka_unit_test(test_open_loop_keeps_its_moments),
		cmocka_unit_test(test_a_stall_omits_nothing),
		cmocka_unit_test(test_the_backlog_outlives_the_end),
		cmocka_unit_test(test_count_ends_it),
		cmocka_unit_test(test_an_odd_rate_does_not_drift),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
