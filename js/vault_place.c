#include "js/vault_place.h"

#include "keystore/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MASTER_SCHEME "file:"

int js_place_fail(const char *task, const char *path, const char *why)
{
	fprintf(stderr, "keyward: %s: %s: %s\n", task, path, why);
	return 1;
}

/* The directory itself, not its parents: a misspelt path should not be built. */
static bool make_directory(const char *task, const char *path, mode_t mode)
{
	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		js_place_fail(task, path, strerror(errno));
		return false;
	}
	return true;
}

bool js_place_make_parent(const char *task, const char *path)
{
	char copy[PATH_MAX];

	if (strlen(path) >= sizeof(copy)) {
		js_place_fail(task, path, "the path is too long");
		return false;
	}
	strcpy(copy, path);
	return make_directory(task, dirname(copy), 0755);
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
static bool give_directory(const char *task, const char *path, const struct passwd *owner)
{
	struct stat info;

	if (stat(".", &info) != 0) {
		js_place_fail(task, path, strerror(errno));
		return false;
	}
	if (info.st_uid != owner->pw_uid && !is_empty(".")) {
		js_place_fail(task, path,
			"there are other files in this directory; name one of its own in "
			"[keystore] path");
		return false;
	}
	if (chown(".", owner->pw_uid, owner->pw_gid) != 0) {
		js_place_fail(task, path, strerror(errno));
		return false;
	}
	return true;
}

/* Enter the directory while still root, then belong to its owner. */
bool js_place_enter(const char *task, const struct js_options *options)
{
	if (!make_directory(task, options->store, 0700)) {
		return false;
	}
	if (chdir(options->store) != 0) {
		js_place_fail(task, options->store, strerror(errno));
		return false;
	}
	if (options->owner != NULL) {
		const struct passwd *owner = getpwnam(options->owner);

		if (owner == NULL) {
			fprintf(stderr,
				"keyward: %s: there is no user %s; create it with: useradd "
				"--system --no-create-home --shell /usr/sbin/nologin %s\n",
				task, options->owner, options->owner);
			return false;
		}
		if (!give_directory(task, options->store, owner)) {
			return false;
		}
		js_process_become(options->owner);
	}
	return true;
}

const char *js_place_master_path(const char *task, const struct js_options *options)
{
	const char *key = options->master_key;

	if (key == NULL || options->store == NULL ||
		strncmp(key, MASTER_SCHEME, strlen(MASTER_SCHEME)) != 0) {
		js_place_fail(task, "options", "needs --store PATH and --master-key file:PATH");
		return NULL;
	}
	return key + strlen(MASTER_SCHEME);
}

bool js_place_master_read(const char *task, const char *path, struct ks_master_key *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	if (fd < 0) {
		js_place_fail(task, path,
			errno == EACCES ? "Permission denied; run this as root, or as the user "
					  "that starts keywardd"
					: strerror(errno));
		return false;
	}
	err = ks_master_read(fd, out);
	close(fd);
	if (err != KW_OK) {
		js_place_fail(task, path, kw_err_text(err));
	}
	return err == KW_OK;
}
