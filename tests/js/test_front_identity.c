/* What a client shows, read of real requests; a proxy passes its certificates on. */
#include "js/front_identity.h"

#include "backend-if/credential.h"
#include "base/env.h"
#include "http/proxy_cert.h"
#include "tests/http/ca.h"
#include "tests/http/client.h"
#include "tests/http/world.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TURNS_MAX   2000
#define HEADERS_MAX 24000
#define TOKEN       "token-0123456789abcdef"
#define BEARER      "Authorization: Bearer " TOKEN "\r\n"

static struct fixture {
	struct world world;
	struct client client;
	struct js_proxies proxies;
	struct js_identities identities;
	struct ca_cert root, other_root, leaf;
	char headers[HEADERS_MAX]; /* of the next request */
	/* what the handler found in the last one */
	enum kw_err err;
	struct js_identity found;
} f;

static void look(const struct http_request *request)
{
	f.err = js_identity_read(&f.identities, request, &f.found);
}

static int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	ca_make_root(&f.root, "root");
	ca_make_root(&f.other_root, "other root");
	ca_make_client(&f.leaf, &f.root, "ns.example");
	assert_int_equal(js_proxies_read("127.0.0.0/8", &f.proxies), KW_OK);
	assert_int_equal(
		js_identities_init(&f.identities, &f.proxies, HTTP_PROXY_RFC9440, false), KW_OK);
	world_open(&f.world, NULL, NULL);
	f.world.look = look;
	client_open(&f.client, f.world.port, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	client_close(&f.client);
	world_close(&f.world);
	js_identities_finish(&f.identities);
	ca_free(&f.root);
	ca_free(&f.other_root);
	ca_free(&f.leaf);
	return 0;
}

/* ---- a request ---- */

static void header(const char *line)
{
	assert_true(strlen(f.headers) + strlen(line) < HEADERS_MAX);
	strcat(f.headers, line);
}

/* As a proxy passes it on by RFC 9440. */
static void header_of(const struct ca_cert *cert)
{
	char text[2 * CA_DER_MAX];

	EVP_EncodeBlock((unsigned char *)text, cert->der, (int)cert->length);
	header("Client-Cert: :");
	header(text);
	header(":\r\n");
}

static enum kw_err ask(void)
{
	struct answer answer;
	size_t handled = f.world.handled;

	client_send_text(&f.client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n");
	client_send_text(&f.client, f.headers);
	client_send_text(&f.client, "\r\n{}");
	for (unsigned i = 0; !client_take(&f.client, &answer); i++) {
		assert_true(i < TURNS_MAX && !f.client.closed);
		world_turn(&f.world);
		client_receive(&f.client);
	}
	assert_int_equal(answer.status, 200);
	assert_int_equal(f.world.handled, handled + 1);
	f.headers[0] = '\0';
	return f.err;
}

static void trust(const struct ca_cert *root)
{
	struct http_trust *bundle = NULL;
	char *pem;

	if (root != NULL) {
		pem = ca_pem(root);
		assert_int_equal(http_trust_open(pem, &bundle), KW_OK);
		free(pem);
	}
	js_identities_trust(&f.identities, bundle);
}

/* ---- what was found ---- */

static bool found_digest(enum bi_credential_kind kind, const uint8_t digest[BI_DIGEST_SIZE])
{
	for (size_t i = 0; i < f.found.count; i++) {
		if (f.found.credentials[i].kind == (uint8_t)kind &&
			memcmp(f.found.credentials[i].digest, digest, BI_DIGEST_SIZE) == 0) {
			return true;
		}
	}
	return false;
}

static bool found_token(void)
{
	uint8_t digest[BI_DIGEST_SIZE];

	assert_int_equal(bi_credential_of_token(TOKEN, strlen(TOKEN), digest), KW_OK);
	return found_digest(BI_CREDENTIAL_TOKEN, digest);
}

static bool found_certificate(const struct ca_cert *cert)
{
	uint8_t digest[BI_DIGEST_SIZE];

	assert_int_equal(bi_credential_of_certificate(cert->der, cert->length, digest), KW_OK);
	return found_digest(BI_CREDENTIAL_CERTIFICATE, digest);
}

static bool found_name(const struct ca_cert *root, const char *name)
{
	uint8_t anchor[BI_DIGEST_SIZE], digest[BI_DIGEST_SIZE];

	assert_int_equal(bi_credential_of_certificate(root->der, root->length, anchor), KW_OK);
	assert_int_equal(bi_credential_of_subject(anchor, name, digest), KW_OK);
	return found_digest(BI_CREDENTIAL_SUBJECT, digest);
}

/* ---- the header Authorization ---- */

static void a_token_is_found(void **state)
{
	(void)state;
	header(BEARER);
	assert_int_equal(ask(), KW_OK);
	assert_int_equal(f.found.count, 1);
	assert_true(found_token());
	header("Authorization: Basic bnM6cGFzc3dvcmQ=\r\n");
	assert_int_equal(ask(), KW_OK);
	assert_int_equal(f.found.count, 1);
	assert_int_equal(f.found.credentials[0].kind, BI_CREDENTIAL_HEADER);
}

static void nothing_shown_is_missing(void **state)
{
	(void)state;
	assert_int_equal(ask(), KW_E_MISSING);
	header("Authorization: \r\n");
	assert_int_equal(ask(), KW_E_MISSING);
	assert_int_equal(f.found.count, 0);
}

static void what_does_not_read_is_nobodys(void **state)
{
	(void)state;
	header("Authorization: Bearer ");
	for (size_t i = 0; i < BI_AUTHORIZATION_MAX; i += 8) {
		header("01234567");
	}
	header("\r\n");
	assert_int_equal(ask(), KW_E_MISSING);
}

static void two_authorizations_are_in_conflict(void **state)
{
	(void)state;
	header(BEARER);
	header(BEARER);
	assert_int_equal(ask(), KW_E_CONFLICT);
	assert_int_equal(f.found.count, 0);
}

/* ---- certificates ---- */

static void a_certificate_is_found_beside_a_token(void **state)
{
	(void)state;
	header_of(&f.leaf);
	assert_int_equal(ask(), KW_OK);
	assert_int_equal(f.found.count, 1);
	assert_true(found_certificate(&f.leaf));
	header_of(&f.leaf);
	header(BEARER);
	assert_int_equal(ask(), KW_OK);
	assert_int_equal(f.found.count, 2);
	assert_true(found_certificate(&f.leaf) && found_token());
}

/* Anybody could set that header. */
static void only_a_proxy_passes_certificates_on(void **state)
{
	(void)state;
	assert_int_equal(js_proxies_read("192.0.2.0/24 ::1", &f.proxies), KW_OK);
	header_of(&f.leaf);
	assert_int_equal(ask(), KW_E_MISSING);
	header_of(&f.leaf);
	header(BEARER);
	assert_int_equal(ask(), KW_OK);
	assert_int_equal(f.found.count, 1);
	assert_true(found_token());
}

static void what_a_proxy_passes_on_must_read(void **state)
{
	(void)state;
	header("Client-Cert: rubbish\r\n");
	assert_int_equal(ask(), KW_E_SYNTAX);
	header("Client-Cert: :cnViYmlzaA==:\r\n");
	header(BEARER);
	assert_int_equal(ask(), KW_E_SYNTAX);
	header_of(&f.leaf);
	header_of(&f.leaf);
	assert_int_equal(ask(), KW_E_CONFLICT);
	header("Client-Cert: \r\n"); /* its client showed none */
	header(BEARER);
	assert_int_equal(ask(), KW_OK);
	assert_int_equal(f.found.count, 1);
}

static void names_count_under_their_own_ca(void **state)
{
	(void)state;
	trust(&f.root);
	header_of(&f.leaf);
	assert_int_equal(ask(), KW_OK);
	assert_true(found_certificate(&f.leaf));
	assert_true(found_name(&f.root, "ns.example"));
	assert_false(found_name(&f.other_root, "ns.example"));
	assert_false(found_name(&f.root, "other.example"));
	trust(&f.other_root);
	header_of(&f.leaf);
	assert_int_equal(ask(), KW_OK);
	assert_int_equal(f.found.count, 1);
	assert_true(found_certificate(&f.leaf));
}

/* What was kept of a certificate was found under the CAs of before. */
static void other_cas_hold_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		trust(&f.root);
		header_of(&f.leaf);
		assert_int_equal(ask(), KW_OK);
		assert_true(found_name(&f.root, "ns.example"));
		trust(NULL);
		header_of(&f.leaf);
		assert_int_equal(ask(), KW_OK);
		assert_int_equal(f.found.count, 1);
		assert_true(found_certificate(&f.leaf));
	}
}

static void a_certificate_must_be_valid_and_for_clients(void **state)
{
	const struct ca_options wrong[] = {
		{.issuer = &f.root, .name = "old", .from_s = -7200, .to_s = -3600},
		{.issuer = &f.root, .name = "young", .from_s = 3600, .to_s = 7200},
		{.issuer = &f.root, .name = "server", .extended_key_usage = "serverAuth"},
	};
	const struct ca_options right = {
		.issuer = &f.root, .name = "any", .extended_key_usage = "clientAuth,serverAuth"};
	struct ca_cert cert;

	(void)state;
	trust(&f.root);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ca_make(&cert, &wrong[i]);
		for (unsigned times = 0; times < 2; times++) {
			header_of(&cert);
			assert_int_equal(ask(), KW_E_MISSING);
		}
		ca_free(&cert);
	}
	ca_make(&cert, &right);
	header_of(&cert);
	assert_int_equal(ask(), KW_OK);
	assert_true(found_certificate(&cert) && found_name(&f.root, "any"));
	ca_free(&cert);
}

static void names_that_do_not_fit_hide_nothing(void **state)
{
	struct ca_options options = {.issuer = &f.root,
		.name = "many",
		.extended_key_usage = "clientAuth",
		.alternative_names = "DNS:a.example,DNS:b.example,DNS:c.example,DNS:d.example,"
				     "DNS:e.example,DNS:f.example,DNS:g.example,DNS:h.example,"
				     "DNS:i.example,DNS:j.example"};
	struct ca_cert cert;

	(void)state;
	trust(&f.root);
	ca_make(&cert, &options);
	header_of(&cert);
	header(BEARER);
	assert_int_equal(ask(), KW_OK);
	assert_int_equal(f.found.count, IPC_CREDENTIALS_MAX);
	assert_true(found_token() && found_certificate(&cert));
	assert_true(found_name(&f.root, "a.example"));
	assert_false(found_name(&f.root, "j.example"));
	ca_free(&cert);
}

/* ---- what is kept ---- */

/* The only one that is in use. */
static struct js_identity_slot *kept(void)
{
	struct js_identity_slot *found = NULL;

	for (size_t i = 0; i < JS_IDENTITY_SLOTS; i++) {
		if (f.identities.slots[i].checked_s != 0) {
			assert_null(found);
			found = &f.identities.slots[i];
		}
	}
	assert_non_null(found);
	return found;
}

static enum kw_err ask_with_leaf(void)
{
	header_of(&f.leaf);
	return ask();
}

static void what_was_found_is_kept_for_a_while(void **state)
{
	struct js_identity_slot *slot;

	(void)state;
	assert_int_equal(ask_with_leaf(), KW_OK);
	slot = kept();
	slot->identity.count = 0; /* who looks at it again finds it */
	slot->checked_s = UINT64_MAX - 1000;
	assert_int_equal(ask_with_leaf(), KW_OK); /* the clock was set back */
	slot = kept();
	slot->identity.count = 0;
	assert_int_equal(ask_with_leaf(), KW_E_MISSING);
	slot->checked_s -= 61;
	assert_int_equal(ask_with_leaf(), KW_OK);
	assert_true(found_certificate(&f.leaf));
}

/* Though it was valid when it was looked at. */
static void what_has_expired_since_does_not_count(void **state)
{
	(void)state;
	assert_int_equal(ask_with_leaf(), KW_OK);
	kept()->not_after_s = kw_now_ms(&kw_env_system) / 1000 - 1;
	assert_int_equal(ask_with_leaf(), KW_E_MISSING);
}

/* It is kept by the chain as a whole, not by the place where that happens to be kept. */
static void certificates_are_told_apart(void **state)
{
	struct ca_cert cert;

	(void)state;
	assert_int_equal(ask_with_leaf(), KW_OK);
	kept()->digest[IPC_DIGEST_SIZE - 1] ^= 1; /* as if another one had its place */
	kept()->identity.count = 0;
	assert_int_equal(ask_with_leaf(), KW_OK);
	assert_true(found_certificate(&f.leaf));
	ca_make_client(&cert, &f.root, "other.example");
	for (unsigned i = 0; i < 2; i++) {
		header_of(&cert);
		assert_int_equal(ask(), KW_OK);
		assert_true(found_certificate(&cert) && !found_certificate(&f.leaf));
		assert_int_equal(ask_with_leaf(), KW_OK);
		assert_true(found_certificate(&f.leaf) && !found_certificate(&cert));
	}
	ca_free(&cert);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_token_is_found),
		TEST(nothing_shown_is_missing),
		TEST(what_does_not_read_is_nobodys),
		TEST(two_authorizations_are_in_conflict),
		TEST(a_certificate_is_found_beside_a_token),
		TEST(only_a_proxy_passes_certificates_on),
		TEST(what_a_proxy_passes_on_must_read),
		TEST(names_count_under_their_own_ca),
		TEST(other_cas_hold_at_once),
		TEST(a_certificate_must_be_valid_and_for_clients),
		TEST(names_that_do_not_fit_hide_nothing),
		TEST(what_was_found_is_kept_for_a_while),
		TEST(what_has_expired_since_does_not_count),
		TEST(certificates_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
