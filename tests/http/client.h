/**
 * An HTTP client for tests that shares its thread with the server: nothing here waits; the test
 * runs the server between two calls.
 */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client {
	int fd;
	SSL *tls;    /* NULL: plain */
	bool closed; /* by the server */
	char *in;
	size_t used;
	size_t size;
};

struct answer {
	unsigned status;
	char header[2048];
	char body[70000];
	size_t length;
};

/** Connect to 127.0.0.1. With a context: TLS, by client_handshake(). */
void client_open(struct client *client, uint16_t port, SSL_CTX *context);
/** The same, plain, from another address of the loopback. */
void client_open_from(struct client *client, const char *address, uint16_t port);
void client_close(struct client *client);
/** @return 1 done, 0 call again, -1 refused */
int client_handshake(struct client *client);
/** Send what the socket takes; @return how much. */
size_t client_send(struct client *client, const char *octets, size_t length);
/** Send all of a short text. */
void client_send_text(struct client *client, const char *text);
/** Read what is there. */
void client_receive(struct client *client);
/** Take one whole answer off what was read; false if there is none yet. */
bool client_take(struct client *client, struct answer *answer);

#endif
