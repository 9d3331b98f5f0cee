#include "js/process.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 40

/* Run a function in a process of its own; its exit status. */
static int in_child(void (*body)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define EXPECT(holds)                              \
	do {                                       \
		if (!(holds)) {                    \
			_exit(__LINE__ % 90 + 10); \
		}                                  \
	} while (0)

static void read_args(const char *const *list, struct js_options *options)
{
	char *argv[ARGS_MAX + 1];
	int argc = 0;

	for (; list[argc] != NULL; argc++) {
		argv[argc] = (char *)(uintptr_t)list[argc]; /* nobody writes to them */
	}
	argv[argc] = NULL;
	js_options_read(argc, argv, options);
}

static void all_options(void)
{
	static const char *const list[] = {"x", "--user", "u", "--log-level", "debug",
		"--log-format", "json", "--listeners", "2", "--paths", "/ /a", "--trusted-proxies",
		"10.0.0.0/8 ::1", "--check-files", "--fronts", "64", "--map-size", "17592186044416",
		"--repeat-window", "60", "--init", "--store", "s", "--master-key", "file:m",
		"--owner", "o", "--lines", "--fixed-answer", NULL};
	struct js_options options;

	read_args(list, &options);
	EXPECT(strcmp(options.user, "u") == 0 && options.log_level == KW_LOG_DEBUG);
	EXPECT(options.log_json && options.listeners == 2 && options.fronts == 64);
	EXPECT(strcmp(options.paths, "/ /a") == 0 && options.check_files);
	EXPECT(strcmp(options.trusted_proxies, "10.0.0.0/8 ::1") == 0);
	EXPECT(options.map_size == UINT64_C(1) << 44);
	EXPECT(options.repeat_window_s == 60 && options.init && options.fixed_answer);
	EXPECT(strcmp(options.store, "s") == 0 && strcmp(options.master_key, "file:m") == 0);
	EXPECT(strcmp(options.owner, "o") == 0 && options.lines);
}

static void no_options(void)
{
	struct js_options options;

	read_args((const char *const[]){"x", NULL}, &options);
	EXPECT(options.user == NULL && !options.check_files && !options.init);
	EXPECT(strcmp(options.trusted_proxies, "") == 0);
	EXPECT(strcmp(options.paths, "/") == 0 && options.log_level == KW_LOG_INFO);
}

static const char *bad[4];

static void bad_option(void)
{
	struct js_options options;

	read_args(bad, &options);
}

static void reads_options(void **state)
{
	static const char *const values[][3] = {{"--unknown", "1", NULL}, {"--user", NULL, NULL},
		{"--fronts", "65", NULL}, {"--fronts", "-1", NULL}, {"--fronts", "", NULL},
		{"--listeners", "1x", NULL}, {"--map-size", "18446744073709551616", NULL},
		{"--map-size", " 1", NULL}, {"--log-level", "loud", NULL},
		{"--log-format", "xml", NULL}, {"--repeat-window", "1e3", NULL},
		{"stray", NULL, NULL}};

	(void)state;
	assert_int_equal(in_child(all_options), 0);
	assert_int_equal(in_child(no_options), 0);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		bad[0] = "x";
		bad[1] = values[i][0];
		bad[2] = values[i][1];
		assert_int_equal(in_child(bad_option), 2);
	}
}

static void keep_what_is_given(void)
{
	static const char *const list[] = {"x", "--listeners", "2", NULL};
	struct js_options options;

	EXPECT(dup2(STDERR_FILENO, JS_FRONT_FD_LISTENERS + 1) >= 0);
	EXPECT(dup2(STDERR_FILENO, JS_FRONT_FD_LISTENERS + 2) >= 0);
	EXPECT(dup2(STDERR_FILENO, 100) == 100);
	read_args(list, &options);
	EXPECT(fcntl(JS_FRONT_FD_LISTENERS + 1, F_GETFD) >= 0);
	EXPECT(fcntl(JS_FRONT_FD_LISTENERS + 2, F_GETFD) < 0);
	EXPECT(fcntl(100, F_GETFD) < 0);
}

static void closes_other_descriptors(void **state)
{
	(void)state;
	assert_int_equal(in_child(keep_what_is_given), 0);
}

/* Permitted, effective, inheritable and ambient ones; the bounding set stays, and is of no use. */
static bool without_capabilities(FILE *status)
{
	char line[128];
	unsigned sets = 0;

	while (fgets(line, sizeof(line), status) != NULL) {
		if (strncmp(line, "Cap", 3) == 0 && strncmp(line, "CapBnd", 6) != 0) {
			sets++;
			if (strtoull(line + strlen("CapInh:"), NULL, 16) != 0) {
				return false;
			}
		}
	}
	return sets == 4;
}

static void enter(void)
{
	struct js_options options;
	struct rlimit core;
	int end_signal = 0;

	FILE *status;

	read_args((const char *const[]){"x", NULL}, &options);
	status = fopen("/proc/self/status", "re");
	EXPECT(status != NULL);
	js_process_enter(JS_ROLE_PORTAL, &options);
	EXPECT(without_capabilities(status));
	EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	EXPECT(prctl(PR_GET_PDEATHSIG, &end_signal, 0, 0, 0) == 0 && end_signal == SIGKILL);
	EXPECT(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	EXPECT(open("/dev/null", O_RDONLY) < 0);
	EXPECT(raise(SIGHUP) == 0 && raise(SIGPIPE) == 0);
}

static void locks_in(void **state)
{
	(void)state;
	assert_int_equal(in_child(enter), 0);
}

static void enter_as_stranger(void)
{
	struct js_options options;

	read_args((const char *const[]){"x", "--user", "no-such-user-here", NULL}, &options);
	js_process_enter(JS_ROLE_FRONT, &options);
}

static void enter_as_root(void)
{
	struct js_options options;

	read_args((const char *const[]){"x", "--user", "root", NULL}, &options);
	js_process_enter(JS_ROLE_FRONT, &options);
}

static void enter_as_nobody(void)
{
	struct js_options options;

	read_args((const char *const[]){"x", "--user", "nobody", NULL}, &options);
	js_process_enter(JS_ROLE_FRONT, &options);
	EXPECT(geteuid() != 0 && getuid() != 0 && getegid() != 0);
	EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void enter_as_nobody_and_return(void)
{
	enter_as_nobody();
	(void)!setuid(0);
}

static void changes_user(void **state)
{
	(void)state;
	assert_int_equal(in_child(enter_as_stranger), 1);
	assert_int_equal(in_child(enter_as_root), 1);
	assert_int_equal(in_child(enter_as_nobody), geteuid() == 0 ? 0 : 1);
	assert_int_equal(in_child(enter_as_nobody_and_return), geteuid() == 0 ? -SIGSYS : 1);
}

static void announce(void)
{
	int ends[2];
	char octets[2];

	close(JS_FD_READY);
	EXPECT(pipe(ends) == 0 && ends[0] == JS_FD_READY);
	EXPECT(dup2(ends[0], 20) == 20 && dup2(ends[1], JS_FD_READY) == JS_FD_READY);
	close(ends[1]);
	js_process_ready(JS_ROLE_FRONT);
	EXPECT(read(20, octets, sizeof(octets)) == 1);
	EXPECT(read(20, octets, sizeof(octets)) == 0); /* closed */
}

/* The vault: once a second at most, and without waiting where nobody reads. */
static void stay_alive(void)
{
	const uint64_t start_us = UINT64_C(5000000);
	const uint64_t pause_us = UINT64_C(1000) * JS_ALIVE_MS;
	int ends[2];
	char octets[8];

	close(JS_FD_READY);
	EXPECT(pipe2(ends, O_NONBLOCK) == 0 && ends[0] == JS_FD_READY);
	EXPECT(dup2(ends[0], 20) == 20 && dup2(ends[1], JS_FD_READY) == JS_FD_READY);
	close(ends[1]);
	js_process_ready(JS_ROLE_VAULT);
	EXPECT(read(20, octets, sizeof(octets)) == 1);
	js_process_alive(start_us);
	js_process_alive(start_us + pause_us - 1);
	EXPECT(read(20, octets, sizeof(octets)) == 1);
	js_process_alive(start_us + pause_us);
	EXPECT(read(20, octets, sizeof(octets)) == 1);
	for (uint64_t i = 2; i < 200000; i++) {
		js_process_alive(start_us + i * pause_us);
	}
	EXPECT(read(20, octets, sizeof(octets)) == sizeof(octets));
}

static void says_when_ready(void **state)
{
	(void)state;
	assert_int_equal(in_child(announce), 0);
	assert_int_equal(in_child(stay_alive), 0);
}

static void wait_for_signal(void)
{
	struct pollfd waiting = {.fd = js_process_signals(), .events = POLLIN};

	EXPECT(poll(&waiting, 1, 0) == 0);
	raise(SIGTERM);
	EXPECT(poll(&waiting, 1, 0) == 1);
}

/* Told apart from a wish to end, and not lost on the way into the sandbox. */
static void wait_for_reload(void)
{
	struct js_options options;
	struct pollfd end = {.events = POLLIN}, reload = {.events = POLLIN};

	read_args((const char *const[]){"x", NULL}, &options);
	end.fd = js_process_signals();
	reload.fd = js_process_reloads();
	js_process_enter(JS_ROLE_FRONT, &options);
	EXPECT(!js_process_take(reload.fd));
	raise(SIGHUP);
	EXPECT(poll(&reload, 1, 0) == 1 && poll(&end, 1, 0) == 0);
	EXPECT(js_process_take(reload.fd) && !js_process_take(reload.fd));
	EXPECT(poll(&reload, 1, 0) == 0);
	raise(SIGTERM);
	EXPECT(poll(&reload, 1, 0) == 0 && poll(&end, 1, 0) == 1);
}

static void hears_signals(void **state)
{
	(void)state;
	assert_int_equal(in_child(wait_for_signal), 0);
	assert_int_equal(in_child(wait_for_reload), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_options),
		cmocka_unit_test(closes_other_descriptors),
		cmocka_unit_test(locks_in),
		cmocka_unit_test(changes_user),
		cmocka_unit_test(says_when_ready),
		cmocka_unit_test(hears_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
