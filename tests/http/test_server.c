#include "http/server.h"

#include "base/log.h"
#include "tests/http/client.h"
#include "tests/http/pem.h"
#include "tests/http/world.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TURNS_MAX 500
#define MANY      300

static struct answer answer;

/* Run the server until the client has an answer. */
static void await(struct world *world, struct client *client)
{
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		client_receive(client);
		if (client_take(client, &answer)) {
			return;
		}
		world_turn(world);
	}
	fail_msg("no answer");
}

static void await_kept(struct world *world, size_t count)
{
	for (unsigned i = 0; i < TURNS_MAX && world->kept_count < count; i++) {
		world_turn(world);
	}
	assert_int_equal(count, world->kept_count);
}

static void await_closed(struct world *world, struct client *client)
{
	for (unsigned i = 0; i < TURNS_MAX && !client->closed; i++) {
		world_turn(world);
		client_receive(client);
	}
	assert_true(client->closed);
}

static size_t post(char *out, size_t size, const char *body)
{
	int length = snprintf(out, size,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body), body);

	assert_true(length > 0 && (size_t)length < size);
	return (size_t)length;
}

static void send_post(struct client *client, const char *body)
{
	char text[1024];
	size_t length = post(text, sizeof(text), body);

	assert_int_equal(length, client_send(client, text, length));
}

static void collect(void *context, const char *value)
{
	strcat(context, value);
	strcat(context, ";");
}

static void look(const struct http_request *request)
{
	char all[64] = "";
	size_t length;

	assert_string_equal("PUT", http_request_method(request));
	assert_string_equal("/a b/c", http_request_path(request));
	assert_string_equal("Bearer t", http_request_header(request, "authorization"));
	assert_null(http_request_header(request, "X-Absent"));
	assert_string_equal("1", http_request_query(request, "q"));
	assert_null(http_request_query(request, "absent"));
	http_request_query_each(request, "q", collect, all);
	assert_string_equal("1;two;;", all);
	assert_string_equal("{}", http_request_body(request, &length));
	assert_int_equal(2, length);
	assert_true(http_request_arrived_us(request) > 0);
}

static void what_the_request_says(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	world.look = look;
	client_open(&client, world.port, NULL);
	client_send_text(&client,
		"PUT /a%20b/c?q=1&z=0&q=two&q HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n"
		"Content-Length: 2\r\n\r\n{}");
	await(&world, &client);
	assert_int_equal(200, answer.status);
	assert_string_equal("{}", answer.body);
	assert_non_null(strstr(answer.header, "Content-Type: application/json\r\n"));
	assert_int_equal(1, world.handled);
	assert_int_equal(1, http_server_connections(world.server));
	assert_int_equal(0, http_server_active(world.server));
	client_close(&client);
	world_close(&world);
}

static void a_request_without_a_body(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	client_open(&client, world.port, NULL);
	client_send_text(&client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	await(&world, &client);
	assert_int_equal(200, answer.status);
	assert_int_equal(0, answer.length);
	client_close(&client);
	world_close(&world);
}

static void a_kept_request_is_answered_later(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	world.keep = true;
	client_open(&client, world.port, NULL);
	for (unsigned i = 0; i < 3; i++) {
		send_post(&client, "{\"a\":1}");
		await_kept(&world, 1);
		world_turn(&world);
		world_turn(&world);
		client_receive(&client);
		assert_false(client_take(&client, &answer));
		world_answer_kept(&world);
		assert_int_equal(1, http_server_unsent(world.server));
		assert_int_equal(0, http_server_timeout_ms(world.server));
		await(&world, &client);
		assert_string_equal("{\"a\":1}", answer.body);
	}
	assert_int_equal(3, world.handled);
	client_close(&client);
	world_close(&world);
}

static void an_answer_is_on_the_wire_after_one_run(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	world.keep = true;
	client_open(&client, world.port, NULL);
	send_post(&client, "now");
	await_kept(&world, 1);
	world_answer_kept(&world);
	http_server_run(world.server);
	client_receive(&client);
	assert_true(client_take(&client, &answer));
	client_close(&client);
	world_close(&world);
}

static void pipelined_requests_keep_their_order(void **state)
{
	struct world world;
	struct client client;
	char text[8192], body[32];
	size_t length = 0;

	(void)state;
	world_open(&world, NULL, NULL);
	client_open(&client, world.port, NULL);
	for (unsigned keep = 0; keep < 2; keep++) {
		world.keep = keep == 1;
		length = 0;
		for (unsigned i = 0; i < 40; i++) {
			snprintf(body, sizeof(body), "request %u", i);
			length += post(text + length, sizeof(text) - length, body);
		}
		assert_int_equal(length, client_send(&client, text, length));
		for (unsigned i = 0; i < 40; i++) {
			if (world.keep) {
				await_kept(&world, 1);
				world_answer_kept(&world);
			}
			await(&world, &client);
			snprintf(body, sizeof(body), "request %u", i);
			assert_string_equal(body, answer.body);
		}
	}
	client_close(&client);
	world_close(&world);
}

/* More ready sockets than libmicrohttpd takes from the kernel at a time. */
static void many_at_once(struct world *world, struct client *clients, size_t count)
{
	char body[32];

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < count; i++) {
			snprintf(body, sizeof(body), "%u of round %u", i, round);
			send_post(&clients[i], body);
		}
		await_kept(world, count);
		world_answer_kept(world);
		assert_int_equal(count, http_server_unsent(world->server));
		http_server_run(world->server);
		assert_int_equal(0, http_server_unsent(world->server));
		for (unsigned i = 0; i < count; i++) {
			await(world, &clients[i]);
			snprintf(body, sizeof(body), "%u of round %u", i, round);
			assert_string_equal(body, answer.body);
		}
	}
	assert_int_equal(3 * count, world->handled);
}

static void many_connections_at_once(void **state)
{
	static struct client clients[MANY];
	struct world world;

	(void)state;
	world_open(&world, NULL, NULL);
	world.keep = true;
	for (unsigned i = 0; i < MANY; i++) {
		client_open(&clients[i], world.port, NULL);
	}
	many_at_once(&world, clients, MANY);
	assert_int_equal(MANY, http_server_connections(world.server));
	for (unsigned i = 0; i < MANY; i++) {
		client_close(&clients[i]);
	}
	world_close(&world);
}

static void a_slow_client_does_not_hold_up_others(void **state)
{
	struct world world;
	struct client slow, quick;
	char text[512];
	size_t length = post(text, sizeof(text), "{\"slow\":true}");

	(void)state;
	world_open(&world, NULL, NULL);
	client_open(&slow, world.port, NULL);
	client_open(&quick, world.port, NULL);
	for (size_t i = 0; i < length; i++) {
		assert_int_equal(1, client_send(&slow, text + i, 1));
		world_turn(&world);
		if (i % 50 == 0) {
			send_post(&quick, "quick");
			await(&world, &quick);
			assert_string_equal("quick", answer.body);
		}
	}
	await(&world, &slow);
	assert_string_equal("{\"slow\":true}", answer.body);
	client_close(&slow);
	client_close(&quick);
	world_close(&world);
}

/* Send a header and `length` octets of body as fast as the server takes them. */
static void send_body(
	struct world *world, struct client *client, const char *header, size_t length, bool chunked)
{
	char piece[1008];
	size_t sent = 0;

	memset(piece, 'a', sizeof(piece));
	client_send_text(client, header);
	while (sent < length && !client->closed) {
		size_t want = length - sent < 1000 ? length - sent : 1000;
		size_t at = 0, end = want;

		if (chunked) {
			memcpy(piece, "3e8\r\n", 5);
			memcpy(piece + 1005, "\r\n", 2);
			want = 1000;
			end = 1007;
		}
		while (at < end && !client->closed) {
			at += client_send(client, piece + at, end - at);
			if (at < end) {
				world_turn(world);
			}
		}
		sent += want;
	}
	if (chunked && !client->closed) {
		client_send_text(client, "0\r\n\r\n");
	}
}

#define CHUNKED "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

static void bodies_up_to_the_limit(void **state)
{
	static const size_t lengths[] = {
		1, 1023, 1024, 1025, 20000, WORLD_BODY_MAX - 1, WORLD_BODY_MAX};
	struct world world;
	struct client client;
	char header[128];

	(void)state;
	world_open(&world, NULL, NULL);
	client_open(&client, world.port, NULL);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		snprintf(header, sizeof(header),
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", lengths[i]);
		send_body(&world, &client, header, lengths[i], false);
		await(&world, &client);
		assert_int_equal(200, answer.status);
		assert_int_equal(lengths[i], answer.length);
		assert_int_equal(lengths[i], strspn(answer.body, "a"));
	}
	send_body(&world, &client, CHUNKED, 32000, true);
	await(&world, &client);
	assert_int_equal(200, answer.status);
	assert_int_equal(32000, answer.length);
	client_close(&client);
	world_close(&world);
}

static void a_body_above_the_limit_is_413(void **state)
{
	struct world world;
	struct client client;
	char header[128];

	(void)state;
	world_open(&world, NULL, NULL);
	client_open(&client, world.port, NULL);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(header, sizeof(header),
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
			WORLD_BODY_MAX + 1);
		send_body(&world, &client, header, WORLD_BODY_MAX + 1, false);
		await(&world, &client);
		assert_int_equal(413, answer.status);
		send_body(&world, &client, CHUNKED, WORLD_BODY_MAX + 5000, true);
		await(&world, &client);
		assert_int_equal(413, answer.status);
		send_post(&client, "small");
		await(&world, &client);
		assert_int_equal(200, answer.status);
	}
	assert_int_equal(2, world.handled);
	client_close(&client);
	world_close(&world);
}

static void a_huge_body_is_not_read(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	client_open(&client, world.port, NULL);
	client_send_text(
		&client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
	await(&world, &client);
	assert_int_equal(413, answer.status);
	await_closed(&world, &client);
	client_close(&client);

	client_open(&client, world.port, NULL);
	send_body(&world, &client, CHUNKED, 4000000, true);
	await_closed(&world, &client);
	client_close(&client);
	assert_int_equal(0, world.handled);
	assert_int_equal(0, http_server_active(world.server));
	world_close(&world);
}

static void expect_100_continue(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	client_open(&client, world.port, NULL);
	client_send_text(&client, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
				  "Content-Length: 5\r\n\r\n");
	await(&world, &client);
	assert_int_equal(100, answer.status);
	client_send_text(&client, "later");
	await(&world, &client);
	assert_int_equal(200, answer.status);
	assert_string_equal("later", answer.body);
	client_send_text(&client, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
				  "Content-Length: 40000\r\n\r\n");
	await(&world, &client);
	assert_int_equal(413, answer.status);
	client_close(&client);
	world_close(&world);
}

static void a_client_that_leaves_is_forgotten(void **state)
{
	struct world world;
	struct client client, other;

	(void)state;
	world_open(&world, NULL, NULL);
	world.keep = true;
	client_open(&client, world.port, NULL);
	client_open(&other, world.port, NULL);
	send_post(&client, "left");
	send_post(&other, "stays");
	await_kept(&world, 2);
	/* Reset, not only closed: nobody is there to read the answer. */
	assert_int_equal(0, setsockopt(client.fd, SOL_SOCKET, SO_LINGER,
				    &(struct linger){.l_onoff = 1}, sizeof(struct linger)));
	client_close(&client);
	for (unsigned i = 0; i < TURNS_MAX && world.gone == 0; i++) {
		world_turn(&world);
	}
	assert_int_equal(1, world.gone);
	world_answer_kept(&world);
	await(&world, &other);
	assert_string_equal("stays", answer.body);
	assert_int_equal(0, http_server_active(world.server));
	client_close(&other);
	world_close(&world);
}

static void an_answer_to_nobody(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	world.keep = true;
	client_open(&client, world.port, NULL);
	send_post(&client, "left");
	await_kept(&world, 1);
	world_answer_kept(&world);
	client_close(&client);
	for (unsigned i = 0; i < TURNS_MAX && http_server_connections(world.server) > 0; i++) {
		world_turn(&world);
	}
	assert_int_equal(0, http_server_connections(world.server));
	assert_int_equal(0, http_server_unsent(world.server));
	assert_int_equal(0, http_server_active(world.server));
	world_close(&world);
}

static void closing_forgets_what_is_pending(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	world.keep = true;
	client_open(&client, world.port, NULL);
	send_post(&client, "pending");
	await_kept(&world, 1);
	world_close(&world);
	assert_int_equal(1, world.gone);
	client_close(&client);
}

static void nonsense_is_400(void **state)
{
	static const char *const texts[] = {
		"\r\n\r\nrubbish\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
	};
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		client_open(&client, world.port, NULL);
		client_send_text(&client, texts[i]);
		await_closed(&world, &client);
		if (client_take(&client, &answer)) {
			assert_in_range(answer.status, 400, 499);
		}
		client_close(&client);
	}
	assert_int_equal(0, world.handled);
	world_close(&world);
}

static void quiesced_it_finishes_and_takes_no_more(void **state)
{
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	world.keep = true;
	client_open(&client, world.port, NULL);
	send_post(&client, "last");
	await_kept(&world, 1);
	http_server_quiesce(world.server);
	assert_int_equal(1, http_server_active(world.server));
	world_answer_kept(&world);
	await(&world, &client);
	assert_string_equal("last", answer.body);
	assert_non_null(strstr(answer.header, "Connection: close"));
	assert_int_equal(0, http_server_active(world.server));
	await_closed(&world, &client);
	client_close(&client);
	world_close(&world);
}

/* keywardd and other fronts hold the same socket: closing ours must not end it for them. */
static void closing_leaves_a_shared_listener_alone(void **state)
{
	uint16_t port;
	int listener = world_listener(&port);
	int shared = dup(listener);
	struct http_server_options options = {
		.listeners = &listener,
		.listener_count = 1,
		.body_max = 100,
		.connections_max = 10,
		.idle_timeout_s = 1,
		.handler = (http_handler)abort,
	};
	struct http_server *server;
	struct client client;
	int accepted;

	(void)state;
	assert_int_equal(KW_OK, http_server_open(&options, &server));
	http_server_run(server);
	http_server_close(server);
	client_open(&client, port, NULL);
	accepted = accept(shared, NULL, NULL);
	assert_true(accepted >= 0);
	close(accepted);
	close(shared);
	client_close(&client);
	http_server_close(NULL);
}

static double cpu_s(void)
{
	struct rusage usage;

	assert_int_equal(0, getrusage(RUSAGE_SELF, &usage));
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) / 1e6;
}

static void idle_it_does_not_spin(void **state)
{
	struct world world;
	struct client idle, half, answered;
	unsigned sleepless = 0;
	double before;

	(void)state;
	world_open(&world, NULL, NULL);
	client_open(&idle, world.port, NULL);
	client_open(&half, world.port, NULL);
	client_open(&answered, world.port, NULL);
	client_send_text(&half, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
	send_post(&answered, "x");
	await(&world, &answered);
	for (unsigned i = 0; i < 10; i++) {
		world_turn(&world);
	}
	before = cpu_s();
	for (unsigned i = 0; i < 10; i++) {
		sleepless += http_server_timeout_ms(world.server) == 0;
		world_turn(&world);
	}
	assert_int_equal(0, sleepless);
	assert_true(cpu_s() - before < 0.1);
	client_close(&idle);
	client_close(&half);
	client_close(&answered);
	world_close(&world);
}

/* ---- TLS ---- */

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
		cmocka_unit_test(what_the_request_says),
		cmocka_unit_test(a_request_without_a_body),
		cmocka_unit_test(a_kept_request_is_answered_later),
		cmocka_unit_test(an_answer_is_on_the_wire_after_one_run),
		cmocka_unit_test(pipelined_requests_keep_their_order),
		cmocka_unit_test(many_connections_at_once),
		cmocka_unit_test(a_slow_client_does_not_hold_up_others),
		cmocka_unit_test(bodies_up_to_the_limit),
		cmocka_unit_test(a_body_above_the_limit_is_413),
		cmocka_unit_test(a_huge_body_is_not_read),
		cmocka_unit_test(expect_100_continue),
		cmocka_unit_test(a_client_that_leaves_is_forgotten),
		cmocka_unit_test(an_answer_to_nobody),
		cmocka_unit_test(closing_forgets_what_is_pending),
		cmocka_unit_test(nonsense_is_400),
		cmocka_unit_test(quiesced_it_finishes_and_takes_no_more),
		cmocka_unit_test(closing_leaves_a_shared_listener_alone),
		cmocka_unit_test(idle_it_does_not_spin),
		cmocka_unit_test_setup_teardown(tls_of_each_version, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(tls_speaks_http_1_1_by_alpn, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(tls_large_bodies, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(tls_pipelined, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(tls_many_connections_at_once, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(plain_text_to_a_tls_port, tls_open, tls_close),
		cmocka_unit_test_setup_teardown(a_bad_certificate_is_refused, tls_open, tls_close),
	};

	/* What it says about broken certificates is not of interest here. */
	kw_log_setup(KW_LOG_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
