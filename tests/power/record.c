#include "tests/power/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS_MAX 1024

static struct record *current;

/* What the descriptors that count are open on. */
static struct open_file {
	uint64_t file; /* inode; 0: none of ours */
	bool folder;
	bool durable; /* O_DSYNC */
} open_files[FDS_MAX];

/* ---- the record ---- */

struct record *record_create(int *fd)
{
	void *memory;

	*fd = memfd_create("record", 0);
	if (*fd < 0 || ftruncate(*fd, RECORD_ROOM) != 0) {
		return NULL;
	}
	memory = mmap(NULL, RECORD_ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

void record_destroy(struct record *record)
{
	munmap(record, RECORD_ROOM);
}

void record_use(struct record *record)
{
	memset(open_files, 0, sizeof(open_files));
	current = record;
}

/* Before main(), and before the sandbox closes what it does not know. */
__attribute__((constructor)) static void attach(void)
{
	const char *number = getenv(RECORD_ENVIRONMENT);
	void *memory;

	if (number == NULL) {
		return;
	}
	memory = mmap(NULL, RECORD_ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(number), 0);
	if (memory == MAP_FAILED) {
		abort();
	}
	current = memory;
}

static size_t padded(uint64_t length)
{
	return (sizeof(struct record_op) + length + 7) & ~(size_t)7;
}

const struct record_op *record_next(const struct record *record, const struct record_op *op)
{
	const uint8_t *at = op == NULL ? record->ops : (const uint8_t *)op + padded(op->length);

	return at < record->ops + record->used ? (const struct record_op *)(const void *)at : NULL;
}

/* An op with room for its data; NULL: the record is full. */
static struct record_op *reserve(enum record_kind kind, size_t length)
{
	struct record_op *op = (void *)(current->ops + current->used);

	if (padded(length) > RECORD_ROOM - sizeof(*current) - current->used) {
		current->full = true;
		return NULL;
	}
	*op = (struct record_op){.kind = kind, .length = length};
	current->used += padded(length);
	return op;
}

static void add(enum record_kind kind, uint64_t file, uint64_t offset, bool failed)
{
	struct record_op *op = reserve(kind, 0);

	if (op != NULL) {
		op->failed = failed;
		op->file = file;
		op->offset = offset;
	}
}

static void add_write(
	const struct open_file *file, off_t offset, const void *data, size_t length, bool failed)
{
	struct record_op *op = reserve(RECORD_WRITE, length);

	if (op != NULL) {
		op->file = file->file;
		op->offset = (uint64_t)offset;
		op->durable = file->durable && !failed;
		op->failed = failed;
		memcpy(op->data, data, length);
	}
}

static void add_names(enum record_kind kind, uint64_t file, const char *name, const char *new_name)
{
	struct record_op *op = reserve(kind, 0);

	if (op != NULL) {
		op->file = file;
		strcpy(op->name, name);
		strcpy(op->new_name, new_name);
	}
}

static void add_message(const struct msghdr *message)
{
	struct record_op *op;
	size_t length = 0, at = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++) {
		length += message->msg_iov[i].iov_len;
	}
	op = reserve(RECORD_SEND, length);
	for (size_t i = 0; op != NULL && i < message->msg_iovlen; i++) {
		const struct iovec *part = &message->msg_iov[i];

		if (part->iov_len > 0) {
			memcpy(op->data + at, part->iov_base, part->iov_len);
		}
		at += part->iov_len;
	}
}

/* ---- which files count ---- */

static struct open_file *known(int fd)
{
	return current != NULL && fd >= 0 && fd < FDS_MAX && open_files[fd].file != 0
		       ? &open_files[fd]
		       : NULL;
}

/* The last part of a path if that is in the recorded directory, else NULL. LMDB's lock files hold
 * nothing to keep. */
static const char *name_here(int folder, const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[4096] = ".";
	struct stat status;

	if (current == NULL) {
		return NULL;
	}
	if (slash != NULL && (size_t)(slash - path) < sizeof(parent)) {
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = '\0';
	}
	if (fstatat(folder, parent, &status, 0) != 0 || status.st_ino != current->folder) {
		return NULL;
	}
	path = slash != NULL ? slash + 1 : path;
	return strlen(path) < RECORD_NAME_SIZE && strstr(path, "lock") == NULL ? path : NULL;
}

/* Whether this call is to fail. */
static bool fails(enum record_kind kind, bool durable)
{
	struct record_fault *fault = &current->fault;

	if (fault->kind != kind || fault->durable != durable || fault->times == 0) {
		return false;
	}
	if (fault->after > 0) {
		fault->after--;
		return false;
	}
	fault->times--;
	current->failures++;
	return true;
}

/* ---- what takes the place of the C library's ---- */

static int do_open(int folder, const char *path, int flags, unsigned mode)
{
	const char *name = name_here(folder, path);
	struct stat status;
	const bool there = fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
	int fd;

	fd = (int)syscall(SYS_openat, folder, path, flags & ~O_SYNC, mode);
	if (fd < 0 || fd >= FDS_MAX || current == NULL || fstat(fd, &status) != 0) {
		return fd;
	}
	open_files[fd] = (struct open_file){0};
	if (S_ISDIR(status.st_mode) ? status.st_ino == current->folder : name != NULL) {
		open_files[fd] = (struct open_file){
			status.st_ino, S_ISDIR(status.st_mode), (flags & O_DSYNC) != 0};
	}
	if (name != NULL && !there) {
		add_names(RECORD_CREATE, status.st_ino, name, "");
	} else if (name != NULL && (flags & O_TRUNC) != 0) {
		add(RECORD_TRUNCATE, status.st_ino, 0, false);
	}
	return fd;
}

static ssize_t do_pwrite(int fd, const void *data, size_t length, off_t offset)
{
	struct open_file *file = known(fd);
	const bool fail = file != NULL && fails(RECORD_WRITE, file->durable);
	const int err = fail ? current->fault.err : 0;
	ssize_t written;

	if (fail && err != 0 && !current->fault.late) {
		errno = err;
		return -1;
	}
	if (fail && err == 0) {
		length = length > 1 ? length / 2 : length;
	}
	written = syscall(SYS_pwrite64, fd, data, length, offset);
	if (file != NULL && written > 0) {
		add_write(file, offset, data, (size_t)written, err != 0);
	}
	if (err != 0) {
		errno = err;
		return -1;
	}
	return written;
}

/* As pwrite()s at the place where the descriptor is. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count)
{
	off_t offset = lseek(fd, 0, SEEK_CUR);
	ssize_t total = 0;

	for (int i = 0; i < count; i++) {
		ssize_t written = do_pwrite(fd, parts[i].iov_base, parts[i].iov_len, offset);

		if (written < 0) {
			return total > 0 ? total : -1;
		}
		total += written;
		offset = lseek(fd, written, SEEK_CUR);
		if ((size_t)written < parts[i].iov_len) {
			break;
		}
	}
	return total;
}

static int do_sync(int fd)
{
	struct open_file *file = known(fd);
	bool fail;

	if (file == NULL) {
		return 0;
	}
	fail = fails(RECORD_SYNC, false);
	add(file->folder ? RECORD_SYNC_NAMES : RECORD_SYNC, file->file, 0, fail);
	errno = fail ? current->fault.err : errno;
	return fail ? -1 : 0;
}

static int do_truncate(int fd, off_t size)
{
	int result = (int)syscall(SYS_ftruncate, fd, size);

	if (result == 0 && known(fd) != NULL) {
		add(RECORD_TRUNCATE, known(fd)->file, (uint64_t)size, false);
	}
	return result;
}

static int do_rename(int folder, const char *path, int new_folder, const char *new_path)
{
	const char *name = name_here(folder, path);
	const char *new_name = name_here(new_folder, new_path);
	int result = (int)syscall(SYS_renameat2, folder, path, new_folder, new_path, 0);

	if (result == 0 && name != NULL && new_name != NULL) {
		add_names(RECORD_RENAME, 0, name, new_name);
	}
	return result;
}

static int do_unlink(int folder, const char *path, int flags)
{
	const char *name = name_here(folder, path);
	int result = (int)syscall(SYS_unlinkat, folder, path, flags);

	if (result == 0 && name != NULL) {
		add_names(RECORD_UNLINK, 0, name, "");
	}
	return result;
}

/*
 * The names by which others call them. With 64 in them or not is the same here; the C library has
 * the first ones for programs that ask for large files.
 */
#define NAME(name) __asm__(#name)
#define SAME(name) __attribute__((alias(#name)))

int shim_open(const char *path, int flags, ...) NAME(open);
int shim_open(const char *path, int flags, ...)
{
	va_list list;
	unsigned mode;

	va_start(list, flags);
	mode = va_arg(list, unsigned);
	va_end(list);
	return do_open(AT_FDCWD, path, flags, mode);
}
int shim_open64(const char *path, int flags, ...) NAME(open64) SAME(open);

int shim_openat(int folder, const char *path, int flags, ...) NAME(openat);
int shim_openat(int folder, const char *path, int flags, ...)
{
	va_list list;
	unsigned mode;

	va_start(list, flags);
	mode = va_arg(list, unsigned);
	va_end(list);
	return do_open(folder, path, flags, mode);
}
int shim_openat64(int folder, const char *path, int flags, ...) NAME(openat64) SAME(openat);

int shim_close(int fd) NAME(close);
int shim_close(int fd)
{
	if (fd >= 0 && fd < FDS_MAX) {
		open_files[fd] = (struct open_file){0};
	}
	return (int)syscall(SYS_close, fd);
}

ssize_t shim_pwrite(int fd, const void *data, size_t length, off_t offset) NAME(pwrite);
ssize_t shim_pwrite(int fd, const void *data, size_t length, off_t offset)
{
	return do_pwrite(fd, data, length, offset);
}
ssize_t shim_pwrite64(int fd, const void *data, size_t length, off_t offset) NAME(pwrite64)
	SAME(pwrite);

ssize_t shim_write(int fd, const void *data, size_t length) NAME(write);
ssize_t shim_write(int fd, const void *data, size_t length)
{
	const struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};

	return known(fd) != NULL ? write_parts(fd, &part, 1)
				 : (ssize_t)syscall(SYS_write, fd, data, length);
}

ssize_t shim_writev(int fd, const struct iovec *parts, int count) NAME(writev);
ssize_t shim_writev(int fd, const struct iovec *parts, int count)
{
	return known(fd) != NULL ? write_parts(fd, parts, count)
				 : (ssize_t)syscall(SYS_writev, fd, parts, count);
}

int shim_ftruncate(int fd, off_t size) NAME(ftruncate);
int shim_ftruncate(int fd, off_t size)
{
	return do_truncate(fd, size);
}
int shim_ftruncate64(int fd, off_t size) NAME(ftruncate64) SAME(ftruncate);

int shim_fsync(int fd) NAME(fsync);
int shim_fsync(int fd)
{
	return do_sync(fd);
}
int shim_fdatasync(int fd) NAME(fdatasync) SAME(fsync);

int shim_renameat(int folder, const char *path, int new_folder, const char *new_path)
	NAME(renameat);
int shim_renameat(int folder, const char *path, int new_folder, const char *new_path)
{
	return do_rename(folder, path, new_folder, new_path);
}

int shim_rename(const char *path, const char *new_path) NAME(rename);
int shim_rename(const char *path, const char *new_path)
{
	return do_rename(AT_FDCWD, path, AT_FDCWD, new_path);
}

int shim_unlinkat(int folder, const char *path, int flags) NAME(unlinkat);
int shim_unlinkat(int folder, const char *path, int flags)
{
	return do_unlink(folder, path, flags);
}

int shim_unlink(const char *path) NAME(unlink);
int shim_unlink(const char *path)
{
	return do_unlink(AT_FDCWD, path, 0);
}

/* An answer counts as sent before it is. */
ssize_t shim_sendmsg(int fd, const struct msghdr *message, int flags) NAME(sendmsg);
ssize_t shim_sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (current != NULL) {
		add_message(message);
	}
	return syscall(SYS_sendmsg, fd, message, flags);
}
