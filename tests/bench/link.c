#include "tests/bench/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MAX_S 10

void link_init(struct link *link, struct tls *tls)
{
	*link = (struct link){.fd = -1, .tls = tls};
}

void link_finish(struct link *link)
{
	link_close(link);
	tls_link_forget(&link->secure);
}

/* On loopback connecting does not wait unless the server's queue is full; then not for ever. */
static bool connected(int fd, const struct sockaddr_in *address)
{
	const struct timeval most = {.tv_sec = CONNECT_MAX_S};
	int on = 1;

	return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) == 0 &&
	       connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	       fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

enum kw_err link_open(struct link *link, const struct sockaddr_in *address)
{
	enum kw_err err = KW_OK;

	link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!connected(link->fd, address)) {
		fprintf(stderr, "joinload: connect: %s\n", strerror(errno));
		err = KW_E_SYSTEM;
	} else if (link->tls != NULL) {
		err = tls_link_open(&link->secure, link->tls, link->fd);
	}
	if (err != KW_OK) {
		link_close(link);
	}
	return err;
}

void link_close(struct link *link)
{
	tls_link_close(&link->secure, link->tls);
	if (link->fd >= 0) {
		close(link->fd);
	}
	link->fd = -1;
}

enum kw_err link_shake(struct link *link, bool *resumed)
{
	*resumed = false;
	return link->tls == NULL ? KW_OK : tls_link_shake(&link->secure, link->tls, resumed);
}

enum kw_err link_send(struct link *link, const void *octets, size_t length)
{
	if (link->tls != NULL) {
		return tls_link_send(&link->secure, octets, length);
	}
	return send(link->fd, octets, length, MSG_NOSIGNAL) == (ssize_t)length ? KW_OK
									       : KW_E_CLOSED;
}

enum kw_err link_receive(struct link *link, void *octets, size_t max, size_t *got)
{
	ssize_t length;

	if (link->tls != NULL) {
		return tls_link_receive(&link->secure, octets, max, got);
	}
	length = recv(link->fd, octets, max, 0);
	*got = length > 0 ? (size_t)length : 0;
	if (length > 0) {
		return KW_OK;
	}
	return length < 0 && (errno == EAGAIN || errno == EINTR) ? KW_E_BUSY : KW_E_CLOSED;
}
