/* The server's certificate is swapped while connections come and go. */
#include "tests/http/ca.h"
#include "tests/http/drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct pair {
	struct ca_cert cert;
	char *certificate;
	char *key;
};

static struct pair first, second, rsa, expired;
static struct world world;
static SSL_CTX *context;

static void pair_make(struct pair *pair, const struct ca_options *options)
{
	ca_make(&pair->cert, options);
	pair->certificate = ca_pem(&pair->cert);
	pair->key = ca_key_pem(&pair->cert);
}

static void pair_free(struct pair *pair)
{
	ca_free(&pair->cert);
	free(pair->certificate);
	free(pair->key);
}

static int set_up(void **state)
{
	const struct ca_options as_first = {.name = "first", .to_s = 1000};
	const struct ca_options as_second = {.name = "second", .to_s = 2000};
	const struct ca_options as_rsa = {.name = "rsa", .to_s = 3000, .rsa_bits = 2048};
	const struct ca_options as_expired = {.name = "expired", .from_s = -200, .to_s = -100};

	(void)state;
	pair_make(&first, &as_first);
	pair_make(&second, &as_second);
	pair_make(&rsa, &as_rsa);
	pair_make(&expired, &as_expired);
	world_open(&world, first.certificate, first.key);
	context = SSL_CTX_new(TLS_client_method());
	assert_non_null(context);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close(&world);
	SSL_CTX_free(context);
	pair_free(&first);
	pair_free(&second);
	pair_free(&rsa);
	pair_free(&expired);
	return 0;
}

static void handshake(struct client *client)
{
	int result = 0;

	for (unsigned i = 0; i < TURNS_MAX && result == 0; i++) {
		result = client_handshake(client);
		world_turn(&world);
	}
	assert_int_equal(1, result);
}

static bool shows(const struct client *client, const struct pair *pair)
{
	const X509 *shown = SSL_get0_peer_certificate(client->tls);

	return shown != NULL && X509_cmp(shown, pair->cert.x509) == 0;
}

static void a_new_connection_is_shown(const struct pair *pair)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	for (unsigned i = 0; i < 2; i++) {
		struct client client;

		assert_int_equal(1, SSL_CTX_set_max_proto_version(context, versions[i]));
		client_open(&client, world.port, context);
		handshake(&client);
		assert_true(shows(&client, pair));
		send_post(&client, "hello");
		await(&world, &client);
		assert_string_equal("hello", answer.body);
		client_close(&client);
	}
	assert_int_equal(1, SSL_CTX_set_max_proto_version(context, 0));
}

static void replace(const struct pair *pair)
{
	/* Borrowed for the call only. */
	char *certificate = strdup(pair->certificate), *key = strdup(pair->key);

	assert_int_equal(KW_OK, http_server_tls_replace(world.server, certificate, key));
	memset(certificate, 'x', strlen(certificate));
	memset(key, 'x', strlen(key));
	free(certificate);
	free(key);
}

static void expires_in(long seconds)
{
	long expected = (long)time(NULL) + seconds;
	long expires = (long)http_server_tls_expires_s(world.server);

	assert_in_range(expires - expected + 60, 0, 120);
}

static void each_kind_of_key(void **state)
{
	(void)state;
	a_new_connection_is_shown(&first);
	expires_in(1000);
	replace(&rsa);
	a_new_connection_is_shown(&rsa);
	expires_in(3000);
	replace(&second);
	a_new_connection_is_shown(&second);
	expires_in(2000);
}

static void connections_under_way_go_on(void **state)
{
	struct client old, shaking, kept;

	(void)state;
	client_open(&old, world.port, context);
	handshake(&old);
	client_open(&kept, world.port, context);
	handshake(&kept);
	world.keep = true;
	send_post(&kept, "kept over the swap");
	await_kept(&world, 1);
	/* Accepted, and in the middle of its handshake. */
	client_open(&shaking, world.port, context);
	for (unsigned i = 0; i < TURNS_MAX && http_server_connections(world.server) < 3; i++) {
		world_turn(&world);
	}
	replace(&second);
	replace(&rsa);
	replace(&second);
	assert_int_equal(0, client_handshake(&shaking));
	handshake(&shaking);
	assert_true(shows(&shaking, &first));
	world_answer_kept(&world);
	await(&world, &kept);
	assert_string_equal("kept over the swap", answer.body);
	world.keep = false;
	send_post(&old, "old");
	await(&world, &old);
	assert_string_equal("old", answer.body);
	send_post(&shaking, "shaking");
	await(&world, &shaking);
	assert_string_equal("shaking", answer.body);
	a_new_connection_is_shown(&second);
	client_close(&old);
	client_close(&shaking);
	client_close(&kept);
}

static void a_wrong_pair_changes_nothing(void **state)
{
	const char *const cases[][2] = {
		{"", ""},
		{"rubbish", second.key},
		{second.certificate, "rubbish"},
		{second.certificate, first.key},
		{second.certificate, rsa.key},
		{second.key, second.certificate},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(KW_E_INVALID,
			http_server_tls_replace(world.server, cases[i][0], cases[i][1]));
		expires_in(1000);
	}
	a_new_connection_is_shown(&first);
}

/* An operator who has nothing better may go on with it; the log says so. */
static void an_expired_one_is_taken(void **state)
{
	(void)state;
	replace(&expired);
	a_new_connection_is_shown(&expired);
	expires_in(-100);
}

static void plain_http_has_none(void **state)
{
	struct world plain;

	(void)state;
	world_open(&plain, NULL, NULL);
	assert_int_equal(0, http_server_tls_expires_s(plain.server));
	assert_int_equal(KW_E_INVALID,
		http_server_tls_replace(plain.server, second.certificate, second.key));
	world_close(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_kind_of_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_under_way_go_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_wrong_pair_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_expired_one_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(plain_http_has_none, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
