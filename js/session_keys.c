#include "js/session_keys.h"

#include <assert.h>
#include <string.h>

#define KEYS_MAX 3 /* wrapped at once */

static enum ks_delivery delivery_of(
	const struct ks_policy *policy, const struct ks_peer *ns, const struct ks_peer *as)
{
	if (policy->delivery != KS_DELIVERY_DEFAULT) {
		return policy->delivery;
	}
	/* The key is the application server's: a network server does not set how open it travels. */
	if (as != NULL && as->delivery != KS_DELIVERY_DEFAULT) {
		return as->delivery;
	}
	if (ns->delivery != KS_DELIVERY_DEFAULT) {
		return ns->delivery;
	}
	return policy->as_id[0] != '\0' ? KS_DELIVERY_FETCH : KS_DELIVERY_INLINE_ID;
}

static enum kw_err choose_kek(const struct ks_peer *peer, uint16_t *generation)
{
	*generation = peer->kek_current;
	return peer->kek_current != 0 ? KW_OK : KW_E_NO_KEK;
}

enum kw_err js_delivery_choose(const struct ks_store *store, const struct ks_policy *policy,
	const struct ks_peer *ns, struct ks_session *session, const struct ks_peer **wanting)
{
	const struct ks_peer *as =
		policy->as_id[0] != '\0' ? ks_peer_by_as_id(store, policy->as_id) : NULL;
	enum kw_err err = KW_OK;

	session->delivery = delivery_of(policy, ns, as);
	session->as_peer = as != NULL ? as->id : 0;
	if (ns->wraps) {
		*wanting = ns;
		err = choose_kek(ns, &session->ns_kek);
	}
	if (err == KW_OK && session->delivery == KS_DELIVERY_WRAPPED) {
		*wanting = as;
		err = as != NULL ? choose_kek(as, &session->as_kek) : KW_E_NO_KEK;
	}
	return err;
}

static void put_clear(struct ipc_key *out, const struct lw_key *key)
{
	out->length = LW_BLOCK_SIZE;
	memcpy(out->octets, key->octets, LW_BLOCK_SIZE);
}

/* Under that generation of the receiver's KEK; 0: in the clear. */
static enum kw_err put_keys(struct ks_store *store, const struct ks_peer *receiver,
	uint16_t generation, const struct lw_key *const *keys, struct ipc_key *const *out,
	size_t count, char label[IPC_LABEL_SIZE])
{
	uint8_t wrapped[KEYS_MAX][LW_WRAPPED_SIZE];
	const struct ks_kek *kek;
	enum kw_err err;

	assert(count <= KEYS_MAX);
	if (generation == 0) {
		for (size_t i = 0; i < count; i++) {
			put_clear(out[i], keys[i]);
		}
		return KW_OK;
	}
	kek = receiver != NULL ? ks_peer_kek(receiver, generation) : NULL;
	if (kek == NULL) {
		return KW_E_NO_KEK;
	}
	err = ks_peer_wrap(store, receiver, kek, keys, count, wrapped);
	for (size_t i = 0; err == KW_OK && i < count; i++) {
		out[i]->length = LW_WRAPPED_SIZE;
		memcpy(out[i]->octets, wrapped[i], LW_WRAPPED_SIZE);
	}
	if (err == KW_OK) {
		memcpy(label, kek->label, IPC_LABEL_SIZE);
	}
	return err;
}

static enum kw_err put_app_s_key(struct ks_store *store, const struct ks_peer *as,
	uint16_t generation, const struct lw_key *app_s_key, struct ipc_backend_ans *ans)
{
	const struct lw_key *const key[] = {app_s_key};
	struct ipc_key *const out[] = {&ans->app_s_key};

	return put_keys(store, as, generation, key, out, 1, ans->app_kek_label);
}

enum kw_err js_session_keys_put(struct ks_store *store, const struct ks_peer *ns,
	const struct ks_session *session, const struct lw_session_keys *keys,
	struct ipc_backend_ans *ans)
{
	const struct lw_key *const network[] = {
		&keys->f_nwk_s_int, &keys->s_nwk_s_int, &keys->nwk_s_enc};
	struct ipc_key *const out[] = {
		&ans->f_nwk_s_int_key, &ans->s_nwk_s_int_key, &ans->nwk_s_enc_key};
	enum kw_err err = put_keys(store, ns, session->ns_kek, network, out, keys->opt_neg ? 3 : 1,
		ans->nwk_kek_label);

	if (err != KW_OK) {
		return err;
	}
	if (session->delivery != KS_DELIVERY_INLINE) {
		ans->has_session_key_id = 1;
		memcpy(ans->session_key_id, session->session_key_id, IPC_SESSION_ID_SIZE);
	}
	if (session->delivery == KS_DELIVERY_FETCH) {
		return KW_OK;
	}
	return put_app_s_key(
		store, ks_peer_by_id(store, session->as_peer), session->as_kek, &keys->app_s, ans);
}

enum kw_err js_app_s_key_put(struct ks_store *store, const struct ks_peer *as,
	const struct lw_key *app_s_key, struct ipc_backend_ans *ans)
{
	if (as->kek_current == 0 && (as->wraps || !as->clear)) {
		return KW_E_NO_KEK;
	}
	return put_app_s_key(store, as, as->kek_current, app_s_key, ans);
}
