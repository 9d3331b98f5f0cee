/** A server on a free port of the loopback, with a handler that keeps or answers requests. */
#ifndef TESTS_HTTP_WORLD_H
#define TESTS_HTTP_WORLD_H

#include "http/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_KEPT_MAX 1024
#define WORLD_BODY_MAX 32768

struct world {
	struct http_server *server;
	uint16_t port;
	bool keep; /* false: the handler answers at once */
	struct http_request *kept[WORLD_KEPT_MAX];
	size_t kept_count;
	size_t handled; /* calls of the handler */
	size_t gone;
	size_t connections_gone;                          /* with this world as their user */
	void (*look)(const struct http_request *request); /* called in the handler; may be NULL */
};

/** A listening socket on a free port. */
int world_listener(uint16_t *port);
/** Open on one listener, plain, with these limits (http/server.h). */
struct world_limits {
	unsigned connections, per_address, idle_s, request_s;
	size_t bodies;
	http_exempt exempt;
};
void world_open_limited(struct world *world, const struct world_limits *limits);
/** Open on one listener; with certificate and key: TLS. */
void world_open(struct world *world, const char *certificate, const char *key);
/** The same, and clients are asked for a certificate. */
void world_open_asking(struct world *world, const char *certificate, const char *key);
void world_close(struct world *world);
/** Answer 200 with the request's own body. */
void world_answer(struct http_request *request);
/** Answer all that are kept. */
void world_answer_kept(struct world *world);
/** Sleep up to 20 ms for something to do, then run the server until nothing is unsent. */
void world_turn(struct world *world);

#endif
