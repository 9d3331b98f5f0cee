/* What keywardd makes of the death of a child: when the next one starts, and when it gives up. */
#include "base/log.h"
#include "js/keywardd_group.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)
#define MS     UINT64_C(1000)
#define VAULT  0
#define PORTAL 1

struct scene {
	struct conf conf;
	struct js_sockets sockets;
	struct js_board board;
	struct js_group group;
	uint64_t now_us;
};

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scene->now_us = 1000 * SECOND;
	scene->group.setup.conf = &scene->conf;
	scene->group.setup.sockets = &scene->sockets;
	js_group_init(&scene->group, &scene->board, scene->now_us);
	assert_int_equal(scene->group.count, 2);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* A child that has lived for so long, served or not, and ends by a signal, or else with a status. */
static struct js_child *dies(struct scene *scene, size_t which, uint64_t lived_us, bool served,
	int signal_number, int status)
{
	struct js_child *child = &scene->group.children[which];
	siginfo_t ended;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGTERM, SIG_DFL);
		if (signal_number != 0) {
			kill(getpid(), signal_number);
		}
		_exit(status);
	}
	child->pid = pid;
	child->started_us = scene->now_us;
	child->due_us = 0;
	child->ready = served;
	child->was_ready = child->was_ready || served;
	if (served && which == VAULT) {
		js_watch_begin(&child->watch, scene->now_us);
	}
	scene->now_us += lived_us;
	assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
	js_group_reap(&scene->group, scene->now_us);
	assert_int_equal(child->pid, 0);
	return child;
}

static uint64_t rest_ms(const struct scene *scene, const struct js_child *child)
{
	assert_true(child->due_us > scene->now_us);
	return (child->due_us - scene->now_us) / MS;
}

static void each_failure_doubles_the_delay(void **state)
{
	static const uint64_t wanted_ms[] = {
		100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(wanted_ms) / sizeof(wanted_ms[0]); i++) {
		const struct js_child *child = dies(scene, VAULT, SECOND, true, SIGKILL, 0);

		assert_int_equal(rest_ms(scene, child), wanted_ms[i]);
		assert_int_equal(child->restarts, i + 1);
		assert_int_equal(scene->board.slots[VAULT].restarts, i + 1);
		assert_int_equal(scene->board.slots[VAULT].pid, 0);
	}
	assert_int_equal(scene->group.children[PORTAL].restarts, 0);
	assert_int_equal(scene->group.stage, JS_STAGE_RUN);
}

static void who_lived_for_long_is_soon_back(void **state)
{
	struct scene *scene = *state;

	for (unsigned i = 0; i < 8; i++) {
		(void)dies(scene, PORTAL, 5 * SECOND - 1, true, SIGKILL, 0);
	}
	assert_int_equal(rest_ms(scene, &scene->group.children[PORTAL]), 10000);
	assert_int_equal(rest_ms(scene, dies(scene, PORTAL, 5 * SECOND, true, SIGKILL, 0)), 100);
	assert_int_equal(rest_ms(scene, dies(scene, PORTAL, SECOND, true, SIGKILL, 0)), 200);
}

/* Its successor reads the store first, for as long as it takes. */
static void the_dead_are_not_watched(void **state)
{
	struct scene *scene = *state;
	struct js_child *child = dies(scene, VAULT, SECOND, true, SIGKILL, 0);

	for (uint64_t at = 0; at < 100 * SECOND; at += SECOND) {
		assert_false(js_watch_look(&child->watch, scene->now_us + at));
	}
}

static void who_never_served_is_not_tried_again(void **state)
{
	struct scene *scene = *state;
	const struct js_child *child = dies(scene, VAULT, SECOND, false, 0, 1);

	assert_int_equal(child->due_us, 0);
	assert_true(scene->group.failed);
	assert_int_equal(scene->group.stage, JS_STAGE_STOP_FRONTS);
}

/* A crash is no reason of its own: the next one may do better. */
static void who_crashed_is_tried_again(void **state)
{
	struct scene *scene = *state;
	const struct js_child *child = dies(scene, VAULT, SECOND, false, SIGKILL, 0);

	assert_int_equal(rest_ms(scene, child), 100);
	assert_false(scene->group.failed);
}

static void a_vault_that_cannot_come_back_ends_it(void **state)
{
	struct scene *scene = *state;

	(void)dies(scene, VAULT, 60 * SECOND, true, SIGKILL, 0);
	for (unsigned i = 0; i < 2; i++) {
		(void)dies(scene, VAULT, SECOND, false, 0, 1);
		assert_false(scene->group.failed);
	}
	/* One that serves in between begins the count anew. */
	(void)dies(scene, VAULT, SECOND, true, 0, 1);
	(void)dies(scene, VAULT, SECOND, false, 0, 1);
	(void)dies(scene, VAULT, SECOND, false, 0, 1);
	assert_false(scene->group.failed);
	(void)dies(scene, VAULT, SECOND, false, 0, 1);
	assert_true(scene->group.failed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_failure_doubles_the_delay),
		TEST(who_lived_for_long_is_soon_back),
		TEST(the_dead_are_not_watched),
		TEST(who_never_served_is_not_tried_again),
		TEST(who_crashed_is_tried_again),
		TEST(a_vault_that_cannot_come_back_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
