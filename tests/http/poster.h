/** A client with a clock that can be moved on, and what it reported. */
#ifndef TESTS_HTTP_POSTER_H
#define TESTS_HTTP_POSTER_H

#include "http/client.h"

#define POSTER_REPORTS_MAX 2048

struct report {
	bool ok;
	unsigned status;
	unsigned attempts;
	unsigned took_ms;
	char reason[256];
};

struct poster {
	struct http_client *client;
	struct kw_env env;
	uint64_t ahead_us; /* of the real clock */
	size_t reported;
	size_t good;
	bool seen[POSTER_REPORTS_MAX];
	struct report reports[POSTER_REPORTS_MAX];         /* by tag */
	void (*then)(struct poster *poster, uint64_t tag); /* called in `done`; may be NULL */
};

/** Room for 1000 posts, 128 per target, 4 connections, 5 s; to be changed before poster_open(). */
struct http_client_options poster_options(void);
void poster_open(struct poster *poster, const struct http_client_options *options);
void poster_close(struct poster *poster);

/** http_client_post() of a small body to http://127.0.0.1:port/. */
enum kw_err poster_post(struct poster *poster, uint16_t port, uint64_t tag);
/** Poll up to 20 ms and run. */
void poster_turn(struct poster *poster);
/** Turn until so many posts are reported in all. */
void poster_await(struct poster *poster, size_t reported);
/** Turn until nothing has to be done at once. */
void poster_settle(struct poster *poster);

#endif
