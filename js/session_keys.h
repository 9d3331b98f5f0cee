/**
 * How session keys leave the vault: which of them, in the clear or under whose KEK.
 *
 * Decided once, when a session is made, and recorded with it, so that a repeated answer is the same
 * to the last octet. A KEK that must be there and is not refuses the request, before any nonce is
 * used up: never a silent fall-back to a key in the clear.
 */
#ifndef KW_JS_SESSION_KEYS_H
#define KW_JS_SESSION_KEYS_H

#include "ipc/ipc.h"
#include "keystore/device.h"
#include "keystore/peer.h"
#include "keystore/state.h"
#include "lorawan/join.h"

/**
 * Fill in session->delivery, as_peer, ns_kek and as_kek.
 *
 * @param wanting  out: on KW_E_NO_KEK the peer whose KEK is missing; NULL: the device's application
 *                 server is not registered
 * @return KW_OK, KW_E_NO_KEK
 */
KW_MUST_CHECK enum kw_err js_delivery_choose(const struct ks_store *store,
	const struct ks_policy *policy, const struct ks_peer *ns, struct ks_session *session,
	const struct ks_peer **wanting);

/**
 * Put the keys of a session into an answer, as its record says.
 * @return KW_OK, KW_E_NO_KEK (retired since), KW_E_SEAL, KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err js_session_keys_put(struct ks_store *store, const struct ks_peer *ns,
	const struct ks_session *session, const struct lw_session_keys *keys,
	struct ipc_backend_ans *ans);

/**
 * Put an AppSKey into the answer to the application server `as`: under its current KEK, or in the
 * clear if it has none and may be told so.
 * @return KW_OK, KW_E_NO_KEK, KW_E_SEAL, KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err js_app_s_key_put(struct ks_store *store, const struct ks_peer *as,
	const struct lw_key *app_s_key, struct ipc_backend_ans *ans);

#endif
