/*
 * HomeNSReq: a visited network asks whose a device is. Told to the home network itself and to those
 * on the roaming list of the device, to nobody else: it says which operator somebody's device
 * belongs to. Source: LoRaWAN Backend Interfaces 1.0 and 1.1, HomeNSReq and roaming.
 */
#include "js/backend.h"

#include <string.h>

/* The network of the last session if it still may join the device, else the first that may. */
static const struct lw_net_id *home_of(const struct js_attempt *attempt)
{
	const struct ks_policy *policy = &attempt->device.policy;
	const struct ks_state *state = &attempt->state;

	if (state->has_session &&
		(policy->net_id_count == 0 || js_net_id_listed(state->last_session.net_id.octets,
						      policy->net_ids, policy->net_id_count))) {
		return &state->last_session.net_id;
	}
	return policy->net_id_count > 0 ? &policy->net_ids[0] : NULL;
}

/* The device's own setting, else the NS that made the last session with that network. */
static void put_ns_id(const struct js_backend *backend, const struct js_attempt *attempt,
	const struct lw_net_id *home, struct ipc_backend_ans *ans)
{
	const struct ks_policy *policy = &attempt->device.policy;
	const struct ks_peer *ns = NULL;

	if (policy->has_ns_id) {
		ans->has_h_ns_id = 1;
		memcpy(ans->h_ns_id, policy->ns_id.octets, LW_EUI_SIZE);
		return;
	}
	if (home == &attempt->state.last_session.net_id) {
		ns = ks_peer_by_id(backend->store, attempt->state.last_session.ns_peer);
	}
	if (ns != NULL && ns->has_ns_id) {
		ans->has_h_ns_id = 1;
		memcpy(ans->h_ns_id, ns->ns_id.octets, LW_EUI_SIZE);
	}
}

static bool may_know(const struct js_attempt *attempt, const struct lw_net_id *home)
{
	const struct ks_policy *policy = &attempt->device.policy;
	const uint8_t *asking = attempt->request->sender_net_id;

	return js_net_id_listed(asking, policy->roaming, policy->roaming_count) ||
	       js_net_id_listed(asking, policy->net_ids, policy->net_id_count) ||
	       (home != NULL && memcmp(asking, home->octets, LW_NET_ID_SIZE) == 0);
}

enum kw_err js_home_ns_process(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, struct ipc_backend_ans *ans)
{
	const struct lw_net_id *home;
	enum kw_err err = js_attempt_device(txn, attempt);

	if (err == KW_OK) {
		err = ks_state_get(txn, &attempt->device.id, &attempt->state);
	}
	if (err != KW_OK) {
		return err;
	}
	home = home_of(attempt);
	if (!may_know(attempt, home)) {
		return KW_E_ROAMING;
	}
	if (home == NULL) {
		return KW_E_NO_HOME;
	}
	memcpy(ans->h_net_id, home->octets, LW_NET_ID_SIZE);
	put_ns_id(backend, attempt, home, ans);
	return KW_OK;
}
