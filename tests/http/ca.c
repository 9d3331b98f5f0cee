#include "tests/http/ca.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add_name(X509_NAME *name, const char *type, const char *value)
{
	if (value != NULL) {
		assert_int_equal(1, X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8,
					    (const unsigned char *)value, -1, -1, 0));
	}
}

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;

	if (value == NULL || value[0] == '\0') {
		return;
	}
	X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(1, X509_add_ext(x509, extension, -1));
	X509_EXTENSION_free(extension);
}

static void add_extensions(X509 *x509, X509 *issuer, const struct ca_options *options)
{
	const char *constraints = options->basic_constraints;
	const char *usage = options->key_usage;

	if (constraints == NULL) {
		constraints = options->ca ? "critical,CA:TRUE" : "critical,CA:FALSE";
	}
	if (usage == NULL && options->ca) {
		usage = "critical,keyCertSign,cRLSign";
	}
	add_extension(x509, issuer, NID_basic_constraints, constraints);
	add_extension(x509, issuer, NID_key_usage, usage);
	add_extension(x509, issuer, NID_ext_key_usage, options->extended_key_usage);
	add_extension(x509, issuer, NID_subject_alt_name, options->alternative_names);
	if (!options->no_key_ids) {
		add_extension(x509, issuer, NID_subject_key_identifier, "hash");
		add_extension(x509, issuer, NID_authority_key_identifier, "keyid");
	}
}

void ca_make(struct ca_cert *cert, const struct ca_options *options)
{
	static long serial = 1;
	const struct ca_cert *issuer = options->issuer != NULL ? options->issuer : cert;
	X509 *x509 = X509_new();
	uint8_t *der = cert->der;
	int length;

	cert->x509 = x509;
	cert->key = options->rsa_bits > 0 ? EVP_RSA_gen(options->rsa_bits) : EVP_EC_gen("P-256");
	assert_non_null(cert->key);
	X509_set_version(x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x509), options->from_s != 0 ? options->from_s : -60);
	X509_gmtime_adj(X509_getm_notAfter(x509), options->to_s != 0 ? options->to_s : 3600);
	add_name(X509_get_subject_name(x509), "O", options->organisation);
	add_name(X509_get_subject_name(x509), "CN", options->name);
	add_name(X509_get_subject_name(x509), "CN", options->second_name);
	X509_set_issuer_name(x509, X509_get_subject_name(issuer->x509));
	X509_set_pubkey(x509, cert->key);
	add_extensions(x509, issuer->x509, options);
	assert_true(X509_sign(x509, issuer->key,
			    options->digest != NULL ? options->digest : EVP_sha256()) > 0);
	length = i2d_X509(x509, NULL);
	assert_true(length > 0 && length <= CA_DER_MAX);
	cert->length = (size_t)i2d_X509(x509, &der);
}

void ca_free(struct ca_cert *cert)
{
	X509_free(cert->x509);
	EVP_PKEY_free(cert->key);
	memset(cert, 0, sizeof(*cert));
}

struct http_octets ca_der(const struct ca_cert *cert)
{
	return (struct http_octets){cert->der, cert->length};
}

static char *bio_text(BIO *bio)
{
	char *data;
	long length = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)length);

	assert_non_null(text);
	BIO_free(bio);
	return text;
}

char *ca_pem(const struct ca_cert *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(1, PEM_write_bio_X509(bio, cert->x509));
	return bio_text(bio);
}

char *ca_key_pem(const struct ca_cert *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(1, PEM_write_bio_PrivateKey(bio, cert->key, NULL, NULL, 0, NULL, NULL));
	return bio_text(bio);
}

void ca_make_root(struct ca_cert *root, const char *name)
{
	struct ca_options options = {.name = name, .ca = true};

	ca_make(root, &options);
}

void ca_make_client(struct ca_cert *leaf, const struct ca_cert *issuer, const char *name)
{
	char names[300];
	struct ca_options options = {
		.issuer = issuer,
		.name = name,
		.key_usage = "critical,digitalSignature",
		.extended_key_usage = "clientAuth",
		.alternative_names = names,
	};

	snprintf(names, sizeof(names), "DNS:%s", name);
	ca_make(leaf, &options);
}
