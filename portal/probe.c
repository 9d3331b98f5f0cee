/* A token for a test: it stands for a network server for a minute, in the vault's memory only. */
#include "portal/call.h"
#include "portal/json.h"
#include "portal/member.h"

#include <string.h>

static const struct po_member members[] = {
	{"token_sha256", po_credential_token, IPC_PEER_SET_TOKEN, PO_ON_CREATE, true, NULL},
	{.name = NULL},
};

static enum kw_err body_read(
	const struct po_request *request, struct ipc_peer_req *req, struct po_why *why)
{
	struct po_target target = {.peer = req};
	json_t *object;
	enum kw_err err = po_object_read(request->body, request->length, &object, why);

	if (err == KW_OK) {
		err = po_members_read(members, object, PO_ON_CREATE, &target, &req->set, why);
	}
	/* Elsewhere null takes a token away. */
	if (err == KW_OK && req->credential_count == 0) {
		po_say(why, "token_sha256 must be the SHA-256 of a token");
		err = KW_E_INVALID;
	}
	json_decref(object);
	return err;
}

void po_ns_probe(struct po_call *call)
{
	struct ipc_peer_req req = {.peer = {.kind = IPC_PEER_NS}};
	struct po_why why = {.text = ""};
	const struct ipc_peer_ans *answer;
	enum kw_err err = body_read(call->request, &req, &why);

	if (err != KW_OK) {
		po_call_fail(call, err, why.text);
		return;
	}
	if (!po_peer_name_valid(call->item)) {
		po_call_fail(call, KW_E_NOT_FOUND, "there is no server of this name");
		return;
	}
	memcpy(req.peer.name, call->item, strlen(call->item));
	memcpy(call->name, call->item, strlen(call->item) + 1);
	answer = po_call_ask(call, IPC_PEER_PROBE, &req, sizeof(req), NULL, 0, sizeof(*answer));
	if (answer != NULL) {
		po_call_json(call, 200, po_json_peer(&answer->peer));
	}
}
