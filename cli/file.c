#include "cli/file.h"

#include "base/secret.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_SIZE ((size_t)64 * 1024)

const char *cli_file_name(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* realloc() would leave the old octets behind. */
static bool grow(struct cli_file *file, size_t size)
{
	char *text = malloc(size);

	if (text == NULL) {
		return false;
	}
	if (file->text != NULL) {
		memcpy(text, file->text, file->length);
		kw_wipe(file->text, file->length);
		free(file->text);
	}
	file->text = text;
	file->size = size;
	return true;
}

static int read_all(int fd, const char *path, size_t max, struct cli_file *file)
{
	for (;;) {
		ssize_t got;

		if (file->length > max) {
			return cli_fail("%s: longer than %zu octets", cli_file_name(path), max);
		}
		if (file->length + 1 >= file->size && !grow(file, 2 * file->size)) {
			return cli_fail("%s: out of memory", cli_file_name(path));
		}
		got = read(fd, file->text + file->length, file->size - file->length - 1);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return cli_fail("%s: %s", cli_file_name(path), strerror(errno));
		}
		if (got == 0) {
			file->text[file->length] = '\0';
			return CLI_DONE;
		}
		file->length += (size_t)got;
	}
}

static int check_secret(const char *path, const struct stat *status)
{
	if (!S_ISREG(status->st_mode)) {
		return cli_fail("%s: not a regular file", path);
	}
	if (status->st_uid != geteuid() && status->st_uid != 0) {
		return cli_fail("%s: belongs to somebody else; it must be yours or root's", path);
	}
	if ((status->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		return cli_fail("%s: open to others than its owner; chmod 600 %s", path, path);
	}
	return CLI_DONE;
}

static int read_open(int fd, const char *path, size_t max, bool secret, struct cli_file *file)
{
	struct stat status;
	size_t size = START_SIZE;

	if (fstat(fd, &status) != 0) {
		return cli_fail("%s: %s", cli_file_name(path), strerror(errno));
	}
	if (secret && check_secret(path, &status) != CLI_DONE) {
		return CLI_FAILED;
	}
	if (S_ISDIR(status.st_mode)) {
		return cli_fail("%s: a directory", cli_file_name(path));
	}
	if (S_ISREG(status.st_mode)) {
		file->readable_by_other = (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
		if ((unsigned long long)status.st_size > max) {
			return cli_fail("%s: longer than %zu octets", cli_file_name(path), max);
		}
		size += (size_t)status.st_size;
	}
	if (!grow(file, size)) {
		return cli_fail("%s: out of memory", cli_file_name(path));
	}
	return read_all(fd, path, max, file);
}

static int read_file(const char *path, size_t max, bool secret, struct cli_file *file)
{
	int status;
	int fd;

	memset(file, 0, sizeof(*file));
	if (strcmp(path, "-") == 0) {
		status = read_open(STDIN_FILENO, path, max, false, file);
	} else {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0) {
			return cli_fail("%s: %s", path, strerror(errno));
		}
		status = read_open(fd, path, max, secret, file);
		close(fd);
	}
	if (status != CLI_DONE) {
		cli_file_finish(file);
	}
	return status;
}

int cli_file_read(const char *path, size_t max, struct cli_file *file)
{
	return read_file(path, max, false, file);
}

int cli_file_read_secret(const char *path, size_t max, struct cli_file *file)
{
	return read_file(path, max, true, file);
}

void cli_file_finish(struct cli_file *file)
{
	if (file->text != NULL) {
		kw_wipe(file->text, file->size);
		free(file->text);
	}
	memset(file, 0, sizeof(*file));
}
