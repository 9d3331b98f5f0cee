/* Who the TLS clients are, in full handshakes and in resumed sessions. */
#include "http/proxy_cert.h"
#include "http/trust.h"

#include "tests/http/ca.h"
#include "tests/http/drive.h"

#include <dirent.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SEEN_MAX 4

struct fixture {
	struct world world;
	struct ca_cert server;
	struct ca_cert root;
	struct ca_cert middle;
	struct ca_cert leaf;
	SSL_CTX *context;
};

static struct fixture tls;

/* What the handler saw last. */
static struct {
	size_t count;
	uint8_t octets[SEEN_MAX][CA_DER_MAX];
	size_t lengths[SEEN_MAX];
} seen;

static void look(const struct http_request *request)
{
	struct http_octets chain[SEEN_MAX];

	seen.count = http_request_certificates(request, chain, SEEN_MAX);
	assert_int_equal(seen.count > 0, http_request_certificates(request, chain, 1));
	assert_int_equal(0, http_request_certificates(request, chain, 0));
	for (size_t i = 0; i < seen.count; i++) {
		assert_true(chain[i].length <= CA_DER_MAX);
		memcpy(seen.octets[i], chain[i].octets, chain[i].length);
		seen.lengths[i] = chain[i].length;
	}
}

static bool seen_is(size_t i, const struct ca_cert *cert)
{
	return i < seen.count && seen.lengths[i] == cert->length &&
	       memcmp(seen.octets[i], cert->der, cert->length) == 0;
}

static void open_world(bool ask)
{
	const struct ca_options server = {.name = "localhost"};
	struct ca_options middle = {.name = "middle", .ca = true, .issuer = &tls.root};
	char *certificate, *key;

	memset(&seen, 0, sizeof(seen));
	ca_make(&tls.server, &server);
	ca_make_root(&tls.root, "root");
	ca_make(&tls.middle, &middle);
	ca_make_client(&tls.leaf, &tls.middle, "ns.example");
	certificate = ca_pem(&tls.server);
	key = ca_key_pem(&tls.server);
	if (ask) {
		world_open_asking(&tls.world, certificate, key);
	} else {
		world_open(&tls.world, certificate, key);
	}
	free(certificate);
	free(key);
	tls.world.look = look;
	tls.context = SSL_CTX_new(TLS_client_method());
	assert_non_null(tls.context);
}

static int asking(void **state)
{
	(void)state;
	open_world(true);
	return 0;
}

static int not_asking(void **state)
{
	(void)state;
	open_world(false);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close(&tls.world);
	SSL_CTX_free(tls.context);
	ca_free(&tls.server);
	ca_free(&tls.root);
	ca_free(&tls.middle);
	ca_free(&tls.leaf);
	return 0;
}

static void show(struct client *client, const struct ca_cert *leaf, const struct ca_cert *middle)
{
	assert_int_equal(1, SSL_use_certificate(client->tls, leaf->x509));
	assert_int_equal(1, SSL_use_PrivateKey(client->tls, leaf->key));
	if (middle != NULL) {
		assert_int_equal(1, SSL_add1_chain_cert(client->tls, middle->x509));
	}
}

static void version(int version)
{
	assert_int_equal(1, SSL_CTX_set_min_proto_version(tls.context, version));
	assert_int_equal(1, SSL_CTX_set_max_proto_version(tls.context, version));
}

static int handshake(struct client *client)
{
	int result = 0;

	for (unsigned i = 0; i < TURNS_MAX && result == 0; i++) {
		result = client_handshake(client);
		world_turn(&tls.world);
	}
	return result;
}

/* One request; @return the session, for another connection to resume. */
static SSL_SESSION *exchange(struct client *client)
{
	seen.count = 99;
	assert_int_equal(1, handshake(client));
	send_post(client, "who am I");
	await(&tls.world, client);
	assert_int_equal(200, answer.status);
	/* Else OpenSSL would not resume the session of a connection that was not shut down. */
	SSL_set_shutdown(client->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	return SSL_get1_session(client->tls);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

#define EACH_VERSION(i) for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)

static void a_client_with_a_certificate(void **state)
{
	struct client client;

	(void)state;
	EACH_VERSION(i)
	{
		version(versions[i]);
		client_open(&client, tls.world.port, tls.context);
		show(&client, &tls.leaf, &tls.middle);
		SSL_SESSION_free(exchange(&client));
		assert_int_equal(versions[i], SSL_version(client.tls));
		assert_int_equal(2, seen.count);
		assert_true(seen_is(0, &tls.leaf));
		assert_true(seen_is(1, &tls.middle));
		client_close(&client);
	}
}

static EVP_PKEY *key_of(const BIGNUM *n, const BIGNUM *e, const BIGNUM *d)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;

	assert_int_equal(1, OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n));
	assert_int_equal(1, OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e));
	assert_int_equal(1, OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, d));
	params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(1, EVP_PKEY_fromdata_init(context));
	assert_int_equal(1, EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params));
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(context);
	return key;
}

/* Of a modulus of so many primes of 512 bits: quick to make, and good for signing. */
static EVP_PKEY *make_rsa(unsigned primes, int exponent_bits)
{
	BN_CTX *context = BN_CTX_new();
	BIGNUM *n = BN_new(), *e = BN_new(), *d = BN_new(), *phi = BN_new(), *prime = BN_new();
	EVP_PKEY *key;

	assert_true(BN_one(n) == 1 && BN_one(phi) == 1);
	for (unsigned i = 0; i < primes; i++) {
		assert_int_equal(1, BN_generate_prime_ex(prime, 512, 0, NULL, NULL, NULL));
		assert_int_equal(1, BN_mul(n, n, prime, context));
		assert_int_equal(1, BN_sub_word(prime, 1));
		assert_int_equal(1, BN_mul(phi, phi, prime, context));
	}
	do {
		assert_int_equal(1, BN_rand(e, exponent_bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD));
	} while (BN_mod_inverse(d, e, phi, context) == NULL);
	ERR_clear_error();
	key = key_of(n, e, d);
	BN_free(n);
	BN_free(e);
	BN_free(d);
	BN_free(phi);
	BN_free(prime);
	BN_CTX_free(context);
	return key;
}

/* With a certificate that another key has signed: who did is not looked at here. Takes the key. */
static bool is_let_in(EVP_PKEY *key)
{
	static const char question[] = "POST / HTTP/1.1\r\nHost: ns\r\nContent-Length: 0\r\n\r\n";
	struct ca_cert cert = {.key = key};
	const size_t handled = tls.world.handled;
	const struct ca_options options = {.name = "client"};
	struct ca_cert other;
	struct client client;

	ca_make(&other, &options);
	cert.x509 = X509_dup(other.x509);
	assert_int_equal(1, X509_set_pubkey(cert.x509, key));
	assert_true(X509_sign(cert.x509, other.key, EVP_sha256()) > 0);
	client_open(&client, tls.world.port, tls.context);
	show(&client, &cert, NULL);
	if (handshake(&client) == 1) {
		/* With TLS 1.3 that may be refused already. */
		(void)SSL_write(client.tls, question, (int)strlen(question));
		for (unsigned i = 0; i < TURNS_MAX && tls.world.handled == handled &&
				     http_server_connections(tls.world.server) > 0;
			i++) {
			world_turn(&tls.world);
		}
	}
	client_close(&client);
	ca_free(&other);
	ca_free(&cert);
	ERR_clear_error();
	return tls.world.handled > handled;
}

/*
 * Anybody may show a certificate, and the server computes with the key in it: 16 KiB have room for
 * one that takes minutes, in which nobody else is served.
 */
static void a_key_that_costs_too_much(void **state)
{
	(void)state;
	EACH_VERSION(i)
	{
		version(versions[i]);
		assert_true(is_let_in(make_rsa(4, 17)));
		assert_true(is_let_in(make_rsa(4, 64)));
		assert_false(is_let_in(make_rsa(4, 65)));
		assert_false(is_let_in(make_rsa(4, 2000)));
		assert_true(is_let_in(make_rsa(16, 17)));
		assert_false(is_let_in(make_rsa(17, 17)));
		assert_true(is_let_in(EVP_EC_gen("P-521")));
		assert_true(is_let_in(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")));
	}
}

static int asked;
static int names_sent;

static int on_asked(SSL *ssl, X509 **x509, EVP_PKEY **key)
{
	(void)x509;
	(void)key;
	asked++;
	names_sent += sk_X509_NAME_num(SSL_get0_peer_CA_list(ssl)) > 0;
	return 0;
}

static void a_client_without_one_is_asked_and_let_in(void **state)
{
	struct client client;

	(void)state;
	asked = 0;
	names_sent = 0;
	SSL_CTX_set_client_cert_cb(tls.context, on_asked);
	EACH_VERSION(i)
	{
		version(versions[i]);
		client_open(&client, tls.world.port, tls.context);
		SSL_SESSION_free(exchange(&client));
		assert_int_equal(0, seen.count);
		client_close(&client);
	}
	assert_int_equal(2, asked);
	assert_int_equal(0, names_sent);
}

static void nobody_is_asked_when_off(void **state)
{
	struct client client;

	(void)state;
	asked = 0;
	SSL_CTX_set_client_cert_cb(tls.context, on_asked);
	EACH_VERSION(i)
	{
		version(versions[i]);
		client_open(&client, tls.world.port, tls.context);
		SSL_SESSION_free(exchange(&client));
		assert_int_equal(0, seen.count);
		client_close(&client);
	}
	assert_int_equal(0, asked);
}

static void a_resumed_session_has_the_same_certificates(void **state)
{
	struct client client;

	(void)state;
	EACH_VERSION(i)
	{
		SSL_SESSION *session;

		version(versions[i]);
		client_open(&client, tls.world.port, tls.context);
		show(&client, &tls.leaf, &tls.middle);
		session = exchange(&client);
		assert_false(SSL_session_reused(client.tls));
		client_close(&client);
		/* Resumed over and over: the client shows nothing, or somebody else's. */
		for (unsigned again = 0; again < 3; again++) {
			SSL_SESSION *next;

			client_open(&client, tls.world.port, tls.context);
			assert_int_equal(1, SSL_set_session(client.tls, session));
			if (again == 1) {
				show(&client, &tls.root, NULL);
			}
			next = exchange(&client);
			assert_true(SSL_session_reused(client.tls));
			assert_int_equal(2, seen.count);
			assert_true(seen_is(0, &tls.leaf));
			assert_true(seen_is(1, &tls.middle));
			client_close(&client);
			SSL_SESSION_free(session);
			session = next;
		}
		SSL_SESSION_free(session);
	}
}

static void a_resumed_session_without_a_certificate_has_none(void **state)
{
	struct client client;

	(void)state;
	EACH_VERSION(i)
	{
		SSL_SESSION *session;

		version(versions[i]);
		client_open(&client, tls.world.port, tls.context);
		session = exchange(&client);
		client_close(&client);
		client_open(&client, tls.world.port, tls.context);
		show(&client, &tls.leaf, &tls.middle);
		assert_int_equal(1, SSL_set_session(client.tls, session));
		SSL_SESSION_free(exchange(&client));
		assert_true(SSL_session_reused(client.tls));
		assert_int_equal(0, seen.count);
		client_close(&client);
		SSL_SESSION_free(session);
	}
}

/* A session outlives neither the client's certificate nor the trust in its CA. */
static void a_resumed_session_is_verified_anew(void **state)
{
	EACH_VERSION(i)
	{
		struct http_octets chain[SEEN_MAX];
		uint8_t anchors[1][HTTP_FINGERPRINT_SIZE];
		char *pem = ca_pem(&tls.root);
		uint64_t now_s = (uint64_t)time(NULL);
		struct http_trust *trust;
		struct client client;
		SSL_SESSION *session;
		size_t found;

		(void)state;
		version(versions[i]);
		client_open(&client, tls.world.port, tls.context);
		show(&client, &tls.leaf, &tls.middle);
		session = exchange(&client);
		client_close(&client);
		client_open(&client, tls.world.port, tls.context);
		assert_int_equal(1, SSL_set_session(client.tls, session));
		SSL_SESSION_free(session);
		SSL_SESSION_free(exchange(&client));
		assert_true(SSL_session_reused(client.tls));
		client_close(&client);
		assert_int_equal(KW_OK, http_trust_open(pem, &trust));
		for (size_t n = 0; n < seen.count; n++) {
			chain[n] = (struct http_octets){seen.octets[n], seen.lengths[n]};
		}
		assert_int_equal(KW_OK,
			http_trust_verify(trust, chain, seen.count, now_s, anchors, 1, &found));
		assert_int_equal(1, found);
		assert_int_equal(KW_OK, http_trust_verify(trust, chain, seen.count, now_s + 7200,
						anchors, 1, &found));
		assert_int_equal(0, found);
		http_trust_close(trust);
		free(pem);
	}
}

static enum kw_err passed_on;

static void look_passed_on(const struct http_request *request)
{
	static struct http_proxy_chain chain;

	passed_on = http_proxy_certificates(request, NULL, &chain);
	seen.count = chain.count;
	for (size_t i = 0; i < chain.count; i++) {
		memcpy(seen.octets[i], chain.certificates[i].octets, chain.certificates[i].length);
		seen.lengths[i] = chain.certificates[i].length;
	}
}

static void a_certificate_that_a_proxy_passes_on(void **state)
{
	static const enum kw_err expected[] = {KW_E_NOT_FOUND, KW_OK, KW_E_CONFLICT};
	char base64[CA_DER_MAX], header[CA_DER_MAX + 100], text[3 * sizeof(header)];
	struct client client;

	(void)state;
	tls.world.look = look_passed_on;
	EVP_EncodeBlock((unsigned char *)base64, tls.leaf.der, (int)tls.leaf.length);
	snprintf(header, sizeof(header), "x-forwarded-tls-client-cert: %s \r\n", base64);
	for (unsigned times = 0; times <= 2; times++) {
		client_open(&client, tls.world.port, tls.context);
		assert_int_equal(1, handshake(&client));
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\n%s%s\r\n",
			times > 0 ? header : "", times > 1 ? header : "");
		client_send_text(&client, text);
		await(&tls.world, &client);
		assert_int_equal(expected[times], passed_on);
		assert_int_equal(times == 1, seen.count);
		if (times == 1) {
			assert_true(seen_is(0, &tls.leaf));
		}
		client_close(&client);
	}
}

/* The tickets of another server (or of this one before it was started again) say nothing. */
static void a_session_of_another_server_is_not_resumed(void **state)
{
	EACH_VERSION(i)
	{
		SSL_SESSION *session;
		struct client client;

		version(versions[i]);
		client_open(&client, tls.world.port, tls.context);
		show(&client, &tls.leaf, NULL);
		session = exchange(&client);
		client_close(&client);
		tear_down(state);
		open_world(true);
		version(versions[i]);
		client_open(&client, tls.world.port, tls.context);
		assert_int_equal(1, SSL_set_session(client.tls, session));
		SSL_SESSION_free(exchange(&client));
		assert_false(SSL_session_reused(client.tls));
		assert_int_equal(0, seen.count);
		client_close(&client);
		SSL_SESSION_free(session);
	}
}

static void renegotiation_ends_the_connection(void **state)
{
	struct client client;

	(void)state;
	version(TLS1_2_VERSION);
	client_open(&client, tls.world.port, tls.context);
	show(&client, &tls.leaf, NULL);
	SSL_SESSION_free(exchange(&client));
	assert_int_equal(1, tls.world.handled);
	SSL_set_shutdown(client.tls, 0);
	/* As somebody else, from here on. */
	show(&client, &tls.root, NULL);
	assert_int_equal(1, SSL_renegotiate(client.tls));
	assert_int_equal(-1, handshake(&client));
	assert_int_equal(0, SSL_write(client.tls, "GET", 3) > 0);
	for (unsigned i = 0; i < TURNS_MAX && http_server_connections(tls.world.server) > 0; i++) {
		world_turn(&tls.world);
	}
	assert_int_equal(0, http_server_connections(tls.world.server));
	assert_int_equal(1, tls.world.handled);
	client_close(&client);
}

static void a_chain_too_large(void **state)
{
	struct client client;

	(void)state;
	EACH_VERSION(i)
	{
		int result;

		version(versions[i]);
		client_open(&client, tls.world.port, tls.context);
		show(&client, &tls.leaf, NULL);
		for (unsigned n = 0; n < 100; n++) {
			assert_int_equal(1, SSL_add1_chain_cert(client.tls, tls.middle.x509));
		}
		result = handshake(&client);
		/* With TLS 1.3 the client is done before the server has looked. */
		assert_int_equal(versions[i] == TLS1_3_VERSION ? 1 : -1, result);
		for (unsigned n = 0; n < TURNS_MAX && http_server_connections(tls.world.server) > 0;
			n++) {
			world_turn(&tls.world);
		}
		assert_int_equal(0, http_server_connections(tls.world.server));
		client_close(&client);
	}
	assert_int_equal(0, tls.world.handled);
}

static void what_stays_with_a_connection(void **state)
{
	struct client client, other;

	(void)state;
	tls.world.keep = true;
	client_open(&client, tls.world.port, tls.context);
	client_open(&other, tls.world.port, tls.context);
	assert_int_equal(1, handshake(&client));
	assert_int_equal(1, handshake(&other));
	for (unsigned i = 0; i < 3; i++) {
		send_post(&client, "again");
		await_kept(&tls.world, 1);
		assert_ptr_equal(i == 0 ? NULL : &tls.world,
			http_request_connection_user(tls.world.kept[0]));
		http_request_set_connection_user(tls.world.kept[0], &tls.world);
		world_answer_kept(&tls.world);
		await(&tls.world, &client);
	}
	send_post(&other, "other");
	await_kept(&tls.world, 1);
	assert_null(http_request_connection_user(tls.world.kept[0]));
	world_answer_kept(&tls.world);
	await(&tls.world, &other);
	assert_int_equal(0, tls.world.connections_gone);
	client_close(&client);
	for (unsigned i = 0; i < TURNS_MAX && http_server_connections(tls.world.server) > 1; i++) {
		world_turn(&tls.world);
	}
	assert_int_equal(1, tls.world.connections_gone);
	client_close(&other);
	for (unsigned i = 0; i < TURNS_MAX && http_server_connections(tls.world.server) > 0; i++) {
		world_turn(&tls.world);
	}
	assert_int_equal(1, tls.world.connections_gone);
}

static void closing_the_server_closes_its_connections(void **state)
{
	struct client client;

	(void)state;
	tls.world.keep = true;
	client_open(&client, tls.world.port, tls.context);
	assert_int_equal(1, handshake(&client));
	send_post(&client, "x");
	await_kept(&tls.world, 1);
	http_request_set_connection_user(tls.world.kept[0], &tls.world);
	world_close(&tls.world);
	assert_int_equal(1, tls.world.gone);
	assert_int_equal(1, tls.world.connections_gone);
	client_close(&client);
}

static size_t descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(directory);
	while (readdir(directory) != NULL) {
		count++;
	}
	closedir(directory);
	return count;
}

/* Memory is counted by the sanitizer when the process ends. */
static void a_thousand_connections_leave_nothing(void **state)
{
	SSL_SESSION *session = NULL;
	size_t resumed = 0, with_certificate = 0, before;

	(void)state;
	before = descriptors();
	for (unsigned i = 0; i < 1000; i++) {
		struct client client;
		bool resume = i % 4 >= 2 && session != NULL;

		version(versions[i / 4 % 2]);
		client_open(&client, tls.world.port, tls.context);
		if (i % 2 == 1) {
			show(&client, &tls.leaf, &tls.middle);
		}
		if (resume) {
			assert_int_equal(1, SSL_set_session(client.tls, session));
		}
		SSL_SESSION_free(session);
		session = NULL;
		if (i % 10 == 9) {
			/* Goes away in the middle of the handshake. */
			client_handshake(&client);
			world_turn(&tls.world);
			client_close(&client);
			continue;
		}
		session = exchange(&client);
		resumed += (size_t)SSL_session_reused(client.tls);
		with_certificate += seen.count == 2;
		if (resume) {
			assert_true(SSL_session_reused(client.tls));
		}
		client_close(&client);
	}
	SSL_SESSION_free(session);
	for (unsigned i = 0; i < TURNS_MAX && http_server_connections(tls.world.server) > 0; i++) {
		world_turn(&tls.world);
	}
	assert_true(resumed > 350 && with_certificate > 350);
	assert_int_equal(0, http_server_connections(tls.world.server));
	assert_int_equal(before, descriptors());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_client_with_a_certificate, asking, tear_down),
		cmocka_unit_test_setup_teardown(
			a_client_without_one_is_asked_and_let_in, asking, tear_down),
		cmocka_unit_test_setup_teardown(nobody_is_asked_when_off, not_asking, tear_down),
		cmocka_unit_test_setup_teardown(
			a_resumed_session_has_the_same_certificates, asking, tear_down),
		cmocka_unit_test_setup_teardown(
			a_resumed_session_without_a_certificate_has_none, asking, tear_down),
		cmocka_unit_test_setup_teardown(
			a_resumed_session_is_verified_anew, asking, tear_down),
		cmocka_unit_test_setup_teardown(
			a_certificate_that_a_proxy_passes_on, asking, tear_down),
		cmocka_unit_test_setup_teardown(
			a_session_of_another_server_is_not_resumed, asking, tear_down),
		cmocka_unit_test_setup_teardown(
			renegotiation_ends_the_connection, asking, tear_down),
		cmocka_unit_test_setup_teardown(a_chain_too_large, asking, tear_down),
		cmocka_unit_test_setup_teardown(a_key_that_costs_too_much, asking, tear_down),
		cmocka_unit_test_setup_teardown(what_stays_with_a_connection, asking, tear_down),
		cmocka_unit_test_setup_teardown(
			closing_the_server_closes_its_connections, asking, tear_down),
		cmocka_unit_test_setup_teardown(
			a_thousand_connections_leave_nothing, asking, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
