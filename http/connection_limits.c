#include "http/connection_limits.h"

#include "base/env.h"
#include "base/log_gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)

/*
 * Addresses are counted by a keyed hash. Two that fall together share their limit; with 64 Ki counters
 * that is rare, and no table of addresses has to grow with those who attack.
 */
#define ADDRESSES     65536
#define ADDRESS_SHIFT 48

/* Connections of each phase that are looked at for one that would be refused: as much work as taking one. */
#define LOOKS 16

enum kw_err http_limits_open(struct http_limits *limits, const struct http_server_options *options)
{
	*limits = (struct http_limits){
		.connections_max = options->connections_max,
		.per_address_max = options->per_address_max < UINT16_MAX ? options->per_address_max
									 : UINT16_MAX,
		.exempt = options->exempt,
		.context = options->context,
	};
	limits->time_us[HTTP_PHASE_NEW] = options->request_timeout_s * SECOND_US;
	limits->time_us[HTTP_PHASE_IDLE] = options->idle_timeout_s * SECOND_US;
	limits->time_us[HTTP_PHASE_BODY] = options->request_timeout_s * SECOND_US;
	limits->time_us[HTTP_PHASE_ANSWER] = options->request_timeout_s * SECOND_US;
	limits->now_us = kw_mono_us(&kw_env_system);
	if (options->per_address_max == 0) {
		return KW_OK;
	}
	limits->addresses = calloc(ADDRESSES, sizeof(limits->addresses[0]));
	if (limits->addresses == NULL) {
		return KW_E_NO_MEMORY;
	}
	return kw_random(&kw_env_system, limits->secret, sizeof(limits->secret));
}

void http_limits_close(struct http_limits *limits)
{
	free(limits->addresses);
	limits->addresses = NULL;
}

/* IPv4, also within IPv6, as it is; of IPv6 the network of a subscriber, who has all addresses in it.
 * False: no address, as of a Unix socket. */
static bool network_of(const struct sockaddr *address, uint64_t *out)
{
	const struct sockaddr_in6 *v6 = (const void *)address;
	uint32_t v4;

	*out = 0;
	if (address == NULL || (address->sa_family != AF_INET && address->sa_family != AF_INET6)) {
		return false;
	}
	if (address->sa_family == AF_INET) {
		*out = ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr;
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(&v4, &v6->sin6_addr.s6_addr[12], sizeof(v4));
		*out = v4;
	} else {
		memcpy(out, &v6->sin6_addr, sizeof(*out));
	}
	return true;
}

/* Multiply-shift: strongly universal, so who does not know the secret cannot aim at a counter. */
static uint16_t *counter_of(const struct http_limits *limits, const struct sockaddr *address)
{
	uint64_t network;

	if (limits->addresses == NULL || !network_of(address, &network) ||
		(limits->exempt != NULL && limits->exempt(limits->context, address))) {
		return NULL;
	}
	return &limits->addresses[(limits->secret[0] * (uint32_t)network +
					  limits->secret[1] * (network >> 32) +
					  limits->secret[2]) >>
				  ADDRESS_SHIFT];
}

static void log_refused(const struct sockaddr *address)
{
	static struct kw_log_gate gate;
	const struct sockaddr_in6 *v6 = (const void *)address;
	const struct sockaddr_in *v4 = (const void *)address;
	char text[INET6_ADDRSTRLEN] = "?";

	if (!kw_log_gate(&gate, &kw_env_system, KW_LOG_WARNING, "http")) {
		return;
	}
	if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
	}
	kw_log(KW_LOG_WARNING, "http", "connection refused: too many from one address",
		KW_STR("from", text));
}

static void queue_put(struct http_limits *limits, struct http_slot *slot, enum http_phase phase)
{
	slot->phase = phase;
	slot->older = NULL;
	slot->newer = NULL;
	if (phase < HTTP_PHASE_TIMED) {
		struct http_queue *queue = &limits->queues[phase];

		slot->since_us = limits->now_us;
		slot->older = queue->newest;
		*(queue->newest != NULL ? &queue->newest->newer : &queue->oldest) = slot;
		queue->newest = slot;
	}
}

static void queue_take(struct http_limits *limits, struct http_slot *slot)
{
	if (slot->phase < HTTP_PHASE_TIMED) {
		struct http_queue *queue = &limits->queues[slot->phase];

		*(slot->older != NULL ? &slot->older->newer : &queue->oldest) = slot->newer;
		*(slot->newer != NULL ? &slot->newer->older : &queue->newest) = slot->older;
		queue->look = queue->look == slot ? slot->newer : queue->look;
	}
}

static void forget_address(struct http_slot *slot)
{
	if (slot->address != NULL) {
		(*slot->address)--;
		slot->address = NULL;
	}
}

static void shut(struct http_limits *limits, struct http_slot *slot)
{
	queue_take(limits, slot);
	queue_put(limits, slot, HTTP_PHASE_SHUT);
	forget_address(slot);
	limits->open--;
	/* libmicrohttpd sees the end of the connection and closes it. */
	shutdown(slot->fd, SHUT_RDWR);
}

/* Its client has closed it, and nothing is left to read. */
static bool is_dead(const struct http_slot *slot)
{
	char octet;

	return recv(slot->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/*
 * libmicrohttpd 0.9.75 does not notice the end of a connection that comes together with a part of a
 * request: it would keep it until its time is over, and who opens and closes many would be refused with
 * none open. A few are looked at each time, one after the other: each newcomer adds one at most.
 */
static void shut_dead(struct http_limits *limits, enum http_phase phase)
{
	struct http_queue *queue = &limits->queues[phase];

	for (unsigned i = 0; i < LOOKS && queue->oldest != NULL; i++) {
		struct http_slot *slot = queue->look != NULL ? queue->look : queue->oldest;

		queue->look = slot->newer;
		if (is_dead(slot)) {
			shut(limits, slot);
		}
	}
}

bool http_limits_admit(struct http_limits *limits, const struct sockaddr *address)
{
	const uint16_t *counter = counter_of(limits, address);

	if (counter == NULL || *counter < limits->per_address_max) {
		return true;
	}
	shut_dead(limits, HTTP_PHASE_NEW);
	shut_dead(limits, HTTP_PHASE_IDLE);
	shut_dead(limits, HTTP_PHASE_BODY);
	if (*counter < limits->per_address_max) {
		return true;
	}
	limits->count.refused++;
	log_refused(address);
	return false;
}

/* Whose place another may have: who has asked nothing first, who is being answered last. */
static struct http_slot *dispensable(const struct http_limits *limits, struct http_slot *newcomer)
{
	static const enum http_phase order[] = {
		HTTP_PHASE_NEW, HTTP_PHASE_IDLE, HTTP_PHASE_BODY, HTTP_PHASE_ANSWER};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct http_slot *slot = limits->queues[order[i]].oldest;

		if (slot != NULL && slot != newcomer) {
			return slot;
		}
	}
	return newcomer;
}

void http_limits_enter(
	struct http_limits *limits, struct http_slot *slot, int fd, const struct sockaddr *address)
{
	*slot = (struct http_slot){.fd = fd, .address = counter_of(limits, address)};
	if (slot->address != NULL) {
		(*slot->address)++;
	}
	limits->open++;
	queue_put(limits, slot, HTTP_PHASE_NEW);
	if (limits->open > limits->connections_max) {
		limits->count.displaced++;
		shut(limits, dispensable(limits, slot));
	}
}

void http_limits_leave(struct http_limits *limits, struct http_slot *slot)
{
	queue_take(limits, slot);
	limits->open -= slot->phase != HTTP_PHASE_SHUT;
	slot->phase = HTTP_PHASE_SHUT;
	forget_address(slot);
}

void http_limits_move(struct http_limits *limits, struct http_slot *slot, enum http_phase phase)
{
	if (slot->phase != HTTP_PHASE_SHUT) {
		queue_take(limits, slot);
		queue_put(limits, slot, phase);
	}
}

static bool is_over(const struct http_limits *limits, enum http_phase phase)
{
	const struct http_slot *oldest = limits->queues[phase].oldest;

	return oldest != NULL && limits->time_us[phase] != 0 &&
	       limits->now_us - oldest->since_us >= limits->time_us[phase];
}

void http_limits_turn(struct http_limits *limits)
{
	limits->now_us = kw_mono_us(&kw_env_system);
	for (enum http_phase phase = 0; phase < HTTP_PHASE_TIMED; phase++) {
		while (is_over(limits, phase)) {
			limits->count.timed_out += phase != HTTP_PHASE_IDLE;
			shut(limits, limits->queues[phase].oldest);
		}
	}
}

int http_limits_timeout_ms(const struct http_limits *limits)
{
	const uint64_t now_us = kw_mono_us(&kw_env_system);
	uint64_t next_us = UINT64_MAX;

	for (enum http_phase phase = 0; phase < HTTP_PHASE_TIMED; phase++) {
		const struct http_slot *oldest = limits->queues[phase].oldest;

		if (oldest != NULL && limits->time_us[phase] != 0 &&
			oldest->since_us + limits->time_us[phase] < next_us) {
			next_us = oldest->since_us + limits->time_us[phase];
		}
	}
	if (next_us == UINT64_MAX) {
		return -1;
	}
	return next_us <= now_us ? 0 : (int)((next_us - now_us) / 1000 + 1);
}
