#include "tests/bench/loop.h"

#include "base/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define BROKEN_MAX 100 /* more of them end the run */
#define SILENCE_MS 10000

enum state {
	IDLE,    /* not open, or open and nothing to send */
	SHAKING, /* a TLS handshake goes on */
	WAITING, /* a request is on its way */
};

struct connection {
	struct link link;
	enum state state;
	uint64_t begun_us;
	struct request request; /* built ahead: the next to be sent */
	struct answer answer;
};

struct loop {
	const struct loop_options *options;
	struct request_source *source;
	struct loop_result *result;
	struct connection *connections;
	unsigned busy; /* connections that are not IDLE */
	bool begun;    /* requests may be sent */
	uint64_t end_us;
	int epoll;
};

static enum kw_err next(struct loop *loop, struct connection *connection);
static enum kw_err shake(struct loop *loop, struct connection *connection);

static void set_state(struct loop *loop, struct connection *connection, enum state state)
{
	loop->busy -= connection->state != IDLE;
	loop->busy += state != IDLE;
	connection->state = state;
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

static enum kw_err open_connection(struct loop *loop, struct connection *connection)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	enum kw_err err = link_open(&connection->link, &loop->options->address);

	if (err != KW_OK) {
		return err;
	}
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->link.fd, &event) != 0) {
		perror("joinload: epoll_ctl");
		return KW_E_SYSTEM;
	}
	set_state(loop, connection, SHAKING);
	return shake(loop, connection);
}

static enum kw_err broke(struct loop *loop, struct connection *connection)
{
	link_close(&connection->link);
	set_state(loop, connection, IDLE);
	loop->result->broken++;
	if (loop->result->broken > BROKEN_MAX) {
		return KW_E_CLOSED;
	}
	return loop->options->new_connections ? next(loop, connection)
					      : open_connection(loop, connection);
}

static enum kw_err send_request(struct loop *loop, struct connection *connection)
{
	struct request *request = &connection->request;
	enum kw_err sent = link_send(&connection->link, request->octets, request->length);
	enum kw_err err = build(loop, connection);

	if (err != KW_OK) {
		return err;
	}
	if (sent != KW_OK) {
		return broke(loop, connection);
	}
	connection->answer.got = 0;
	set_state(loop, connection, WAITING);
	return KW_OK;
}

/* The next request, if there is one and time for it. */
static enum kw_err next(struct loop *loop, struct connection *connection)
{
	uint64_t now_us = kw_mono_us(&kw_env_system);

	if (connection->request.length == 0 || now_us >= loop->end_us) {
		return KW_OK;
	}
	connection->begun_us = now_us;
	return loop->options->new_connections ? open_connection(loop, connection)
					      : send_request(loop, connection);
}

static enum kw_err shake(struct loop *loop, struct connection *connection)
{
	bool resumed;
	enum kw_err err = link_shake(&connection->link, &resumed);

	if (err == KW_E_BUSY) {
		return KW_OK;
	}
	if (err != KW_OK) {
		return broke(loop, connection);
	}
	loop->result->resumed += resumed;
	set_state(loop, connection, IDLE);
	if (loop->options->new_connections) {
		return send_request(loop, connection);
	}
	return loop->begun ? next(loop, connection) : KW_OK;
}

static void judge(struct loop *loop, const struct connection *connection, const char *body)
{
	struct loop_result *result = loop->result;
	char code[ANSWER_CODE_SIZE];

	result->answered++;
	if (answer_right(&connection->answer, body, loop->source->mode, code)) {
		result->right++;
	} else if (result->wrong++ == 0) {
		memcpy(result->wrong_example, code, sizeof(code));
	}
}

static enum kw_err receive(struct loop *loop, struct connection *connection)
{
	struct answer *answer = &connection->answer;
	const char *body = NULL;
	size_t length = 0;

	while (length == 0) {
		size_t got = 0;
		enum kw_err err = link_receive(&connection->link, answer->octets + answer->got,
			ANSWER_MAX - answer->got, &got);

		if (err == KW_E_BUSY) {
			return KW_OK;
		}
		if (err != KW_OK || connection->state != WAITING) {
			return broke(loop, connection);
		}
		if (answer->got == 0) {
			kw_histogram_add(&loop->result->latency,
				kw_mono_us(&kw_env_system) - connection->begun_us);
		}
		answer->got += got;
		answer->octets[answer->got] = '\0';
		length = answer_length(answer, &body);
	}
	if (length != answer->got) {
		return broke(loop, connection);
	}
	judge(loop, connection, body);
	answer->got = 0;
	set_state(loop, connection, IDLE);
	if (loop->options->new_connections) {
		link_close(&connection->link);
	}
	return next(loop, connection);
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
		struct connection *connection = events[i].data.ptr;

		err = connection->state == SHAKING ? shake(loop, connection)
						   : receive(loop, connection);
	}
	return err;
}

static enum kw_err prepare(struct loop *loop)
{
	enum kw_err err = KW_OK;

	for (unsigned i = 0; i < loop->options->connections && err == KW_OK; i++) {
		err = build(loop, &loop->connections[i]);
		if (err == KW_OK && !loop->options->new_connections) {
			err = open_connection(loop, &loop->connections[i]);
		}
	}
	while (err == KW_OK && loop->busy > 0) {
		err = turn(loop);
	}
	return err;
}

static enum kw_err run(struct loop *loop)
{
	uint64_t begun_us = kw_mono_us(&kw_env_system);
	enum kw_err err = KW_OK;

	loop->begun = true;
	loop->end_us = begun_us + loop->options->duration_us;
	for (unsigned i = 0; i < loop->options->connections && err == KW_OK; i++) {
		err = next(loop, &loop->connections[i]);
	}
	while (err == KW_OK && loop->busy > 0) {
		err = turn(loop);
	}
	loop->result->took_us = kw_mono_us(&kw_env_system) - begun_us;
	return err;
}

enum kw_err loop_run(const struct loop_options *options, struct tls *tls,
	struct request_source *source, const struct request *layout, struct loop_result *result)
{
	struct loop loop = {.options = options, .source = source, .result = result};
	enum kw_err err = KW_E_NO_MEMORY;

	memset(result, 0, sizeof(*result));
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.connections = calloc(options->connections, sizeof(*loop.connections));
	for (unsigned i = 0; loop.connections != NULL && i < options->connections; i++) {
		link_init(&loop.connections[i].link, tls);
		loop.connections[i].request = *layout;
	}
	if (loop.epoll >= 0 && loop.connections != NULL) {
		err = prepare(&loop);
	}
	if (err == KW_OK) {
		err = run(&loop);
	}
	for (unsigned i = 0; loop.connections != NULL && i < options->connections; i++) {
		link_finish(&loop.connections[i].link);
	}
	free(loop.connections);
	if (loop.epoll >= 0) {
		close(loop.epoll);
	}
	return err;
}
