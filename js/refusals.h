/**
 * Refusals and repeated answers on their way into the join log.
 *
 * They need no durability before the answer, and a flood of them must not become a flood of disk
 * writes: those of the same device, peer and reason are counted together, and what has gathered is
 * written with the next second's transaction. When there are more kinds than fit, the rest is
 * counted only.
 */
#ifndef KW_JS_REFUSALS_H
#define KW_JS_REFUSALS_H

#include "keystore/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JS_REFUSALS_MAX 256

struct js_refusals {
	struct ks_event pending[JS_REFUSALS_MAX];
	size_t count;
	uint64_t dropped; /* since the start: had no room */
};

/** Take note of an event (no accepted one). The sequence is not looked at, repeats of an alarm only,
 *  which is an entry of its own. */
void js_refusals_add(struct js_refusals *refusals, const struct ks_event *event);
/**
 * Write all to the join log; nothing is forgotten until js_refusals_written(). Those of a device
 * whose state record does not read are left out.
 * @return KW_OK, KW_E_NO_MEMORY, KW_E_STORE, KW_E_STORE_FULL
 */
KW_MUST_CHECK enum kw_err js_refusals_write(const struct js_refusals *refusals, struct ks_txn *txn);
/** The transaction was committed: start afresh. */
void js_refusals_written(struct js_refusals *refusals);

#endif
