#include "ipc/channel.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* Of the URLs behind a batch of answers. */
static size_t urls_length(const struct ipc_backend_ans *answers, size_t count)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++) {
		fuzz_require(answers[i].answer_url_length < IPC_URL_SIZE);
		length += answers[i].answer_url_length;
	}
	return length;
}

/* What was called whole must be so: every octet belongs to a body or to the tail. */
static void whole(const uint8_t *message, size_t length, bool to_vault)
{
	struct ipc_header header;
	size_t size;
	size_t tail_length;
	const uint8_t *tail;

	memcpy(&header, message, sizeof(header));
	size = ipc_body_size(header.kind, to_vault);
	fuzz_require(header.magic == IPC_MAGIC);
	fuzz_require(header.kind > 0 && header.kind < IPC_KIND_COUNT);
	fuzz_require(header.count <= IPC_BATCH_MAX);
	fuzz_require(!to_vault || header.err == 0);
	tail = ipc_tail(message, to_vault, &tail_length);
	fuzz_require((const uint8_t *)ipc_body(message) + header.count * size == tail);
	fuzz_require(tail_length <= IPC_ENVELOPE_MAX);
	fuzz_require(header.kind != IPC_BACKEND || to_vault ||
		     urls_length(ipc_body(message), header.count) == tail_length);
	fuzz_require(tail + tail_length == message + length);
}

static void check(const uint8_t *data, size_t size, bool to_vault)
{
	/* The reader's buffer is as aligned as the structs in it. */
	uint64_t *message = malloc(size > 0 ? size : 1);

	fuzz_require(message != NULL);
	if (size > 0) {
		memcpy(message, data, size);
	}
	if (ipc_message_check(message, size, to_vault) == KW_OK) {
		whole((const uint8_t *)message, size, to_vault);
	}
	free(message);
}

/* The same with bodies of the right size and a header that says so: else hardly any input of most
 * kinds would get further. What the input does not say is zero. */
static void check_completed(const uint8_t *data, size_t size, bool to_vault)
{
	struct ipc_header header = {.magic = 0};
	const size_t given = size < sizeof(header) ? size : sizeof(header);
	const size_t rest = size - given;
	size_t bodies, tail, room;
	uint8_t *message;

	if (given > 0) {
		memcpy(&header, data, given);
	}
	header.magic = IPC_MAGIC;
	header.kind %= IPC_KIND_COUNT;
	header.count %= 4;
	tail = header.number % 64;
	bodies = header.count * ipc_body_size(header.kind, to_vault);
	header.length = (uint32_t)(bodies + tail);
	message = calloc(1, sizeof(header) + header.length);
	fuzz_require(message != NULL);
	memcpy(message, &header, sizeof(header));
	room = rest < header.length ? rest : header.length;
	memcpy(message + sizeof(header), data + given, room);
	check(message, sizeof(header) + header.length, to_vault);
	/* One body of zeros is a message of every kind that has bodies in this direction. */
	fuzz_require(header.err != 0 || header.count != 1 || rest > 0 || tail > 0 || bodies == 0 ||
		     ipc_message_check(message, sizeof(header) + bodies, to_vault) == KW_OK);
	free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int to_vault = 0; to_vault < 2; to_vault++) {
		check(data, size, to_vault != 0);
		check_completed(data, size, to_vault != 0);
	}
	return 0;
}
