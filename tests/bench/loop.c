#include "tests/bench/loop.h"

#include "base/env.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define ANSWER_MAX 4096
#define BROKEN_MAX 100 /* more of them end the run */
#define SILENCE_MS 10000

static const char result_code[] = "\"ResultCode\":\"";

struct connection {
	int fd;
	bool waiting; /* a request is on its way */
	uint64_t sent_us;
	size_t got;
	struct request request; /* built ahead: the next to be sent */
	char answer[ANSWER_MAX + 1];
};

struct loop {
	const struct loop_options *options;
	struct request_source *source;
	struct loop_result *result;
	struct connection *connections;
	unsigned waiting;
	uint64_t sent;
	uint64_t end_us;
	int epoll;
};

static enum kw_err open_connection(struct loop *loop, struct connection *connection)
{
	const struct sockaddr_in *address = &loop->options->address;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	int on = 1;

	connection->got = 0;
	connection->waiting = false;
	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0 ||
		connect(connection->fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
		setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
		fprintf(stderr, "joinload: connect: %s\n", strerror(errno));
		return KW_E_SYSTEM;
	}
	return KW_OK;
}

static enum kw_err build(struct loop *loop, struct connection *connection)
{
	enum kw_err err;

	if (loop->source->next >= loop->options->count) {
		connection->request.length = 0;
		return KW_OK;
	}
	err = request_next(loop->source, &connection->request);
	if (err == KW_E_EXHAUSTED) {
		loop->result->exhausted = true;
		connection->request.length = 0;
		return KW_OK;
	}
	return err;
}

static enum kw_err reopen(struct loop *loop, struct connection *connection)
{
	close(connection->fd);
	connection->fd = -1;
	if (connection->waiting) {
		loop->waiting--;
	}
	loop->result->broken++;
	return loop->result->broken > BROKEN_MAX ? KW_E_CLOSED : open_connection(loop, connection);
}

/* A request is smaller than an empty socket buffer, so it is written whole or not at all. */
static enum kw_err send_request(struct loop *loop, struct connection *connection, uint64_t now_us)
{
	const struct request *request = &connection->request;
	ssize_t written;

	if (request->length == 0 || now_us >= loop->end_us) {
		return KW_OK;
	}
	connection->got = 0;
	connection->sent_us = now_us;
	written =
		send(connection->fd, request->octets, request->length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (written != (ssize_t)request->length) {
		enum kw_err err = reopen(loop, connection);

		return err == KW_OK ? build(loop, connection) : err;
	}
	connection->waiting = true;
	loop->waiting++;
	loop->sent++;
	return build(loop, connection);
}

/*
 * Line by line: cheaper than searching for names in all of it.
 *
 * @return length of head and body; 0: not all there yet; SIZE_MAX: no HTTP, or too long
 */
static size_t whole_length(const struct connection *connection, const char **body)
{
	static const char name[] = "Content-Length:";
	const char *line = connection->answer;
	const char *end = connection->answer + connection->got;
	size_t length = SIZE_MAX;
	const char *next;

	for (; (next = memchr(line, '\n', (size_t)(end - line))) != NULL; line = next + 1) {
		if (line[0] == '\r') {
			size_t head = (size_t)(next + 1 - connection->answer);

			if (length > ANSWER_MAX - head ||
				memcmp(connection->answer, "HTTP/1.1 ", 9)) {
				return SIZE_MAX;
			}
			*body = next + 1;
			return head + length > connection->got ? 0 : head + length;
		}
		if ((line[0] | 0x20) == 'c' && strncasecmp(line, name, sizeof(name) - 1) == 0) {
			length = strtoul(line + sizeof(name) - 1, NULL, 10);
		}
	}
	return connection->got >= ANSWER_MAX ? SIZE_MAX : 0;
}

static void note_wrong(struct loop_result *result, const char *answer, const char *code)
{
	size_t length = code == NULL ? 0 : strcspn(code, "\"");

	if (result->wrong++ > 0) {
		return;
	}
	if (code == NULL) {
		snprintf(result->wrong_example, LOOP_CODE_SIZE, "HTTP %.3s", answer + 9);
	} else {
		snprintf(result->wrong_example, LOOP_CODE_SIZE, "%.*s", (int)length, code);
	}
}

static void judge(struct loop *loop, const struct connection *connection, const char *body)
{
	const char *expected =
		loop->source->mode == REQUEST_UNKNOWN ? "UnknownDevEUI\"" : "Success\"";
	const char *code = strstr(body, result_code);

	loop->result->answered++;
	if (strncmp(connection->answer + 9, "200", 3) != 0) {
		note_wrong(loop->result, connection->answer, NULL);
		return;
	}
	if (loop->source->mode == REQUEST_FIXED) {
		loop->result->right++;
		return;
	}
	if (code == NULL) {
		note_wrong(loop->result, connection->answer, "none\"");
		return;
	}
	code += sizeof(result_code) - 1;
	if (strncmp(code, expected, strlen(expected)) == 0) {
		loop->result->right++;
	} else {
		note_wrong(loop->result, connection->answer, code);
	}
}

static enum kw_err receive(struct loop *loop, struct connection *connection)
{
	const char *body = NULL;
	ssize_t got = recv(connection->fd, connection->answer + connection->got,
		ANSWER_MAX - connection->got, MSG_DONTWAIT);
	uint64_t now_us = kw_mono_us(&kw_env_system);
	size_t length;

	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return KW_OK;
	}
	if (got > 0 && connection->waiting && connection->got == 0) {
		kw_histogram_add(&loop->result->latency, now_us - connection->sent_us);
	}
	if (got > 0) {
		connection->got += (size_t)got;
		connection->answer[connection->got] = '\0';
	}
	length = got > 0 && connection->waiting ? whole_length(connection, &body) : SIZE_MAX;
	if (length == 0) {
		return KW_OK;
	}
	if (length != connection->got) {
		enum kw_err err = reopen(loop, connection);

		return err == KW_OK ? send_request(loop, connection, now_us) : err;
	}
	connection->waiting = false;
	loop->waiting--;
	judge(loop, connection, body);
	return send_request(loop, connection, now_us);
}

static enum kw_err turn(struct loop *loop)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(loop->epoll, events, EVENTS_MAX, SILENCE_MS);
	enum kw_err err = KW_OK;

	if (count == 0) {
		fprintf(stderr, "joinload: no answer for %d s\n", SILENCE_MS / 1000);
		return KW_E_TIMEOUT;
	}
	for (int i = 0; i < count && err == KW_OK; i++) {
		err = receive(loop, events[i].data.ptr);
	}
	return err;
}

static enum kw_err open_all(struct loop *loop, const struct request *layout)
{
	enum kw_err err = KW_OK;

	for (unsigned i = 0; i < loop->options->connections && err == KW_OK; i++) {
		struct connection *connection = &loop->connections[i];

		connection->request = *layout;
		err = open_connection(loop, connection);
		if (err == KW_OK) {
			err = build(loop, connection);
		}
	}
	return err;
}

static enum kw_err run(struct loop *loop)
{
	uint64_t begun_us = kw_mono_us(&kw_env_system);
	enum kw_err err = KW_OK;

	loop->end_us = begun_us + loop->options->duration_us;
	for (unsigned i = 0; i < loop->options->connections && err == KW_OK; i++) {
		err = send_request(loop, &loop->connections[i], kw_mono_us(&kw_env_system));
	}
	while (err == KW_OK && loop->waiting > 0) {
		err = turn(loop);
	}
	loop->result->took_us = kw_mono_us(&kw_env_system) - begun_us;
	return err;
}

enum kw_err loop_run(const struct loop_options *options, struct request_source *source,
	const struct request *layout, struct loop_result *result)
{
	struct loop loop = {.options = options, .source = source, .result = result};
	enum kw_err err = KW_E_NO_MEMORY;

	memset(result, 0, sizeof(*result));
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.connections = calloc(options->connections, sizeof(*loop.connections));
	if (loop.epoll >= 0 && loop.connections != NULL) {
		for (unsigned i = 0; i < options->connections; i++) {
			loop.connections[i].fd = -1;
		}
		err = open_all(&loop, layout);
	}
	if (err == KW_OK) {
		err = run(&loop);
	}
	for (unsigned i = 0; loop.connections != NULL && i < options->connections; i++) {
		if (loop.connections[i].fd >= 0) {
			close(loop.connections[i].fd);
		}
	}
	free(loop.connections);
	if (loop.epoll >= 0) {
		close(loop.epoll);
	}
	return err;
}
