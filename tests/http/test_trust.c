#include "http/trust.h"

#include "tests/http/ca.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct ca_cert root, other, namesake, middle, leaf;

static uint8_t anchors[HTTP_TRUST_MAX][HTTP_FINGERPRINT_SIZE];

static int set_up(void **state)
{
	const struct ca_options of_root = {.name = "middle", .ca = true, .issuer = &root};

	(void)state;
	ca_make_root(&root, "root");
	ca_make_root(&other, "other");
	ca_make_root(&namesake, "root");
	ca_make(&middle, &of_root);
	ca_make_client(&leaf, &root, "ns.example");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ca_free(&root);
	ca_free(&other);
	ca_free(&namesake);
	ca_free(&middle);
	ca_free(&leaf);
	return 0;
}

static struct http_trust *trust_of(const struct ca_cert *const *cas, size_t count)
{
	char *bundle = calloc(count, 4096);
	struct http_trust *trust;

	for (size_t i = 0; i < count; i++) {
		char *pem = ca_pem(cas[i]);

		strcat(bundle, "# a CA\n");
		strcat(bundle, pem);
		free(pem);
	}
	assert_int_equal(KW_OK, http_trust_open(bundle, &trust));
	free(bundle);
	return trust;
}

static bool is_anchor(size_t i, const struct ca_cert *cert)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned length;

	assert_int_equal(1, X509_digest(cert->x509, EVP_sha256(), digest, &length));
	return memcmp(anchors[i], digest, HTTP_FINGERPRINT_SIZE) == 0;
}

/* Verify a chain, now or so many seconds later, against the CAs; @return how many vouch for it. */
static size_t verify_at(const struct ca_cert *const *cas, size_t ca_count,
	const struct ca_cert *const *certs, size_t count, long later_s)
{
	struct http_trust *trust = trust_of(cas, ca_count);
	struct http_octets chain[HTTP_CHAIN_MAX];
	size_t found = 99;

	for (size_t i = 0; i < count; i++) {
		chain[i] = ca_der(certs[i]);
	}
	memset(anchors, 0, sizeof(anchors));
	assert_int_equal(
		KW_OK, http_trust_verify(trust, chain, count, (uint64_t)(time(NULL) + later_s),
			       anchors, HTTP_TRUST_MAX, &found));
	http_trust_close(trust);
	return found;
}

#define LIST(...)                       \
	(const struct ca_cert *const[]) \
	{                               \
		__VA_ARGS__             \
	}
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define VERIFY(cas, ...) \
	verify_at((cas), COUNT(cas), LIST(__VA_ARGS__), COUNT(LIST(__VA_ARGS__)), 0)

static const struct ca_cert *const of_root[] = {&root};
static const struct ca_cert *const of_all[] = {&other, &namesake, &root};

static void a_client_of_one_of_the_cas(void **state)
{
	(void)state;
	assert_int_equal(1, VERIFY(of_root, &leaf));
	assert_true(is_anchor(0, &root));
	assert_int_equal(1, VERIFY(of_all, &leaf));
	assert_true(is_anchor(0, &root));
	assert_int_equal(1, VERIFY(of_all, &leaf, &root));
	assert_true(is_anchor(0, &root));
}

static void a_ca_with_the_same_name_and_another_key(void **state)
{
	const struct ca_options bare_ca = {.name = "bare", .ca = true, .no_key_ids = true};
	const struct ca_cert *const bundle[] = {&namesake, &other};
	struct ca_cert one, two, client;
	struct ca_options options = {.name = "ns", .issuer = &one, .no_key_ids = true};

	(void)state;
	assert_int_equal(0, VERIFY(bundle, &leaf));
	assert_int_equal(0, VERIFY(bundle, &leaf, &root));
	/* Without key identifiers only the signature tells them apart. */
	ca_make(&one, &bare_ca);
	ca_make(&two, &bare_ca);
	ca_make(&client, &options);
	const struct ca_cert *const second[] = {&two}, *const both[] = {&two, &one};

	assert_int_equal(0, VERIFY(second, &client));
	assert_int_equal(0, VERIFY(second, &client, &one));
	assert_int_equal(1, VERIFY(both, &client));
	assert_true(is_anchor(0, &one));
	ca_free(&one);
	ca_free(&two);
	ca_free(&client);
}

static void validity(void **state)
{
	static const struct ca_cert *const certs[] = {&leaf};

	(void)state;
	assert_int_equal(1, verify_at(of_root, 1, certs, 1, 3500));
	assert_int_equal(0, verify_at(of_root, 1, certs, 1, 3700));
	assert_int_equal(1, verify_at(of_root, 1, certs, 1, -30));
	assert_int_equal(0, verify_at(of_root, 1, certs, 1, -120));
}

/* The first and the last second of a certificate are part of its time. */
static void the_edges_of_validity(void **state)
{
	struct http_trust *trust = trust_of(of_root, 1);
	const struct ca_options options = {
		.name = "ns", .issuer = &root, .from_s = -30, .to_s = 30};
	struct http_certificate read;
	struct http_octets chain;
	struct ca_cert client;

	(void)state;
	ca_make(&client, &options);
	chain = ca_der(&client);
	assert_int_equal(KW_OK, http_certificate_read(chain.octets, chain.length, &read));
	for (int off = -1; off <= 1; off++) {
		size_t found;

		assert_int_equal(
			KW_OK, http_trust_verify(trust, &chain, 1,
				       read.not_before_s + (uint64_t)off, anchors, 1, &found));
		assert_int_equal(off >= 0, found);
		assert_int_equal(
			KW_OK, http_trust_verify(trust, &chain, 1, read.not_after_s + (uint64_t)off,
				       anchors, 1, &found));
		assert_int_equal(off <= 0, found);
	}
	ca_free(&client);
	http_trust_close(trust);
}

static void an_expired_ca_vouches_for_nobody(void **state)
{
	const struct ca_options ca_options = {
		.name = "old", .ca = true, .from_s = -2000, .to_s = -1000};
	struct ca_cert old, client;
	const struct ca_cert *const bundle[] = {&old};

	(void)state;
	ca_make(&old, &ca_options);
	ca_make_client(&client, &old, "ns");
	assert_int_equal(0, VERIFY(bundle, &client));
	ca_free(&old);
	ca_free(&client);
}

/* What is wrong with a client's own certificate. */
static void bad_leaves(void **state)
{
	const struct {
		struct ca_options options;
		size_t found;
	} cases[] = {
		{{.issuer = &root, .name = "good"}, 1},
		{{.issuer = &root, .name = "good", .rsa_bits = 2048}, 1},
		{{.issuer = &root, .name = "expired", .from_s = -100, .to_s = -10}, 0},
		{{.issuer = &root, .name = "early", .from_s = 100}, 0},
		{{.issuer = &root, .name = "server", .extended_key_usage = "serverAuth"}, 0},
		{{.issuer = &root, .name = "both", .extended_key_usage = "serverAuth,clientAuth"},
			1},
		{{.issuer = &root, .name = "encipher", .key_usage = "keyEncipherment"}, 0},
		{{.issuer = &root, .name = "sha1", .digest = EVP_sha1()}, 0},
		{{.issuer = &root, .name = "sha512", .digest = EVP_sha512()}, 1},
		{{.issuer = &root, .name = "weak", .rsa_bits = 1024}, 0},
		{{.name = "self-signed"}, 0},
		{{.name = "root", .ca = true}, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ca_cert client;

		ca_make(&client, &cases[i].options);
		print_message("%s\n", cases[i].options.name);
		assert_int_equal(cases[i].found, VERIFY(of_root, &client));
		assert_int_equal(cases[i].found, VERIFY(of_all, &client));
		ca_free(&client);
	}
}

static void broken_hashes_with_rsa(void **state)
{
	const struct {
		const EVP_MD *digest;
		size_t found;
	} cases[] = {{EVP_sha256(), 1}, {EVP_sha384(), 1}, {EVP_sha1(), 0}, {EVP_md5(), 0}};
	const struct ca_options ca_options = {.name = "RSA", .ca = true, .rsa_bits = 2048};
	struct ca_cert ca;
	const struct ca_cert *const bundle[] = {&ca};

	(void)state;
	ca_make(&ca, &ca_options);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ca_options options = {
			.name = "ns", .issuer = &ca, .digest = cases[i].digest};
		struct ca_cert client;

		ca_make(&client, &options);
		assert_int_equal(cases[i].found, VERIFY(bundle, &client));
		ca_free(&client);
	}
	ca_free(&ca);
}

/* Without a profile the library lets SHA-1 pass in a certificate with its issuer's name. */
static void sha_1_under_the_name_of_the_ca(void **state)
{
	const struct ca_options options = {
		.issuer = &root, .name = "root", .no_key_ids = true, .digest = EVP_sha1()};
	struct ca_cert client;

	(void)state;
	ca_make(&client, &options);
	assert_int_equal(0, VERIFY(of_root, &client));
	ca_free(&client);
}

static void an_altered_certificate(void **state)
{
	struct ca_cert altered = leaf;

	(void)state;
	for (size_t back = 1; back < 60; back++) {
		struct http_trust *trust = trust_of(of_root, 1);
		struct http_octets chain;
		size_t found = 99;

		altered.der[altered.length - back] ^= 1;
		chain = ca_der(&altered);
		assert_true(http_trust_verify(trust, &chain, 1, (uint64_t)time(NULL), anchors, 1,
				    &found) != KW_OK ||
			    found == 0);
		assert_int_equal(0, found);
		altered.der[altered.length - back] ^= 1;
		http_trust_close(trust);
	}
	assert_int_equal(1, VERIFY(of_root, &altered));
}

static void chains(void **state)
{
	struct ca_cert client;

	(void)state;
	ca_make_client(&client, &middle, "ns");
	assert_int_equal(0, VERIFY(of_root, &client));
	assert_int_equal(1, VERIFY(of_root, &client, &middle));
	assert_true(is_anchor(0, &root));
	assert_int_equal(1, VERIFY(of_all, &client, &middle, &root));
	assert_int_equal(1, VERIFY(of_all, &client, &root, &other, &middle));
	assert_int_equal(1, VERIFY(of_all, &client, &middle, &middle));
	assert_int_equal(0, VERIFY(of_all, &middle, &client));
	/* An intermediate in the bundle vouches itself, and so does its own CA. */
	const struct ca_cert *const bundle[] = {&root, &middle};

	assert_int_equal(1, VERIFY(bundle, &client));
	assert_true(is_anchor(0, &middle));
	assert_int_equal(2, VERIFY(bundle, &client, &middle));
	assert_true(is_anchor(0, &root) && is_anchor(1, &middle));
	ca_free(&client);
}

static void bad_intermediates(void **state)
{
	const struct {
		struct ca_options options;
		size_t found;
	} cases[] = {
		{{.issuer = &root, .name = "good", .ca = true}, 1},
		{{.issuer = &root, .name = "no CA"}, 0},
		{{.issuer = &root, .name = "nothing", .basic_constraints = ""}, 0},
		{{.issuer = &root, .name = "usage", .ca = true, .key_usage = "digitalSignature"},
			0},
		{{.issuer = &root, .name = "expired", .ca = true, .from_s = -100, .to_s = -10}, 0},
		{{.issuer = &root, .name = "early", .ca = true, .from_s = 100}, 0},
		{{.issuer = &root, .name = "sha1", .ca = true, .digest = EVP_sha1()}, 0},
		{{.issuer = &root, .name = "weak", .ca = true, .rsa_bits = 1024}, 0},
		{{.issuer = &root,
			 .name = "server",
			 .ca = true,
			 .extended_key_usage = "serverAuth"},
			0},
		{{.issuer = &root,
			 .name = "client",
			 .ca = true,
			 .extended_key_usage = "clientAuth"},
			1},
		{{.name = "self-signed", .ca = true}, 0},
		{{.issuer = &other, .name = "of another", .ca = true}, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ca_cert between, client;

		print_message("%s\n", cases[i].options.name);
		ca_make(&between, &cases[i].options);
		ca_make_client(&client, &between, "ns");
		assert_int_equal(cases[i].found, VERIFY(of_root, &client, &between));
		assert_int_equal(cases[i].found, VERIFY(of_root, &client, &between, &root));
		ca_free(&between);
		ca_free(&client);
	}
}

/* A client's certificate that goes on to sign another one. */
static void a_leaf_is_no_ca(void **state)
{
	struct ca_cert client;

	(void)state;
	ca_make_client(&client, &leaf, "somebody.else");
	assert_int_equal(0, VERIFY(of_all, &client, &leaf));
	assert_int_equal(0, VERIFY(of_all, &client, &leaf, &root));
	ca_free(&client);
}

static void constraints_of_the_ca(void **state)
{
	struct ca_options of_short = {.name = "short",
		.basic_constraints = "critical,CA:TRUE,pathlen:0",
		.key_usage = "critical,keyCertSign"};
	struct ca_options of_server = {
		.name = "server", .ca = true, .extended_key_usage = "serverAuth"};
	struct ca_cert ca, between, client;
	const struct ca_cert *const bundle[] = {&ca};
	struct ca_options of_between = {.name = "between", .ca = true, .issuer = &ca};

	(void)state;
	ca_make(&ca, &of_short);
	ca_make_client(&client, &ca, "ns");
	assert_int_equal(1, VERIFY(bundle, &client));
	ca_free(&client);
	ca_make(&between, &of_between);
	ca_make_client(&client, &between, "ns");
	assert_int_equal(0, VERIFY(bundle, &client, &between));
	ca_free(&client);
	ca_free(&between);
	ca_free(&ca);
	ca_make(&ca, &of_server);
	ca_make_client(&client, &ca, "ns");
	assert_int_equal(0, VERIFY(bundle, &client));
	ca_free(&client);
	ca_free(&ca);
}

static void no_more_anchors_than_asked_for(void **state)
{
	const struct ca_cert *const bundle[] = {&root, &middle};
	struct http_trust *trust = trust_of(bundle, 2);
	struct http_octets chain[2];
	struct ca_cert client;
	size_t found;

	(void)state;
	ca_make_client(&client, &middle, "ns");
	chain[0] = ca_der(&client);
	chain[1] = ca_der(&middle);
	for (size_t max = 0; max <= 3; max++) {
		assert_int_equal(KW_OK, http_trust_verify(trust, chain, 2, (uint64_t)time(NULL),
						anchors, max, &found));
		assert_int_equal(max < 2 ? max : 2, found);
	}
	assert_int_equal(KW_OK,
		http_trust_verify(trust, chain, 0, (uint64_t)time(NULL), anchors, 1, &found));
	assert_int_equal(0, found);
	ca_free(&client);
	http_trust_close(trust);
}

static void chains_that_do_not_read(void **state)
{
	struct http_trust *trust = trust_of(of_root, 1);
	struct http_octets chain[HTTP_CHAIN_MAX + 1];
	uint64_t now_s = (uint64_t)time(NULL);
	size_t found;

	(void)state;
	for (size_t i = 0; i < HTTP_CHAIN_MAX + 1; i++) {
		chain[i] = ca_der(&leaf);
	}
	assert_int_equal(
		KW_OK, http_trust_verify(trust, chain, HTTP_CHAIN_MAX, now_s, anchors, 1, &found));
	assert_int_equal(1, found);
	assert_int_equal(KW_E_TOO_LONG,
		http_trust_verify(trust, chain, HTTP_CHAIN_MAX + 1, now_s, anchors, 1, &found));
	assert_int_equal(0, found);
	for (size_t at = 0; at < 2; at++) {
		chain[1] = chain[0] = ca_der(&leaf);
		for (size_t length = 0; length < leaf.length; length++) {
			chain[at].length = length;
			assert_int_equal(KW_E_SYNTAX,
				http_trust_verify(trust, chain, 2, now_s, anchors, 1, &found));
			assert_int_equal(0, found);
		}
	}
	http_trust_close(trust);
}

static void open_fails(const char *pem)
{
	struct http_trust *trust;

	assert_int_equal(KW_E_INVALID, http_trust_open(pem, &trust));
	assert_null(trust);
}

static void bad_bundles(void **state)
{
	char *good = ca_pem(&root), *client = ca_pem(&leaf), *key = ca_key_pem(&root);
	char text[8192];

	(void)state;
	open_fails("");
	open_fails("no certificate here");
	open_fails(client);
	open_fails(key);
	open_fails("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	open_fails("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
	snprintf(text, sizeof(text), "%s%s", good, client);
	open_fails(text);
	snprintf(text, sizeof(text), "%s%s", good, key);
	open_fails(text);
	for (size_t length = strlen(good) - 2; length > 0; length--) {
		snprintf(text, sizeof(text), "%.*s", (int)length, good);
		open_fails(text);
	}
	free(good);
	free(client);
	free(key);
}

static void bundles_of_each_size(void **state)
{
	static char text[(HTTP_TRUST_MAX + 2) * 2048];
	struct http_trust *trust;

	(void)state;
	text[0] = '\0';
	for (unsigned i = 1; i <= HTTP_TRUST_MAX + 1; i++) {
		struct ca_cert ca;
		char *pem;

		ca_make_root(&ca, "one of many");
		pem = ca_pem(&ca);
		strcat(text, pem);
		if (i == 1) {
			/* Twice. */
			strcat(text, pem);
		}
		free(pem);
		ca_free(&ca);
		if (i == HTTP_TRUST_MAX + 1) {
			open_fails(text);
			break;
		}
		assert_int_equal(KW_OK, http_trust_open(text, &trust));
		assert_int_equal(i, http_trust_count(trust));
		http_trust_close(trust);
	}
	http_trust_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_of_one_of_the_cas),
		cmocka_unit_test(a_ca_with_the_same_name_and_another_key),
		cmocka_unit_test(validity),
		cmocka_unit_test(the_edges_of_validity),
		cmocka_unit_test(an_expired_ca_vouches_for_nobody),
		cmocka_unit_test(bad_leaves),
		cmocka_unit_test(broken_hashes_with_rsa),
		cmocka_unit_test(sha_1_under_the_name_of_the_ca),
		cmocka_unit_test(an_altered_certificate),
		cmocka_unit_test(chains),
		cmocka_unit_test(bad_intermediates),
		cmocka_unit_test(a_leaf_is_no_ca),
		cmocka_unit_test(constraints_of_the_ca),
		cmocka_unit_test(no_more_anchors_than_asked_for),
		cmocka_unit_test(chains_that_do_not_read),
		cmocka_unit_test(bad_bundles),
		cmocka_unit_test(bundles_of_each_size),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
