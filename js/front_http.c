#include "js/front_http.h"

#include "base/env.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum kw_err split_paths(struct js_front_http *http, const char *paths)
{
	char *rest = NULL;

	http->paths_text = strdup(paths);
	if (http->paths_text == NULL) {
		return KW_E_NO_MEMORY;
	}
	for (char *path = strtok_r(http->paths_text, " \t", &rest); path != NULL;
		path = strtok_r(NULL, " \t", &rest)) {
		if (http->path_count == JS_FRONT_PATHS_MAX) {
			kw_log(KW_LOG_ERROR, "front", "too many paths",
				KW_NUM("max", JS_FRONT_PATHS_MAX));
			return KW_E_TOO_LONG;
		}
		http->paths[http->path_count++] = path;
	}
	return KW_OK;
}

/* As long as a JoinAns usually is. */
static void fill_fixed(char out[JS_FRONT_FIXED_SIZE])
{
	static const char start[] = "{\"MessageType\":\"FixedAns\",\"Filling\":\"";

	memset(out, 'x', JS_FRONT_FIXED_SIZE);
	memcpy(out, start, sizeof(start) - 1);
	out[JS_FRONT_FIXED_SIZE - 2] = '"';
	out[JS_FRONT_FIXED_SIZE - 1] = '}';
}

enum kw_err js_front_http_init(struct js_front_http *http, const char *paths,
	struct js_front_batch *batch, struct js_identities *identities, struct ipc_report *report)
{
	enum kw_err err;

	*http = (struct js_front_http){
		.batch = batch,
		.report = report,
		.identities = identities,
	};
	fill_fixed(http->fixed);
	err = split_paths(http, paths);
	if (err != KW_OK) {
		js_front_http_finish(http);
	}
	return err;
}

void js_front_http_finish(struct js_front_http *http)
{
	free(http->paths_text);
	http->paths_text = NULL;
	http->path_count = 0;
}

static bool path_served(const struct js_front_http *http, const char *path)
{
	for (size_t i = 0; i < http->path_count; i++) {
		if (strcmp(http->paths[i], path) == 0) {
			return true;
		}
	}
	return false;
}

/* application/json with or without parameters; an absent type is taken for it. */
static bool type_accepted(const char *type)
{
	static const char wanted[] = "application/json";
	size_t length = sizeof(wanted) - 1;

	if (type == NULL) {
		return true;
	}
	type += strspn(type, " \t");
	if (strncasecmp(type, wanted, length) != 0) {
		return false;
	}
	type += length;
	type += strspn(type, " \t");
	return *type == '\0' || *type == ';';
}

static bool refused(struct js_front_http *http, struct http_request *request)
{
	static const struct http_header allow[] = {{"Allow", "POST"}, {NULL, NULL}};

	if (strcmp(http_request_method(request), "POST") != 0) {
		js_front_refuse(http->report, request, 405, allow, "the method is not POST");
		return true;
	}
	if (!path_served(http, http_request_path(request))) {
		js_front_refuse(http->report, request, 404, NULL, "a path that is not in paths");
		return true;
	}
	if (!type_accepted(http_request_header(request, "Content-Type"))) {
		js_front_refuse(
			http->report, request, 415, NULL, "Content-Type is not application/json");
		return true;
	}
	return false;
}

static void refuse_identity(
	struct js_front_http *http, struct http_request *request, enum kw_err err)
{
	switch (err) {
	case KW_E_MISSING:
		js_front_refuse_credential(http->report, request);
		break;
	case KW_E_FORBIDDEN:
		js_front_refuse(http->report, request, 403, NULL,
			"plain HTTP from an address that is not in trusted_proxies");
		break;
	case KW_E_CONFLICT:
		js_front_refuse(http->report, request, 400, NULL,
			"two credentials where one may be: Authorization or certificate headers");
		break;
	case KW_E_SYNTAX:
		js_front_refuse(http->report, request, 400, NULL,
			"the proxy's client certificate header does not read");
		break;
	case KW_E_TOO_LONG:
		js_front_refuse(http->report, request, 431, NULL,
			"the proxy's client certificate header, or the chain in it, is too long");
		break;
	default:
		js_front_refuse(http->report, request, 500, NULL, "the credential was not read");
	}
}

static void answer_fixed(struct js_front_http *http, struct http_request *request)
{
	http_answer(request, 200, "application/json", http->fixed, sizeof(http->fixed), NULL);
	kw_histogram_add(&http->report->latency,
		kw_mono_us(&kw_env_system) - http_request_arrived_us(request));
}

void js_front_http_handle(void *context, struct http_request *request)
{
	struct js_front_http *http = context;
	struct js_identity identity;
	struct bi_request *message;
	enum kw_err err;
	const char *body;
	size_t length;

	http->report->requests++;
	if (refused(http, request)) {
		return;
	}
	if (http->batch == NULL) {
		answer_fixed(http, request);
		return;
	}
	err = js_identity_read(http->identities, request, &identity);
	if (err != KW_OK) {
		refuse_identity(http, request, err);
		return;
	}
	message = js_front_batch_room(http->batch);
	if (message == NULL) {
		js_front_refuse_busy(http->report, request);
		return;
	}
	body = http_request_body(request, &length);
	if (bi_request_decode(body, length, message) != KW_OK) {
		js_front_refuse(http->report, request, 400, NULL,
			"no JSON object with a usable header, or a member twice");
		return;
	}
	js_front_batch_add(http->batch, request, identity.credentials, identity.count);
}

void js_front_http_gone(void *context, struct http_request *request)
{
	struct js_front_http *http = context;

	if (http->batch != NULL) {
		js_front_batch_gone(http->batch, request);
	}
}
