/** JoinEUI prefixes: what configurations and zones take where Keyward takes ranges. */
#ifndef KW_CLI_PREFIX_H
#define KW_CLI_PREFIX_H

#include "lorawan/eui.h"

#include <stddef.h>

#define CLI_PREFIX_BITS_MAX 126 /* no range takes more prefixes of any length */

struct cli_prefix {
	struct lw_eui first;
	unsigned bits; /* 0 to 64 */
};

/**
 * Split a range into the fewest prefixes whose lengths are multiples of `step` bits (1 or 4), in
 * ascending order.
 *
 * @return how many were written; `max` + 1 if there are more than `max`
 */
size_t cli_prefix_split(
	const struct lw_eui_range *range, unsigned step, struct cli_prefix *out, size_t max);

/** Sort ranges and unite those that overlap or touch. @return how many are left */
size_t cli_range_unite(struct lw_eui_range *ranges, size_t count);

#endif
