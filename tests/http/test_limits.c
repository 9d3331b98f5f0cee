/* How many connections there may be, and how long each may take. */
#include "base/env.h"
#include "http/connection_limits.h"
#include "tests/http/drive.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What the server has done with all that clients did so far. */
static void settle(struct world *world)
{
	for (unsigned i = 0; i < 5; i++) {
		world_turn(world);
	}
}

static void ask(struct world *world, struct client *client, const char *body)
{
	send_post(client, body);
	await(world, client);
	assert_int_equal(200, answer.status);
	assert_string_equal(body, answer.body);
}

static bool is_closed(struct client *client)
{
	client_receive(client);
	return client->closed;
}

static bool nobody_else(void *context, const struct sockaddr *address)
{
	(void)context;
	return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr ==
	       inet_addr("127.0.0.3");
}

static void each_address_has_its_limit(void **state)
{
	const struct world_limits limits = {
		.connections = 100, .per_address = 3, .idle_s = 60, .exempt = nobody_else};
	struct client theirs[5], ours, proxied[5];
	struct world world;

	(void)state;
	world_open_limited(&world, &limits);
	for (unsigned i = 0; i < 5; i++) {
		client_open_from(&theirs[i], "127.0.0.2", world.port);
		settle(&world);
		assert_int_equal(i >= 3, is_closed(&theirs[i]));
	}
	assert_int_equal(2, http_server_limits_count(world.server).refused);
	/* Others come in, and a proxy has as many as it likes. */
	client_open(&ours, world.port, NULL);
	ask(&world, &ours, "ours");
	for (unsigned i = 0; i < 5; i++) {
		client_open_from(&proxied[i], "127.0.0.3", world.port);
		ask(&world, &proxied[i], "proxied");
		client_close(&proxied[i]);
	}
	/* What is closed is counted no more. */
	for (unsigned i = 0; i < 5; i++) {
		client_close(&theirs[i]);
	}
	settle(&world);
	for (unsigned i = 0; i < 3; i++) {
		client_open_from(&theirs[i], "127.0.0.2", world.port);
		ask(&world, &theirs[i], "again");
	}
	for (unsigned i = 0; i < 3; i++) {
		client_close(&theirs[i]);
	}
	assert_int_equal(2, http_server_limits_count(world.server).refused);
	client_close(&ours);
	world_close(&world);
}

static struct sockaddr_in6 address_of(const char *text)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	struct sockaddr_in *v4 = (void *)&address;

	if (inet_pton(AF_INET6, text, &address.sin6_addr) != 1) {
		address = (struct sockaddr_in6){.sin6_family = AF_INET};
		assert_int_equal(1, inet_pton(AF_INET, text, &v4->sin_addr));
	}
	return address;
}

static bool may_come(struct http_limits *limits, const char *text)
{
	const struct sockaddr_in6 address = address_of(text);

	return http_limits_admit(limits, (const struct sockaddr *)(const void *)&address);
}

static void comes(struct http_limits *limits, struct http_slot *slot, const char *text)
{
	const struct sockaddr_in6 address = address_of(text);

	http_limits_enter(limits, slot, -1, (const struct sockaddr *)(const void *)&address);
}

/* A subscriber has all addresses of an IPv6 network; IPv4 within IPv6 is IPv4. */
static void an_ipv6_network_has_one_limit(void **state)
{
	const struct http_server_options options = {.connections_max = 100, .per_address_max = 2};
	struct http_slot slots[4];
	struct http_limits limits;
	unsigned others = 0;
	char text[64];

	(void)state;
	assert_int_equal(KW_OK, http_limits_open(&limits, &options));
	comes(&limits, &slots[0], "2001:db8:1:2::1");
	assert_true(may_come(&limits, "2001:db8:1:2:ffff::1"));
	comes(&limits, &slots[1], "2001:db8:1:2:ffff::1");
	assert_false(may_come(&limits, "2001:db8:1:2:abcd:ef01:2345:6789"));
	comes(&limits, &slots[2], "::ffff:192.0.2.1");
	comes(&limits, &slots[3], "192.0.2.1");
	assert_false(may_come(&limits, "::ffff:192.0.2.1"));
	assert_false(may_come(&limits, "192.0.2.1"));
	/* Others are counted apart; few fall together with one of these by chance. */
	for (unsigned i = 2; i < 102; i++) {
		snprintf(text, sizeof(text), "2001:db8:1:%x::1", i + 1);
		others += may_come(&limits, text);
		snprintf(text, sizeof(text), "::ffff:192.0.2.%u", i);
		others += may_come(&limits, text);
	}
	assert_in_range(others, 150, 200);
	for (unsigned i = 0; i < 4; i++) {
		http_limits_leave(&limits, &slots[i]);
	}
	assert_true(may_come(&limits, "2001:db8:1:2::1"));
	http_limits_close(&limits);
}

static unsigned looks;

ssize_t __real_recv(int fd, void *octets, size_t length, int flags);
ssize_t __wrap_recv(int fd, void *octets, size_t length, int flags);

ssize_t __wrap_recv(int fd, void *octets, size_t length, int flags)
{
	looks += (flags & MSG_PEEK) != 0;
	return __real_recv(fd, octets, length, flags);
}

/* In one piece with a part of a request, the end of a connection is not noticed by the library. */
static void who_has_closed_is_not_counted(void **state)
{
	const struct world_limits limits = {.connections = 100, .per_address = 3, .idle_s = 60};
	struct client client;
	struct world world;

	(void)state;
	world_open_limited(&world, &limits);
	for (unsigned i = 0; i < 20; i++) {
		client_open_from(&client, "127.0.0.2", world.port);
		client_send_text(&client, "POST / HT");
		client_close(&client);
		settle(&world);
	}
	client_open_from(&client, "127.0.0.2", world.port);
	ask(&world, &client, "served");
	assert_int_equal(0, http_server_limits_count(world.server).refused);
	client_close(&client);
	world_close(&world);
}

/* One who has gone is found among many who have not, by a few attempts that cost little each. */
static void who_is_refused_takes_little_time(void **state)
{
	enum {
		OPEN = 100,
		LOOKS_MAX = 48,
		ATTEMPTS = 10,
	};
	const struct world_limits limits = {.connections = 200, .per_address = OPEN, .idle_s = 60};
	struct client clients[OPEN], client;
	struct world world;
	bool served = false;

	(void)state;
	world_open_limited(&world, &limits);
	for (unsigned i = 0; i < OPEN; i++) {
		client_open_from(&clients[i], "127.0.0.2", world.port);
		client_send_text(&clients[i], "POST / HT");
		settle(&world);
	}
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		looks = 0;
		client_open_from(&client, "127.0.0.2", world.port);
		settle(&world);
		assert_true(is_closed(&client));
		assert_in_range(looks, 1, LOOKS_MAX);
		client_close(&client);
	}
	client_close(&clients[OPEN / 2]);
	settle(&world);
	for (unsigned i = 0; i < ATTEMPTS && !served; i++) {
		client_open_from(&client, "127.0.0.2", world.port);
		settle(&world);
		served = !is_closed(&client);
		if (served) {
			ask(&world, &client, "served");
		}
		client_close(&client);
	}
	assert_true(served);
	for (unsigned i = 0; i < OPEN; i++) {
		if (i != OPEN / 2) {
			client_close(&clients[i]);
		}
	}
	world_close(&world);
}

static void a_newcomer_takes_the_place_of_the_oldest_idle(void **state)
{
	const struct world_limits limits = {.connections = 4, .idle_s = 60, .request_s = 60};
	struct client kept, silent[3], slow, fresh;
	struct world world;

	(void)state;
	world_open_limited(&world, &limits);
	client_open(&kept, world.port, NULL);
	ask(&world, &kept, "kept");
	for (unsigned i = 0; i < 3; i++) {
		client_open(&silent[i], world.port, NULL);
		settle(&world);
	}
	client_open(&fresh, world.port, NULL);
	ask(&world, &fresh, "fresh");
	assert_true(is_closed(&silent[0]));
	assert_false(is_closed(&silent[1]));
	/* Those that have asked go after those that have not, and before those that are asking. */
	client_send_text(&silent[1], HEADER);
	settle(&world);
	client_open(&slow, world.port, NULL);
	client_send_text(&slow, HEADER "ab");
	settle(&world);
	assert_true(is_closed(&silent[2]));
	ask(&world, &kept, "kept still");
	assert_int_equal(4, http_server_connections(world.server));
	client_close(&silent[0]);
	client_open(&silent[0], world.port, NULL);
	settle(&world);
	assert_true(is_closed(&fresh));
	client_send_text(&slow, "cde");
	await(&world, &slow);
	assert_string_equal("abcde", answer.body);
	assert_int_equal(3, http_server_limits_count(world.server).displaced);
	client_close(&kept);
	client_close(&slow);
	client_close(&fresh);
	for (unsigned i = 0; i < 3; i++) {
		client_close(&silent[i]);
	}
	world_close(&world);
}

/* Send an octet now and then until the server closes; @return after how many ms. */
static uint64_t trickle(struct world *world, struct client *client, const char *text)
{
	uint64_t start = now_ms(), sent = 0;

	for (uint64_t at = 0; !is_closed(client) && at < 20000; at = now_ms() - start) {
		if (at / 100 > sent && sent < strlen(text)) {
			client_send(client, text + sent, 1);
			sent++;
		}
		world_turn(world);
	}
	return now_ms() - start;
}

static void the_whole_header_has_a_time(void **state)
{
	const struct world_limits limits = {.connections = 10, .idle_s = 2, .request_s = 1};
	struct client client;
	struct world world;
	uint64_t took;

	(void)state;
	world_open_limited(&world, &limits);
	client_open(&client, world.port, NULL);
	took = trickle(
		&world, &client, "POST / HTTP/1.1\r\nHost: x\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaa");
	assert_true(took >= 900 && took < 15000);
	assert_int_equal(1, http_server_limits_count(world.server).timed_out);
	client_close(&client);
	/* One that has been served may wait for longer. */
	client_open(&client, world.port, NULL);
	ask(&world, &client, "first");
	took = trickle(
		&world, &client, "POST / HTTP/1.1\r\nHost: x\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaa");
	assert_true(took >= 1800 && took < 15000);
	assert_int_equal(1, http_server_limits_count(world.server).timed_out);
	client_close(&client);
	assert_int_equal(0, world.gone);
	settle(&world);
	assert_int_equal(0, http_server_connections(world.server));
	world_close(&world);
}

static void the_whole_body_has_a_time(void **state)
{
	const struct world_limits limits = {.connections = 10, .idle_s = 60, .request_s = 1};
	struct client client, busy;
	struct world world;
	uint64_t took;

	(void)state;
	world_open_limited(&world, &limits);
	world.keep = true;
	/* One that has sent all of it waits for us. */
	client_open(&busy, world.port, NULL);
	send_post(&busy, "all");
	await_kept(&world, 1);
	client_open(&client, world.port, NULL);
	client_send_text(&client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
	took = trickle(&world, &client, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	assert_true(took >= 900 && took < 15000);
	assert_int_equal(1, http_server_limits_count(world.server).timed_out);
	assert_int_equal(1, world.handled);
	world_answer_kept(&world);
	await(&world, &busy);
	assert_string_equal("all", answer.body);
	client_close(&client);
	client_close(&busy);
	world_close(&world);
}

/* Who does not read what it asked for does not hold its connection for long either. */
static void reading_the_answers_has_a_time(void **state)
{
	const struct world_limits limits = {.connections = 10, .idle_s = 60, .request_s = 1};
	const uint64_t start = now_ms();
	static char body[30000], text[31000];
	const int little = 4096;
	struct client client;
	struct world world;
	size_t length, at = 0;

	(void)state;
	world_open_limited(&world, &limits);
	memset(body, 'a', sizeof(body) - 1);
	length = post(text, sizeof(text), body);
	client_open(&client, world.port, NULL);
	assert_int_equal(0, setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)));
	while (http_server_limits_count(world.server).timed_out == 0 && now_ms() - start < 20000) {
		at += client_send(&client, text + at, length - at);
		at = at == length ? 0 : at;
		world_turn(&world);
	}
	assert_int_equal(1, http_server_limits_count(world.server).timed_out);
	assert_true(world.handled > 0 && now_ms() - start >= 900);
	settle(&world);
	assert_int_equal(0, http_server_connections(world.server));
	client_close(&client);
	world_close(&world);
}

static void all_bodies_have_a_limit(void **state)
{
	const struct world_limits limits = {
		.connections = 10, .idle_s = 60, .request_s = 60, .bodies = 10000};
	static char large[6000];
	struct client first, second, small;
	struct world world;

	(void)state;
	world_open_limited(&world, &limits);
	memset(large, 'a', sizeof(large));
	client_open(&first, world.port, NULL);
	client_open(&second, world.port, NULL);
	client_open(&small, world.port, NULL);
	client_send_text(&first, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7000\r\n\r\n");
	assert_int_equal(sizeof(large), client_send(&first, large, sizeof(large)));
	settle(&world);
	/* There is no room for another of this size, but for those of usual ones. */
	client_send_text(&second, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7000\r\n\r\n");
	client_send(&second, large, sizeof(large));
	settle(&world);
	assert_true(is_closed(&second));
	assert_false(is_closed(&first));
	ask(&world, &small, "small");
	client_close(&first);
	client_close(&second);
	settle(&world);
	client_open(&second, world.port, NULL);
	client_send_text(&second, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\n\r\n");
	client_send(&second, large, sizeof(large));
	await(&world, &second);
	assert_int_equal(sizeof(large), answer.length);
	client_close(&second);
	client_close(&small);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_address_has_its_limit),
		cmocka_unit_test(an_ipv6_network_has_one_limit),
		cmocka_unit_test(who_has_closed_is_not_counted),
		cmocka_unit_test(who_is_refused_takes_little_time),
		cmocka_unit_test(a_newcomer_takes_the_place_of_the_oldest_idle),
		cmocka_unit_test(the_whole_header_has_a_time),
		cmocka_unit_test(the_whole_body_has_a_time),
		cmocka_unit_test(reading_the_answers_has_a_time),
		cmocka_unit_test(all_bodies_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
