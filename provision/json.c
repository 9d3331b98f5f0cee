#include "provision/read.h"

#include "base/env.h"
#include "base/secret.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Memory that the parser gives back may have held a key. */
struct block {
	_Alignas(max_align_t) size_t size;
	_Alignas(max_align_t) unsigned char octets[];
};

static void *block_get(size_t size)
{
	struct block *block =
		size > SIZE_MAX - sizeof(*block) ? NULL : malloc(sizeof(*block) + size);

	if (block == NULL) {
		return NULL;
	}
	block->size = size;
	return block->octets;
}

static void block_wipe(void *octets)
{
	struct block *block;

	if (octets == NULL) {
		return;
	}
	block = (struct block *)((unsigned char *)octets - offsetof(struct block, octets));
	kw_wipe(block->octets, block->size);
	free(block);
}

struct json {
	struct pr_reading *reading;
	const char *at;
	const char *end;
	const char *counted; /* up to here lines are counted */
	uint32_t line;
};

static uint32_t line_at(struct json *json, const char *place)
{
	for (; json->counted < place; json->counted++) {
		json->line += *json->counted == '\n' ? 1 : 0;
	}
	return json->line;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct json *json)
{
	while (json->at < json->end && is_blank(*json->at)) {
		json->at++;
	}
}

static void take_value(struct pr_record *record, enum pr_column column, const json_t *value)
{
	struct pr_field *field = &record->fields[column];
	const char *text = json_string_value(value);

	if (json_is_null(value)) {
		return;
	}
	if (text == NULL) {
		pr_record_fault(record, PR_FAULT_NO_TEXT, column);
		return;
	}
	if (field->length > 0 && text[0] != '\0') {
		pr_record_fault(record, PR_FAULT_TWICE, column);
		return;
	}
	pr_field_append(field, text, strlen(text));
}

/* The Things Stack: {"app_key": {"key": "..."}}; elsewhere the text itself. */
static const json_t *unwrap_key(enum pr_column column, const json_t *value)
{
	const bool is_key = column == PR_COLUMN_APP_KEY || column == PR_COLUMN_NWK_KEY;

	if (!is_key || !json_is_object(value)) {
		return value;
	}
	value = json_object_get(value, "key");
	return value == NULL ? json_null() : value;
}

/* Objects whose members are looked at as if they stood outside. */
static bool is_group(const char *name)
{
	static const char *const names[] = {
		"ids", "root_keys", "device", "deviceKeys", "device_keys", "keys"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

static void take_members(struct pr_reading *reading, json_t *object, bool top)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		const size_t length = strlen(name);
		const enum pr_column column = pr_column_find(name, length);

		if (column != PR_COLUMN_UNKNOWN) {
			take_value(&reading->record, column, unwrap_key(column, value));
		} else if (top && is_group(name) && json_is_object(value)) {
			take_members(reading, value, false);
		} else {
			pr_reading_ignore(reading, name, length);
		}
	}
}

static enum kw_err fail_at(struct json *json, const char *place)
{
	return pr_reading_fail(
		json->reading, "line %u: not valid JSON", (unsigned)line_at(json, place));
}

/* The parser's own words would quote what is there, perhaps a key: only its line is used. */
static enum kw_err fail_in_object(struct json *json, int line)
{
	const unsigned further = line > 1 ? (unsigned)line - 1 : 0;

	return pr_reading_fail(json->reading,
		"line %u: not valid JSON, or an object with the same member twice",
		(unsigned)line_at(json, json->at) + further);
}

/* One object, whose text is at json->at, into the record. */
static enum kw_err take_object(struct json *json)
{
	const char *start = json->at;
	json_error_t error;
	json_t *object = json_loadb(start, (size_t)(json->end - start),
		JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
	enum kw_err err = KW_OK;

	if (object == NULL) {
		err = fail_in_object(json, error.line);
	} else {
		json->reading->record.line = line_at(json, start);
		json->at = start + error.position;
		take_members(json->reading, object, true);
		json_decref(object);
	}
	kw_wipe(error.text, sizeof(error.text));
	return err;
}

static enum kw_err read_object(struct json *json)
{
	json_malloc_t previous_get;
	json_free_t previous_free;
	enum kw_err err;

	json_get_alloc_funcs(&previous_get, &previous_free);
	json_set_alloc_funcs(block_get, block_wipe);
	err = take_object(json);
	json_set_alloc_funcs(previous_get, previous_free);
	return err == KW_OK ? pr_reading_submit(json->reading) : err;
}

static bool skip_char(struct json *json, char c)
{
	skip_blanks(json);
	if (json->at == json->end || *json->at != c) {
		return false;
	}
	json->at++;
	return true;
}

static bool object_follows(struct json *json)
{
	skip_blanks(json);
	return json->at < json->end && *json->at == '{';
}

static enum kw_err read_array(struct json *json)
{
	if (skip_char(json, ']')) {
		return KW_OK;
	}
	do {
		enum kw_err err =
			object_follows(json) ? read_object(json) : fail_at(json, json->at);

		if (err != KW_OK) {
			return err;
		}
	} while (skip_char(json, ','));
	return skip_char(json, ']') ? KW_OK : fail_at(json, json->at);
}

/* Objects and arrays of objects, one behind the other. */
static enum kw_err read_all(struct json *json)
{
	for (skip_blanks(json); json->at < json->end; skip_blanks(json)) {
		enum kw_err err;

		if (skip_char(json, '[')) {
			err = read_array(json);
		} else if (*json->at == '{') {
			err = read_object(json);
		} else {
			err = fail_at(json, json->at);
		}
		if (err != KW_OK) {
			return err;
		}
	}
	return KW_OK;
}

/* jansson would open a file for its hash seed; this process may not be allowed to. */
static void seed_hash(void)
{
	size_t seed = 0;

	if (kw_random(&kw_env_system, &seed, sizeof(seed)) != KW_OK || seed == 0) {
		seed = 1;
	}
	json_object_seed(seed);
}

enum kw_err pr_json_read(struct pr_reading *reading, const char *text, size_t length)
{
	struct json json = {
		.reading = reading, .at = text, .end = text + length, .counted = text, .line = 1};

	seed_hash();
	return read_all(&json);
}
