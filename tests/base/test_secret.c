#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void wipes_what_it_is_told(void **state)
{
	uint8_t memory[300];

	(void)state;
	for (size_t length = 0; length <= sizeof(memory); length++) {
		memset(memory, 0xee, sizeof(memory));
		kw_wipe(memory, length);
		for (size_t i = 0; i < sizeof(memory); i++) {
			assert_int_equal(memory[i], i < length ? 0 : 0xee);
		}
	}
	kw_wipe(NULL, 0);
}

static void sees_every_difference(void **state)
{
	uint8_t a[64];
	uint8_t b[64];

	(void)state;
	memset(a, 0x5a, sizeof(a));
	memcpy(b, a, sizeof(a));
	assert_true(kw_equal_ct(a, b, sizeof(a)));
	assert_true(kw_equal_ct(a, b, 0));
	for (size_t bit = 0; bit < 8 * sizeof(b); bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(kw_equal_ct(a, b, sizeof(a)));
		assert_true(kw_equal_ct(a, b, bit / 8));
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* In a child: there is no way back. */
static int protect_and_look(void)
{
	struct rlimit core;

	kw_secret_process();
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) {
		return 2;
	}
	if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0) {
		return 3;
	}
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 4;
}

static void protects_a_process(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		_exit(protect_and_look());
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wipes_what_it_is_told),
		cmocka_unit_test(sees_every_difference),
		cmocka_unit_test(protects_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
