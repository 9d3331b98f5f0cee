#include "ipc/ipc.h"

#include <string.h>

#define ASIZE(array) (sizeof(array) / sizeof((array)[0]))

/* What a message of each kind may look like. A kind that a direction does not have is not listed
 * as sent there. */
struct kind {
	const char *name;
	bool request; /* exists on the way to the vault */
	bool answer;  /* exists on the way from it */
	bool batch;   /* several bodies */
	bool tail;    /* an envelope behind the request's body */
	uint32_t request_size;
	uint32_t answer_size;
	uint16_t tail_at; /* place of the tail's length in the request's body */
};

#define ASKS(type)         .request = true, .request_size = sizeof(struct type)
#define SAYS(type)         .answer = true, .answer_size = sizeof(struct type)
#define TAIL(type, length) .tail = true, .tail_at = offsetof(struct type, length)

static const struct kind kinds[IPC_KIND_COUNT] = {
	[IPC_HELLO] = {"HELLO", SAYS(ipc_hello)},
	[IPC_BACKEND] = {"BACKEND", ASKS(ipc_backend_req), SAYS(ipc_backend_ans), .batch = true},
	[IPC_REPORT] = {"REPORT", ASKS(ipc_report)},
	[IPC_STATUS] = {"STATUS", .request = true, SAYS(ipc_status)},
	[IPC_INTAKE] = {"INTAKE", .request = true, SAYS(ipc_intake)},
	[IPC_DEVICE_IMPORT] = {"DEVICE_IMPORT", ASKS(ipc_import_req), SAYS(ipc_import_ans),
		TAIL(ipc_import_req, envelope_length)},
	[IPC_DEVICE_GENERATE] = {"DEVICE_GENERATE", ASKS(ipc_device_req), SAYS(ipc_device_ans)},
	[IPC_DEVICE_GET] = {"DEVICE_GET", ASKS(ipc_device_req), SAYS(ipc_device_ans)},
	[IPC_DEVICE_LIST] = {"DEVICE_LIST", ASKS(ipc_list_req), SAYS(ipc_device_page)},
	[IPC_DEVICE_SET] = {"DEVICE_SET", ASKS(ipc_device_req), SAYS(ipc_device_ans)},
	[IPC_DEVICE_REMOVE] = {"DEVICE_REMOVE", ASKS(ipc_device_req), SAYS(ipc_device_ans)},
	[IPC_DEVICE_RESET] = {"DEVICE_RESET", ASKS(ipc_device_req), SAYS(ipc_device_ans)},
	[IPC_PEER_ADD] = {"PEER_ADD", ASKS(ipc_peer_req), SAYS(ipc_peer_ans),
		TAIL(ipc_peer_req, kek_envelope_length)},
	[IPC_PEER_SET] = {"PEER_SET", ASKS(ipc_peer_req), SAYS(ipc_peer_ans),
		TAIL(ipc_peer_req, kek_envelope_length)},
	[IPC_PEER_GET] = {"PEER_GET", ASKS(ipc_peer_req), SAYS(ipc_peer_ans)},
	[IPC_PEER_LIST] = {"PEER_LIST", ASKS(ipc_list_req), SAYS(ipc_peer_page)},
	[IPC_PEER_REMOVE] = {"PEER_REMOVE", ASKS(ipc_peer_req), SAYS(ipc_peer_ans)},
	[IPC_PEER_PROBE] = {"PEER_PROBE", ASKS(ipc_peer_req), SAYS(ipc_peer_ans)},
	[IPC_PEER_KEK_RETIRE] = {"PEER_KEK_RETIRE", ASKS(ipc_peer_req), SAYS(ipc_peer_ans)},
	[IPC_EVENTS] = {"EVENTS", ASKS(ipc_events_req), SAYS(ipc_events_page)},
	[IPC_BACKUP] = {"BACKUP", ASKS(ipc_backup_req), SAYS(ipc_backup_ans)},
};

#define FITS(part) (sizeof(struct ipc_header) + (part) <= IPC_MESSAGE_MAX)
static_assert(FITS(IPC_BATCH_MAX * sizeof(struct ipc_backend_req)), "a batch of requests");
static_assert(FITS(IPC_BATCH_MAX * (sizeof(struct ipc_backend_ans) + IPC_URL_SIZE - 1)),
	"a batch of answers, each with an URL");
static_assert(FITS(sizeof(struct ipc_import_req) + IPC_ENVELOPE_MAX), "an import");
static_assert(FITS(sizeof(struct ipc_import_ans)), "what an import says of its rows");
static_assert(FITS(sizeof(struct ipc_peer_req) + IPC_ENVELOPE_MAX), "a peer with its KEK");

static const char *const deliveries[] = {
	[IPC_DELIVERY_DEFAULT] = "default",
	[IPC_DELIVERY_INLINE] = "inline",
	[IPC_DELIVERY_INLINE_ID] = "inline-id",
	[IPC_DELIVERY_WRAPPED] = "wrapped",
	[IPC_DELIVERY_FETCH] = "fetch",
};

static const struct kind *kind_find(unsigned kind)
{
	return kind < ASIZE(kinds) && kinds[kind].name != NULL ? &kinds[kind] : NULL;
}

const char *ipc_kind_text(unsigned kind)
{
	const struct kind *found = kind_find(kind);

	return found == NULL ? "unknown" : found->name;
}

size_t ipc_body_size(unsigned kind, bool to_vault)
{
	const struct kind *found = kind_find(kind);

	if (found == NULL) {
		return 0;
	}
	return to_vault ? found->request_size : found->answer_size;
}

const char *ipc_delivery_text(unsigned delivery)
{
	return delivery < ASIZE(deliveries) ? deliveries[delivery] : NULL;
}

enum kw_err ipc_delivery_read(const char *text, uint8_t *delivery)
{
	for (unsigned i = 0; i < ASIZE(deliveries); i++) {
		if (strcmp(text, deliveries[i]) == 0) {
			*delivery = (uint8_t)i;
			return KW_OK;
		}
	}
	*delivery = IPC_DELIVERY_DEFAULT;
	return KW_E_SYNTAX;
}

static bool count_fits(const struct kind *kind, const struct ipc_header *header, bool to_vault)
{
	if (header->err != 0) {
		return header->count <= 1;
	}
	if (kind->batch) {
		return header->count >= 1 && header->count <= IPC_BATCH_MAX;
	}
	if (to_vault && kind->request_size == 0) {
		return header->count == 0;
	}
	return header->count == 1;
}

/* The URLs of all answers of a batch. */
static enum kw_err urls_check(const uint8_t *bodies, size_t count, size_t tail_length)
{
	size_t said = 0;

	for (size_t i = 0; i < count; i++) {
		uint16_t length;

		memcpy(&length,
			bodies + i * sizeof(struct ipc_backend_ans) +
				offsetof(struct ipc_backend_ans, answer_url_length),
			sizeof(length));
		if (length >= IPC_URL_SIZE) {
			return KW_E_INVALID;
		}
		said += length;
	}
	return said == tail_length ? KW_OK : KW_E_TRUNCATED;
}

static enum kw_err tail_check(
	const struct kind *kind, const uint8_t *body, size_t tail_length, bool to_vault)
{
	uint32_t said = 0;

	if (to_vault && kind->tail) {
		memcpy(&said, body + kind->tail_at, sizeof(said));
		if (said > IPC_ENVELOPE_MAX) {
			return KW_E_INVALID;
		}
	}
	return said == tail_length ? KW_OK : KW_E_TRUNCATED;
}

enum kw_err ipc_message_check(const void *message, size_t length, bool to_vault)
{
	const uint8_t *octets = message;
	struct ipc_header header;
	const struct kind *kind;
	size_t bodies;

	if (length < sizeof(header)) {
		return KW_E_TRUNCATED;
	}
	memcpy(&header, octets, sizeof(header));
	kind = kind_find(header.kind);
	if (header.magic != IPC_MAGIC || length > IPC_MESSAGE_MAX || kind == NULL ||
		!(to_vault ? kind->request : kind->answer) || (to_vault && header.err != 0) ||
		!count_fits(kind, &header, to_vault)) {
		return KW_E_INVALID;
	}
	length -= sizeof(header);
	bodies = header.count * ipc_body_size(header.kind, to_vault);
	if (header.length != length || bodies > length) {
		return KW_E_TRUNCATED;
	}
	if (header.kind == IPC_BACKEND && !to_vault) {
		return urls_check(octets + sizeof(header), header.count, length - bodies);
	}
	return tail_check(kind, octets + sizeof(header), length - bodies, to_vault);
}
