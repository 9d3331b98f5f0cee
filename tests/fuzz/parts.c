#include "tests/fuzz/parts.h"

#include <string.h>

static const char mark[] = "\nVAULT\n";

struct parts parts_of(const uint8_t *data, size_t size)
{
	struct parts parts = {.flags = size > 0 ? data[0] : 0};
	const uint8_t *found;

	if (size < 2) {
		return parts;
	}
	parts.client = data + 1;
	parts.client_length = size - 1;
	found = memmem(parts.client, parts.client_length, mark, strlen(mark));
	if (found != NULL) {
		parts.client_length = (size_t)(found - parts.client);
		parts.vault = found + strlen(mark);
		parts.vault_length = (size_t)(data + size - parts.vault);
	}
	return parts;
}

void parts_take(struct parts *parts, void *out, size_t length)
{
	const size_t left = parts->vault_length - parts->taken;
	const size_t there = left < length ? left : length;

	memset(out, 0, length);
	if (there > 0) {
		memcpy(out, parts->vault + parts->taken, there);
		parts->taken += there;
	}
}
