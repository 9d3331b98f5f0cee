/*
 * AppSKeyReq: an application server fetches the AppSKey of a session by its SessionKeyID. Only the
 * one that was recorded for the device when the session was made gets it. The key is derived again
 * from the nonces of the session. A blocked device may not join; what it has joined goes on.
 * Source: LoRaWAN Backend Interfaces 1.0 and 1.1, AppSKeyReq.
 */
#include "js/backend.h"

#include "base/secret.h"
#include "js/session_keys.h"

#include <string.h>

/* A session from before the device was registered anew was made with other root keys. */
static enum kw_err find_session(struct ks_txn *txn, struct js_attempt *attempt)
{
	const struct ipc_backend_req *request = attempt->request;
	struct ks_session sessions[KS_SESSIONS_MAX];
	int count = ks_sessions_get(txn, &attempt->device.id, sessions);

	if (count < 0) {
		return KW_E_STORE_DAMAGED;
	}
	for (int i = 0; i < count && request->has_session_key_id != 0; i++) {
		if (memcmp(sessions[i].session_key_id, request->session_key_id,
			    IPC_SESSION_ID_SIZE) == 0 &&
			sessions[i].time_ms >= attempt->device.created_ms) {
			attempt->session = sessions[i];
			attempt->nonce = sessions[i].nonce;
			return sessions[i].as_peer == attempt->peer->id ? KW_OK : KW_E_OTHER_AS;
		}
	}
	return KW_E_NO_SESSION;
}

static enum kw_err derive(
	struct js_backend *backend, const struct js_attempt *attempt, struct lw_session_keys *keys)
{
	const struct ks_session *session = &attempt->session;
	const struct lw_join_context context = {
		.type = session->type,
		.join_eui = attempt->device.id.join_eui,
		.dev_eui = attempt->device.id.dev_eui,
		.nonce = session->nonce,
	};
	struct ks_root root;
	enum kw_err err = ks_root_open(backend->store, &attempt->device, &root);

	if (err == KW_OK) {
		err = lw_session_derive(&root.nwk, &root.app, session->opt_neg, session->join_nonce,
			&session->net_id, &context, keys);
	}
	ks_root_close(backend->store);
	return err;
}

enum kw_err js_app_s_key_process(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, struct ipc_backend_ans *ans)
{
	struct lw_session_keys keys = {0};
	enum kw_err err = js_attempt_device(txn, attempt);

	if (err == KW_OK) {
		err = find_session(txn, attempt);
	}
	if (err == KW_OK) {
		err = derive(backend, attempt, &keys);
	}
	if (err == KW_OK) {
		err = js_app_s_key_put(backend->store, attempt->peer, &keys.app_s, ans);
	}
	if (err == KW_E_NO_KEK) {
		js_backend_kek_missing(attempt, attempt->peer);
	}
	kw_wipe(&keys, sizeof(keys));
	return err;
}
