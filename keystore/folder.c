#include "keystore/folder.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NEW_LOCK_NAME KS_NEW_NAME "-lock"

enum kw_err ks_folder_error(const char *words, const char *path)
{
	kw_log(KW_LOG_ERROR, "keystore", words, KW_STR("path", path), KW_ERRNO());
	return KW_E_SYSTEM;
}

enum kw_err ks_folder_open(const char *path, int *out)
{
	*out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out >= 0 ? KW_OK : ks_folder_error("cannot open the store's directory", path);
}

/* The lock is on the directory, so that it holds before there is any file. */
enum kw_err ks_folder_lock(int folder, const char *path)
{
	if (flock(folder, LOCK_EX | LOCK_NB) == 0) {
		return KW_OK;
	}
	if (errno != EWOULDBLOCK) {
		return ks_folder_error("cannot lock the store's directory", path);
	}
	kw_log(KW_LOG_ERROR, "keystore", "another process has this store open");
	return KW_E_STORE_LOCKED;
}

enum kw_err ks_folder_has_store(int folder, bool *there)
{
	struct stat file;

	*there = fstatat(folder, KS_DATA_NAME, &file, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*there && errno != ENOENT) {
		return ks_folder_error("cannot look into the store's directory", KS_DATA_NAME);
	}
	return KW_OK;
}

void ks_folder_clear(int folder)
{
	unlinkat(folder, KS_NEW_NAME, 0);
	unlinkat(folder, NEW_LOCK_NAME, 0);
}

enum kw_err ks_folder_put(int folder, const char *path)
{
	if (renameat(folder, KS_NEW_NAME, folder, KS_DATA_NAME) != 0 || fsync(folder) != 0) {
		return ks_folder_error("cannot put the new store in place", path);
	}
	return KW_OK;
}

enum kw_err ks_folder_keep(int folder, const char *path, uint64_t now_ms, char name[KS_ASIDE_SIZE])
{
	const time_t now = (time_t)(now_ms / 1000);
	struct tm utc;
	size_t length;

	if (gmtime_r(&now, &utc) == NULL) {
		return ks_folder_error("cannot tell the time", path);
	}
	length = strftime(name, KS_ASIDE_SIZE, KS_DATA_NAME ".before-%Y%m%dT%H%M%SZ", &utc);
	/* Twice in a second: the name gets a number. */
	for (unsigned number = 2; linkat(folder, KS_DATA_NAME, folder, name, 0) != 0; number++) {
		if (errno != EEXIST || number > 99) {
			return ks_folder_error(
				"cannot keep the old store under another name", path);
		}
		snprintf(name + length, KS_ASIDE_SIZE - length, "-%u", number);
	}
	return KW_OK;
}
