#include "js/attempt.h"

#include "base/secret.h"

#include <string.h>

bool js_net_id_listed(
	const uint8_t net_id[LW_NET_ID_SIZE], const struct lw_net_id *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (memcmp(list[i].octets, net_id, LW_NET_ID_SIZE) == 0) {
			return true;
		}
	}
	return false;
}

static const struct ks_peer *owner_of(
	struct ks_store *store, const struct js_probe *probe, const struct ipc_credential *shown)
{
	if (probe->peer != 0 && shown->kind == IPC_CREDENTIAL_TOKEN &&
		kw_mono_us(ks_store_env(store)) < probe->until_us &&
		kw_equal_ct(probe->digest, shown->digest, sizeof(probe->digest))) {
		return ks_peer_by_id(store, probe->peer);
	}
	return ks_peer_by_credential(store, (enum ks_credential_kind)shown->kind, shown->digest);
}

static enum kw_err find_peer(
	struct ks_store *store, const struct js_probe *probe, struct js_attempt *attempt)
{
	const struct ipc_backend_req *request = attempt->request;
	bool agree = true;

	if (request->credential_count > IPC_CREDENTIALS_MAX) {
		return KW_E_UNAUTHENTICATED;
	}
	for (size_t i = 0; i < request->credential_count; i++) {
		const struct ks_peer *peer = owner_of(store, probe, &request->credentials[i]);

		if (peer == NULL) {
			continue;
		}
		agree = agree && (attempt->peer == NULL || attempt->peer == peer);
		attempt->peer = peer;
	}
	if (attempt->peer == NULL) {
		return KW_E_UNAUTHENTICATED;
	}
	if (!agree) {
		/* Nobody in particular, so nobody gets the answer posted. */
		attempt->peer = NULL;
		return KW_E_SENDER;
	}
	return KW_OK;
}

static enum kw_err check_ns(const struct js_attempt *attempt)
{
	const struct ipc_backend_req *request = attempt->request;
	const struct ks_peer *ns = attempt->peer;

	if (request->procedure == IPC_PROCEDURE_APP_S_KEY || request->sender_is_net_id == 0 ||
		!js_net_id_listed(request->sender_net_id, ns->net_ids, ns->net_id_count)) {
		return KW_E_SENDER;
	}
	/* Of a version that is not spoken here nobody knows where an NSID would stand. */
	if (ns->has_ns_id && request->protocol == IPC_PROTOCOL_1_1 &&
		request->field_err != KW_E_PROTOCOL &&
		(request->has_ns_id == 0 ||
			memcmp(request->sender_ns_id, ns->ns_id.octets, LW_EUI_SIZE) != 0)) {
		return KW_E_SENDER_NS_ID;
	}
	return KW_OK;
}

static enum kw_err check_as(const struct js_attempt *attempt)
{
	const struct ipc_backend_req *request = attempt->request;

	switch (request->procedure) {
	case IPC_PROCEDURE_APP_S_KEY:
	case IPC_PROCEDURE_ERROR_NOTIF:
	case IPC_PROCEDURE_NONE:
		break;
	default:
		return KW_E_SENDER;
	}
	if (memchr(request->as_id, '\0', sizeof(request->as_id)) == NULL ||
		strcmp(request->as_id, attempt->peer->as_id) != 0) {
		return KW_E_SENDER;
	}
	return KW_OK;
}

enum kw_err js_attempt_sender(
	struct ks_store *store, const struct js_probe *probe, struct js_attempt *attempt)
{
	enum kw_err err = find_peer(store, probe, attempt);

	if (err != KW_OK) {
		return err;
	}
	return attempt->peer->kind == KS_PEER_NS ? check_ns(attempt) : check_as(attempt);
}

enum kw_err js_attempt_receiver(struct ks_txn *txn, const struct js_attempt *attempt)
{
	struct lw_eui join_eui;
	enum kw_err err;

	if (attempt->request->receiver_is_eui == 0) {
		return KW_E_RECEIVER;
	}
	memcpy(join_eui.octets, attempt->request->receiver, LW_EUI_SIZE);
	err = ks_join_eui_served(txn, &join_eui);
	return err == KW_E_NOT_FOUND ? KW_E_RECEIVER : err;
}

enum kw_err js_attempt_fields(const struct js_attempt *attempt)
{
	enum kw_err err = (enum kw_err)attempt->request->field_err;

	switch (attempt->request->field_err) {
	case KW_OK:
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
		return err;
	default:
		return KW_E_INVALID;
	}
}

enum kw_err js_attempt_device(struct ks_txn *txn, struct js_attempt *attempt)
{
	struct lw_device_id id;
	enum kw_err err;

	if (attempt->request->has_dev_eui == 0) {
		return KW_E_MISSING;
	}
	memcpy(id.join_eui.octets, attempt->request->receiver, LW_EUI_SIZE);
	memcpy(id.dev_eui.octets, attempt->request->dev_eui, LW_EUI_SIZE);
	err = ks_device_get(txn, &id, &attempt->device);
	attempt->device_known = err == KW_OK;
	return err == KW_E_NOT_FOUND ? KW_E_NO_DEVICE : err;
}

void js_attempt_device_for_log(struct ks_txn *txn, struct js_attempt *attempt)
{
	struct lw_eui dev_eui;

	if (attempt->peer == NULL || attempt->request->has_dev_eui == 0) {
		return;
	}
	memcpy(dev_eui.octets, attempt->request->dev_eui, LW_EUI_SIZE);
	attempt->device_known = ks_device_find(txn, &dev_eui, &attempt->device) == KW_OK;
}
