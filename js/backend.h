/**
 * The vault's part of the Backend Interfaces: from a request to its answer.
 *
 * Order of effects: authenticate and authorise the sender, find the device, MIC, agreement of
 * versions, nonce, keys, and then one record in the caller's transaction. Nothing is written before
 * the MIC was right, and the answer may leave only after ks_txn_commit() returned KW_OK: the caller
 * sees to that (js/vault.c).
 *
 * Sources: LoRaWAN Backend Interfaces (TS002-1.0 and 1.1), JoinReq, RejoinReq, AppSKeyReq,
 * HomeNSReq; TS001-1.0.4, 6.2; LoRaWAN 1.1, 6.2.
 */
#ifndef KW_JS_BACKEND_H
#define KW_JS_BACKEND_H

#include "ipc/ipc.h"
#include "js/attempt.h"
#include "js/refusals.h"
#include "keystore/store.h"

#include <openssl/types.h>

struct js_counters {
	uint64_t accepted; /* joins and rejoins */
	uint64_t repeated;
	uint64_t refused; /* of all requests */
	uint64_t unknown_devices;
	uint64_t mic_failures;
	uint64_t missing_keks;
	uint64_t dev_nonces_high;
};

struct js_backend {
	struct ks_store *store; /* borrowed */
	uint64_t repeat_window_ms;
	struct js_counters counters;
	struct js_refusals refusals;
	struct js_probe probe;
	EVP_MD *sha256; /* fetched once */
	EVP_MD_CTX *digest;
};

/** @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err js_backend_init(
	struct js_backend *backend, struct ks_store *store, uint64_t repeat_window_ms);
void js_backend_finish(struct js_backend *backend);

/**
 * Work out the answer to one request. ans->err says how it went; on a refusal every field but
 * number and peer is zero. An accepted join is recorded in `txn`, which the caller must commit
 * before the answer leaves; if the commit fails the answer must be replaced by js_backend_void().
 *
 * The answer holds session keys: the caller wipes it once sent.
 *
 * @return who asked, if known, also where it is refused; borrowed until peers change; NULL else
 */
const struct ks_peer *js_backend_answer(struct js_backend *backend, struct ks_txn *txn,
	const struct ipc_backend_req *request, struct ipc_backend_ans *ans);

/** Turn an answer into a refusal because its commit failed. Refusals stay as they are. */
void js_backend_void(struct js_backend *backend, struct ipc_backend_ans *ans, enum kw_err err);

/** A key that must be wrapped cannot be: the alarm. `wanting` as of js_delivery_choose(). */
void js_backend_kek_missing(const struct js_attempt *attempt, const struct ks_peer *wanting);

/* The procedures, from an accepted sender and receiver on. Each returns KW_OK or why it refuses. */

/** JoinReq and RejoinReq (js/join.c). */
KW_MUST_CHECK enum kw_err js_join_process(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, struct ipc_backend_ans *ans);
/** AppSKeyReq (js/app_s_key.c). */
KW_MUST_CHECK enum kw_err js_app_s_key_process(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, struct ipc_backend_ans *ans);
/** HomeNSReq (js/home_ns.c). */
KW_MUST_CHECK enum kw_err js_home_ns_process(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, struct ipc_backend_ans *ans);

#endif
