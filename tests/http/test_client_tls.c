#include "tests/http/ca.h"
#include "tests/http/peer.h"
#include "tests/http/poster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOOD_NAMES "DNS:localhost,IP:127.0.0.1"

static struct ca_cert ours, theirs;
static char *our_pem;
static struct peer peer;
static struct poster poster;

static int begin(void **state)
{
	(void)state;
	ca_make_root(&ours, "our authority");
	ca_make_root(&theirs, "their authority");
	our_pem = ca_pem(&ours);
	memset(&peer, 0, sizeof(peer));
	peer.answers[0] = 200;
	peer.tls = SSL_CTX_new(TLS_server_method());
	assert_non_null(peer.tls);
	return 0;
}

static int end(void **state)
{
	(void)state;
	poster_close(&poster);
	peer_close(&peer);
	SSL_CTX_free(peer.tls);
	ca_free(&ours);
	ca_free(&theirs);
	free(our_pem);
	return 0;
}

/* A peer with a certificate of this issuer for these names, valid until then (0: long enough). */
static void open_peer(const struct ca_cert *issuer, const char *names, long to_s)
{
	const struct ca_options options = {.issuer = issuer,
		.name = "peer",
		.alternative_names = names,
		.from_s = -60,
		.to_s = to_s};
	struct ca_cert leaf;

	ca_make(&leaf, &options);
	assert_int_equal(1, SSL_CTX_use_certificate(peer.tls, leaf.x509));
	assert_int_equal(1, SSL_CTX_use_PrivateKey(peer.tls, leaf.key));
	ca_free(&leaf);
	peer_open(&peer);
}

static void make_client(char **certificate, char **key)
{
	struct ca_cert leaf;

	ca_make_client(&leaf, &ours, "keyward");
	*certificate = ca_pem(&leaf);
	*key = ca_key_pem(&leaf);
	ca_free(&leaf);
}

/* The peer wants a certificate of our authority. */
static void want_certificate(void)
{
	X509_STORE_add_cert(SSL_CTX_get_cert_store(peer.tls), ours.x509);
	SSL_CTX_set_verify(peer.tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static const struct report *post_one(const char *host)
{
	size_t number = poster.reported;
	char url[64];

	snprintf(url, sizeof(url), "https://%s:%u/", host, peer.port);
	assert_int_equal(KW_OK, http_client_post(poster.client, url, "{}", 2, number));
	poster_await(&poster, number + 1);
	return &poster.reports[number];
}

static void open_poster(const char *certificate, const char *key)
{
	struct http_client_options options = poster_options();

	options.ca_pem = our_pem;
	options.certificate_pem = certificate;
	options.key_pem = key;
	poster_open(&poster, &options);
}

static void assert_refused(const struct report *report, const char *reason)
{
	assert_false(report->ok);
	assert_int_equal(0, report->status);
	assert_int_equal(1, report->attempts);
	if (strstr(report->reason, reason) == NULL) {
		fail_msg("the reason is \"%s\"", report->reason);
	}
	assert_int_equal(0, atomic_load(&peer.requests));
}

static void a_peer_of_our_authority(void **state)
{
	(void)state;
	open_peer(&ours, GOOD_NAMES, 0);
	open_poster(NULL, NULL);
	for (unsigned i = 0; i < 10; i++) {
		assert_true(post_one("127.0.0.1")->ok);
	}
	assert_int_equal(1, atomic_load(&peer.connections));
	assert_true(post_one("localhost")->ok);
	assert_string_equal("", peer.subject);
}

static void a_peer_of_another_authority(void **state)
{
	(void)state;
	open_peer(&theirs, GOOD_NAMES, 0);
	open_poster(NULL, NULL);
	assert_refused(post_one("127.0.0.1"), "unable to get local issuer certificate");
}

static void an_expired_certificate(void **state)
{
	(void)state;
	open_peer(&ours, GOOD_NAMES, -30);
	open_poster(NULL, NULL);
	assert_refused(post_one("127.0.0.1"), "certificate has expired");
}

static void another_host_name(void **state)
{
	(void)state;
	open_peer(&ours, "DNS:peer.example,IP:127.0.0.2", 0);
	open_poster(NULL, NULL);
	assert_refused(post_one("127.0.0.1"), "127.0.0.1");
	assert_refused(post_one("localhost"), "localhost");
}

static void an_old_tls(void **state)
{
	(void)state;
	SSL_CTX_set_security_level(peer.tls, 0);
	assert_int_equal(1, SSL_CTX_set_max_proto_version(peer.tls, TLS1_1_VERSION));
	open_peer(&ours, GOOD_NAMES, 0);
	open_poster(NULL, NULL);
	assert_refused(post_one("127.0.0.1"), "version");
}

static void tls_1_2_is_enough(void **state)
{
	(void)state;
	assert_int_equal(1, SSL_CTX_set_max_proto_version(peer.tls, TLS1_2_VERSION));
	open_peer(&ours, GOOD_NAMES, 0);
	open_poster(NULL, NULL);
	assert_true(post_one("127.0.0.1")->ok);
}

static void our_certificate_is_shown(void **state)
{
	char *certificate, *key;

	(void)state;
	want_certificate();
	open_peer(&ours, GOOD_NAMES, 0);
	make_client(&certificate, &key);
	open_poster(certificate, key);
	memset(key, 'x', strlen(key)); /* it was copied */
	assert_true(post_one("127.0.0.1")->ok);
	assert_non_null(strstr(peer.subject, "/CN=keyward"));
	free(certificate);
	free(key);
}

static void without_a_certificate_a_peer_that_wants_one_refuses(void **state)
{
	(void)state;
	want_certificate();
	open_peer(&ours, GOOD_NAMES, 0);
	open_poster(NULL, NULL);
	assert_false(post_one("127.0.0.1")->ok);
	assert_int_equal(0, atomic_load(&peer.requests));
}

static void plain_text_on_a_tls_port(void **state)
{
	(void)state;
	open_peer(&ours, GOOD_NAMES, 0);
	SSL_CTX_free(peer.tls);
	peer.tls = NULL;
	open_poster(NULL, NULL);
	assert_false(post_one("127.0.0.1")->ok);
	assert_int_equal(0, atomic_load(&peer.requests));
}

static void bad_pem_is_refused(void **state)
{
	struct http_client_options options = poster_options();
	char *certificate, *key, *other_certificate, *other_key;
	struct http_client *client;

	(void)state;
	open_peer(&ours, GOOD_NAMES, 0);
	open_poster(NULL, NULL);
	make_client(&certificate, &key);
	make_client(&other_certificate, &other_key);
	const char *const cases[][3] = {
		{"", NULL, NULL},
		{"rubbish", NULL, NULL},
		{key, NULL, NULL},
		{our_pem, certificate, NULL},
		{our_pem, NULL, key},
		{our_pem, certificate, other_key},
		{our_pem, certificate, "rubbish"},
		{our_pem, "", ""},
	};

	options.done = (http_client_done)abort;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		options.ca_pem = cases[i][0];
		options.certificate_pem = cases[i][1];
		options.key_pem = cases[i][2];
		assert_int_equal(KW_E_INVALID, http_client_open(&options, &client));
		assert_null(client);
	}
	free(certificate);
	free(key);
	free(other_certificate);
	free(other_key);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_peer_of_our_authority),
		TEST(a_peer_of_another_authority),
		TEST(an_expired_certificate),
		TEST(another_host_name),
		TEST(an_old_tls),
		TEST(tls_1_2_is_enough),
		TEST(our_certificate_is_shown),
		TEST(without_a_certificate_a_peer_that_wants_one_refuses),
		TEST(plain_text_on_a_tls_port),
		TEST(bad_pem_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
