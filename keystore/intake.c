#include "keystore/intake_key.h"

#include "base/cursor.h"
#include "base/hex.h"
#include "base/locked.h"
#include "base/log.h"
#include "base/secret.h"
#include "keystore/intake.h"
#include "keystore/seal.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_NAME         "intake_key"
#define CERTIFICATE_NAME "intake_certificate"
#define KEY_DER_MAX      512
#define CERTIFICATE_MAX  2048
#define SERIAL_SIZE      16
#define LIFE_DAYS        (20 * 365 + 5)
#define NAME_ID_SIZE     4 /* octets of the store's id in the certificate's name */
#define TAG_SIZE         16
#define OVERHEAD_MAX     (64 * 1024) /* what a CMS structure may add to its content */

struct ks_intake {
	EVP_PKEY *key;
	X509 *certificate;
	uint8_t *der;
	size_t length;
};

static bool set_name(X509 *certificate, const uint8_t *store_id)
{
	char text[sizeof("Keyward intake ") + 2 * NAME_ID_SIZE];
	X509_NAME *name = X509_get_subject_name(certificate);

	kw_hex_write(stpcpy(text, "Keyward intake "), store_id, NAME_ID_SIZE);
	return X509_NAME_add_entry_by_txt(
		       name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(certificate, name) == 1;
}

static bool set_serial(X509 *certificate, const uint8_t serial[SERIAL_SIZE])
{
	BIGNUM *number = BN_bin2bn(serial, SERIAL_SIZE, NULL);
	const bool done = number != NULL &&
			  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;

	BN_free(number);
	return done;
}

static bool set_life(X509 *certificate, uint64_t now_ms)
{
	const time_t now = (time_t)(now_ms / 1000);

	return ASN1_TIME_set(X509_getm_notBefore(certificate), now) != NULL &&
	       ASN1_TIME_adj(X509_getm_notAfter(certificate), now, LIFE_DAYS, 0) != NULL;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool done;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return done;
}

static X509 *make_certificate(struct ks_store *store, EVP_PKEY *key, const uint8_t *serial)
{
	X509 *certificate = X509_new();

	if (certificate == NULL || X509_set_version(certificate, X509_VERSION_3) != 1 ||
		!set_serial(certificate, serial) || !set_name(certificate, store->id) ||
		!set_life(certificate, kw_now_ms(store->clock)) ||
		X509_set_pubkey(certificate, key) != 1 ||
		!add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") ||
		!add_extension(certificate, NID_key_usage, "critical,keyAgreement") ||
		!add_extension(certificate, NID_subject_key_identifier, "hash") ||
		X509_sign(certificate, key, EVP_sha256()) <= 0) {
		X509_free(certificate);
		return NULL;
	}
	return certificate;
}

static enum kw_err put_certificate(struct ks_txn *txn, EVP_PKEY *key)
{
	uint8_t serial[SERIAL_SIZE];
	uint8_t *der = NULL;
	X509 *certificate;
	int length;
	enum kw_err err = kw_random(txn->store->clock, serial, sizeof(serial));

	if (err != KW_OK) {
		return err;
	}
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and always as long */
	certificate = make_certificate(txn->store, key, serial);
	length = certificate != NULL ? i2d_X509(certificate, &der) : -1;
	if (length <= 0) {
		err = ks_openssl_error("making the intake certificate");
	} else {
		err = ks_meta_put(txn, CERTIFICATE_NAME, der, (size_t)length);
	}
	OPENSSL_free(der);
	X509_free(certificate);
	return err;
}

static enum kw_err put_key(struct ks_txn *txn, EVP_PKEY *key)
{
	uint8_t sealed[KEY_DER_MAX + KS_SEAL_EXTRA];
	uint8_t *der = NULL;
	const int length = i2d_PrivateKey(key, &der);
	enum kw_err err;

	if (length <= 0 || length > KEY_DER_MAX) {
		err = ks_openssl_error("writing the intake key");
	} else {
		err = ks_seal_into(txn->store->sealer, KS_TAG_INTAKE_KEY, txn->store->id,
			KS_STORE_ID_SIZE, der, (size_t)length, sealed);
	}
	if (err == KW_OK) {
		err = ks_meta_put(txn, KEY_NAME, sealed, (size_t)length + KS_SEAL_EXTRA);
	}
	if (length > 0) {
		OPENSSL_clear_free(der, (size_t)length);
	}
	return err;
}

enum kw_err ks_intake_create(struct ks_txn *txn)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	enum kw_err err;

	if (key == NULL) {
		return ks_openssl_error("making the intake key");
	}
	err = put_key(txn, key);
	if (err == KW_OK) {
		err = put_certificate(txn, key);
	}
	EVP_PKEY_free(key);
	return err;
}

static enum kw_err get_meta(
	struct ks_txn *txn, const char *name, const uint8_t **value, size_t *length)
{
	const enum kw_err err =
		ks_get(txn, txn->store->tables.meta, name, strlen(name), value, length);

	return err == KW_E_NOT_FOUND ? KW_E_STORE_DAMAGED : err;
}

static enum kw_err load_certificate(struct ks_txn *txn, struct ks_intake *intake)
{
	const uint8_t *value, *at;
	enum kw_err err = get_meta(txn, CERTIFICATE_NAME, &value, &intake->length);

	if (err != KW_OK) {
		return err;
	}
	if (intake->length == 0 || intake->length > CERTIFICATE_MAX) {
		return KW_E_STORE_DAMAGED;
	}
	intake->der = malloc(intake->length);
	if (intake->der == NULL) {
		return KW_E_NO_MEMORY;
	}
	memcpy(intake->der, value, intake->length);
	at = intake->der;
	intake->certificate = d2i_X509(NULL, &at, (long)intake->length);
	if (intake->certificate == NULL || at != intake->der + intake->length) {
		ERR_clear_error();
		return KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}

static enum kw_err load_key(struct ks_txn *txn, struct ks_intake *intake)
{
	uint8_t plain[KEY_DER_MAX];
	const uint8_t *sealed;
	const uint8_t *at = plain;
	size_t length;
	enum kw_err err = get_meta(txn, KEY_NAME, &sealed, &length);

	if (err != KW_OK) {
		return err;
	}
	if (length < KS_SEAL_EXTRA || length - KS_SEAL_EXTRA > sizeof(plain)) {
		return KW_E_STORE_DAMAGED;
	}
	err = ks_unseal_from(txn->store->sealer, KS_TAG_INTAKE_KEY, txn->store->id,
		KS_STORE_ID_SIZE, sealed, length, plain, length - KS_SEAL_EXTRA);
	if (err == KW_OK) {
		intake->key =
			d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, (long)(length - KS_SEAL_EXTRA));
	}
	kw_wipe(plain, sizeof(plain));
	if (err != KW_OK || intake->key == NULL ||
		X509_check_private_key(intake->certificate, intake->key) != 1) {
		ERR_clear_error();
		return err == KW_E_CRYPTO ? err : KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}

enum kw_err ks_intake_load(struct ks_txn *txn, struct ks_intake **out)
{
	struct ks_intake *intake = calloc(1, sizeof(*intake));
	enum kw_err err;

	*out = NULL;
	if (intake == NULL) {
		return KW_E_NO_MEMORY;
	}
	err = load_certificate(txn, intake);
	if (err == KW_OK) {
		err = load_key(txn, intake);
	}
	if (err != KW_OK) {
		kw_log(KW_LOG_ERROR, "keystore", "the intake key of the store cannot be read");
		ks_intake_free(intake);
		return err;
	}
	*out = intake;
	return KW_OK;
}

void ks_intake_free(struct ks_intake *intake)
{
	if (intake == NULL) {
		return;
	}
	EVP_PKEY_free(intake->key);
	X509_free(intake->certificate);
	free(intake->der);
	free(intake);
}

const uint8_t *ks_intake_certificate(const struct ks_store *store, size_t *length)
{
	*length = store->intake->length;
	return store->intake->der;
}

static enum kw_err refuse(char why[PR_TEXT_SIZE], const char *words)
{
	ERR_clear_error();
	snprintf(why, PR_TEXT_SIZE, "%s", words);
	return KW_E_ENVELOPE;
}

static enum kw_err parse(
	const uint8_t *der, size_t length, CMS_ContentInfo **out, char why[PR_TEXT_SIZE])
{
	const uint8_t *at = der;

	*out = NULL;
	if (length > KS_PLAIN_MAX + OVERHEAD_MAX) {
		return refuse(why, "envelope of more than 1 MiB: seal the file in parts");
	}
	*out = d2i_CMS_ContentInfo(NULL, &at, (long)length);
	if (*out == NULL || at != der + length) {
		return refuse(why, "not a CMS message in DER, or not all of one");
	}
	if (OBJ_obj2nid(CMS_get0_type(*out)) != NID_id_smime_ct_authEnvelopedData) {
		return refuse(why, "not CMS AuthEnvelopedData: seal with AES-256-GCM "
				   "(openssl cms -encrypt -aes-256-gcm)");
	}
	return KW_OK;
}

/* A short tag could be guessed, so its length is part of what is asked for. */
static bool cipher_is_ours(BIO *content)
{
	EVP_CIPHER_CTX *evp = NULL;

	return BIO_get_cipher_ctx(content, &evp) > 0 && evp != NULL &&
	       EVP_CIPHER_CTX_get_nid(evp) == NID_aes_256_gcm &&
	       EVP_CIPHER_CTX_get_tag_length(evp) == TAG_SIZE;
}

static enum kw_err read_content(BIO *content, struct ks_plain *plain, char why[PR_TEXT_SIZE])
{
	int got = 1;

	while (got > 0 && plain->length < plain->size) {
		got = BIO_read(
			content, plain->octets + plain->length, (int)(plain->size - plain->length));
		plain->length += got > 0 ? (size_t)got : 0;
	}
	if (plain->length == plain->size) {
		return refuse(why, "more than 1 MiB in one envelope: seal the file in parts");
	}
	if (BIO_get_cipher_status(content) <= 0) {
		return refuse(why, "the envelope is damaged: its contents do not fit its tag");
	}
	return KW_OK;
}

static enum kw_err decrypt(const struct ks_intake *intake, CMS_ContentInfo *cms,
	struct ks_plain *plain, char why[PR_TEXT_SIZE])
{
	BIO *content;
	enum kw_err err;

	if (CMS_decrypt_set1_pkey(cms, intake->key, intake->certificate) != 1) {
		return refuse(why, "not sealed to the intake certificate of this store: fetch "
				   "the certificate again and seal with that");
	}
	content = CMS_dataInit(cms, NULL);
	if (content == NULL || !cipher_is_ours(content)) {
		err = refuse(why, "not sealed with AES-256-GCM and a tag of 16 octets "
				  "(openssl cms -encrypt -aes-256-gcm)");
	} else {
		err = read_content(content, plain, why);
	}
	BIO_free_all(content);
	return err;
}

enum kw_err ks_envelope_open(const struct ks_store *store, const uint8_t *der, size_t length,
	struct ks_plain *out, char why[PR_TEXT_SIZE])
{
	CMS_ContentInfo *cms;
	enum kw_err err = parse(der, length, &cms, why);

	memset(out, 0, sizeof(*out));
	if (err == KW_OK) {
		/* Contents are never longer than their envelope; one more tells "too long". */
		out->size = (length < KS_PLAIN_MAX ? length : KS_PLAIN_MAX) + 1;
		out->octets = kw_locked_create(out->size);
		err = out->octets != NULL ? decrypt(store->intake, cms, out, why) : KW_E_NO_MEMORY;
	}
	CMS_ContentInfo_free(cms);
	if (err != KW_OK) {
		ks_plain_free(out);
	}
	return err;
}

void ks_plain_free(struct ks_plain *plain)
{
	kw_locked_destroy(plain->octets, plain->size);
	memset(plain, 0, sizeof(*plain));
}
