/**
 * The join procedure: from a JoinReq to its JoinAns, inside the vault.
 *
 * Order of effects: authenticate and authorise the sender, find the device, MIC, agreement of
 * versions, nonce, keys, and then one record in the caller's transaction. Nothing is written
 * before the MIC was right, and the answer may leave only after ks_txn_commit() returned KW_OK:
 * the caller sees to that (js/vault.c).
 *
 * Sources: LoRaWAN Backend Interfaces (TS002-1.0), "JoinReq"; TS001-1.0.4, 6.2; LoRaWAN 1.1, 6.2.
 */
#ifndef KW_JS_JOIN_H
#define KW_JS_JOIN_H

#include "ipc/ipc.h"
#include "js/refusals.h"
#include "keystore/peer.h"
#include "keystore/store.h"

#include <openssl/types.h>

struct js_join_counters {
	uint64_t accepted;
	uint64_t repeated;
	uint64_t refused;
	uint64_t unknown_devices;
	uint64_t mic_failures;
	uint64_t missing_keks;
	uint64_t dev_nonces_high;
};

struct js_join {
	struct ks_store *store; /* borrowed */
	uint64_t repeat_window_ms;
	struct js_join_counters counters;
	struct js_refusals refusals;
	EVP_MD *sha256; /* fetched once */
	EVP_MD_CTX *digest;
};

/** @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err js_join_init(
	struct js_join *join, struct ks_store *store, uint64_t repeat_window_ms);
void js_join_finish(struct js_join *join);

/**
 * Work out the answer to one request. ans->err says how it went; every other field but the number
 * is zero on a refusal. An accepted join is recorded in `txn`, which the caller must commit before
 * the answer leaves; if the commit fails the answer must be replaced by js_join_void().
 *
 * The answer holds session keys: the caller wipes it once sent.
 */
void js_join_answer(struct js_join *join, struct ks_txn *txn, const struct ipc_join_req *request,
	struct ipc_join_ans *ans);

/** Turn an answer into a refusal because its commit failed. Refusals stay as they are. */
void js_join_void(struct js_join *join, struct ipc_join_ans *ans, enum kw_err err);

#endif
