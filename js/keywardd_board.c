#include "js/keywardd_board.h"

#include "js/keywardd_memory.h"

enum kw_err js_board_create(struct js_board **board, int *reader)
{
	void *memory;
	enum kw_err err = js_memory_create("keyward-board", sizeof(**board), &memory, reader);

	*board = memory;
	return err;
}
