/**
 * Pages for keys: kept out of swap (as far as the memory-lock limit allows), of core files and of
 * child processes, and wiped when given back.
 */
#ifndef KW_BASE_LOCKED_H
#define KW_BASE_LOCKED_H

#include <stddef.h>

/** Zeroed pages of their own, in which nothing else lives. @return NULL if there is no memory */
void *kw_locked_create(size_t size);
/** Wipe and give back. `size` as at creation; NULL is fine. */
void kw_locked_destroy(void *memory, size_t size);

#endif
