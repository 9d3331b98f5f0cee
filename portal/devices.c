#include "base/hex.h"
#include "portal/body.h"
#include "portal/call.h"
#include "portal/envelope.h"
#include "portal/json.h"

#include <string.h>

#define AFTER_SIZE (2 * LW_EUI_SIZE)

static_assert(2 * LW_EUI_SIZE < IPC_NAME_SIZE, "a DevEUI is a name in the log");

/* Ask something about one device and answer with it. */
static void ask_device(
	struct po_call *call, enum ipc_kind kind, const struct ipc_device_req *req, unsigned status)
{
	const struct ipc_device_ans *answer;

	kw_hex_write(call->name, req->dev_eui, LW_EUI_SIZE);
	answer = po_call_ask(call, kind, req, sizeof(*req), NULL, 0, sizeof(*answer));
	if (answer == NULL) {
		return;
	}
	if (kind == IPC_DEVICE_REMOVE) {
		po_call_json(call, status, po_json_removed(call->name));
	} else {
		po_call_json(call, status, po_json_device(&answer->device));
	}
}

static bool dev_eui_of_path(struct po_call *call, struct ipc_device_req *req)
{
	struct lw_eui eui;

	if (lw_eui_read(call->item, &eui) != KW_OK) {
		po_call_fail(call, KW_E_INVALID,
			"the DevEUI in the address must have 16 hexadecimal digits");
		return false;
	}
	memcpy(req->dev_eui, eui.octets, LW_EUI_SIZE);
	return true;
}

static void ask_by_path(struct po_call *call, enum ipc_kind kind)
{
	struct ipc_device_req req = {.set = 0};

	if (dev_eui_of_path(call, &req)) {
		ask_device(call, kind, &req, 200);
	}
}

void po_device_get(struct po_call *call)
{
	ask_by_path(call, IPC_DEVICE_GET);
}

void po_device_remove(struct po_call *call)
{
	ask_by_path(call, IPC_DEVICE_REMOVE);
}

void po_device_reset(struct po_call *call)
{
	ask_by_path(call, IPC_DEVICE_RESET);
}

static bool device_body(struct po_call *call, bool create, struct ipc_device_req *req)
{
	const struct po_request *request = call->request;
	struct po_why why = {.text = ""};
	enum kw_err err = po_body_device(request->body, request->length, create, req, &why);

	if (err != KW_OK) {
		po_call_fail(call, err, why.text);
	}
	return err == KW_OK;
}

void po_devices_add(struct po_call *call)
{
	struct ipc_device_req req;

	if (device_body(call, true, &req)) {
		ask_device(call, IPC_DEVICE_GENERATE, &req, 201);
	}
}

void po_device_set(struct po_call *call)
{
	struct ipc_device_req req;

	if (device_body(call, false, &req) && dev_eui_of_path(call, &req)) {
		ask_device(call, IPC_DEVICE_SET, &req, 200);
	}
}

void po_devices_list(struct po_call *call)
{
	struct ipc_list_req req = {.limit = IPC_PAGE_MAX};
	const char *after = call->request->query(call->request->query_context, "after");
	const struct ipc_device_page *page;

	if (after != NULL) {
		if (strlen(after) != 2 * AFTER_SIZE ||
			kw_hex_read(after, strlen(after), req.after, AFTER_SIZE) != KW_OK) {
			po_call_fail(call, KW_E_INVALID,
				"after must be the resume of an earlier answer: JoinEUI and "
				"DevEUI, "
				"32 hexadecimal digits");
			return;
		}
		req.has_after = 1;
	}
	if (!po_query_limit(call, IPC_PAGE_MAX, &req.limit)) {
		return;
	}
	page = po_call_ask(call, IPC_DEVICE_LIST, &req, sizeof(req), NULL, 0, sizeof(*page));
	if (page != NULL) {
		po_call_json(call, 200, po_json_devices(page));
	}
}

static bool import_texts(struct po_call *call, struct ipc_device_policy *policy)
{
	const struct po_request *request = call->request;
	const char *as_id = request->query(request->query_context, "as_id");
	const char *app_s_key = request->query(request->query_context, "app_s_key");

	if (as_id != NULL) {
		if (!po_printable(as_id)) {
			po_call_fail(call, KW_E_INVALID,
				"as_id must be 1 to 63 printable ASCII characters");
			return false;
		}
		memcpy(policy->as_id, as_id, strlen(as_id));
	}
	if (app_s_key != NULL && ipc_delivery_read(app_s_key, &policy->delivery) != KW_OK) {
		po_call_fail(call, KW_E_INVALID,
			"app_s_key must be default, inline, inline-id, wrapped or fetch");
		return false;
	}
	return true;
}

static bool import_query(struct po_call *call, struct ipc_import_req *req)
{
	struct ipc_device_policy *policy = &req->policy;
	uint64_t first_line = 0, run = 0;

	if (!po_query_flag(call, "dry_run", &req->dry_run) ||
		!po_query_flag(call, "skip_errors", &req->skip_errors) ||
		!po_query_flag(call, "strict", &req->strict) ||
		!po_query_flag(call, "quiet", &req->quiet) ||
		!po_query_number(call, "first_line", 0, UINT32_MAX, &first_line) ||
		!po_query_number(call, "run", 0, UINT32_MAX, &run) ||
		!po_query_net_ids(call, "net_id", policy->net_ids, &policy->net_id_count) ||
		!po_query_net_ids(call, "roaming", policy->roaming, &policy->roaming_count) ||
		!po_query_eui(call, "ns_id", policy->ns_id, &policy->has_ns_id)) {
		return false;
	}
	call->changes = req->dry_run == 0;
	req->first_line = (uint32_t)first_line;
	req->run = (uint32_t)run;
	return import_texts(call, policy);
}

static void import_ask(
	struct po_call *call, const struct ipc_import_req *req, const struct po_envelope *envelope)
{
	const struct ipc_import_ans *answer = po_call_ask(call, IPC_DEVICE_IMPORT, req,
		sizeof(*req), envelope->octets, envelope->length, sizeof(*answer));
	unsigned status = 200;

	if (answer == NULL) {
		return;
	}
	if (answer->errors > 0) {
		call->result = req->skip_errors != 0 ? "some refused" : "refused";
		status = req->skip_errors != 0 ? 200 : 422;
	}
	po_call_json(call, status, po_json_import(answer, req->dry_run != 0));
}

void po_devices_import(struct po_call *call)
{
	struct ipc_import_req req = {.envelope_length = 0};
	struct po_envelope envelope;
	struct po_why why = {.text = ""};
	enum kw_err err;

	if (!import_query(call, &req)) {
		return;
	}
	err = po_envelope_read(call->request->body, call->request->length, &envelope, &why);
	if (err != KW_OK) {
		po_call_fail(call, err, why.text);
		return;
	}
	req.envelope_length = (uint32_t)envelope.length;
	import_ask(call, &req, &envelope);
	po_envelope_finish(&envelope);
}
