/**
 * A record of what a process does to the files of one directory, and of when its answers leave.
 *
 * record.c defines open(), pwrite(), fdatasync() and so on. The program that it is linked into calls
 * them in place of the C library's, and so does liblmdb.so. Each call is carried out and noted, but
 * for syncing, which is only noted: what is durable is for the replay (tests/power/disk.h) to say.
 *
 * Calls can also be made to fail.
 */
#ifndef KW_TESTS_POWER_RECORD_H
#define KW_TESTS_POWER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Number of the descriptor of the record's memory, for a program that is started with one. */
#define RECORD_ENVIRONMENT "KEYWARD_RECORD"
#define RECORD_ROOM        (256u << 20) /* of address space; memory is taken as it is used */
#define RECORD_NAME_SIZE   32

enum record_kind {
	RECORD_CREATE = 1, /* a name for a new file */
	RECORD_WRITE,      /* offset, data */
	RECORD_TRUNCATE,   /* to offset */
	RECORD_SYNC,       /* the file, its size too */
	RECORD_RENAME,
	RECORD_UNLINK,
	RECORD_SYNC_NAMES, /* the directory */
	RECORD_SEND,       /* a message to another process: data */
};

struct record_op {
	uint32_t kind;
	bool durable; /* write: on a descriptor with O_DSYNC */
	bool failed;  /* write, sync: it was made to fail; of a write all may be there or not */
	uint64_t file;
	uint64_t offset;
	uint64_t length; /* octets of data */
	char name[RECORD_NAME_SIZE];
	char new_name[RECORD_NAME_SIZE];
	_Alignas(uint64_t) uint8_t data[];
};

/** Make calls of a kind fail, from the one that comes after so many good ones, so many times. */
struct record_fault {
	uint32_t kind; /* RECORD_WRITE, RECORD_SYNC; 0: none */
	int32_t err;   /* errno; 0: half of the data is written, and no error */
	uint32_t after;
	uint32_t times;
	bool durable; /* of writes: those with O_DSYNC alone, or those without alone */
	bool late;    /* of writes: in the page cache it is done */
};

struct record {
	uint64_t used;     /* octets of ops */
	uint64_t folder;   /* inode of the directory that is recorded */
	bool full;         /* there was no room: the record is useless */
	uint32_t failures; /* calls that were made to fail */
	struct record_fault fault;
	_Alignas(uint64_t) uint8_t ops[];
};

/** Memory for one, shared with the processes that inherit *fd. NULL: there is none. */
struct record *record_create(int *fd);
void record_destroy(struct record *record);

/** Record what this process does from now on; NULL: no more. Programs that find RECORD_ENVIRONMENT
 *  in their environment do it from the start. */
void record_use(struct record *record);

/** The op behind `op` (NULL: the first), or NULL. */
const struct record_op *record_next(const struct record *record, const struct record_op *op);

#endif
