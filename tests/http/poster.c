#include "tests/http/poster.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TURNS_MAX 1000

static void done(void *context, uint64_t tag, const struct http_client_result *result)
{
	struct poster *poster = context;
	struct report *report;

	assert_true(tag < POSTER_REPORTS_MAX);
	assert_false(poster->seen[tag]);
	assert_non_null(result->reason);
	assert_true(
		strncmp(result->target, "http", 4) == 0 && strstr(result->target, "://") != NULL);
	assert_true(result->ok == (result->reason[0] == '\0'));
	poster->seen[tag] = true;
	report = &poster->reports[tag];
	report->ok = result->ok;
	report->status = result->status;
	report->attempts = result->attempts;
	report->took_ms = result->took_ms;
	snprintf(report->reason, sizeof(report->reason), "%s", result->reason);
	poster->reported++;
	poster->good += result->ok;
	if (poster->then != NULL) {
		poster->then(poster, tag);
	}
}

static uint64_t mono_us(void *arg)
{
	const struct poster *poster = arg;

	return kw_mono_us(&kw_env_system) + poster->ahead_us;
}

struct http_client_options poster_options(void)
{
	return (struct http_client_options){
		.queue_max = 1000,
		.per_target_max = 128,
		.connections_per_target = 4,
		.deadline_ms = 5000,
		.connect_timeout_ms = 2000,
	};
}

void poster_open(struct poster *poster, const struct http_client_options *options)
{
	struct http_client_options mine = *options;

	memset(poster, 0, sizeof(*poster));
	poster->env = kw_env_system;
	poster->env.mono_us = mono_us;
	poster->env.arg = poster;
	mine.env = &poster->env;
	mine.done = done;
	mine.context = poster;
	assert_int_equal(KW_OK, http_client_open(&mine, &poster->client));
}

void poster_close(struct poster *poster)
{
	http_client_close(poster->client);
	poster->client = NULL;
}

enum kw_err poster_post(struct poster *poster, uint16_t port, uint64_t tag)
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	return http_client_post(poster->client, url, "{}", 2, tag);
}

void poster_turn(struct poster *poster)
{
	struct pollfd polled = {.fd = http_client_fd(poster->client), .events = POLLIN};
	int timeout = http_client_timeout_ms(poster->client);

	poll(&polled, 1, timeout < 0 || timeout > 20 ? 20 : timeout);
	http_client_run(poster->client);
}

void poster_await(struct poster *poster, size_t reported)
{
	for (unsigned i = 0; i < TURNS_MAX && poster->reported < reported; i++) {
		poster_turn(poster);
	}
	assert_int_equal(reported, poster->reported);
}

void poster_settle(struct poster *poster)
{
	for (unsigned i = 0; i < 10; i++) {
		poster_turn(poster);
	}
}
