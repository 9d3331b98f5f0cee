/* DevEUIs that stand twice in a long file. */
#include "provision/runs.h"

#include <endian.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define RUNS     7
#define PER_RUN  3000
#define TOLD_MAX 16

struct told {
	size_t count;
	uint64_t eui[TOLD_MAX];
	uint32_t first[TOLD_MAX];
	uint32_t line[TOLD_MAX];
};

static enum kw_err take(
	void *context, const struct lw_eui *dev_eui, uint32_t first_line, uint32_t line)
{
	struct told *told = context;
	uint64_t number;

	memcpy(&number, dev_eui->octets, sizeof(number));
	assert_true(told->count < TOLD_MAX);
	told->eui[told->count] = be64toh(number);
	told->first[told->count] = first_line;
	told->line[told->count++] = line;
	return KW_OK;
}

static enum kw_err stop(
	void *context, const struct lw_eui *dev_eui, uint32_t first_line, uint32_t line)
{
	(void)context;
	(void)dev_eui;
	(void)first_line;
	(void)line;
	return KW_E_CLOSED;
}

/* Lines from 1; a run is what stands on PER_RUN lines. */
static void fill(struct pr_runs *runs, uint64_t (*number)(uint32_t line))
{
	struct pr_seen seen;

	pr_runs_init(runs);
	pr_seen_init(&seen);
	for (uint32_t line = 1; line <= RUNS * PER_RUN; line++) {
		const uint64_t octets = htobe64(number(line));
		struct lw_eui eui;
		uint32_t first;

		memcpy(eui.octets, &octets, sizeof(octets));
		assert_int_equal(pr_seen_add(&seen, &eui, line, &first), KW_OK);
		assert_int_equal(first, 0);
		if (line % PER_RUN == 0) {
			assert_int_equal(pr_runs_take(runs, &seen), KW_OK);
			assert_int_equal(seen.count, 0);
		}
	}
	assert_int_equal(pr_runs_take(runs, &seen), KW_OK); /* nothing more */
	assert_int_equal(runs->count, RUNS);
	pr_seen_finish(&seen);
}

static void find(uint64_t (*number)(uint32_t line), struct told *told)
{
	struct pr_runs runs;

	memset(told, 0, sizeof(*told));
	fill(&runs, number);
	assert_int_equal(pr_runs_twice(&runs, take, told), KW_OK);
	pr_runs_finish(&runs);
}

static uint64_t scattered(uint32_t line)
{
	return line * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t sorted(uint32_t line)
{
	return line * UINT64_C(0x100000000);
}

static uint64_t sorted_but_one(uint32_t line)
{
	return line == RUNS * PER_RUN ? sorted(5) : sorted(line);
}

static uint64_t scattered_but_four(uint32_t line)
{
	switch (line) {
	case PER_RUN + 1:
	case 3 * PER_RUN:
	case 6 * PER_RUN + 17:
		return scattered(2);
	case 2 * PER_RUN + 1:
		return scattered(2 * PER_RUN);
	default:
		return scattered(line);
	}
}

static void none_where_none_is(void **state)
{
	struct told told;

	(void)state;
	find(scattered, &told);
	assert_int_equal(told.count, 0);
	find(sorted, &told);
	assert_int_equal(told.count, 0);
}

static void one_at_the_end_of_a_sorted_file(void **state)
{
	struct told told;

	(void)state;
	find(sorted_but_one, &told);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.eui[0], sorted(5));
	assert_int_equal(told.first[0], 5);
	assert_int_equal(told.line[0], RUNS * PER_RUN);
}

static void every_line_but_the_first(void **state)
{
	static const uint32_t lines[] = {PER_RUN + 1, 3 * PER_RUN, 6 * PER_RUN + 17};
	struct told told;
	size_t of_line_2 = 0;

	(void)state;
	find(scattered_but_four, &told);
	assert_int_equal(told.count, 4);
	for (size_t i = 0; i < told.count; i++) {
		if (told.first[i] == 2) {
			assert_int_equal(told.eui[i], scattered(2));
			assert_int_equal(told.line[i], lines[of_line_2++]);
		} else {
			assert_int_equal(told.first[i], 2 * PER_RUN);
			assert_int_equal(told.line[i], 2 * PER_RUN + 1);
		}
	}
	assert_int_equal(of_line_2, 3);
}

static void who_is_told_may_stop(void **state)
{
	struct pr_runs runs;

	(void)state;
	fill(&runs, scattered_but_four);
	assert_int_equal(pr_runs_twice(&runs, stop, NULL), KW_E_CLOSED);
	pr_runs_finish(&runs);
}

static void no_place_for_the_file(void **state)
{
	struct pr_runs runs;
	struct pr_seen seen;
	const struct lw_eui eui = {{1}};
	uint32_t first;

	(void)state;
	assert_int_equal(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
	pr_runs_init(&runs);
	pr_seen_init(&seen);
	assert_int_equal(pr_seen_add(&seen, &eui, 1, &first), KW_OK);
	assert_int_equal(pr_runs_take(&runs, &seen), KW_E_SYSTEM);
	assert_int_equal(runs.count, 0);
	pr_seen_finish(&seen);
	pr_runs_finish(&runs);
	assert_int_equal(unsetenv("TMPDIR"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_where_none_is),
		cmocka_unit_test(one_at_the_end_of_a_sorted_file),
		cmocka_unit_test(every_line_but_the_first),
		cmocka_unit_test(who_is_told_may_stop),
		cmocka_unit_test(no_place_for_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
