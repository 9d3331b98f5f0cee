#include "js/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND_US UINT64_C(1000000)

static unsigned taken(struct js_rates *rates, uint32_t peer, uint64_t now_us)
{
	unsigned count = 0;

	while (count < 1000 && js_rate_take(rates, peer, 10, 20, now_us)) {
		count++;
	}
	return count;
}

static void a_burst_and_then_the_rate(void **state)
{
	struct js_rates rates = {0};

	(void)state;
	assert_int_equal(20, taken(&rates, 7, SECOND_US));
	assert_int_equal(0, taken(&rates, 7, SECOND_US));
	assert_int_equal(10, taken(&rates, 7, 2 * SECOND_US));
	assert_int_equal(20, taken(&rates, 7, 60 * SECOND_US));
	/* Each has its own. */
	assert_int_equal(20, taken(&rates, 8, 60 * SECOND_US));
	assert_int_equal(20, taken(&rates, 5000, 60 * SECOND_US));
	assert_int_equal(0, taken(&rates, 8, 60 * SECOND_US));
	js_rates_finish(&rates);
}

/* Who had a long burst at a low rate and used it up is judged by what holds now. */
static void a_new_rate_holds_at_once(void **state)
{
	struct js_rates rates = {0};

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		assert_true(js_rate_take(&rates, 7, 1, 100000, SECOND_US));
	}
	assert_false(js_rate_take(&rates, 7, 1, 100000, SECOND_US));
	assert_int_equal(0, taken(&rates, 7, SECOND_US));
	assert_int_equal(10, taken(&rates, 7, 2 * SECOND_US));
	assert_int_equal(20, taken(&rates, 7, 4 * SECOND_US));
	js_rates_finish(&rates);
}

static void no_rate_is_no_limit(void **state)
{
	struct js_rates rates = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(js_rate_take(&rates, 7, 0, 1, SECOND_US));
	}
	assert_int_equal(0, rates.count);
}

/* As a damaged record of a peer would have it. */
static void an_id_out_of_all_bounds_costs_no_memory(void **state)
{
	struct js_rates rates = {0};

	(void)state;
	assert_int_equal(1000, taken(&rates, 1 << 24, SECOND_US));
	assert_int_equal(1000, taken(&rates, UINT32_MAX, SECOND_US));
	assert_int_equal(0, rates.count);
	assert_int_equal(20, taken(&rates, (1 << 20) - 1, SECOND_US));
	js_rates_finish(&rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_and_then_the_rate),
		cmocka_unit_test(a_new_rate_holds_at_once),
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(an_id_out_of_all_bounds_costs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
