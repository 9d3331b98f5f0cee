#include "http/server.h"

#include "tests/http/drive.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void collect(void *context, const char *value)
{
	strcat(context, value);
	strcat(context, ";");
}

static void look(const struct http_request *request)
{
	char all[64] = "";
	struct http_octets none;
	size_t length;

	assert_string_equal("PUT", http_request_method(request));
	assert_string_equal("/a b/c", http_request_path(request));
	assert_string_equal("Bearer t", http_request_header(request, "authorization"));
	assert_null(http_request_header(request, "X-Absent"));
	assert_int_equal(2, http_request_header_count(request, "x-TWICE"));
	assert_int_equal(1, http_request_header_count(request, "Authorization"));
	assert_int_equal(0, http_request_header_count(request, "X-Twic"));
	assert_int_equal(0, http_request_header_count(request, "q"));
	assert_int_equal(AF_INET, http_request_address(request)->sa_family);
	assert_int_equal(htonl(INADDR_LOOPBACK),
		((const struct sockaddr_in *)(const void *)http_request_address(request))
			->sin_addr.s_addr);
	assert_int_equal(0, http_request_certificates(request, &none, 1));
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
		"X-Twice: 1\r\nx-twice: 2\r\n"
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
