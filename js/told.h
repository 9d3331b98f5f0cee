/**
 * A line in the log that others can cause: written at once, then at most once a second with the
 * number of those that were held back. Who was taken over cannot fill the disk with it.
 */
#ifndef KW_JS_TOLD_H
#define KW_JS_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#define JS_TOLD_REST_US UINT64_C(1000000)

struct js_told {
	uint64_t due_us; /* not before this time */
	uint64_t held;   /* since the last line */
};

/**
 * Whether the line may be written now.
 *
 * @param held  out: how many were held back since the last one; 0 if it may not be written
 */
bool js_told_due(struct js_told *told, uint64_t now_us, uint64_t *held);

#endif
