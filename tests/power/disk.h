/**
 * A disk that takes a record op by op and tells what would be on it if the power went now.
 *
 * What was synced is there. Of what was not, anything may be: each sector of each write, each change
 * of a name, whether what came before or after it is there or not. A write on a descriptor with
 * O_DSYNC is durable when it returns, and may be torn until then. A file may have grown already
 * without what was written into it: there are zeros then, or what was there before, which is not ours
 * to know.
 */
#ifndef KW_TESTS_POWER_DISK_H
#define KW_TESTS_POWER_DISK_H

#include "tests/power/record.h"

#define DISK_FILES_MAX   8
#define DISK_PENDING_MAX 4096
#define DISK_SECTOR      512 /* written whole or not at all */

struct disk_file {
	uint64_t id; /* inode; 0: none */
	uint8_t *octets;
	size_t size;
	char name[RECORD_NAME_SIZE]; /* durable; "": has none */
};

/** Which lies the disk tells, to see whether the tests find out. */
enum disk_lie {
	DISK_HONEST,
	DISK_IGNORES_SYNC, /* nothing is ever durable but O_DSYNC writes */
	DISK_IGNORES_DSYNC, /* O_DSYNC counts for nothing: the next sync makes such a write durable */
};

/**
 * What may be there or not. What a failed write or sync left is in doubt: no later sync makes it
 * durable, since the kernel takes it for written; it stays in doubt, sector by sector, until something
 * else is durable in its place.
 */
struct disk_pending {
	const struct record_op *op;
	bool doubtful;
	uint64_t start; /* in doubt: this part of it */
	uint64_t end;
};

struct disk {
	struct disk_file files[DISK_FILES_MAX];
	struct disk_pending pending[DISK_PENDING_MAX];
	size_t pending_count;
	enum disk_lie lie;
};

void disk_init(struct disk *disk);
void disk_finish(struct disk *disk);
/** Put a file there, durably, with what is in `path` now. */
void disk_load(struct disk *disk, const char *path, const char *name);

/** Whether the op makes durable what was pending, or itself: after disk_take() of it other images
 *  are possible than before. */
bool disk_commits(const struct disk *disk, const struct record_op *op);
/** The op has begun: from now on it may be on the disk. */
void disk_take(struct disk *disk, const struct record_op *op);
/** The op has returned. */
void disk_done(struct disk *disk, const struct record_op *op);

/** Whether anything is in doubt. */
bool disk_doubts(const struct disk *disk);
/** The pieces of which each may be there or not. */
size_t disk_pieces(const struct disk *disk, size_t sector);
/**
 * Write the files that are on the disk into an empty directory.
 *
 * @param chosen  one octet per piece: 0: lost, else there
 * @param fill    what is where a file has grown and nothing was written; -1: it has not grown
 *                beyond what is there
 */
void disk_write(const struct disk *disk, size_t sector, const uint8_t *chosen, int fill,
	const char *folder);

#endif
