/** A vault that answers as it is told, and what the admin API asked it; also a request and its
 *  query as a list. */
#ifndef KW_TESTS_PORTAL_FAKE_H
#define KW_TESTS_PORTAL_FAKE_H

#include "portal/api.h"

#include <jansson.h>

#define FAKE_QUERY_MAX 32

struct fake {
	/* the vault */
	unsigned asked; /* questions so far */
	enum ipc_kind kind;
	union {
		struct ipc_device_req device;
		struct ipc_list_req list;
		struct ipc_import_req import;
		struct ipc_peer_req peer;
		struct ipc_events_req events;
		struct ipc_backup_req backup;
	} body;
	uint8_t *tail;
	size_t tail_length;
	enum kw_err fail;   /* no answer, but this */
	enum kw_err err;    /* of the answer */
	bool bodiless;      /* an error with no body */
	const void *answer; /* body; NULL: zeros */
	/* the request */
	const char *query[FAKE_QUERY_MAX][2];
	size_t query_count;
	/* keywardd */
	struct po_process processes[4];
	size_t process_count;
	/* the API and its last answer */
	struct po_api *api;
	struct po_answer got;
	json_t *json; /* NULL if it was none */
	uint64_t now_ms;
	struct kw_env env;
};

int fake_setup(void **state);
int fake_teardown(void **state);

/** Add a query parameter to the next request. */
void fake_query(struct fake *fake, const char *name, const char *value);
/** Ask the API; forgets the query afterwards. */
unsigned fake_call(struct fake *fake, const char *method, const char *path, const char *body);
unsigned fake_call_octets(
	struct fake *fake, const char *method, const char *path, const void *body, size_t length);

/** Members of the last answer, by a path such as "error.code". */
const char *fake_text(const struct fake *fake, const char *path);
long long fake_number(const struct fake *fake, const char *path);
const json_t *fake_member(const struct fake *fake, const char *path);

#endif
