/**
 * The admin API: HTTP/JSON under /api/v1, described in docs/api.yaml.
 *
 * Pure but for the vault, which it asks through one function: a request struct in, an answer struct
 * out. portal/serve.h joins it to HTTP. Who may call is decided by who may open the socket.
 *
 * Root keys, KEKs and tokens are in no request that it accepts (sealed or hashed only), in no
 * answer and in no log line; bodies and values are never logged or repeated in messages.
 */
#ifndef KW_PORTAL_API_H
#define KW_PORTAL_API_H

#include "base/env.h"
#include "base/err.h"
#include "ipc/ipc.h"

#include <stddef.h>
#include <stdint.h>

/** Largest body that any call takes: a sealed envelope as PEM. More is refused before it is read. */
#define PO_BODY_MAX (180 * 1024)
/** Largest JSON body. */
#define PO_JSON_BODY_MAX (64 * 1024)
#define PO_PROCESSES_MAX 68

/** A process of this server as keywardd sees it. */
struct po_process {
	char name[16];
	int32_t pid; /* 0: not running */
	uint32_t restarts;
	uint64_t started_ms;
};

/**
 * Ask the vault one question, as ipc_ask() does.
 *
 * @param answer  out: header and body, IPC_MESSAGE_MAX octets, checked by ipc_message_check()
 * @return KW_OK (answer's header.err may be a refusal), or why there is no answer
 */
typedef enum kw_err (*po_ask)(void *context, enum ipc_kind kind, const void *body,
	size_t body_length, const void *tail, size_t tail_length, void *answer);

/** Write down to `max` processes. @return how many */
typedef size_t (*po_processes)(void *context, struct po_process *out, size_t max);

struct po_api_options {
	po_ask ask;
	void *ask_context;
	po_processes processes; /* NULL: none are listed */
	void *processes_context;
	const struct kw_env *env; /* borrowed */
};

struct po_api;

/** A value of a query parameter, given to each() for every one of a name. */
typedef void (*po_query_each)(void *each_context, const char *value);

/** Everything is borrowed. */
struct po_request {
	const char *method;
	const char *path; /* percent-decoded, without the query */
	/** First value of a query parameter, percent-decoded; NULL if it is not there. */
	const char *(*query)(void *query_context, const char *name);
	/** All values of one, in order. */
	void (*query_all)(
		void *query_context, const char *name, po_query_each each, void *each_context);
	void *query_context;
	const char *body; /* may be NULL if length is 0 */
	size_t length;
};

struct po_answer {
	unsigned status;
	const char *content_type; /* static */
	char allow[32];           /* value of the header Allow; "" if there is none */
	char *text;               /* the body; on the heap; NULL only if there is no memory left */
	size_t length;
};

/** Also starts the libraries that read files or randomness once: call before the process is locked
 *  in. @return KW_OK, KW_E_NO_MEMORY */
KW_MUST_CHECK enum kw_err po_api_create(const struct po_api_options *options, struct po_api **out);
/** NULL is fine. */
void po_api_destroy(struct po_api *api);

/** Do what is asked and say how it went; never fails but in what the answer says. Logs one line. */
void po_api_handle(struct po_api *api, const struct po_request *request, struct po_answer *answer);
/** Free the text. */
void po_answer_finish(struct po_answer *answer);

#endif
