/** Clients and the server in turns: what the tests of the server, plain and TLS, have in common. */
#ifndef TESTS_HTTP_DRIVE_H
#define TESTS_HTTP_DRIVE_H

#include "tests/http/client.h"
#include "tests/http/world.h"

#define TURNS_MAX 500
#define MANY      300 /* more than libmicrohttpd takes from the kernel at a time */

/** The header of a request whose body comes in chunks. */
#define CHUNKED "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

/** What await() got last. */
extern struct answer answer;

/** Run the server until the client has an answer. */
void await(struct world *world, struct client *client);
/** Run the server until so many requests are kept. */
void await_kept(struct world *world, size_t count);
/** Run the server until it has closed the connection. */
void await_closed(struct world *world, struct client *client);
/** Write a request with this body; @return its length. */
size_t post(char *out, size_t size, const char *body);
void send_post(struct client *client, const char *body);
/** Send a header and `length` octets of body as fast as the server takes them. */
void send_body(struct world *world, struct client *client, const char *header, size_t length,
	bool chunked);
/** Three rounds of one request from each of the clients; all are answered together. */
void many_at_once(struct world *world, struct client *clients, size_t count);

#endif
