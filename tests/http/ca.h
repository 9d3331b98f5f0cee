/** Certificates of every kind, good and bad, made for the test run by OpenSSL. */
#ifndef TESTS_HTTP_CA_H
#define TESTS_HTTP_CA_H

#include "http/server.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#define CA_DER_MAX 4096

struct ca_cert {
	X509 *x509;
	EVP_PKEY *key;
	uint8_t der[CA_DER_MAX];
	size_t length;
};

/** All zero: a self-signed leaf with a P-256 key and SHA-256, valid from a minute ago for an hour. */
struct ca_options {
	const struct ca_cert *issuer;  /* NULL: itself */
	const char *name;              /* CN; NULL: no name */
	const char *organisation;      /* O; NULL: none */
	const char *second_name;       /* another CN; NULL: none */
	bool ca;                       /* CA:TRUE and keyCertSign; else CA:FALSE */
	const char *basic_constraints; /* instead of that; "": none */
	const char *key_usage; /* as in openssl.cnf, these too; NULL: none (CA: see above) */
	const char *extended_key_usage;
	const char *alternative_names;
	long from_s; /* relative to now; 0: a minute ago */
	long to_s;   /* relative to now; 0: in an hour */
	bool no_key_ids;
	unsigned rsa_bits; /* 0: P-256 */
	const EVP_MD *digest;
};

void ca_make(struct ca_cert *cert, const struct ca_options *options);
void ca_free(struct ca_cert *cert);
struct http_octets ca_der(const struct ca_cert *cert);
/** Texts to be freed. */
char *ca_pem(const struct ca_cert *cert);
char *ca_key_pem(const struct ca_cert *cert);
/** A CA, and a leaf of it with clientAuth and this CN and DNS name. */
void ca_make_root(struct ca_cert *root, const char *name);
void ca_make_client(struct ca_cert *leaf, const struct ca_cert *issuer, const char *name);

#endif
