/**
 * What a front tells its clients: an answer of the Backend Interfaces, in the response or by post,
 * or an HTTP status alone. Each is counted and logged here.
 */
#ifndef KW_JS_FRONT_ANSWER_H
#define KW_JS_FRONT_ANSWER_H

#include "backend-if/message.h"
#include "http/server.h"
#include "ipc/ipc.h"
#include "js/front_posts.h"

/** Where answers go; both borrowed. */
struct js_front_teller {
	struct ipc_report *report;
	struct js_front_posts *posts; /* where answers go whose peer has an answer URL */
};

/**
 * Answer a request that was decoded: HTTP 200, or 503 for KW_E_RATE and KW_E_TIMEOUT, which are never
 * posted.
 *
 * @param told  what the vault said; NULL if it is silent
 * @param url   post the answer there, and acknowledge the request; NULL: answer in the response
 */
void js_front_tell(const struct js_front_teller *teller, struct http_request *request,
	const struct bi_request *message, const struct bi_answer *said,
	const struct ipc_backend_ans *told, const char *url);

/** Answer without a body; counted as refused. The reason is for the log only. */
void js_front_refuse(struct ipc_report *report, struct http_request *request, unsigned status,
	const struct http_header *headers, const char *reason);
/** 401, 503 with their headers. */
void js_front_refuse_credential(struct ipc_report *report, struct http_request *request);
void js_front_refuse_busy(struct ipc_report *report, struct http_request *request);

#endif
