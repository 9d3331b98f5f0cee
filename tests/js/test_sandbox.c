#include "js/sandbox.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * Every role is entered in a process of its own, since there is no way back. It tries what it may
 * and what it may not, and says on standard error what was not as it should be.
 */

static char store_path[] = "/tmp/keyward-sandbox-XXXXXX";
static unsigned wrong;

#define REFUSED(call) expect_refused((long)(call), #call)
#define ALLOWED(call) expect_allowed((long)(call), #call)

static void expect_refused(long result, const char *call)
{
	if (result != -1 || (errno != EPERM && errno != EACCES)) {
		fprintf(stderr, "not refused: %s = %ld (%s)\n", call, result, strerror(errno));
		wrong++;
	}
}

static void expect_allowed(long result, const char *call)
{
	if (result == -1) {
		fprintf(stderr, "refused: %s (%s)\n", call, strerror(errno));
		wrong++;
	}
}

static bool landlock_known(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

struct things {
	int store;
	int listener; /* with somebody waiting */
	int pair[2];
};

static void *thread_body(void *arg)
{
	*(bool *)arg = true;
	return NULL;
}

static void try_thread(void)
{
	pthread_t thread;
	bool ran = false;

	ALLOWED(pthread_create(&thread, NULL, thread_body, &ran) == 0 ? 0 : -1);
	ALLOWED(pthread_join(thread, NULL) == 0 && ran ? 0 : -1);
}

static void try_common(const struct things *things)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};
	struct rlimit limit;
	char octet = 'x';

	REFUSED(execve("/bin/true", argv, NULL));
	REFUSED(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0));
	REFUSED(fork());
	REFUSED(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	REFUSED(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	REFUSED(syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0));
	REFUSED(syscall(SYS_kexec_load, 0, 0, NULL, 0));
	REFUSED(syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 0));
	REFUSED(syscall(SYS_init_module, NULL, 0, ""));
	REFUSED(syscall(SYS_finit_module, -1, "", 0));
	REFUSED(syscall(SYS_delete_module, "none", 0));
	REFUSED(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
	REFUSED(syscall(SYS_umount2, "/", 0));
	REFUSED(syscall(SYS_pivot_root, "/", "/"));
	REFUSED(syscall(SYS_fsopen, "tmpfs", 0));
	REFUSED(syscall(SYS_open_tree, AT_FDCWD, "/", 0));
	REFUSED(syscall(SYS_unshare, 0));
	REFUSED(syscall(SYS_bpf, 0, NULL, 0));
	REFUSED(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	REFUSED(syscall(SYS_add_key, "user", "a", "b", 1, -2));
	REFUSED(syscall(SYS_request_key, "user", "a", NULL, 0));
	REFUSED(syscall(SYS_userfaultfd, 0));
	REFUSED(syscall(SYS_io_uring_setup, 1, NULL));
	REFUSED(kill(getppid(), 0));
	REFUSED(syscall(SYS_tkill, getppid(), 0));
	REFUSED(tgkill(getppid(), getppid(), 0));
	REFUSED(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, NULL));
	REFUSED(syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), SIGUSR1, NULL));
	REFUSED(syscall(SYS_pidfd_send_signal, -1, SIGUSR1, NULL, 0));
	REFUSED(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit));
	ALLOWED(getrlimit(RLIMIT_NOFILE, &limit));
	ALLOWED(raise(SIGURG)); /* ignored unless somebody asks for it */
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0, 0}));
	REFUSED(connect(things->pair[0], NULL, 0));
	REFUSED(bind(things->pair[0], NULL, 0));
	REFUSED(listen(things->pair[0], 1));
	REFUSED(open("/etc/passwd", O_RDONLY));
	REFUSED(open("/tmp/keyward-sandbox-outside", O_WRONLY | O_CREAT, 0600));
	ALLOWED(send(things->pair[0], &octet, 1, 0));
	ALLOWED(recv(things->pair[1], &octet, 1, 0));
	ALLOWED(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
				MAP_FAILED
			? -1
			: 0);
	try_thread();
}

static void try_front(const struct things *things)
{
	int fd;

	REFUSED(syscall(SYS_open, "/dev/null", O_RDONLY));
	REFUSED(openat(AT_FDCWD, store_path, O_RDONLY | O_DIRECTORY));
	REFUSED(openat(things->store, "file", O_RDONLY));
	REFUSED(syscall(SYS_openat2, things->store, "file", NULL, 0));
	REFUSED(syscall(SYS_creat, "/tmp/keyward-sandbox-outside", 0600));
	REFUSED(unlinkat(things->store, "file", 0));
	REFUSED(renameat(things->store, "file", things->store, "other"));
	REFUSED(mkdirat(things->store, "directory", 0700));
	REFUSED(fchmodat(things->store, "file", 0777, 0));
	fd = accept4(things->listener, NULL, NULL, SOCK_CLOEXEC);
	ALLOWED(fd);
	ALLOWED(fcntl(fd, F_GETFD));
}

static void try_vault(const struct things *things)
{
	char path[64];
	int fd;

	REFUSED(accept(things->listener, NULL, NULL));
	REFUSED(accept4(things->listener, NULL, NULL, 0));
	snprintf(path, sizeof(path), "%s/made", store_path);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	ALLOWED(fd);
	ALLOWED(write(fd, "abc", 3));
	ALLOWED(ftruncate(fd, 1));
	ALLOWED(fdatasync(fd));
	ALLOWED(openat(things->store, "file", O_RDONLY));
	ALLOWED(open(store_path, O_RDONLY | O_DIRECTORY));
	ALLOWED(unlinkat(things->store, "made", 0));
	if (landlock_known()) {
		REFUSED(open("/", O_RDONLY | O_DIRECTORY));
		REFUSED(open("/dev/null", O_RDWR));
		REFUSED(mkdirat(things->store, "directory", 0700));
		REFUSED(mknodat(things->store, "fifo", S_IFIFO | 0600, 0));
		REFUSED(symlinkat("/etc/passwd", things->store, "link"));
		snprintf(path, sizeof(path), "%s/../passwd", store_path);
		REFUSED(open(path, O_RDWR | O_CREAT, 0600));
	}
}

static void things_make(struct things *things)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = sizeof(address);
	int client = socket(AF_UNIX, SOCK_STREAM, 0);

	things->store = open(store_path, O_RDONLY | O_DIRECTORY);
	things->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ALLOWED(things->store);
	/* A name of the kernel's choice, and somebody who waits there. */
	ALLOWED(bind(things->listener, (struct sockaddr *)&address, sizeof(sa_family_t)));
	ALLOWED(listen(things->listener, 1));
	ALLOWED(getsockname(things->listener, (struct sockaddr *)&address, &length));
	ALLOWED(connect(client, (struct sockaddr *)&address, length));
	ALLOWED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, things->pair));
}

static void live(enum js_role role)
{
	struct things things;

	things_make(&things);
	if (js_sandbox_enter(role, role == JS_ROLE_VAULT ? things.store : -1) != KW_OK) {
		_exit(100);
	}
	try_common(&things);
	if (role == JS_ROLE_VAULT) {
		try_vault(&things);
	} else {
		try_front(&things);
	}
	_exit(wrong > 99 ? 99 : (int)wrong);
}

static void check_role(enum js_role role)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		live(role);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void locks_in_front(void **state)
{
	(void)state;
	check_role(JS_ROLE_FRONT);
}

static void locks_in_vault(void **state)
{
	(void)state;
	check_role(JS_ROLE_VAULT);
}

static void locks_in_portal(void **state)
{
	(void)state;
	check_role(JS_ROLE_PORTAL);
}

static int setup(void **state)
{
	char path[64];
	int fd;

	(void)state;
	if (mkdtemp(store_path) == NULL) {
		return -1;
	}
	snprintf(path, sizeof(path), "%s/file", store_path);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/file", store_path);
	return unlink(path) != 0 || rmdir(store_path) != 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locks_in_front),
		cmocka_unit_test(locks_in_vault),
		cmocka_unit_test(locks_in_portal),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
