#include "cli/target.h"

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int endings[] = {SIGINT, SIGTERM, SIGHUP};

/* What a signal is to remove; "" for nothing. */
static char unfinished[PATH_MAX];

static void remove_and_end(int number)
{
	if (unfinished[0] != '\0') {
		unlink(unfinished);
	}
	signal(number, SIG_DFL);
	raise(number);
}

static void on_endings(void (*handler)(int))
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		cli_signal(endings[i], handler, 0);
	}
}

static int open_stdout(struct cli_target *target)
{
	if (isatty(STDOUT_FILENO) == 1) {
		return cli_fail("standard output is a terminal; name a file or use a pipe");
	}
	target->fd = STDOUT_FILENO;
	return CLI_DONE;
}

/* @return false if it does not fit */
static bool put_path(struct cli_target *target, const char *path, const char *name)
{
	struct stat info;
	bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);

	return (size_t)snprintf(target->path, sizeof(target->path), "%s%s%s", path,
		       folder ? "/" : "", folder ? name : "") < sizeof(target->path) &&
	       (size_t)snprintf(target->made, sizeof(target->made), "%s.XXXXXX", target->path) <
		       sizeof(target->made);
}

static int check_free(const struct cli_target *target)
{
	struct stat info;

	if (lstat(target->path, &info) != 0) {
		return errno == ENOENT ? CLI_DONE
				       : cli_fail("%s: %s", target->path, strerror(errno));
	}
	if (!S_ISREG(info.st_mode)) {
		return cli_fail("%s: there is something that is no file; - writes to standard "
				"output",
			target->path);
	}
	return target->replace
		       ? CLI_DONE
		       : cli_fail("%s: there is a file already; --force replaces it", target->path);
}

int cli_target_open(struct cli_target *target, const char *path, const char *name, bool replace)
{
	memset(target, 0, sizeof(*target));
	target->fd = -1;
	target->replace = replace;
	if (strcmp(path, "-") == 0) {
		strcpy(target->path, path);
		return open_stdout(target);
	}
	if (!put_path(target, path, name)) {
		target->made[0] = '\0';
		return cli_fail("%s: the path is too long", path);
	}
	if (check_free(target) != CLI_DONE) {
		target->made[0] = '\0';
		return CLI_FAILED;
	}
	target->fd = mkostemp(target->made, O_CLOEXEC);
	if (target->fd < 0) {
		target->made[0] = '\0';
		return cli_fail("cannot write %s: %s", target->path, strerror(errno));
	}
	memcpy(unfinished, target->made, sizeof(unfinished));
	on_endings(remove_and_end);
	return CLI_DONE;
}

int cli_target_write(struct cli_target *target, const void *octets, size_t length)
{
	const char *at = octets;

	while (length > 0) {
		const ssize_t written = write(target->fd, at, length);

		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written <= 0) {
			return cli_fail("cannot write %s: %s",
				target->made[0] == '\0' ? "to standard output" : target->path,
				strerror(errno));
		}
		at += written;
		length -= (size_t)written;
	}
	return CLI_DONE;
}

static bool sync_folder(const struct cli_target *target)
{
	char copy[PATH_MAX];
	int folder;
	bool done;

	strcpy(copy, target->path);
	folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* EINVAL: a file system that has no such thing, CIFS for one. */
	done = folder >= 0 && (fsync(folder) == 0 || errno == EINVAL);
	if (folder >= 0) {
		close(folder);
	}
	return done;
}

/* A file that came meanwhile is not replaced. FAT and CIFS have no links, NFS has no such rename. */
static bool give_name(struct cli_target *target)
{
	const unsigned flags = target->replace ? 0 : RENAME_NOREPLACE;

	if (renameat2(AT_FDCWD, target->made, AT_FDCWD, target->path, flags) == 0) {
		return true;
	}
	return flags != 0 && (errno == EINVAL || errno == ENOSYS) &&
	       link(target->made, target->path) == 0 && unlink(target->made) == 0;
}

int cli_target_finish(struct cli_target *target)
{
	if (target->made[0] == '\0') {
		return CLI_DONE; /* standard output */
	}
	if (fsync(target->fd) != 0 || !give_name(target)) {
		return cli_fail("cannot write %s: %s", target->path, strerror(errno));
	}
	target->made[0] = '\0';
	if (!sync_folder(target)) {
		return cli_fail("%s is written, but a power cut may undo that: %s", target->path,
			strerror(errno));
	}
	return CLI_DONE;
}

void cli_target_close(struct cli_target *target)
{
	if (target->made[0] != '\0') {
		unlink(target->made);
	}
	if (target->fd >= 0 && target->fd != STDOUT_FILENO) {
		close(target->fd);
	}
	on_endings(SIG_DFL);
	unfinished[0] = '\0';
	target->fd = -1;
}
