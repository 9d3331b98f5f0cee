/**
 * The sealer: data keys unwrapped with the master key, one AES-256-GCM context each way, and the
 * store's HMAC secret. All octets of keys are in one locked region.
 *
 * ks_seal(), ks_unseal() and ks_sealer_hmac() are in keystore/internal.h.
 */
#ifndef KW_KEYSTORE_SEAL_H
#define KW_KEYSTORE_SEAL_H

#include "keystore/internal.h"

#define KS_SEAL_EXTRA 32 /* key id, nonce and tag around a sealed value */

/** Make the first data key and the HMAC secret and write them, for a new store. */
enum kw_err ks_sealer_create(struct ks_txn *txn, const struct ks_master_key *master);
/**
 * Unwrap every data key of the store.
 *
 * @return KW_OK, KW_E_MASTER_KEY, KW_E_STORE_DAMAGED, KW_E_STORE, KW_E_NO_MEMORY, KW_E_CRYPTO
 */
enum kw_err ks_sealer_open(
	struct ks_txn *txn, const struct ks_master_key *master, struct ks_sealer **out);
/** Wipes. NULL is fine. */
void ks_sealer_close(struct ks_sealer *sealer);
/** The slot for root keys, in the sealer's locked memory. */
struct ks_root_slot *ks_sealer_root(struct ks_sealer *sealer);

/** ks_seal() into a buffer, for a value of any length: length + KS_SEAL_EXTRA octets are written. */
enum kw_err ks_seal_into(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const void *plain, size_t length, uint8_t *out);
/** ks_unseal() from a buffer. */
enum kw_err ks_unseal_from(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const uint8_t *sealed, size_t sealed_length, void *plain,
	size_t length);

/** Log what OpenSSL says last and forget its queue. @return KW_E_CRYPTO */
enum kw_err ks_openssl_error(const char *doing);

#endif
