#include "http/request.h"

#include "base/secret.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEPT_MAX   512  /* requests kept for use again */
#define BODY_START 2048 /* larger body buffers are freed and count in what all have */

struct http_request *http_request_take(struct http_request_pool *pool)
{
	struct http_request *request = pool->free;

	if (request != NULL) {
		pool->free = request->next;
		pool->kept--;
	} else {
		request = calloc(1, sizeof(*request));
		if (request == NULL) {
			return NULL;
		}
	}
	request->next = NULL;
	pool->used++;
	return request;
}

static void request_free(struct http_request *request)
{
	free(request->body);
	free(request);
}

void http_request_give(struct http_request_pool *pool, struct http_request *request)
{
	char *body = request->body;
	size_t size = request->size;

	kw_wipe(body, request->length);
	if (request->response != NULL) {
		MHD_destroy_response(request->response);
	}
	pool->used--;
	pool->grown -= size > BODY_START ? size : 0;
	if (pool->kept >= KEPT_MAX) {
		request_free(request);
		return;
	}
	if (size > BODY_START) {
		free(body);
		body = NULL;
		size = 0;
	}
	memset(request, 0, sizeof(*request));
	request->body = body;
	request->size = size;
	request->next = pool->free;
	pool->free = request;
	pool->kept++;
}

void http_request_pool_finish(struct http_request_pool *pool)
{
	while (pool->free != NULL) {
		struct http_request *request = pool->free;

		pool->free = request->next;
		request_free(request);
	}
	pool->kept = 0;
}

/* Not realloc(): what was there is wiped, wherever the new buffer is. */
static enum kw_err grow(struct http_request_pool *pool, struct http_request *request, size_t needed)
{
	size_t size = request->size < BODY_START ? BODY_START : request->size;
	size_t before = request->size > BODY_START ? request->size : 0;
	char *body;

	while (size < needed) {
		size *= 2;
	}
	if (size > BODY_START && pool->grown_max != 0 &&
		pool->grown - before + size > pool->grown_max) {
		return KW_E_BUSY;
	}
	body = malloc(size);
	if (body == NULL) {
		return KW_E_NO_MEMORY;
	}
	if (request->length > 0) {
		memcpy(body, request->body, request->length);
		kw_wipe(request->body, request->length);
	}
	free(request->body);
	request->body = body;
	request->size = size;
	pool->grown += (size > BODY_START ? size : 0) - before;
	return KW_OK;
}

enum kw_err http_request_collect(struct http_request_pool *pool, struct http_request *request,
	const char *octets, size_t length, size_t body_max)
{
	if (request->dropped > 0 || length > body_max - request->length) {
		request->dropped += length;
		return request->dropped > HTTP_DROP_MAX ? KW_E_TOO_LONG : KW_OK;
	}
	if (request->length + length + 1 > request->size) {
		enum kw_err err = grow(pool, request, request->length + length + 1);

		if (err != KW_OK) {
			return err;
		}
	}
	memcpy(request->body + request->length, octets, length);
	request->length += length;
	return KW_OK;
}

const char *http_request_method(const struct http_request *request)
{
	return request->method;
}

const char *http_request_path(const struct http_request *request)
{
	return request->path;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct count {
	const char *name;
	size_t found;
};

static enum MHD_Result on_header(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct count *count = cls;

	(void)kind;
	(void)value;
	count->found += strcasecmp(key, count->name) == 0;
	return MHD_YES;
}

size_t http_request_header_count(const struct http_request *request, const char *name)
{
	struct count count = {.name = name};

	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, on_header, &count);
	return count.found;
}

const char *http_request_query(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct each {
	const char *name;
	void (*call)(void *context, const char *value);
	void *context;
};

static enum MHD_Result on_argument(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	const struct each *each = cls;

	(void)kind;
	if (strcmp(key, each->name) == 0) {
		each->call(each->context, value != NULL ? value : "");
	}
	return MHD_YES;
}

void http_request_query_each(const struct http_request *request, const char *name,
	void (*each)(void *context, const char *value), void *context)
{
	struct each args = {name, each, context};

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, on_argument, &args);
}

const char *http_request_body(const struct http_request *request, size_t *length)
{
	*length = request->length;
	return request->length > 0 ? request->body : "";
}

uint64_t http_request_arrived_us(const struct http_request *request)
{
	return request->arrived_us;
}

void http_request_set_user(struct http_request *request, void *user)
{
	request->user = user;
}

void *http_request_user(const struct http_request *request)
{
	return request->user;
}
