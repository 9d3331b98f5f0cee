/**
 * One call of the admin API on its way from route to answer. Inside portal/ only.
 */
#ifndef KW_PORTAL_CALL_H
#define KW_PORTAL_CALL_H

#include "portal/api.h"

#include <stdbool.h>

struct po_call {
	struct po_api *api;
	const struct po_request *request;
	struct po_answer *answer;
	char item[IPC_NAME_SIZE];   /* what stood for '*' in the route: a DevEUI or a name */
	char label[IPC_LABEL_SIZE]; /* what stood for '+' in the route: the label of a KEK */
	char name[IPC_NAME_SIZE];   /* what the call is about, for the log; "" if nothing yet */
	bool often;                 /* one of very many: its line is for debugging */
	bool changes;               /* it may change the store */
	const char *result;         /* for the log: "ok" or the code of the error */
};

typedef void (*po_handler)(struct po_call *call);

/* Each answers the call. Network servers and application servers differ in the kind only. */
void po_status_get(struct po_call *call);
void po_intake_get(struct po_call *call);
void po_events_get(struct po_call *call);
void po_backup_begin(struct po_call *call);
void po_backup_read(struct po_call *call);
void po_devices_import(struct po_call *call);
void po_devices_list(struct po_call *call);
void po_devices_add(struct po_call *call);
void po_device_get(struct po_call *call);
void po_device_set(struct po_call *call);
void po_device_remove(struct po_call *call);
void po_device_reset(struct po_call *call);
void po_ns_list(struct po_call *call);
void po_ns_add(struct po_call *call);
void po_ns_get(struct po_call *call);
void po_ns_set(struct po_call *call);
void po_ns_remove(struct po_call *call);
void po_ns_probe(struct po_call *call);
void po_ns_keks_list(struct po_call *call);
void po_ns_kek_add(struct po_call *call);
void po_ns_kek_retire(struct po_call *call);
void po_as_list(struct po_call *call);
void po_as_add(struct po_call *call);
void po_as_get(struct po_call *call);
void po_as_set(struct po_call *call);
void po_as_remove(struct po_call *call);
void po_as_keks_list(struct po_call *call);
void po_as_kek_add(struct po_call *call);
void po_as_kek_retire(struct po_call *call);

/** Answer with JSON made by portal/json.h; takes `text` over. NULL, which is no memory, is 500. */
void po_call_json(struct po_call *call, unsigned status, char *text);
/** Answer 200 with octets of no further meaning here; they are copied. */
void po_call_octets(struct po_call *call, const void *octets, size_t length);
/** Answer with an error; a message without a full stop, or NULL for the general one. */
void po_call_fail(struct po_call *call, enum kw_err err, const char *message);

/**
 * Ask the vault. If it has no answer or refuses, the call has been answered with that.
 *
 * @return the body of its answer, `size` octets, valid until the next question; NULL on failure
 */
const void *po_call_ask(struct po_call *call, enum ipc_kind kind, const void *body,
	size_t body_length, const void *tail, size_t tail_length, size_t size);

const struct kw_env *po_call_env(const struct po_call *call);
size_t po_call_processes(const struct po_call *call, struct po_process *out, size_t max);

/* Query parameters. Each leaves *out as it is if the parameter is not there; on a wrong value the
 * call has been answered and false is returned. */
bool po_query_flag(struct po_call *call, const char *name, uint8_t *out);
bool po_query_number(
	struct po_call *call, const char *name, uint64_t min, uint64_t max, uint64_t *out);
/** `limit`: at least 1; what is above `most` counts as that, which is also the default. */
bool po_query_limit(struct po_call *call, uint32_t most, uint32_t *out);
/** A DevEUI, an NSID. */
bool po_query_eui(struct po_call *call, const char *name, uint8_t out[LW_EUI_SIZE], uint8_t *has);
/** All values of a NetID parameter. */
bool po_query_net_ids(struct po_call *call, const char *name,
	uint8_t out[IPC_NET_IDS_MAX][LW_NET_ID_SIZE], uint8_t *count);

#endif
