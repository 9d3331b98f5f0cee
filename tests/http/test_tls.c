#include "tests/http/drive.h"
#include "tests/http/pem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct tls {
	struct world world;
	SSL_CTX *context;
	char *certificate;
	char *key;
};

static struct tls tls;

static int tls_open(void **state)
{
	(void)state;
	pem_make(&tls.certificate, &tls.key);
	world_open(&tls.world, tls.certificate, tls.key);
	tls.context = SSL_CTX_new(TLS_client_method());
	assert_non_null(tls.context);
	SSL_CTX_set_security_level(tls.context, 0);
	SSL_CTX_set_mode(tls.context, SSL_MODE_ENABLE_PARTIAL_WRITE);
	assert_int_equal(1, SSL_CTX_set_min_proto_version(tls.context, TLS1_VERSION));
	return 0;
}

static int tls_close(void **state)
{
	(void)state;
	world_close(&tls.world);
	SSL_CTX_free(tls.context);
	free(tls.certificate);
	free(tls.key);
	return 0;
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

static void tls_of_each_version(void **state)
{
	static const struct {
		int version;
		int result;
	} cases[] = {
		{TLS1_VERSION, -1}, {TLS1_1_VERSION, -1}, {TLS1_2_VERSION, 1}, {TLS1_3_VERSION, 1}};
	struct client client;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(1, SSL_CTX_set_max_proto_version(tls.context, cases[i].version));
		client_open(&client, tls.world.port, tls.context);
		assert_int_equal(cases[i].result, handshake(&client));
		if (cases[i].result == 1) {
			assert_int_equal(cases[i].version, SSL_version(client.tls));
			tls.world.keep = true;
			send_post(&client, "over TLS");
			await_kept(&tls.world, 1);
			world_answer_kept(&tls.world);
			await(&tls.world, &client);
			assert_string_equal("over TLS", answer.body);
		}
		client_close(&client);
	}
}

static void tls_speaks_http_1_1_by_alpn(void **state)
{
	static const unsigned char offered[] = "\x02h2\x08http/1.1";
	const unsigned char *chosen;
	struct client client;
	unsigned length;

	(void)state;
	client_open(&client, tls.world.port, tls.context);
	assert_int_equal(0, SSL_set_alpn_protos(client.tls, offered, sizeof(offered) - 1));
	assert_int_equal(1, handshake(&client));
	SSL_get0_alpn_selected(client.tls, &chosen, &length);
	assert_int_equal(8, length);
	assert_memory_equal("http/1.1", chosen, 8);
	client_close(&client);
}

static void tls_large_bodies(void **state)
{
	struct client client;
	char header[128];

	(void)state;
	client_open(&client, tls.world.port, tls.context);
	assert_int_equal(1, handshake(&client));
	for (size_t length = 30000; length <= WORLD_BODY_MAX; length += 1384) {
		snprintf(header, sizeof(header),
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", length);
		send_body(&tls.world, &client, header, length, false);
		await(&tls.world, &client);
		assert_int_equal(200, answer.status);
		assert_int_equal(length, answer.length);
	}
	send_body(&tls.world, &client, CHUNKED, 40000, true);
	await(&tls.world, &client);
	assert_int_equal(413, answer.status);
	client_close(&client);
}

static void tls_pipelined(void **state)
{
	struct client client;
	char text[8192], body[32];
	size_t length = 0;

	(void)state;
	tls.world.keep = true;
	client_open(&client, tls.world.port, tls.context);
	assert_int_equal(1, handshake(&client));
	for (unsigned i = 0; i < 40; i++) {
		snprintf(body, sizeof(body), "request %u", i);
		length += post(text + length, sizeof(text) - length, body);
	}
	assert_int_equal(length, client_send(&client, text, length));
	for (unsigned i = 0; i < 40; i++) {
		await_kept(&tls.world, 1);
		world_answer_kept(&tls.world);
		await(&tls.world, &client);
		snprintf(body, sizeof(body), "request %u", i);
		assert_string_equal(body, answer.body);
	}
	client_close(&client);
}

static void tls_many_connections_at_once(void **state)
{
	static struct client clients[MANY];
	size_t done = 0;

	(void)state;
	tls.world.keep = true;
	for (unsigned i = 0; i < MANY; i++) {
		client_open(&clients[i], tls.world.port, tls.context);
	}
	for (unsigned turn = 0; turn < TURNS_MAX && done < MANY; turn++) {
		done = 0;
		for (unsigned i = 0; i < MANY; i++) {
			done += client_handshake(&clients[i]) == 1;
		}
		world_turn(&tls.world);
	}
	assert_int_equal(MANY, done);
	many_at_once(&tls.world, clients, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		client_close(&clients[i]);
	}
}

static void plain_text_to_a_tls_port(void **state)
{
	struct client client;

	(void)state;
	client_open(&client, tls.world.port, NULL);
	send_post(&client, "plain");
	await_closed(&tls.world, &client);
	assert_int_equal(0, tls.world.handled);
	client_close(&client);
}

static void a_bad_certificate_is_refused(void **state)
{
	char *other_certificate, *other_key;
	const char *const cases[][2] = {
		{"", ""},
		{"rubbish", tls.key},
		{tls.certificate, "rubbish"},
		{tls.key, tls.certificate},
		{tls.certificate, NULL},
	};
	struct http_server_options options = {
		.listener_count = 1,
		.body_max = 100,
		.connections_max = 10,
		.idle_timeout_s = 1,
		.handler = (http_handler)abort,
	};
	struct http_server *server;
	uint16_t port;

	(void)state;
	pem_make(&other_certificate, &other_key);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int listener = world_listener(&port);

		options.listeners = &listener;
		options.tls_certificate = cases[i][0];
		options.tls_key = cases[i][1] != NULL ? cases[i][1] : other_key;
		assert_int_equal(KW_E_INVALID, http_server_open(&options, &server));
		assert_null(server);
	}
	free(other_certificate);
	free(other_key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tls_of_each_version, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(tls_speaks_http_1_1_by_alpn, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(tls_large_bodies, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(tls_pipelined, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(tls_many_connections_at_once, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(plain_text_to_a_tls_port, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(a_bad_certificate_is_refused, tls_open, tls_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
