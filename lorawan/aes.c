#include "lorawan/aes.h"

#include "base/secret.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define KEY_SIZES    3
#define CMAC_RB      0x87 /* RFC 4493, 2.3: what a carry out of the top bit turns into */
#define CMAC_PADDING 0x80

struct lw_aes_run {
	EVP_CIPHER_CTX *evp;
};

struct lw_aes {
	EVP_CIPHER *ciphers[KEY_SIZES];
	struct lw_aes_run runs[KEY_SIZES][2];
};

static bool create_run(struct lw_aes_run *run, const EVP_CIPHER *cipher, enum lw_aes_way way)
{
	run->evp = EVP_CIPHER_CTX_new();
	return run->evp != NULL &&
	       EVP_CipherInit_ex2(run->evp, cipher, NULL, NULL, way == LW_AES_ENCRYPT, NULL) == 1 &&
	       EVP_CIPHER_CTX_set_padding(run->evp, 0) == 1;
}

struct lw_aes *lw_aes_create(void)
{
	static const char *const names[KEY_SIZES] = {"AES-128-ECB", "AES-192-ECB", "AES-256-ECB"};
	struct lw_aes *aes = OPENSSL_zalloc(sizeof(*aes));

	for (size_t i = 0; aes != NULL && i < KEY_SIZES; i++) {
		aes->ciphers[i] = EVP_CIPHER_fetch(NULL, names[i], NULL);
		if (aes->ciphers[i] == NULL ||
			!create_run(
				&aes->runs[i][LW_AES_ENCRYPT], aes->ciphers[i], LW_AES_ENCRYPT) ||
			!create_run(
				&aes->runs[i][LW_AES_DECRYPT], aes->ciphers[i], LW_AES_DECRYPT)) {
			lw_aes_destroy(aes);
			return NULL;
		}
	}
	return aes;
}

void lw_aes_destroy(struct lw_aes *aes)
{
	if (aes == NULL) {
		return;
	}
	for (size_t i = 0; i < KEY_SIZES; i++) {
		EVP_CIPHER_CTX_free(aes->runs[i][LW_AES_ENCRYPT].evp);
		EVP_CIPHER_CTX_free(aes->runs[i][LW_AES_DECRYPT].evp);
		EVP_CIPHER_free(aes->ciphers[i]);
	}
	OPENSSL_free(aes);
}

enum kw_err lw_aes_start(struct lw_aes *aes, enum lw_aes_way way, const uint8_t *key,
	size_t key_length, struct lw_aes_run **run)
{
	struct lw_aes_run *keyed;

	*run = NULL;
	if (key_length != 16 && key_length != 24 && key_length != 32) {
		return KW_E_INVALID;
	}
	keyed = &aes->runs[key_length / 8 - 2][way];
	if (EVP_CipherInit_ex2(keyed->evp, NULL, key, NULL, way == LW_AES_ENCRYPT, NULL) != 1) {
		return KW_E_CRYPTO;
	}
	*run = keyed;
	return KW_OK;
}

enum kw_err lw_aes_forget(struct lw_aes *aes)
{
	static const uint8_t zeros[8 * (KEY_SIZES + 1)];
	enum kw_err err = KW_OK;

	for (size_t i = 0; err == KW_OK && i < KEY_SIZES; i++) {
		struct lw_aes_run *run;

		err = lw_aes_start(aes, LW_AES_ENCRYPT, zeros, 8 * (i + 2), &run);
		if (err == KW_OK) {
			err = lw_aes_start(aes, LW_AES_DECRYPT, zeros, 8 * (i + 2), &run);
		}
	}
	return err;
}

enum kw_err lw_aes_run(struct lw_aes_run *run, const uint8_t *in, uint8_t *out, size_t length)
{
	int written = 0;

	if (length % LW_BLOCK_SIZE != 0 || length > INT_MAX) {
		memset(out, 0, length);
		return KW_E_INVALID;
	}
	if (length == 0) {
		return KW_OK;
	}
	if (EVP_CipherUpdate(run->evp, out, &written, in, (int)length) != 1 ||
		(size_t)written != length) {
		kw_wipe(out, length);
		return KW_E_CRYPTO;
	}
	return KW_OK;
}

static enum kw_err crypt_once(struct lw_aes *aes, enum lw_aes_way way, const uint8_t *key,
	size_t key_length, const uint8_t *in, uint8_t *out, size_t length)
{
	struct lw_aes_run *run;
	enum kw_err err = lw_aes_start(aes, way, key, key_length, &run);

	if (err != KW_OK) {
		memset(out, 0, length);
		return err;
	}
	return lw_aes_run(run, in, out, length);
}

enum kw_err lw_aes_encrypt(struct lw_aes *aes, const uint8_t *key, size_t key_length,
	const uint8_t *in, uint8_t *out, size_t length)
{
	return crypt_once(aes, LW_AES_ENCRYPT, key, key_length, in, out, length);
}

enum kw_err lw_aes_decrypt(struct lw_aes *aes, const uint8_t *key, size_t key_length,
	const uint8_t *in, uint8_t *out, size_t length)
{
	return crypt_once(aes, LW_AES_DECRYPT, key, key_length, in, out, length);
}

/* No branch on the top bit: it is a bit of a secret. */
static void cmac_double(const uint8_t in[LW_BLOCK_SIZE], uint8_t out[LW_BLOCK_SIZE])
{
	const uint8_t carry = (uint8_t)(in[0] >> 7);

	for (size_t i = 0; i < LW_BLOCK_SIZE - 1; i++) {
		out[i] = (uint8_t)(in[i] << 1 | in[i + 1] >> 7);
	}
	out[LW_BLOCK_SIZE - 1] = (uint8_t)(in[LW_BLOCK_SIZE - 1] << 1 ^ carry * CMAC_RB);
}

static enum kw_err cmac_subkeys(
	struct lw_aes_run *run, uint8_t k1[LW_BLOCK_SIZE], uint8_t k2[LW_BLOCK_SIZE])
{
	uint8_t zero[LW_BLOCK_SIZE] = {0};
	uint8_t l[LW_BLOCK_SIZE];
	enum kw_err err = lw_aes_run(run, zero, l, sizeof(l));

	if (err == KW_OK) {
		cmac_double(l, k1);
		cmac_double(k1, k2);
	} else {
		memset(k1, 0, LW_BLOCK_SIZE);
		memset(k2, 0, LW_BLOCK_SIZE);
	}
	kw_wipe(l, sizeof(l));
	return err;
}

enum kw_err lw_aes_cmac_subkeys(struct lw_aes *aes, const struct lw_key *key,
	uint8_t k1[LW_BLOCK_SIZE], uint8_t k2[LW_BLOCK_SIZE])
{
	struct lw_aes_run *run;
	enum kw_err err = lw_aes_start(aes, LW_AES_ENCRYPT, key->octets, sizeof(key->octets), &run);

	if (err != KW_OK) {
		memset(k1, 0, LW_BLOCK_SIZE);
		memset(k2, 0, LW_BLOCK_SIZE);
		return err;
	}
	return cmac_subkeys(run, k1, k2);
}

static void xor_into(uint8_t *to, const uint8_t *from, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		to[i] ^= from[i];
	}
}

enum kw_err lw_aes_cmac(struct lw_aes *aes, const struct lw_key *key, const uint8_t *message,
	size_t length, uint8_t out[LW_BLOCK_SIZE])
{
	uint8_t k1[LW_BLOCK_SIZE] = {0};
	uint8_t k2[LW_BLOCK_SIZE] = {0};
	uint8_t chain[LW_BLOCK_SIZE] = {0};
	struct lw_aes_run *run;
	enum kw_err err;

	memset(out, 0, LW_BLOCK_SIZE);
	err = lw_aes_start(aes, LW_AES_ENCRYPT, key->octets, sizeof(key->octets), &run);
	if (err != KW_OK) {
		goto out;
	}
	err = cmac_subkeys(run, k1, k2);
	for (; err == KW_OK && length > LW_BLOCK_SIZE; length -= LW_BLOCK_SIZE) {
		xor_into(chain, message, LW_BLOCK_SIZE);
		err = lw_aes_run(run, chain, chain, sizeof(chain));
		message += LW_BLOCK_SIZE;
	}
	if (err != KW_OK) {
		goto out;
	}
	xor_into(chain, message, length);
	if (length == LW_BLOCK_SIZE) {
		xor_into(chain, k1, sizeof(k1));
	} else {
		chain[length] ^= CMAC_PADDING;
		xor_into(chain, k2, sizeof(k2));
	}
	err = lw_aes_run(run, chain, out, sizeof(chain));
out:
	kw_wipe(k1, sizeof(k1));
	kw_wipe(k2, sizeof(k2));
	kw_wipe(chain, sizeof(chain));
	return err;
}
