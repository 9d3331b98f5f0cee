#include "http/certificate.h"

#include "tests/http/ca.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct http_certificate got;

static void read_made(const struct ca_options *options)
{
	struct ca_cert cert;

	ca_make(&cert, options);
	assert_int_equal(KW_OK, http_certificate_read(cert.der, cert.length, &got));
	ca_free(&cert);
}

static void name_is(size_t i, enum http_name_kind kind, const char *text)
{
	assert_true(i < got.name_count);
	assert_int_equal(kind, got.names[i].kind);
	assert_string_equal(text, got.names[i].text);
}

static void fingerprint_and_validity(void **state)
{
	const struct ca_options options = {.name = "ns", .from_s = -1000, .to_s = 2000};
	uint64_t now_s = (uint64_t)time(NULL);
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct ca_cert cert;
	unsigned length;

	(void)state;
	ca_make(&cert, &options);
	assert_int_equal(KW_OK, http_certificate_read(cert.der, cert.length, &got));
	assert_int_equal(1, X509_digest(cert.x509, EVP_sha256(), digest, &length));
	assert_int_equal(HTTP_FINGERPRINT_SIZE, length);
	assert_memory_equal(digest, got.fingerprint, length);
	assert_in_range(got.not_before_s, now_s - 1010, now_s - 990);
	assert_int_equal(3000, got.not_after_s - got.not_before_s);
	ca_free(&cert);
}

static void what_it_may_be_used_for(void **state)
{
	static const struct {
		const char *usage;
		bool client;
	} cases[] = {
		{NULL, true},
		{"clientAuth", true},
		{"critical,serverAuth,clientAuth", true},
		{"anyExtendedKeyUsage", true},
		{"serverAuth", false},
		{"critical,codeSigning,emailProtection", false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ca_options options = {
			.name = "ns", .extended_key_usage = cases[i].usage};

		read_made(&options);
		assert_int_equal(cases[i].client, got.client);
	}
}

static void names_of_every_kind(void **state)
{
	const struct ca_options options = {
		.name = "CN.example",
		.organisation = "A, B",
		.alternative_names = "URI:spiffe://Example/NS,DNS:NS.Example,IP:192.0.2.1,"
				     "DNS:*.wild.example,email:a@b.example",
	};

	(void)state;
	read_made(&options);
	assert_int_equal(4, got.name_count);
	name_is(0, HTTP_NAME_SUBJECT, "CN=CN.example,O=A\\, B");
	name_is(1, HTTP_NAME_DNS, "ns.example");
	name_is(2, HTTP_NAME_DNS, "*.wild.example");
	name_is(3, HTTP_NAME_URI, "spiffe://Example/NS");
}

static void the_cn_counts_without_a_dns_name(void **state)
{
	const struct ca_options alone = {.name = "NS.Example"};
	const struct ca_options uri = {.name = "NS.Example", .alternative_names = "URI:urn:x"};
	const struct ca_options two = {.name = "one", .second_name = "two"};
	const struct ca_options none = {.organisation = "Only O"};

	(void)state;
	read_made(&alone);
	assert_int_equal(2, got.name_count);
	name_is(0, HTTP_NAME_SUBJECT, "CN=NS.Example");
	name_is(1, HTTP_NAME_COMMON, "ns.example");
	read_made(&uri);
	assert_int_equal(3, got.name_count);
	name_is(1, HTTP_NAME_URI, "urn:x");
	name_is(2, HTTP_NAME_COMMON, "ns.example");
	read_made(&two);
	assert_int_equal(1, got.name_count);
	name_is(0, HTTP_NAME_SUBJECT, "CN=two,CN=one");
	read_made(&none);
	assert_int_equal(1, got.name_count);
	name_is(0, HTTP_NAME_SUBJECT, "O=Only O");
}

static void names_beyond_ascii(void **state)
{
	const struct ca_options options = {.name = "M\xc3\xbcnchen"};

	(void)state;
	read_made(&options);
	assert_int_equal(2, got.name_count);
	name_is(0, HTTP_NAME_SUBJECT, "CN=M\xc3\xbcnchen");
	name_is(1, HTTP_NAME_COMMON, "m\xc3\xbcnchen");
}

/* Sixteen names: the subject and fifteen others. */
static void more_names_than_are_read(void **state)
{
	char names[1000] = "DNS:n0";
	struct ca_options options = {.name = "many", .alternative_names = names};

	(void)state;
	for (unsigned i = 1; i < 40; i++) {
		snprintf(names + strlen(names), sizeof(names) - strlen(names), ",DNS:n%u", i);
	}
	read_made(&options);
	assert_int_equal(HTTP_CERTIFICATE_NAMES_MAX, got.name_count);
	name_is(0, HTTP_NAME_SUBJECT, "CN=many");
	name_is(15, HTTP_NAME_DNS, "n14");
}

static void names_of_each_length(void **state)
{
	static const size_t lengths[] = {1, 254, 255, 256, 257, 1000};
	char names[1100], expected[1001];
	struct ca_options options = {.name = "hidden", .alternative_names = names};

	(void)state;
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(expected, 'n', lengths[i]);
		expected[lengths[i]] = '\0';
		snprintf(names, sizeof(names), "DNS:%s", expected);
		read_made(&options);
		assert_int_equal(lengths[i] <= HTTP_CERTIFICATE_NAME_MAX ? 2 : 1, got.name_count);
		if (got.name_count == 2) {
			name_is(1, HTTP_NAME_DNS, expected);
		}
	}
}

/* A certificate with one alternative name of any octets, and the CN "hidden". */
static enum kw_err read_alternative(int type, const char *octets, int length)
{
	const struct ca_options options = {.name = "hidden"};
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	struct ca_cert cert;
	enum kw_err err;
	uint8_t *at;

	ca_make(&cert, &options);
	assert_int_equal(1, ASN1_STRING_set(text, octets, length));
	GENERAL_NAME_set0_value(name, type, text);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
	assert_int_equal(1, X509_add1_ext_i2d(cert.x509, NID_subject_alt_name, names, 0, 0));
	assert_true(X509_sign(cert.x509, cert.key, EVP_sha256()) > 0);
	at = cert.der;
	cert.length = (size_t)i2d_X509(cert.x509, &at);
	err = http_certificate_read(cert.der, cert.length, &got);
	GENERAL_NAMES_free(names);
	ca_free(&cert);
	return err;
}

static void names_that_are_left_out(void **state)
{
	static const struct {
		const char *octets;
		int length;
	} bad[] = {
		{"ns.example\0.evil.example", 24},
		{"\0", 1},
		{"ns.example\0", 11},
		{"ns\n.example", 11},
		{"ns\x7f", 3},
		{"\x1b[2J", 4},
		{"n\xc3\xbcs", 4},
		{"\xff", 1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(KW_OK, read_alternative(GEN_DNS, bad[i].octets, bad[i].length));
		assert_int_equal(1, got.name_count);
		name_is(0, HTTP_NAME_SUBJECT, "CN=hidden");
		assert_int_equal(KW_OK, read_alternative(GEN_URI, bad[i].octets, bad[i].length));
		assert_int_equal(2, got.name_count);
		name_is(1, HTTP_NAME_COMMON, "hidden");
	}
	/* The library does not take a certificate with an empty one. */
	assert_int_equal(KW_E_SYNTAX, read_alternative(GEN_DNS, "", 0));
	assert_int_equal(KW_OK, read_alternative(GEN_DNS, "good", 4));
	assert_int_equal(2, got.name_count);
	name_is(1, HTTP_NAME_DNS, "good");
}

/* Whose name is looked for is told by the text alone, so none may pass for one of another kind. */
static void names_that_read_like_another_kind(void **state)
{
	static const char *const not_dns[] = {"cn=ns,o=example", "title=ns", "https://ns.example/",
		"spiffe://example/ns", "urn:ns", "URN:ns"};
	static const char *const not_uri[] = {"CN=ns,O=Example", "CN=urn:ns", "O=a,CN=https://ns",
		"ns.example", "ns", "tag:ns", "://ns", "=urn:", ":urn:ns"};
	static const char *const uri[] = {
		"urn:ns", "spiffe://Example/NS", "https://ns.example/?CN=ns,O=Example"};

	(void)state;
	for (unsigned i = 0; i < sizeof(not_dns) / sizeof(not_dns[0]); i++) {
		const struct ca_options options = {.name = not_dns[i]};
		const char *text = not_dns[i];

		assert_int_equal(KW_OK, read_alternative(GEN_DNS, text, (int)strlen(text)));
		assert_int_equal(1, got.name_count);
		read_made(&options);
		assert_int_equal(1, got.name_count);
		assert_int_equal(HTTP_NAME_SUBJECT, got.names[0].kind);
	}
	for (unsigned i = 0; i < sizeof(not_uri) / sizeof(not_uri[0]); i++) {
		const char *text = not_uri[i];

		assert_int_equal(KW_OK, read_alternative(GEN_URI, text, (int)strlen(text)));
		assert_int_equal(2, got.name_count);
		name_is(1, HTTP_NAME_COMMON, "hidden");
	}
	for (unsigned i = 0; i < sizeof(uri) / sizeof(uri[0]); i++) {
		assert_int_equal(KW_OK, read_alternative(GEN_URI, uri[i], (int)strlen(uri[i])));
		assert_int_equal(3, got.name_count);
		name_is(1, HTTP_NAME_URI, uri[i]);
	}
}

static void subjects_that_are_left_out(void **state)
{
	static const struct {
		const char *octets;
		int length;
		size_t left;
	} bad[] = {{"ns\0evil", 7, 1}, {"a\nb", 3, 0}, {"\x7f", 1, 0}, {"\xc2\x85", 2, 0}};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct ca_options options = {.organisation = "O"};
		struct ca_cert cert;
		uint8_t *at;

		ca_make(&cert, &options);
		assert_int_equal(
			1, X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.x509), "CN",
				   V_ASN1_UTF8STRING, (const unsigned char *)bad[i].octets,
				   bad[i].length, -1, 0));
		assert_true(X509_sign(cert.x509, cert.key, EVP_sha256()) > 0);
		at = cert.der;
		cert.length = (size_t)i2d_X509(cert.x509, &at);
		assert_int_equal(KW_OK, http_certificate_read(cert.der, cert.length, &got));
		assert_int_equal(bad[i].left, got.name_count);
		if (bad[i].left > 0) {
			name_is(0, HTTP_NAME_SUBJECT, "CN=#0c076e73006576696c,O=O");
		}
		ca_free(&cert);
	}
}

static void only_one_whole_certificate(void **state)
{
	const struct ca_options options = {.name = "ns", .alternative_names = "DNS:ns"};
	struct ca_cert cert;
	uint8_t *octets;

	(void)state;
	ca_make(&cert, &options);
	for (size_t length = 0; length < cert.length; length++) {
		octets = malloc(length);
		memcpy(octets, cert.der, length);
		assert_int_equal(KW_E_SYNTAX, http_certificate_read(octets, length, &got));
		assert_int_equal(0, got.name_count);
		free(octets);
	}
	/* The same with something behind it. */
	octets = calloc(1, 2 * cert.length);
	memcpy(octets, cert.der, cert.length);
	for (size_t more = 1; more < 4; more++) {
		assert_int_equal(
			KW_E_SYNTAX, http_certificate_read(octets, cert.length + more, &got));
	}
	memcpy(octets + cert.length, cert.der, cert.length);
	assert_int_equal(KW_E_SYNTAX, http_certificate_read(octets, 2 * cert.length, &got));
	free(octets);
	ca_free(&cert);
}

/* Each octet of a certificate changed: read or not, never anything worse. */
static void damaged_certificates(void **state)
{
	const struct ca_options options = {
		.name = "ns",
		.alternative_names = "DNS:ns,URI:urn:x",
		.extended_key_usage = "clientAuth",
		.key_usage = "digitalSignature",
	};
	struct ca_cert cert;
	size_t refused = 0;

	(void)state;
	ca_make(&cert, &options);
	for (size_t i = 0; i < cert.length; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			cert.der[i] ^= (uint8_t)(1u << bit);
			if (http_certificate_read(cert.der, cert.length, &got) != KW_OK) {
				assert_int_equal(0, got.name_count);
				refused++;
			}
			for (size_t n = 0; n < got.name_count; n++) {
				assert_true(got.names[n].text[0] != '\0');
				assert_non_null(
					memchr(got.names[n].text, '\0', sizeof(got.names[n].text)));
			}
			cert.der[i] ^= (uint8_t)(1u << bit);
		}
	}
	assert_true(refused > 100);
	ca_free(&cert);
}

static void too_long(void **state)
{
	uint8_t *octets = calloc(1, HTTP_CERTIFICATE_SIZE_MAX + 1);

	(void)state;
	assert_int_equal(
		KW_E_TOO_LONG, http_certificate_read(octets, HTTP_CERTIFICATE_SIZE_MAX + 1, &got));
	assert_int_equal(
		KW_E_SYNTAX, http_certificate_read(octets, HTTP_CERTIFICATE_SIZE_MAX, &got));
	free(octets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fingerprint_and_validity),
		cmocka_unit_test(what_it_may_be_used_for),
		cmocka_unit_test(names_of_every_kind),
		cmocka_unit_test(the_cn_counts_without_a_dns_name),
		cmocka_unit_test(names_beyond_ascii),
		cmocka_unit_test(more_names_than_are_read),
		cmocka_unit_test(names_of_each_length),
		cmocka_unit_test(names_that_are_left_out),
		cmocka_unit_test(names_that_read_like_another_kind),
		cmocka_unit_test(subjects_that_are_left_out),
		cmocka_unit_test(only_one_whole_certificate),
		cmocka_unit_test(damaged_certificates),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
