/**
 * A peer that posts are sent to: a server with a thread per connection, which answers as it is told
 * and counts what it sees. Written on plain sockets, so that it can misbehave.
 */
#ifndef TESTS_HTTP_PEER_H
#define TESTS_HTTP_PEER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_CONNECTIONS_MAX 4096
#define PEER_REQUEST_MAX     8192
#define PEER_ANSWERS_MAX     8

/** A status, or one of these. */
enum peer_answer {
	PEER_LAST,        /* the list ends: the one before it is the answer to all that follow */
	PEER_HANG,        /* read the request and say nothing */
	PEER_CLOSE,       /* close without an answer */
	PEER_CUT,         /* 200, and close in the midst of the body */
	PEER_HUGE,        /* 200 with 1 MiB */
	PEER_HUGE_HEADER, /* 200 with 100 KiB of header lines */
	PEER_TRICKLE,     /* 200, then an octet every 20 ms */
	PEER_REDIRECT,    /* 302 to `elsewhere` */
};

struct peer {
	/* set before peer_open() */
	int answers[PEER_ANSWERS_MAX]; /* to the first request, the second ... */
	SSL_CTX *tls;                  /* NULL: plain */
	char elsewhere[64];

	uint16_t port;
	atomic_size_t connections;
	atomic_size_t requests;
	pthread_mutex_t lock;
	char request[PEER_REQUEST_MAX]; /* the last one, header and body */
	char subject[128];              /* of the last client certificate; "" if there was none */

	int listener;
	pthread_t thread;
	int fds[PEER_CONNECTIONS_MAX];
	pthread_t threads[PEER_CONNECTIONS_MAX];
};

void peer_open(struct peer *peer);
/** Cut all connections and wait for the threads. */
void peer_close(struct peer *peer);
/** A port at which nobody listens. */
uint16_t peer_no_port(void);

#endif
