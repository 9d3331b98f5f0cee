#include "js/front_batch.h"

#include "base/env.h"
#include "base/log.h"
#include "base/secret.h"
#include "ipc/channel.h"
#include "js/front_convert.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

/* Of the time to leave, what is kept for sending the last answers. */
#define LEAVE_SEND_US (300 * 1000)

/* An idle vault need not wait until all that has arrived is decoded. */
#define EAGER 16

/* Untouched pages cost nothing: a front that never has much under way stays small. */
static void *reserve(size_t size)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (memory == MAP_FAILED) {
		return NULL;
	}
	return memory;
}

enum kw_err js_front_batch_init(
	struct js_front_batch *batch, int channel, const struct js_front_teller *teller)
{
	*batch = (struct js_front_batch){
		.channel = channel,
		.teller = *teller,
		.entries = reserve(JS_FRONT_BATCH_MAX * sizeof(*batch->entries)),
		.vacant = reserve(JS_FRONT_BATCH_MAX * sizeof(*batch->vacant)),
		.questions = reserve(JS_FRONT_BATCH_MAX * sizeof(*batch->questions)),
		.slots = reserve(JS_FRONT_BATCH_MAX * sizeof(*batch->slots)),
		.message = reserve(IPC_MESSAGE_MAX),
	};
	if (batch->entries == NULL || batch->vacant == NULL || batch->questions == NULL ||
		batch->slots == NULL || batch->message == NULL) {
		js_front_batch_finish(batch);
		return KW_E_NO_MEMORY;
	}
	/* Not from 0: an answer to who had this channel before must not fit. */
	return kw_random(&kw_env_system, &batch->next, sizeof(batch->next));
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
	release(batch->vacant, JS_FRONT_BATCH_MAX * sizeof(*batch->vacant));
	release(batch->questions, JS_FRONT_BATCH_MAX * sizeof(*batch->questions));
	release(batch->slots, JS_FRONT_BATCH_MAX * sizeof(*batch->slots));
	release(batch->message, IPC_MESSAGE_MAX);
	*batch = (struct js_front_batch){.channel = batch->channel};
}

/* The last one given back is still in the cache. */
static struct js_front_entry *vacant(struct js_front_batch *batch)
{
	if (batch->vacant_count > 0) {
		return &batch->entries[batch->vacant[batch->vacant_count - 1]];
	}
	return batch->used < JS_FRONT_BATCH_MAX ? &batch->entries[batch->used] : NULL;
}

static void vacate(struct js_front_batch *batch, size_t slot)
{
	batch->entries[slot].request = NULL;
	batch->vacant[batch->vacant_count++] = (uint16_t)slot;
}

struct bi_request *js_front_batch_room(struct js_front_batch *batch)
{
	struct js_front_entry *entry = vacant(batch);

	return entry != NULL ? &entry->message : NULL;
}

static void tell(struct js_front_batch *batch, size_t slot, const struct bi_answer *said,
	const struct ipc_backend_ans *told, const char *url)
{
	struct js_front_entry *entry = &batch->entries[slot];
	struct http_request *request = entry->request;

	if (request != NULL) {
		entry->request = NULL;
		js_front_tell(&batch->teller, request, &entry->message, said, told, url);
	}
}

static void refuse(struct js_front_batch *batch, size_t slot)
{
	struct http_request *request = batch->entries[slot].request;

	if (request != NULL) {
		batch->entries[slot].request = NULL;
		js_front_refuse_busy(batch->teller.report, request);
	}
}

/* ---- what is with the vault ---- */

static void land(struct js_front_batch *batch, struct js_front_flight *flight)
{
	for (size_t i = 0; i < flight->count; i++) {
		vacate(batch, flight->slots[i]);
	}
	flight->count = 0;
}

/* All of a message that have no answer get this failure of ours. */
static void fail_flight(
	struct js_front_batch *batch, struct js_front_flight *flight, enum kw_err err)
{
	const struct bi_answer said = {.err = err};

	for (size_t i = 0; i < flight->count; i++) {
		tell(batch, flight->slots[i], &said, NULL, NULL);
	}
	land(batch, flight);
}

static void refuse_flight(
	struct js_front_batch *batch, struct js_front_flight *flight, const char *why)
{
	kw_log(KW_LOG_WARNING, "front", why, KW_NUM("requests", flight->count));
	for (size_t i = 0; i < flight->count; i++) {
		refuse(batch, flight->slots[i]);
	}
	land(batch, flight);
}

static struct js_front_flight *flight_of(struct js_front_batch *batch, uint64_t number)
{
	for (size_t i = 0; i < JS_FRONT_FLIGHTS; i++) {
		if (batch->flights[i].count > 0 && batch->flights[i].number == number) {
			return &batch->flights[i];
		}
	}
	return NULL;
}

static size_t flying(const struct js_front_batch *batch)
{
	size_t count = 0;

	for (size_t i = 0; i < JS_FRONT_FLIGHTS; i++) {
		count += batch->flights[i].count > 0;
	}
	return count;
}

static void take_answer(struct js_front_batch *batch, const struct js_front_flight *flight,
	const struct ipc_backend_ans *told, const char *urls)
{
	uint64_t index = told->number - flight->number;
	char url[IPC_URL_SIZE] = "";
	struct bi_answer said;
	size_t slot;

	if (index >= flight->count) {
		return;
	}
	slot = flight->slots[index];
	memcpy(url, urls, told->answer_url_length);
	js_front_answer(&batch->entries[slot].message, told, &said);
	tell(batch, slot, &said, told, url[0] != '\0' ? url : NULL);
}

/* Each message has one answer, under the same number. */
static void take_answers(struct js_front_batch *batch)
{
	const struct ipc_header *header = batch->message;
	const struct ipc_backend_ans *answers = ipc_body(batch->message);
	struct js_front_flight *flight = flight_of(batch, header->number);
	size_t urls_length;
	const char *urls = ipc_tail(header, false, &urls_length);

	batch->heard = true;
	if (flight == NULL) {
		return; /* too late, or never asked */
	}
	for (size_t i = 0; header->err == KW_OK && i < header->count; i++) {
		/* Checked when it came: all lengths are within the message. */
		take_answer(batch, flight, &answers[i], urls);
		urls += answers[i].answer_url_length;
	}
	fail_flight(batch, flight, KW_E_SYSTEM); /* whom it left out */
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
	for (size_t i = 0; !first && i < JS_FRONT_FLIGHTS; i++) {
		struct js_front_flight *flight = &batch->flights[i];

		if (flight->count > 0) {
			kw_log(KW_LOG_WARNING, "front",
				"the vault started anew; what it was asked may be lost",
				KW_NUM("requests", flight->count));
			fail_flight(batch, flight, KW_E_CLOSED);
		}
	}
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

/* ---- what is not yet sent ---- */

static void forget_questions(struct js_front_batch *batch, size_t count)
{
	kw_wipe(&batch->questions[batch->from], count * sizeof(*batch->questions));
	batch->from += count;
	if (batch->from == batch->to) {
		batch->from = 0;
		batch->to = 0;
	}
}

/* Keep those whose client waits, from the start of the room. */
static void close_gaps(struct js_front_batch *batch)
{
	size_t kept = 0;
	size_t to = batch->to;

	for (size_t i = batch->from; i < to; i++) {
		if (batch->entries[batch->slots[i]].request == NULL) {
			vacate(batch, batch->slots[i]);
		} else {
			batch->questions[kept] = batch->questions[i];
			batch->slots[kept++] = batch->slots[i];
		}
	}
	kw_wipe(&batch->questions[kept], (to - kept) * sizeof(*batch->questions));
	batch->from = 0;
	batch->to = kept;
	batch->gone = false;
}

/* Nobody of them has gone. */
static void refuse_questions(struct js_front_batch *batch, size_t count, const char *why)
{
	kw_log(KW_LOG_WARNING, "front", why, KW_NUM("requests", count));
	for (size_t i = 0; i < count; i++) {
		size_t slot = batch->slots[batch->from + i];

		refuse(batch, slot);
		vacate(batch, slot);
	}
	forget_questions(batch, count);
}

static struct js_front_flight *free_flight(struct js_front_batch *batch)
{
	for (size_t i = 0; i < JS_FRONT_FLIGHTS; i++) {
		if (batch->flights[i].count == 0) {
			return &batch->flights[i];
		}
	}
	return NULL;
}

/* One message of what waits. */
static enum kw_err send_one(struct js_front_batch *batch, struct js_front_flight *flight)
{
	size_t waiting = batch->to - batch->from;
	size_t count = waiting < IPC_BATCH_MAX ? waiting : IPC_BATCH_MAX;
	struct ipc_backend_req *questions = &batch->questions[batch->from];
	struct ipc_header header = {
		.kind = IPC_BACKEND, .count = (uint16_t)count, .number = batch->next};
	enum kw_err err;

	for (size_t i = 0; i < count; i++) {
		questions[i].number = batch->next + i;
	}
	err = ipc_send(batch->channel, &header, questions, count * sizeof(*questions), NULL, 0);
	if (err != KW_OK) {
		return err;
	}
	flight->number = batch->next;
	flight->due_us = kw_mono_us(&kw_env_system) + JS_FRONT_TIMEOUT_US;
	flight->count = count;
	memcpy(flight->slots, &batch->slots[batch->from], count * sizeof(flight->slots[0]));
	batch->next += count;
	forget_questions(batch, count);
	return KW_OK;
}

static void send_more(struct js_front_batch *batch)
{
	struct js_front_flight *flight;

	while (batch->from < batch->to && (flight = free_flight(batch)) != NULL) {
		enum kw_err err = send_one(batch, flight);

		if (err == KW_E_BUSY && flying(batch) > 0) {
			return; /* with answers to come there will be room again */
		}
		if (err != KW_OK) {
			refuse_questions(
				batch, batch->to - batch->from, "the vault does not take requests");
		}
	}
}

static void move_to_start(struct js_front_batch *batch)
{
	size_t count = batch->to - batch->from;

	memmove(batch->questions, &batch->questions[batch->from],
		count * sizeof(*batch->questions));
	memmove(batch->slots, &batch->slots[batch->from], count * sizeof(*batch->slots));
	batch->from = 0;
	batch->to = count;
}

void js_front_batch_add(struct js_front_batch *batch, struct http_request *request,
	const struct ipc_credential *credentials, size_t count)
{
	struct js_front_entry *entry = vacant(batch);

	assert(entry != NULL);
	if (batch->vacant_count > 0) {
		batch->vacant_count--;
	} else {
		batch->used++;
	}
	if (batch->to == JS_FRONT_BATCH_MAX) {
		move_to_start(batch); /* there is room: not more wait than there are entries */
	}
	entry->request = request;
	js_front_question(&entry->message, credentials, count, 0, &batch->questions[batch->to]);
	batch->questions[batch->to].arrived_ms =
		(uint32_t)(http_request_arrived_us(request) / 1000);
	batch->slots[batch->to++] = (uint16_t)(entry - batch->entries);
	http_request_set_user(request, entry);
	if (batch->to - batch->from >= EAGER && flying(batch) == 0) {
		js_front_batch_run(batch);
	}
}

void js_front_batch_gone(struct js_front_batch *batch, struct http_request *request)
{
	struct js_front_entry *entry = http_request_user(request);

	if (entry != NULL) {
		entry->request = NULL;
		batch->gone = true;
	}
}

/* ---- time ---- */

void js_front_batch_leave(struct js_front_batch *batch)
{
	if (batch->leave_by_us == 0) {
		batch->leave_by_us = kw_mono_us(&kw_env_system) + JS_FRONT_LEAVE_US;
	}
}

static bool is_leaving(const struct js_front_batch *batch, uint64_t now)
{
	return batch->leave_by_us != 0 && now + LEAVE_SEND_US >= batch->leave_by_us;
}

/* How many of those that wait, the oldest first, do so for too long. */
static size_t overdue(const struct js_front_batch *batch, uint64_t now)
{
	bool leaving = is_leaving(batch, now);
	size_t i;

	for (i = batch->from; i < batch->to; i++) {
		const struct http_request *request = batch->entries[batch->slots[i]].request;

		if (!leaving && now - http_request_arrived_us(request) < JS_FRONT_WAIT_MAX_US) {
			break;
		}
	}
	return i - batch->from;
}

static void expire(struct js_front_batch *batch)
{
	uint64_t now = kw_mono_us(&kw_env_system);
	size_t count;

	for (size_t i = 0; i < JS_FRONT_FLIGHTS; i++) {
		struct js_front_flight *flight = &batch->flights[i];

		if (flight->count > 0 && (now >= flight->due_us || is_leaving(batch, now))) {
			refuse_flight(batch, flight, "no answer from the vault in time");
		}
	}
	count = overdue(batch, now);
	if (count > 0) {
		refuse_questions(batch, count, "the vault has no time for these requests");
	}
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int js_front_batch_timeout_ms(const struct js_front_batch *batch)
{
	uint64_t now = kw_mono_us(&kw_env_system);
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < JS_FRONT_FLIGHTS; i++) {
		if (batch->flights[i].count > 0) {
			due = sooner(due, batch->flights[i].due_us);
		}
	}
	if (due == UINT64_MAX && batch->from == batch->to) {
		return -1;
	}
	if (batch->from < batch->to) {
		due = sooner(due, now + JS_FRONT_WAIT_MAX_US / 10);
	}
	if (batch->leave_by_us != 0) {
		due = sooner(due, batch->leave_by_us - LEAVE_SEND_US);
	}
	return now < due ? (int)((due - now + 999) / 1000) : 0;
}

static void close_all(struct js_front_batch *batch)
{
	static const char why[] = "the channel to the vault is closed";

	for (size_t i = 0; i < JS_FRONT_FLIGHTS; i++) {
		if (batch->flights[i].count > 0) {
			refuse_flight(batch, &batch->flights[i], why);
		}
	}
	if (batch->from < batch->to) {
		refuse_questions(batch, batch->to - batch->from, why);
	}
}

void js_front_batch_run(struct js_front_batch *batch)
{
	if (batch->from == batch->to && flying(batch) == 0) {
		return;
	}
	/* Before more is asked: a hello that is waiting is about earlier questions. */
	if (!js_front_batch_listen(batch)) {
		close_all(batch);
		return;
	}
	if (batch->gone) {
		close_gaps(batch);
	}
	expire(batch);
	send_more(batch);
}
