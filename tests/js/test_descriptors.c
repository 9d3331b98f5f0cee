#include "js/descriptors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST 3
#define COUNT 6

/* A descriptor with its own mark in it, at the given number. */
static void mark(int fd, char octet)
{
	int low = memfd_create("mark", MFD_CLOEXEC);
	int made = fcntl(low, F_DUPFD_CLOEXEC, 200);

	close(low);
	if (made < 0 || pwrite(made, &octet, 1, 0) != 1 || dup3(made, fd, O_CLOEXEC) != fd) {
		_exit(50);
	}
	close(made);
}

static char mark_at(int fd)
{
	char octet = 0;

	return pread(fd, &octet, 1, 0) == 1 ? octet : '\0';
}

static int place(const int *where, size_t count)
{
	int fds[COUNT];

	close_range(FIRST, ~0U, 0);
	for (size_t i = 0; i < count; i++) {
		fds[i] = where[i];
		mark(where[i], (char)('a' + i));
	}
	mark(77, 'x');
	if (js_descriptors_place(fds, count, FIRST) != KW_OK) {
		return 1;
	}
	for (size_t i = 0; i < count; i++) {
		if (mark_at(FIRST + (int)i) != (char)('a' + i)) {
			return 2;
		}
		if (fcntl(FIRST + (int)i, F_GETFD) != 0) {
			return 3; /* would be closed by exec */
		}
	}
	for (int fd = FIRST + (int)count; fd < 100; fd++) {
		if (fcntl(fd, F_GETFD) != -1) {
			return 4;
		}
	}
	return 0;
}

static void check(const int *where, size_t count)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		_exit(place(where, count));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void places_from_afar(void **state)
{
	(void)state;
	check((const int[]){40, 41, 42, 43, 44, 45}, 6);
	check((const int[]){45, 44, 43, 42, 41, 40}, 6);
	check((const int[]){60}, 1);
	check(NULL, 0);
}

static void places_in_place(void **state)
{
	(void)state;
	check((const int[]){3, 4, 5, 6, 7, 8}, 6);
	check((const int[]){3}, 1);
}

static void places_across_each_other(void **state)
{
	(void)state;
	check((const int[]){8, 7, 6, 5, 4, 3}, 6);
	check((const int[]){4, 3}, 2);
	check((const int[]){4, 5, 6, 7, 8, 3}, 6);
	check((const int[]){8, 3, 4, 5, 6, 7}, 6);
}

/* All ways to choose three of the numbers 3 to 9. */
static void places_from_anywhere(void **state)
{
	(void)state;
	for (int a = 3; a < 9; a++) {
		for (int b = 3; b < 9; b++) {
			for (int c = 3; c < 9; c++) {
				if (a != b && b != c && a != c) {
					check((const int[]){a, b, c}, 3);
				}
			}
		}
	}
}

static void refuses_what_is_not_open(void **state)
{
	int fds[] = {900};

	(void)state;
	assert_int_equal(js_descriptors_place(fds, 1, 800), KW_E_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_from_afar),
		cmocka_unit_test(places_in_place),
		cmocka_unit_test(places_across_each_other),
		cmocka_unit_test(places_from_anywhere),
		cmocka_unit_test(refuses_what_is_not_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
