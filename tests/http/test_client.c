#include "tests/http/peer.h"
#include "tests/http/poster.h"
#include "tests/http/world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND_US 1000000

static struct poster poster;
static struct peer peer, other;

static int begin(void **state)
{
	const struct http_client_options options = poster_options();

	(void)state;
	memset(&peer, 0, sizeof(peer));
	memset(&other, 0, sizeof(other));
	peer.answers[0] = 200;
	other.answers[0] = 200;
	peer_open(&peer);
	peer_open(&other);
	poster_open(&poster, &options);
	return 0;
}

static int end(void **state)
{
	(void)state;
	poster_close(&poster);
	peer_close(&peer);
	peer_close(&other);
	return 0;
}

/* Open it anew with other limits. */
static void reopen(const struct http_client_options *options)
{
	poster_close(&poster);
	poster_open(&poster, options);
}

static const struct report *post_one(uint16_t port)
{
	size_t number = poster.reported;

	assert_int_equal(KW_OK, poster_post(&poster, port, number));
	poster_await(&poster, number + 1);
	assert_int_equal(0, http_client_pending(poster.client));
	return &poster.reports[number];
}

static void await_requests(struct peer *at, size_t count)
{
	for (unsigned i = 0; i < 1000 && atomic_load(&at->requests) < count; i++) {
		poster_turn(&poster);
	}
	assert_int_equal(count, atomic_load(&at->requests));
}

static void assert_failed(const struct report *report, unsigned status, unsigned attempts)
{
	assert_false(report->ok);
	assert_int_equal(status, report->status);
	assert_int_equal(attempts, report->attempts);
}

static void a_post_arrives_as_json(void **state)
{
	const char body[] = "{\"MessageType\":\"JoinAns\"}";
	const struct report *report = &poster.reports[7];
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/a/b?c=d", peer.port);
	assert_int_equal(-1, http_client_timeout_ms(poster.client));
	assert_int_equal(KW_OK, http_client_post(poster.client, url, body, sizeof(body) - 1, 7));
	assert_int_equal(1, http_client_pending(poster.client));
	poster_await(&poster, 1);
	assert_true(report->ok);
	assert_int_equal(200, report->status);
	assert_int_equal(1, report->attempts);
	assert_memory_equal("POST /a/b?c=d HTTP/1.1\r\n", peer.request, 24);
	assert_non_null(strstr(peer.request, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(peer.request, "\r\nContent-Length: 25\r\n"));
	assert_null(strcasestr(peer.request, "\r\nExpect:"));
	assert_string_equal(body, strstr(peer.request, "\r\n\r\n") + 4);
	assert_int_equal(0, http_client_pending(poster.client));
	assert_int_equal(0, poster.ahead_us);
}

static void a_long_body_arrives(void **state)
{
	static char body[PEER_REQUEST_MAX - 512];
	char url[64];

	(void)state;
	memset(body, 'x', sizeof(body));
	snprintf(url, sizeof(url), "http://localhost:%u", peer.port);
	assert_int_equal(KW_OK, http_client_post(poster.client, url, body, sizeof(body), 0));
	poster_await(&poster, 1);
	assert_true(poster.reports[0].ok);
	assert_memory_equal(body, strstr(peer.request, "\r\n\r\n") + 4, sizeof(body));
}

static void an_empty_body_arrives(void **state)
{
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	assert_int_equal(KW_OK, http_client_post(poster.client, url, NULL, 0, 0));
	poster_await(&poster, 1);
	assert_true(poster.reports[0].ok);
	assert_non_null(strstr(peer.request, "\r\nContent-Length: 0\r\n"));
}

static void no_content_is_an_answer(void **state)
{
	(void)state;
	peer.answers[0] = 204;
	assert_true(post_one(peer.port)->ok);
	assert_int_equal(204, poster.reports[0].status);
}

static void an_error_is_tried_again(void **state)
{
	static const int statuses[] = {500, 503, 429};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct report *report;

		peer.answers[0] = statuses[i];
		peer.answers[1] = 200;
		atomic_store(&peer.requests, 0);
		report = post_one(peer.port);
		assert_true(report->ok);
		assert_int_equal(200, report->status);
		assert_int_equal(2, report->attempts);
		assert_true(report->took_ms >= 250);
		assert_int_equal(2, atomic_load(&peer.requests));
	}
	/* Each second attempt is over a connection of its own. */
	assert_int_equal(4, atomic_load(&peer.connections));
}

static void three_attempts_and_no_more(void **state)
{
	(void)state;
	peer.answers[0] = 503;
	assert_failed(post_one(peer.port), 503, 3);
	assert_true(poster.reports[0].took_ms >= 1250);
	assert_string_equal("HTTP status 503", poster.reports[0].reason);
	assert_int_equal(3, atomic_load(&peer.requests));
}

static void no_attempt_beyond_the_deadline(void **state)
{
	struct http_client_options options = poster_options();

	(void)state;
	options.deadline_ms = 1000;
	reopen(&options);
	peer.answers[0] = 500;
	assert_failed(post_one(peer.port), 500, 2);
	assert_true(poster.reports[0].took_ms < 1000);
}

static void a_refusal_is_final(void **state)
{
	static const int statuses[] = {400, 401, 404, 413, 301, 304, 600};
	char reason[64];

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		peer.answers[0] = statuses[i];
		assert_failed(post_one(peer.port), (unsigned)statuses[i], 1);
		snprintf(reason, sizeof(reason), "HTTP status %d%s", statuses[i],
			statuses[i] < 400 ? ": redirects are not followed" : "");
		assert_string_equal(reason, poster.reports[i].reason);
	}
	assert_int_equal(7, atomic_load(&peer.requests));
}

static void a_redirect_is_not_followed(void **state)
{
	(void)state;
	peer.answers[0] = PEER_REDIRECT;
	snprintf(peer.elsewhere, sizeof(peer.elsewhere), "http://127.0.0.1:%u/", other.port);
	assert_failed(post_one(peer.port), 302, 1);
	assert_int_equal(0, atomic_load(&other.connections));
}

static void a_refused_connection_is_tried_again(void **state)
{
	(void)state;
	assert_failed(post_one(peer_no_port()), 0, 3);
	assert_non_null(strstr(poster.reports[0].reason, "Failed to connect"));
}

static void a_closed_connection_is_tried_again(void **state)
{
	(void)state;
	peer.answers[0] = PEER_CLOSE;
	peer.answers[1] = 200;
	assert_true(post_one(peer.port)->ok);
	assert_int_equal(2, poster.reports[0].attempts);
}

static void an_answer_cut_short_is_a_failure(void **state)
{
	(void)state;
	peer.answers[0] = PEER_CUT;
	assert_failed(post_one(peer.port), 200, 1);
	assert_int_equal(1, atomic_load(&peer.requests));
}

static void a_huge_answer_is_cut_off(void **state)
{
	static const int answers[] = {PEER_HUGE, PEER_HUGE_HEADER};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		peer.answers[0] = answers[i];
		assert_failed(post_one(peer.port), 200, 1);
		assert_string_equal("the answer is longer than 64 KiB", poster.reports[i].reason);
	}
	assert_int_equal(2, atomic_load(&peer.requests));
}

static void silence_ends_at_the_deadline(void **state)
{
	(void)state;
	peer.answers[0] = PEER_HANG;
	assert_int_equal(KW_OK, poster_post(&poster, peer.port, 0));
	await_requests(&peer, 1);
	poster.ahead_us = 4900000;
	assert_in_range(http_client_timeout_ms(poster.client), 0, 100);
	poster.ahead_us = 4500000;
	poster_settle(&poster);
	assert_int_equal(0, poster.reported);
	poster.ahead_us = 5 * SECOND_US;
	assert_int_equal(0, http_client_timeout_ms(poster.client));
	poster_await(&poster, 1);
	assert_failed(&poster.reports[0], 0, 1);
	assert_true(poster.reports[0].took_ms >= 5000);
	assert_string_equal("no answer in time", poster.reports[0].reason);
	assert_int_equal(0, http_client_pending(poster.client));
}

static void a_trickle_ends_at_the_deadline(void **state)
{
	(void)state;
	peer.answers[0] = PEER_TRICKLE;
	assert_int_equal(KW_OK, poster_post(&poster, peer.port, 0));
	await_requests(&peer, 1);
	poster_settle(&poster);
	assert_int_equal(0, poster.reported);
	poster.ahead_us = 5 * SECOND_US;
	poster_await(&poster, 1);
	assert_failed(&poster.reports[0], 200, 1);
	assert_string_equal("the answer did not end in time", poster.reports[0].reason);
}

/* A listener whose queue is full lets no further connection come about. */
static int full_listener(uint16_t *port, int clients[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(0, bind(listener, (const struct sockaddr *)&address, length));
	assert_int_equal(0, listen(listener, 0));
	assert_int_equal(0, getsockname(listener, (struct sockaddr *)&address, &length));
	*port = ntohs(address.sin_port);
	for (unsigned i = 0; i < 2; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(clients[i], (const struct sockaddr *)&address, sizeof(address));
	}
	return listener;
}

static void a_connection_that_does_not_come_is_tried_again(void **state)
{
	uint16_t port;
	int clients[2];
	int listener = full_listener(&port, clients);

	(void)state;
	assert_int_equal(KW_OK, poster_post(&poster, port, 0));
	poster_settle(&poster);
	poster.ahead_us += 2 * SECOND_US;
	poster_settle(&poster);
	assert_int_equal(1, http_client_pending(poster.client));
	poster.ahead_us += SECOND_US;
	poster_settle(&poster);
	assert_int_equal(0, poster.reported);
	poster.ahead_us += 2 * SECOND_US;
	poster_await(&poster, 1);
	assert_failed(&poster.reports[0], 0, 2);
	assert_string_equal("no connection in time", poster.reports[0].reason);
	close(listener);
	close(clients[0]);
	close(clients[1]);
}

static void the_deadline_counts_from_submission(void **state)
{
	struct http_client_options options = poster_options();

	(void)state;
	options.connections_per_target = 1;
	reopen(&options);
	peer.answers[0] = PEER_HANG;
	assert_int_equal(KW_OK, poster_post(&poster, peer.port, 0));
	await_requests(&peer, 1);
	poster.ahead_us = 4 * SECOND_US;
	assert_int_equal(KW_OK, poster_post(&poster, peer.port, 1));
	poster.ahead_us = 5 * SECOND_US;
	poster_await(&poster, 1);
	assert_true(poster.seen[0]);
	await_requests(&peer, 2); /* it got the connection of the first one now */
	poster.ahead_us = 9 * SECOND_US;
	poster_await(&poster, 2);
	assert_failed(&poster.reports[1], 0, 1);
	assert_in_range(poster.reports[1].took_ms, 5000, 5900);
}

static void one_that_never_got_its_turn_says_so(void **state)
{
	struct http_client_options options = poster_options();

	(void)state;
	options.connections_per_target = 1;
	reopen(&options);
	peer.answers[0] = PEER_HANG;
	assert_int_equal(KW_OK, poster_post(&poster, peer.port, 0));
	assert_int_equal(KW_OK, poster_post(&poster, peer.port, 1));
	await_requests(&peer, 1);
	poster.ahead_us = 6 * SECOND_US;
	poster_await(&poster, 2);
	assert_failed(&poster.reports[1], 0, 0);
	assert_non_null(strstr(poster.reports[1].reason, "not sent in time"));
}

static void connections_are_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < 50; i++) {
		assert_true(post_one(peer.port)->ok);
	}
	assert_int_equal(1, atomic_load(&peer.connections));
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(KW_OK, poster_post(&poster, peer.port, 50 + i));
	}
	poster_await(&poster, 150);
	assert_int_equal(150, poster.good);
	assert_in_range(atomic_load(&peer.connections), 1, 4);
}

static void a_kept_connection_that_was_closed_is_replaced(void **state)
{
	(void)state;
	assert_true(post_one(peer.port)->ok);
	shutdown(peer.fds[0], SHUT_RDWR);
	assert_true(post_one(peer.port)->ok);
	assert_int_equal(2, atomic_load(&peer.connections));
	assert_true(poster.reports[1].took_ms < 250);
}

static void room_is_limited(void **state)
{
	struct http_client_options options = poster_options();

	(void)state;
	options.queue_max = 5;
	options.per_target_max = 3;
	reopen(&options);
	peer.answers[0] = PEER_HANG;
	other.answers[0] = PEER_HANG;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(KW_OK, poster_post(&poster, peer.port, i));
	}
	assert_int_equal(KW_E_BUSY, poster_post(&poster, peer.port, 99));
	assert_int_equal(KW_OK, poster_post(&poster, other.port, 3));
	assert_int_equal(KW_OK, poster_post(&poster, other.port, 4));
	assert_int_equal(KW_E_BUSY, poster_post(&poster, other.port, 99));
	assert_int_equal(5, http_client_pending(poster.client));
	poster.ahead_us = 5 * SECOND_US;
	poster_await(&poster, 5);
	assert_false(poster.seen[99]);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(KW_OK, poster_post(&poster, peer.port, 5 + i));
	}
	assert_int_equal(KW_E_BUSY, poster_post(&poster, peer.port, 99));
}

static void a_hanging_target_delays_no_other(void **state)
{
	(void)state;
	peer.answers[0] = PEER_HANG;
	for (size_t i = 0; i < 128; i++) {
		assert_int_equal(KW_OK, poster_post(&poster, peer.port, 1000 + i));
	}
	await_requests(&peer, 4);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(KW_OK, poster_post(&poster, other.port, i));
	}
	poster_await(&poster, 100);
	assert_int_equal(100, poster.good);
	assert_int_equal(128, http_client_pending(poster.client));
	assert_int_equal(4, atomic_load(&peer.connections));
}

static void post_again(struct poster *at, uint64_t tag)
{
	if (tag < 9) {
		assert_int_equal(KW_OK, poster_post(at, peer.port, tag + 1));
	}
}

static void a_report_may_post(void **state)
{
	(void)state;
	poster.then = post_again;
	assert_int_equal(KW_OK, poster_post(&poster, peer.port, 0));
	poster_await(&poster, 10);
	assert_int_equal(10, poster.good);
}

static void a_report_of_a_deadline_may_post(void **state)
{
	(void)state;
	peer.answers[0] = PEER_HANG;
	poster.then = post_again;
	assert_int_equal(KW_OK, poster_post(&poster, peer.port, 8));
	await_requests(&peer, 1);
	poster.ahead_us = 5 * SECOND_US;
	poster_await(&poster, 1);
	await_requests(&peer, 2);
	assert_int_equal(1, http_client_pending(poster.client));
}

static void https_without_ca_certificates(void **state)
{
	(void)state;
	assert_int_equal(KW_OK, http_client_post(poster.client, "https://127.0.0.1/", "{}", 2, 0));
	assert_int_equal(0, http_client_timeout_ms(poster.client));
	poster_await(&poster, 1);
	assert_failed(&poster.reports[0], 0, 0);
	assert_non_null(strstr(poster.reports[0].reason, "no CA certificates are configured"));
}

/* The post and the server that it is for share this thread. */
static void a_post_to_oneself(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, NULL, NULL);
	world.keep = true;
	assert_int_equal(KW_OK, poster_post(&poster, world.port, 0));
	assert_int_equal(KW_OK, poster_post(&poster, world.port, 1));
	for (unsigned i = 0; i < 100 && world.kept_count < 2; i++) {
		poster_turn(&poster);
		world_turn(&world);
	}
	assert_int_equal(2, world.kept_count);
	world.keep = false;
	world_answer(world.kept[0]);
	world.kept[0] = world.kept[1];
	world.kept_count = 1;
	for (unsigned i = 0; i < 100 && poster.reported < 1; i++) {
		world_turn(&world);
		poster_turn(&poster);
	}
	assert_int_equal(1, poster.good);
	poster.ahead_us = 5 * SECOND_US;
	poster_await(&poster, 2);
	assert_int_equal(1, poster.good);
	world_answer_kept(&world);
	world_close(&world);
}

static size_t open_descriptors(void)
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

static void a_thousand_posts_leave_nothing(void **state)
{
	const struct http_client_options options = poster_options();
	size_t before;

	(void)state;
	assert_true(post_one(other.port)->ok);
	poster_close(&poster);
	before = open_descriptors() - atomic_load(&other.connections);
	poster_open(&poster, &options);
	peer.answers[0] = 200;
	for (uint64_t tag = 0; tag < 1000; tag++) {
		uint16_t port = tag % 100 == 99 ? peer_no_port() : peer.port;

		while (poster_post(&poster, port, tag) == KW_E_BUSY) {
			poster_turn(&poster);
		}
	}
	poster_await(&poster, 1000);
	assert_int_equal(990, poster.good);
	poster_close(&poster);
	assert_int_equal(before, open_descriptors() - atomic_load(&peer.connections) -
					 atomic_load(&other.connections));
}

static void closing_drops_what_is_under_way(void **state)
{
	const struct http_client_options options = poster_options();

	(void)state;
	peer.answers[0] = PEER_HANG;
	other.answers[0] = 500;
	for (uint64_t tag = 0; tag < 20; tag++) {
		assert_int_equal(
			KW_OK, poster_post(&poster, tag % 2 == 0 ? peer.port : other.port, tag));
	}
	await_requests(&peer, 4);
	await_requests(&other, 10); /* these rest now */
	assert_int_equal(0, poster.reported);
	poster_close(&poster);
	assert_int_equal(0, poster.reported);
	poster_open(&poster, &options);
}

static void bad_options_are_refused(void **state)
{
	const struct http_client_options options = poster_options(); /* no `done` */
	struct http_client *client;

	(void)state;
	assert_int_equal(KW_E_INVALID, http_client_open(&options, &client));
	assert_null(client);
	http_client_close(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_post_arrives_as_json),
		TEST(a_long_body_arrives),
		TEST(an_empty_body_arrives),
		TEST(no_content_is_an_answer),
		TEST(an_error_is_tried_again),
		TEST(three_attempts_and_no_more),
		TEST(no_attempt_beyond_the_deadline),
		TEST(a_refusal_is_final),
		TEST(a_redirect_is_not_followed),
		TEST(a_refused_connection_is_tried_again),
		TEST(a_closed_connection_is_tried_again),
		TEST(an_answer_cut_short_is_a_failure),
		TEST(a_huge_answer_is_cut_off),
		TEST(silence_ends_at_the_deadline),
		TEST(a_trickle_ends_at_the_deadline),
		TEST(a_connection_that_does_not_come_is_tried_again),
		TEST(the_deadline_counts_from_submission),
		TEST(one_that_never_got_its_turn_says_so),
		TEST(connections_are_kept),
		TEST(a_kept_connection_that_was_closed_is_replaced),
		TEST(room_is_limited),
		TEST(a_hanging_target_delays_no_other),
		TEST(a_report_may_post),
		TEST(a_report_of_a_deadline_may_post),
		TEST(https_without_ca_certificates),
		TEST(a_post_to_oneself),
		TEST(a_thousand_posts_leave_nothing),
		TEST(closing_drops_what_is_under_way),
		TEST(bad_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
