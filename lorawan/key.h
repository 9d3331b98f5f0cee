/**
 * A key that may only be used, not read: the handle through which every join is computed.
 *
 * keystore/ makes handles for root keys; the octets stay there (or in an HSM). Keys that are
 * octets anyway (JSIntKey, session keys) get a handle by lw_key_handle_init().
 */
#ifndef KW_LORAWAN_KEY_H
#define KW_LORAWAN_KEY_H

#include "lorawan/aes.h"

struct lw_key_handle;

struct lw_key_ops {
	/** Encrypt / decrypt whole blocks in ECB; errors as lw_aes_encrypt(). */
	enum kw_err (*encrypt)(
		const struct lw_key_handle *key, const uint8_t *in, uint8_t *out, size_t length);
	enum kw_err (*decrypt)(
		const struct lw_key_handle *key, const uint8_t *in, uint8_t *out, size_t length);
	enum kw_err (*cmac)(const struct lw_key_handle *key, const uint8_t *message, size_t length,
		uint8_t out[LW_BLOCK_SIZE]);
};

/** Valid as long as what it borrows; copying it is fine. */
struct lw_key_handle {
	const struct lw_key_ops *ops;
	void *context;   /* e.g. a struct lw_aes; borrowed */
	const void *key; /* e.g. a struct lw_key; borrowed */
};

/** A handle on octets held by the caller, computed with `aes`. Borrows both. */
void lw_key_handle_init(struct lw_key_handle *handle, struct lw_aes *aes, const struct lw_key *key);

KW_MUST_CHECK enum kw_err lw_key_encrypt(
	const struct lw_key_handle *key, const uint8_t *in, uint8_t *out, size_t length);
KW_MUST_CHECK enum kw_err lw_key_decrypt(
	const struct lw_key_handle *key, const uint8_t *in, uint8_t *out, size_t length);
KW_MUST_CHECK enum kw_err lw_key_cmac(const struct lw_key_handle *key, const uint8_t *message,
	size_t length, uint8_t out[LW_BLOCK_SIZE]);

#endif
