#include "provision/seal.h"

#include "base/log.h"

#include <limits.h>
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define CURVE "prime256v1"

static enum kw_err crypto_failed(const char *words)
{
	const unsigned long code = ERR_get_error();
	const char *reason = ERR_reason_error_string(code);

	kw_log(KW_LOG_ERROR, "seal", words, KW_STR("reason", reason == NULL ? "unknown" : reason));
	ERR_clear_error();
	return KW_E_CRYPTO;
}

/* Only what the vault opens: a certificate with a P-256 key. */
static enum kw_err read_certificate(const uint8_t *octets, size_t length, X509 **out)
{
	const unsigned char *at = octets;
	char group[32] = "";
	EVP_PKEY *key;

	*out = length > LONG_MAX ? NULL : d2i_X509(NULL, &at, (long)length);
	key = *out == NULL ? NULL : X509_get0_pubkey(*out);
	if (key == NULL || at != octets + length ||
		EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
		OPENSSL_strcasecmp(group, CURVE) != 0) {
		X509_free(*out);
		*out = NULL;
		ERR_clear_error();
		return KW_E_INVALID;
	}
	return KW_OK;
}

static bool add_recipient(CMS_ContentInfo *cms, X509 *certificate)
{
	CMS_RecipientInfo *recipient =
		CMS_add1_recipient(cms, certificate, NULL, NULL, CMS_KEY_PARAM);
	EVP_PKEY_CTX *context =
		recipient == NULL ? NULL : CMS_RecipientInfo_get0_pkey_ctx(recipient);

	return context != NULL && EVP_PKEY_CTX_set_ecdh_kdf_md(context, EVP_sha256()) > 0;
}

static CMS_ContentInfo *seal(X509 *certificate, const void *plain, int length)
{
	const unsigned flags = CMS_BINARY | CMS_PARTIAL;
	BIO *content = BIO_new_mem_buf(plain, length);
	CMS_ContentInfo *cms =
		content == NULL ? NULL : CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), flags);

	if (cms == NULL || !add_recipient(cms, certificate) ||
		CMS_final(cms, content, NULL, CMS_BINARY) != 1) {
		CMS_ContentInfo_free(cms);
		cms = NULL;
	}
	BIO_free(content);
	return cms;
}

static enum kw_err write_der(CMS_ContentInfo *cms, uint8_t **out, size_t *out_length)
{
	const int length = i2d_CMS_ContentInfo(cms, NULL);
	unsigned char *at;

	if (length <= 0) {
		return crypto_failed("a CMS envelope cannot be written");
	}
	*out = malloc((size_t)length);
	if (*out == NULL) {
		return KW_E_NO_MEMORY;
	}
	at = *out;
	if (i2d_CMS_ContentInfo(cms, &at) != length) {
		free(*out);
		*out = NULL;
		return crypto_failed("a CMS envelope cannot be written");
	}
	*out_length = (size_t)length;
	return KW_OK;
}

enum kw_err pr_seal(const uint8_t *certificate, size_t certificate_length, const void *plain,
	size_t plain_length, uint8_t **out, size_t *out_length)
{
	X509 *x509;
	CMS_ContentInfo *cms;
	enum kw_err err;

	*out = NULL;
	*out_length = 0;
	if (plain_length == 0 || plain_length > INT_MAX) {
		return KW_E_INVALID;
	}
	err = read_certificate(certificate, certificate_length, &x509);
	if (err != KW_OK) {
		return err;
	}
	cms = seal(x509, plain, (int)plain_length);
	err = cms == NULL ? crypto_failed("sealing failed") : write_der(cms, out, out_length);
	CMS_ContentInfo_free(cms);
	X509_free(x509);
	return err;
}
