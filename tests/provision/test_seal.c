#include "provision/seal.h"

#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define PLAIN_MAX 100000

struct intake {
	EVP_PKEY *key;
	X509 *x509;
	uint8_t *der;
	size_t length;
};

static void intake_make(struct intake *intake, EVP_PKEY *key)
{
	unsigned char *der = NULL;
	X509_NAME *name;
	int length;

	assert_non_null(key);
	intake->key = key;
	intake->x509 = X509_new();
	assert_non_null(intake->x509);
	X509_set_version(intake->x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(intake->x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(intake->x509), 0);
	X509_gmtime_adj(X509_getm_notAfter(intake->x509), 3600);
	X509_set_pubkey(intake->x509, key);
	name = X509_get_subject_name(intake->x509);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"intake", -1, -1, 0);
	X509_set_issuer_name(intake->x509, name);
	assert_true(X509_sign(intake->x509, key, EVP_sha256()) > 0);
	length = i2d_X509(intake->x509, &der);
	assert_true(length > 0);
	intake->der = der;
	intake->length = (size_t)length;
}

static void intake_finish(struct intake *intake)
{
	OPENSSL_free(intake->der);
	X509_free(intake->x509);
	EVP_PKEY_free(intake->key);
}

/* What the vault does with an envelope, by OpenSSL alone. */
static size_t open_envelope(
	const struct intake *intake, const uint8_t *octets, size_t length, char *out, size_t size)
{
	const unsigned char *at = octets;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)length);
	BIO *plain = BIO_new(BIO_s_mem());
	int got;

	assert_non_null(cms);
	assert_non_null(plain);
	assert_ptr_equal(at, octets + length);
	assert_int_equal(OBJ_obj2nid(CMS_get0_type(cms)), NID_id_smime_ct_authEnvelopedData);
	assert_int_equal(CMS_decrypt(cms, intake->key, intake->x509, NULL, plain, CMS_BINARY), 1);
	got = BIO_read(plain, out, (int)size);
	assert_true(got > 0);
	BIO_free(plain);
	CMS_ContentInfo_free(cms);
	return (size_t)got;
}

static bool holds(const uint8_t *octets, size_t length, const void *what, size_t size)
{
	return memmem(octets, length, what, size) != NULL;
}

static void round_trip(void **state)
{
	static const size_t lengths[] = {1, 15, 16, 17, 4095, 4096, 4097, PLAIN_MAX};
	static char plain[PLAIN_MAX];
	static char opened[PLAIN_MAX + 1];
	struct intake intake;

	(void)state;
	intake_make(&intake, EVP_EC_gen("P-256"));
	for (size_t i = 0; i < PLAIN_MAX; i++) {
		plain[i] = (char)(i % 251 == 0 ? '\r' : i % 7 == 0 ? '\n' : 'a' + i % 26);
	}
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint8_t *sealed;
		size_t length;

		assert_int_equal(
			pr_seal(intake.der, intake.length, plain, lengths[i], &sealed, &length),
			KW_OK);
		assert_true(lengths[i] < 16 || !holds(sealed, length, plain, 16));
		assert_true(length < lengths[i] + 1024);
		/* The key derivation is with SHA-256 (dhSinglePass-stdDH-sha256kdf-scheme). */
		assert_true(holds(sealed, length, "\x2b\x81\x04\x01\x0b\x01", 6));
		/* aes256-GCM */
		assert_true(holds(sealed, length, "\x60\x86\x48\x01\x65\x03\x04\x01\x2e", 9));
		assert_int_equal(
			open_envelope(&intake, sealed, length, opened, sizeof(opened)), lengths[i]);
		assert_memory_equal(opened, plain, lengths[i]);
		free(sealed);
	}
	intake_finish(&intake);
}

static void write_file(const char *folder, const char *name, const void *octets, size_t length)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(octets, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *folder, const char *name, uint8_t *out, size_t size)
{
	char path[256];
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	length = fread(out, 1, size, file);
	fclose(file);
	return length;
}

/* The recipe of docs/provisioning.md makes an envelope of the same kind. */
static void openssl_by_hand(void **state)
{
	char folder[] = "/tmp/keyward-seal-XXXXXX";
	char command[1024];
	uint8_t sealed[4096];
	char opened[256];
	struct intake intake;
	size_t length;

	(void)state;
	if (system("openssl version > /dev/null 2>&1") != 0) {
		skip();
	}
	intake_make(&intake, EVP_EC_gen("P-256"));
	assert_non_null(mkdtemp(folder));
	write_file(folder, "intake.der", intake.der, intake.length);
	write_file(folder, "devices.csv", "a,b\nc,d\n", 8);
	snprintf(command, sizeof(command),
		"cd %s && openssl x509 -inform DER -in intake.der -out intake.pem && "
		"openssl cms -encrypt -binary -aes-256-gcm -outform DER -in devices.csv "
		"-out devices.cms -recip intake.pem -keyopt ecdh_kdf_md:sha256",
		folder);
	assert_int_equal(system(command), 0);
	length = read_file(folder, "devices.cms", sealed, sizeof(sealed));
	assert_int_equal(open_envelope(&intake, sealed, length, opened, sizeof(opened)), 8);
	assert_memory_equal(opened, "a,b\nc,d\n", 8);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
	intake_finish(&intake);
}

static void assert_refused(const uint8_t *certificate, size_t length)
{
	uint8_t *sealed = (uint8_t *)1;
	size_t sealed_length = 1;

	assert_int_equal(
		pr_seal(certificate, length, "x", 1, &sealed, &sealed_length), KW_E_INVALID);
	assert_null(sealed);
	assert_int_equal(sealed_length, 0);
}

static void useless_certificates(void **state)
{
	struct intake intake;
	uint8_t *sealed;
	size_t length;

	(void)state;
	intake_make(&intake, EVP_EC_gen("P-256"));
	for (size_t cut = 0; cut < intake.length; cut++) {
		assert_refused(intake.der, cut);
	}
	assert_int_equal(pr_seal(intake.der, intake.length, "", 0, &sealed, &length), KW_E_INVALID);
	intake_finish(&intake);
	intake_make(&intake, EVP_EC_gen("P-384"));
	assert_refused(intake.der, intake.length);
	intake_finish(&intake);
	intake_make(&intake, EVP_RSA_gen(2048));
	assert_refused(intake.der, intake.length);
	intake_finish(&intake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(openssl_by_hand),
		cmocka_unit_test(useless_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
