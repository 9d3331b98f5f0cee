#include "js/front_batch.h"

#include "base/env.h"
#include "base/log.h"
#include "base/secret.h"
#include "ipc/channel.h"
#include "js/front_convert.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of the time to leave, what is kept for sending the last answers. */
#define LEAVE_SEND_US (300 * 1000)

/* Untouched pages cost nothing: a front that never sees a large batch stays small. */
static void *reserve(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

enum kw_err js_front_batch_init(struct js_front_batch *batch, int channel, int signals,
	struct js_front_posts *posts, struct ipc_report *report)
{
	*batch = (struct js_front_batch){
		.channel = channel,
		.signals = signals,
		.report = report,
		.posts = posts,
		.entries = reserve(JS_FRONT_BATCH_MAX * sizeof(*batch->entries)),
		.questions = reserve(JS_FRONT_BATCH_MAX * sizeof(*batch->questions)),
		.message = reserve(IPC_MESSAGE_MAX),
	};
	if (batch->entries == NULL || batch->questions == NULL || batch->message == NULL) {
		js_front_batch_finish(batch);
		return KW_E_NO_MEMORY;
	}
	/* Not from 0: an answer to who had this channel before must not fit. */
	return kw_random(&kw_env_system, &batch->first, sizeof(batch->first));
}

static void release(void *memory, size_t size)
{
	if (memory != NULL) {
		munmap(memory, size);
	}
}

void js_front_batch_finish(struct js_front_batch *batch)
{
	release(batch->entries, JS_FRONT_BATCH_MAX * sizeof(*batch->entries));
	release(batch->questions, JS_FRONT_BATCH_MAX * sizeof(*batch->questions));
	release(batch->message, IPC_MESSAGE_MAX);
	batch->entries = NULL;
	batch->questions = NULL;
	batch->message = NULL;
}

struct bi_request *js_front_batch_room(struct js_front_batch *batch)
{
	return batch->count < JS_FRONT_BATCH_MAX ? &batch->entries[batch->count].message : NULL;
}

void js_front_batch_add(struct js_front_batch *batch, struct http_request *request,
	const struct ipc_credential *credentials, size_t count)
{
	struct js_front_entry *entry = &batch->entries[batch->count];

	assert(batch->count < JS_FRONT_BATCH_MAX);
	entry->request = request;
	js_front_question(&entry->message, credentials, count, batch->first + batch->count,
		&batch->questions[batch->count]);
	http_request_set_user(request, entry);
	batch->count++;
}

void js_front_batch_gone(struct http_request *request)
{
	struct js_front_entry *entry = http_request_user(request);

	if (entry != NULL) {
		entry->request = NULL;
	}
}

/* Where a request comes from, or the proxy that passed it on; "?" where the system did not say. */
static void write_address(const struct sockaddr *address, char out[INET6_ADDRSTRLEN])
{
	const void *octets = NULL;

	if (address != NULL && address->sa_family == AF_INET) {
		octets = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	} else if (address != NULL && address->sa_family == AF_INET6) {
		octets = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	}
	if (octets == NULL ||
		inet_ntop(address->sa_family, octets, out, INET6_ADDRSTRLEN) == NULL) {
		strcpy(out, "?");
	}
}

void js_front_refuse(struct ipc_report *report, struct http_request *request, unsigned status,
	const struct http_header *headers, const char *reason)
{
	char from[INET6_ADDRSTRLEN];

	report->http_refused++;
	if (kw_log_enabled(KW_LOG_INFO)) {
		write_address(http_request_address(request), from);
		kw_log(KW_LOG_INFO, "front", "request refused", KW_STR("from", from),
			KW_NUM("status", status), KW_STR("reason", reason));
	}
	http_answer(request, status, NULL, NULL, 0, headers);
}

void js_front_refuse_credential(struct ipc_report *report, struct http_request *request)
{
	static const struct http_header headers[] = {
		{"WWW-Authenticate", "Bearer realm=\"keyward\""}, {NULL, NULL}};

	js_front_refuse(report, request, 401, headers, "credential missing or unknown");
}

void js_front_refuse_busy(struct ipc_report *report, struct http_request *request)
{
	static const struct http_header headers[] = {{"Retry-After", "1"}, {NULL, NULL}};

	js_front_refuse(report, request, 503, headers, "overloaded, or the vault is away");
}

static const char *const answered[] = {
	[BI_TYPE_OTHER] = "request answered",
	[BI_TYPE_JOIN] = "JoinReq answered",
	[BI_TYPE_REJOIN] = "RejoinReq answered",
	[BI_TYPE_APP_S_KEY] = "AppSKeyReq answered",
	[BI_TYPE_HOME_NS] = "HomeNSReq answered",
	[BI_TYPE_ERROR_NOTIF] = "ErrorNotif taken",
};

static void log_answer(const struct bi_request *message, const struct ipc_backend_ans *told,
	const char *result, uint64_t took_us)
{
	const char *peer = told != NULL && memchr(told->peer, '\0', sizeof(told->peer)) != NULL
				   ? told->peer
				   : "";

	if (message->has_dev_eui) {
		kw_log(KW_LOG_INFO, "front", answered[message->type],
			KW_EUI("dev_eui", message->dev_eui.octets),
			KW_STR("sender", message->sender_id), KW_STR("peer", peer),
			KW_NUM("txn", message->transaction_id), KW_STR("result", result),
			KW_NUM("took_us", took_us));
	} else {
		kw_log(KW_LOG_INFO, "front", answered[message->type],
			KW_STR("type", message->message_type), KW_STR("sender", message->sender_id),
			KW_STR("peer", peer), KW_NUM("txn", message->transaction_id),
			KW_STR("result", result), KW_NUM("took_us", took_us));
	}
}

static struct http_request *take(struct js_front_batch *batch, struct js_front_entry *entry)
{
	struct http_request *request = entry->request;

	entry->request = NULL;
	batch->open--;
	return request;
}

/* HTTP 200: with the answer, or without one that is posted. @return whether it could be */
static bool deliver(struct js_front_batch *batch, const struct bi_request *message,
	const struct bi_answer *said, const char *url, struct http_request *request)
{
	char body[BI_ANSWER_MAX];
	size_t length;
	enum kw_err err = bi_answer_encode(message, said, body, sizeof(body), &length);

	if (err != KW_OK) {
		js_front_refuse(batch->report, request, 500, NULL, "the answer does not fit");
		return false;
	}
	if (url != NULL) {
		err = js_front_posts_send(batch->posts, url, message, body, length);
	}
	if (err != KW_OK) {
		js_front_refuse_busy(batch->report, request);
	} else if (url != NULL) {
		http_answer(request, 200, NULL, NULL, 0, NULL);
	} else {
		http_answer(request, 200, "application/json", body, length, NULL);
	}
	kw_wipe(body, length);
	return err == KW_OK;
}

/* `told` is what the vault said, NULL if it is silent; with an URL the answer is posted there. */
static void answer(struct js_front_batch *batch, struct js_front_entry *entry,
	const struct bi_answer *said, const struct ipc_backend_ans *told, const char *url)
{
	const struct bi_request *message = &entry->message;
	struct http_request *request = take(batch, entry);
	uint64_t took_us = kw_mono_us(&kw_env_system) - http_request_arrived_us(request);
	const char *result = bi_result_code(said->err, message->protocol);

	if (said->err == KW_E_UNAUTHENTICATED) {
		js_front_refuse_credential(batch->report, request);
		return;
	}
	if (message->type == BI_TYPE_ERROR_NOTIF) {
		http_answer(request, 200, NULL, NULL, 0, NULL);
		result = message->notified;
	} else if (!deliver(batch, message, said, url, request)) {
		return;
	}
	kw_histogram_add(&batch->report->latency, took_us);
	if (kw_log_enabled(KW_LOG_INFO)) {
		log_answer(message, told, result, took_us);
	}
}

/* Entries `from` to `to` are answered with a failure of ours. */
static void answer_all(struct js_front_batch *batch, size_t from, size_t to, enum kw_err err)
{
	const struct bi_answer said = {.err = err};

	for (size_t i = from; i < to; i++) {
		if (batch->entries[i].request != NULL) {
			answer(batch, &batch->entries[i], &said, NULL, NULL);
		}
	}
}

static void refuse_all(struct js_front_batch *batch, size_t from, const char *why)
{
	kw_log(KW_LOG_WARNING, "front", why, KW_NUM("requests", batch->open));
	for (size_t i = from; i < batch->count; i++) {
		if (batch->entries[i].request != NULL) {
			js_front_refuse_busy(batch->report, take(batch, &batch->entries[i]));
		}
	}
}

static void take_answer(
	struct js_front_batch *batch, const struct ipc_backend_ans *told, const char *urls)
{
	uint64_t index = told->number - batch->first;
	struct js_front_entry *entry = &batch->entries[index < batch->sent ? index : 0];
	char url[IPC_URL_SIZE] = "";
	struct bi_answer said;

	/* Too late, or never asked. */
	if (index >= batch->sent || entry->request == NULL) {
		return;
	}
	memcpy(url, urls, told->answer_url_length);
	js_front_answer(&entry->message, told, &said);
	answer(batch, entry, &said, told, url[0] != '\0' ? url : NULL);
}

static void take_answers(struct js_front_batch *batch)
{
	const struct ipc_header *header = batch->message;
	const struct ipc_backend_ans *answers = ipc_body(batch->message);
	size_t urls_length;
	const char *urls = ipc_tail(header, false, &urls_length);

	batch->heard = true;
	if (header->err != KW_OK) {
		/* A message as a whole: it began with the number it was sent under. */
		uint64_t from = header->number - batch->first;

		if (from < batch->sent) {
			size_t to = (size_t)from + IPC_BATCH_MAX;

			answer_all(batch, (size_t)from, to < batch->sent ? to : batch->sent,
				KW_E_SYSTEM);
		}
		return;
	}
	for (size_t i = 0; i < header->count; i++) {
		/* Checked when it came: all lengths are within the message. */
		take_answer(batch, &answers[i], urls);
		urls += answers[i].answer_url_length;
	}
}

/* The vault says hello once after its start: what it was asked before may be lost. */
static void take_hello(struct js_front_batch *batch)
{
	const struct ipc_hello *hello = ipc_body(batch->message);
	bool first = batch->generation == 0 && !batch->heard;

	if (hello->generation == batch->generation) {
		return;
	}
	batch->generation = hello->generation;
	batch->greeted = true;
	if (first || batch->open == 0) {
		return;
	}
	kw_log(KW_LOG_WARNING, "front", "the vault started anew; what it was asked may be lost",
		KW_NUM("requests", batch->open));
	answer_all(batch, 0, batch->sent, KW_E_CLOSED);
}

bool js_front_batch_listen(struct js_front_batch *batch)
{
	while (!batch->closed) {
		size_t length;
		enum kw_err err = ipc_receive(batch->channel, batch->message, false, &length);

		if (err == KW_E_BUSY) {
			break;
		}
		if (err == KW_E_CLOSED || err == KW_E_SYSTEM) {
			batch->closed = true;
		} else if (err != KW_OK) {
			kw_log(KW_LOG_ERROR, "front", "a message of the vault was dropped",
				KW_STR("reason", kw_err_text(err)));
		} else if (((const struct ipc_header *)batch->message)->kind == IPC_HELLO) {
			take_hello(batch);
		} else if (((const struct ipc_header *)batch->message)->kind == IPC_BACKEND) {
			take_answers(batch);
		}
		kw_wipe(batch->message, length);
	}
	return !batch->closed;
}

/* Nobody waits for these any more: close the gaps that they left. */
static void drop_gone(struct js_front_batch *batch)
{
	size_t kept = 0;

	for (size_t i = 0; i < batch->count; i++) {
		if (batch->entries[i].request == NULL) {
			continue;
		}
		if (kept != i) {
			batch->entries[kept] = batch->entries[i];
			batch->questions[kept] = batch->questions[i];
			batch->questions[kept].number = batch->first + kept;
			http_request_set_user(batch->entries[kept].request, &batch->entries[kept]);
		}
		kept++;
	}
	batch->count = kept;
	batch->open = kept;
}

/* Send as much as the channel takes. */
static enum kw_err send_more(struct js_front_batch *batch)
{
	while (batch->sent < batch->count) {
		size_t left = batch->count - batch->sent;
		size_t count = left < IPC_BATCH_MAX ? left : IPC_BATCH_MAX;
		struct ipc_header header = {
			.kind = IPC_BACKEND,
			.count = (uint16_t)count,
			.number = batch->first + batch->sent,
		};
		enum kw_err err = ipc_send(batch->channel, &header, &batch->questions[batch->sent],
			count * sizeof(*batch->questions), NULL, 0);

		if (err != KW_OK) {
			return err;
		}
		batch->sent += count;
	}
	return KW_OK;
}

void js_front_batch_leave(struct js_front_batch *batch)
{
	if (batch->leave_by_us == 0) {
		batch->leave_by_us = kw_mono_us(&kw_env_system) + JS_FRONT_LEAVE_US;
	}
}

/* How long may still be waited for an answer by which all is over, ms. */
static int left_ms(const struct js_front_batch *batch, uint64_t deadline_us)
{
	uint64_t now = kw_mono_us(&kw_env_system);

	if (batch->leave_by_us != 0 && batch->leave_by_us - LEAVE_SEND_US < deadline_us) {
		deadline_us = batch->leave_by_us - LEAVE_SEND_US;
	}
	return now < deadline_us ? (int)((deadline_us - now + 999) / 1000) : 0;
}

/* Sleep until the vault says something. False: the time is up. */
static bool await(struct js_front_batch *batch, uint64_t deadline_us)
{
	for (;;) {
		struct pollfd fds[] = {
			{.fd = batch->channel, .events = POLLIN},
			{.fd = batch->leave_by_us == 0 ? batch->signals : -1, .events = POLLIN},
		};
		int ready = poll(fds, 2, left_ms(batch, deadline_us));

		if (ready == 0) {
			return false;
		}
		if (ready > 0 && fds[0].revents != 0) {
			return true;
		}
		if (ready > 0) {
			js_front_batch_leave(batch);
		}
	}
}

static bool outstanding(const struct js_front_batch *batch)
{
	for (size_t i = 0; i < batch->sent; i++) {
		if (batch->entries[i].request != NULL) {
			return true;
		}
	}
	return false;
}

static void exchange(struct js_front_batch *batch)
{
	uint64_t deadline_us = kw_mono_us(&kw_env_system) + JS_FRONT_TIMEOUT_US;

	while (batch->open > 0) {
		if (batch->sent < batch->count) {
			enum kw_err err = send_more(batch);

			/* With answers to come there will be room again. */
			if (err != KW_OK && !(err == KW_E_BUSY && outstanding(batch))) {
				refuse_all(batch, batch->sent, "the vault does not take requests");
				batch->count = batch->sent;
				continue;
			}
		}
		if (!await(batch, deadline_us)) {
			refuse_all(batch, 0, "no answer from the vault in time");
			return;
		}
		if (!js_front_batch_listen(batch)) {
			refuse_all(batch, 0, "the channel to the vault is closed");
			return;
		}
	}
}

void js_front_batch_run(struct js_front_batch *batch)
{
	size_t used = batch->count;

	if (used == 0) {
		return;
	}
	/* Before anything was asked: a hello that is waiting is about earlier questions. */
	(void)js_front_batch_listen(batch);
	drop_gone(batch);
	exchange(batch);
	kw_wipe(batch->questions, used * sizeof(*batch->questions));
	batch->first += used;
	batch->count = 0;
	batch->sent = 0;
	batch->open = 0;
}
