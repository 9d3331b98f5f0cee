#include "js/sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <seccomp.h>
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
/* by the filter of system calls, not only by Landlock or by what the file says */
#define FILTERED(call) expect_filtered((long)(call), #call)
#define ALLOWED(call)  expect_allowed((long)(call), #call)

static void expect_refused(long result, const char *call)
{
	if (result != -1 || (errno != EPERM && errno != EACCES)) {
		fprintf(stderr, "not refused: %s = %ld (%s)\n", call, result, strerror(errno));
		wrong++;
	}
}

static void expect_filtered(long result, const char *call)
{
	if (result != -1 || errno != EPERM) {
		fprintf(stderr, "not filtered: %s = %ld (%s)\n", call, result, strerror(errno));
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
	int tcp; /* listens */
	int udp;
	int memory;
	struct sockaddr_un admin; /* where the listener is */
	socklen_t admin_length;
	bool no_hosts; /* there is no /etc/hosts */
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
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_DGRAM, 0));
	REFUSED(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	REFUSED(socket(AF_PACKET, SOCK_RAW, 0));
	REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
	REFUSED(socketpair(AF_UNIX, SOCK_DGRAM, 0, (int[2]){0, 0}));
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

/* Portal and vault: nobody to connect to. */
static void try_no_sockets(const struct things *things)
{
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0, 0}));
	REFUSED(connect(things->pair[0], NULL, 0));
	REFUSED(open("/etc/nsswitch.conf", O_RDONLY));
}

/* Front and portal. */
static void try_files(const struct things *things)
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

/* The address of a socket of ours that somebody may send to or connect to. */
static struct sockaddr_in address_of(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	ALLOWED(getsockname(fd, (struct sockaddr *)&address, &length));
	return address;
}

static void try_reach(int type, int server)
{
	struct sockaddr_in address = address_of(server);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char octet = 'x';

	ALLOWED(fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		ALLOWED(errno == EINPROGRESS ? 0 : -1);
	}
	server = type == SOCK_STREAM ? accept(server, NULL, NULL) : server;
	ALLOWED(server);
	ALLOWED(send(fd, &octet, 1, MSG_NOSIGNAL));
	ALLOWED(recv(server, &octet, 1, 0));
}

static void try_names(const struct things *things)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	bool names = landlock_known();

	/* In a bare chroot there may be none. Else it knows the name, and nobody else is asked. */
	if (things->no_hosts) {
		return;
	}
	if ((getaddrinfo("localhost", "443", &hints, &found) == 0) != names) {
		fprintf(stderr, "names are %s\n", names ? "not looked up" : "looked up");
		wrong++;
	}
	if (found != NULL) {
		ALLOWED(found->ai_family == AF_INET ? 0 : -1);
		freeaddrinfo(found);
	}
}

/* What looking up names and posting answers takes, and nothing beside it. */
static void try_outwards(const struct things *things)
{
	int pair[2];
	char memory[32];

	snprintf(memory, sizeof(memory), "/proc/self/fd/%d", things->memory);
	try_reach(SOCK_STREAM, things->tcp);
	try_reach(SOCK_DGRAM, things->udp);
	try_names(things);
	ALLOWED(socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP) < 0 && errno == EPERM ? -1 : 0);
	ALLOWED(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
	ALLOWED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	if (landlock_known()) {
		ALLOWED(open("/etc/nsswitch.conf", O_RDONLY | O_CLOEXEC));
		ALLOWED(access("/etc/resolv.conf", F_OK) != 0 ? 0
							      : open("/etc/resolv.conf", O_RDONLY));
	} else {
		REFUSED(open("/etc/nsswitch.conf", O_RDONLY));
	}
	/* another address for a pair, as it would be to the admin socket */
	ALLOWED(connect(pair[0], (const struct sockaddr *)&things->admin, things->admin_length) ==
					-1 &&
				errno == EISCONN
			? 0
			: -1);
	FILTERED(open("/etc/nsswitch.conf", O_WRONLY));
	FILTERED(open("/etc/nsswitch.conf", O_RDWR | O_CLOEXEC));
	FILTERED(open("/etc/nsswitch.conf", O_RDONLY | O_TRUNC));
	FILTERED(open("/etc/nsswitch.conf", O_RDONLY | O_CREAT, 0600));
	FILTERED(open("/etc/nsswitch.conf", O_PATH));
	FILTERED(open(memory, O_RDWR)); /* as keywardd hands over: Landlock knows no such files */
	REFUSED(open("/etc", O_RDONLY | O_DIRECTORY));
	FILTERED(open("/tmp", O_RDWR | O_TMPFILE, 0600));
	REFUSED(open("/etc/shadow", O_RDONLY));
	REFUSED(open("/proc/self/mem", O_RDONLY));
	REFUSED(socket(AF_INET, SOCK_SEQPACKET, 132)); /* SCTP */
	REFUSED(socket(AF_INET, SOCK_STREAM, 262));    /* multipath TCP */
	FILTERED(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	FILTERED(socket(AF_INET, SOCK_STREAM, IPPROTO_IGMP));
	FILTERED(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
	REFUSED(socket(AF_VSOCK, SOCK_STREAM, 0));
	REFUSED(socket(AF_ALG, SOCK_SEQPACKET, 0));
	REFUSED(socket(33, SOCK_STREAM, 0)); /* beyond 32, whose low bits are those of AF_UNIX */
	REFUSED(socket(34, SOCK_STREAM, 0)); /* and of AF_INET */
}

static void try_vault(const struct things *things)
{
	char path[64];
	int fd;

	try_no_sockets(things);
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

static int loopback(int type)
{
	const struct sockaddr_in any = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type, 0);

	ALLOWED(bind(fd, (const struct sockaddr *)&any, sizeof(any)));
	ALLOWED(type == SOCK_STREAM ? listen(fd, 1) : 0);
	return fd;
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
	things->admin = address;
	things->admin_length = length;
	things->tcp = loopback(SOCK_STREAM);
	things->udp = loopback(SOCK_DGRAM);
	things->no_hosts = access("/etc/hosts", R_OK) != 0;
	things->memory = memfd_create("test", MFD_CLOEXEC);
	ALLOWED(things->memory);
}

/* Let the kernel seem to be one without Landlock. */
static void landlock_hide(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	ALLOWED(filter == NULL ? -1 : 0);
	ALLOWED(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset),
			0) == 0 &&
				seccomp_load(filter) == 0
			? 0
			: -1);
	seccomp_release(filter);
	ALLOWED(landlock_known() ? -1 : 0);
}

static void live(enum js_role role, bool landlock)
{
	struct things things;

	things_make(&things);
	if (!landlock) {
		landlock_hide();
	}
	if (js_sandbox_enter(role, role == JS_ROLE_VAULT ? things.store : -1) != KW_OK) {
		_exit(100);
	}
	try_common(&things);
	if (role == JS_ROLE_VAULT) {
		try_vault(&things);
	} else {
		try_files(&things);
	}
	if (role == JS_ROLE_FRONT) {
		try_outwards(&things);
	} else if (role == JS_ROLE_PORTAL) {
		try_no_sockets(&things);
	}
	_exit(wrong > 99 ? 99 : (int)wrong);
}

static void check_role(enum js_role role, bool landlock)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		live(role, landlock);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void locks_in_front(void **state)
{
	(void)state;
	check_role(JS_ROLE_FRONT, true);
}

static void locks_in_front_without_landlock(void **state)
{
	(void)state;
	check_role(JS_ROLE_FRONT, false);
}

static void locks_in_vault(void **state)
{
	(void)state;
	check_role(JS_ROLE_VAULT, true);
}

static void locks_in_portal(void **state)
{
	(void)state;
	check_role(JS_ROLE_PORTAL, true);
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
		cmocka_unit_test(locks_in_front_without_landlock),
		cmocka_unit_test(locks_in_vault),
		cmocka_unit_test(locks_in_portal),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
