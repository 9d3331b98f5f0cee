#include "tests/bench/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define VALUES 20000

static struct latency latency;

static int empty(void **state)
{
	(void)state;
	memset(&latency, 0, sizeof(latency));
	return 0;
}

static void test_nothing(void **state)
{
	(void)state;
	assert_int_equal(latency_percentile(&latency, 0), 0);
	assert_int_equal(latency_percentile(&latency, 0.5), 0);
	assert_int_equal(latency_percentile(&latency, 1), 0);
}

static void test_small_values_are_exact(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 200; i++) {
		latency_add(&latency, i);
	}
	assert_int_equal(latency.count, 200);
	assert_int_equal(latency.max, 200);
	assert_int_equal(latency_percentile(&latency, 0), 1);
	assert_int_equal(latency_percentile(&latency, 0.005), 1);
	assert_int_equal(latency_percentile(&latency, 0.5), 100);
	assert_int_equal(latency_percentile(&latency, 0.501), 101);
	assert_int_equal(latency_percentile(&latency, 0.99), 198);
	assert_int_equal(latency_percentile(&latency, 0.999), 200);
	assert_int_equal(latency_percentile(&latency, 1), 200);
}

/* One slow answer in a thousand is p99.9's business and not p99's. */
static void test_the_tail_is_seen(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 998; i++) {
		latency_add(&latency, 100);
	}
	latency_add(&latency, 100000);
	latency_add(&latency, 100000);
	assert_int_equal(latency_percentile(&latency, 0.99), 100);
	assert_int_equal(latency_percentile(&latency, 0.998), 100);
	assert_int_equal(latency_percentile(&latency, 0.999), 100000);
}

/* Every value alone is told within 1/128, never too low. */
static void test_every_magnitude(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		for (int offset = -1; offset <= 1; offset++) {
			uint64_t value = ((uint64_t)1 << bits) + (uint64_t)(int64_t)offset;
			uint64_t said;

			empty(NULL);
			latency_add(&latency, value);
			latency_add(&latency, UINT32_MAX);
			said = latency_percentile(&latency, 0.5);
			assert_true(said >= value);
			assert_true(said - value <= value / 128);
		}
	}
}

static void test_beyond_the_last_bucket(void **state)
{
	(void)state;
	latency_add(&latency, (uint64_t)1 << 40);
	latency_add(&latency, UINT64_MAX);
	assert_int_equal(latency.buckets[LATENCY_BUCKETS - 1], 2);
	assert_true(latency_percentile(&latency, 0.5) == UINT64_MAX);
}

static int ascending(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* Against the percentile by sorting, for values of all magnitudes. */
static void test_against_sorting(void **state)
{
	static const unsigned per_mille[] = {1, 10, 100, 500, 900, 990, 999, 1000};
	static uint64_t values[VALUES];
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < VALUES; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		values[i] = (seed >> 32) >> (seed >> 27 & 31);
		latency_add(&latency, values[i]);
	}
	qsort(values, VALUES, sizeof(values[0]), ascending);
	for (unsigned i = 0; i < sizeof(per_mille) / sizeof(per_mille[0]); i++) {
		uint64_t exact = values[VALUES / 1000 * per_mille[i] - 1];
		uint64_t said = latency_percentile(&latency, (double)per_mille[i] / 1000);

		assert_true(said >= exact);
		assert_true(said - exact <= exact / 128);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing, empty),
		cmocka_unit_test_setup(test_small_values_are_exact, empty),
		cmocka_unit_test_setup(test_the_tail_is_seen, empty),
		cmocka_unit_test_setup(test_every_magnitude, empty),
		cmocka_unit_test_setup(test_beyond_the_last_bucket, empty),
		cmocka_unit_test_setup(test_against_sorting, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
