#include "tests/http/peer.h"

#include "tests/http/world.h"

#include <fcntl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct connection {
	struct peer *peer;
	int fd;
	SSL *tls;
	char in[PEER_REQUEST_MAX];
	size_t used;
};

static ssize_t receive(struct connection *connection)
{
	char *out = connection->in + connection->used;
	size_t size = sizeof(connection->in) - 1 - connection->used;

	if (connection->tls != NULL) {
		return SSL_read(connection->tls, out, (int)size);
	}
	return recv(connection->fd, out, size, 0);
}

static bool transmit(struct connection *connection, const char *octets, size_t length)
{
	while (length > 0) {
		ssize_t sent = connection->tls != NULL
				       ? SSL_write(connection->tls, octets, (int)length)
				       : send(connection->fd, octets, length, MSG_NOSIGNAL);

		if (sent <= 0) {
			return false;
		}
		octets += sent;
		length -= (size_t)sent;
	}
	return true;
}

static bool say(struct connection *connection, const char *text)
{
	return transmit(connection, text, strlen(text));
}

/* How long the whole request is; 0: the header is not there yet. */
static size_t request_length(const struct connection *connection)
{
	const char *end = strstr(connection->in, "\r\n\r\n");
	const char *field = strcasestr(connection->in, "\r\ncontent-length:");

	if (end == NULL) {
		return 0;
	}
	return (size_t)(end - connection->in) + 4 +
	       (field != NULL ? strtoul(field + strlen("\r\ncontent-length:"), NULL, 10) : 0);
}

static bool read_request(struct connection *connection)
{
	size_t length;

	connection->used = 0;
	connection->in[0] = '\0';
	for (;;) {
		ssize_t got = receive(connection);

		if (got <= 0) {
			return false;
		}
		connection->used += (size_t)got;
		connection->in[connection->used] = '\0';
		length = request_length(connection);
		if (length > 0 && connection->used >= length) {
			break;
		}
	}
	pthread_mutex_lock(&connection->peer->lock);
	memcpy(connection->peer->request, connection->in, connection->used + 1);
	pthread_mutex_unlock(&connection->peer->lock);
	return true;
}

static int next_answer(struct peer *peer)
{
	size_t number = atomic_fetch_add(&peer->requests, 1);
	size_t i = 0;

	while (i < number && i + 1 < PEER_ANSWERS_MAX && peer->answers[i + 1] != PEER_LAST) {
		i++;
	}
	return peer->answers[i];
}

static void wait_for_the_end(struct connection *connection)
{
	while (receive(connection) > 0) {
		connection->used = 0;
	}
}

static bool say_much(struct connection *connection, bool header)
{
	static const char line[] = "X-Filler: "
				   "0123456789012345678901234567890123456789012345678901\r\n";
	size_t lines = header ? 100 * 16 : 16 * 1024;

	if (!say(connection, "HTTP/1.1 200 OK\r\n") ||
		(!header && !say(connection, "Content-Length: 1048576\r\n\r\n"))) {
		return false;
	}
	for (size_t i = 0; i < lines; i++) {
		if (!transmit(connection, line, 64)) {
			return false;
		}
	}
	return !header || say(connection, "Content-Length: 0\r\n\r\n");
}

static bool trickle(struct connection *connection)
{
	if (!say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")) {
		return false;
	}
	while (say(connection, "x")) {
		poll(NULL, 0, 20);
	}
	return false;
}

/* false: close. */
static bool answer_one(struct connection *connection, int what)
{
	char text[256];

	switch (what) {
	case PEER_HANG:
		wait_for_the_end(connection);
		return false;
	case PEER_CLOSE:
		return false;
	case PEER_CUT:
		say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin");
		return false;
	case PEER_HUGE:
	case PEER_HUGE_HEADER:
		return say_much(connection, what == PEER_HUGE_HEADER);
	case PEER_TRICKLE:
		return trickle(connection);
	case PEER_REDIRECT:
		snprintf(text, sizeof(text),
			"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
			connection->peer->elsewhere);
		return say(connection, text);
	case 204:
		return say(connection, "HTTP/1.1 204 No Content\r\n\r\n");
	default:
		snprintf(text, sizeof(text), "HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\n\r\n{}",
			what);
		return say(connection, text);
	}
}

static bool handshake(struct connection *connection)
{
	X509 *certificate;

	connection->tls = SSL_new(connection->peer->tls);
	if (connection->tls == NULL || SSL_set_fd(connection->tls, connection->fd) != 1 ||
		SSL_accept(connection->tls) != 1) {
		return false;
	}
	certificate = SSL_get1_peer_certificate(connection->tls);
	if (certificate != NULL) {
		pthread_mutex_lock(&connection->peer->lock);
		X509_NAME_oneline(X509_get_subject_name(certificate), connection->peer->subject,
			sizeof(connection->peer->subject));
		pthread_mutex_unlock(&connection->peer->lock);
		X509_free(certificate);
	}
	return true;
}

static void *serve(void *context)
{
	struct connection *connection = context;

	if (connection->peer->tls == NULL || handshake(connection)) {
		while (read_request(connection) &&
			answer_one(connection, next_answer(connection->peer))) {
		}
		if (connection->tls != NULL) {
			SSL_shutdown(connection->tls);
		}
	}
	SSL_free(connection->tls);
	shutdown(connection->fd, SHUT_RDWR); /* closed in peer_close(): the number stays ours */
	free(connection);
	return NULL;
}

static void *accept_all(void *context)
{
	struct peer *peer = context;
	size_t count = 0;

	for (int fd; (fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0; count++) {
		struct connection *connection = calloc(1, sizeof(*connection));

		if (count >= PEER_CONNECTIONS_MAX || connection == NULL) {
			abort();
		}
		connection->peer = peer;
		connection->fd = fd;
		peer->fds[count] = fd;
		/* Before it is served: who got an answer counts it. */
		atomic_store(&peer->connections, count + 1);
		if (pthread_create(&peer->threads[count], NULL, serve, connection) != 0) {
			abort();
		}
	}
	return NULL;
}

void peer_open(struct peer *peer)
{
	signal(SIGPIPE, SIG_IGN); /* OpenSSL's writes */
	peer->listener = world_listener(&peer->port);
	assert_int_equal(0, fcntl(peer->listener, F_SETFL, 0));
	pthread_mutex_init(&peer->lock, NULL);
	assert_int_equal(0, pthread_create(&peer->thread, NULL, accept_all, peer));
}

void peer_close(struct peer *peer)
{
	shutdown(peer->listener, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	close(peer->listener);
	for (size_t i = 0; i < atomic_load(&peer->connections); i++) {
		shutdown(peer->fds[i], SHUT_RDWR);
		pthread_join(peer->threads[i], NULL);
		close(peer->fds[i]);
	}
	pthread_mutex_destroy(&peer->lock);
}

uint16_t peer_no_port(void)
{
	uint16_t port;

	close(world_listener(&port));
	return port;
}
