/** The DevEUIs of a file so far, and on which line each was. */
#ifndef KW_PROVISION_SEEN_H
#define KW_PROVISION_SEEN_H

#include "base/err.h"
#include "lorawan/eui.h"

#include <stddef.h>
#include <stdint.h>

struct pr_seen_entry {
	uint64_t eui;  /* as a number, so that order is that of the printed form */
	uint32_t line; /* 0: empty place */
};

struct pr_seen {
	struct pr_seen_entry *entries; /* a power of two of them; open addressing */
	size_t size;
	size_t count;
	uint64_t seed;
};

void pr_seen_init(struct pr_seen *seen);
void pr_seen_finish(struct pr_seen *seen);
/**
 * @param first_line  out: the line on which it was before; 0 if it is new and has been noted
 * @return KW_OK, KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err pr_seen_add(
	struct pr_seen *seen, const struct lw_eui *eui, uint32_t line, uint32_t *first_line);

/**
 * Put what was seen in the order of DevEUIs at the front of the table; pr_seen_empty() must follow.
 * @return how many
 */
size_t pr_seen_sort(struct pr_seen *seen);
/** Forget all, but keep the room. */
void pr_seen_empty(struct pr_seen *seen);

#endif
