#include "portal/maker.h"

#include "base/env.h"
#include "base/hex.h"

#include <string.h>

#define HEX_MAX 32

char *po_text_of(json_t *value)
{
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	return text;
}

struct po_maker po_make(void)
{
	struct po_maker maker = {.object = json_object()};

	maker.failed = maker.object == NULL;
	return maker;
}

void po_put(struct po_maker *maker, const char *name, json_t *value)
{
	if (value == NULL || json_object_set_new(maker->object, name, value) != 0) {
		maker->failed = true;
	}
}

json_t *po_done(struct po_maker *maker)
{
	if (maker->failed) {
		json_decref(maker->object);
		maker->object = NULL;
	}
	return maker->object;
}

char *po_text_done(struct po_maker *maker)
{
	return po_text_of(po_done(maker));
}

void po_put_number(struct po_maker *maker, const char *name, uint64_t number)
{
	po_put(maker, name, json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number));
}

void po_put_bool(struct po_maker *maker, const char *name, bool value)
{
	po_put(maker, name, json_boolean(value));
}

json_t *po_text_json(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	json_t *value = json_stringn(text, length);
	char plain[IPC_TEXT_SIZE];

	if (value != NULL) {
		return value;
	}
	length = length < sizeof(plain) ? length : sizeof(plain) - 1;
	for (size_t i = 0; i < length; i++) {
		plain[i] = text[i];
		if ((unsigned char)plain[i] >= 0x80) {
			plain[i] = '?';
		}
	}
	return json_stringn(plain, length);
}

void po_put_text(struct po_maker *maker, const char *name, const char *text, size_t size)
{
	po_put(maker, name, po_text_json(text, size));
}

void po_put_text_or_null(struct po_maker *maker, const char *name, const char *text, size_t size)
{
	po_put(maker, name, text[0] == '\0' ? json_null() : po_text_json(text, size));
}

void po_put_word(struct po_maker *maker, const char *name, const char *word)
{
	po_put(maker, name, word == NULL ? json_null() : json_string(word));
}

json_t *po_hex_json(const uint8_t *octets, size_t length)
{
	char text[2 * HEX_MAX + 1];

	kw_hex_write(text, octets, length);
	return json_string(text);
}

void po_put_hex(struct po_maker *maker, const char *name, const uint8_t *octets, size_t length)
{
	po_put(maker, name, po_hex_json(octets, length));
}

void po_put_hex_if(
	struct po_maker *maker, const char *name, bool there, const uint8_t *octets, size_t length)
{
	po_put(maker, name, there ? po_hex_json(octets, length) : json_null());
}

uint64_t po_seconds_ms(uint64_t seconds)
{
	return seconds > UINT64_MAX / 1000 ? UINT64_MAX : seconds * 1000;
}

void po_put_time(struct po_maker *maker, const char *name, uint64_t time_ms)
{
	char text[KW_TIME_TEXT_SIZE];

	kw_time_text(time_ms, text);
	po_put(maker, name, time_ms == 0 ? json_null() : json_string(text));
}

void po_put_net_ids(struct po_maker *maker, const char *name,
	const uint8_t net_ids[IPC_NET_IDS_MAX][LW_NET_ID_SIZE], size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count && i < IPC_NET_IDS_MAX; i++) {
		if (json_array_append_new(array, po_hex_json(net_ids[i], LW_NET_ID_SIZE)) != 0) {
			maker->failed = true;
		}
	}
	po_put(maker, name, array);
}

void po_append(struct po_maker *maker, json_t *array, json_t *value)
{
	if (value == NULL || json_array_append_new(array, value) != 0) {
		maker->failed = true;
	}
}
