/**
 * AES and AES-CMAC with keys given as octets, on contexts that are kept and only keyed again.
 *
 * The schedule of the last key of each size stays in its context until the next key, lw_aes_forget()
 * or destroy: a process that keeps a struct lw_aes holds secrets (kw_secret_process()).
 *
 * The one file that touches OpenSSL's cipher interface for lorawan/. Fetching a cipher costs more
 * than a whole join; so one `struct lw_aes` is made at start and used for everything.
 *
 * Sources: FIPS-197; RFC 4493 (CMAC). Not thread-safe: one per thread.
 */
#ifndef KW_LORAWAN_AES_H
#define KW_LORAWAN_AES_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define LW_BLOCK_SIZE 16
#define LW_MIC_SIZE   4

/** A 128-bit key in the clear: a session key, JSIntKey, JSEncKey. Has no formatter. */
struct lw_key {
	uint8_t octets[LW_BLOCK_SIZE];
};

struct lw_aes;

/** Fetch the ciphers once. Allocates. @return NULL if OpenSSL cannot */
struct lw_aes *lw_aes_create(void);
/** Wipes the key schedules. NULL is fine. */
void lw_aes_destroy(struct lw_aes *aes);
/** Put a key of zeros in the place of every key used before. @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err lw_aes_forget(struct lw_aes *aes);

/**
 * Encrypt or decrypt whole blocks in ECB.
 *
 * @param key_length  16, 24 or 32
 * @param length      a multiple of 16; in == out is allowed
 * @return KW_OK, KW_E_INVALID (a length), KW_E_CRYPTO; out is zero on failure
 */
KW_MUST_CHECK enum kw_err lw_aes_encrypt(struct lw_aes *aes, const uint8_t *key, size_t key_length,
	const uint8_t *in, uint8_t *out, size_t length);
KW_MUST_CHECK enum kw_err lw_aes_decrypt(struct lw_aes *aes, const uint8_t *key, size_t key_length,
	const uint8_t *in, uint8_t *out, size_t length);

enum lw_aes_way {
	LW_AES_ENCRYPT,
	LW_AES_DECRYPT,
};

struct lw_aes_run;

/**
 * The same in two steps, for many blocks under one key: key a kept context once, then run it.
 *
 * @param run  out: valid until the next call that takes `aes` with this key length and way; NULL on
 *             any error
 * @return KW_OK, KW_E_INVALID (the key length), KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err lw_aes_start(struct lw_aes *aes, enum lw_aes_way way, const uint8_t *key,
	size_t key_length, struct lw_aes_run **run);
/** Errors and lengths as lw_aes_encrypt(). */
KW_MUST_CHECK enum kw_err lw_aes_run(
	struct lw_aes_run *run, const uint8_t *in, uint8_t *out, size_t length);

/** AES-CMAC with a 128-bit key over a message of any length. @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err lw_aes_cmac(struct lw_aes *aes, const struct lw_key *key,
	const uint8_t *message, size_t length, uint8_t out[LW_BLOCK_SIZE]);
/** The subkeys K1 and K2 of RFC 4493, 2.3; for the published vectors. */
KW_MUST_CHECK enum kw_err lw_aes_cmac_subkeys(struct lw_aes *aes, const struct lw_key *key,
	uint8_t k1[LW_BLOCK_SIZE], uint8_t k2[LW_BLOCK_SIZE]);

#endif
