/**
 * The devices that have unfolded records, in memory: 48 octets each, found by a keyed hash, so that
 * nobody can choose EUIs that collide. Changes are remembered until the transaction has ended and
 * can be undone. Private to keystore/. Knows no store.
 */
#ifndef KW_KEYSTORE_PENDING_H
#define KW_KEYSTORE_PENDING_H

#include "base/env.h"
#include "lorawan/eui.h"

#include <stdbool.h>
#include <stddef.h>

#define KS_CHAIN_MAX 64 /* unfolded joins of a device before it is folded at once */

struct ks_pending {
	struct lw_device_id id;
	uint64_t last;            /* its last unfolded accepted record; 0: only refusals */
	uint64_t joins_refused;   /* this and all below: totals, folded ones included */
	uint32_t next_join_nonce; /* never 0 */
	uint32_t joins_accepted;
	uint32_t dev_nonce_count : 24; /* since the last reset; 0: none, the last two are 0 */
	uint32_t chain : 7;            /* unfolded accepted records */
	uint32_t replayed : 1;         /* the state table may know better: compare */
	uint16_t last_dev_nonce;
	uint16_t max_dev_nonce;
};

struct ks_pendings;

/** @return KW_OK, KW_E_NO_MEMORY, KW_E_SYSTEM */
KW_MUST_CHECK enum kw_err ks_pendings_create(const struct kw_env *env, struct ks_pendings **out);
void ks_pendings_destroy(struct ks_pendings *pendings);

/** Borrowed until the next change; NULL if the device has nothing unfolded. */
const struct ks_pending *ks_pendings_find(
	const struct ks_pendings *pendings, const struct lw_device_id *id);

/** Make sure that the next put or remove does not fail. @return KW_OK, KW_E_NO_MEMORY */
KW_MUST_CHECK enum kw_err ks_pendings_reserve(struct ks_pendings *pendings);
/** Add or replace the entry of pending->id. Room must have been reserved. */
void ks_pendings_put(struct ks_pendings *pendings, const struct ks_pending *pending);
/** Remove an entry that is there. Room must have been reserved. */
void ks_pendings_remove(struct ks_pendings *pendings, const struct lw_device_id *id);

/** The transaction is done: what was changed stays. */
void ks_pendings_keep(struct ks_pendings *pendings);
/** It did not happen: everything is as it was after the last keep or undo. */
void ks_pendings_undo(struct ks_pendings *pendings);

size_t ks_pendings_count(const struct ks_pendings *pendings);
/** Entries are in slots that they do not leave: for walking over all in bounded steps. NULL where
 *  there is none. */
size_t ks_pendings_slots(const struct ks_pendings *pendings);
const struct ks_pending *ks_pendings_at(const struct ks_pendings *pendings, size_t slot);

#endif
