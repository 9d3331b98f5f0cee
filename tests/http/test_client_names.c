/* Looking names up: getaddrinfo() is this file's own here, and takes as long as a test wants. */
#include "tests/http/ca.h"
#include "tests/http/peer.h"
#include "tests/http/poster.h"

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool hanging;
static unsigned asked, returned;

static struct ca_cert ca;
static char *ca_text;
static struct poster poster;
static struct peer peer;

int getaddrinfo(const char *restrict name, const char *restrict service,
	const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
	(void)service;
	(void)hints;
	(void)out;
	pthread_mutex_lock(&lock);
	asked++;
	pthread_cond_broadcast(&changed);
	while (hanging && strcmp(name, "slow.example") == 0) {
		pthread_cond_wait(&changed, &lock);
	}
	returned++;
	pthread_mutex_unlock(&lock);
	return EAI_NONAME;
}

static void release(void)
{
	pthread_mutex_lock(&lock);
	hanging = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void *release_later(void *context)
{
	(void)context;
	usleep(200 * 1000);
	release();
	return NULL;
}

static unsigned read_count(const unsigned *count)
{
	unsigned value;

	pthread_mutex_lock(&lock);
	value = *count;
	pthread_mutex_unlock(&lock);
	return value;
}

static void await_count(const unsigned *count, unsigned wanted)
{
	for (unsigned i = 0; i < 500 && read_count(count) < wanted; i++) {
		poster_turn(&poster);
	}
	assert_int_equal(wanted, read_count(count));
}

static int begin(void **state)
{
	struct http_client_options options = poster_options();

	(void)state;
	hanging = true;
	asked = returned = 0;
	memset(&peer, 0, sizeof(peer));
	peer.answers[0] = 200;
	peer_open(&peer);
	ca_make_root(&ca, "authority");
	ca_text = ca_pem(&ca);
	options.ca_pem = ca_text;
	poster_open(&poster, &options);
	return 0;
}

static int end(void **state)
{
	(void)state;
	release();
	poster_close(&poster);
	ca_free(&ca);
	free(ca_text);
	peer_close(&peer);
	return 0;
}

static void post(const char *url, uint64_t tag)
{
	assert_int_equal(KW_OK, http_client_post(poster.client, url, "{}", 2, tag));
}

static void an_unknown_name(void **state)
{
	(void)state;
	post("https://unknown.example/", 0);
	poster_await(&poster, 1);
	assert_false(poster.reports[0].ok);
	assert_int_equal(1, poster.reports[0].attempts);
	assert_non_null(strstr(poster.reports[0].reason, "Could not resolve host"));
}

static void a_slow_look_up_holds_up_nothing(void **state)
{
	uint64_t start;

	(void)state;
	for (uint64_t tag = 0; tag < 20; tag++) {
		post("https://slow.example/", tag);
	}
	await_count(&asked, 1);
	for (uint64_t tag = 100; tag < 200; tag++) {
		assert_int_equal(KW_OK, poster_post(&poster, peer.port, tag));
	}
	poster_await(&poster, 100);
	assert_int_equal(100, poster.good);
	poster.ahead_us = 5000000;
	start = kw_mono_us(&kw_env_system);
	poster_await(&poster, 120);
	assert_true(kw_mono_us(&kw_env_system) - start < 1000000);
	assert_string_equal("the name was not resolved in time", poster.reports[0].reason);
	assert_int_equal(0, http_client_pending(poster.client));
	assert_int_equal(0, read_count(&returned));
	/* One thread for all of them, and no second one while it is there. */
	post("https://slow.example/", 20);
	poster_settle(&poster);
	assert_int_equal(1, read_count(&asked));
	release();
	poster_await(&poster, 121);
	assert_int_equal(2, read_count(&asked));
	assert_non_null(strstr(poster.reports[20].reason, "Could not resolve host"));
}

/* The front closes a client on SIGHUP: its loop must not stand still as long as a resolver likes. */
static void close_at_once(void)
{
	const struct http_client_options options = poster_options();
	pthread_t thread;

	/* Lets go of a close that waits after all, so that the test fails and does not hang. */
	assert_int_equal(0, pthread_create(&thread, NULL, release_later, NULL));
	poster_close(&poster);
	assert_int_equal(0, read_count(&returned));
	pthread_join(thread, NULL);
	for (unsigned i = 0; i < 500 && read_count(&returned) < 1; i++) {
		usleep(10 * 1000);
	}
	assert_int_equal(1, read_count(&returned));
	poster_open(&poster, &options);
}

static void closing_does_not_wait_for_a_look_up(void **state)
{
	(void)state;
	post("https://slow.example/", 0);
	await_count(&asked, 1);
	close_at_once();
	assert_int_equal(0, poster.reported);
}

static void closing_does_not_wait_for_a_look_up_that_nobody_wants(void **state)
{
	(void)state;
	post("https://slow.example/", 0);
	await_count(&asked, 1);
	poster.ahead_us = 5000000;
	poster_await(&poster, 1);
	assert_int_equal(0, http_client_pending(poster.client));
	close_at_once();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(an_unknown_name),
		TEST(a_slow_look_up_holds_up_nothing),
		TEST(closing_does_not_wait_for_a_look_up),
		TEST(closing_does_not_wait_for_a_look_up_that_nobody_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
