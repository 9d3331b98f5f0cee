#include "js/handover.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC UINT32_C(0x4b57484f) /* "KWHO" */

struct handover {
	uint32_t magic;
	uint32_t channel;
};

/* Room for one descriptor, as the kernel wants it aligned. */
union room {
	struct cmsghdr header;
	char octets[CMSG_SPACE(sizeof(int))];
};

static enum kw_err socket_err(const char *words)
{
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
	case ETOOMANYREFS:
		return KW_E_BUSY;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return KW_E_CLOSED;
	default:
		kw_log(KW_LOG_ERROR, "process", words, KW_ERRNO());
		return KW_E_SYSTEM;
	}
}

enum kw_err js_handover_send(int control, size_t channel, int fd)
{
	struct handover body = {.magic = MAGIC, .channel = (uint32_t)channel};
	struct iovec part = {.iov_base = &body, .iov_len = sizeof(body)};
	union room room = {.octets = {0}};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &room,
		.msg_controllen = sizeof(room.octets)};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	ssize_t sent;

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	do {
		sent = sendmsg(control, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? socket_err("cannot hand over a channel") : KW_OK;
}

/* The only one; where the kernel found room for more, all are closed. @return -1: not one */
static int descriptor_of(struct msghdr *message)
{
	size_t count = 0;
	int found = -1;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
		part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= part->cmsg_len;
			at += sizeof(int)) {
			if (found >= 0) {
				close(found);
			}
			memcpy(&found, CMSG_DATA(part) + at, sizeof(found));
			count++;
		}
	}
	if (count > 1 || (found >= 0 && (message->msg_flags & MSG_CTRUNC) != 0)) {
		close(found);
		found = -1;
	}
	return found;
}

static bool option_is(int fd, int option, int wanted)
{
	socklen_t size = sizeof(int);
	int value = 0;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

static bool is_channel(int fd)
{
	return option_is(fd, SO_DOMAIN, AF_UNIX) && option_is(fd, SO_TYPE, SOCK_SEQPACKET);
}

/* An empty message reads like the end; only the end hangs up. */
static bool has_ended(int control)
{
	struct pollfd look = {.fd = control, .events = POLLRDHUP};

	return poll(&look, 1, 0) > 0;
}

enum kw_err js_handover_receive(int control, size_t channels, size_t *channel, int *fd)
{
	struct handover body = {.magic = 0};
	struct iovec part = {.iov_base = &body, .iov_len = sizeof(body)};
	union room room;
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &room,
		.msg_controllen = sizeof(room.octets)};
	ssize_t got;

	*fd = -1;
	*channel = 0;
	do {
		got = recvmsg(control, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return socket_err("cannot take a channel");
	}
	*fd = descriptor_of(&message);
	if (got == 0 && *fd < 0 && has_ended(control)) {
		return KW_E_CLOSED;
	}
	if (got != sizeof(body) || (message.msg_flags & MSG_TRUNC) != 0 || body.magic != MAGIC ||
		body.channel >= channels || *fd < 0 || !is_channel(*fd)) {
		if (*fd >= 0) {
			close(*fd);
		}
		*fd = -1;
		return KW_E_INVALID;
	}
	*channel = body.channel;
	return KW_OK;
}
