/**
 * What a front makes of an HTTP request before anybody is asked: method, path, type, credential,
 * JSON.
 */
#ifndef KW_JS_FRONT_HTTP_H
#define KW_JS_FRONT_HTTP_H

#include "js/front_batch.h"
#include "js/front_identity.h"

#define JS_FRONT_PATHS_MAX  64
#define JS_FRONT_FIXED_SIZE 600

struct js_front_http {
	struct js_front_batch *batch;     /* NULL: every POST gets the fixed answer */
	struct js_identities *identities; /* borrowed, like the two above */
	struct ipc_report *report;
	char *paths_text;
	const char *paths[JS_FRONT_PATHS_MAX];
	size_t path_count;
	char fixed[JS_FRONT_FIXED_SIZE];
};

/**
 * @param paths  separated by blanks
 * @param batch  where requests go; NULL: the fixed answer for all (--fixed-answer)
 * @return KW_OK, KW_E_NO_MEMORY, KW_E_TOO_LONG (too many paths; logged)
 */
KW_MUST_CHECK enum kw_err js_front_http_init(struct js_front_http *http, const char *paths,
	struct js_front_batch *batch, struct js_identities *identities, struct ipc_report *report);
void js_front_http_finish(struct js_front_http *http);

/** An http_handler and an http_gone; the context is a struct js_front_http. */
void js_front_http_handle(void *context, struct http_request *request);
void js_front_http_gone(void *context, struct http_request *request);

#endif
