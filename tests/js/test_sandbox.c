#include "js/sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

#define REFUSED(call) expect_refused((traps = 0, (long)(call)), #call)
/* by the filter of system calls, not only by Landlock or by what the file says */
#define FILTERED(call) expect_filtered((traps = 0, (long)(call)), #call)
#define ALLOWED(call)  expect_allowed((long)(call), #call)

/* How often the filter has trapped; what it does then stays in force. */
static volatile sig_atomic_t traps;
static struct sigaction trapped;

static void count_trap(int signal_number, siginfo_t *info, void *context)
{
	traps = traps + 1;
	trapped.sa_sigaction(signal_number, info, context);
}

static void count_traps(void)
{
	struct sigaction counting;

	if (sigaction(SIGSYS, NULL, &trapped) != 0 || (trapped.sa_flags & SA_SIGINFO) == 0) {
		fprintf(stderr, "nobody watches for refused calls\n");
		_exit(101);
	}
	counting = trapped;
	counting.sa_sigaction = count_trap;
	if (sigaction(SIGSYS, &counting, NULL) != 0) {
		_exit(102);
	}
}

static void expect_refused(long result, const char *call)
{
	if (result != -1 || (traps == 0 && errno != EPERM && errno != EACCES)) {
		fprintf(stderr, "not refused: %s = %ld (%s)\n", call, result, strerror(errno));
		wrong++;
	}
}

static void expect_filtered(long result, const char *call)
{
	if (result != -1 || (traps == 0 && errno != EPERM)) {
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

static pid_t sibling; /* of the same user, and it may be looked into */

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
	bool no_resolv_conf;
	bool landlock;
};

/* As the roles do: without sendto() and recvfrom(), which the vault has not. */
static long send_octet(int fd, char *octet)
{
	struct iovec part = {.iov_base = octet, .iov_len = 1};
	const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static long receive_octet(int fd, char *octet)
{
	struct iovec part = {.iov_base = octet, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	return recvmsg(fd, &message, 0);
}

static void *thread_body(void *arg)
{
	*(bool *)arg = true;
	return NULL;
}

/* Only libcurl's look-ups of names need one. */
static void try_thread(enum js_role role)
{
	pthread_t thread;
	bool ran = false;

	if (role != JS_ROLE_FRONT) {
		FILTERED(pthread_create(&thread, NULL, thread_body, &ran) == 0 ? 0 : -1);
		return;
	}
	ALLOWED(pthread_create(&thread, NULL, thread_body, &ran) == 0 ? 0 : -1);
	ALLOWED(pthread_join(thread, NULL) == 0 && ran ? 0 : -1);
}

static void try_processes(void)
{
	const unsigned long thread =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_THREAD;
	struct rlimit limit = {0, 0};

	FILTERED(fork());
	FILTERED(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	FILTERED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
	FILTERED(syscall(SYS_clone, thread | CLONE_NEWNET, 0, 0, 0, 0));
	FILTERED(syscall(SYS_clone, thread | CLONE_PTRACE, 0, 0, 0, 0));
	FILTERED(syscall(SYS_io_uring_setup, 1, NULL));
	FILTERED(syscall(SYS_seccomp, 0, 0, NULL));
	FILTERED(tgkill(sibling, sibling, 0));
	FILTERED(prlimit(sibling, RLIMIT_NOFILE, NULL, &limit));
	FILTERED(prlimit(0, RLIMIT_CORE, &limit, NULL));
	FILTERED(setrlimit(RLIMIT_CORE, &limit));
	FILTERED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	FILTERED(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
	FILTERED(prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0));
	FILTERED(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0));
	FILTERED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
	FILTERED(setpgid(0, 0));
	FILTERED(setsid());
	FILTERED(syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION));
	ALLOWED(getrlimit(RLIMIT_NOFILE, &limit));
	ALLOWED(raise(SIGURG)); /* ignored unless somebody asks for it */
}

#define MAPPED(prot, flags) \
	(mmap(NULL, 4096, prot, MAP_PRIVATE | (flags), -1, 0) == MAP_FAILED ? -1 : 0)

/* Nothing that was written can be executed, by whatever way. */
static void try_memory(const struct things *things)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ALLOWED(page == MAP_FAILED ? -1 : 0);
	ALLOWED(mprotect(page, 4096, PROT_READ));
	FILTERED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
	FILTERED(mprotect(page, 4096, PROT_EXEC));
	FILTERED(syscall(SYS_pkey_mprotect, page, 4096, PROT_EXEC, -1));
	FILTERED(MAPPED(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANONYMOUS));
	FILTERED(MAPPED(PROT_EXEC, MAP_ANONYMOUS));
	FILTERED(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, things->memory, 0) ==
				 MAP_FAILED
			 ? -1
			 : 0);
	FILTERED(memfd_create("code", MFD_CLOEXEC));
	FILTERED(syscall(SYS_shmget, 0, 4096, 0600));
	ALLOWED(munmap(page, 4096));
}

static void try_descriptors(const struct things *things)
{
	struct sock_fprog code = {0, NULL};
	char octet = 'x';
	int one = 1;

	FILTERED(ioctl(things->pair[0], TIOCSTI, &octet));
	FILTERED(ioctl(things->tcp, SIOCGIFCONF, &octet));
	FILTERED(fcntl(things->pair[0], F_SETOWN, sibling));
	FILTERED(fcntl(things->memory, F_ADD_SEALS, F_SEAL_WRITE));
	FILTERED(setsockopt(things->tcp, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)));
	FILTERED(setsockopt(things->tcp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
	FILTERED(setsockopt(things->tcp, IPPROTO_TCP, TCP_ULP, "tls", 3));
	FILTERED(setsockopt(things->tcp, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one)));
	FILTERED(bind(things->pair[0], NULL, 0));
	FILTERED(listen(things->pair[0], 1));
	FILTERED(listen(things->tcp, 1));
	ALLOWED(send_octet(things->pair[0], &octet));
	ALLOWED(receive_octet(things->pair[1], &octet));
	ALLOWED(fcntl(things->pair[0], F_SETFL, O_NONBLOCK));
}

static void try_common(const struct things *things, enum js_role role)
{
	char path[64];

	try_processes();
	try_memory(things);
	try_descriptors(things);
	try_thread(role);
	FILTERED(socket(AF_UNIX, SOCK_STREAM, 0));
	FILTERED(socket(AF_UNIX, SOCK_DGRAM, 0));
	FILTERED(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	FILTERED(socket(AF_PACKET, SOCK_RAW, 0));
	FILTERED(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
	FILTERED(socketpair(AF_UNIX, SOCK_DGRAM, 0, (int[2]){0, 0}));
	REFUSED(open("/etc/passwd", O_RDONLY));
	REFUSED(open("/tmp/keyward-sandbox-outside", O_WRONLY | O_CREAT, 0600));
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)sibling);
	REFUSED(open(path, O_RDONLY));
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)sibling);
	REFUSED(open(path, O_RDONLY));
	FILTERED(chdir("/"));
}

/* Portal and vault: nobody to connect to. */
static void try_no_sockets(const struct things *things)
{
	FILTERED(socket(AF_INET, SOCK_STREAM, 0));
	FILTERED(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	FILTERED(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0, 0}));
	FILTERED(connect(things->pair[0], NULL, 0));
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
	bool names = things->landlock;

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
	if (things->landlock) {
		ALLOWED(open("/etc/nsswitch.conf", O_RDONLY | O_CLOEXEC));
		ALLOWED(things->no_resolv_conf ? 0 : open("/etc/resolv.conf", O_RDONLY));
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
	FILTERED(socket(AF_INET, SOCK_SEQPACKET, 132)); /* SCTP */
	FILTERED(socket(AF_INET, SOCK_STREAM, 262));    /* multipath TCP */
	FILTERED(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	FILTERED(socket(AF_INET, SOCK_STREAM, IPPROTO_IGMP));
	FILTERED(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
	FILTERED(socket(AF_VSOCK, SOCK_STREAM, 0));
	FILTERED(socket(AF_ALG, SOCK_SEQPACKET, 0));
	FILTERED(socket(33, SOCK_STREAM, 0)); /* beyond 32, whose low bits are those of AF_UNIX */
	FILTERED(socket(34, SOCK_STREAM, 0)); /* and of AF_INET */
}

static void try_vault(const struct things *things)
{
	char path[64];
	int fd;

	try_no_sockets(things);
	FILTERED(accept(things->listener, NULL, NULL));
	FILTERED(accept4(things->listener, NULL, NULL, 0));
	snprintf(path, sizeof(path), "%s/made", store_path);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	ALLOWED(fd);
	ALLOWED(write(fd, "abc", 3));
	ALLOWED(ftruncate(fd, 1));
	ALLOWED(fdatasync(fd));
	ALLOWED(openat(things->store, "file", O_RDONLY));
	ALLOWED(open(store_path, O_RDONLY | O_DIRECTORY));
	ALLOWED(unlinkat(things->store, "made", 0));
	if (things->landlock) {
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
	things->no_resolv_conf = access("/etc/resolv.conf", R_OK) != 0;
	things->landlock = landlock_known();
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
		things.landlock = false;
	}
	if (js_sandbox_enter(role, role == JS_ROLE_VAULT ? things.store : -1) != KW_OK) {
		_exit(100);
	}
	count_traps();
	try_common(&things, role);
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
	sibling = fork();
	if (sibling == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;) {
			pause();
		}
	}
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
	kill(sibling, SIGKILL);
	waitpid(sibling, NULL, 0);
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
