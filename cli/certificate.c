#include "cli/certificate.h"

#include "backend-if/credential.h"
#include "base/hex.h"
#include "cli/file.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PEM_FILE ((size_t)256 * 1024)

/* What a file holds. */
struct contents {
	X509 *first;
	size_t certificates;
	bool malformed;
	bool has_private_key;
};

static bool ends_with(const char *text, const char *end)
{
	const size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static void take_block(
	struct contents *contents, const char *name, const unsigned char *der, long length)
{
	const unsigned char *at = der;

	if (ends_with(name, "PRIVATE KEY")) {
		contents->has_private_key = true;
	} else if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0) {
		contents->certificates++;
		if (contents->first == NULL) {
			contents->first = d2i_X509(NULL, &at, length);
			contents->malformed = contents->first == NULL || at != der + length;
		}
	}
}

static void read_blocks(const struct cli_file *file, struct contents *contents)
{
	BIO *bio = BIO_new_mem_buf(file->text, (int)file->length);
	char *name;
	char *header;
	unsigned char *der;
	long length;

	memset(contents, 0, sizeof(*contents));
	while (bio != NULL && !contents->malformed &&
		PEM_read_bio(bio, &name, &header, &der, &length) == 1) {
		take_block(contents, name, der, length);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)length);
	}
	BIO_free(bio);
	ERR_clear_error();
}

static int check_contents(const char *path, const struct contents *contents)
{
	if (contents->has_private_key) {
		cli_warn("%s: holds a private key, which nobody but its owner should have; only "
			 "the certificate is needed here",
			cli_file_name(path));
	}
	if (contents->malformed) {
		return cli_fail("%s: not a well-formed certificate", cli_file_name(path));
	}
	if (contents->first == NULL) {
		return cli_fail("%s: no certificate in PEM (-----BEGIN CERTIFICATE-----); openssl "
				"x509 -inform DER turns DER into it",
			cli_file_name(path));
	}
	return CLI_DONE;
}

static int read_digest(const char *path, X509 *x509, char sha256[CLI_DIGEST_SIZE])
{
	uint8_t digest[BI_DIGEST_SIZE];
	unsigned char *der = NULL;
	const int length = i2d_X509(x509, &der);
	enum kw_err err = KW_E_CRYPTO;

	if (length > 0) {
		err = bi_credential_of_certificate(der, (size_t)length, digest);
	}
	OPENSSL_free(der);
	if (err != KW_OK) {
		return cli_fail("%s: %s", cli_file_name(path), kw_err_text(err));
	}
	kw_hex_write(sha256, digest, sizeof(digest));
	return CLI_DONE;
}

static int read_end(const char *path, const X509 *x509, char out[CLI_NOT_AFTER_SIZE])
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(x509), &tm) != 1 ||
		strftime(out, CLI_NOT_AFTER_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		return cli_fail("%s: its end cannot be read", cli_file_name(path));
	}
	if (X509_cmp_current_time(X509_get0_notAfter(x509)) < 0) {
		return cli_fail("%s: the certificate has ended (%s); ask for the new one",
			cli_file_name(path), out);
	}
	return CLI_DONE;
}

static int read_first(const char *path, X509 *x509, struct cli_certificate *out)
{
	const int status = read_digest(path, x509, out->sha256);

	return status == CLI_DONE ? read_end(path, x509, out->not_after) : status;
}

static int check_ca(const char *path, const struct contents *contents)
{
	if (contents->certificates > 1) {
		return cli_fail("%s: %zu certificates; --ca takes a file with the one of the CA",
			cli_file_name(path), contents->certificates);
	}
	if (X509_check_ca(contents->first) == 0) {
		cli_warn("%s: not the certificate of a CA; --certificate takes that of a server "
			 "itself",
			cli_file_name(path));
	}
	return CLI_DONE;
}

static int read_file(const char *path, bool ca, struct cli_certificate *out)
{
	struct cli_file file;
	struct contents contents;
	int status = cli_file_read(path, PEM_FILE, &file);

	memset(out, 0, sizeof(*out));
	if (status != CLI_DONE) {
		return status;
	}
	read_blocks(&file, &contents);
	status = check_contents(path, &contents);
	if (status == CLI_DONE && ca) {
		status = check_ca(path, &contents);
	}
	if (status == CLI_DONE) {
		status = read_first(path, contents.first, out);
	}
	X509_free(contents.first);
	cli_file_finish(&file);
	return status;
}

int cli_certificate_read(const char *path, struct cli_certificate *out)
{
	return read_file(path, false, out);
}

int cli_certificate_read_ca(const char *path, struct cli_certificate *out)
{
	return read_file(path, true, out);
}
