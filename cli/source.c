#include "cli/source.h"

#include "base/secret.h"
#include "base/temp.h"
#include "cli/cli.h"
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE ((size_t)64 * 1024)

static enum kw_err read_some(struct cli_source *source, char *out, size_t size, size_t *got)
{
	ssize_t octets;

	do {
		octets = read(source->fd, out, size);
	} while (octets < 0 && errno == EINTR);
	*got = octets > 0 ? (size_t)octets : 0;
	if (octets < 0) {
		cli_fail("%s: %s", source->name, strerror(errno));
		return KW_E_SYSTEM;
	}
	return KW_OK;
}

static int read_head(struct cli_source *source)
{
	size_t got = 1;

	while (got > 0 && source->head_length < sizeof(source->head)) {
		if (read_some(source, source->head + source->head_length,
			    sizeof(source->head) - source->head_length, &got) != KW_OK) {
			return CLI_FAILED;
		}
		source->head_length += got;
	}
	return CLI_DONE;
}

static int look(struct cli_source *source)
{
	struct stat status;

	if (fstat(source->fd, &status) != 0) {
		return cli_fail("%s: %s", source->name, strerror(errno));
	}
	if (S_ISDIR(status.st_mode)) {
		return cli_fail("%s: a directory", source->name);
	}
	source->regular = S_ISREG(status.st_mode);
	if (source->regular) {
		const off_t start = lseek(source->fd, 0, SEEK_CUR);

		source->readable_by_other = (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
		source->start = start > 0 ? (uint64_t)start : 0;
		source->size = (uint64_t)status.st_size > source->start
				       ? (uint64_t)status.st_size - source->start
				       : 0;
	}
	return read_head(source);
}

int cli_source_open(const char *path, struct cli_source *source)
{
	memset(source, 0, sizeof(*source));
	source->name = cli_file_name(path);
	source->fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					    : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (source->fd < 0) {
		return cli_fail("%s: %s", source->name, strerror(errno));
	}
	if (look(source) != CLI_DONE) {
		cli_source_close(source);
		return CLI_FAILED;
	}
	return CLI_DONE;
}

void cli_source_close(struct cli_source *source)
{
	if (source->fd >= 0) {
		close(source->fd);
		source->fd = -1;
	}
	kw_wipe(source->head, sizeof(source->head));
}

enum kw_err cli_source_read(void *context, char *out, size_t size, size_t *got)
{
	struct cli_source *source = context;
	const size_t left = source->head_length - source->head_taken;
	enum kw_err err = KW_OK;

	if (left > 0) {
		*got = left < size ? left : size;
		memcpy(out, source->head + source->head_taken, *got);
		source->head_taken += *got;
	} else {
		err = read_some(source, out, size, got);
	}
	source->taken += *got;
	return err;
}

static int copy(struct cli_source *source, int fd)
{
	char *buffer = malloc(COPY_SIZE);
	size_t got = 1;
	enum kw_err err = buffer != NULL ? KW_OK : KW_E_NO_MEMORY;

	while (err == KW_OK && got > 0) {
		err = cli_source_read(source, buffer, COPY_SIZE, &got);
		if (err == KW_OK) {
			err = kw_temp_write(fd, buffer, got);
		}
	}
	free(buffer);
	return err == KW_OK ? CLI_DONE
			    : cli_fail("%s cannot be kept in a temporary file", source->name);
}

int cli_source_keep(struct cli_source *source)
{
	int fd;

	if (source->regular) {
		return CLI_DONE;
	}
	if (kw_temp_open(&fd) != KW_OK) {
		return CLI_FAILED;
	}
	if (copy(source, fd) != CLI_DONE) {
		close(fd);
		return CLI_FAILED;
	}
	close(source->fd);
	source->fd = fd;
	source->regular = true;
	source->size = source->taken;
	source->start = 0;
	return CLI_DONE;
}

int cli_source_again(struct cli_source *source)
{
	source->head_taken = source->head_length; /* the file has them too */
	source->taken = 0;
	return lseek(source->fd, (off_t)source->start, SEEK_SET) >= 0
		       ? CLI_DONE
		       : cli_fail("%s: %s", source->name, strerror(errno));
}
