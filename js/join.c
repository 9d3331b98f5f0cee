#include "js/join.h"

#include "base/log.h"
#include "base/secret.h"
#include "lorawan/join.h"

#include <openssl/evp.h>
#include <string.h>

#define DEV_NONCE_HIGH 60000

/* What one request is about, found out step by step. */
struct attempt {
	const struct ipc_join_req *request;
	const struct ks_peer *ns;
	const struct ks_peer *as; /* NULL: none */
	struct lw_join_request frame;
	struct ks_device device;
	bool device_known; /* device holds something: the join log can name it */
	struct ks_state state;
	bool state_known;
	struct ks_session session;
	enum ks_delivery delivery;
	uint64_t now_ms;
};

enum kw_err js_join_init(struct js_join *join, struct ks_store *store, uint64_t repeat_window_ms)
{
	memset(join, 0, sizeof(*join));
	join->store = store;
	join->repeat_window_ms = repeat_window_ms;
	join->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	join->digest = EVP_MD_CTX_new();
	if (join->sha256 == NULL || join->digest == NULL) {
		js_join_finish(join);
		return KW_E_CRYPTO;
	}
	return KW_OK;
}

void js_join_finish(struct js_join *join)
{
	EVP_MD_CTX_free(join->digest);
	EVP_MD_free(join->sha256);
	join->digest = NULL;
	join->sha256 = NULL;
}

static bool net_id_listed(
	const uint8_t net_id[LW_NET_ID_SIZE], const struct lw_net_id *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (memcmp(list[i].octets, net_id, LW_NET_ID_SIZE) == 0) {
			return true;
		}
	}
	return false;
}

static bool join_eui_in_ranges(const struct ks_peer *ns, const struct lw_eui *join_eui)
{
	for (size_t i = 0; i < ns->range_count; i++) {
		if (lw_eui_range_contains(&ns->ranges[i], join_eui)) {
			return true;
		}
	}
	return ns->range_count == 0;
}

/* Who is asking: the credential decides, the header may only agree with it. */
static enum kw_err check_sender(struct js_join *join, struct attempt *attempt)
{
	const struct ipc_join_req *request = attempt->request;
	const struct ks_peer *ns = ks_peer_by_token(join->store, request->credential);

	if (ns == NULL) {
		return KW_E_UNAUTHENTICATED;
	}
	attempt->ns = ns;
	if (ns->kind != KS_PEER_NS || request->sender_is_net_id == 0 ||
		!net_id_listed(request->sender_net_id, ns->net_ids, ns->net_id_count)) {
		return KW_E_SENDER;
	}
	if (ns->has_ns_id && request->protocol == IPC_PROTOCOL_1_1 &&
		(request->has_ns_id == 0 ||
			memcmp(request->sender_ns_id, ns->ns_id.octets, LW_EUI_SIZE) != 0)) {
		return KW_E_SENDER_NS_ID;
	}
	return KW_OK;
}

/* A request that cannot be gone on with may still be about a device that we know. */
static void find_device_for_log(struct ks_txn *txn, struct attempt *attempt)
{
	struct lw_eui dev_eui;

	if (attempt->ns == NULL || attempt->request->has_dev_eui == 0) {
		return;
	}
	memcpy(dev_eui.octets, attempt->request->dev_eui, LW_EUI_SIZE);
	attempt->device_known = ks_device_find(txn, &dev_eui, &attempt->device) == KW_OK;
}

static enum kw_err check_receiver(struct ks_txn *txn, const struct ipc_join_req *request)
{
	struct lw_eui join_eui;
	enum kw_err err;

	if (request->receiver_is_eui == 0) {
		return KW_E_RECEIVER;
	}
	memcpy(join_eui.octets, request->receiver, LW_EUI_SIZE);
	err = ks_join_eui_served(txn, &join_eui);
	return err == KW_E_NOT_FOUND ? KW_E_RECEIVER : err;
}

/* What can be wrong with fields; anything else a front has not found in a message. */
static enum kw_err field_err(int32_t err)
{
	switch (err) {
	case KW_E_INVALID:
	case KW_E_TOO_LONG:
	case KW_E_SYNTAX:
	case KW_E_HEX:
	case KW_E_LENGTH:
	case KW_E_VERSION:
	case KW_E_MISSING:
	case KW_E_MISMATCH:
	case KW_E_NUMBER:
	case KW_E_CONFLICT:
	case KW_E_FRAME_SIZE:
	case KW_E_FRAME_TYPE:
	case KW_E_UNSUPPORTED:
	case KW_E_PROTOCOL:
		return (enum kw_err)err;
	default:
		return KW_E_INVALID;
	}
}

/* The front has checked all this; the front is not believed. */
static enum kw_err check_fields(struct attempt *attempt)
{
	const struct ipc_join_req *request = attempt->request;
	enum kw_err err;

	if (request->field_err != KW_OK) {
		return field_err(request->field_err);
	}
	err = lw_join_request_read(
		request->phy_payload, sizeof(request->phy_payload), &attempt->frame);
	if (err != KW_OK) {
		return err;
	}
	if (request->has_dev_eui == 0 ||
		memcmp(attempt->frame.dev_eui.octets, request->dev_eui, LW_EUI_SIZE) != 0 ||
		memcmp(attempt->frame.join_eui.octets, request->receiver, LW_EUI_SIZE) != 0) {
		return KW_E_MISMATCH;
	}
	if (request->rx_delay > 15 || request->has_cf_list > 1 ||
		!lw_version_valid(request->mac_version)) {
		return KW_E_INVALID;
	}
	return KW_OK;
}

static enum kw_err find_device(struct ks_txn *txn, struct attempt *attempt)
{
	const struct lw_device_id id = {attempt->frame.join_eui, attempt->frame.dev_eui};
	enum kw_err err = ks_device_get(txn, &id, &attempt->device);

	attempt->device_known = err == KW_OK;
	return err == KW_E_NOT_FOUND ? KW_E_NO_DEVICE : err;
}

static enum kw_err check_allowed(const struct attempt *attempt)
{
	const struct ks_policy *policy = &attempt->device.policy;
	const struct ks_peer *ns = attempt->ns;

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
	} else if (!net_id_listed(attempt->request->sender_net_id, policy->net_ids,
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
static enum kw_err check_agreement(const struct attempt *attempt)
{
	bool registered_1_1 = lw_version_is_1_1(attempt->device.version);
	bool mac_1_1 = lw_version_is_1_1((enum lw_version)attempt->request->mac_version);
	bool opt_neg = (attempt->request->dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0;

	if (mac_1_1 != opt_neg || (mac_1_1 && !registered_1_1)) {
		return KW_E_DISAGREE;
	}
	return KW_OK;
}

static enum kw_err request_digest(
	struct js_join *join, const struct attempt *attempt, uint8_t out[KS_REQUEST_DIGEST_SIZE])
{
	const struct ipc_join_req *request = attempt->request;
	uint8_t digest[EVP_MAX_MD_SIZE];
	const uint8_t small[] = {
		request->mac_version,
		request->dl_settings,
		request->rx_delay,
		request->has_cf_list,
		(uint8_t)(attempt->ns->id >> 24),
		(uint8_t)(attempt->ns->id >> 16),
		(uint8_t)(attempt->ns->id >> 8),
		(uint8_t)attempt->ns->id,
	};

	if (EVP_DigestInit_ex2(join->digest, join->sha256, NULL) != 1 ||
		EVP_DigestUpdate(join->digest, small, sizeof(small)) != 1 ||
		EVP_DigestUpdate(join->digest, request->sender_net_id, LW_NET_ID_SIZE) != 1 ||
		EVP_DigestUpdate(join->digest, request->dev_addr, LW_DEV_ADDR_SIZE) != 1 ||
		EVP_DigestUpdate(join->digest, request->cf_list, LW_CF_LIST_SIZE) != 1 ||
		EVP_DigestUpdate(join->digest, request->phy_payload, LW_JOIN_REQUEST_SIZE) != 1 ||
		EVP_DigestFinal_ex(join->digest, digest, NULL) != 1) {
		return KW_E_CRYPTO;
	}
	memcpy(out, digest, KS_REQUEST_DIGEST_SIZE);
	return KW_OK;
}

/* The identical request, a moment later: the same nonces give the same answer again. */
static bool is_repetition(const struct js_join *join, const struct attempt *attempt)
{
	const struct ks_session *last = &attempt->state.last_session;

	return attempt->state.has_session && last->type == LW_JOIN_REQ_JOIN &&
	       last->nonce == attempt->frame.dev_nonce && last->ns_peer == attempt->ns->id &&
	       attempt->now_ms >= last->time_ms &&
	       attempt->now_ms - last->time_ms <= join->repeat_window_ms &&
	       memcmp(last->request_digest, attempt->session.request_digest,
		       KS_REQUEST_DIGEST_SIZE) == 0;
}

static void choose_delivery(struct js_join *join, struct attempt *attempt)
{
	const struct ks_policy *policy = &attempt->device.policy;
	enum ks_delivery delivery = policy->delivery;

	attempt->as =
		policy->as_id[0] != '\0' ? ks_peer_by_as_id(join->store, policy->as_id) : NULL;
	if (delivery == KS_DELIVERY_DEFAULT) {
		delivery = attempt->ns->delivery;
	}
	if (delivery == KS_DELIVERY_DEFAULT && attempt->as != NULL) {
		delivery = attempt->as->delivery;
	}
	if (delivery == KS_DELIVERY_DEFAULT) {
		delivery = policy->as_id[0] != '\0' ? KS_DELIVERY_FETCH : KS_DELIVERY_INLINE_ID;
	}
	attempt->delivery = delivery;
}

/* Before any nonce is used up: never a silent fall-back to a key in the clear. */
static enum kw_err check_kek(const struct attempt *attempt)
{
	if (attempt->delivery == KS_DELIVERY_WRAPPED &&
		(attempt->as == NULL || attempt->as->kek_label[0] == '\0')) {
		return KW_E_NO_KEK;
	}
	return KW_OK;
}

static enum kw_err new_session(struct js_join *join, struct ks_txn *txn, struct attempt *attempt)
{
	const struct ipc_join_req *request = attempt->request;
	struct ks_session *session = &attempt->session;
	enum kw_err err = ks_dev_nonce_check(
		txn, &attempt->state, attempt->device.version, attempt->frame.dev_nonce);

	if (err != KW_OK) {
		return err;
	}
	if (attempt->state.next_join_nonce > LW_JOIN_NONCE_MAX) {
		return KW_E_EXHAUSTED;
	}
	session->time_ms = attempt->now_ms;
	session->join_nonce = attempt->state.next_join_nonce;
	session->nonce = attempt->frame.dev_nonce;
	session->type = LW_JOIN_REQ_JOIN;
	memcpy(session->net_id.octets, request->sender_net_id, LW_NET_ID_SIZE);
	session->mac_version = (enum lw_version)request->mac_version;
	session->opt_neg = (request->dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0;
	session->ns_peer = attempt->ns->id;
	session->as_peer = attempt->as != NULL ? attempt->as->id : 0;
	return kw_random(ks_store_env(join->store), session->session_key_id,
		sizeof(session->session_key_id));
}

static void put_clear(struct ipc_key *out, const struct lw_key *key)
{
	out->length = LW_BLOCK_SIZE;
	memcpy(out->octets, key->octets, LW_BLOCK_SIZE);
}

static enum kw_err put_keys(struct js_join *join, const struct ks_peer *receiver,
	const struct lw_key *const *keys, struct ipc_key *const *out, size_t count, char *label)
{
	uint8_t wrapped[3][LW_WRAPPED_SIZE];
	enum kw_err err;

	if (receiver == NULL || receiver->kek_label[0] == '\0') {
		for (size_t i = 0; i < count; i++) {
			put_clear(out[i], keys[i]);
		}
		return KW_OK;
	}
	err = ks_peer_wrap(join->store, receiver, keys, count, wrapped);
	for (size_t i = 0; err == KW_OK && i < count; i++) {
		out[i]->length = LW_WRAPPED_SIZE;
		memcpy(out[i]->octets, wrapped[i], LW_WRAPPED_SIZE);
	}
	if (err == KW_OK) {
		memcpy(label, receiver->kek_label, IPC_LABEL_SIZE);
	}
	return err;
}

static enum kw_err put_session_keys(struct js_join *join, const struct attempt *attempt,
	const struct lw_session_keys *keys, struct ipc_join_ans *ans)
{
	const struct lw_key *const network[] = {
		&keys->f_nwk_s_int, &keys->s_nwk_s_int, &keys->nwk_s_enc};
	struct ipc_key *const network_out[] = {
		&ans->f_nwk_s_int_key, &ans->s_nwk_s_int_key, &ans->nwk_s_enc_key};
	const struct lw_key *const app[] = {&keys->app_s};
	struct ipc_key *const app_out[] = {&ans->app_s_key};
	enum kw_err err = put_keys(
		join, attempt->ns, network, network_out, keys->opt_neg ? 3 : 1, ans->nwk_kek_label);

	if (err != KW_OK) {
		return err;
	}
	if (attempt->delivery != KS_DELIVERY_INLINE) {
		ans->has_session_key_id = 1;
		memcpy(ans->session_key_id, attempt->session.session_key_id, IPC_SESSION_ID_SIZE);
	}
	if (attempt->delivery == KS_DELIVERY_FETCH) {
		return KW_OK;
	}
	return put_keys(join, attempt->delivery == KS_DELIVERY_WRAPPED ? attempt->as : NULL, app,
		app_out, 1, ans->app_kek_label);
}

static enum kw_err build_answer(struct js_join *join, const struct attempt *attempt,
	const struct ks_root *root, struct ipc_join_ans *ans)
{
	const struct ipc_join_req *request = attempt->request;
	const struct ks_session *session = &attempt->session;
	const struct lw_join_context context = {
		.type = LW_JOIN_REQ_JOIN,
		.join_eui = attempt->frame.join_eui,
		.dev_eui = attempt->frame.dev_eui,
		.nonce = session->nonce,
	};
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
	err = lw_join_accept_build(ks_store_aes(join->store), &root->nwk, &accept, &context,
		ans->phy_payload, &length);
	if (err != KW_OK) {
		goto out;
	}
	ans->phy_length = (uint8_t)length;
	ans->opt_neg = session->opt_neg;
	err = lw_session_derive(&root->nwk, &root->app, session->opt_neg, session->join_nonce,
		&session->net_id, &context, &keys);
	if (err == KW_OK) {
		err = put_session_keys(join, attempt, &keys, ans);
	}
out:
	kw_wipe(&keys, sizeof(keys));
	return err;
}

/* From the right MIC on. */
static enum kw_err accept_join(struct js_join *join, struct ks_txn *txn, struct attempt *attempt,
	const struct ks_root *root, struct ipc_join_ans *ans, bool *repeated)
{
	enum kw_err err = check_agreement(attempt);

	if (err != KW_OK) {
		return err;
	}
	err = ks_state_get(txn, &attempt->device.id, &attempt->state);
	if (err != KW_OK) {
		return err;
	}
	attempt->state_known = true;
	err = request_digest(join, attempt, attempt->session.request_digest);
	if (err != KW_OK) {
		return err;
	}
	choose_delivery(join, attempt);
	*repeated = is_repetition(join, attempt);
	if (*repeated) {
		attempt->session = attempt->state.last_session;
	} else {
		err = new_session(join, txn, attempt);
	}
	if (err == KW_OK) {
		err = check_kek(attempt);
	}
	if (err == KW_OK) {
		err = build_answer(join, attempt, root, ans);
	}
	if (err == KW_OK && !*repeated) {
		err = ks_join_record(
			txn, &attempt->state, attempt->device.version, &attempt->session);
	}
	return err;
}

static enum kw_err process(struct js_join *join, struct ks_txn *txn, struct attempt *attempt,
	struct ipc_join_ans *ans, bool *repeated)
{
	struct ks_root root;
	enum kw_err err = check_sender(join, attempt);

	if (err == KW_OK) {
		err = check_receiver(txn, attempt->request);
	}
	if (err == KW_OK) {
		err = check_fields(attempt);
	}
	if (err != KW_OK) {
		find_device_for_log(txn, attempt);
		return err;
	}
	err = find_device(txn, attempt);
	if (err == KW_OK) {
		err = check_allowed(attempt);
	}
	if (err != KW_OK) {
		return err;
	}
	err = ks_root_open(join->store, &attempt->device, &root);
	if (err == KW_OK) {
		err = lw_join_request_verify(&root.nwk, attempt->request->phy_payload);
	}
	if (err == KW_OK) {
		err = accept_join(join, txn, attempt, &root, ans, repeated);
	}
	ks_root_close(join->store);
	return err;
}

/* The numbers that the join log's words need; the MIC decides whether a frame may be quoted. */
static void note_event(struct js_join *join, const struct attempt *attempt, enum ks_event_kind kind,
	enum kw_err err)
{
	const struct ks_state *state = &attempt->state;
	struct ks_event event = {
		.time_ms = attempt->now_ms,
		.id = attempt->device.id,
		.kind = kind,
		.err = err,
		.registered = attempt->device.version,
		.mac_version = lw_version_valid(attempt->request->mac_version)
				       ? (enum lw_version)attempt->request->mac_version
				       : LW_VERSION_NONE,
		.opt_neg = (attempt->request->dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0,
		.dev_nonce = attempt->frame.dev_nonce,
		.repeats = 1,
		.ns_peer = attempt->ns->id,
	};

	memcpy(event.net_id.octets, attempt->request->sender_net_id, LW_NET_ID_SIZE);
	if (attempt->state_known && state->has_dev_nonce) {
		event.has_last = true;
		event.last_dev_nonce = lw_version_counts_dev_nonce(attempt->device.version)
					       ? state->max_dev_nonce
					       : state->last_dev_nonce;
	}
	if (kind == KS_EVENT_REPEATED) {
		event.join_nonce = attempt->session.join_nonce;
	}
	js_refusals_add(&join->refusals, &event);
}

static const char *missing_kek_help(const struct attempt *attempt)
{
	if (attempt->device.policy.as_id[0] == '\0') {
		return "keyward device set DEVEUI --as-id ID";
	}
	return attempt->as == NULL ? "keyward as add NAME --as-id ID --kek-label L --kek-file F"
				   : "keyward as set NAME --kek-label L --kek-file F";
}

static void count(
	struct js_join *join, const struct attempt *attempt, enum kw_err err, bool repeated)
{
	struct js_join_counters *counters = &join->counters;

	if (err == KW_OK) {
		counters->accepted += !repeated;
		counters->repeated += repeated;
		counters->dev_nonces_high += !repeated &&
					     attempt->frame.dev_nonce >= DEV_NONCE_HIGH &&
					     lw_version_counts_dev_nonce(attempt->device.version);
		return;
	}
	counters->refused++;
	counters->unknown_devices += err == KW_E_NO_DEVICE;
	counters->mic_failures += err == KW_E_MIC;
	counters->missing_keks += err == KW_E_NO_KEK;
	if (err == KW_E_NO_KEK) {
		kw_log(KW_LOG_ERROR, "join", "refused: the key encryption key is missing",
			KW_EUI("dev_eui", attempt->device.id.dev_eui.octets),
			KW_STR("as_id", attempt->device.policy.as_id),
			KW_STR("help", missing_kek_help(attempt)));
	}
}

void js_join_answer(struct js_join *join, struct ks_txn *txn, const struct ipc_join_req *request,
	struct ipc_join_ans *ans)
{
	struct attempt attempt;
	bool repeated = false;
	enum kw_err err;

	memset(&attempt, 0, sizeof(attempt));
	memset(ans, 0, sizeof(*ans));
	attempt.request = request;
	attempt.now_ms = kw_now_ms(ks_store_env(join->store));
	err = process(join, txn, &attempt, ans, &repeated);
	if (err != KW_OK) {
		kw_wipe(ans, sizeof(*ans));
	}
	count(join, &attempt, err, repeated);
	if (attempt.device_known && (err != KW_OK || repeated)) {
		note_event(join, &attempt, repeated ? KS_EVENT_REPEATED : KS_EVENT_REFUSED, err);
	}
	ans->number = request->number;
	ans->err = err;
}

void js_join_void(struct js_join *join, struct ipc_join_ans *ans, enum kw_err err)
{
	uint64_t number = ans->number;

	if (ans->err != KW_OK) {
		return;
	}
	kw_wipe(ans, sizeof(*ans));
	ans->number = number;
	ans->err = err;
	join->counters.accepted -= join->counters.accepted > 0;
	join->counters.refused++;
}
