#include "ipc/channel.h"
#include "portal/serve.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/http_feed.h"
#include "tests/fuzz/patch.h"

#include <jansson.h>
#include <string.h>

/*
 * What a client of the admin API sends, from the first octet of its connection on, through the HTTP
 * server and the portal; and behind it what a vault might answer that cannot be trusted either. What
 * reaches the vault is a message that it would take.
 */

#define PIECE(flags) ((size_t)(flags) >> 2) /* octets sent at a time; 0: all */

static struct parts said;

/* Requests go out as they would in js/portal.c. */
static void check_question(enum ipc_kind kind, const void *body, size_t body_length,
	const void *tail, size_t tail_length)
{
	static uint64_t message[IPC_MESSAGE_MAX / sizeof(uint64_t)];
	const struct ipc_header header = {
		.magic = IPC_MAGIC,
		.kind = (uint16_t)kind,
		.count = body_length > 0 ? 1 : 0,
		.length = (uint32_t)(body_length + tail_length),
	};
	uint8_t *octets = (uint8_t *)message;

	fuzz_require(sizeof(header) + body_length + tail_length <= sizeof(message));
	memcpy(octets, &header, sizeof(header));
	if (body_length > 0) {
		memcpy(octets + sizeof(header), body, body_length);
	}
	if (tail_length > 0) {
		memcpy(octets + sizeof(header) + body_length, tail, tail_length);
	}
	fuzz_require(ipc_message_check(message, sizeof(header) + body_length + tail_length, true) ==
		     KW_OK);
}

/* The first octet of an answer: why there is none, if it is one of these. */
static enum kw_err silence(uint8_t octet)
{
	static const enum kw_err reasons[] = {
		KW_E_TIMEOUT, KW_E_CLOSED, KW_E_BUSY, KW_E_SYSTEM, KW_E_NO_MEMORY};

	return octet >= 1 && octet <= 5 ? reasons[octet - 1] : KW_OK;
}

static enum kw_err ask(void *context, enum ipc_kind kind, const void *body, size_t body_length,
	const void *tail, size_t tail_length, void *answer)
{
	struct ipc_header header = {.magic = IPC_MAGIC, .kind = (uint16_t)kind, .count = 1};
	const size_t size = ipc_body_size(kind, false);
	uint8_t head[2]; /* silence, or 6: an error without a body; error */

	(void)context;
	check_question(kind, body, body_length, tail, tail_length);
	parts_take(&said, head, sizeof(head));
	if (silence(head[0]) != KW_OK) {
		return silence(head[0]);
	}
	header.err = -(int32_t)head[1];
	header.count = head[0] == 6 && header.err != KW_OK ? 0 : 1;
	header.length = (uint32_t)(header.count * size);
	memcpy(answer, &header, sizeof(header));
	memset((uint8_t *)answer + sizeof(header), 0, size);
	patch_apply(&said, (uint8_t *)answer + sizeof(header), size);
	fuzz_require(ipc_message_check(answer, sizeof(header) + header.length, false) == KW_OK);
	return KW_OK;
}

static size_t processes(void *context, struct po_process *out, size_t max)
{
	(void)context;
	fuzz_require(max >= 1);
	memset(out, 0, sizeof(*out));
	parts_take(&said, out, sizeof(*out));
	return 1;
}

static uint64_t fixed_now(void *arg)
{
	(void)arg;
	return UINT64_C(1800000000000);
}

static struct feed *api_feed(void)
{
	static const struct kw_env env = {.now_ms = fixed_now};
	static const struct po_api_options api_options = {
		.ask = ask, .processes = processes, .env = &env};
	static struct feed feed;
	struct http_server_options options = {
		.body_max = PO_BODY_MAX, .idle_timeout_s = 30, .handler = po_serve};
	struct po_api *api;

	if (feed.server == NULL) {
		fuzz_require(po_api_create(&api_options, &api) == KW_OK);
		options.context = api;
		feed_open(&feed, &options);
	}
	return &feed;
}

static void check_json(const struct feed_answer *answer)
{
	json_t *json = json_loadb(answer->body, answer->body_length, JSON_REJECT_DUPLICATES, NULL);

	fuzz_require(json_is_object(json));
	fuzz_require(answer->status < 300 || json_object_get(json, "error") != NULL);
	json_decref(json);
}

static void check_answers(const struct feed *feed)
{
	static const char type[] = "application/json";
	struct feed_answer answer;
	size_t at = 0, length;

	while (feed_next(feed, &at, &answer)) {
		const char *said_type = feed_header(&answer, "Content-Type", &length);

		if (at < feed->length && said_type != NULL && length == strlen(type) &&
			memcmp(said_type, type, length) == 0) {
			check_json(&answer);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed *feed = api_feed();

	said = parts_of(data, size);
	feed_send(feed, said.client, said.client_length, PIECE(said.flags));
	check_answers(feed);
	return 0;
}
