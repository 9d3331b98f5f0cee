#include "tests/power/disk.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

void disk_init(struct disk *disk)
{
	memset(disk, 0, sizeof(*disk));
}

void disk_finish(struct disk *disk)
{
	for (size_t i = 0; i < DISK_FILES_MAX; i++) {
		free(disk->files[i].octets);
	}
}

static struct disk_file *file_of(struct disk_file *files, uint64_t id)
{
	for (size_t i = 0; i < DISK_FILES_MAX; i++) {
		if (files[i].id == id) {
			return &files[i];
		}
	}
	return NULL;
}

static struct disk_file *file_add(struct disk_file *files, uint64_t id)
{
	struct disk_file *file = file_of(files, id); /* a number that was given again */

	if (file == NULL) {
		file = file_of(files, 0);
	}
	assert_non_null(file);
	free(file->octets);
	memset(file, 0, sizeof(*file));
	file->id = id;
	return file;
}

static struct disk_file *file_named(struct disk_file *files, const char *name)
{
	for (size_t i = 0; i < DISK_FILES_MAX; i++) {
		if (files[i].id != 0 && strcmp(files[i].name, name) == 0) {
			return &files[i];
		}
	}
	return NULL;
}

static void resize(struct disk_file *file, size_t size, int fill)
{
	if (size > file->size) {
		file->octets = realloc(file->octets, size);
		assert_non_null(file->octets);
		memset(file->octets + file->size, fill, size - file->size);
	}
	file->size = size;
}

void disk_load(struct disk *disk, const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct disk_file *file;
	struct stat status;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	file = file_add(disk->files, status.st_ino);
	strcpy(file->name, name);
	resize(file, (size_t)status.st_size, 0);
	assert_int_equal(pread(fd, file->octets, file->size, 0), file->size);
	close(fd);
}

/* ---- pieces of what is pending ---- */

static size_t pieces_of(const struct record_op *op, size_t sector)
{
	if (op->kind != RECORD_WRITE) {
		return 1;
	}
	return (op->offset + op->length - 1) / sector - op->offset / sector + 1;
}

static void write_piece(
	struct disk_file *file, const struct record_op *op, size_t sector, size_t piece, int fill)
{
	uint64_t start = (op->offset / sector + piece) * sector;
	uint64_t end = start + sector;

	if (start < op->offset) {
		start = op->offset;
	}
	if (end > op->offset + op->length) {
		end = op->offset + op->length;
	}
	if (end > file->size) {
		resize(file, end, fill);
	}
	memcpy(file->octets + start, op->data + (start - op->offset), end - start);
}

/* Names change together with nothing else; what has no file any more, or not yet, changes nothing. */
static void change_name(struct disk_file *files, const struct record_op *op)
{
	struct disk_file *file =
		op->kind == RECORD_CREATE ? file_of(files, op->file) : file_named(files, op->name);
	struct disk_file *other;

	if (file == NULL) {
		return;
	}
	switch (op->kind) {
	case RECORD_CREATE:
		strcpy(file->name, op->name);
		break;
	case RECORD_RENAME:
		other = file_named(files, op->new_name);
		if (other != NULL) {
			other->name[0] = '\0';
		}
		strcpy(file->name, op->new_name);
		break;
	default:
		file->name[0] = '\0';
		break;
	}
}

static void apply_piece(
	struct disk_file *files, const struct record_op *op, size_t sector, size_t piece, int fill)
{
	if (op->kind == RECORD_WRITE) {
		write_piece(file_of(files, op->file), op, sector, piece, fill);
	} else if (op->kind == RECORD_TRUNCATE) {
		resize(file_of(files, op->file), op->offset, fill);
	} else {
		change_name(files, op);
	}
}

/* ---- time ---- */

static bool is_name(const struct record_op *op)
{
	return op->kind == RECORD_CREATE || op->kind == RECORD_RENAME || op->kind == RECORD_UNLINK;
}

static bool settles(const struct record_op *sync, const struct record_op *pending)
{
	switch (sync->kind) {
	case RECORD_SYNC:
		return !is_name(pending) && pending->file == sync->file;
	case RECORD_SYNC_NAMES:
		return is_name(pending);
	default:
		return pending == sync;
	}
}

bool disk_commits(const struct disk *disk, const struct record_op *op)
{
	switch (op->kind) {
	case RECORD_SYNC:
	case RECORD_SYNC_NAMES:
		return disk->lie != DISK_IGNORES_SYNC;
	default:
		return op->kind == RECORD_WRITE && op->durable && disk->lie != DISK_IGNORES_DSYNC;
	}
}

void disk_take(struct disk *disk, const struct record_op *op)
{
	if (op->kind == RECORD_SEND || op->kind == RECORD_SYNC || op->kind == RECORD_SYNC_NAMES) {
		return;
	}
	if (op->kind == RECORD_CREATE) {
		file_add(disk->files, op->file);
	}
	assert_true(disk->pending_count < DISK_PENDING_MAX);
	assert_true(is_name(op) || file_of(disk->files, op->file) != NULL);
	disk->pending[disk->pending_count++] = op;
}

void disk_done(struct disk *disk, const struct record_op *op)
{
	size_t kept = 0;

	if (!disk_commits(disk, op)) {
		return;
	}
	for (size_t i = 0; i < disk->pending_count; i++) {
		const struct record_op *pending = disk->pending[i];

		if (!settles(op, pending)) {
			disk->pending[kept++] = pending;
			continue;
		}
		for (size_t piece = 0; piece < pieces_of(pending, 4096); piece++) {
			apply_piece(disk->files, pending, 4096, piece, 0);
		}
	}
	disk->pending_count = kept;
}

size_t disk_pieces(const struct disk *disk, size_t sector)
{
	size_t count = 0;

	for (size_t i = 0; i < disk->pending_count; i++) {
		count += pieces_of(disk->pending[i], sector);
	}
	return count;
}

/* ---- the image ---- */

static void copy_files(const struct disk *disk, struct disk_file files[DISK_FILES_MAX])
{
	for (size_t i = 0; i < DISK_FILES_MAX; i++) {
		files[i] = disk->files[i];
		files[i].octets = NULL;
		files[i].size = 0;
		resize(&files[i], disk->files[i].size, 0);
		if (files[i].size > 0) {
			memcpy(files[i].octets, disk->files[i].octets, files[i].size);
		}
	}
}

/* The size may be there before what was written. */
static void grow(const struct disk *disk, struct disk_file files[DISK_FILES_MAX], int fill)
{
	for (size_t i = 0; i < disk->pending_count; i++) {
		const struct record_op *op = disk->pending[i];
		struct disk_file *file;

		if (op->kind == RECORD_WRITE) {
			file = file_of(files, op->file);
			if (op->offset + op->length > file->size) {
				resize(file, op->offset + op->length, fill);
			}
		}
	}
}

static void save(const struct disk_file *file, const char *folder)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, file->name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, file->octets, file->size, 0), file->size);
	close(fd);
}

void disk_write(
	const struct disk *disk, size_t sector, const uint8_t *chosen, int fill, const char *folder)
{
	struct disk_file files[DISK_FILES_MAX];

	copy_files(disk, files);
	if (fill >= 0) {
		grow(disk, files, fill);
	}
	for (size_t i = 0; i < disk->pending_count; i++) {
		const struct record_op *op = disk->pending[i];

		for (size_t piece = 0; piece < pieces_of(op, sector); piece++) {
			if (*chosen++ != 0) {
				apply_piece(files, op, sector, piece, fill >= 0 ? fill : 0);
			}
		}
	}
	for (size_t i = 0; i < DISK_FILES_MAX; i++) {
		if (files[i].id != 0 && files[i].name[0] != '\0') {
			save(&files[i], folder);
		}
		free(files[i].octets);
	}
}
