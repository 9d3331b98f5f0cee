#include "js/convert.h"

#include <string.h>

static_assert(KS_NAME_SIZE == IPC_NAME_SIZE && KS_LABEL_SIZE == IPC_LABEL_SIZE &&
		      KS_NET_IDS_MAX == IPC_NET_IDS_MAX && KS_RANGES_MAX == IPC_RANGES_MAX &&
		      KS_CREDENTIALS_MAX == IPC_CREDENTIALS_MAX && KS_KEKS_MAX == IPC_KEKS_MAX &&
		      KS_SHOWN_SIZE == IPC_SHOWN_SIZE && KS_URL_SIZE == IPC_URL_SIZE &&
		      KS_RATE_MAX == IPC_RATE_MAX,
	"both sides have the same limits");
static_assert((int)KS_DELIVERY_FETCH == (int)IPC_DELIVERY_FETCH &&
		      (int)KS_DELIVERY_INLINE == (int)IPC_DELIVERY_INLINE &&
		      (int)KS_PEER_AS == (int)IPC_PEER_AS &&
		      (int)KS_ORIGIN_GENERATED == (int)IPC_ORIGIN_GENERATED &&
		      (int)KS_EVENT_ALARM == (int)IPC_EVENT_ALARM &&
		      (int)KS_PROCEDURE_HOME_NS == (int)IPC_EVENT_HOME_NS &&
		      (int)KS_CREDENTIAL_SUBJECT == (int)IPC_CREDENTIAL_SUBJECT,
	"both sides have the same values");

bool js_text_ok(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\0') {
			return true;
		}
		if (c < 0x20 || c == 0x7f) {
			return false;
		}
	}
	return false;
}

static bool net_ids_from_ipc(const uint8_t from[][LW_NET_ID_SIZE], uint8_t count,
	struct lw_net_id *out, uint8_t *out_count)
{
	if (count > KS_NET_IDS_MAX) {
		return false;
	}
	memset(out, 0, KS_NET_IDS_MAX * sizeof(*out));
	for (size_t i = 0; i < count; i++) {
		memcpy(out[i].octets, from[i], LW_NET_ID_SIZE);
	}
	*out_count = count;
	return true;
}

static void net_ids_to_ipc(
	const struct lw_net_id *from, uint8_t count, uint8_t out[][LW_NET_ID_SIZE])
{
	for (size_t i = 0; i < count; i++) {
		memcpy(out[i], from[i].octets, LW_NET_ID_SIZE);
	}
}

enum kw_err js_policy_from_ipc(
	const struct ipc_device_policy *from, uint32_t set, struct ks_policy *out)
{
	if (!js_text_ok(from->as_id, sizeof(from->as_id)) ||
		!js_text_ok(from->name, sizeof(from->name)) ||
		from->delivery > IPC_DELIVERY_FETCH) {
		return KW_E_INVALID;
	}
	if ((set & IPC_SET_NET_IDS) != 0 && !net_ids_from_ipc(from->net_ids, from->net_id_count,
						    out->net_ids, &out->net_id_count)) {
		return KW_E_INVALID;
	}
	if ((set & IPC_SET_ROAMING) != 0 && !net_ids_from_ipc(from->roaming, from->roaming_count,
						    out->roaming, &out->roaming_count)) {
		return KW_E_INVALID;
	}
	if ((set & IPC_SET_NS_ID) != 0) {
		out->has_ns_id = from->has_ns_id != 0;
		memcpy(out->ns_id.octets, from->ns_id, LW_EUI_SIZE);
	}
	if ((set & IPC_SET_AS_ID) != 0) {
		memcpy(out->as_id, from->as_id, sizeof(out->as_id));
	}
	if ((set & IPC_SET_DELIVERY) != 0) {
		out->delivery = (enum ks_delivery)from->delivery;
	}
	if ((set & IPC_SET_NAME) != 0) {
		memcpy(out->name, from->name, sizeof(out->name));
	}
	if ((set & IPC_SET_BLOCKED) != 0) {
		out->blocked = from->blocked != 0;
	}
	return KW_OK;
}

void js_device_to_ipc(const struct ks_device *device, const struct ks_state *state,
	unsigned sessions, struct ipc_device *out)
{
	const struct ks_policy *policy = &device->policy;
	bool counts = lw_version_counts_dev_nonce(device->version);

	memset(out, 0, sizeof(*out));
	memcpy(out->join_eui, device->id.join_eui.octets, LW_EUI_SIZE);
	memcpy(out->dev_eui, device->id.dev_eui.octets, LW_EUI_SIZE);
	out->created_ms = device->created_ms;
	out->changed_ms = device->changed_ms;
	out->joins_accepted = state->joins_accepted;
	out->joins_refused = state->joins_refused;
	out->next_join_nonce = state->next_join_nonce;
	out->last_dev_nonce = counts ? state->max_dev_nonce : state->last_dev_nonce;
	out->dev_nonce_count = state->dev_nonce_count;
	out->lorawan_version = (uint8_t)device->version;
	out->counts_dev_nonce = counts;
	out->origin = (uint8_t)device->origin;
	out->has_nwk_key = device->nwk_key.length != 0;
	memcpy(out->app_key_kcv, device->app_key_kcv, KS_KCV_SIZE);
	memcpy(out->nwk_key_kcv, device->nwk_key_kcv, KS_KCV_SIZE);
	out->session_count = (uint8_t)sessions;
	if (state->has_session) {
		out->last_join_ms = state->last_session.time_ms;
		memcpy(out->last_net_id, state->last_session.net_id.octets, LW_NET_ID_SIZE);
	}
	out->policy.net_id_count = policy->net_id_count;
	out->policy.roaming_count = policy->roaming_count;
	out->policy.has_ns_id = policy->has_ns_id;
	out->policy.delivery = (uint8_t)policy->delivery;
	out->policy.blocked = policy->blocked;
	net_ids_to_ipc(policy->net_ids, policy->net_id_count, out->policy.net_ids);
	net_ids_to_ipc(policy->roaming, policy->roaming_count, out->policy.roaming);
	memcpy(out->policy.ns_id, policy->ns_id.octets, LW_EUI_SIZE);
	memcpy(out->policy.as_id, policy->as_id, sizeof(out->policy.as_id));
	memcpy(out->policy.name, policy->name, sizeof(out->policy.name));
}

static bool ranges_from_ipc(const struct ipc_peer *from, struct ks_peer *out)
{
	if (from->range_count > KS_RANGES_MAX) {
		return false;
	}
	memset(out->ranges, 0, sizeof(out->ranges));
	for (size_t i = 0; i < from->range_count; i++) {
		memcpy(out->ranges[i].first.octets, from->ranges[i].first, LW_EUI_SIZE);
		memcpy(out->ranges[i].last.octets, from->ranges[i].last, LW_EUI_SIZE);
		if (lw_eui_compare(&out->ranges[i].first, &out->ranges[i].last) > 0) {
			return false;
		}
	}
	out->range_count = from->range_count;
	return true;
}

enum kw_err js_peer_from_ipc(const struct ipc_peer *from, uint32_t set, struct ks_peer *out)
{
	if (!js_text_ok(from->name, sizeof(from->name)) ||
		!js_text_ok(from->as_id, sizeof(from->as_id)) ||
		!js_text_ok(from->answer_url, sizeof(from->answer_url)) ||
		from->delivery > IPC_DELIVERY_FETCH) {
		return KW_E_INVALID;
	}
	if ((set & IPC_PEER_SET_NET_IDS) != 0 &&
		!net_ids_from_ipc(
			from->net_ids, from->net_id_count, out->net_ids, &out->net_id_count)) {
		return KW_E_INVALID;
	}
	if ((set & IPC_PEER_SET_NS_ID) != 0) {
		out->has_ns_id = from->has_ns_id != 0;
		memcpy(out->ns_id.octets, from->ns_id, LW_EUI_SIZE);
	}
	if ((set & IPC_PEER_SET_AS_ID) != 0) {
		memcpy(out->as_id, from->as_id, sizeof(out->as_id));
	}
	if ((set & IPC_PEER_SET_DELIVERY) != 0) {
		out->delivery = (enum ks_delivery)from->delivery;
	}
	if ((set & IPC_PEER_SET_RANGES) != 0 && !ranges_from_ipc(from, out)) {
		return KW_E_INVALID;
	}
	if ((set & IPC_PEER_SET_ANY_DEVICE) != 0) {
		out->any_device = from->any_device != 0;
	}
	if ((set & IPC_PEER_SET_CLEAR) != 0) {
		out->clear = from->clear != 0;
	}
	if ((set & IPC_PEER_SET_RATE) != 0) {
		out->rate = from->rate;
		out->burst = from->burst;
	}
	if ((set & IPC_PEER_SET_ANSWER_URL) != 0) {
		memcpy(out->answer_url, from->answer_url, sizeof(out->answer_url));
	}
	return KW_OK;
}

static void credentials_to_ipc(const struct ks_peer *peer, struct ipc_peer *out)
{
	out->credential_count = peer->credential_count;
	for (size_t i = 0; i < peer->credential_count; i++) {
		const struct ks_credential *credential = &peer->credentials[i];

		out->credentials[i].kind = (uint8_t)credential->kind;
		out->credentials[i].expires_s = credential->expires_s;
		memcpy(out->credentials[i].text, credential->shown, IPC_SHOWN_SIZE);
	}
}

static void keks_to_ipc(const struct ks_peer *peer, struct ipc_peer *out)
{
	out->kek_count = peer->kek_count;
	out->kek_missing = peer->wraps && peer->kek_current == 0;
	for (size_t i = 0; i < peer->kek_count; i++) {
		const struct ks_kek *kek = &peer->keks[i];

		out->keks[i].created_ms = kek->created_ms;
		out->keks[i].current = kek->generation == peer->kek_current;
		out->keks[i].octets = (uint8_t)ks_kek_length(kek);
		memcpy(out->keks[i].label, kek->label, IPC_LABEL_SIZE);
	}
}

void js_peer_to_ipc(const struct ks_peer *peer, struct ipc_peer *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = (uint8_t)peer->kind;
	out->net_id_count = peer->net_id_count;
	out->has_ns_id = peer->has_ns_id;
	out->delivery = (uint8_t)peer->delivery;
	out->any_device = peer->any_device;
	out->range_count = peer->range_count;
	out->clear = peer->clear;
	net_ids_to_ipc(peer->net_ids, peer->net_id_count, out->net_ids);
	memcpy(out->ns_id, peer->ns_id.octets, LW_EUI_SIZE);
	for (size_t i = 0; i < peer->range_count; i++) {
		memcpy(out->ranges[i].first, peer->ranges[i].first.octets, LW_EUI_SIZE);
		memcpy(out->ranges[i].last, peer->ranges[i].last.octets, LW_EUI_SIZE);
	}
	memcpy(out->name, peer->name, sizeof(out->name));
	memcpy(out->as_id, peer->as_id, sizeof(out->as_id));
	memcpy(out->answer_url, peer->answer_url, sizeof(out->answer_url));
	out->rate = peer->rate;
	out->burst = peer->burst;
	credentials_to_ipc(peer, out);
	keks_to_ipc(peer, out);
	out->created_ms = peer->created_ms;
	out->changed_ms = peer->changed_ms;
}

void js_event_to_ipc(
	const struct ks_event *event, const struct ks_peer *peer, struct ipc_event *out)
{
	memset(out, 0, sizeof(*out));
	out->sequence = event->sequence;
	out->time_ms = event->time_ms;
	memcpy(out->join_eui, event->id.join_eui.octets, LW_EUI_SIZE);
	memcpy(out->dev_eui, event->id.dev_eui.octets, LW_EUI_SIZE);
	out->kind = (uint8_t)event->kind;
	out->mac_version = (uint8_t)event->mac_version;
	out->lorawan_version = (uint8_t)event->registered;
	out->opt_neg = event->opt_neg;
	out->procedure = (uint8_t)event->procedure;
	memcpy(out->net_id, event->net_id.octets, LW_NET_ID_SIZE);
	/* With an accepted rejoin that is still the last DevNonce, for the replay of the journal. */
	out->has_last = event->has_last && !(event->kind == KS_EVENT_ACCEPTED &&
						   event->procedure != KS_PROCEDURE_JOIN);
	out->err = event->err;
	out->join_nonce = event->join_nonce;
	out->dev_nonce = event->dev_nonce;
	out->last_dev_nonce = out->has_last != 0 ? event->last_dev_nonce : 0;
	out->repeats = event->repeats;
	out->seconds = event->seconds;
	out->counts_dev_nonce = lw_version_counts_dev_nonce(event->registered);
	if (peer != NULL) {
		memcpy(out->peer, peer->name, sizeof(out->peer));
	}
}
