#include "keystore/device.h"

#include "base/log.h"
#include "base/secret.h"
#include "keystore/encode.h"
#include "keystore/scan.h"
#include "keystore/seal.h"

#include <string.h>

#define WHERE_VERSION 1 /* the whole value of a dev_eui record: it says where, its key says what */

static void write_where(
	const struct lw_eui *dev_eui, const struct lw_eui *join_eui, uint8_t out[KS_ID_SIZE])
{
	memcpy(out, dev_eui->octets, LW_EUI_SIZE);
	memcpy(out + LW_EUI_SIZE, join_eui->octets, LW_EUI_SIZE);
}

static enum kw_err decode(
	const struct lw_device_id *id, const uint8_t *value, size_t length, struct ks_device *out)
{
	const enum kw_err err = ks_device_decode(value, length, out);

	if (err != KW_OK) {
		kw_log(KW_LOG_ERROR, "keystore",
			"the record of a device is damaged: remove it and import it again",
			KW_EUI("dev_eui", id->dev_eui.octets),
			KW_EUI("join_eui", id->join_eui.octets));
		return err;
	}
	out->id = *id;
	return KW_OK;
}

enum kw_err ks_device_get(struct ks_txn *txn, const struct lw_device_id *id, struct ks_device *out)
{
	uint8_t key[KS_ID_SIZE];
	const uint8_t *value;
	size_t length;
	enum kw_err err;

	ks_id_write(id, key);
	err = ks_get(txn, txn->store->tables.device, key, sizeof(key), &value, &length);
	if (err != KW_OK) {
		memset(out, 0, sizeof(*out));
		return err;
	}
	return decode(id, value, length, out);
}

static enum kw_err has_device(struct ks_txn *txn, const struct lw_device_id *id)
{
	uint8_t key[KS_ID_SIZE];
	const uint8_t *value;
	size_t length;

	ks_id_write(id, key);
	return ks_get(txn, txn->store->tables.device, key, sizeof(key), &value, &length);
}

/* Under which JoinEUI a DevEUI is registered now; it may have been under others before. */
static enum kw_err find_registered(
	struct ks_txn *txn, const struct lw_eui *dev_eui, struct lw_device_id *out)
{
	struct ks_scan scan;
	enum kw_err err = ks_scan_open(txn, txn->store->tables.dev_eui, &scan);

	if (err != KW_OK) {
		return err;
	}
	err = ks_scan_seek(&scan, dev_eui->octets, LW_EUI_SIZE);
	while (err == KW_OK) {
		if (scan.key_length != KS_ID_SIZE) {
			err = KW_E_STORE_DAMAGED;
			break;
		}
		if (memcmp(scan.key, dev_eui->octets, LW_EUI_SIZE) != 0) {
			err = KW_E_NOT_FOUND;
			break;
		}
		out->dev_eui = *dev_eui;
		memcpy(out->join_eui.octets, scan.key + LW_EUI_SIZE, LW_EUI_SIZE);
		err = has_device(txn, out);
		if (err != KW_E_NOT_FOUND) {
			break;
		}
		err = ks_scan_next(&scan);
	}
	ks_scan_close(&scan);
	return err;
}

enum kw_err ks_device_find(struct ks_txn *txn, const struct lw_eui *dev_eui, struct ks_device *out)
{
	struct lw_device_id id;
	const enum kw_err err = find_registered(txn, dev_eui, &id);

	if (err != KW_OK) {
		memset(out, 0, sizeof(*out));
		return err;
	}
	return ks_device_get(txn, &id, out);
}

enum kw_err ks_join_eui_served(struct ks_txn *txn, const struct lw_eui *join_eui)
{
	struct ks_scan scan;
	enum kw_err err = ks_scan_open(txn, txn->store->tables.device, &scan);

	if (err != KW_OK) {
		return err;
	}
	err = ks_scan_seek(&scan, join_eui->octets, LW_EUI_SIZE);
	if (err == KW_OK && (scan.key_length != KS_ID_SIZE ||
				    memcmp(scan.key, join_eui->octets, LW_EUI_SIZE) != 0)) {
		err = KW_E_NOT_FOUND;
	}
	ks_scan_close(&scan);
	return err;
}

enum kw_err ks_device_next(
	struct ks_txn *txn, const struct lw_device_id *after, struct ks_device *out)
{
	const bool skip = after != NULL;
	uint8_t key[KS_ID_SIZE] = {0};
	struct lw_device_id id;
	struct ks_scan scan;
	enum kw_err err = ks_scan_open(txn, txn->store->tables.device, &scan);

	if (skip) {
		ks_id_write(after, key); /* may be inside *out */
	}
	memset(out, 0, sizeof(*out));
	if (err != KW_OK) {
		return err;
	}
	err = ks_scan_seek(&scan, key, sizeof(key));
	if (err == KW_OK && skip && scan.key_length == KS_ID_SIZE &&
		memcmp(scan.key, key, KS_ID_SIZE) == 0) {
		err = ks_scan_next(&scan);
	}
	if (err == KW_OK && scan.key_length != KS_ID_SIZE) {
		err = KW_E_STORE_DAMAGED;
	}
	if (err == KW_OK) {
		ks_id_read(scan.key, &id);
		err = decode(&id, scan.value, scan.length, out);
	}
	ks_scan_close(&scan);
	return err;
}

/* CMAC of one zero block, first octets (ANSI X9.24); never what a LoRaWAN key is derived from. */
static enum kw_err key_check_value(
	struct lw_aes *aes, const struct lw_key *key, uint8_t out[KS_KCV_SIZE])
{
	const uint8_t zero[LW_BLOCK_SIZE] = {0};
	uint8_t mac[LW_BLOCK_SIZE];
	const enum kw_err err = lw_aes_cmac(aes, key, zero, sizeof(zero), mac);

	memcpy(out, mac, KS_KCV_SIZE);
	kw_wipe(mac, sizeof(mac));
	return err;
}

static enum kw_err seal_key(struct ks_store *store, const uint8_t id[KS_ID_SIZE], enum ks_tag tag,
	const struct lw_key *key, uint8_t kcv[KS_KCV_SIZE], struct ks_sealed *sealed)
{
	const enum kw_err err = key_check_value(store->aes, key, kcv);

	if (err != KW_OK) {
		return err;
	}
	return ks_seal(
		store->sealer, tag, id, KS_ID_SIZE, key->octets, sizeof(key->octets), sealed);
}

static enum kw_err fill_in(struct ks_store *store, struct ks_device *device,
	const struct lw_key *app_key, const struct lw_key *nwk_key)
{
	uint8_t id[KS_ID_SIZE];
	enum kw_err err;

	ks_id_write(&device->id, id);
	device->created_ms = kw_now_ms(store->clock);
	device->changed_ms = device->created_ms;
	memset(device->nwk_key_kcv, 0, sizeof(device->nwk_key_kcv));
	memset(&device->nwk_key, 0, sizeof(device->nwk_key));
	err = seal_key(store, id, KS_TAG_APP_KEY, app_key, device->app_key_kcv, &device->app_key);
	if (err == KW_OK && nwk_key != NULL) {
		err = seal_key(
			store, id, KS_TAG_NWK_KEY, nwk_key, device->nwk_key_kcv, &device->nwk_key);
	}
	return err;
}

/* A DevEUI that sorts behind all that were ever here needs no search; so a sorted import is fast. */
static enum kw_err check_free(struct ks_txn *txn, const struct lw_eui *dev_eui, bool *known)
{
	struct ks_last *last = &txn->dev_eui;
	struct lw_device_id there;
	enum kw_err err = ks_last_find(txn, txn->store->tables.dev_eui, last);

	*known = false;
	if (err != KW_OK) {
		return err;
	}
	if (last->empty || memcmp(dev_eui->octets, last->key, LW_EUI_SIZE) > 0) {
		return KW_OK;
	}
	*known = true;
	err = find_registered(txn, dev_eui, &there);
	if (err == KW_OK) {
		return KW_E_EXISTS;
	}
	return err == KW_E_NOT_FOUND ? KW_OK : err;
}

static enum kw_err check_new(
	struct ks_txn *txn, const struct ks_device *device, bool has_nwk_key, bool *known)
{
	*known = false;
	if (!lw_version_valid(device->version) || device->version == LW_VERSION_NONE ||
		lw_version_is_1_1(device->version) != has_nwk_key ||
		!ks_policy_valid(&device->policy)) {
		return KW_E_INVALID;
	}
	return check_free(txn, &device->id.dev_eui, known);
}

enum kw_err ks_device_check(struct ks_txn *txn, const struct ks_device *device, bool has_nwk_key)
{
	bool known;

	return check_new(txn, device, has_nwk_key, &known);
}

enum kw_err ks_device_compare(struct ks_txn *txn, const struct ks_device *device,
	const struct lw_key *app_key, const struct lw_key *nwk_key, bool *same)
{
	struct ks_device stored;
	enum kw_err err = ks_device_get(txn, &device->id, &stored);

	*same = false;
	if (err == KW_E_NOT_FOUND || (err == KW_OK && stored.version != device->version)) {
		return KW_OK; /* under another JoinEUI, or of another version */
	}
	if (err == KW_OK) {
		err = ks_root_compare(txn->store, &stored, app_key, nwk_key, same);
	}
	return err == KW_E_SEAL ? KW_OK : err;
}

static enum kw_err put_where(struct ks_txn *txn, const struct lw_device_id *id)
{
	const uint8_t version = WHERE_VERSION;
	uint8_t key[KS_ID_SIZE];
	enum kw_err err;

	write_where(&id->dev_eui, &id->join_eui, key);
	err = ks_put_new(
		txn, txn->store->tables.dev_eui, &txn->dev_eui, key, &version, sizeof(version));
	return err == KW_E_EXISTS ? KW_OK : err; /* it was here before */
}

enum kw_err ks_device_add(struct ks_txn *txn, struct ks_device *device,
	const struct lw_key *app_key, const struct lw_key *nwk_key)
{
	uint8_t record[KS_DEVICE_RECORD_MAX];
	uint8_t key[KS_ID_SIZE];
	size_t length;
	bool known;
	enum kw_err err = check_new(txn, device, nwk_key != NULL, &known);

	if (err != KW_OK) {
		return err;
	}
	err = fill_in(txn->store, device, app_key, nwk_key);
	if (err == KW_OK) {
		err = ks_device_encode(device, record, &length);
	}
	if (err == KW_OK && known) {
		err = ks_state_carry_over(txn, &device->id);
	}
	if (err != KW_OK) {
		return err;
	}
	ks_id_write(&device->id, key);
	err = ks_put_new(txn, txn->store->tables.device, &txn->device, key, record, length);
	if (err == KW_OK) {
		err = put_where(txn, &device->id);
	}
	return err;
}

enum kw_err ks_device_generate(struct ks_txn *txn, struct ks_device *device)
{
	struct {
		struct lw_key app, nwk;
	} keys;
	enum kw_err err = kw_random(txn->store->clock, &keys, sizeof(keys));

	if (err == KW_OK) {
		device->origin = KS_ORIGIN_GENERATED;
		err = ks_device_add(txn, device, &keys.app,
			lw_version_is_1_1(device->version) ? &keys.nwk : NULL);
	}
	kw_wipe(&keys, sizeof(keys));
	return err;
}

enum kw_err ks_device_put_policy(struct ks_txn *txn, struct ks_device *device)
{
	uint8_t record[KS_DEVICE_RECORD_MAX];
	uint8_t key[KS_ID_SIZE];
	struct ks_device stored;
	size_t length;
	enum kw_err err;

	if (!ks_policy_valid(&device->policy)) {
		return KW_E_INVALID;
	}
	err = ks_device_get(txn, &device->id, &stored);
	if (err != KW_OK) {
		return err;
	}
	stored.policy = device->policy;
	stored.changed_ms = kw_now_ms(txn->store->clock);
	err = ks_device_encode(&stored, record, &length);
	if (err != KW_OK) {
		return err;
	}
	ks_id_write(&device->id, key);
	err = ks_put(txn, txn->store->tables.device, key, sizeof(key), record, length, 0);
	if (err == KW_OK) {
		*device = stored;
	}
	return err;
}

enum kw_err ks_device_remove(struct ks_txn *txn, const struct lw_device_id *id)
{
	uint8_t key[KS_ID_SIZE];

	ks_id_write(id, key);
	return ks_delete(txn, txn->store->tables.device, key, sizeof(key));
}
