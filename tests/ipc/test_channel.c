#include "ipc/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs three of the above */
#include <cmocka.h>

struct fixture {
	int fds[2]; /* 0: front or portal, 1: vault */
	void *buffer;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->buffer = malloc(IPC_MESSAGE_MAX);
	assert_non_null(fixture->buffer);
	assert_int_equal(ipc_channel_pair(fixture->fds), KW_OK);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->fds[0]);
	close(fixture->fds[1]);
	free(fixture->buffer);
	free(fixture);
	return 0;
}

static enum kw_err send_status(int fd, uint64_t number)
{
	struct ipc_header header = {.kind = IPC_STATUS, .number = number};

	return ipc_send(fd, &header, NULL, 0, NULL, 0);
}

static enum kw_err send_hello(int fd, uint64_t generation)
{
	struct ipc_header header = {.kind = IPC_HELLO, .count = 1};
	struct ipc_hello hello = {.generation = generation};

	return ipc_send(fd, &header, &hello, sizeof(hello), NULL, 0);
}

static void test_pair(void **state)
{
	struct fixture *fixture = *state;
	int type;
	socklen_t size = sizeof(type);

	for (int i = 0; i < 2; i++) {
		assert_int_not_equal(fcntl(fixture->fds[i], F_GETFL) & O_NONBLOCK, 0);
		assert_int_not_equal(fcntl(fixture->fds[i], F_GETFD) & FD_CLOEXEC, 0);
		assert_int_equal(getsockopt(fixture->fds[i], SOL_SOCKET, SO_TYPE, &type, &size), 0);
		assert_int_equal(type, SOCK_SEQPACKET);
	}
}

static void test_message_and_parts(void **state)
{
	struct fixture *fixture = *state;
	struct ipc_import_req req = {.envelope_length = 3, .dry_run = 1};
	struct ipc_header header = {.kind = IPC_DEVICE_IMPORT, .count = 1, .number = 99};
	const struct ipc_header *got = fixture->buffer;
	const struct ipc_import_req *body;
	size_t length;

	assert_int_equal(ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_E_BUSY);
	assert_int_equal(length, 0);
	assert_int_equal(ipc_send(fixture->fds[0], &header, &req, sizeof(req), "abc", 3), KW_OK);
	assert_int_equal(ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_OK);
	assert_int_equal(length, sizeof(header) + sizeof(req) + 3);
	assert_int_equal(got->number, 99);
	body = ipc_body(fixture->buffer);
	assert_int_equal(body->dry_run, 1);
	assert_memory_equal(ipc_tail(fixture->buffer, true, &length), "abc", 3);
	assert_int_equal(length, 3);
}

/* The largest message passes whatever buffer an ordinary kernel grants. */
static void test_largest_message(void **state)
{
	struct fixture *fixture = *state;
	const int granted[] = {0, 212992, 106496}; /* 0: what the pair has; the kernel doubles */
	size_t room = IPC_MESSAGE_MAX - sizeof(struct ipc_header);
	uint8_t *tail = malloc(room + 1);

	assert_non_null(tail);
	memset(tail, 0x5a, room + 1);
	for (size_t i = 0; i < sizeof(granted) / sizeof(granted[0]); i++) {
		struct ipc_header header = {.kind = IPC_DEVICE_IMPORT};
		int fd = fixture->fds[0];
		size_t length;

		if (granted[i] != 0) {
			assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &granted[i],
						 sizeof(granted[i])),
				0);
		}
		assert_int_equal(ipc_send(fd, &header, NULL, 0, tail, room), KW_OK);
		/* it arrives whole; its shape is nonsense */
		assert_int_equal(
			ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_E_INVALID);
		assert_int_equal(length, IPC_MESSAGE_MAX);
		assert_int_equal(ipc_send(fd, &header, NULL, 0, tail, room + 1), KW_E_TOO_LONG);
		assert_int_equal(
			ipc_send(fd, &header, tail, SIZE_MAX, tail, SIZE_MAX), KW_E_TOO_LONG);
	}
	free(tail);
}

static void test_too_long_for_the_socket(void **state)
{
	struct fixture *fixture = *state;
	int small = 4096;
	struct ipc_header header = {.kind = IPC_BACKEND, .count = IPC_BATCH_MAX};
	struct ipc_backend_req *batch = calloc(IPC_BATCH_MAX, sizeof(*batch));

	assert_non_null(batch);
	assert_int_equal(
		setsockopt(fixture->fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(
		ipc_send(fixture->fds[0], &header, batch, IPC_BATCH_MAX * sizeof(*batch), NULL, 0),
		KW_E_TOO_LONG);
	free(batch);
}

static void test_truncated(void **state)
{
	struct fixture *fixture = *state;
	uint8_t *octets = calloc(1, IPC_MESSAGE_MAX + 1);
	size_t length;

	assert_non_null(octets);
	assert_int_equal(
		send(fixture->fds[0], octets, IPC_MESSAGE_MAX + 1, 0), IPC_MESSAGE_MAX + 1);
	assert_int_equal(send_status(fixture->fds[0], 5), KW_OK);
	assert_int_equal(
		ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_E_TRUNCATED);
	/* it was consumed: the next one is whole */
	assert_int_equal(ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_OK);
	free(octets);
}

/* A process that was taken over must not make the other believe that the channel has ended. */
static void test_empty_datagram_is_not_the_end(void **state)
{
	struct fixture *fixture = *state;
	size_t length;

	assert_int_equal(send(fixture->fds[0], "", 0, MSG_NOSIGNAL), 0);
	assert_int_equal(send_status(fixture->fds[0], 5), KW_OK);
	assert_int_equal(
		ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_E_TRUNCATED);
	assert_int_equal(length, 0);
	assert_int_equal(ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_OK);
	assert_int_equal(ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_E_BUSY);
	/* That is what ends it, though both descriptors are open. */
	assert_int_equal(shutdown(fixture->fds[0], SHUT_WR), 0);
	assert_int_equal(ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_E_CLOSED);
}

static void test_batch_of_256(void **state)
{
	struct fixture *fixture = *state;
	struct ipc_backend_req *batch = calloc(IPC_BATCH_MAX, sizeof(*batch));
	struct ipc_header header = {.kind = IPC_BACKEND, .count = IPC_BATCH_MAX};
	const struct ipc_backend_req *got;
	size_t length;

	assert_non_null(batch);
	for (unsigned i = 0; i < IPC_BATCH_MAX; i++) {
		batch[i].number = i + 1;
	}
	assert_int_equal(
		ipc_send(fixture->fds[0], &header, batch, IPC_BATCH_MAX * sizeof(*batch), NULL, 0),
		KW_OK);
	assert_int_equal(ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_OK);
	got = ipc_body(fixture->buffer);
	for (unsigned i = 0; i < IPC_BATCH_MAX; i++) {
		assert_int_equal(got[i].number, i + 1);
	}
	free(batch);
}

static void test_busy_and_whole_again(void **state)
{
	struct fixture *fixture = *state;
	uint64_t sent = 0;
	size_t length;
	enum kw_err err;

	while ((err = send_status(fixture->fds[0], sent + 1)) == KW_OK) {
		sent++;
	}
	assert_int_equal(err, KW_E_BUSY);
	assert_true(sent > 4);
	for (uint64_t i = 1; i <= sent; i++) {
		const struct ipc_header *header = fixture->buffer;

		assert_int_equal(
			ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_OK);
		assert_int_equal(header->number, i);
	}
	assert_int_equal(ipc_receive(fixture->fds[1], fixture->buffer, true, &length), KW_E_BUSY);
	assert_int_equal(send_status(fixture->fds[0], 1), KW_OK);
}

static void test_closed(void **state)
{
	struct fixture *fixture = *state;
	size_t length;

	close(fixture->fds[1]);
	assert_int_equal(send_status(fixture->fds[0], 1), KW_E_CLOSED);
	assert_int_equal(
		ipc_receive(fixture->fds[0], fixture->buffer, false, &length), KW_E_CLOSED);
	assert_int_equal(
		ipc_ask(fixture->fds[0], IPC_STATUS, NULL, 0, NULL, 0, 100, fixture->buffer),
		KW_E_CLOSED);
	fixture->fds[1] = dup(fixture->fds[0]);
}

/* ---- asking: the other side is a process of its own ---- */

enum behaviour {
	ANSWER,
	ANSWER_AFTER_NOISE, /* answers to others, nonsense and a known greeting first */
	REFUSE,
	RESTART, /* takes the question and greets as if started anew */
	SILENT,
};

static void wait_readable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	if (poll(&wait, 1, 5000) != 1) {
		_exit(3);
	}
}

static void need(bool holds)
{
	if (!holds) {
		_exit(4);
	}
}

static void vault_answer(int fd, const struct ipc_header *request, enum kw_err err)
{
	static struct ipc_status status = {.devices = 42};
	struct ipc_header header = {.kind = request->kind, .number = request->number, .err = err};

	header.count = err == KW_OK ? 1 : 0;
	need(ipc_send(fd, &header, &status, err == KW_OK ? sizeof(status) : 0, NULL, 0) == KW_OK);
}

static void vault_noise(int fd, const struct ipc_header *request)
{
	struct ipc_header other = *request;

	other.number++;
	vault_answer(fd, &other, KW_OK);
	need(send(fd, "nonsense", 8, 0) == 8);
	need(send_hello(fd, 11) == KW_OK);
	other = *request;
	other.kind = IPC_INTAKE;
	vault_answer(fd, &other, KW_E_STORE);
}

static void vault_play(int fd, enum behaviour behaviour)
{
	static uint64_t buffer[IPC_MESSAGE_MAX / sizeof(uint64_t)];
	const struct ipc_header *request = (const void *)buffer;
	size_t length;

	wait_readable(fd);
	need(ipc_receive(fd, buffer, true, &length) == KW_OK);
	switch (behaviour) {
	case ANSWER_AFTER_NOISE:
		vault_noise(fd, request);
		vault_answer(fd, request, KW_OK);
		break;
	case ANSWER:
		vault_answer(fd, request, KW_OK);
		break;
	case REFUSE:
		vault_answer(fd, request, KW_E_STORE);
		break;
	case RESTART:
		need(send_hello(fd, 12) == KW_OK);
		break;
	case SILENT:
		break;
	}
}

static enum kw_err ask_with(struct fixture *fixture, enum behaviour behaviour, int timeout_ms)
{
	enum kw_err err;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		vault_play(fixture->fds[1], behaviour);
		_exit(0);
	}
	err = ipc_ask(fixture->fds[0], IPC_STATUS, NULL, 0, NULL, 0, timeout_ms, fixture->buffer);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return err;
}

static void assert_answered(const struct fixture *fixture)
{
	const struct ipc_status *status = ipc_body(fixture->buffer);

	assert_int_equal(((const struct ipc_header *)fixture->buffer)->kind, IPC_STATUS);
	assert_int_equal(status->devices, 42);
}

static void test_ask(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask_with(fixture, ANSWER, 5000), KW_OK);
		assert_answered(fixture);
	}
	assert_int_equal(ask_with(fixture, REFUSE, 5000), KW_OK);
	assert_int_equal(((const struct ipc_header *)fixture->buffer)->err, KW_E_STORE);
}

static void test_ask_past_what_is_queued(void **state)
{
	struct fixture *fixture = *state;
	const struct ipc_header old = {.kind = IPC_STATUS, .number = 1};

	/* left over from somebody who asked and did not wait, and a start in between */
	vault_answer(fixture->fds[1], &old, KW_OK);
	assert_int_equal(send_hello(fixture->fds[1], 11), KW_OK);
	assert_int_equal(send(fixture->fds[1], "nonsense", 8, 0), 8);
	assert_int_equal(ask_with(fixture, ANSWER_AFTER_NOISE, 5000), KW_OK);
	assert_answered(fixture);
}

static void test_ask_and_restart(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(send_hello(fixture->fds[1], 11), KW_OK);
	assert_int_equal(ask_with(fixture, RESTART, 5000), KW_E_CLOSED);
	assert_int_equal(ask_with(fixture, ANSWER, 5000), KW_OK);
	assert_answered(fixture);
}

static void test_ask_and_timeout(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ask_with(fixture, SILENT, 50), KW_E_TIMEOUT);
	assert_int_equal(ask_with(fixture, ANSWER, 5000), KW_OK);
	assert_answered(fixture);
}

static void test_ask_when_full(void **state)
{
	struct fixture *fixture = *state;

	while (send_status(fixture->fds[0], 1) == KW_OK) {
	}
	assert_int_equal(
		ipc_ask(fixture->fds[0], IPC_STATUS, NULL, 0, NULL, 0, 50, fixture->buffer),
		KW_E_BUSY);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_pair),
		CASE(test_message_and_parts),
		CASE(test_largest_message),
		CASE(test_too_long_for_the_socket),
		CASE(test_truncated),
		CASE(test_empty_datagram_is_not_the_end),
		CASE(test_batch_of_256),
		CASE(test_busy_and_whole_again),
		CASE(test_closed),
		CASE(test_ask),
		CASE(test_ask_past_what_is_queued),
		CASE(test_ask_and_restart),
		CASE(test_ask_and_timeout),
		CASE(test_ask_when_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
