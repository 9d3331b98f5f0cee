#include "tests/bench/loop.h"

#include "base/env.h"
#include "base/secret.h"
#include "tests/bench/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define BROKEN_MAX 100 /* more of them end the run */
#define SILENCE_US 10000000u
#define SLACK_NS   1000 /* of timers: 50 us by default, which would be in every latency */
#define US_PER_S   1000000u

struct loop {
	const struct loop_options *options;
	struct request_source *source;
	struct loop_result *result;
	struct connection *connections;
	struct connection_queue free; /* idle and may send, longest free first */
	struct request request;       /* built ahead; no length: none is left */
	struct schedule schedule;
	unsigned busy;     /* connections that are not idle */
	uint64_t heard_us; /* when something came last, or began to be waited for */
	bool begun;        /* requests may be sent */
	int epoll;
};

static enum kw_err shake(struct loop *loop, struct connection *connection);

static uint64_t now_us(void)
{
	return kw_mono_us(&kw_env_system);
}

static void set_state(struct loop *loop, struct connection *connection, enum connection_state state)
{
	loop->busy -= connection->state != CONNECTION_IDLE;
	if (loop->busy == 0) {
		loop->heard_us = now_us();
	}
	loop->busy += state != CONNECTION_IDLE;
	connection->state = state;
}

static void set_free(struct loop *loop, struct connection *connection)
{
	set_state(loop, connection, CONNECTION_IDLE);
	connection_queue_push(&loop->free, connection);
}

static enum kw_err build(struct loop *loop)
{
	enum kw_err err = request_next(loop->source, &loop->request);

	if (err == KW_E_EXHAUSTED) {
		loop->request.length = 0;
		return KW_OK;
	}
	return err;
}

static void exhaust(struct loop *loop)
{
	loop->result->exhausted = true;
	loop->schedule.count = loop->schedule.taken;
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
	set_state(loop, connection, CONNECTION_SHAKING);
	return shake(loop, connection);
}

static enum kw_err broke(struct loop *loop, struct connection *connection)
{
	connection_queue_remove(&loop->free, connection);
	link_close(&connection->link);
	loop->result->broken++;
	if (loop->result->broken > BROKEN_MAX) {
		return KW_E_CLOSED;
	}
	if (loop->options->new_connections) {
		set_free(loop, connection);
		return KW_OK;
	}
	set_state(loop, connection, CONNECTION_IDLE);
	return open_connection(loop, connection);
}

static enum kw_err send_request(struct loop *loop, struct connection *connection)
{
	const struct request *request = &loop->request;
	enum kw_err sent;
	enum kw_err err;

	if (request->length == 0) { /* the last one went while this connection was opened */
		exhaust(loop);
		link_close(&connection->link);
		set_state(loop, connection, CONNECTION_IDLE);
		return KW_OK;
	}
	sent = link_send(&connection->link, request->octets, request->length);
	err = build(loop);
	if (err != KW_OK) {
		return err;
	}
	if (sent != KW_OK) {
		return broke(loop, connection);
	}
	connection->answer.got = 0;
	set_state(loop, connection, CONNECTION_WAITING);
	return KW_OK;
}

/* Those that are free send what is due. */
static enum kw_err send_due(struct loop *loop)
{
	enum kw_err err = KW_OK;

	while (err == KW_OK && loop->begun && loop->free.first != NULL) {
		struct connection *connection;
		uint64_t now = now_us();
		uint64_t due_us;

		if (!schedule_take(&loop->schedule, now, &due_us)) {
			break;
		}
		if (loop->request.length == 0) {
			exhaust(loop);
			break;
		}
		loop->result->late += now - due_us > LOOP_LATE_US;
		connection = connection_queue_pop(&loop->free);
		connection->due_us = due_us;
		err = loop->options->new_connections ? open_connection(loop, connection)
						     : send_request(loop, connection);
	}
	return err;
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
	if (loop->options->new_connections) {
		return send_request(loop, connection);
	}
	set_free(loop, connection);
	return KW_OK;
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
		if (err != KW_OK || connection->state != CONNECTION_WAITING) {
			return broke(loop, connection);
		}
		if (answer->got == 0) {
			latency_add(&loop->result->latency, now_us() - connection->due_us);
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
	if (loop->options->new_connections) {
		link_close(&connection->link);
	}
	set_free(loop, connection);
	return KW_OK;
}

/* Until something comes, the next request is due and can be sent, or there was silence for too long. */
static int wait_for_events(struct loop *loop, struct epoll_event *events)
{
	uint64_t now = now_us();
	uint64_t until_us = loop->heard_us + SILENCE_US;
	uint64_t due_us = UINT64_MAX;
	uint64_t left_us;
	struct timespec most;

	if (loop->begun && loop->free.first != NULL) {
		due_us = schedule_next_us(&loop->schedule, now);
	}
	if (due_us < until_us || loop->busy == 0) {
		until_us = due_us;
	}
	left_us = until_us > now ? until_us - now : 0;
	most.tv_sec = (time_t)(left_us / US_PER_S);
	most.tv_nsec = (long)(left_us % US_PER_S * 1000);
	return epoll_pwait2(loop->epoll, events, EVENTS_MAX, &most, NULL);
}

static enum kw_err turn(struct loop *loop)
{
	struct epoll_event events[EVENTS_MAX];
	int count = wait_for_events(loop, events);
	enum kw_err err = KW_OK;

	if (count > 0) {
		loop->heard_us = now_us();
	} else if (loop->busy > 0 && now_us() - loop->heard_us >= SILENCE_US) {
		fprintf(stderr, "joinload: no answer for %u s\n", SILENCE_US / US_PER_S);
		return KW_E_TIMEOUT;
	}
	for (int i = 0; i < count && err == KW_OK; i++) {
		struct connection *connection = events[i].data.ptr;

		err = connection->state == CONNECTION_SHAKING ? shake(loop, connection)
							      : receive(loop, connection);
		if (err == KW_OK) {
			err = send_due(loop);
		}
	}
	return err == KW_OK ? send_due(loop) : err;
}

static enum kw_err prepare(struct loop *loop)
{
	enum kw_err err = build(loop);

	for (unsigned i = 0; i < loop->options->connections && err == KW_OK; i++) {
		if (loop->options->new_connections) {
			set_free(loop, &loop->connections[i]);
		} else {
			err = open_connection(loop, &loop->connections[i]);
		}
	}
	while (err == KW_OK && loop->busy > 0) {
		err = turn(loop);
	}
	return err;
}

/* What is still due long after the end waited at least until now. */
static void give_up(struct loop *loop, uint64_t now)
{
	uint64_t due_us;

	while (schedule_take(&loop->schedule, now, &due_us)) {
		latency_add(&loop->result->latency, now - due_us);
		loop->result->unsent++;
	}
}

static enum kw_err run(struct loop *loop)
{
	uint64_t begun_us = now_us();
	enum kw_err err;

	schedule_init(&loop->schedule, loop->options->rate, begun_us, loop->options->duration_us,
		loop->options->count);
	loop->begun = true;
	err = send_due(loop);
	while (err == KW_OK &&
		(loop->busy > 0 || schedule_next_us(&loop->schedule, now_us()) != UINT64_MAX)) {
		uint64_t now;

		err = turn(loop);
		now = now_us();
		if (now > loop->schedule.end_us + LOOP_DRAIN_S * US_PER_S) {
			give_up(loop, now);
		}
	}
	loop->result->took_us = now_us() - begun_us;
	return err;
}

enum kw_err loop_run(const struct loop_options *options, struct tls *tls,
	struct request_source *source, const struct request *layout, struct loop_result *result)
{
	struct loop loop = {
		.options = options, .source = source, .result = result, .request = *layout};
	enum kw_err err = KW_E_NO_MEMORY;

	memset(result, 0, sizeof(*result));
	prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.connections = calloc(options->connections, sizeof(*loop.connections));
	for (unsigned i = 0; loop.connections != NULL && i < options->connections; i++) {
		link_init(&loop.connections[i].link, tls);
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
	kw_wipe(&loop.request, sizeof(loop.request));
	return err;
}
