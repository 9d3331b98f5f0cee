#include "ipc/channel.h"

#include "base/env.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for a few full batches of every front; the kernel grants what it permits. */
#define BUFFER_WANTED (8 * 1024 * 1024)

/* The limit of an ordinary user is net.core.wmem_max; root may pass it. */
static void buffer_raise(int fd, int force, int plain)
{
	int wanted = BUFFER_WANTED;

	if (setsockopt(fd, SOL_SOCKET, force, &wanted, sizeof(wanted)) != 0) {
		(void)setsockopt(fd, SOL_SOCKET, plain, &wanted, sizeof(wanted));
	}
}

enum kw_err ipc_channel_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
		kw_log(KW_LOG_ERROR, "ipc", "cannot make a socket pair", KW_ERRNO());
		fds[0] = -1;
		fds[1] = -1;
		return KW_E_SYSTEM;
	}
	for (int i = 0; i < 2; i++) {
		buffer_raise(fds[i], SO_SNDBUFFORCE, SO_SNDBUF);
		buffer_raise(fds[i], SO_RCVBUFFORCE, SO_RCVBUF);
	}
	return KW_OK;
}

static enum kw_err socket_err(const char *words)
{
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
		return KW_E_BUSY;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return KW_E_CLOSED;
	case EMSGSIZE:
		return KW_E_TOO_LONG;
	default:
		kw_log(KW_LOG_ERROR, "ipc", words, KW_ERRNO());
		return KW_E_SYSTEM;
	}
}

enum kw_err ipc_send(int fd, struct ipc_header *header, const void *bodies, size_t bodies_length,
	const void *tail, size_t tail_length)
{
	/* sendmsg() does not write to what iov_base points at; the type cannot say so. */
	struct iovec parts[3] = {
		{.iov_base = header, .iov_len = sizeof(*header)},
		{.iov_base = (void *)(uintptr_t)bodies, .iov_len = bodies_length},
		{.iov_base = (void *)(uintptr_t)tail, .iov_len = tail_length},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
	size_t room = IPC_MESSAGE_MAX - sizeof(*header);
	ssize_t sent;

	if (bodies_length > room || tail_length > room - bodies_length) {
		return KW_E_TOO_LONG;
	}
	header->magic = IPC_MAGIC;
	header->length = (uint32_t)(bodies_length + tail_length);
	do {
		sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? socket_err("cannot send") : KW_OK;
}

/* An empty datagram reads like the end; only the end hangs up. */
static enum kw_err nothing_received(int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLRDHUP};

	return poll(&look, 1, 0) > 0 ? KW_E_CLOSED : KW_E_TRUNCATED;
}

enum kw_err ipc_receive(int fd, void *buffer, bool to_vault, size_t *length)
{
	struct iovec part = {.iov_base = buffer, .iov_len = IPC_MESSAGE_MAX};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t got;

	*length = 0;
	do {
		got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return socket_err("cannot receive");
	}
	if (got == 0) {
		return nothing_received(fd);
	}
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		return KW_E_TRUNCATED;
	}
	*length = (size_t)got;
	return ipc_message_check(buffer, *length, to_vault);
}

static bool is_hello(const void *message, uint64_t *generation)
{
	const struct ipc_header *header = message;
	struct ipc_hello hello;

	if (header->kind != IPC_HELLO || header->err != 0) {
		return false;
	}
	memcpy(&hello, ipc_body(message), sizeof(hello));
	*generation = hello.generation;
	return true;
}

/* What an earlier question left behind. */
static enum kw_err drain(int fd, void *buffer, uint64_t *generation)
{
	for (;;) {
		size_t length;
		enum kw_err err = ipc_receive(fd, buffer, false, &length);

		if (err == KW_OK) {
			(void)is_hello(buffer, generation);
		} else if (err != KW_E_INVALID && err != KW_E_TRUNCATED) {
			return err == KW_E_BUSY ? KW_OK : err;
		}
	}
}

static enum kw_err readable(int fd, uint64_t deadline_us)
{
	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		uint64_t now = kw_mono_us(&kw_env_system);
		int left_ms = now >= deadline_us ? 0 : (int)((deadline_us - now + 999) / 1000);
		int ready = poll(&wait, 1, left_ms);

		if (ready > 0) {
			return KW_OK;
		}
		if (ready == 0) {
			return KW_E_TIMEOUT;
		}
		if (errno != EINTR) {
			return socket_err("cannot wait");
		}
	}
}

/* The time is up also for somebody who is kept busy with other people's answers. */
static enum kw_err await(int fd, const struct ipc_header *request, uint64_t generation,
	uint64_t deadline_us, void *answer)
{
	for (;;) {
		const struct ipc_header *header = answer;
		uint64_t greeted;
		size_t length;
		enum kw_err err = readable(fd, deadline_us);

		if (err == KW_OK) {
			err = ipc_receive(fd, answer, false, &length);
			if (err == KW_OK && header->kind == request->kind &&
				header->number == request->number) {
				return KW_OK;
			}
			if (err == KW_OK && is_hello(answer, &greeted) && greeted != generation) {
				return KW_E_CLOSED;
			}
		}
		if (err == KW_E_TIMEOUT || err == KW_E_CLOSED || err == KW_E_SYSTEM) {
			return err;
		}
		if (kw_mono_us(&kw_env_system) >= deadline_us) {
			return KW_E_TIMEOUT;
		}
	}
}

enum kw_err ipc_ask(int fd, enum ipc_kind kind, const void *body, size_t body_length,
	const void *tail, size_t tail_length, int timeout_ms, void *answer)
{
	struct ipc_header request = {
		.kind = (uint16_t)kind,
		.count = body_length > 0 ? 1 : 0,
	};
	uint64_t deadline_us =
		kw_mono_us(&kw_env_system) + (timeout_ms > 0 ? (uint64_t)timeout_ms * 1000 : 0);
	uint64_t generation = 0;
	enum kw_err err;

	/* Not a counter: an answer to somebody who had this channel before must not fit. */
	err = kw_random(&kw_env_system, &request.number, sizeof(request.number));
	if (err == KW_OK) {
		err = drain(fd, answer, &generation);
	}
	if (err == KW_OK) {
		err = ipc_send(fd, &request, body, body_length, tail, tail_length);
	}
	if (err == KW_OK) {
		err = await(fd, &request, generation, deadline_us, answer);
	}
	return err;
}

const void *ipc_body(const void *message)
{
	return (const uint8_t *)message + sizeof(struct ipc_header);
}

const void *ipc_tail(const void *message, bool to_vault, size_t *length)
{
	const struct ipc_header *header = message;
	size_t bodies = header->count * ipc_body_size(header->kind, to_vault);

	*length = header->length - bodies;
	return (const uint8_t *)message + sizeof(*header) + bodies;
}
