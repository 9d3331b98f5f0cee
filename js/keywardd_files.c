#include "js/keywardd_files.h"

#include "js/helper.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "keyward.lock"

enum kw_err js_fail(char why[CONF_WHY_SIZE], enum kw_err err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, CONF_WHY_SIZE, format, args);
	va_end(args);
	return err;
}

const char *js_role_helper(enum js_role role)
{
	switch (role) {
	case JS_ROLE_FRONT:
		return "keyward-front";
	case JS_ROLE_VAULT:
		return "keyward-vault";
	case JS_ROLE_PORTAL:
		return "keyward-portal";
	}
	return "";
}

const char *js_role_user(enum js_role role)
{
	return geteuid() == 0 ? js_role_helper(role) : NULL;
}

static enum kw_err check_role(enum js_role role, char *why)
{
	const char *user = js_role_user(role);
	char path[PATH_MAX];

	if (js_helper_path(js_role_helper(role), path) != KW_OK) {
		return js_fail(why, KW_E_NOT_FOUND,
			"the program %s is neither beside keywardd nor in %s; install Keyward anew",
			js_role_helper(role), JS_LIBEXECDIR);
	}
	if (user != NULL && getpwnam(user) == NULL) {
		return js_fail(why, KW_E_NOT_FOUND,
			"there is no user %s, as whom this process must run when keywardd is "
			"started "
			"as root; run: useradd --system --no-create-home --shell /usr/sbin/nologin "
			"%s",
			user, user);
	}
	return KW_OK;
}

static enum kw_err store_open(const struct conf *conf, const char *conf_path, int *fd, char *why)
{
	const char *user = js_role_user(JS_ROLE_VAULT);
	const struct passwd *entry = user != NULL ? getpwnam(user) : NULL;
	const char *path = conf->keystore.path;
	struct stat info;

	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0 && errno == ENOENT) {
		return js_fail(why, KW_E_NOT_FOUND,
			"there is no store at %s; run: keyward -c %s init", path, conf_path);
	}
	if (*fd < 0 || fstat(*fd, &info) != 0) {
		return js_fail(
			why, KW_E_SYSTEM, "cannot open the store %s: %s", path, strerror(errno));
	}
	if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		return js_fail(why, KW_E_INVALID,
			"others may write to the store %s; run: chmod 0700 %s", path, path);
	}
	if (entry != NULL && info.st_uid != entry->pw_uid) {
		return js_fail(why, KW_E_INVALID,
			"the store %s does not belong to the user %s; run: chown -R %s %s", path,
			user, user, path);
	}
	return KW_OK;
}

/* As the vault will judge it. */
static bool owner_trusted(uid_t owner)
{
	const char *user = js_role_user(JS_ROLE_VAULT);
	const struct passwd *entry = user != NULL ? getpwnam(user) : NULL;

	return owner == 0 || owner == (entry != NULL ? entry->pw_uid : geteuid());
}

static enum kw_err master_check(int fd, const char *path, char *why)
{
	struct stat info;

	if (fstat(fd, &info) != 0) {
		return js_fail(why, KW_E_SYSTEM, "cannot look at the master key file %s: %s", path,
			strerror(errno));
	}
	if (!S_ISREG(info.st_mode)) {
		return js_fail(why, KW_E_INVALID, "the master key %s is not a file", path);
	}
	if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		return js_fail(why, KW_E_INVALID,
			"the master key file %s has mode %04o: others may reach it; run: chmod "
			"0600 %s",
			path, (unsigned)info.st_mode & 07777, path);
	}
	if (!owner_trusted(info.st_uid)) {
		return js_fail(why, KW_E_INVALID,
			"the master key file %s belongs to another user, who may have read or "
			"changed it; run: chown root %s",
			path, path);
	}
	return KW_OK;
}

static enum kw_err master_open(const struct conf *conf, const char *conf_path, int *fd, char *why)
{
	/* The configuration has checked the scheme. */
	const char *path = conf->keystore.master_key + strlen("file:");

	*fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (*fd >= 0) {
		return master_check(*fd, path, why);
	}
	if (errno == ENOENT) {
		return js_fail(why, KW_E_NOT_FOUND,
			"there is no master key file %s; put back the one of this store, or, if "
			"there "
			"is no store yet, run: keyward -c %s init",
			path, conf_path);
	}
	if (errno == ELOOP) {
		return js_fail(why, KW_E_INVALID,
			"the master key file %s is a symbolic link; name the file itself in "
			"master_key",
			path);
	}
	return js_fail(
		why, KW_E_SYSTEM, "cannot open the master key file %s: %s", path, strerror(errno));
}

/* The process that holds the lock, as it wrote it; 0 if that cannot be told. */
static long lock_holder(int fd)
{
	char text[24];
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	return strtol(text, NULL, 10);
}

static enum kw_err lock_take(int fd, const char *store, char *why)
{
	char text[24];
	struct stat info;
	int length;

	if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1) {
		return js_fail(why, KW_E_INVALID, "%s/%s is not a file of its own; remove it",
			store, LOCK_NAME);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK) {
			return js_fail(why, KW_E_SYSTEM, "cannot lock %s/%s: %s", store, LOCK_NAME,
				strerror(errno));
		}
		return js_fail(why, KW_E_STORE_LOCKED,
			"the store %s is in use by another keywardd (pid %ld)", store,
			lock_holder(fd));
	}
	/* For people only: what counts is the lock, so a full disk does not matter here. */
	length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length) {
		kw_log(KW_LOG_WARNING, "keywardd", "cannot write the process id into the lock file",
			KW_STR("store", store), KW_ERRNO());
	}
	return KW_OK;
}

static enum kw_err lock_open(int store_fd, const char *store, int *fd, char *why)
{
	*fd = openat(store_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		S_IRUSR | S_IWUSR);
	if (*fd < 0) {
		return js_fail(why, KW_E_SYSTEM, "cannot open %s/%s: %s", store, LOCK_NAME,
			strerror(errno));
	}
	return lock_take(*fd, store, why);
}

static enum kw_err check_programs(char *why)
{
	enum kw_err err = check_role(JS_ROLE_VAULT, why);

	if (err == KW_OK) {
		err = check_role(JS_ROLE_FRONT, why);
	}
	if (err == KW_OK) {
		err = check_role(JS_ROLE_PORTAL, why);
	}
	return err;
}

static enum kw_err open_all(const struct conf *conf, const char *conf_path, bool lock,
	struct js_files *files, char *why)
{
	enum kw_err err = check_programs(why);

	*files = (struct js_files){-1, -1, -1};
	if (err == KW_OK) {
		err = store_open(conf, conf_path, &files->store, why);
	}
	if (err == KW_OK) {
		err = master_open(conf, conf_path, &files->master, why);
	}
	if (err == KW_OK && lock) {
		err = lock_open(files->store, conf->keystore.path, &files->lock, why);
	}
	if (err != KW_OK) {
		js_files_close(files);
	}
	return err;
}

enum kw_err js_files_check(const struct conf *conf, const char *conf_path, char why[CONF_WHY_SIZE])
{
	struct js_files files;
	enum kw_err err = open_all(conf, conf_path, false, &files, why);

	js_files_close(&files);
	return err;
}

enum kw_err js_files_open(const struct conf *conf, const char *conf_path, struct js_files *files,
	char why[CONF_WHY_SIZE])
{
	return open_all(conf, conf_path, true, files, why);
}

static void close_one(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

void js_files_close(struct js_files *files)
{
	close_one(&files->store);
	close_one(&files->master);
	close_one(&files->lock);
}
