#include "portal/call.h"
#include "portal/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void po_backup_begin(struct po_call *call)
{
	const struct ipc_backup_req req = {.id = 0};
	const struct ipc_backup_ans *ans =
		po_call_ask(call, IPC_BACKUP, &req, sizeof(req), NULL, 0, sizeof(*ans));

	if (ans != NULL) {
		po_call_json(call, 200, po_json_backup(ans));
	}
}

void po_backup_read(struct po_call *call)
{
	struct ipc_backup_req req = {.id = 0};
	const struct ipc_backup_ans *ans;

	call->often = true;
	if (!po_query_number(call, "id", 1, INT64_MAX, &req.id) ||
		!po_query_number(call, "offset", 0, INT64_MAX, &req.offset)) {
		return;
	}
	if (req.id == 0) {
		po_call_fail(call, KW_E_MISSING, "id must be that of a backup that was begun");
		return;
	}
	ans = po_call_ask(call, IPC_BACKUP, &req, sizeof(req), NULL, 0, sizeof(*ans));
	if (ans == NULL) {
		return;
	}
	if (ans->length > sizeof(ans->octets)) {
		po_call_fail(call, KW_E_SYSTEM, "the vault gave a piece that is too long");
		return;
	}
	po_call_octets(call, ans->octets, ans->length);
}
