#include "keystore/seal.h"

#include "base/log.h"
#include "base/secret.h"

#include <assert.h>
#include <string.h>

/* The three operations of a handle: its context is the store, its key is in the store's slot. A
 * handle that outlives ks_root_close() must not compute with the zeros that are left there. */

static enum kw_err root_encrypt(
	const struct lw_key_handle *handle, const uint8_t *in, uint8_t *out, size_t length)
{
	const struct ks_store *store = handle->context;
	const struct lw_key *key = handle->key;

	if (!store->root->open) {
		memset(out, 0, length);
		return KW_E_CRYPTO;
	}
	return lw_aes_encrypt(store->aes, key->octets, sizeof(key->octets), in, out, length);
}

static enum kw_err root_decrypt(
	const struct lw_key_handle *handle, const uint8_t *in, uint8_t *out, size_t length)
{
	const struct ks_store *store = handle->context;
	const struct lw_key *key = handle->key;

	if (!store->root->open) {
		memset(out, 0, length);
		return KW_E_CRYPTO;
	}
	return lw_aes_decrypt(store->aes, key->octets, sizeof(key->octets), in, out, length);
}

static enum kw_err root_cmac(const struct lw_key_handle *handle, const uint8_t *message,
	size_t length, uint8_t out[LW_BLOCK_SIZE])
{
	const struct ks_store *store = handle->context;

	if (!store->root->open) {
		memset(out, 0, LW_BLOCK_SIZE);
		return KW_E_CRYPTO;
	}
	return lw_aes_cmac(store->aes, handle->key, message, length, out);
}

static const struct lw_key_ops root_ops = {
	.encrypt = root_encrypt,
	.decrypt = root_decrypt,
	.cmac = root_cmac,
};

static enum kw_err unseal(
	struct ks_store *store, const struct ks_device *device, enum ks_tag tag, struct lw_key *out)
{
	uint8_t id[KS_ID_SIZE];
	enum kw_err err;

	ks_id_write(&device->id, id);
	err = ks_unseal(store->sealer, tag, id, sizeof(id),
		tag == KS_TAG_APP_KEY ? &device->app_key : &device->nwk_key, out->octets,
		sizeof(out->octets));
	return err == KW_E_LENGTH ? KW_E_SEAL : err;
}

static void make_handle(
	struct lw_key_handle *handle, struct ks_store *store, const struct lw_key *key)
{
	handle->ops = &root_ops;
	handle->context = store;
	handle->key = key;
}

enum kw_err ks_root_open(
	struct ks_store *store, const struct ks_device *device, struct ks_root *out)
{
	struct ks_root_slot *slot = store->root;
	const bool two = lw_version_is_1_1(device->version);
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	assert(!slot->open);
	err = unseal(store, device, KS_TAG_APP_KEY, &slot->app);
	if (err == KW_OK && two) {
		err = unseal(store, device, KS_TAG_NWK_KEY, &slot->nwk);
	}
	if (err != KW_OK) {
		kw_log(KW_LOG_ERROR, "keystore",
			"the root keys of a device cannot be opened: remove it and import it again",
			KW_EUI("dev_eui", device->id.dev_eui.octets),
			KW_EUI("join_eui", device->id.join_eui.octets),
			KW_STR("err", kw_err_text(err)));
		ks_root_close(store);
		return err;
	}
	slot->open = true;
	make_handle(&out->app, store, &slot->app);
	make_handle(&out->nwk, store, two ? &slot->nwk : &slot->app);
	return KW_OK;
}

enum kw_err ks_root_compare(struct ks_store *store, const struct ks_device *device,
	const struct lw_key *app_key, const struct lw_key *nwk_key, bool *same)
{
	struct ks_root_slot *slot = store->root;
	struct ks_root root;
	bool app_same, nwk_same;
	enum kw_err err;

	*same = false;
	if ((nwk_key != NULL) != lw_version_is_1_1(device->version)) {
		return KW_OK;
	}
	err = ks_root_open(store, device, &root);
	if (err != KW_OK) {
		return err;
	}
	app_same = kw_equal_ct(&slot->app, app_key, sizeof(slot->app));
	nwk_same = nwk_key == NULL || kw_equal_ct(&slot->nwk, nwk_key, sizeof(slot->nwk));
	*same = app_same && nwk_same;
	ks_root_close(store);
	return KW_OK;
}

enum kw_err ks_root_has(
	struct ks_store *store, const struct ks_device *device, const struct lw_key *key, bool *has)
{
	const struct ks_root_slot *slot = store->root;
	struct ks_root root;
	bool app, nwk;
	enum kw_err err = ks_root_open(store, device, &root);

	*has = false;
	if (err != KW_OK) {
		return err;
	}
	app = kw_equal_ct(&slot->app, key, sizeof(slot->app));
	nwk = lw_version_is_1_1(device->version) && kw_equal_ct(&slot->nwk, key, sizeof(slot->nwk));
	*has = app || nwk;
	ks_root_close(store);
	return KW_OK;
}

void ks_root_close(struct ks_store *store)
{
	kw_wipe(store->root, sizeof(*store->root));
}
