#include "portal/serve.h"

static const char *query(void *context, const char *name)
{
	return http_request_query(context, name);
}

static void query_all(void *context, const char *name, po_query_each each, void *each_context)
{
	http_request_query_each(context, name, each, each_context);
}

void po_serve(void *api, struct http_request *request)
{
	struct po_request asked = {
		.method = http_request_method(request),
		.path = http_request_path(request),
		.query = query,
		.query_all = query_all,
		.query_context = request,
	};
	struct po_answer answer;
	struct http_header headers[2] = {{NULL, NULL}, {NULL, NULL}};

	asked.body = http_request_body(request, &asked.length);
	po_api_handle(api, &asked, &answer);
	if (answer.allow[0] != '\0') {
		headers[0] = (struct http_header){.name = "Allow", .value = answer.allow};
	}
	http_answer(
		request, answer.status, answer.content_type, answer.text, answer.length, headers);
	po_answer_finish(&answer);
}
