/**
 * Octets sent to a real http/server.h over a connection of the loopback, and what comes back.
 */
#ifndef KW_TESTS_FUZZ_HTTP_FEED_H
#define KW_TESTS_FUZZ_HTTP_FEED_H

#include "http/server.h"

#include <netinet/in.h>

/* The longest is of 1000 refused rows, each with a text that is escaped. */
#define FEED_ANSWER_MAX (2 << 20)

struct feed {
	struct http_server *server;
	void (*turn)(void *context); /* answers what is pending; NULL: the handler answers */
	void *context;
	struct sockaddr_in address;
	size_t length; /* of the answer */
	char answer[FEED_ANSWER_MAX + 1];
};

/** Open a server on a free port of the loopback. Listeners and connections_max are filled in. */
void feed_open(struct feed *feed, struct http_server_options *options);

/**
 * Send the octets over a connection of its own, in pieces of `piece` (0: at once), each after the
 * server has done all it can; then close. Fails if what comes back is no series of HTTP answers, or
 * if the server keeps anything of the connection. Nothing is there to look at if a HEAD may be among
 * what was sent.
 */
void feed_send(struct feed *feed, const uint8_t *octets, size_t length, size_t piece);

/** The text of an answer. */
struct feed_answer {
	unsigned status;
	const char *header; /* its first line */
	size_t header_length;
	const char *body;
	size_t body_length;
};

/** Take the answers of feed_send() one by one; `at` is 0 at first. A body that is cut off ends
 *  them. @return false: there is none left */
bool feed_next(const struct feed *feed, size_t *at, struct feed_answer *out);
/** The value of a header, or NULL. */
const char *feed_header(const struct feed_answer *answer, const char *name, size_t *length);

#endif
