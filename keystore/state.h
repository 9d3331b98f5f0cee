/**
 * Nonces and sessions of a device: what must never be forgotten and never be used twice.
 *
 * The state of a device is its record in the state table and the journal records behind it. A join
 * appends to the journal; ks_fold() moves what was appended into the table. Both views are joined
 * here; nobody above can tell whether a join was folded.
 *
 * Once ks_txn_commit() has returned KW_OK for a transaction with ks_join_record(), the same
 * DevNonce is refused for ever and the same JoinNonce is never handed out again, also after
 * kill -9 and power loss (TS001-1.0.4, 6.2.5).
 */
#ifndef KW_KEYSTORE_STATE_H
#define KW_KEYSTORE_STATE_H

#include "keystore/device.h"
#include "keystore/store.h"
#include "lorawan/frame.h"
#include "lorawan/version.h"

#include <stdbool.h>

#define KS_SESSIONS_MAX        10
#define KS_SESSION_ID_SIZE     16
#define KS_REQUEST_DIGEST_SIZE 16

/** A session is remembered by its nonces; its keys can be derived again. */
struct ks_session {
	uint8_t session_key_id[KS_SESSION_ID_SIZE];
	/* Of peer and request, for the identical answer. */
	uint8_t request_digest[KS_REQUEST_DIGEST_SIZE];
	uint64_t time_ms;
	uint32_t join_nonce;
	uint16_t nonce; /* DevNonce, or the RJcount of a Rejoin */
	enum lw_join_req_type type;
	struct lw_net_id net_id;
	enum lw_version mac_version; /* as the NS sent it */
	bool opt_neg;
	uint32_t ns_peer; /* id of the peer that asked */
	uint32_t as_peer; /* id of the AS recorded for the device then; 0 none */
	/* How its keys were delivered, so that a repeated answer is identical. */
	enum ks_delivery delivery; /* DEFAULT: not known, written by an older Keyward */
	uint16_t ns_kek;           /* generation of the KEK; 0: in the clear */
	uint16_t as_kek;           /* the same for AppSKey; 0: in the clear, or not sent */
	uint32_t base_join_nonce;  /* Rejoin 0 and 2: of the session in which it was sent; else 0 */
};

/** What joining needs to know. */
struct ks_state {
	struct lw_device_id id;
	uint32_t next_join_nonce; /* from 1; above LW_JOIN_NONCE_MAX: used up */
	uint32_t dev_nonce_count; /* accepted so far, since the last reset */
	bool has_dev_nonce;       /* 0 is a good first DevNonce: "none yet" is not 0 */
	uint16_t last_dev_nonce;  /* the last accepted */
	uint16_t max_dev_nonce;   /* the greatest accepted: the counting rule compares with this */
	uint64_t joins_accepted;
	uint64_t joins_refused;
	bool has_session;
	struct ks_session last_session;
	uint64_t journal_last; /* this and the next: private to the keystore */
	uint64_t generation;
};

/** @return KW_OK (a device without history gives the initial state), KW_E_STORE,
 *          KW_E_STORE_DAMAGED */
KW_MUST_CHECK enum kw_err ks_state_get(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_state *out);

/**
 * Whether a DevNonce may be accepted: greater than all before for a version that counts
 * (1.0.4, 1.1), else never accepted before. Where a device's version has changed from one kind to
 * the other, all values up to the greatest that was counted are used. Writes nothing.
 *
 * @return KW_OK, KW_E_REPLAY, KW_E_STORE, KW_E_STORE_DAMAGED
 */
KW_MUST_CHECK enum kw_err ks_dev_nonce_check(struct ks_txn *txn, const struct ks_state *state,
	enum lw_version registered, uint16_t dev_nonce);

/**
 * Whether the RJcount of a Rejoin-request may be accepted. Type 1: RJcount1, greater than all before,
 * for the life of the device. Types 0 and 2: RJcount0, greater than all before in the session that
 * the device is in (LoRaWAN 1.1, 6.2.4). Writes nothing.
 *
 * @param base_join_nonce  types 0 and 2: JoinNonce of that session, which must be a remembered one
 * @param last             out: the greatest accepted so far; -1: none yet
 * @return KW_OK, KW_E_REPLAY, KW_E_INVALID (a Join-request), KW_E_STORE, KW_E_STORE_DAMAGED
 */
KW_MUST_CHECK enum kw_err ks_rj_count_check(struct ks_txn *txn, const struct lw_device_id *id,
	enum lw_join_req_type type, uint32_t base_join_nonce, uint16_t rj_count, int32_t *last);

/**
 * Record an accepted Join-request: its DevNonce, its JoinNonce (session->join_nonce must be
 * state->next_join_nonce) and its session. Updates *state. For a Rejoin-request (session->type) the
 * DevNonces stay as they are. Allocates nothing but, rarely, room for more unfolded devices.
 *
 * @return KW_OK
 *         KW_E_EXHAUSTED  the JoinNonces of this device are used up; nothing was written
 *         KW_E_INVALID    not that JoinNonce, an unknown version or type, or *state is outdated: a
 *                         join was recorded after it was read. Nothing was written
 *         KW_E_NO_MEMORY, KW_E_STORE, KW_E_STORE_FULL, KW_E_STORE_DAMAGED: abort the transaction
 */
KW_MUST_CHECK enum kw_err ks_join_record(struct ks_txn *txn, struct ks_state *state,
	enum lw_version registered, const struct ks_session *session);

/** The last sessions, newest first. @return how many were written to out, or -1 if the store failed
 *  or is damaged */
int ks_sessions_get(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_session out[KS_SESSIONS_MAX]);

/**
 * Forget the DevNonces (an operator's decision; opens captured Join-requests to replay). JoinNonce
 * and sessions go on. A device without any is fine.
 *
 * @return KW_OK, KW_E_NO_MEMORY, KW_E_STORE, KW_E_STORE_FULL, KW_E_STORE_DAMAGED
 */
KW_MUST_CHECK enum kw_err ks_dev_nonce_reset(struct ks_txn *txn, const struct lw_device_id *id);

/**
 * Fold up to max_devices devices, in the order of their keys, in a transaction of its own, and drop
 * the oldest journal records beyond what the join log keeps. With very many unfolded devices the
 * first calls of a pass only sort, a few milliseconds each, and fold none.
 *
 * @param left  out: devices that still have unfolded records
 * @return KW_OK
 *         KW_E_STORE_DAMAGED  the record of some device does not read (logged); that device stays
 *                             unfolded, the others are folded. Said once per pass over all
 *         KW_E_NO_MEMORY, KW_E_STORE, KW_E_STORE_FULL: nothing was folded
 */
KW_MUST_CHECK enum kw_err ks_fold(struct ks_store *store, size_t max_devices, size_t *left);
/** Devices with unfolded records. */
size_t ks_fold_devices(const struct ks_store *store);
/** Journal records that opening the store would have to replay. Goes down, to 0 in the end, each
 *  time that ks_fold() has been through all devices; then there is nothing to fold. */
uint64_t ks_fold_records(const struct ks_store *store);

#endif
