#include "js/sandbox.h"

#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
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

static bool allow_directory(int ruleset, int directory, uint64_t rights)
{
	const struct landlock_path_beneath_attr beneath = {
		.allowed_access = STORE_RIGHTS & rights,
		.parent_fd = directory,
	};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) ==
	       0;
}

static enum kw_err restrict_files(int directory)
{
	const struct landlock_ruleset_attr attr = {.handled_access_fs = rights_known()};
	bool done;
	int ruleset;

	if (attr.handled_access_fs == 0) {
		kw_log(KW_LOG_NOTICE, "sandbox",
			"this kernel has no Landlock: files are guarded by their modes alone");
		return KW_OK;
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0) {
		kw_log(KW_LOG_ERROR, "sandbox", "cannot make a Landlock ruleset", KW_ERRNO());
		return KW_E_SYSTEM;
	}
	done = (directory < 0 || allow_directory(ruleset, directory, attr.handled_access_fs)) &&
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

static const int denied_files[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2),
	SCMP_SYS(creat),
	/* Landlock knows no right for these, and an older kernel no Landlock */
	SCMP_SYS(truncate), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(mknod),
	SCMP_SYS(mknodat), SCMP_SYS(chmod), SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(lchown),
	SCMP_SYS(fchownat), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(removexattr),
	SCMP_SYS(lremovexattr)};

static const int denied_sockets[] = {SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect),
	SCMP_SYS(bind), SCMP_SYS(listen)};

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

static bool fill(scmp_filter_ctx filter, enum js_role role)
{
	bool vault = role == JS_ROLE_VAULT;

	return DENY(filter, denied_to_all) && deny_processes(filter) && deny_others(filter) &&
	       DENY(filter, denied_sockets) &&
	       (vault ? DENY(filter, denied_accept) : DENY(filter, denied_files));
}

static enum kw_err restrict_calls(enum js_role role)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	/* 2: a binary tree instead of a list; it is walked at every system call */
	bool done = filter != NULL && seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 &&
		    fill(filter, role);
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
	enum kw_err err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		kw_log(KW_LOG_ERROR, "sandbox", "cannot give up new privileges", KW_ERRNO());
		return KW_E_SYSTEM;
	}
	err = restrict_files(role == JS_ROLE_VAULT ? directory : -1);
	return err == KW_OK ? restrict_calls(role) : err;
}
