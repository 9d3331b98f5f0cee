/** Memory that keywardd writes and its children read. */
#ifndef KW_JS_KEYWARDD_MEMORY_H
#define KW_JS_KEYWARDD_MEMORY_H

#include "base/err.h"

#include <stddef.h>

/**
 * Make it: zero, of a fixed size, with one mapping that can be written to. Whoever has the
 * descriptor can read what was written last, and can neither write nor resize, however it is opened
 * again.
 *
 * @param name    shown in /proc
 * @param memory  out: the mapping; NULL on failure
 * @param reader  out: the descriptor, close-on-exec; -1 on failure
 * @return KW_OK, KW_E_SYSTEM (errno says why)
 */
KW_MUST_CHECK enum kw_err js_memory_create(
	const char *name, size_t size, void **memory, int *reader);

/** Take back mapping and descriptor; takes those that could not be made. */
void js_memory_destroy(void *memory, size_t size, int reader);

#endif
