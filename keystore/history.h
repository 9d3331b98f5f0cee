/**
 * The state record: everything of a device's past that has been folded. Private to keystore/;
 * docs/store-format.md has the layout.
 */
#ifndef KW_KEYSTORE_HISTORY_H
#define KW_KEYSTORE_HISTORY_H

#include "keystore/internal.h"
#include "keystore/nonces.h"
#include "keystore/record.h"

#define KS_HISTORY_SIZE_MAX (64 + KS_SESSIONS_MAX * 72 + KS_NONCES_SIZE_MAX)

/**
 * Used DevNonces are in two places: those accepted while the device's version counted are told by
 * used_up_to, the others are in the set. Neither is forgotten when the registered version changes,
 * so a change never makes a used value good again. A value at most used_up_to is not in the set.
 */
struct ks_history {
	uint64_t applied; /* the last journal record that is folded in */
	uint32_t next_join_nonce;
	uint32_t advanced; /* sum of the margins of restores that are in next_join_nonce */
	uint32_t joins_accepted;
	uint64_t joins_refused;
	uint32_t dev_nonce_count; /* 0: none since the last reset; the next five say nothing then */
	uint16_t last_dev_nonce;
	uint16_t max_dev_nonce;
	bool counted; /* a value was accepted by the counting rule */
	uint16_t used_up_to;
	struct ks_nonces nonces;
	bool has_rj_count_1;
	uint16_t rj_count_1; /* the last RJcount1 of a Rejoin-request of type 1 */
	uint8_t session_count;
	struct ks_session sessions[KS_SESSIONS_MAX]; /* newest first */
};

/** A device without history. */
void ks_history_init(struct ks_history *history);
bool ks_history_used(const struct ks_history *history, uint16_t dev_nonce);
/** Forget the DevNonces. */
void ks_history_reset(struct ks_history *history);
/** Fold an accepted record in. @return KW_OK, KW_E_STORE_DAMAGED (its JoinNonce was used before) */
KW_MUST_CHECK enum kw_err ks_history_apply(
	struct ks_history *history, const struct ks_record *record);

/** @return the length */
size_t ks_history_write(const struct ks_history *history, uint8_t out[KS_HISTORY_SIZE_MAX]);
/** @return KW_OK, KW_E_STORE_DAMAGED (*out is as after init) */
KW_MUST_CHECK enum kw_err ks_history_read(
	const void *octets, size_t length, struct ks_history *out);

/** Add the margins of the restores up to now to the next JoinNonce, each once; above the last
 *  JoinNonce it is used up. @return KW_OK, KW_E_STORE_DAMAGED (has more margins than there were) */
KW_MUST_CHECK enum kw_err ks_history_advance(struct ks_history *history, uint32_t advanced);

/** Read from and write to the state table. A device without a record gives an initial one. What is
 *  read has the margins of all restores in it.
 *  @return KW_OK, KW_E_STORE, KW_E_STORE_FULL, KW_E_STORE_DAMAGED (logged) */
KW_MUST_CHECK enum kw_err ks_history_load(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_history *out);
KW_MUST_CHECK enum kw_err ks_history_store(
	struct ks_txn *txn, const struct lw_device_id *id, const struct ks_history *history);

#endif
