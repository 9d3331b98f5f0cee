#include "base/temp.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER    "/var/tmp"
#define FILE_MODE (S_IRUSR | S_IWUSR)

/* For file systems that cannot make a file without a name. */
static int open_named(const char *folder)
{
	char path[PATH_MAX];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/keyward-XXXXXX", folder) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0) {
		unlink(path);
	}
	return fd;
}

enum kw_err kw_temp_open(int *fd)
{
	const char *folder = getenv("TMPDIR");

	if (folder == NULL || folder[0] == '\0') {
		folder = FOLDER;
	}
	*fd = open(folder, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, FILE_MODE);
	if (*fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		*fd = open_named(folder);
	}
	if (*fd < 0) {
		kw_log(KW_LOG_ERROR, "file", "cannot make a temporary file",
			KW_STR("folder", folder), KW_ERRNO());
		return KW_E_SYSTEM;
	}
	return KW_OK;
}

enum kw_err kw_temp_write(int fd, const void *octets, size_t length)
{
	const char *at = octets;

	while (length > 0) {
		const ssize_t put = write(fd, at, length);

		if (put < 0 && errno == EINTR) {
			continue;
		}
		if (put < 0) {
			kw_log(KW_LOG_ERROR, "file", "cannot write a temporary file", KW_ERRNO());
			return KW_E_SYSTEM;
		}
		at += put;
		length -= (size_t)put;
	}
	return KW_OK;
}

enum kw_err kw_temp_read(int fd, uint64_t place, void *out, size_t length)
{
	char *at = out;

	while (length > 0) {
		const ssize_t got = pread(fd, at, length, (off_t)place);

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			kw_log(KW_LOG_ERROR, "file", "cannot read a temporary file", KW_ERRNO());
			return KW_E_SYSTEM;
		}
		at += got;
		place += (uint64_t)got;
		length -= (size_t)got;
	}
	return KW_OK;
}
