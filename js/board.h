/**
 * One page of shared memory on which keywardd writes how its children do; the portal reads it.
 */
#ifndef KW_JS_BOARD_H
#define KW_JS_BOARD_H

#include <stdint.h>

#define JS_BOARD_SLOTS 68

struct js_board_slot {
	char name[16]; /* "vault", "front 1"; "" ends the list */
	int32_t pid;   /* 0: not running */
	uint32_t restarts;
	uint64_t started_ms;
};

struct js_board {
	uint64_t started_ms; /* of keywardd */
	struct js_board_slot slots[JS_BOARD_SLOTS];
};

#endif
