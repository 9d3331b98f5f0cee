/**
 * Device records: registration, policy, and the root keys, sealed.
 *
 * Root keys go in here and never come out: ks_root_open() gives handles that compute.
 */
#ifndef KW_KEYSTORE_DEVICE_H
#define KW_KEYSTORE_DEVICE_H

#include "keystore/store.h"
#include "lorawan/eui.h"
#include "lorawan/key.h"
#include "lorawan/version.h"

#include <stdbool.h>

#define KS_NET_IDS_MAX 8
#define KS_NAME_SIZE   64
#define KS_KCV_SIZE    3
#define KS_SEALED_MAX  96 /* a sealed value: key id, nonce, ciphertext, tag */

enum ks_delivery { /* stored; never renumber */
	KS_DELIVERY_DEFAULT = 0,
	KS_DELIVERY_INLINE = 1,
	KS_DELIVERY_INLINE_ID = 2,
	KS_DELIVERY_WRAPPED = 3,
	KS_DELIVERY_FETCH = 4,
};

enum ks_origin { /* stored; never renumber */
	KS_ORIGIN_IMPORTED = 1,
	KS_ORIGIN_GENERATED = 2,
};

struct ks_policy {
	struct lw_net_id net_ids[KS_NET_IDS_MAX]; /* networks that may join it */
	uint8_t net_id_count;                     /* 0: peers with any_device only */
	struct lw_net_id roaming[KS_NET_IDS_MAX];
	uint8_t roaming_count;
	bool has_ns_id;
	struct lw_eui ns_id;
	enum ks_delivery delivery;
	bool blocked;
	char as_id[KS_NAME_SIZE]; /* "" = none */
	char name[KS_NAME_SIZE];  /* "" = none */
};

struct ks_sealed {
	uint8_t length; /* 0: absent */
	uint8_t octets[KS_SEALED_MAX];
};

struct ks_device {
	struct lw_device_id id;
	enum lw_version version;
	enum ks_origin origin;
	uint64_t created_ms;
	uint64_t changed_ms;
	struct ks_policy policy;
	uint8_t app_key_kcv[KS_KCV_SIZE]; /* CMAC of 16 zero octets, first three (ANSI X9.24) */
	uint8_t nwk_key_kcv[KS_KCV_SIZE]; /* zero for 1.0.x */
	struct ks_sealed app_key;         /* 1.0.x: the one root key */
	struct ks_sealed nwk_key;         /* 1.1 */
};

/** @return KW_OK, KW_E_NOT_FOUND, KW_E_STORE_DAMAGED, KW_E_STORE; *out is zero on failure */
KW_MUST_CHECK enum kw_err ks_device_get(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_device *out);
/** Find a device by DevEUI alone; there is at most one. Errors as ks_device_get(). */
KW_MUST_CHECK enum kw_err ks_device_find(
	struct ks_txn *txn, const struct lw_eui *dev_eui, struct ks_device *out);
/** Whether any device is registered under this JoinEUI. @return KW_OK, KW_E_NOT_FOUND, KW_E_STORE */
KW_MUST_CHECK enum kw_err ks_join_eui_served(struct ks_txn *txn, const struct lw_eui *join_eui);
/** The device after `after` (NULL: the first) in the order of JoinEUI, DevEUI. Errors as get. */
KW_MUST_CHECK enum kw_err ks_device_next(
	struct ks_txn *txn, const struct lw_device_id *after, struct ks_device *out);

/**
 * Add a device with given root keys. A DevEUI that was here before goes on with its JoinNonce, and
 * under the same JoinEUI with its DevNonces.
 *
 * @param device   id, version, origin and policy are used; times, KCVs and keys are filled in
 * @param nwk_key  1.1 only, else NULL
 * @return KW_OK, KW_E_EXISTS (this DevEUI is registered, under whatever JoinEUI), KW_E_INVALID,
 *         KW_E_CRYPTO, KW_E_STORE, KW_E_STORE_FULL
 */
KW_MUST_CHECK enum kw_err ks_device_add(struct ks_txn *txn, struct ks_device *device,
	const struct lw_key *app_key, const struct lw_key *nwk_key);
/** The same with root keys made here. Also KW_E_SYSTEM (no randomness). */
KW_MUST_CHECK enum kw_err ks_device_generate(struct ks_txn *txn, struct ks_device *device);
/** Store device->policy again; nothing else changes but changed_ms. Errors as get. */
KW_MUST_CHECK enum kw_err ks_device_put_policy(struct ks_txn *txn, struct ks_device *device);
/** Remove registration and root keys. Nonces stay. @return KW_OK, KW_E_NOT_FOUND, KW_E_STORE... */
KW_MUST_CHECK enum kw_err ks_device_remove(struct ks_txn *txn, const struct lw_device_id *id);

/** Handles on the root keys of one device. */
struct ks_root {
	struct lw_key_handle nwk; /* what Join-requests are signed with: 1.0.x AppKey, 1.1 NwkKey */
	struct lw_key_handle app; /* 1.1: AppKey; 1.0.x: the same as nwk */
};

/**
 * Unseal the root keys of a device into memory that only this module sees. One device at a time;
 * close it before the next is opened.
 *
 * @return KW_OK, KW_E_SEAL (damaged or moved to another record; logged), KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err ks_root_open(
	struct ks_store *store, const struct ks_device *device, struct ks_root *out);
/** Wipe them. */
void ks_root_close(struct ks_store *store);

#endif
