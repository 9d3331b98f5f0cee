#include "tests/portal/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs these */
#include <cmocka.h>

static enum kw_err ask(void *context, enum ipc_kind kind, const void *body, size_t body_length,
	const void *tail, size_t tail_length, void *answer)
{
	struct fake *fake = context;
	size_t size = ipc_body_size(kind, false);
	struct ipc_header header = {.magic = IPC_MAGIC, .kind = (uint16_t)kind, .count = 1};

	fake->asked++;
	fake->kind = kind;
	assert_int_equal(body_length, ipc_body_size(kind, true));
	assert_true(body_length <= sizeof(fake->body));
	memset(&fake->body, 0, sizeof(fake->body));
	if (body_length > 0) {
		memcpy(&fake->body, body, body_length);
	}
	free(fake->tail);
	fake->tail = malloc(tail_length + 1);
	assert_non_null(fake->tail);
	if (tail_length > 0) {
		memcpy(fake->tail, tail, tail_length);
	}
	fake->tail_length = tail_length;
	if (fake->fail != KW_OK) {
		return fake->fail;
	}
	header.err = fake->err;
	header.count = fake->bodiless ? 0 : 1;
	header.length = (uint32_t)(header.count * size);
	memcpy(answer, &header, sizeof(header));
	memset((uint8_t *)answer + sizeof(header), 0, size);
	if (fake->answer != NULL) {
		memcpy((uint8_t *)answer + sizeof(header), fake->answer, size);
	}
	assert_int_equal(ipc_message_check(answer, sizeof(header) + header.length, false), KW_OK);
	return KW_OK;
}

static size_t processes(void *context, struct po_process *out, size_t max)
{
	const struct fake *fake = context;

	assert_true(fake->process_count <= max);
	memcpy(out, fake->processes, fake->process_count * sizeof(*out));
	return fake->process_count;
}

static uint64_t now_ms(void *arg)
{
	return ((const struct fake *)arg)->now_ms;
}

int fake_setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	struct po_api_options options;

	assert_non_null(fake);
	fake->now_ms = UINT64_C(1767225600000); /* 2026-01-01 */
	fake->env = (struct kw_env){.now_ms = now_ms, .arg = fake};
	options = (struct po_api_options){
		.ask = ask,
		.ask_context = fake,
		.processes = processes,
		.processes_context = fake,
		.env = &fake->env,
	};
	assert_int_equal(po_api_create(&options, &fake->api), KW_OK);
	*state = fake;
	return 0;
}

int fake_teardown(void **state)
{
	struct fake *fake = *state;

	json_decref(fake->json);
	po_answer_finish(&fake->got);
	po_api_destroy(fake->api);
	free(fake->tail);
	free(fake);
	return 0;
}

void fake_query(struct fake *fake, const char *name, const char *value)
{
	assert_true(fake->query_count < FAKE_QUERY_MAX);
	fake->query[fake->query_count][0] = name;
	fake->query[fake->query_count++][1] = value;
}

static const char *query(void *context, const char *name)
{
	const struct fake *fake = context;

	for (size_t i = 0; i < fake->query_count; i++) {
		if (strcmp(fake->query[i][0], name) == 0) {
			return fake->query[i][1];
		}
	}
	return NULL;
}

static void query_all(void *context, const char *name, po_query_each each, void *each_context)
{
	const struct fake *fake = context;

	for (size_t i = 0; i < fake->query_count; i++) {
		if (strcmp(fake->query[i][0], name) == 0) {
			each(each_context, fake->query[i][1]);
		}
	}
}

unsigned fake_call_octets(
	struct fake *fake, const char *method, const char *path, const void *body, size_t length)
{
	const struct po_request request = {
		.method = method,
		.path = path,
		.query = query,
		.query_all = query_all,
		.query_context = fake,
		.body = body,
		.length = length,
	};

	json_decref(fake->json);
	po_answer_finish(&fake->got);
	po_api_handle(fake->api, &request, &fake->got);
	fake->query_count = 0;
	assert_non_null(fake->got.text);
	fake->json = NULL;
	if (strcmp(fake->got.content_type, "application/octet-stream") != 0) {
		assert_int_equal(fake->got.length, strlen(fake->got.text));
		fake->json = json_loads(fake->got.text, 0, NULL);
	}
	return fake->got.status;
}

unsigned fake_call(struct fake *fake, const char *method, const char *path, const char *body)
{
	return fake_call_octets(fake, method, path, body, body != NULL ? strlen(body) : 0);
}

const json_t *fake_member(const struct fake *fake, const char *path)
{
	const json_t *value = fake->json;
	char name[64];

	while (value != NULL && *path != '\0') {
		size_t length = strcspn(path, ".");

		assert_true(length < sizeof(name));
		memcpy(name, path, length);
		name[length] = '\0';
		value = json_is_array(value) ? json_array_get(value, strtoul(name, NULL, 10))
					     : json_object_get(value, name);
		path += length + (path[length] == '.' ? 1 : 0);
	}
	return value;
}

const char *fake_text(const struct fake *fake, const char *path)
{
	const char *text = json_string_value(fake_member(fake, path));

	if (text == NULL) {
		fail_msg("no text %s in %s", path, fake->got.text);
	}
	return text;
}

long long fake_number(const struct fake *fake, const char *path)
{
	const json_t *value = fake_member(fake, path);

	if (!json_is_integer(value)) {
		fail_msg("no number %s in %s", path, fake->got.text);
	}
	return json_integer_value(value);
}
