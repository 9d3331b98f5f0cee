#include "backend-if/json_room.h"

#include <jansson.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ROOM_SIZE ((size_t)16 * 1024) /* four times what a JoinReq takes */

static struct {
	alignas(max_align_t) uint8_t octets[ROOM_SIZE];
	size_t used;
	json_malloc_t outer_get;
	json_free_t outer_give;
} room;

static void *get(size_t size)
{
	size_t left = ROOM_SIZE - room.used;
	void *block = &room.octets[room.used];

	if (size > left) {
		return malloc(size);
	}
	size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	room.used += size < left ? size : left;
	return block;
}

static void give(void *block)
{
	uintptr_t first = (uintptr_t)room.octets;

	if ((uintptr_t)block < first || (uintptr_t)block >= first + ROOM_SIZE) {
		free(block);
	}
}

void bi_json_enter(void)
{
	json_get_alloc_funcs(&room.outer_get, &room.outer_give);
	json_set_alloc_funcs(get, give);
}

void bi_json_leave(void)
{
	json_set_alloc_funcs(room.outer_get, room.outer_give);
	room.used = 0;
}
