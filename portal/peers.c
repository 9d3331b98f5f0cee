#include "portal/body.h"
#include "portal/call.h"
#include "portal/envelope.h"
#include "portal/json.h"

#include <string.h>

static void ask_peer(struct po_call *call, enum ipc_kind kind, const struct ipc_peer_req *req,
	const struct po_envelope *kek, unsigned status)
{
	const struct ipc_peer_ans *answer;

	memcpy(call->name, req->peer.name, sizeof(call->name));
	answer = po_call_ask(
		call, kind, req, sizeof(*req), kek->octets, kek->length, sizeof(*answer));
	if (answer == NULL) {
		return;
	}
	if (kind == IPC_PEER_REMOVE) {
		po_call_json(call, status, po_json_removed(call->name));
	} else {
		po_call_json(call, status, po_json_peer(&answer->peer));
	}
}

/* A name that none can have is one that is not there. */
static bool name_of_path(struct po_call *call, struct ipc_peer_req *req)
{
	if (!po_peer_name_valid(call->item)) {
		po_call_fail(call, KW_E_NOT_FOUND, "there is no server of this name");
		return false;
	}
	memcpy(req->peer.name, call->item, strlen(call->item));
	return true;
}

static void ask_by_path(struct po_call *call, enum ipc_kind kind, enum ipc_peer_kind peer_kind)
{
	struct ipc_peer_req req = {.peer = {.kind = (uint8_t)peer_kind}};
	const struct po_envelope none = {.octets = NULL};

	if (name_of_path(call, &req)) {
		ask_peer(call, kind, &req, &none, 200);
	}
}

static void peer_write(struct po_call *call, enum ipc_peer_kind kind, bool create)
{
	const struct po_request *request = call->request;
	struct ipc_peer_req req;
	struct po_envelope kek;
	struct po_why why = {.text = ""};
	enum kw_err err =
		po_body_peer(request->body, request->length, kind, create, &req, &kek, &why);

	if (err != KW_OK) {
		po_call_fail(call, err, why.text);
		return;
	}
	if (create) {
		ask_peer(call, IPC_PEER_ADD, &req, &kek, 201);
	} else if (name_of_path(call, &req)) {
		ask_peer(call, IPC_PEER_SET, &req, &kek, 200);
	}
	po_envelope_finish(&kek);
}

static void peers_list(struct po_call *call, enum ipc_peer_kind kind, const char *member)
{
	struct ipc_list_req req = {.limit = IPC_PEER_PAGE_MAX, .peer_kind = (uint8_t)kind};
	const char *after = call->request->query(call->request->query_context, "after");
	const struct ipc_peer_page *page;

	if (after != NULL) {
		if (!po_peer_name_valid(after)) {
			po_call_fail(call, KW_E_INVALID,
				"after must be the resume of an earlier answer: a name");
			return;
		}
		memcpy(req.after_name, after, strlen(after));
		req.has_after = 1;
	}
	if (!po_query_limit(call, IPC_PEER_PAGE_MAX, &req.limit)) {
		return;
	}
	page = po_call_ask(call, IPC_PEER_LIST, &req, sizeof(req), NULL, 0, sizeof(*page));
	if (page != NULL) {
		po_call_json(call, 200, po_json_peers(page, member));
	}
}

static void keks_list(struct po_call *call, enum ipc_peer_kind kind)
{
	struct ipc_peer_req req = {.peer = {.kind = (uint8_t)kind}};
	const struct ipc_peer_ans *answer;

	if (!name_of_path(call, &req)) {
		return;
	}
	answer = po_call_ask(call, IPC_PEER_GET, &req, sizeof(req), NULL, 0, sizeof(*answer));
	if (answer != NULL) {
		po_call_json(call, 200, po_json_keks(&answer->peer));
	}
}

static void kek_add(struct po_call *call, enum ipc_peer_kind kind)
{
	struct ipc_peer_req req;
	struct po_envelope kek;
	struct po_why why = {.text = ""};
	enum kw_err err =
		po_body_kek(call->request->body, call->request->length, kind, &req, &kek, &why);

	if (err != KW_OK) {
		po_call_fail(call, err, why.text);
		return;
	}
	if (name_of_path(call, &req)) {
		ask_peer(call, IPC_PEER_SET, &req, &kek, 201);
	}
	po_envelope_finish(&kek);
}

static void kek_retire(struct po_call *call, enum ipc_peer_kind kind)
{
	struct ipc_peer_req req = {.peer = {.kind = (uint8_t)kind}};
	const struct po_envelope none = {.octets = NULL};

	if (!po_printable(call->label)) {
		po_call_fail(call, KW_E_NOT_FOUND, "there is no KEK of this label");
		return;
	}
	memcpy(req.kek_label, call->label, strlen(call->label));
	if (name_of_path(call, &req) && po_query_flag(call, "force", &req.force)) {
		ask_peer(call, IPC_PEER_KEK_RETIRE, &req, &none, 200);
	}
}

void po_ns_list(struct po_call *call)
{
	peers_list(call, IPC_PEER_NS, "network_servers");
}

void po_ns_add(struct po_call *call)
{
	peer_write(call, IPC_PEER_NS, true);
}

void po_ns_get(struct po_call *call)
{
	ask_by_path(call, IPC_PEER_GET, IPC_PEER_NS);
}

void po_ns_set(struct po_call *call)
{
	peer_write(call, IPC_PEER_NS, false);
}

void po_ns_remove(struct po_call *call)
{
	ask_by_path(call, IPC_PEER_REMOVE, IPC_PEER_NS);
}

void po_as_list(struct po_call *call)
{
	peers_list(call, IPC_PEER_AS, "application_servers");
}

void po_as_add(struct po_call *call)
{
	peer_write(call, IPC_PEER_AS, true);
}

void po_as_get(struct po_call *call)
{
	ask_by_path(call, IPC_PEER_GET, IPC_PEER_AS);
}

void po_as_set(struct po_call *call)
{
	peer_write(call, IPC_PEER_AS, false);
}

void po_as_remove(struct po_call *call)
{
	ask_by_path(call, IPC_PEER_REMOVE, IPC_PEER_AS);
}

void po_ns_keks_list(struct po_call *call)
{
	keks_list(call, IPC_PEER_NS);
}

void po_ns_kek_add(struct po_call *call)
{
	kek_add(call, IPC_PEER_NS);
}

void po_ns_kek_retire(struct po_call *call)
{
	kek_retire(call, IPC_PEER_NS);
}

void po_as_keks_list(struct po_call *call)
{
	keks_list(call, IPC_PEER_AS);
}

void po_as_kek_add(struct po_call *call)
{
	kek_add(call, IPC_PEER_AS);
}

void po_as_kek_retire(struct po_call *call)
{
	kek_retire(call, IPC_PEER_AS);
}
