#include "provision/seen.h"

#include "base/env.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define START_SIZE 1024

void pr_seen_init(struct pr_seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	/* The seed keeps a made-up file from being slow; without one it is only not kept from it. */
	if (kw_random(&kw_env_system, &seen->seed, sizeof(seen->seed)) != KW_OK) {
		seen->seed = UINT64_C(0x9e3779b97f4a7c15);
	}
}

void pr_seen_finish(struct pr_seen *seen)
{
	free(seen->entries);
	memset(seen, 0, sizeof(*seen));
}

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static struct pr_seen_entry *place(
	struct pr_seen_entry *entries, size_t size, uint64_t eui, uint64_t seed)
{
	size_t at = (size_t)mix(eui ^ seed) & (size - 1);

	while (entries[at].line != 0 && entries[at].eui != eui) {
		at = (at + 1) & (size - 1);
	}
	return &entries[at];
}

static enum kw_err grow(struct pr_seen *seen)
{
	const size_t size = seen->size == 0 ? START_SIZE : 2 * seen->size;
	struct pr_seen_entry *entries = calloc(size, sizeof(*entries));

	if (entries == NULL) {
		return KW_E_NO_MEMORY;
	}
	for (size_t i = 0; i < seen->size; i++) {
		if (seen->entries[i].line != 0) {
			*place(entries, size, seen->entries[i].eui, seen->seed) = seen->entries[i];
		}
	}
	free(seen->entries);
	seen->entries = entries;
	seen->size = size;
	return KW_OK;
}

enum kw_err pr_seen_add(
	struct pr_seen *seen, const struct lw_eui *eui, uint32_t line, uint32_t *first_line)
{
	struct pr_seen_entry *entry;
	uint64_t number = 0;

	*first_line = 0;
	if (seen->count >= seen->size / 2) {
		const enum kw_err err = grow(seen);

		if (err != KW_OK) {
			return err;
		}
	}
	memcpy(&number, eui->octets, sizeof(number));
	number = be64toh(number);
	entry = place(seen->entries, seen->size, number, seen->seed);
	if (entry->line != 0) {
		*first_line = entry->line;
		return KW_OK;
	}
	entry->eui = number;
	entry->line = line;
	seen->count++;
	return KW_OK;
}

static int compare(const void *left, const void *right)
{
	const struct pr_seen_entry *a = left;
	const struct pr_seen_entry *b = right;

	return a->eui < b->eui ? -1 : a->eui > b->eui;
}

size_t pr_seen_sort(struct pr_seen *seen)
{
	size_t count = 0;

	for (size_t i = 0; i < seen->size; i++) {
		if (seen->entries[i].line != 0) {
			seen->entries[count++] = seen->entries[i];
		}
	}
	if (count > 1) {
		qsort(seen->entries, count, sizeof(*seen->entries), compare);
	}
	return count;
}

void pr_seen_empty(struct pr_seen *seen)
{
	if (seen->entries != NULL) {
		memset(seen->entries, 0, seen->size * sizeof(*seen->entries));
	}
	seen->count = 0;
}
