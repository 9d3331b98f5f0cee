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
#include "js/rate.h"
#include "js/refusals.h"
#include "js/suspects.h"
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
	uint64_t rate_refused;
	uint64_t late_refused;
};

/** What operators are told of while it is recent. */
struct js_alarms {
	uint64_t count[JS_SUSPECTS_KINDS];
	uint64_t last_ms[JS_SUSPECTS_KINDS]; /* 0: none yet */
	struct lw_eui last_dev_eui[JS_SUSPECTS_KINDS];
	uint64_t rate_ms; /* a peer was over its rate; 0: none yet */
	char rate_peer[KS_NAME_SIZE];
};

struct js_backend {
	struct ks_store *store; /* borrowed */
	uint64_t repeat_window_ms;
	uint32_t peer_rate; /* of a peer without a rate of its own; 0: no limit, as after init */
	struct js_counters counters;
	struct js_counters pending; /* of joins whose commit has still to come */
	struct js_refusals refusals;
	struct js_rates rates;
	struct js_suspects suspects;
	struct js_alarms alarms;
	struct js_probe probe;
	EVP_MD *sha256; /* fetched once */
	EVP_MD_CTX *digest;
};

/** @return KW_OK, KW_E_CRYPTO, KW_E_NO_MEMORY, KW_E_SYSTEM (no randomness) */
KW_MUST_CHECK enum kw_err js_backend_init(
	struct js_backend *backend, struct ks_store *store, uint64_t repeat_window_ms);
void js_backend_finish(struct js_backend *backend);

/**
 * Work out the answer to one request. ans->err says how it went (KW_E_TIMEOUT: it came too late to be
 * worked on, KW_E_RATE: it was one too many); on a refusal every field but number and peer is zero. An accepted join is recorded in `txn`, which the caller must commit
 * before the answer leaves: js_backend_kept() follows, or, if the commit fails, js_backend_void().
 *
 * The answer holds session keys: the caller wipes it once sent.
 *
 * @return who asked, if known, also where it is refused; borrowed until peers change; NULL else
 */
const struct ks_peer *js_backend_answer(struct js_backend *backend, struct ks_txn *txn,
	const struct ipc_backend_req *request, struct ipc_backend_ans *ans);

/** The transaction of the answers since the last call is committed: its joins count as accepted, or as
 *  repeated, from now on. */
void js_backend_kept(struct js_backend *backend);

/**
 * Turn an answer into a refusal because its commit failed; for each answer of that transaction, none of
 * which counts as accepted or repeated then. Refusals stay as they are.
 */
void js_backend_void(struct js_backend *backend, struct ipc_backend_ans *ans, enum kw_err err);

/** Let the join log have what came of alarms whose minute is over. About once a second while
 *  js_backend_watches(). */
void js_backend_tick(struct js_backend *backend);
bool js_backend_watches(const struct js_backend *backend);

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
