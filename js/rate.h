/**
 * How many requests a peer may ask: so many a second, with a burst. Kept in the vault, which knows who
 * asks and whose time it is that one peer would take from the others.
 *
 * A peer that was silent has its whole burst. In memory only: a restart gives everybody a burst.
 */
#ifndef KW_JS_RATE_H
#define KW_JS_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JS_RATE_BURST_S 2 /* without a burst of its own a peer has so many seconds' requests */

/** By the peer's id, which counts up from 1 as operators add peers; nobody else makes it grow. */
struct js_rates {
	uint64_t *due_ns; /* when the bucket will be full again */
	size_t count;
};

void js_rates_finish(struct js_rates *rates);
/**
 * One more request.
 *
 * @param rate   per second; 0: as many as it likes
 * @param burst  at least 1
 * @param peer   an id of 2^20 or more, which no operator comes to, has no rate
 * @return whether it may be worked on; true also where memory is out
 */
bool js_rate_take(
	struct js_rates *rates, uint32_t peer, uint32_t rate, uint32_t burst, uint64_t now_us);

#endif
