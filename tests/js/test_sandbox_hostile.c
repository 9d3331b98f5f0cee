/*
 * What nobody but an attacker asks for ends the process that does. So each is asked in a process of
 * its own, in each role, towards a sibling of the same user or with arguments that would do something.
 */
#include "js/calls.h"
#include "js/sandbox.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/kcmp.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ROLES        3
#define LINES_MAX    8192
#define ATTEMPTS_MAX 128
#define STATUS_DONE  77 /* the call came back */

static const char *const role_names[ROLES] = {
	[JS_ROLE_FRONT] = "front", [JS_ROLE_VAULT] = "vault", [JS_ROLE_PORTAL] = "portal"};

static pid_t sibling;
static char octet = 'x';
static struct iovec part = {.iov_base = &octet, .iov_len = 1};
static char *const arguments[] = {(char *)(uintptr_t) "true", NULL};

/* An argument that is only known when the test runs. */
#define SIBLING (-1000)
#define HERE    ((long)(intptr_t)&octet)

struct attempt {
	const char *name;
	long number;
	bool of_keywardd; /* keywardd may not do it either */
	long arguments[6];
};

#define INSIDE(call, ...)                 \
	{                                 \
#call, SYS_##call, false, \
		{                         \
			__VA_ARGS__       \
		}                         \
	}
#define EVERYWHERE(call, ...)            \
	{                                \
#call, SYS_##call, true, \
		{                        \
			__VA_ARGS__      \
		}                        \
	}
#define P(pointer) ((long)(intptr_t)(pointer))

/* Not constant: some arguments are addresses. */
static size_t attempts_list(struct attempt out[ATTEMPTS_MAX])
{
	const struct attempt list[] = {
		INSIDE(execve, P("/bin/true"), P(arguments), 0),
		INSIDE(execveat, AT_FDCWD, P("/bin/true"), P(arguments), 0, 0),
		INSIDE(execveat, 3, P(""), P(arguments), 0, AT_EMPTY_PATH),
		INSIDE(ptrace, PTRACE_TRACEME, 0, 0, 0),
		INSIDE(ptrace, PTRACE_ATTACH, SIBLING, 0, 0),
		INSIDE(ptrace, PTRACE_SEIZE, SIBLING, 0, 0),
		INSIDE(kill, SIBLING, 0),
		INSIDE(kill, SIBLING, SIGCONT),
		INSIDE(tkill, SIBLING, 0),
		INSIDE(rt_sigqueueinfo, SIBLING, SIGUSR1, 0),
		INSIDE(rt_tgsigqueueinfo, SIBLING, SIBLING, SIGUSR1, 0),
		INSIDE(pidfd_open, SIBLING, 0),
		INSIDE(pidfd_send_signal, 3, SIGUSR1, 0, 0),
		INSIDE(setuid, 0),
		INSIDE(setgid, 0),
		INSIDE(setreuid, 0, 0),
		INSIDE(setregid, 0, 0),
		INSIDE(setresuid, 0, 0, 0),
		INSIDE(setresgid, 0, 0, 0),
		INSIDE(setfsuid, 0),
		INSIDE(setfsgid, 0),
		INSIDE(setgroups, 0, 0),
		INSIDE(capset, 0, 0),
		INSIDE(personality, 0x0400000 /* READ_IMPLIES_EXEC */),
		EVERYWHERE(process_vm_readv, SIBLING, P(&part), 1, P(&part), 1, 0),
		EVERYWHERE(process_vm_writev, SIBLING, P(&part), 1, P(&part), 1, 0),
		EVERYWHERE(process_madvise, 3, P(&part), 1, MADV_COLD, 0),
		EVERYWHERE(pidfd_getfd, 3, 0, 0),
		EVERYWHERE(kcmp, SIBLING, SIBLING, KCMP_VM, 0, 0),
		EVERYWHERE(perf_event_open, 0, SIBLING, -1, -1, 0),
		EVERYWHERE(bpf, BPF_MAP_CREATE, 0, 0),
		EVERYWHERE(userfaultfd, O_CLOEXEC),
		EVERYWHERE(setns, 3, 0),
		EVERYWHERE(unshare, CLONE_NEWUSER),
		EVERYWHERE(unshare, 0),
		EVERYWHERE(keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0),
		EVERYWHERE(add_key, P("user"), P("a"), P("b"), 1, KEY_SPEC_PROCESS_KEYRING),
		EVERYWHERE(request_key, P("user"), P("a"), 0, 0),
		EVERYWHERE(mount, P("none"), P("/"), P("tmpfs"), MS_REMOUNT, 0),
		EVERYWHERE(umount2, P("/nowhere"), 0),
		EVERYWHERE(pivot_root, P("/"), P("/")),
		EVERYWHERE(chroot, P("/nowhere")),
		EVERYWHERE(fsopen, P("tmpfs"), 0),
		EVERYWHERE(fsmount, -1, 0, 0),
		EVERYWHERE(fsconfig, -1, 0, 0, 0, 0),
		EVERYWHERE(fspick, -1, P("/"), 0),
		EVERYWHERE(open_tree, AT_FDCWD, P("/"), 0),
		EVERYWHERE(move_mount, -1, P(""), -1, P(""), 0),
		EVERYWHERE(mount_setattr, -1, P(""), 0, 0, 0),
		EVERYWHERE(open_by_handle_at, -1, 0, 0),
		EVERYWHERE(name_to_handle_at, -1, P("/"), 0, 0, 0),
		EVERYWHERE(fanotify_init, 0, 0),
		EVERYWHERE(kexec_load, 0, 0, 0, 0),
		EVERYWHERE(kexec_file_load, -1, -1, 0, 0, 0),
		EVERYWHERE(init_module, 0, 0, P("")),
		EVERYWHERE(finit_module, -1, P(""), 0),
		EVERYWHERE(delete_module, P("none"), 0),
		EVERYWHERE(reboot, 0, 0, 0, 0),
		EVERYWHERE(swapon, P("/nowhere"), 0),
		EVERYWHERE(swapoff, P("/nowhere")),
		EVERYWHERE(acct, P("/nowhere")),
		EVERYWHERE(quotactl, 0, 0, 0, 0),
		EVERYWHERE(syslog, 10, 0, 0),
		EVERYWHERE(settimeofday, 0, 0),
		EVERYWHERE(clock_settime, -1, 0),
		EVERYWHERE(adjtimex, 0),
		EVERYWHERE(clock_adjtime, -1, 0),
		EVERYWHERE(sethostname, 0, -1),
		EVERYWHERE(setdomainname, 0, -1),
	};

	static_assert(sizeof(list) <= sizeof(list[0]) * ATTEMPTS_MAX, "room for all");
	memcpy(out, list, sizeof(list));
	return sizeof(list) / sizeof(list[0]);
}

static long argument(long value)
{
	return value == SIBLING ? sibling : value;
}

__attribute__((noreturn)) static void dare(const struct attempt *attempt)
{
	const long *list = attempt->arguments;

	syscall(attempt->number, argument(list[0]), argument(list[1]), argument(list[2]),
		argument(list[3]), argument(list[4]), argument(list[5]));
	_exit(STATUS_DONE);
}

/* @return status of a process that locked itself in and dared */
static int ask(const struct attempt *attempt, enum kw_err (*enter)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (enter(arg) != KW_OK) {
			_exit(1);
		}
		dare(attempt);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static enum kw_err enter_role(void *arg)
{
	const enum js_role *role = arg;

	return js_sandbox_enter(*role, *role == JS_ROLE_VAULT ? open("/tmp", O_PATH) : -1);
}

static enum kw_err enter_parent(void *arg)
{
	(void)arg;
	return js_sandbox_enter_parent();
}

static bool ended(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static void roles_end(void **state)
{
	struct attempt list[ATTEMPTS_MAX];
	size_t count = attempts_list(list);
	unsigned wrong = 0;

	(void)state;
	for (unsigned number = 0; number < ROLES; number++) {
		for (size_t i = 0; i < count; i++) {
			enum js_role role = (enum js_role)number;
			int status = ask(&list[i], enter_role, &role);

			if (!ended(status)) {
				fprintf(stderr, "%s: %s: status %#x\n", role_names[number],
					list[i].name, (unsigned)status);
				wrong++;
			}
		}
	}
	assert_int_equal(wrong, 0);
}

static void keywardd_ends(void **state)
{
	struct attempt list[ATTEMPTS_MAX];
	size_t count = attempts_list(list);
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		int status;

		if (!list[i].of_keywardd) {
			continue;
		}
		status = ask(&list[i], enter_parent, NULL);
		if (!ended(status)) {
			fprintf(stderr, "%s: status %#x\n", list[i].name, (unsigned)status);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static enum kw_err come_in_twice(void *arg)
{
	enum kw_err err = enter_parent(NULL);

	return err == KW_OK ? enter_role(arg) : err;
}

/* As it is in service: the filter of keywardd below that of the child. */
static void keywardd_can_start_children(void **state)
{
	const struct attempt exec = INSIDE(execve, P("/bin/true"), P(arguments), 0);
	const struct attempt rings = INSIDE(io_uring_setup, 1, 0);
	const struct attempt asks = INSIDE(getpid, 0);
	enum js_role role = JS_ROLE_FRONT;
	int status = ask(&exec, enter_parent, NULL);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(ended(ask(&exec, come_in_twice, &role)));
	status = ask(&rings, come_in_twice, &role);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_DONE);
	status = ask(&asks, come_in_twice, &role);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_DONE);
}

#ifdef __x86_64__
/* The calls of 32 bit have other numbers: 11 is execve there, and munmap here. */
static void other_numbers_end(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		long result = 20; /* getpid */

		if (js_sandbox_enter(JS_ROLE_PORTAL, -1) != KW_OK) {
			_exit(1);
		}
		__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
		_exit(STATUS_DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* A kernel without 32 bit does not get that far. */
	assert_true(WIFSIGNALED(status));
	assert_true(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
}
#endif

/* ---- the line in the log ---- */

static void refuse_a_few(void)
{
	bool good = js_sandbox_enter(JS_ROLE_PORTAL, -1) == KW_OK;

	for (int i = 0; i < 1000; i++) {
		errno = 5;
		good = good && syscall(SYS_getpgid, 0) == -1 && errno == ENOSYS;
		good = good && mprotect(NULL, 0, PROT_EXEC) == -1 && errno == EPERM;
		good = good && syscall(5000) == -1 && errno == ENOSYS;
	}
	_exit(good ? 0 : 1);
}

static unsigned times(const char *text, const char *word)
{
	unsigned count = 0;

	while ((text = strstr(text, word)) != NULL) {
		count++;
		text++;
	}
	return count;
}

/* All that comes, so that nobody waits for room in the pipe; what is too much is left out. */
static void read_lines(int fd, char text[LINES_MAX])
{
	char piece[512];
	size_t used = 0;
	ssize_t got;

	while ((got = read(fd, piece, sizeof(piece))) > 0) {
		const size_t room = LINES_MAX - 1 - used;
		const size_t kept = (size_t)got < room ? (size_t)got : room;

		memcpy(text + used, piece, kept);
		used += kept;
	}
	text[used] = '\0';
}

/* Each call once, with its number, so that it can be found and the log cannot be flooded. */
static void tells_what_was_refused(void **state)
{
	static char text[LINES_MAX];
	char number[32];
	int ends[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		refuse_a_few();
	}
	close(ends[1]);
	read_lines(ends[0], text);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(times(text, "a system call was refused"), 3);
	snprintf(number, sizeof(number), " call=%ld ", (long)SYS_getpgid);
	assert_int_equal(times(text, number), 1);
	snprintf(number, sizeof(number), " call=%ld ", (long)SYS_mprotect);
	assert_int_equal(times(text, number), 1);
	assert_int_equal(times(text, " call=5000 "), 1);
	assert_int_equal(times(text, "its arguments are not allowed"), 1);
}

static int setup(void **state)
{
	(void)state;
	sibling = fork();
	if (sibling == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;) {
			pause();
		}
	}
	return sibling > 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	kill(sibling, SIGKILL);
	return waitpid(sibling, NULL, 0) == sibling ? 0 : -1;
}

int main(void)
{
	const struct rlimit none = {0, 0};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_end),
		cmocka_unit_test(keywardd_ends),
		cmocka_unit_test(keywardd_can_start_children),
#ifdef __x86_64__
		cmocka_unit_test(other_numbers_end),
#endif
		cmocka_unit_test(tells_what_was_refused),
	};

	/* Hundreds of processes end by a signal: no core files of them. */
	if (setrlimit(RLIMIT_CORE, &none) != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
