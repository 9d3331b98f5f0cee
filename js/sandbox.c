#include "js/sandbox.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights that are younger than the headers of Debian 12. */
#define RIGHT_TRUNCATE  (UINT64_C(1) << 14)
#define RIGHT_IOCTL_DEV (UINT64_C(1) << 15)

#define STORE_RIGHTS                                                        \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |     \
		LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
		LANDLOCK_ACCESS_FS_REMOVE_FILE | RIGHT_TRUNCATE)

/* All file rights that the running kernel can withhold; 0: it has no Landlock. */
static uint64_t rights_known(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	uint64_t rights = LANDLOCK_ACCESS_FS_REFER - 1; /* all of the first version */

	if (abi < 1) {
		return 0;
	}
	if (abi >= 2) {
		rights |= LANDLOCK_ACCESS_FS_REFER;
	}
	if (abi >= 3) {
		rights |= RIGHT_TRUNCATE;
	}
	if (abi >= 5) {
		rights |= RIGHT_IOCTL_DEV;
	}
	return rights;
}

static bool allow_beneath(int ruleset, int fd, uint64_t rights)
{
	const struct landlock_path_beneath_attr beneath = {
		.allowed_access = rights,
		.parent_fd = fd,
	};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) ==
	       0;
}

/* What getaddrinfo() reads. */
static const char *const name_files[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
	"/etc/host.conf", "/etc/gai.conf", "/etc/services"};

/*
 * A rule is for the file that is there now. Who keeps resolv.conf below /run, such as
 * systemd-resolved in /run/systemd/resolve, replaces it by another one whenever the network changes;
 * there the rule is for the directory, which is its own.
 */
static void widen(char *path)
{
	static const char run[] = "/run/";
	char *slash = strrchr(path, '/');

	if (strncmp(path, run, sizeof(run) - 1) == 0 && slash > path + sizeof(run) - 1) {
		*slash = '\0';
	}
}

/* One that is not there is no error: the resolver does without. */
static bool allow_name_file(int ruleset, const char *name)
{
	char path[PATH_MAX];
	bool done;
	int fd;

	if (realpath(name, path) == NULL) {
		return true;
	}
	widen(path);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		return true;
	}
	done = allow_beneath(ruleset, fd, LANDLOCK_ACCESS_FS_READ_FILE);
	close(fd);
	return done;
}

static bool allow_names(int ruleset)
{
	bool done = true;

	for (size_t i = 0; i < sizeof(name_files) / sizeof(name_files[0]); i++) {
		done = done && allow_name_file(ruleset, name_files[i]);
	}
	return done;
}

static bool allow_for_role(int ruleset, enum js_role role, int directory, uint64_t rights)
{
	switch (role) {
	case JS_ROLE_FRONT:
		return allow_names(ruleset);
	case JS_ROLE_VAULT:
		return allow_beneath(ruleset, directory, STORE_RIGHTS & rights);
	case JS_ROLE_PORTAL:
		break;
	}
	return true;
}

static enum kw_err restrict_files(enum js_role role, int directory, uint64_t rights)
{
	const struct landlock_ruleset_attr attr = {.handled_access_fs = rights};
	bool done;
	int ruleset;

	if (rights == 0) {
		kw_log(KW_LOG_NOTICE, "sandbox",
			"this kernel has no Landlock: files are guarded by their modes alone");
		return KW_OK;
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0) {
		kw_log(KW_LOG_ERROR, "sandbox", "cannot make a Landlock ruleset", KW_ERRNO());
		return KW_E_SYSTEM;
	}
	done = allow_for_role(ruleset, role, directory, rights) &&
	       syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	if (!done) {
		kw_log(KW_LOG_ERROR, "sandbox", "cannot enter the Landlock ruleset", KW_ERRNO());
	}
	close(ruleset);
	return done ? KW_OK : KW_E_SYSTEM;
}

/* Nobody here starts programs, looks into other processes or administers the machine. */
static const int denied_to_all[] = {
	/* programs and processes; clone() has rules of its own */
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp), SCMP_SYS(setns), SCMP_SYS(unshare),
	SCMP_SYS(perf_event_open), SCMP_SYS(bpf), SCMP_SYS(userfaultfd),
	/* signals; a process may still end itself, see deny_others() */
	SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(pidfd_send_signal),
	/* io_uring would open and connect past these rules */
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
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

static const int denied_files[] = {SCMP_SYS(open), SCMP_SYS(openat2), SCMP_SYS(creat),
	/* Landlock knows no right for these, and an older kernel no Landlock */
	SCMP_SYS(truncate), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(mknod),
	SCMP_SYS(mknodat), SCMP_SYS(chmod), SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(lchown),
	SCMP_SYS(fchownat), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(removexattr),
	SCMP_SYS(lremovexattr)};

static const int denied_openat[] = {SCMP_SYS(openat)};

/* No server is opened, and nothing is bound to a path or an abstract name. */
static const int denied_bind[] = {SCMP_SYS(bind), SCMP_SYS(listen)};

static const int denied_sockets[] = {SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect)};

static const int denied_accept[] = {SCMP_SYS(accept), SCMP_SYS(accept4)};

#define DENY(filter, list) deny((filter), (list), sizeof(list) / sizeof((list)[0]))

static bool deny(scmp_filter_ctx filter, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0) != 0) {
			return false;
		}
	}
	return true;
}

/*
 * Threads are allowed, processes are not. The flags of clone3() are out of a filter's reach: where
 * it seems not to exist the C library takes clone().
 */
static bool deny_processes(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
		       SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

static struct scmp_arg_cmp first_is_not(scmp_datum_t value)
{
	return (struct scmp_arg_cmp){.arg = 0, .op = SCMP_CMP_NE, .datum_a = value};
}

/* Where keywardd is not started as root, its other children are of the same user: what a process may
 * do to itself, it may not do to them. */
static bool deny_others(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
		       first_is_not((scmp_datum_t)getpid())) == 0 &&
	       seccomp_rule_add(
		       filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1, first_is_not(0)) == 0;
}

static bool deny_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp comparison)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 1, &comparison) == 0;
}

static struct scmp_arg_cmp bits_are(unsigned arg, scmp_datum_t mask, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){
		.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

/*
 * Every value of an argument but those whose bit is set in `allowed`, all below 32. The rules are many
 * since they can only say what is denied, and one has room for one comparison of an argument.
 */
static bool deny_but(
	scmp_filter_ctx filter, int call, unsigned arg, uint32_t mask, uint32_t allowed)
{
	bool done = true;

	for (uint32_t value = 0; value < 32; value++) {
		if ((value & ~mask) == 0 && (allowed >> value & 1) == 0) {
			done = done && deny_if(filter, call, bits_are(arg, mask, value));
		}
	}
	for (uint32_t bit = 32; bit != 0; bit <<= 1) {
		if ((mask & bit) != 0) {
			done = done && deny_if(filter, call, bits_are(arg, bit, bit));
		}
	}
	return done;
}

#define ONLY(value) (UINT32_C(1) << (value))
#define WHOLE       UINT32_MAX
#define TYPE_MASK   UINT32_C(0xf) /* the rest are SOCK_CLOEXEC and SOCK_NONBLOCK */

/*
 * TCP and UDP, to ask and not to serve. Sockets of AF_UNIX would reach the admin socket and others on
 * this machine, so there are only pairs, which cannot be connected anew. The resolver would look at
 * the addresses of this machine by AF_NETLINK; it does without.
 */
static bool deny_sockets_but_asking(scmp_filter_ctx filter)
{
	return deny_but(filter, SCMP_SYS(socket), 0, WHOLE, ONLY(AF_INET) | ONLY(AF_INET6)) &&
	       deny_but(filter, SCMP_SYS(socket), 1, TYPE_MASK,
		       ONLY(SOCK_STREAM) | ONLY(SOCK_DGRAM)) &&
	       deny_but(filter, SCMP_SYS(socket), 2, WHOLE,
		       ONLY(0) | ONLY(IPPROTO_TCP) | ONLY(IPPROTO_UDP)) &&
	       deny_but(filter, SCMP_SYS(socketpair), 0, WHOLE, ONLY(AF_UNIX)) &&
	       deny_but(filter, SCMP_SYS(socketpair), 1, TYPE_MASK, ONLY(SOCK_STREAM));
}

/* Which files can be opened is for Landlock to say; here, that they are only read. */
static bool deny_openat_but_reading(scmp_filter_ctx filter)
{
	static const uint32_t flags[] = {
		O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE & ~O_DIRECTORY, O_PATH};
	bool done = true;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		done = done && deny_if(filter, SCMP_SYS(openat), bits_are(2, flags[i], flags[i]));
	}
	return done;
}

static bool fill_role(scmp_filter_ctx filter, enum js_role role, bool landlock)
{
	switch (role) {
	case JS_ROLE_FRONT:
		return DENY(filter, denied_files) && deny_sockets_but_asking(filter) &&
		       (landlock ? deny_openat_but_reading(filter) : DENY(filter, denied_openat));
	case JS_ROLE_VAULT:
		return DENY(filter, denied_sockets) && DENY(filter, denied_accept);
	case JS_ROLE_PORTAL:
		return DENY(filter, denied_sockets) && DENY(filter, denied_files) &&
		       DENY(filter, denied_openat);
	}
	return false;
}

static bool fill(scmp_filter_ctx filter, enum js_role role, bool landlock)
{
	return DENY(filter, denied_to_all) && deny_processes(filter) && deny_others(filter) &&
	       DENY(filter, denied_bind) && fill_role(filter, role, landlock);
}

static enum kw_err restrict_calls(enum js_role role, bool landlock)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	/* 2: a binary tree instead of a list; it is walked at every system call */
	bool done = filter != NULL && seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 &&
		    fill(filter, role, landlock);
	int err = done ? seccomp_load(filter) : -ENOMEM;

	if (err != 0) {
		kw_log(KW_LOG_ERROR, "sandbox", "cannot load the system call filter",
			KW_STR("reason", strerror(-err)));
	}
	seccomp_release(filter);
	return err == 0 ? KW_OK : KW_E_SYSTEM;
}

enum kw_err js_sandbox_enter(enum js_role role, int directory)
{
	uint64_t rights = rights_known();
	enum kw_err err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		kw_log(KW_LOG_ERROR, "sandbox", "cannot give up new privileges", KW_ERRNO());
		return KW_E_SYSTEM;
	}
	err = restrict_files(role, directory, rights);
	return err == KW_OK ? restrict_calls(role, rights != 0) : err;
}
