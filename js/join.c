/*
 * JoinReq and RejoinReq: the device's frame is checked, its nonce accepted for good, and the
 * Join-accept and the session keys are made.
 *
 * A Rejoin-request of type 1 is signed with JSIntKey, those of types 0 and 2 with the SNwkSIntKey of
 * the session that the device is in. Sessions are remembered by their nonces, so that key is derived
 * again for each of them until one fits: the newest session may be one that the device never heard of.
 */
#include "js/backend.h"

#include "base/secret.h"
#include "js/session_keys.h"

#include <openssl/evp.h>
#include <string.h>

/* ---- fields ---- */

static enum kw_err read_join(struct js_attempt *attempt, struct lw_eui *dev_eui)
{
	const struct ipc_backend_req *request = attempt->request;
	struct lw_join_request frame;
	enum kw_err err = lw_join_request_read(request->phy_payload, request->phy_length, &frame);

	attempt->nonce = frame.dev_nonce;
	*dev_eui = frame.dev_eui;
	if (err == KW_OK && memcmp(frame.join_eui.octets, request->receiver, LW_EUI_SIZE) != 0) {
		err = KW_E_MISMATCH;
	}
	return err;
}

static enum kw_err read_rejoin(struct js_attempt *attempt, struct lw_eui *dev_eui)
{
	const struct ipc_backend_req *request = attempt->request;
	struct lw_rejoin_request frame;
	enum kw_err err = lw_rejoin_request_read(request->phy_payload, request->phy_length, &frame);

	attempt->type = frame.type;
	attempt->nonce = frame.rj_count;
	attempt->frame_net_id = frame.net_id;
	*dev_eui = frame.dev_eui;
	if (err == KW_OK && frame.type == LW_JOIN_REQ_REJOIN_1 &&
		memcmp(frame.join_eui.octets, request->receiver, LW_EUI_SIZE) != 0) {
		err = KW_E_MISMATCH;
	}
	return err;
}

/* The front has checked all this; the front is not believed. */
static enum kw_err check_fields(struct js_attempt *attempt)
{
	const struct ipc_backend_req *request = attempt->request;
	struct lw_eui dev_eui;
	enum kw_err err = KW_E_FRAME_SIZE;

	if (request->phy_length <= sizeof(request->phy_payload)) {
		err = request->procedure == IPC_PROCEDURE_JOIN ? read_join(attempt, &dev_eui)
							       : read_rejoin(attempt, &dev_eui);
	}
	if (err != KW_OK) {
		return err;
	}
	if (request->has_dev_eui == 0 ||
		memcmp(dev_eui.octets, request->dev_eui, LW_EUI_SIZE) != 0) {
		return KW_E_MISMATCH;
	}
	if (request->rx_delay > 15 || request->has_cf_list > 1 ||
		!lw_version_valid(request->mac_version)) {
		return KW_E_INVALID;
	}
	return KW_OK;
}

/* ---- authorisation ---- */

static bool join_eui_in_ranges(const struct ks_peer *ns, const struct lw_eui *join_eui)
{
	for (size_t i = 0; i < ns->range_count; i++) {
		if (lw_eui_range_contains(&ns->ranges[i], join_eui)) {
			return true;
		}
	}
	return ns->range_count == 0;
}

static enum kw_err check_allowed(const struct js_attempt *attempt)
{
	const struct ks_policy *policy = &attempt->device.policy;
	const struct ks_peer *ns = attempt->peer;

	if (policy->blocked) {
		return KW_E_BLOCKED;
	}
	if (!join_eui_in_ranges(ns, &attempt->device.id.join_eui)) {
		return KW_E_RANGE;
	}
	if (policy->net_id_count == 0) {
		if (!ns->any_device) {
			return KW_E_NOT_ALLOWED;
		}
	} else if (!js_net_id_listed(attempt->request->sender_net_id, policy->net_ids,
			   policy->net_id_count)) {
		return KW_E_NOT_ALLOWED;
	}
	/* The credential says which NS of the network is asking, in either protocol version. */
	if (policy->has_ns_id && !(ns->has_ns_id && lw_eui_equal(&policy->ns_id, &ns->ns_id))) {
		return KW_E_DEVICE_NS_ID;
	}
	return KW_OK;
}

/* Registered version, MACVersion and OptNeg (Backend Interfaces, "Which keys are returned"). */
static enum kw_err check_agreement(const struct js_attempt *attempt)
{
	bool registered_1_1 = lw_version_is_1_1(attempt->device.version);
	bool mac_1_1 = lw_version_is_1_1((enum lw_version)attempt->request->mac_version);
	bool opt_neg = (attempt->request->dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0;

	if (mac_1_1 != opt_neg || (mac_1_1 && !registered_1_1) ||
		(attempt->type != LW_JOIN_REQ_JOIN && !mac_1_1)) {
		return KW_E_DISAGREE;
	}
	return KW_OK;
}

/* The network that a device says it is on: the one that asks, or one where it may roam. */
static enum kw_err check_net_id(const struct js_attempt *attempt)
{
	const struct ks_policy *policy = &attempt->device.policy;
	const uint8_t *net_id = attempt->frame_net_id.octets;

	if (attempt->type == LW_JOIN_REQ_JOIN || attempt->type == LW_JOIN_REQ_REJOIN_1 ||
		memcmp(net_id, attempt->request->sender_net_id, LW_NET_ID_SIZE) == 0 ||
		js_net_id_listed(net_id, policy->roaming, policy->roaming_count)) {
		return KW_OK;
	}
	return KW_E_NET_ID;
}

/* ---- MIC ---- */

static struct lw_join_context context_of(
	const struct js_attempt *attempt, enum lw_join_req_type type, uint16_t nonce)
{
	return (struct lw_join_context){
		.type = type,
		.join_eui = attempt->device.id.join_eui,
		.dev_eui = attempt->device.id.dev_eui,
		.nonce = nonce,
	};
}

static enum kw_err verify_under(
	struct js_backend *backend, const struct js_attempt *attempt, const struct lw_key *key)
{
	struct lw_key_handle handle;

	lw_key_handle_init(&handle, ks_store_aes(backend->store), key);
	return lw_rejoin_request_verify(
		&handle, attempt->request->phy_payload, attempt->request->phy_length);
}

static enum kw_err verify_rejoin_1(
	struct js_backend *backend, const struct js_attempt *attempt, const struct ks_root *root)
{
	struct lw_key js_int_key;
	enum kw_err err = lw_js_int_key(&root->nwk, &attempt->device.id.dev_eui, &js_int_key);

	if (err == KW_OK) {
		err = verify_under(backend, attempt, &js_int_key);
	}
	kw_wipe(&js_int_key, sizeof(js_int_key));
	return err;
}

static enum kw_err verify_in_session(struct js_backend *backend, const struct js_attempt *attempt,
	const struct ks_root *root, const struct ks_session *session)
{
	const struct lw_join_context context = context_of(attempt, session->type, session->nonce);
	struct lw_session_keys keys;
	enum kw_err err = lw_session_derive(&root->nwk, &root->app, true, session->join_nonce,
		&session->net_id, &context, &keys);

	if (err == KW_OK) {
		err = verify_under(backend, attempt, &keys.s_nwk_s_int);
	}
	kw_wipe(&keys, sizeof(keys));
	return err;
}

/* Newest first. With no 1.1 session at all there is nothing that a MIC could be right for. */
static enum kw_err verify_rejoin_0_2(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, const struct ks_root *root)
{
	struct ks_session sessions[KS_SESSIONS_MAX];
	int count = ks_sessions_get(txn, &attempt->device.id, sessions);
	enum kw_err err = count < 0 ? KW_E_STORE_DAMAGED : KW_E_REJOIN;

	for (int i = 0; i < count && (err == KW_E_REJOIN || err == KW_E_MIC); i++) {
		if (!sessions[i].opt_neg) {
			continue;
		}
		err = verify_in_session(backend, attempt, root, &sessions[i]);
		attempt->session.base_join_nonce = err == KW_OK ? sessions[i].join_nonce : 0;
	}
	return err;
}

static enum kw_err verify_rejoin(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, const struct ks_root *root)
{
	/* Without NwkKey there is no JSIntKey and no SNwkSIntKey. */
	if (!lw_version_is_1_1(attempt->device.version)) {
		return KW_E_DISAGREE;
	}
	return attempt->type == LW_JOIN_REQ_REJOIN_1
		       ? verify_rejoin_1(backend, attempt, root)
		       : verify_rejoin_0_2(backend, txn, attempt, root);
}

/* ---- from the right MIC on ---- */

static enum kw_err request_digest(struct js_backend *backend, const struct js_attempt *attempt,
	uint8_t out[KS_REQUEST_DIGEST_SIZE])
{
	const struct ipc_backend_req *request = attempt->request;
	const struct ks_peer *ns = attempt->peer;
	uint8_t digest[EVP_MAX_MD_SIZE];
	const uint8_t small[] = {
		request->mac_version,
		request->dl_settings,
		request->rx_delay,
		request->has_cf_list,
		(uint8_t)(ns->id >> 24),
		(uint8_t)(ns->id >> 16),
		(uint8_t)(ns->id >> 8),
		(uint8_t)ns->id,
	};

	if (EVP_DigestInit_ex2(backend->digest, backend->sha256, NULL) != 1 ||
		EVP_DigestUpdate(backend->digest, small, sizeof(small)) != 1 ||
		EVP_DigestUpdate(backend->digest, request->sender_net_id, LW_NET_ID_SIZE) != 1 ||
		EVP_DigestUpdate(backend->digest, request->dev_addr, LW_DEV_ADDR_SIZE) != 1 ||
		EVP_DigestUpdate(backend->digest, request->cf_list, LW_CF_LIST_SIZE) != 1 ||
		EVP_DigestUpdate(backend->digest, request->phy_payload, request->phy_length) != 1 ||
		EVP_DigestFinal_ex(backend->digest, digest, NULL) != 1) {
		return KW_E_CRYPTO;
	}
	memcpy(out, digest, KS_REQUEST_DIGEST_SIZE);
	return KW_OK;
}

/* The identical request, a moment later: the same nonces give the same answer again. Not where newer
 * ones were handed out, or may have been before a restore. */
static bool is_repetition(const struct js_backend *backend, const struct js_attempt *attempt)
{
	const struct ks_session *last = &attempt->state.last_session;

	return attempt->state.has_session &&
	       last->join_nonce + 1 == attempt->state.next_join_nonce &&
	       last->type == attempt->type && last->nonce == attempt->nonce &&
	       last->ns_peer == attempt->peer->id && last->delivery != KS_DELIVERY_DEFAULT &&
	       attempt->now_ms >= last->time_ms &&
	       attempt->now_ms - last->time_ms <= backend->repeat_window_ms &&
	       memcmp(last->request_digest, attempt->session.request_digest,
		       KS_REQUEST_DIGEST_SIZE) == 0;
}

static enum kw_err check_nonce(struct ks_txn *txn, struct js_attempt *attempt)
{
	if (attempt->type == LW_JOIN_REQ_JOIN) {
		return ks_dev_nonce_check(
			txn, &attempt->state, attempt->device.version, attempt->nonce);
	}
	/* A device comes back to 1.1 from a session with a 1.0 network by joining. */
	if (!attempt->state.has_session || !attempt->state.last_session.opt_neg) {
		return KW_E_REJOIN;
	}
	return ks_rj_count_check(txn, &attempt->device.id, attempt->type,
		attempt->session.base_join_nonce, attempt->nonce, &attempt->last_rj_count);
}

static enum kw_err new_session(
	struct js_backend *backend, struct ks_txn *txn, struct js_attempt *attempt)
{
	const struct ipc_backend_req *request = attempt->request;
	struct ks_session *session = &attempt->session;
	const struct ks_peer *wanting = NULL;
	enum kw_err err = check_nonce(txn, attempt);

	if (err != KW_OK) {
		return err;
	}
	if (attempt->state.next_join_nonce > LW_JOIN_NONCE_MAX) {
		return KW_E_EXHAUSTED;
	}
	session->time_ms = attempt->now_ms;
	session->join_nonce = attempt->state.next_join_nonce;
	session->nonce = attempt->nonce;
	session->type = attempt->type;
	memcpy(session->net_id.octets, request->sender_net_id, LW_NET_ID_SIZE);
	session->mac_version = (enum lw_version)request->mac_version;
	session->opt_neg = (request->dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0;
	session->ns_peer = attempt->peer->id;
	err = js_delivery_choose(
		backend->store, &attempt->device.policy, attempt->peer, session, &wanting);
	if (err != KW_OK) {
		js_backend_kek_missing(attempt, wanting);
		return err;
	}
	return kw_random(ks_store_env(backend->store), session->session_key_id,
		sizeof(session->session_key_id));
}

static enum kw_err build_answer(struct js_backend *backend, const struct js_attempt *attempt,
	const struct ks_root *root, struct ipc_backend_ans *ans)
{
	const struct ipc_backend_req *request = attempt->request;
	const struct ks_session *session = &attempt->session;
	const struct lw_join_context context = context_of(attempt, session->type, session->nonce);
	struct lw_join_accept accept = {
		.join_nonce = session->join_nonce,
		.net_id = session->net_id,
		.dl_settings = request->dl_settings,
		.rx_delay = request->rx_delay,
		.has_cf_list = request->has_cf_list != 0,
	};
	struct lw_session_keys keys = {0};
	size_t length = 0;
	enum kw_err err;

	memcpy(accept.dev_addr.octets, request->dev_addr, LW_DEV_ADDR_SIZE);
	memcpy(accept.cf_list, request->cf_list, LW_CF_LIST_SIZE);
	err = lw_join_accept_build(ks_store_aes(backend->store), &root->nwk, &accept, &context,
		ans->phy_payload, &length);
	if (err != KW_OK) {
		goto out;
	}
	ans->phy_length = (uint8_t)length;
	ans->opt_neg = session->opt_neg;
	err = lw_session_derive(&root->nwk, &root->app, session->opt_neg, session->join_nonce,
		&session->net_id, &context, &keys);
	if (err == KW_OK) {
		err = js_session_keys_put(backend->store, attempt->peer, session, &keys, ans);
	}
out:
	kw_wipe(&keys, sizeof(keys));
	return err;
}

/* Whose KEK a repeated answer wants that is not there any more. */
static const struct ks_peer *retired_from(
	const struct js_backend *backend, const struct js_attempt *attempt)
{
	const struct ks_session *session = &attempt->session;

	if (session->ns_kek != 0 && ks_peer_kek(attempt->peer, session->ns_kek) == NULL) {
		return attempt->peer;
	}
	return ks_peer_by_id(backend->store, session->as_peer);
}

static enum kw_err accept_request(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, const struct ks_root *root, struct ipc_backend_ans *ans)
{
	enum kw_err err = check_agreement(attempt);

	if (err == KW_OK) {
		err = check_net_id(attempt);
	}
	if (err == KW_OK) {
		err = ks_state_get(txn, &attempt->device.id, &attempt->state);
	}
	if (err != KW_OK) {
		return err;
	}
	attempt->state_known = true;
	err = request_digest(backend, attempt, attempt->session.request_digest);
	if (err != KW_OK) {
		return err;
	}
	attempt->repeated = is_repetition(backend, attempt);
	if (attempt->repeated) {
		attempt->session = attempt->state.last_session;
	} else {
		err = new_session(backend, txn, attempt);
	}
	if (err == KW_OK) {
		err = build_answer(backend, attempt, root, ans);
	}
	if (err == KW_E_NO_KEK && attempt->repeated) {
		js_backend_kek_missing(attempt, retired_from(backend, attempt));
	}
	if (err == KW_OK && !attempt->repeated) {
		err = ks_join_record(
			txn, &attempt->state, attempt->device.version, &attempt->session);
	}
	return err;
}

enum kw_err js_join_process(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, struct ipc_backend_ans *ans)
{
	struct ks_root root;
	enum kw_err err = check_fields(attempt);

	if (err != KW_OK) {
		js_attempt_device_for_log(txn, attempt);
		return err;
	}
	err = js_attempt_device(txn, attempt);
	if (err == KW_OK) {
		err = check_allowed(attempt);
	}
	if (err != KW_OK) {
		return err;
	}
	err = ks_root_open(backend->store, &attempt->device, &root);
	if (err == KW_OK) {
		err = attempt->type == LW_JOIN_REQ_JOIN
			      ? lw_join_request_verify(&root.nwk, attempt->request->phy_payload)
			      : verify_rejoin(backend, txn, attempt, &root);
	}
	if (err == KW_OK) {
		err = accept_request(backend, txn, attempt, &root, ans);
	}
	ks_root_close(backend->store);
	return err;
}
