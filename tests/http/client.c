#include "tests/http/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

void client_open_from(struct client *client, const char *from, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int on = 1;

	memset(client, 0, sizeof(*client));
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client->fd >= 0);
	assert_int_equal(1, inet_pton(AF_INET, from, &address.sin_addr));
	assert_int_equal(0, bind(client->fd, (const struct sockaddr *)&address, sizeof(address)));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(port);
	assert_int_equal(
		0, connect(client->fd, (const struct sockaddr *)&address, sizeof(address)));
	assert_int_equal(0, setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	assert_int_equal(0, fcntl(client->fd, F_SETFL, O_NONBLOCK));
}

void client_open(struct client *client, uint16_t port, SSL_CTX *context)
{
	client_open_from(client, "127.0.0.1", port);
	if (context != NULL) {
		client->tls = SSL_new(context);
		assert_non_null(client->tls);
		assert_int_equal(1, SSL_set_fd(client->tls, client->fd));
		SSL_set_connect_state(client->tls);
	}
}

void client_close(struct client *client)
{
	SSL_free(client->tls);
	close(client->fd);
	free(client->in);
	memset(client, 0, sizeof(*client));
	client->fd = -1;
}

static bool again(const struct client *client, int result)
{
	int reason = SSL_get_error(client->tls, result);

	return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
}

int client_handshake(struct client *client)
{
	int result = SSL_do_handshake(client->tls);

	if (result == 1) {
		return 1;
	}
	return again(client, result) ? 0 : -1;
}

size_t client_send(struct client *client, const char *octets, size_t length)
{
	ssize_t sent;

	if (client->tls != NULL) {
		int result = SSL_write(client->tls, octets, (int)length);

		if (result <= 0) {
			assert_true(again(client, result));
			return 0;
		}
		return (size_t)result;
	}
	sent = send(client->fd, octets, length, MSG_NOSIGNAL);
	if (sent < 0) {
		if (errno != EAGAIN) {
			client->closed = true;
		}
		return 0;
	}
	return (size_t)sent;
}

void client_send_text(struct client *client, const char *text)
{
	assert_int_equal(strlen(text), client_send(client, text, strlen(text)));
}

static ssize_t read_some(struct client *client, char *out, size_t size)
{
	ssize_t got;

	if (client->tls != NULL) {
		int result = SSL_read(client->tls, out, (int)size);

		if (result > 0) {
			return result;
		}
		return again(client, result) ? -1 : 0;
	}
	got = recv(client->fd, out, size, 0);
	return got < 0 && errno != EAGAIN ? 0 : got;
}

void client_receive(struct client *client)
{
	for (;;) {
		ssize_t got;

		if (client->size - client->used < 4096) {
			client->size = client->size * 2 + 8192;
			client->in = realloc(client->in, client->size);
			assert_non_null(client->in);
		}
		got = read_some(client, client->in + client->used, client->size - client->used - 1);
		if (got == 0) {
			client->closed = true;
		}
		if (got <= 0) {
			client->in[client->used] = '\0';
			return;
		}
		client->used += (size_t)got;
	}
}

bool client_take(struct client *client, struct answer *answer)
{
	char *end = client->used > 0 ? strstr(client->in, "\r\n\r\n") : NULL;
	const char *field;
	size_t header;

	memset(answer, 0, sizeof(*answer));
	if (end == NULL) {
		return false;
	}
	header = (size_t)(end - client->in) + 4;
	assert_true(header < sizeof(answer->header));
	memcpy(answer->header, client->in, header);
	assert_int_equal(1, sscanf(client->in, "HTTP/1.%*d %3u", &answer->status));
	field = strcasestr(answer->header, "\r\ncontent-length:");
	if (field != NULL) {
		answer->length = strtoul(field + strlen("\r\ncontent-length:"), NULL, 10);
	}
	if (client->used - header < answer->length) {
		return false;
	}
	assert_true(answer->length < sizeof(answer->body));
	memcpy(answer->body, client->in + header, answer->length);
	client->used -= header + answer->length;
	memmove(client->in, client->in + header + answer->length, client->used + 1);
	return true;
}
