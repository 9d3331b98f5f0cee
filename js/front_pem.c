#include "js/front_pem.h"

#include "base/log.h"
#include "http/server.h"
#include "http/trust.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static enum kw_err refuse(const char *option, const char *reason)
{
	kw_log(KW_LOG_ERROR, "front", "a PEM file is not usable", KW_STR("option", option),
		KW_STR("reason", reason));
	ERR_clear_error();
	return KW_E_INVALID;
}

/* Nobody is asked for the passphrase of a key. */
static int no_passphrase(char *out, int size, int writing, void *user)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)user;
	return -1;
}

static BIO *text_bio(const char *text)
{
	size_t length = strlen(text);

	return length <= INT_MAX ? BIO_new_mem_buf(text, (int)length) : NULL;
}

/* The end of the text, and not a certificate that does not read. */
static bool at_end(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* All certificates of a text; the first is handed out. NULL if one does not read, or there is none. */
static X509 *certificates_read(const char *text)
{
	BIO *bio = text_bio(text);
	X509 *first = NULL;
	X509 *next = NULL;
	bool whole;

	ERR_clear_error();
	while (bio != NULL && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		if (first == NULL) {
			first = next;
		} else {
			X509_free(next);
		}
	}
	whole = bio != NULL && at_end();
	ERR_clear_error();
	BIO_free(bio);
	if (!whole) {
		X509_free(first);
		return NULL;
	}
	return first;
}

static EVP_PKEY *key_read(const char *text)
{
	BIO *bio = text_bio(text);
	EVP_PKEY *key =
		bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	return key;
}

/* What TLS is spoken with here (http/server.h). */
static bool kind_known(const EVP_PKEY *key)
{
	int kind = EVP_PKEY_get_base_id(key);

	return kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC;
}

static enum kw_err check_pair(const char *certificate_option, const char *certificate,
	const char *key_option, const char *key)
{
	X509 *leaf;
	EVP_PKEY *private_key;
	enum kw_err err = KW_OK;

	if (certificate == NULL && key == NULL) {
		return KW_OK;
	}
	if (certificate == NULL || key == NULL) {
		return refuse(
			certificate == NULL ? certificate_option : key_option, "it is missing");
	}
	leaf = certificates_read(certificate);
	private_key = key_read(key);
	if (leaf == NULL) {
		err = refuse(certificate_option, "it is not a PEM certificate chain");
	} else if (private_key == NULL) {
		err = refuse(key_option, "it is not a PEM private key without a passphrase");
	} else if (!kind_known(private_key)) {
		err = refuse(key_option, "it is neither RSA nor EC");
	} else if (X509_check_private_key(leaf, private_key) != 1) {
		err = refuse(key_option, "it is not the key of the first certificate");
	}
	EVP_PKEY_free(private_key);
	X509_free(leaf);
	return err;
}

static enum kw_err check_ca(const char *option, const char *text)
{
	X509 *first = text != NULL ? certificates_read(text) : NULL;

	if (text != NULL && first == NULL) {
		return refuse(option, "it is not a list of PEM certificates");
	}
	X509_free(first);
	return KW_OK;
}

/* The server has a library of its own, which is stricter in places. */
static enum kw_err check_server(const struct js_front_files *files)
{
	struct http_trust *trust = NULL;
	enum kw_err err = KW_OK;

	if (files->tls_certificate != NULL) {
		err = http_server_tls_check(files->tls_certificate, files->tls_key);
	}
	if (err == KW_OK && files->client_ca != NULL) {
		err = http_trust_open(files->client_ca, &trust);
	}
	http_trust_close(trust);
	return err;
}

enum kw_err js_front_pem_check(const struct js_front_files *files)
{
	enum kw_err err =
		check_pair("tls_certificate", files->tls_certificate, "tls_key", files->tls_key);

	if (err == KW_OK) {
		err = check_ca("tls_client_ca", files->client_ca);
	}
	if (err == KW_OK) {
		err = check_server(files);
	}
	if (err == KW_OK) {
		err = check_pair("answer_certificate", files->answer_certificate, "answer_key",
			files->answer_key);
	}
	return err == KW_OK ? check_ca("answer_ca", files->answer_ca) : err;
}
