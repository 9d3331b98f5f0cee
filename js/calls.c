#include "js/calls.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER
#endif

#define CHECKS_MAX 4

/* One line: a call, and what must hold of its arguments; a call may have several lines. */
struct call {
	int number;
	struct scmp_arg_cmp checks[CHECKS_MAX]; /* up to the first without an operation */
};

#define ANY(name)                       \
	{                               \
		SCMP_SYS(name),         \
		{                       \
			{               \
				.op = 0 \
			}               \
		}                       \
	}
#define IF(name, ...)               \
	{                           \
		SCMP_SYS(name),     \
		{                   \
			__VA_ARGS__ \
		}                   \
	}
/* The kernel takes an int from the lower half of the register, whatever is in the upper one. */
#define IS(arg, value)     MASKED(arg, UINT32_MAX, (uint32_t)(value))
#define WITHOUT(arg, bits) MASKED(arg, (scmp_datum_t)(bits), 0)
#define MASKED(number, bits, value)                                                              \
	{                                                                                        \
		.arg = (number), .op = SCMP_CMP_MASKED_EQ, .datum_a = (bits), .datum_b = (value) \
	}

/* ---- for all roles ---- */

static const struct call common[] = {
	/* memory: malloc(), stacks, maps of files; nothing that could be executed */
	ANY(brk),
	IF(mmap, WITHOUT(2, PROT_EXEC)),
	IF(mprotect, WITHOUT(2, PROT_EXEC)),
	ANY(munmap),
	ANY(mremap),  /* realloc() */
	ANY(madvise), /* malloc() gives back; keys are kept out of core files */
	/* threads and signals of this process */
	ANY(futex),
	ANY(sched_yield),
	ANY(sched_getaffinity), /* malloc() asks how many arenas */
	ANY(rt_sigaction),
	ANY(rt_sigprocmask),
	ANY(rt_sigreturn),
	ANY(restart_syscall),
	ANY(getpid),
	ANY(gettid),
	ANY(getuid), /* whose is a file? */
	ANY(geteuid),
	ANY(getgid),
	ANY(getegid),
	ANY(uname),   /* LMDB: how old is the kernel? The resolver: the name of this machine */
	ANY(sysinfo), /* qsort(): how much memory is there? */
	ANY(exit),
	ANY(exit_group),
	IF(prlimit64, IS(0, 0), MASKED(2, UINT64_MAX, 0)), /* getrlimit() */
	IF(prctl, IS(0, PR_GET_DUMPABLE)),
	IF(prctl, IS(0, PR_GET_NO_NEW_PRIVS)),
	IF(prctl, IS(0, PR_GET_PDEATHSIG)),
	/* time and randomness; mostly without the kernel, but not on every machine */
	ANY(clock_gettime),
	ANY(clock_getres),
	ANY(clock_nanosleep),
	ANY(nanosleep),
	ANY(gettimeofday),
	ANY(time),
	ANY(getrandom),
	/* what is open already: channel, log, listeners, signals, files in memory */
	ANY(read),
	ANY(readv),
	ANY(pread64),
	ANY(write),
	ANY(writev),
	ANY(lseek),
	ANY(close),
	ANY(fstat),
	IF(newfstatat, MASKED(3, AT_EMPTY_PATH, AT_EMPTY_PATH)), /* fstat() of glibc since 2.33 */
	IF(fcntl, IS(1, F_GETFD)),
	IF(fcntl, IS(1, F_SETFD)),
	IF(fcntl, IS(1, F_GETFL)),
	IF(fcntl, IS(1, F_SETFL)),
	IF(fcntl, IS(1, F_DUPFD_CLOEXEC)),
	ANY(poll),
	ANY(ppoll), /* poll() of aarch64 */
	/* a message on a channel */
	ANY(sendmsg),
	ANY(recvmsg),
};

/* ---- who serves HTTP ---- */

static const struct call server[] = {
	ANY(accept4), ANY(accept), ANY(sendto), ANY(recvfrom), ANY(shutdown), ANY(getsockname),
	ANY(getpeername),
	IF(getsockopt, IS(1, SOL_SOCKET)), /* SO_ERROR; SO_PEERCRED of the admin socket */
	IF(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)),
	IF(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_CORK)), ANY(epoll_ctl), ANY(epoll_wait),
	ANY(epoll_pwait), /* epoll_wait() of aarch64 */
};

/* ---- the front ---- */

#define ASKS(domain, type, protocol)                                                     \
	IF(socket, IS(0, domain),                                                        \
		MASKED(1, UINT32_MAX & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), type), \
		IS(2, protocol))
#define ASKS_BY(domain)                                                       \
	ASKS(domain, SOCK_STREAM, 0), ASKS(domain, SOCK_STREAM, IPPROTO_TCP), \
		ASKS(domain, SOCK_DGRAM, 0), ASKS(domain, SOCK_DGRAM, IPPROTO_UDP)
#define PAIR(type)                     \
	IF(socketpair, IS(0, AF_UNIX), \
		MASKED(1, UINT32_MAX & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), type))

/* What every thread of the C library is, and no process. */
#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
#define THREAD_MAY                                                                        \
	(CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | \
		CLONE_DETACHED)

static const struct call front[] = {
	/* answers by post: TCP, and UDP for names; to ask, not to serve */
	ASKS_BY(AF_INET),
	ASKS_BY(AF_INET6),
	PAIR(SOCK_STREAM), /* which wakes libcurl; it cannot be connected anew */
	ANY(connect),
	ANY(sendmmsg), /* the resolver: A and AAAA together */
	ANY(epoll_create1),
	IF(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_KEEPALIVE)),
	IF(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_KEEPIDLE)),
	IF(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_KEEPINTVL)),
	IF(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_KEEPCNT)),
	IF(setsockopt, IS(1, IPPROTO_IP), IS(2, IP_RECVERR)), /* the resolver */
	IF(setsockopt, IS(1, IPPROTO_IPV6), IS(2, IPV6_RECVERR)),
	IF(ioctl, IS(1, FIONREAD)), /* the resolver */
	IF(ioctl, IS(1, FIONBIO)),
	/* libcurl looks up names in threads */
	IF(clone, MASKED(0, ~(scmp_datum_t)THREAD_MAY, THREAD)),
	ANY(set_robust_list),
	ANY(rseq),
	/* TLS: GnuTLS may stir these into its randomness */
	ANY(getrusage),
	/* new PEM files replace the old ones */
	ANY(dup),
};

/* Files to read where Landlock says which: those of looking up names. */
#define READ_ONLY(arg) \
	WITHOUT(arg, O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_PATH | (O_TMPFILE & ~O_DIRECTORY))

static const struct call front_files[] = {
	IF(openat, READ_ONLY(2)), ANY(newfstatat), /* has resolv.conf changed? */
};

/* ---- the vault ---- */

static const struct call vault[] = {
	/* LMDB; where files may be is for Landlock to say */
	IF(open, WITHOUT(1, O_PATH | (O_TMPFILE & ~O_DIRECTORY))),
	IF(openat, WITHOUT(2, O_PATH | (O_TMPFILE & ~O_DIRECTORY))),
	IF(fcntl, IS(1, F_GETLK)),
	IF(fcntl, IS(1, F_SETLK)),
	IF(fcntl, IS(1, F_SETLKW)),
	ANY(newfstatat),
	ANY(flock), /* one vault at a time has the store */
	ANY(fstatfs),
	ANY(pwrite64),
	ANY(pwritev),
	ANY(fdatasync),
	ANY(fsync),
	ANY(msync),
	ANY(ftruncate),
	ANY(unlink),
	ANY(unlinkat),
	ANY(getdents64),
	/* a channel that replaces another: is it one? And an end to one that does not work */
	IF(getsockopt, IS(1, SOL_SOCKET), IS(2, SO_DOMAIN)),
	IF(getsockopt, IS(1, SOL_SOCKET), IS(2, SO_TYPE)),
	ANY(shutdown),
	/* pages with keys stay out of swap */
	ANY(mlock),
	ANY(mlock2),
	ANY(munlock),
};

/* ---- what sanitizers need beside; not part of what is released ---- */

#ifdef WITH_SANITIZER
static const struct call sanitizer[] = {
	ANY(sigaltstack),             /* each thread has one */
	IF(prctl, IS(0, PR_SET_VMA)), /* names for its memory */
	IF(ioctl, IS(1, TCGETS)),     /* colours in a report? */
	ANY(pipe),                    /* is an address readable? */
	ANY(pipe2),
	ANY(readlink), /* whose report it is */
	ANY(readlinkat),
	ANY(getrlimit),
	ANY(getppid),
};
#endif

/* ---- what is refused otherwise than with a line in the log ---- */

struct refusal {
	struct call call;
	int error;
};

/* The flags of clone3() are out of a filter's reach: where it seems not to exist the C library takes
 * clone(). */
static const struct refusal expected[] = {
	{ANY(clone3), ENOSYS},
};

/* getaddrinfo() would ask nscd, and the kernel for addresses; it does without. */
static const struct refusal front_expected[] = {
	{IF(socket, IS(0, AF_UNIX)), EPERM},
	{IF(socket, IS(0, AF_NETLINK)), EPERM},
};

/* io_uring would ask past every filter; a library that tries it takes the usual calls then. */
static const struct refusal parent_refused[] = {
	{ANY(io_uring_setup), ENOSYS},
	{ANY(io_uring_enter), ENOSYS},
	{ANY(io_uring_register), ENOSYS},
};

/* No threads. A trap would end the process: the C library makes one with all signals blocked. */
static const struct refusal no_threads[] = {
	{ANY(clone), EPERM},
};

static const struct refusal front_no_files[] = {
	{ANY(openat), EPERM},
};

/* From keywardd or any child. */
static const int hostile[] = {
	/* to look into other processes and into the kernel */
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp), SCMP_SYS(perf_event_open), SCMP_SYS(bpf),
	SCMP_SYS(userfaultfd), SCMP_SYS(setns), SCMP_SYS(unshare),
#ifndef WITH_SANITIZER
	SCMP_SYS(ptrace), /* the leak check of keywardd */
#endif
	/* kernel and machine */
	SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(reboot), SCMP_SYS(swapon),
	SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(syslog),
	SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	/* mounts */
	SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
	SCMP_SYS(chroot), SCMP_SYS(open_tree), SCMP_SYS(move_mount), SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at), SCMP_SYS(fanotify_init),
	/* keyrings */
	SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key)};

/* From a child that has locked itself in. */
static const int hostile_inside[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),
	SCMP_SYS(personality),
	/* to be somebody else */
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid),
	SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid),
	SCMP_SYS(setgroups), SCMP_SYS(capset),
	/* signals; abort() and raise() take tgkill(), see itself() */
	SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal)};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool add(scmp_filter_ctx filter, uint32_t action, const struct call *call)
{
	unsigned count = 0;

	while (count < CHECKS_MAX && call->checks[count].op != 0) {
		count++;
	}
	js_calls_list(call->number);
	return seccomp_rule_add_array(filter, action, call->number, count, call->checks) == 0;
}

#define ALLOW(filter, list) allow((filter), (list), COUNT(list))

static bool allow(scmp_filter_ctx filter, const struct call *calls, size_t count)
{
	bool done = true;

	for (size_t i = 0; i < count; i++) {
		done = done && add(filter, SCMP_ACT_ALLOW, &calls[i]);
	}
	return done;
}

#define REFUSE(filter, list) refuse((filter), (list), COUNT(list))

static bool refuse(scmp_filter_ctx filter, const struct refusal *refusals, size_t count)
{
	bool done = true;

	for (size_t i = 0; i < count; i++) {
		done = done &&
		       add(filter, SCMP_ACT_ERRNO((uint32_t)refusals[i].error), &refusals[i].call);
	}
	return done;
}

#define END(filter, list) end((filter), (list), COUNT(list))

static bool end(scmp_filter_ctx filter, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, calls[i], 0) != 0) {
			return false;
		}
	}
	return true;
}

/* Where keywardd is not started as root, its other children are of the same user: what a process may
 * do to itself, it may not do to them. */
static bool itself(scmp_filter_ctx filter)
{
	const struct call raise_only = IF(tgkill, IS(0, getpid()));

	return add(filter, SCMP_ACT_ALLOW, &raise_only);
}

static bool fill_role(scmp_filter_ctx filter, enum js_role role, bool names)
{
	switch (role) {
	case JS_ROLE_FRONT:
		return ALLOW(filter, server) && ALLOW(filter, front) &&
		       REFUSE(filter, front_expected) &&
		       (names ? ALLOW(filter, front_files) : REFUSE(filter, front_no_files));
	case JS_ROLE_VAULT:
		return ALLOW(filter, vault) && REFUSE(filter, no_threads);
	case JS_ROLE_PORTAL:
		return ALLOW(filter, server) && REFUSE(filter, no_threads);
	}
	return false;
}

static bool fill(scmp_filter_ctx filter, enum js_role role, bool names)
{
	bool done = ALLOW(filter, common) && itself(filter) && fill_role(filter, role, names) &&
		    REFUSE(filter, expected) && END(filter, hostile) && END(filter, hostile_inside);

#ifdef WITH_SANITIZER
	done = done && ALLOW(filter, sanitizer);
#endif
	return done;
}

/* 2: a binary tree instead of a list; it is walked at every system call. */
static scmp_filter_ctx filter_create(uint32_t otherwise)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);

	if (filter != NULL && (seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0 ||
				      seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
					      SCMP_ACT_KILL_PROCESS) != 0)) {
		seccomp_release(filter);
		return NULL;
	}
	return filter;
}

static enum kw_err load(scmp_filter_ctx filter, bool filled)
{
	int err = filled ? seccomp_load(filter) : -ENOMEM;

	if (err != 0) {
		kw_log(KW_LOG_ERROR, "sandbox", "cannot load the system call filter",
			KW_STR("reason", strerror(-err)));
	}
	seccomp_release(filter);
	return err == 0 ? KW_OK : KW_E_SYSTEM;
}

enum kw_err js_calls_restrict(enum js_role role, bool names)
{
	scmp_filter_ctx filter = filter_create(SCMP_ACT_TRAP);
	enum kw_err err = js_calls_watch();

	if (err != KW_OK) {
		seccomp_release(filter);
		return err;
	}
	return load(filter, filter != NULL && fill(filter, role, names));
}

enum kw_err js_calls_restrict_parent(void)
{
	scmp_filter_ctx filter = filter_create(SCMP_ACT_ALLOW);

	return load(
		filter, filter != NULL && END(filter, hostile) && REFUSE(filter, parent_refused));
}
