/*
 * `keyward-vault --init`, run once by `keyward init`: the master key file and an empty store.
 */
#include "js/vault.h"

#include "base/log.h"
#include "base/secret.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MASTER_SCHEME "file:"

static int fail(const char *path, const char *why)
{
	fprintf(stderr, "keyward: init: %s: %s\n", path, why);
	return 1;
}

/* The directory itself, not its parents: a misspelt path should not be built. */
static bool make_directory(const char *path, mode_t mode)
{
	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		fail(path, strerror(errno));
		return false;
	}
	return true;
}

static bool make_parent(const char *path)
{
	char copy[PATH_MAX];

	if (strlen(path) >= sizeof(copy)) {
		fail(path, "the path is too long");
		return false;
	}
	strcpy(copy, path);
	return make_directory(dirname(copy), 0755);
}

/* An existing key is used, never replaced: it may be the one of a backup. */
static bool take_master_key(const char *path, const struct kw_env *env, struct ks_master_key *out)
{
	enum kw_err err = ks_master_create(path, env);
	int fd;

	if (err != KW_OK && err != KW_E_EXISTS) {
		fail(path, kw_err_text(err));
		return false;
	}
	printf("master key: %s (%s)\n", path,
		err == KW_OK ? "created; keep a copy in a safe place" : "there already, used");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		fail(path, strerror(errno));
		return false;
	}
	err = ks_master_read(fd, out);
	close(fd);
	if (err != KW_OK) {
		fail(path, kw_err_text(err));
	}
	return err == KW_OK;
}

static bool is_empty(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	bool empty = directory != NULL;

	while (empty && (entry = readdir(directory)) != NULL) {
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	}
	if (directory != NULL) {
		closedir(directory);
	}
	return empty;
}

/* A directory of somebody else is not given away with what is in it: the path may be misspelt. */
static bool give_directory(const char *path, const struct passwd *owner)
{
	struct stat info;

	if (stat(".", &info) != 0) {
		fail(path, strerror(errno));
		return false;
	}
	if (info.st_uid != owner->pw_uid && !is_empty(".")) {
		fail(path, "there are other files in this directory; name one of its own in "
			   "[keystore] path");
		return false;
	}
	if (chown(".", owner->pw_uid, owner->pw_gid) != 0) {
		fail(path, strerror(errno));
		return false;
	}
	return true;
}

/* Enter the directory while still root, then belong to its owner. */
static bool enter_store(const struct js_options *options)
{
	if (!make_directory(options->store, 0700)) {
		return false;
	}
	if (chdir(options->store) != 0) {
		fail(options->store, strerror(errno));
		return false;
	}
	if (options->owner != NULL) {
		const struct passwd *owner = getpwnam(options->owner);

		if (owner == NULL) {
			fprintf(stderr,
				"keyward: init: there is no user %s; create it with: useradd "
				"--system --no-create-home --shell /usr/sbin/nologin %s\n",
				options->owner, options->owner);
			return false;
		}
		if (!give_directory(options->store, owner)) {
			return false;
		}
		js_process_become(options->owner);
	}
	return true;
}

static bool store_is_here(const char *path)
{
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%s/data.mdb", path);
	return access(file, F_OK) == 0;
}

static int create(const struct js_options *options, const struct kw_env *env,
	const struct ks_master_key *master)
{
	const struct ks_options store = {
		.path = ".",
		.map_size = options->map_size,
		.env = env,
	};
	enum kw_err err;

	if (!enter_store(options)) {
		return 1;
	}
	err = ks_store_create(&store, master);
	if (err != KW_OK) {
		return fail(options->store, kw_err_text(err));
	}
	printf("store: %s (created)\n", options->store);
	return 0;
}

int js_vault_init(const struct js_options *options, const struct kw_env *env)
{
	const char *key = options->master_key;
	struct ks_master_key master;
	int status = 1;

	umask(077);
	kw_secret_process();
	if (key == NULL || options->store == NULL ||
		strncmp(key, MASTER_SCHEME, strlen(MASTER_SCHEME)) != 0) {
		return fail("--init", "needs --store PATH and --master-key file:PATH");
	}
	key += strlen(MASTER_SCHEME);
	if (store_is_here(options->store)) {
		return fail(options->store, "there is a store already; it was not touched");
	}
	if (make_parent(key) && make_parent(options->store) && take_master_key(key, env, &master)) {
		status = create(options, env, &master);
	}
	kw_wipe(&master, sizeof(master));
	return status;
}
