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
	memcpy(out + JS_FRONT_FIXED_SIZE - 2, "\"}", 2);
}

enum kw_err js_front_http_init(struct js_front_http *http, const char *paths,
	struct js_front_batch *batch, struct ipc_report *report)
{
	enum kw_err err;

	*http = (struct js_front_http){
		.batch = batch,
		.report = report,
		.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL),
		.digest = EVP_MD_CTX_new(),
	};
	fill_fixed(http->fixed);
	err = http->sha256 != NULL && http->digest != NULL ? split_paths(http, paths) : KW_E_CRYPTO;
	if (err != KW_OK) {
		js_front_http_finish(http);
	}
	return err;
}

void js_front_http_finish(struct js_front_http *http)
{
	EVP_MD_free(http->sha256);
	EVP_MD_CTX_free(http->digest);
	free(http->paths_text);
	http->sha256 = NULL;
	http->digest = NULL;
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

/* The token of "Authorization: Bearer x"; *length 0 if there is none. */
static const char *bearer_token(const char *authorization, size_t *length)
{
	static const char scheme[] = "Bearer";
	const char *token;

	*length = 0;
	if (authorization == NULL || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0) {
		return NULL;
	}
	token = authorization + sizeof(scheme) - 1;
	if (*token != ' ' && *token != '\t') {
		return NULL;
	}
	token += strspn(token, " \t");
	*length = strlen(token);
	while (*length > 0 && (token[*length - 1] == ' ' || token[*length - 1] == '\t')) {
		(*length)--;
	}
	return token;
}

/* The token itself is not kept. */
static bool credential_read(struct js_front_http *http, const struct http_request *request,
	uint8_t credential[IPC_DIGEST_SIZE])
{
	size_t length;
	const char *token = bearer_token(http_request_header(request, "Authorization"), &length);
	unsigned size = 0;

	return length > 0 && EVP_DigestInit_ex2(http->digest, http->sha256, NULL) == 1 &&
	       EVP_DigestUpdate(http->digest, token, length) == 1 &&
	       EVP_DigestFinal_ex(http->digest, credential, &size) == 1 && size == IPC_DIGEST_SIZE;
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

static void answer_fixed(struct js_front_http *http, struct http_request *request)
{
	http_answer(request, 200, "application/json", http->fixed, sizeof(http->fixed), NULL);
	kw_histogram_add(&http->report->latency,
		kw_mono_us(&kw_env_system) - http_request_arrived_us(request));
}

void js_front_http_handle(void *context, struct http_request *request)
{
	struct js_front_http *http = context;
	uint8_t credential[IPC_DIGEST_SIZE];
	struct bi_request *message;
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
	if (!credential_read(http, request, credential)) {
		js_front_refuse_credential(http->report, request);
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
	js_front_batch_add(http->batch, request, credential);
}

void js_front_http_gone(void *context, struct http_request *request)
{
	(void)context;
	js_front_batch_gone(request);
}
