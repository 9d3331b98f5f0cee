#include "js/front_batch.h"

#include "base/env.h"
#include "ipc/channel.h"
#include "js/front_http.h"
#include "js/proxies.h"
#include "tests/http/client.h"
#include "tests/http/world.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS   40 /* more than are decoded before an idle vault is asked */
#define TURNS_MAX 500

/* A front of one server and one channel, whose other end the test holds. */
struct scene {
	struct http_server *server;
	struct js_front_batch batch;
	struct js_front_http http;
	struct js_identities identities;
	struct js_proxies proxies;
	struct js_front_posts posts;
	struct ipc_report report;
	uint16_t port;
	int vault;
	struct client clients[CLIENTS];
	struct answer answer;
	uint8_t message[IPC_MESSAGE_MAX]; /* what the vault received last */
};

static struct scene *scene_open(void)
{
	static const struct js_front_posts_files no_files = {0};
	struct scene *scene = calloc(1, sizeof(*scene));
	const struct js_front_teller teller = {&scene->report, &scene->posts};
	int listener, channel[2];
	struct http_server_options options = {
		.listeners = &listener,
		.listener_count = 1,
		.body_max = 32768,
		.connections_max = 1000,
		.idle_timeout_s = 30,
		.handler = js_front_http_handle,
		.gone = js_front_http_gone,
		.context = &scene->http,
	};

	assert_non_null(scene);
	listener = world_listener(&scene->port);
	assert_int_equal(KW_OK, ipc_channel_pair(channel));
	scene->vault = channel[1];
	assert_int_equal(KW_OK, js_identities_init(&scene->identities, &scene->proxies, "", false));
	assert_int_equal(KW_OK, js_front_posts_init(&scene->posts, &no_files, &scene->report));
	assert_int_equal(KW_OK, js_front_batch_init(&scene->batch, channel[0], &teller));
	assert_int_equal(KW_OK, js_front_http_init(&scene->http, "/", &scene->batch,
					&scene->identities, &scene->report));
	assert_int_equal(KW_OK, http_server_open(&options, &scene->server));
	return scene;
}

static void scene_close(struct scene *scene)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (scene->clients[i].in != NULL) {
			client_close(&scene->clients[i]);
		}
	}
	http_server_close(scene->server);
	js_front_http_finish(&scene->http);
	close(scene->batch.channel);
	close(scene->vault);
	js_front_batch_finish(&scene->batch);
	js_front_posts_finish(&scene->posts);
	js_identities_finish(&scene->identities);
	free(scene);
}

/* One turn of a front's loop, but that it never sleeps for long. */
static void turn(struct scene *scene)
{
	int fds[HTTP_FDS_MAX];
	struct pollfd polled = {.events = POLLIN};

	assert_int_equal(1, http_server_fds(scene->server, fds));
	polled.fd = fds[0];
	poll(&polled, 1, 1);
	http_server_run(scene->server);
	js_front_batch_run(&scene->batch);
}

/* HomeNSReq has the fewest fields. The transaction tells who asked. */
static void ask(struct scene *scene, unsigned from, unsigned to)
{
	char body[256], text[1024];

	for (unsigned i = from; i < to; i++) {
		struct client *client = &scene->clients[i];
		int length = snprintf(body, sizeof(body),
			"{\"ProtocolVersion\":\"1.0\",\"SenderID\":\"000013\",\"ReceiverID\":"
			"\"70b3d57ed0000000\",\"TransactionID\":%u,\"MessageType\":\"HomeNSReq\","
			"\"DevEUI\":\"70b3d57ed00000%02x\"}",
			i, i);

		assert_true(length > 0 && (size_t)length < sizeof(body));
		snprintf(text, sizeof(text),
			"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n"
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			length, body);
		if (client->in == NULL) {
			client_open(client, scene->port, NULL);
		}
		client_send_text(client, text);
	}
}

/* Run the front until it asked something; @return how many questions. */
static size_t hear(struct scene *scene)
{
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		size_t length;
		enum kw_err err = ipc_receive(scene->vault, scene->message, true, &length);

		if (err == KW_OK) {
			const struct ipc_header *header = (const void *)scene->message;

			assert_int_equal(IPC_BACKEND, header->kind);
			return header->count;
		}
		assert_int_equal(KW_E_BUSY, err);
		turn(scene);
	}
	fail_msg("the vault is not asked");
	return 0;
}

static void hear_nothing(struct scene *scene)
{
	size_t length;

	for (unsigned i = 0; i < 20; i++) {
		turn(scene);
		assert_int_equal(
			KW_E_BUSY, ipc_receive(scene->vault, scene->message, true, &length));
	}
}

/* Answer a message as the vault would; of its questions only the first `count`. */
static void say(struct scene *scene, const uint8_t *message, size_t count)
{
	const struct ipc_header *asked = (const void *)message;
	const struct ipc_backend_req *questions = ipc_body(message);
	struct ipc_backend_ans answers[IPC_BATCH_MAX];
	struct ipc_header header = {
		.kind = IPC_BACKEND, .count = (uint16_t)count, .number = asked->number};

	memset(answers, 0, sizeof(answers));
	for (size_t i = 0; i < count; i++) {
		answers[i].number = questions[i].number;
		strcpy(answers[i].peer, "test");
		memcpy(answers[i].h_net_id, "\x60\x00\x08", 3);
	}
	assert_int_equal(KW_OK,
		ipc_send(scene->vault, &header, answers, count * sizeof(answers[0]), NULL, 0));
}

static void hello(struct scene *scene, uint64_t generation)
{
	const struct ipc_hello body = {.generation = generation};
	struct ipc_header header = {.kind = IPC_HELLO, .count = 1};

	assert_int_equal(KW_OK, ipc_send(scene->vault, &header, &body, sizeof(body), NULL, 0));
}

static const char *await(struct scene *scene, unsigned client)
{
	uint64_t give_up_us = kw_mono_us(&kw_env_system) + 30 * 1000 * 1000;

	while (kw_mono_us(&kw_env_system) < give_up_us) {
		client_receive(&scene->clients[client]);
		if (client_take(&scene->clients[client], &scene->answer)) {
			return scene->answer.body;
		}
		turn(scene);
	}
	fail_msg("no answer");
	return NULL;
}

static void await_good(struct scene *scene, unsigned from, unsigned to)
{
	char transaction[40];

	for (unsigned i = from; i < to; i++) {
		const char *body = await(scene, i);

		snprintf(transaction, sizeof(transaction), "\"TransactionID\":%u,", i);
		assert_int_equal(200, scene->answer.status);
		assert_non_null(strstr(body, transaction));
		assert_non_null(strstr(body, "\"HNetID\":\"600008\""));
	}
}

static void what_waits_goes_together(void **state)
{
	struct scene *scene = scene_open();
	uint8_t first[IPC_MESSAGE_MAX];
	size_t count, more;

	(void)state;
	ask(scene, 0, 1);
	assert_int_equal(1, hear(scene));
	memcpy(first, scene->message, sizeof(first));
	/* The second message goes while the first has no answer; what else comes waits. */
	ask(scene, 1, 2);
	assert_int_equal(1, hear(scene));
	ask(scene, 2, 12);
	hear_nothing(scene);
	say(scene, first, 1);
	await_good(scene, 0, 1);
	assert_int_equal(10, hear(scene));
	say(scene, scene->message, 10);
	await_good(scene, 2, 12);
	/* All entries are free again, and numbers go on. */
	ask(scene, 12, CLIENTS);
	count = hear(scene);
	say(scene, scene->message, count);
	while (count < CLIENTS - 12) {
		more = hear(scene);
		say(scene, scene->message, more);
		count += more;
	}
	assert_int_equal(CLIENTS - 12, count);
	await_good(scene, 12, CLIENTS);
	scene_close(scene);
}

/* More arrive in one turn than an idle vault need wait for. */
static void an_idle_vault_is_asked_early(void **state)
{
	struct scene *scene = scene_open();
	size_t count;

	(void)state;
	ask(scene, 0, CLIENTS);
	for (unsigned i = 0; i < TURNS_MAX && http_server_active(scene->server) < CLIENTS; i++) {
		int fds[HTTP_FDS_MAX];

		assert_int_equal(1, http_server_fds(scene->server, fds));
		http_server_run(scene->server); /* without js_front_batch_run() */
	}
	count = hear(scene);
	assert_int_equal(16, count);
	say(scene, scene->message, count);
	await_good(scene, 0, 1);
	scene_close(scene);
}

static void who_has_gone_is_not_asked_for(void **state)
{
	struct scene *scene = scene_open();
	const struct ipc_backend_req *questions;
	struct http_request *lost;

	(void)state;
	for (unsigned i = 0; i < JS_FRONT_FLIGHTS; i++) {
		ask(scene, i, i + 1);
		assert_int_equal(1, hear(scene));
	}
	ask(scene, 10, 11);
	hear_nothing(scene);
	ask(scene, 11, 12);
	hear_nothing(scene);
	/* As the server says it when the connection of the first that waits breaks. */
	assert_int_equal(2, scene->batch.to - scene->batch.from);
	lost = scene->batch.entries[scene->batch.slots[scene->batch.from]].request;
	js_front_batch_gone(&scene->batch, lost);
	say(scene, scene->message, 1); /* the second of the two that fly */
	assert_int_equal(1, hear(scene));
	questions = ipc_body(scene->message);
	assert_int_equal(11, questions[0].dev_eui[LW_EUI_SIZE - 1]);
	say(scene, scene->message, 1);
	await_good(scene, 11, 12);
	http_answer(lost, 503, NULL, NULL, 0, NULL);
	scene_close(scene);
}

static void who_is_left_out_gets_other(void **state)
{
	struct scene *scene = scene_open();
	unsigned left_out = 3;

	(void)state;
	ask(scene, 0, 3);
	/* However they came: the last question of all is left out. */
	for (size_t heard = 0; heard < 3;) {
		size_t count = hear(scene);
		const struct ipc_backend_req *questions = ipc_body(scene->message);

		heard += count;
		left_out = questions[count - 1].dev_eui[LW_EUI_SIZE - 1];
		say(scene, scene->message, heard == 3 ? count - 1 : count);
	}
	for (unsigned i = 0; i < 3; i++) {
		if (i == left_out) {
			assert_non_null(strstr(await(scene, i), "\"ResultCode\":\"Other\""));
		} else {
			await_good(scene, i, i + 1);
		}
	}
	scene_close(scene);
}

static void answers_to_nobody_are_dropped(void **state)
{
	struct scene *scene = scene_open();
	uint8_t old[IPC_MESSAGE_MAX];
	struct ipc_header *header = (struct ipc_header *)old;

	(void)state;
	ask(scene, 0, 1);
	assert_int_equal(1, hear(scene));
	memcpy(old, scene->message, sizeof(old));
	header->number += 1000; /* never asked */
	say(scene, old, 1);
	header->number -= 1000;
	say(scene, old, 1);
	say(scene, old, 1); /* a second time */
	await_good(scene, 0, 1);
	ask(scene, 0, 1);
	assert_int_equal(1, hear(scene));
	assert_true(((const struct ipc_header *)(const void *)scene->message)->number !=
		    header->number);
	say(scene, old, 1);
	hear_nothing(scene);
	say(scene, scene->message, 1);
	await_good(scene, 0, 1);
	scene_close(scene);
}

static void a_new_vault_has_lost_what_was_asked(void **state)
{
	struct scene *scene = scene_open();

	(void)state;
	hello(scene, 1);
	ask(scene, 0, 1);
	assert_int_equal(1, hear(scene));
	say(scene, scene->message, 1);
	await_good(scene, 0, 1);
	ask(scene, 0, 1);
	assert_int_equal(1, hear(scene));
	hello(scene, 1);
	hear_nothing(scene); /* the same vault */
	hello(scene, 2);
	assert_non_null(strstr(await(scene, 0), "\"ResultCode\":\"Other\""));
	say(scene, scene->message, 1); /* the old one's, late */
	ask(scene, 0, 1);
	assert_int_equal(1, hear(scene));
	say(scene, scene->message, 1);
	await_good(scene, 0, 1);
	scene_close(scene);
}

static void a_silent_vault(void **state)
{
	struct scene *scene = scene_open();
	uint64_t begun = kw_mono_us(&kw_env_system);

	(void)state;
	for (unsigned i = 0; i < JS_FRONT_FLIGHTS; i++) {
		ask(scene, i, i + 1);
		assert_int_equal(1, hear(scene));
	}
	ask(scene, 10, 11); /* waits, and is refused sooner than those that were asked */
	(void)await(scene, 10);
	assert_int_equal(503, scene->answer.status);
	assert_non_null(strstr(scene->answer.header, "Retry-After: 1\r\n"));
	assert_true(kw_mono_us(&kw_env_system) - begun >= JS_FRONT_WAIT_MAX_US);
	for (unsigned i = 0; i < JS_FRONT_FLIGHTS; i++) {
		(void)await(scene, i);
		assert_int_equal(503, scene->answer.status);
	}
	assert_true(kw_mono_us(&kw_env_system) - begun >= JS_FRONT_TIMEOUT_US);
	assert_int_equal(-1, js_front_batch_timeout_ms(&scene->batch));
	/* It wakes up, and answers late; the next request is served. */
	say(scene, scene->message, 1);
	ask(scene, 0, 1);
	assert_int_equal(1, hear(scene));
	say(scene, scene->message, 1);
	await_good(scene, 0, 1);
	scene_close(scene);
}

static void leaving(void **state)
{
	struct scene *scene = scene_open();
	uint64_t begun;

	(void)state;
	ask(scene, 0, 1);
	assert_int_equal(1, hear(scene));
	begun = kw_mono_us(&kw_env_system);
	js_front_batch_leave(&scene->batch);
	(void)await(scene, 0);
	assert_int_equal(503, scene->answer.status);
	assert_true(kw_mono_us(&kw_env_system) - begun < JS_FRONT_TIMEOUT_US);
	scene_close(scene);
}

static void a_closed_channel(void **state)
{
	struct scene *scene = scene_open();

	(void)state;
	ask(scene, 0, 2);
	(void)hear(scene);
	close(scene->vault);
	for (unsigned i = 0; i < 2; i++) {
		(void)await(scene, i);
		assert_int_equal(503, scene->answer.status);
	}
	assert_true(scene->batch.closed);
	scene->vault = dup(scene->batch.channel);
	scene_close(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_goes_together),
		cmocka_unit_test(an_idle_vault_is_asked_early),
		cmocka_unit_test(who_has_gone_is_not_asked_for),
		cmocka_unit_test(who_is_left_out_gets_other),
		cmocka_unit_test(answers_to_nobody_are_dropped),
		cmocka_unit_test(a_new_vault_has_lost_what_was_asked),
		cmocka_unit_test(a_silent_vault),
		cmocka_unit_test(leaving),
		cmocka_unit_test(a_closed_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
