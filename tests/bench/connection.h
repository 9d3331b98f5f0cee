/** One connection in the loop of the load generator, and the queue of those that may send. */
#ifndef KW_TESTS_BENCH_CONNECTION_H
#define KW_TESTS_BENCH_CONNECTION_H

#include "tests/bench/answer.h"
#include "tests/bench/link.h"

enum connection_state {
	CONNECTION_IDLE,    /* not open, or open and nothing to send */
	CONNECTION_SHAKING, /* a TLS handshake goes on */
	CONNECTION_WAITING, /* a request is on its way */
};

struct connection {
	struct link link;
	enum connection_state state;
	uint64_t due_us;         /* of the request in hand */
	struct connection *next; /* in the queue */
	struct answer answer;
};

/** First in, first out; zero is empty. Borrows the connections, each at most once. */
struct connection_queue {
	struct connection *first, *last;
};

void connection_queue_push(struct connection_queue *queue, struct connection *connection);
/** The first of a queue that is not empty. */
struct connection *connection_queue_pop(struct connection_queue *queue);
/** Take one out wherever it is; not being there is fine. Searches. */
void connection_queue_remove(struct connection_queue *queue, const struct connection *connection);

#endif
