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

static size_t pieces_of(const struct disk_pending *pending, size_t sector)
{
	const struct record_op *op = pending->op;

	if (op->kind != RECORD_WRITE || pending->doubtful) {
		return 1;
	}
	return (op->offset + op->length - 1) / sector - op->offset / sector + 1;
}

static void write_range(
	struct disk_file *file, const struct record_op *op, uint64_t start, uint64_t end, int fill)
{
	start = start < op->offset ? op->offset : start;
	end = end > op->offset + op->length ? op->offset + op->length : end;
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

static void apply_piece(struct disk_file *files, const struct disk_pending *pending, size_t sector,
	size_t piece, int fill)
{
	const struct record_op *op = pending->op;
	const uint64_t start = (op->offset / sector + piece) * sector;

	if (pending->doubtful) {
		write_range(file_of(files, op->file), op, pending->start, pending->end, fill);
	} else if (op->kind == RECORD_WRITE) {
		write_range(file_of(files, op->file), op, start, start + sector, fill);
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
	if (op->failed) {
		return false;
	}
	switch (op->kind) {
	case RECORD_SYNC:
	case RECORD_SYNC_NAMES:
		return disk->lie != DISK_IGNORES_SYNC;
	default:
		return op->kind == RECORD_WRITE && op->durable && disk->lie != DISK_IGNORES_DSYNC;
	}
}

static void add(struct disk *disk, struct disk_pending pending)
{
	assert_true(disk->pending_count < DISK_PENDING_MAX);
	disk->pending[disk->pending_count++] = pending;
}

static void add_doubtful(struct disk *disk, const struct record_op *op)
{
	const uint64_t end = op->offset + op->length;

	for (uint64_t start = op->offset; start < end;) {
		uint64_t next = (start / DISK_SECTOR + 1) * DISK_SECTOR;

		next = next < end ? next : end;
		add(disk, (struct disk_pending){op, true, start, next});
		start = next;
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
	assert_true(is_name(op) || file_of(disk->files, op->file) != NULL);
	if (op->failed) {
		add_doubtful(disk, op);
	} else {
		add(disk, (struct disk_pending){.op = op});
	}
}

/* The part of a write in whose place something newer is durable is in doubt no more. */
static void overwrite(struct disk *disk, const struct record_op *op)
{
	size_t kept = 0;

	for (size_t i = 0; i < disk->pending_count; i++) {
		const struct disk_pending *pending = &disk->pending[i];

		if (!pending->doubtful || pending->op >= op || pending->op->file != op->file ||
			pending->start < op->offset || pending->end > op->offset + op->length) {
			disk->pending[kept++] = *pending;
		}
	}
	disk->pending_count = kept;
}

static void settle(struct disk *disk, const struct record_op *sync)
{
	struct disk_pending *settled = calloc(disk->pending_count + 1, sizeof(*settled));
	size_t count = 0, kept = 0;

	assert_non_null(settled);
	for (size_t i = 0; i < disk->pending_count; i++) {
		const struct disk_pending *pending = &disk->pending[i];

		if (!pending->doubtful && settles(sync, pending->op)) {
			settled[count++] = *pending;
		} else {
			disk->pending[kept++] = *pending;
		}
	}
	disk->pending_count = kept;
	for (size_t i = 0; i < count; i++) {
		for (size_t piece = 0; piece < pieces_of(&settled[i], DISK_SECTOR); piece++) {
			apply_piece(disk->files, &settled[i], DISK_SECTOR, piece, 0);
		}
		if (settled[i].op->kind == RECORD_WRITE) {
			overwrite(disk, settled[i].op);
		}
	}
	free(settled);
}

/* A sync that failed: what it was for counts as clean, and nobody knows what is on the disk. */
static void doubt(struct disk *disk, const struct record_op *sync)
{
	const size_t count = disk->pending_count;
	struct disk_pending *old = calloc(count + 1, sizeof(*old));

	assert_non_null(old);
	memcpy(old, disk->pending, count * sizeof(*old));
	disk->pending_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!old[i].doubtful && old[i].op->kind == RECORD_WRITE &&
			settles(sync, old[i].op)) {
			add_doubtful(disk, old[i].op);
		} else {
			add(disk, old[i]);
		}
	}
	free(old);
}

void disk_done(struct disk *disk, const struct record_op *op)
{
	if (disk_commits(disk, op)) {
		settle(disk, op);
	} else if (op->failed && op->kind == RECORD_SYNC) {
		doubt(disk, op);
	}
}

bool disk_doubts(const struct disk *disk)
{
	for (size_t i = 0; i < disk->pending_count; i++) {
		if (disk->pending[i].doubtful) {
			return true;
		}
	}
	return false;
}

size_t disk_pieces(const struct disk *disk, size_t sector)
{
	size_t count = 0;

	for (size_t i = 0; i < disk->pending_count; i++) {
		count += pieces_of(&disk->pending[i], sector);
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
		const struct record_op *op = disk->pending[i].op;
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
		const struct disk_pending *pending = &disk->pending[i];

		for (size_t piece = 0; piece < pieces_of(pending, sector); piece++) {
			if (*chosen++ != 0) {
				apply_piece(files, pending, sector, piece, fill >= 0 ? fill : 0);
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
