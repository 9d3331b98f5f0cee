#include "tests/http/drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct answer answer;

void await(struct world *world, struct client *client)
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

void await_kept(struct world *world, size_t count)
{
	for (unsigned i = 0; i < TURNS_MAX && world->kept_count < count; i++) {
		world_turn(world);
	}
	assert_int_equal(count, world->kept_count);
}

void await_closed(struct world *world, struct client *client)
{
	for (unsigned i = 0; i < TURNS_MAX && !client->closed; i++) {
		world_turn(world);
		client_receive(client);
	}
	assert_true(client->closed);
}

size_t post(char *out, size_t size, const char *body)
{
	int length = snprintf(out, size,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body), body);

	assert_true(length > 0 && (size_t)length < size);
	return (size_t)length;
}

void send_post(struct client *client, const char *body)
{
	char text[1024];
	size_t length = post(text, sizeof(text), body);

	assert_int_equal(length, client_send(client, text, length));
}

void many_at_once(struct world *world, struct client *clients, size_t count)
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

void send_body(
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
