/**
 * One request on its way through the vault: what it asks, who asks, about which device, found out
 * step by step. The steps that all procedures have in common are here. Private to the vault.
 */
#ifndef KW_JS_ATTEMPT_H
#define KW_JS_ATTEMPT_H

#include "ipc/ipc.h"
#include "keystore/device.h"
#include "keystore/event.h"
#include "keystore/peer.h"

/**
 * A bearer token that stands for a peer for a moment, so that an operator can ask as the peer would
 * without having its credential. In memory only; one at a time.
 */
struct js_probe {
	uint32_t peer;     /* id; 0: none */
	uint64_t until_us; /* monotonic: a clock that is set does not lengthen it */
	uint8_t digest[IPC_DIGEST_SIZE];
};

#define JS_PROBE_US (UINT64_C(60) * 1000 * 1000)

struct js_attempt {
	const struct ipc_backend_req *request;
	uint64_t now_ms;
	const struct ks_peer *peer; /* who asks; NULL: not known */
	bool device_known;          /* device holds something: the join log can name it */
	struct ks_device device;
	/* JoinReq and RejoinReq */
	enum lw_join_req_type type;
	uint16_t nonce;                /* DevNonce or RJcount */
	struct lw_net_id frame_net_id; /* Rejoin 0 and 2 */
	bool state_known;
	struct ks_state state;
	int32_t last_rj_count;     /* the last accepted, for the join log; -1: none */
	struct ks_session session; /* the new or repeated one; AppSKeyReq: the one asked for */
	bool repeated;
};

/**
 * Who is asking: the credential decides, the header may only agree with it. All credentials shown
 * that somebody owns must be of one peer.
 *
 * @return KW_OK, KW_E_UNAUTHENTICATED, KW_E_SENDER, KW_E_SENDER_NS_ID; attempt->peer is set where
 *         the credentials are one peer's
 */
KW_MUST_CHECK enum kw_err js_attempt_sender(
	struct ks_store *store, const struct js_probe *probe, struct js_attempt *attempt);
/** Whether a JoinEUI that we serve is asked. @return KW_OK, KW_E_RECEIVER, KW_E_STORE... */
KW_MUST_CHECK enum kw_err js_attempt_receiver(struct ks_txn *txn, const struct js_attempt *attempt);
/** What the front found wrong with the fields; never believed to be anything else. */
KW_MUST_CHECK enum kw_err js_attempt_fields(const struct js_attempt *attempt);
/** The device that the request names. @return KW_OK, KW_E_NO_DEVICE, KW_E_MISSING, KW_E_STORE... */
KW_MUST_CHECK enum kw_err js_attempt_device(struct ks_txn *txn, struct js_attempt *attempt);
/** A request that cannot be gone on with may still be about a device that we know: for the log. */
void js_attempt_device_for_log(struct ks_txn *txn, struct js_attempt *attempt);

bool js_net_id_listed(
	const uint8_t net_id[LW_NET_ID_SIZE], const struct lw_net_id *list, size_t count);

#endif
