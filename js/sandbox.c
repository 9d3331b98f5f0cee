#include "js/sandbox.h"

#include "js/calls.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
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

static enum kw_err forgo_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		kw_log(KW_LOG_ERROR, "sandbox", "cannot give up new privileges", KW_ERRNO());
		return KW_E_SYSTEM;
	}
	return KW_OK;
}

enum kw_err js_sandbox_enter(enum js_role role, int directory)
{
	uint64_t rights = rights_known();
	enum kw_err err = forgo_privileges();

	tzset(); /* or gmtime_r() in a library reads /etc/localtime later */
	if (err == KW_OK) {
		err = restrict_files(role, directory, rights);
	}
	return err == KW_OK ? js_calls_restrict(role, rights != 0) : err;
}

enum kw_err js_sandbox_enter_parent(void)
{
	enum kw_err err = forgo_privileges();

	return err == KW_OK ? js_calls_restrict_parent() : err;
}
