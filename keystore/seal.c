#include "keystore/seal.h"

#include "base/locked.h"
#include "base/log.h"
#include "base/secret.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#define KEY_SIZE      32
#define ID_SIZE       4
#define NONCE_SIZE    12
#define TAG_SIZE      16
#define WRAPPED_SIZE  (NONCE_SIZE + KEY_SIZE + TAG_SIZE)
#define KEYS_MAX      64 /* more than rotation ever leaves side by side */
#define POOL_NONCES   64
#define SEAL_VERSION  1
#define BOUND_MAX     128
#define WRAP_LABEL    "keyward data key"
#define FIRST_KEY     1
#define HMAC_NAME     "hmac_secret"
#define CURRENT_NAME  "data_key"
#define HMAC_KEY_SIZE 32

struct data_key {
	uint32_t id;
	uint8_t octets[KEY_SIZE];
};

struct ks_sealer {
	struct ks_root_slot root;
	struct data_key keys[KEYS_MAX];
	size_t key_count;
	uint32_t current; /* id of the data key that seals */
	uint8_t pool[POOL_NONCES * NONCE_SIZE];
	size_t pool_left;
	const struct kw_env *env;
	EVP_CIPHER *gcm;
	EVP_CIPHER_CTX *enc, *dec;
	uint32_t enc_key, dec_key; /* ids they are keyed with; 0: none */
	EVP_MAC_CTX *hmac;
};

/* One direction of AES-256-GCM for one message. */
struct gcm {
	EVP_CIPHER_CTX *evp;
	const uint8_t *key; /* NULL: keyed already */
	const uint8_t *nonce;
	const uint8_t *bound;
	size_t bound_length;
};

enum kw_err ks_openssl_error(const char *doing)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	kw_log(KW_LOG_ERROR, "keystore", "OpenSSL failed", KW_STR("doing", doing),
		KW_STR("reason", reason != NULL ? reason : "unknown"));
	ERR_clear_error();
	return KW_E_CRYPTO;
}

static void put_id(uint8_t out[ID_SIZE], uint32_t id)
{
	for (size_t i = 0; i < ID_SIZE; i++) {
		out[i] = (uint8_t)(id >> (24 - 8 * i));
	}
}

static uint32_t get_id(const uint8_t in[ID_SIZE])
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static bool gcm_start(const struct gcm *gcm, int encrypt)
{
	int written;

	return EVP_CipherInit_ex2(gcm->evp, NULL, gcm->key, gcm->nonce, encrypt, NULL) == 1 &&
	       EVP_CipherUpdate(gcm->evp, NULL, &written, gcm->bound, (int)gcm->bound_length) == 1;
}

static enum kw_err gcm_seal(
	const struct gcm *gcm, const uint8_t *plain, size_t length, uint8_t *out)
{
	uint8_t rest[TAG_SIZE];
	int written;

	if (!gcm_start(gcm, 1) ||
		EVP_CipherUpdate(gcm->evp, out, &written, plain, (int)length) != 1 ||
		(size_t)written != length || EVP_CipherFinal_ex(gcm->evp, rest, &written) != 1 ||
		EVP_CIPHER_CTX_ctrl(gcm->evp, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, out + length) != 1) {
		kw_wipe(out, length + TAG_SIZE);
		return ks_openssl_error("sealing");
	}
	return KW_OK;
}

static enum kw_err gcm_open(
	const struct gcm *gcm, const uint8_t *sealed, size_t length, uint8_t *out)
{
	uint8_t tag[TAG_SIZE];
	uint8_t rest[TAG_SIZE];
	int written;

	memcpy(tag, sealed + length, sizeof(tag));
	if (!gcm_start(gcm, 0) ||
		EVP_CIPHER_CTX_ctrl(gcm->evp, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) != 1 ||
		EVP_CipherUpdate(gcm->evp, out, &written, sealed, (int)length) != 1) {
		kw_wipe(out, length);
		return ks_openssl_error("unsealing");
	}
	if (EVP_CipherFinal_ex(gcm->evp, rest, &written) != 1) {
		kw_wipe(out, length);
		ERR_clear_error();
		return KW_E_SEAL;
	}
	return KW_OK;
}

static const struct data_key *find_key(const struct ks_sealer *sealer, uint32_t id)
{
	for (size_t i = 0; i < sealer->key_count; i++) {
		if (sealer->keys[i].id == id) {
			return &sealer->keys[i];
		}
	}
	return NULL;
}

static enum kw_err take_nonce(struct ks_sealer *sealer, uint8_t out[NONCE_SIZE])
{
	uint8_t *nonce;

	if (sealer->pool_left == 0) {
		const enum kw_err err = kw_random(sealer->env, sealer->pool, sizeof(sealer->pool));

		if (err != KW_OK) {
			return err;
		}
		sealer->pool_left = POOL_NONCES;
	}
	nonce = sealer->pool + --sealer->pool_left * NONCE_SIZE;
	memcpy(out, nonce, NONCE_SIZE);
	kw_wipe(nonce, NONCE_SIZE);
	return KW_OK;
}

struct label {
	uint8_t octets[2 + BOUND_MAX];
	size_t length;
};

static bool make_label(struct label *label, enum ks_tag tag, const void *bound, size_t bound_length)
{
	if (bound_length > BOUND_MAX) {
		return false;
	}
	label->octets[0] = (uint8_t)tag;
	label->octets[1] = SEAL_VERSION;
	memcpy(label->octets + 2, bound, bound_length);
	label->length = 2 + bound_length;
	return true;
}

enum kw_err ks_seal_into(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const void *plain, size_t length, uint8_t *out)
{
	const struct data_key *key = find_key(sealer, sealer->current);
	struct label label;
	struct gcm gcm = {.evp = sealer->enc, .nonce = out + ID_SIZE};
	enum kw_err err;

	if (length > INT_MAX || !make_label(&label, tag, bound, bound_length)) {
		return KW_E_INVALID;
	}
	if (key == NULL) {
		return KW_E_CRYPTO;
	}
	put_id(out, key->id);
	err = take_nonce(sealer, out + ID_SIZE);
	if (err != KW_OK) {
		return err;
	}
	gcm.bound = label.octets;
	gcm.bound_length = label.length;
	gcm.key = sealer->enc_key == key->id ? NULL : key->octets;
	err = gcm_seal(&gcm, plain, length, out + ID_SIZE + NONCE_SIZE);
	sealer->enc_key = err == KW_OK ? key->id : 0;
	return err;
}

enum kw_err ks_unseal_from(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const uint8_t *sealed, size_t sealed_length, void *plain,
	size_t length)
{
	const struct data_key *key;
	struct label label;
	struct gcm gcm = {.evp = sealer->dec, .nonce = sealed + ID_SIZE};
	enum kw_err err;

	memset(plain, 0, length);
	if (sealed_length < KS_SEAL_EXTRA || sealed_length - KS_SEAL_EXTRA != length ||
		length > INT_MAX) {
		return KW_E_LENGTH;
	}
	if (!make_label(&label, tag, bound, bound_length)) {
		return KW_E_INVALID;
	}
	key = find_key(sealer, get_id(sealed));
	if (key == NULL) {
		return KW_E_SEAL;
	}
	gcm.bound = label.octets;
	gcm.bound_length = label.length;
	gcm.key = sealer->dec_key == key->id ? NULL : key->octets;
	err = gcm_open(&gcm, sealed + ID_SIZE + NONCE_SIZE, length, plain);
	sealer->dec_key = err == KW_E_CRYPTO ? 0 : key->id;
	return err;
}

enum kw_err ks_seal(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const void *plain, size_t length, struct ks_sealed *out)
{
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	if (length > KS_SEALED_MAX - KS_SEAL_EXTRA) {
		return KW_E_TOO_LONG;
	}
	err = ks_seal_into(sealer, tag, bound, bound_length, plain, length, out->octets);
	if (err != KW_OK) {
		memset(out, 0, sizeof(*out));
		return err;
	}
	out->length = (uint8_t)(length + KS_SEAL_EXTRA);
	return KW_OK;
}

enum kw_err ks_unseal(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const struct ks_sealed *sealed, void *plain, size_t length)
{
	const size_t sealed_length = sealed->length <= KS_SEALED_MAX ? sealed->length : 0;

	return ks_unseal_from(
		sealer, tag, bound, bound_length, sealed->octets, sealed_length, plain, length);
}

enum kw_err ks_sealer_hmac(
	struct ks_sealer *sealer, const void *data, size_t length, uint8_t out[KS_DIGEST_SIZE])
{
	size_t written = 0;

	/* Without a key the context starts again under the one it has. */
	if (EVP_MAC_init(sealer->hmac, NULL, 0, NULL) != 1 ||
		EVP_MAC_update(sealer->hmac, data, length) != 1 ||
		EVP_MAC_final(sealer->hmac, out, &written, KS_DIGEST_SIZE) != 1 ||
		written != KS_DIGEST_SIZE) {
		memset(out, 0, KS_DIGEST_SIZE);
		return ks_openssl_error("HMAC");
	}
	return KW_OK;
}

static void label_wrapped(struct label *label, uint32_t id)
{
	const size_t length = strlen(WRAP_LABEL);

	memcpy(label->octets, WRAP_LABEL, length);
	put_id(label->octets + length, id);
	label->length = length + ID_SIZE;
}

static enum kw_err wrap_key(struct ks_sealer *sealer, const struct ks_master_key *master,
	const struct data_key *key, uint8_t out[WRAPPED_SIZE])
{
	struct label label;
	struct gcm gcm = {.evp = sealer->enc, .key = master->octets, .nonce = out};
	enum kw_err err = take_nonce(sealer, out);

	if (err != KW_OK) {
		return err;
	}
	label_wrapped(&label, key->id);
	gcm.bound = label.octets;
	gcm.bound_length = label.length;
	sealer->enc_key = 0;
	return gcm_seal(&gcm, key->octets, KEY_SIZE, out + NONCE_SIZE);
}

static enum kw_err unwrap_key(struct ks_sealer *sealer, const struct ks_master_key *master,
	const uint8_t wrapped[WRAPPED_SIZE], struct data_key *key)
{
	struct label label;
	struct gcm gcm = {.evp = sealer->dec, .key = master->octets, .nonce = wrapped};

	label_wrapped(&label, key->id);
	gcm.bound = label.octets;
	gcm.bound_length = label.length;
	sealer->dec_key = 0;
	return gcm_open(&gcm, wrapped + NONCE_SIZE, KEY_SIZE, key->octets);
}

static enum kw_err start_sealer(const struct kw_env *env, struct ks_sealer **out)
{
	struct ks_sealer *sealer = kw_locked_create(sizeof(*sealer));

	*out = sealer;
	if (sealer == NULL) {
		return KW_E_NO_MEMORY;
	}
	sealer->env = env;
	sealer->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	sealer->enc = EVP_CIPHER_CTX_new();
	sealer->dec = EVP_CIPHER_CTX_new();
	if (sealer->gcm == NULL || sealer->enc == NULL || sealer->dec == NULL ||
		EVP_EncryptInit_ex2(sealer->enc, sealer->gcm, NULL, NULL, NULL) != 1 ||
		EVP_DecryptInit_ex2(sealer->dec, sealer->gcm, NULL, NULL, NULL) != 1) {
		return ks_openssl_error("setting up AES-256-GCM");
	}
	return KW_OK;
}

void ks_sealer_close(struct ks_sealer *sealer)
{
	if (sealer == NULL) {
		return;
	}
	EVP_MAC_CTX_free(sealer->hmac);
	EVP_CIPHER_CTX_free(sealer->enc);
	EVP_CIPHER_CTX_free(sealer->dec);
	EVP_CIPHER_free(sealer->gcm);
	kw_locked_destroy(sealer, sizeof(*sealer));
}

struct ks_root_slot *ks_sealer_root(struct ks_sealer *sealer)
{
	return &sealer->root;
}

static enum kw_err put_new_key(
	struct ks_txn *txn, struct ks_sealer *sealer, const struct ks_master_key *master)
{
	struct data_key *key = &sealer->keys[0];
	uint8_t wrapped[WRAPPED_SIZE];
	uint8_t id[ID_SIZE];
	enum kw_err err = kw_random(sealer->env, key->octets, sizeof(key->octets));

	if (err != KW_OK) {
		return err;
	}
	key->id = FIRST_KEY;
	sealer->key_count = 1;
	sealer->current = FIRST_KEY;
	err = wrap_key(sealer, master, key, wrapped);
	if (err != KW_OK) {
		return err;
	}
	put_id(id, key->id);
	err = ks_put(txn, txn->store->tables.key, id, sizeof(id), wrapped, sizeof(wrapped), 0);
	if (err != KW_OK) {
		return err;
	}
	return ks_meta_put_u32(txn, CURRENT_NAME, key->id);
}

static enum kw_err put_new_hmac_secret(struct ks_txn *txn, struct ks_sealer *sealer)
{
	uint8_t secret[HMAC_KEY_SIZE];
	uint8_t sealed[HMAC_KEY_SIZE + KS_SEAL_EXTRA];
	enum kw_err err = kw_random(sealer->env, secret, sizeof(secret));

	if (err == KW_OK) {
		err = ks_seal_into(sealer, KS_TAG_HMAC_SECRET, txn->store->id, KS_STORE_ID_SIZE,
			secret, sizeof(secret), sealed);
	}
	kw_wipe(secret, sizeof(secret));
	return err == KW_OK ? ks_meta_put(txn, HMAC_NAME, sealed, sizeof(sealed)) : err;
}

enum kw_err ks_sealer_create(struct ks_txn *txn, const struct ks_master_key *master)
{
	struct ks_sealer *sealer;
	enum kw_err err = start_sealer(txn->store->clock, &sealer);

	if (err == KW_OK) {
		err = put_new_key(txn, sealer, master);
	}
	if (err == KW_OK) {
		err = put_new_hmac_secret(txn, sealer);
	}
	ks_sealer_close(sealer);
	return err;
}

static enum kw_err load_key(struct ks_sealer *sealer, const struct ks_master_key *master,
	const MDB_val *id, const MDB_val *wrapped)
{
	struct data_key *key = &sealer->keys[sealer->key_count];
	enum kw_err err;

	if (id->mv_size != ID_SIZE || wrapped->mv_size != WRAPPED_SIZE ||
		sealer->key_count == KEYS_MAX) {
		return KW_E_STORE_DAMAGED;
	}
	key->id = get_id(id->mv_data);
	err = unwrap_key(sealer, master, wrapped->mv_data, key);
	if (err == KW_OK) {
		sealer->key_count++;
	}
	return err == KW_E_SEAL ? KW_E_MASTER_KEY : err;
}

static enum kw_err load_keys(
	struct ks_txn *txn, struct ks_sealer *sealer, const struct ks_master_key *master)
{
	MDB_cursor *cursor;
	MDB_val id, wrapped;
	enum kw_err err = KW_OK;
	int rc = mdb_cursor_open(txn->mdb, txn->store->tables.key, &cursor);

	if (rc != 0) {
		return ks_lmdb_error(rc, "reading the data keys");
	}
	for (rc = mdb_cursor_get(cursor, &id, &wrapped, MDB_FIRST); rc == 0 && err == KW_OK;
		rc = mdb_cursor_get(cursor, &id, &wrapped, MDB_NEXT)) {
		err = load_key(sealer, master, &id, &wrapped);
	}
	mdb_cursor_close(cursor);
	if (err == KW_OK && rc != MDB_NOTFOUND) {
		err = ks_lmdb_error(rc, "reading the data keys");
	}
	if (err == KW_OK) {
		err = ks_meta_get_u32(txn, CURRENT_NAME, &sealer->current);
	}
	if (err == KW_OK && find_key(sealer, sealer->current) == NULL) {
		err = KW_E_STORE_DAMAGED;
	}
	return err == KW_E_NOT_FOUND ? KW_E_STORE_DAMAGED : err;
}

static enum kw_err key_hmac(struct ks_sealer *sealer, const uint8_t secret[HMAC_KEY_SIZE])
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	if (mac != NULL) {
		sealer->hmac = EVP_MAC_CTX_new(mac);
		EVP_MAC_free(mac);
	}
	if (sealer->hmac == NULL ||
		EVP_MAC_init(sealer->hmac, secret, HMAC_KEY_SIZE, params) != 1) {
		return ks_openssl_error("setting up HMAC");
	}
	return KW_OK;
}

static enum kw_err load_hmac_secret(struct ks_txn *txn, struct ks_sealer *sealer)
{
	uint8_t sealed[HMAC_KEY_SIZE + KS_SEAL_EXTRA];
	uint8_t secret[HMAC_KEY_SIZE];
	enum kw_err err = ks_meta_get(txn, HMAC_NAME, sealed, sizeof(sealed));

	if (err != KW_OK) {
		return err == KW_E_NOT_FOUND ? KW_E_STORE_DAMAGED : err;
	}
	err = ks_unseal_from(sealer, KS_TAG_HMAC_SECRET, txn->store->id, KS_STORE_ID_SIZE, sealed,
		sizeof(sealed), secret, sizeof(secret));
	if (err == KW_OK) {
		err = key_hmac(sealer, secret);
	}
	kw_wipe(secret, sizeof(secret));
	return err == KW_E_SEAL ? KW_E_STORE_DAMAGED : err;
}

enum kw_err ks_sealer_open(
	struct ks_txn *txn, const struct ks_master_key *master, struct ks_sealer **out)
{
	struct ks_sealer *sealer;
	enum kw_err err = start_sealer(txn->store->clock, &sealer);

	*out = NULL;
	if (err == KW_OK) {
		err = load_keys(txn, sealer, master);
	}
	if (err == KW_OK) {
		err = load_hmac_secret(txn, sealer);
	}
	if (err != KW_OK) {
		ks_sealer_close(sealer);
		return err;
	}
	*out = sealer;
	return KW_OK;
}
