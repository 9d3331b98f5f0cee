#include "base/locked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What is given back to the kernel, at the last moment at which it can be seen. */
static size_t given_back, left_over;

int __real_munmap(void *memory, size_t size);
int __wrap_munmap(void *memory, size_t size);
int __wrap_munmap(void *memory, size_t size)
{
	const uint8_t *octets = memory;

	given_back += size;
	for (size_t i = 0; i < size; i++) {
		left_over += octets[i] != 0;
	}
	return __real_munmap(memory, size);
}

static void pages_are_zero_and_can_be_written(void **state)
{
	static const size_t sizes[] = {1, 100, 4096, 4097, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *memory = kw_locked_create(sizes[i]);

		assert_non_null(memory);
		for (size_t at = 0; at < sizes[i]; at++) {
			assert_int_equal(memory[at], 0);
			memory[at] = 0xee;
		}
		kw_locked_destroy(memory, sizes[i]);
	}
	kw_locked_destroy(NULL, 100);
	assert_null(kw_locked_create(0));
	assert_null(kw_locked_create(SIZE_MAX));
}

/* Whether VmFlags of the mapping at `memory` has a flag of two letters. */
static bool has_flag(const void *memory, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[512];
	bool here = false, found = false;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			here = from <= (uintptr_t)memory && (uintptr_t)memory < to;
		} else if (here && strncmp(line, "VmFlags:", 8) == 0) {
			found = strstr(line, flag) != NULL;
		}
	}
	fclose(maps);
	return found;
}

static void nothing_is_left_in_them(void **state)
{
	uint8_t *memory = kw_locked_create(5000);

	(void)state;
	assert_non_null(memory);
	memset(memory, 0xee, 5000);
	given_back = 0;
	left_over = 0;
	kw_locked_destroy(memory, 5000);
	assert_int_equal(given_back, 5000);
	assert_int_equal(left_over, 0);
}

static void neither_cores_nor_children_get_them(void **state)
{
	uint8_t *memory = kw_locked_create(64);

	(void)state;
	assert_non_null(memory);
	assert_true(has_flag(memory, " dd"));
	assert_true(has_flag(memory, " dc"));
	kw_locked_destroy(memory, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_zero_and_can_be_written),
		cmocka_unit_test(nothing_is_left_in_them),
		cmocka_unit_test(neither_cores_nor_children_get_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
