#include "portal/call.h"

#include "base/hex.h"
#include "ipc/channel.h"
#include "portal/code.h"
#include "portal/internal.h"
#include "portal/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void po_call_json(struct po_call *call, unsigned status, char *text)
{
	call->answer->status = text != NULL ? status : 500;
	call->answer->content_type = "application/json";
	call->answer->text = text;
	call->answer->length = text != NULL ? strlen(text) : 0;
	if (text == NULL) {
		call->result = po_code_text(KW_E_NO_MEMORY);
	}
}

void po_call_octets(struct po_call *call, const void *octets, size_t length)
{
	char *copy = malloc(length + 1);

	if (copy == NULL) {
		po_call_json(call, 500, NULL);
		return;
	}
	memcpy(copy, octets, length);
	call->answer->status = 200;
	call->answer->content_type = "application/octet-stream";
	call->answer->text = copy;
	call->answer->length = length;
}

void po_call_fail(struct po_call *call, enum kw_err err, const char *message)
{
	call->result = po_code_text(err);
	if (message == NULL || message[0] == '\0') {
		message = kw_err_text(err);
	}
	po_call_json(call, po_code_status(err), po_json_error(call->result, message));
}

/* Why there was no answer at all. What was asked may have been done nevertheless. */
static void vault_silent(struct po_call *call, enum kw_err err)
{
	switch (err) {
	case KW_E_BUSY:
		po_call_fail(call, err, "the vault takes no more requests now; try again");
		break;
	case KW_E_CLOSED:
		po_call_fail(call, err,
			call->changes ? "the vault was started anew meanwhile; see whether this "
					"was done, then try again"
				      : "the vault was started anew meanwhile; try again");
		break;
	case KW_E_TIMEOUT:
		po_call_fail(call, err,
			call->changes ? "the vault did not answer in time; see whether this was "
					"done, then try again"
				      : "the vault did not answer in time; try again, and see the "
					"log if that does not help");
		break;
	default:
		po_call_fail(call, err == KW_E_NO_MEMORY ? err : KW_E_SYSTEM,
			"the vault cannot be reached; the log of the portal says why");
	}
}

/* The vault's own words, where its answer of this kind has any. */
static void vault_words(unsigned kind, const void *body, char out[IPC_TEXT_SIZE])
{
	const char *text = NULL;

	out[0] = '\0';
	switch (kind) {
	case IPC_DEVICE_IMPORT:
		text = ((const struct ipc_import_ans *)body)->text;
		break;
	case IPC_DEVICE_GENERATE:
	case IPC_DEVICE_GET:
	case IPC_DEVICE_SET:
	case IPC_DEVICE_REMOVE:
	case IPC_DEVICE_RESET:
		text = ((const struct ipc_device_ans *)body)->text;
		break;
	case IPC_PEER_ADD:
	case IPC_PEER_SET:
	case IPC_PEER_GET:
	case IPC_PEER_REMOVE:
	case IPC_PEER_KEK_RETIRE:
		text = ((const struct ipc_peer_ans *)body)->text;
		break;
	case IPC_BACKUP:
		text = ((const struct ipc_backup_ans *)body)->text;
		break;
	default:
		return;
	}
	snprintf(out, IPC_TEXT_SIZE, "%.*s", IPC_TEXT_SIZE - 1, text);
}

const void *po_call_ask(struct po_call *call, enum ipc_kind kind, const void *body,
	size_t body_length, const void *tail, size_t tail_length, size_t size)
{
	struct po_api *api = call->api;
	const struct ipc_header *header = (const void *)api->message;
	char words[IPC_TEXT_SIZE] = "";
	bool whole;
	enum kw_err err = api->options.ask(
		api->options.ask_context, kind, body, body_length, tail, tail_length, api->message);

	if (err != KW_OK) {
		vault_silent(call, err);
		return NULL;
	}
	whole = header->kind == kind && header->count == 1 && ipc_body_size(kind, false) == size;
	if (header->err == KW_OK && whole) {
		return ipc_body(api->message);
	}
	if (whole) {
		vault_words(kind, ipc_body(api->message), words);
	}
	po_call_fail(call, header->err != KW_OK ? (enum kw_err)header->err : KW_E_SYSTEM, words);
	return NULL;
}

const struct kw_env *po_call_env(const struct po_call *call)
{
	return call->api->options.env;
}

size_t po_call_processes(const struct po_call *call, struct po_process *out, size_t max)
{
	const struct po_api_options *options = &call->api->options;

	return options->processes != NULL ? options->processes(options->processes_context, out, max)
					  : 0;
}

static const char *query(const struct po_call *call, const char *name)
{
	return call->request->query(call->request->query_context, name);
}

static bool query_refuse(struct po_call *call, const char *name, const char *what)
{
	char text[IPC_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s %s", name, what);
	po_call_fail(call, KW_E_INVALID, text);
	return false;
}

bool po_query_flag(struct po_call *call, const char *name, uint8_t *out)
{
	const char *text = query(call, name);

	if (text == NULL) {
		return true;
	}
	if (strcmp(text, "1") != 0 && strcmp(text, "0") != 0) {
		return query_refuse(call, name, "must be 0 or 1");
	}
	*out = text[0] == '1' ? 1 : 0;
	return true;
}

static bool number_read(const char *text, uint64_t *out)
{
	uint64_t number = 0;

	if (*text == '\0') {
		return false;
	}
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (number > (UINT64_MAX - digit) / 10) {
			return false;
		}
		number = number * 10 + digit;
	}
	*out = number;
	return *text == '\0';
}

bool po_query_number(
	struct po_call *call, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = query(call, name);
	uint64_t number;

	if (text == NULL) {
		return true;
	}
	if (!number_read(text, &number) || number < min || number > max) {
		return query_refuse(call, name, "must be a whole number within its limits");
	}
	*out = number;
	return true;
}

bool po_query_limit(struct po_call *call, uint32_t most, uint32_t *out)
{
	uint64_t limit = most;

	if (!po_query_number(call, "limit", 1, UINT64_MAX, &limit)) {
		return false;
	}
	*out = limit < most ? (uint32_t)limit : most;
	return true;
}

bool po_query_eui(struct po_call *call, const char *name, uint8_t out[LW_EUI_SIZE], uint8_t *has)
{
	const char *text = query(call, name);
	struct lw_eui eui;

	if (text == NULL) {
		return true;
	}
	if (lw_eui_read(text, &eui) != KW_OK) {
		return query_refuse(call, name, "must be an EUI, which has 16 hexadecimal digits");
	}
	memcpy(out, eui.octets, LW_EUI_SIZE);
	*has = 1;
	return true;
}

struct net_ids {
	uint8_t (*out)[LW_NET_ID_SIZE];
	size_t count;
	bool wrong;
};

static void net_id_take(void *context, const char *value)
{
	struct net_ids *net_ids = context;
	struct lw_net_id net_id;

	if (net_ids->count == IPC_NET_IDS_MAX || lw_net_id_read(value, &net_id) != KW_OK) {
		net_ids->wrong = true;
		return;
	}
	memcpy(net_ids->out[net_ids->count++], net_id.octets, LW_NET_ID_SIZE);
}

bool po_query_net_ids(struct po_call *call, const char *name,
	uint8_t out[IPC_NET_IDS_MAX][LW_NET_ID_SIZE], uint8_t *count)
{
	struct net_ids net_ids = {.out = out};

	call->request->query_all(call->request->query_context, name, net_id_take, &net_ids);
	if (net_ids.wrong) {
		return query_refuse(call, name,
			"must be a NetID, which has 6 hexadecimal digits; at most 8 of them");
	}
	*count = (uint8_t)net_ids.count;
	return true;
}
