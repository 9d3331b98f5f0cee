#include "http/server.h"

#include "tests/http/drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LINE "POST / HTTP/1.1\r\n"
#define HOST "Host: x\r\n"

/* A request that stands where the body of the first ends for who reads it the other way. */
#define HIDDEN "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"

/* Refused, and nothing that follows is read. What the library refuses itself has a body. */
static void refused(struct world *world, const char *text)
{
	struct client client;

	client_open(&client, world->port, NULL);
	client_send_text(&client, text);
	await(world, &client);
	if (answer.status != 400 || world->handled != 0) {
		fail_msg("status %u: %s", answer.status, text);
	}
	await_closed(world, &client);
	assert_int_equal(0, world->handled);
	assert_true(answer.length > 0 || client.used == 0);
	client_close(&client);
}

static void all_refused(const char *const *texts, size_t count)
{
	struct world world;

	world_open(&world, NULL, NULL);
	for (size_t i = 0; i < count; i++) {
		refused(&world, texts[i]);
	}
	world_close(&world);
}

/* Answered by us, and so that it reads: the library's own answer to the first has its header twice. */
static void host_and_line(void **state)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
	};
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		refused(&world, texts[i]);
		assert_null(strstr(answer.header + 1, "HTTP/1.1"));
		assert_int_equal(0, answer.length);
	}
	client_open(&client, world.port, NULL);
	client_send_text(&client, "GET / HTTP/1.0\r\n\r\n");
	await(&world, &client);
	assert_int_equal(200, answer.status);
	client_close(&client);
	world_close(&world);
}

static void where_a_body_ends(void **state)
{
	static const char *const texts[] = {
		LINE HOST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" HIDDEN,
		LINE HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
		LINE HOST "Transfer-Encoding: gzip\r\n\r\n" HIDDEN,
		/* A name with a blank behind it is another one, but not for everybody. */
		LINE HOST "Content-Length : 34\r\n\r\n" HIDDEN,
		LINE HOST "Content-Length: 2\r\nTransfer-Encoding\t: chunked\r\n\r\n{}" HIDDEN,
		LINE HOST "Content-Length: 2\r\nTransfer-Encoding : chunked\r\n\r\n{}" HIDDEN,
		LINE " Content-Length: 34\r\n" HOST "\r\n" HIDDEN,
		/* A line that goes on in the next one. */
		LINE HOST "Content-Length:\r\n 34\r\n\r\n" HIDDEN,
		LINE HOST "Transfer-Encoding:\r\n chunked\r\nContent-Length: 2\r\n\r\n{}" HIDDEN,
		LINE HOST "Content-Length: 34\r\n \r\n\r\n" HIDDEN,
		LINE HOST "Transfer-Encoding: chun\r\n\tked\r\nContent-Length: 2\r\n\r\n{}" HIDDEN,
	};

	(void)state;
	all_refused(texts, sizeof(texts) / sizeof(texts[0]));
}

/* What is within one line for a proxy may end the line for others, or the header. */
static void where_a_line_ends(void **state)
{
	static const char *const texts[] = {
		LINE HOST "X: y\rClient-Cert: :Zm9yZ2Vk:\r\n\r\n",
		LINE HOST "X: y\nClient-Cert: :Zm9yZ2Vk:\r\n\r\n",
		LINE HOST "X: y\r\r" HIDDEN,
		LINE HOST "X: y\n\n" HIDDEN,
		LINE HOST "X: y\r\n\r" HIDDEN,
		LINE HOST "X: y\r\n\n" HIDDEN,
		LINE HOST ": y\r\n" HIDDEN,
		LINE ": y\r\n" HOST "\r\n" HIDDEN,
		"POST / HTTP/1.1\r" HOST "\r\n" HIDDEN,
		"POST / HTTP/1.1\n" HOST "\r\n" HIDDEN,
		"POST / HTTP/1.0\r\r" HIDDEN,
		"POST / HTTP/1.0\r\n: y\r\n" HIDDEN,
	};

	(void)state;
	all_refused(texts, sizeof(texts) / sizeof(texts[0]));
}

static void a_nul(void **state)
{
	static const char text[] = LINE HOST "Content-Length: 2\0"
					     "4\r\nX: y\r\n\r\n{}";
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	client_open(&client, world.port, NULL);
	assert_int_equal(sizeof(text) - 1, client_send(&client, text, sizeof(text) - 1));
	await(&world, &client);
	assert_int_equal(400, answer.status);
	assert_int_equal(0, world.handled);
	client_close(&client);
	world_close(&world);
}

/* The library adds what a line goes on with to the name: a header that no proxy has seen. */
static void names_are_as_they_were_sent(void **state)
{
	static const char *const texts[] = {
		LINE HOST "Client-Ce: :Zm9yZ2Vk:\r\n rt\r\n\r\n",
		LINE HOST "Client-Ce: :Zm9yZ2Vk:\r\n r\r\n\tt\r\n\r\n",
		LINE HOST "Client-Ce:\r\n rt\r\nX: y\r\n\r\n",
		LINE "X: y\r\n Host: x\r\n" HOST "\r\n",
		LINE HOST "X\x01Y: z\r\n\r\n",
		LINE HOST "X(Y): z\r\n\r\n",
		LINE HOST "\xc3\xa9: z\r\n\r\n",
	};

	(void)state;
	all_refused(texts, sizeof(texts) / sizeof(texts[0]));
}

static void unusual_and_good(void **state)
{
	static const char *const texts[] = {
		LINE HOST "Content-Length:2\r\n\r\n{}",
		LINE HOST "Content-Length: \t 2\r\n\r\n{}",
		LINE HOST "content-length: 2\r\nx-!#$%&'*+-.^_`|~0Az:\r\n\r\n{}",
		LINE HOST "Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
		"\r\n\r\n" LINE HOST "Content-Length: 2\r\n\r\n{}",
		"POST /?a=b%20c&d HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}",
		LINE HOST "Cookie: a=b; c=\"d\"\r\nContent-Length: 2\r\n\r\n{}",
		LINE HOST "Content-Length: 2\r\nX: a: b\r\nY: \xc3\xa9 \r\n\r\n{}",
	};
	struct world world;
	struct client client;

	(void)state;
	world_open(&world, NULL, NULL);
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		client_open(&client, world.port, NULL);
		client_send_text(&client, texts[i]);
		await(&world, &client);
		if (answer.status != 200) {
			fail_msg("status %u: %s", answer.status, texts[i]);
		}
		assert_string_equal("{}", answer.body);
		client_close(&client);
	}
	world_close(&world);
}

/* However it comes, and however the library's buffer grows on the way. */
static void octet_by_octet(void **state)
{
	static char text[16000];
	struct world world;
	struct client client;
	size_t used = (size_t)snprintf(text, sizeof(text), LINE HOST);

	(void)state;
	while (used < 9000) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "X-%zu: %0100u\r\n",
			used, (unsigned)used);
	}
	used += (size_t)snprintf(text + used, sizeof(text) - used, "Content-Length: 2\r\n\r\n{}");
	world_open(&world, NULL, NULL);
	client_open(&client, world.port, NULL);
	for (unsigned i = 0; i < 2; i++) {
		for (size_t at = 0; at < used; at++) {
			assert_int_equal(1, client_send(&client, text + at, 1));
			http_server_run(world.server);
		}
		await(&world, &client);
		assert_int_equal(200, answer.status);
	}
	/* Several at once, and the end of the last one later. */
	client_send_text(&client, text);
	client_send_text(&client, LINE HOST "Content-Length: 2\r\nX: y\r\n\r\n{}");
	client_send_text(&client, LINE HOST "Content-Length: 2\r\nX:");
	for (unsigned i = 0; i < 2; i++) {
		await(&world, &client);
		assert_int_equal(200, answer.status);
	}
	client_send_text(&client, " y\r\n\r\n{}");
	await(&world, &client);
	assert_int_equal(200, answer.status);
	client_close(&client);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_and_line),
		cmocka_unit_test(where_a_body_ends),
		cmocka_unit_test(where_a_line_ends),
		cmocka_unit_test(a_nul),
		cmocka_unit_test(names_are_as_they_were_sent),
		cmocka_unit_test(unusual_and_good),
		cmocka_unit_test(octet_by_octet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
