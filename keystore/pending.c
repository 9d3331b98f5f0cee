#include "keystore/pending.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ENTRIES 4096
#define INDEX_MIN     1024 /* a power of two */
#define CHANGES_MIN   256
#define NONE          UINT32_MAX

static_assert(sizeof(struct ks_pending) == 48, "a million unfolded devices must stay cheap");
static_assert(sizeof(struct lw_device_id) == 16, "hashed and compared as octets");

/* A place of the open-addressing index: slot + 1 (0: empty) and the low half of the hash, which
 * tells where the search for it starts. */
struct place {
	uint32_t hash;
	uint32_t slot_1;
};

struct change {
	enum {
		CHANGE_ADDED,
		CHANGE_REPLACED,
		CHANGE_REMOVED
	} what;
	uint32_t slot;
	struct ks_pending before;
};

struct ks_pendings {
	uint64_t secret[2];
	struct place *index;
	size_t index_size; /* a power of two */
	struct ks_pending **blocks;
	size_t block_count;
	uint32_t slots; /* ever used; beyond them nothing is */
	uint32_t free;  /* a list through joins_accepted of entries with next_join_nonce 0 */
	size_t count;
	struct change *changes;
	size_t change_count;
	size_t change_size;
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 of the 16 octets of a device id. */
static uint32_t hash_of(const struct ks_pendings *pendings, const struct lw_device_id *id)
{
	uint64_t v[4] = {
		pendings->secret[0] ^ UINT64_C(0x736f6d6570736575),
		pendings->secret[1] ^ UINT64_C(0x646f72616e646f6d),
		pendings->secret[0] ^ UINT64_C(0x6c7967656e657261),
		pendings->secret[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t words[3] = {0, 0, (uint64_t)sizeof(*id) << 56};

	memcpy(words, id, sizeof(*id));
	for (size_t i = 0; i < 3; i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	for (size_t i = 0; i < 3; i++) {
		sip_round(v);
	}
	return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

static struct ks_pending *entry_at(const struct ks_pendings *pendings, uint32_t slot)
{
	return &pendings->blocks[slot / BLOCK_ENTRIES][slot % BLOCK_ENTRIES];
}

static size_t next_place(const struct ks_pendings *pendings, size_t place)
{
	return (place + 1) & (pendings->index_size - 1);
}

/* The place of the device, or the empty one where the search for it ends. */
static size_t place_of(
	const struct ks_pendings *pendings, const struct lw_device_id *id, uint32_t hash)
{
	size_t at = hash & (pendings->index_size - 1);

	for (; pendings->index[at].slot_1 != 0; at = next_place(pendings, at)) {
		if (pendings->index[at].hash == hash &&
			memcmp(&entry_at(pendings, pendings->index[at].slot_1 - 1)->id, id,
				sizeof(*id)) == 0) {
			break;
		}
	}
	return at;
}

/* Move up what would no longer be found behind the gap. */
static void place_clear(struct ks_pendings *pendings, size_t gap)
{
	size_t mask = pendings->index_size - 1;
	size_t at = gap;

	for (;;) {
		size_t wanted;

		at = next_place(pendings, at);
		if (pendings->index[at].slot_1 == 0) {
			break;
		}
		wanted = pendings->index[at].hash & mask;
		if (((at - wanted) & mask) >= ((at - gap) & mask)) {
			pendings->index[gap] = pendings->index[at];
			gap = at;
		}
	}
	pendings->index[gap] = (struct place){0, 0};
}

static enum kw_err index_resize(struct ks_pendings *pendings, size_t size)
{
	struct place *index = calloc(size, sizeof(*index));

	if (index == NULL) {
		return KW_E_NO_MEMORY;
	}
	for (size_t i = 0; i < pendings->index_size; i++) {
		const struct place *from = &pendings->index[i];
		size_t at = from->hash & (size - 1);

		if (from->slot_1 == 0) {
			continue;
		}
		while (index[at].slot_1 != 0) {
			at = (at + 1) & (size - 1);
		}
		index[at] = *from;
	}
	free(pendings->index);
	pendings->index = index;
	pendings->index_size = size;
	return KW_OK;
}

static enum kw_err block_add(struct ks_pendings *pendings)
{
	struct ks_pending **blocks = realloc(
		pendings->blocks, (pendings->block_count + 1) * sizeof(pendings->blocks[0]));

	if (blocks == NULL) {
		return KW_E_NO_MEMORY;
	}
	pendings->blocks = blocks;
	blocks[pendings->block_count] = calloc(BLOCK_ENTRIES, sizeof(**blocks));
	if (blocks[pendings->block_count] == NULL) {
		return KW_E_NO_MEMORY;
	}
	pendings->block_count++;
	return KW_OK;
}

static enum kw_err changes_grow(struct ks_pendings *pendings)
{
	size_t size = pendings->change_size == 0 ? CHANGES_MIN : 2 * pendings->change_size;
	struct change *changes = realloc(pendings->changes, size * sizeof(*changes));

	if (changes == NULL) {
		return KW_E_NO_MEMORY;
	}
	pendings->changes = changes;
	pendings->change_size = size;
	return KW_OK;
}

enum kw_err ks_pendings_create(const struct kw_env *env, struct ks_pendings **out)
{
	struct ks_pendings *pendings = calloc(1, sizeof(*pendings));
	enum kw_err err;

	*out = NULL;
	if (pendings == NULL) {
		return KW_E_NO_MEMORY;
	}
	pendings->free = NONE;
	err = kw_random(env, pendings->secret, sizeof(pendings->secret));
	if (err == KW_OK) {
		err = index_resize(pendings, INDEX_MIN);
	}
	if (err != KW_OK) {
		ks_pendings_destroy(pendings);
		return err;
	}
	*out = pendings;
	return KW_OK;
}

void ks_pendings_destroy(struct ks_pendings *pendings)
{
	if (pendings == NULL) {
		return;
	}
	for (size_t i = 0; i < pendings->block_count; i++) {
		free(pendings->blocks[i]);
	}
	free(pendings->blocks);
	free(pendings->index);
	free(pendings->changes);
	free(pendings);
}

const struct ks_pending *ks_pendings_find(
	const struct ks_pendings *pendings, const struct lw_device_id *id)
{
	size_t at = place_of(pendings, id, hash_of(pendings, id));

	return pendings->index[at].slot_1 == 0 ? NULL
					       : entry_at(pendings, pendings->index[at].slot_1 - 1);
}

enum kw_err ks_pendings_reserve(struct ks_pendings *pendings)
{
	enum kw_err err = KW_OK;

	if (pendings->change_count == pendings->change_size) {
		err = changes_grow(pendings);
	}
	if (err == KW_OK && pendings->free == NONE &&
		pendings->slots == pendings->block_count * BLOCK_ENTRIES) {
		err = block_add(pendings);
	}
	if (err == KW_OK && (pendings->count + 1) * 4 > pendings->index_size * 3) {
		err = index_resize(pendings, 2 * pendings->index_size);
	}
	return err;
}

static void remember(struct ks_pendings *pendings, const struct change *change)
{
	assert(pendings->change_count < pendings->change_size);
	pendings->changes[pendings->change_count++] = *change;
}

static uint32_t slot_take(struct ks_pendings *pendings)
{
	uint32_t slot = pendings->free;

	if (slot != NONE) {
		pendings->free = entry_at(pendings, slot)->joins_accepted;
		return slot;
	}
	assert(pendings->slots < pendings->block_count * BLOCK_ENTRIES);
	return pendings->slots++;
}

static void slot_give(struct ks_pendings *pendings, uint32_t slot)
{
	struct ks_pending *entry = entry_at(pendings, slot);

	memset(entry, 0, sizeof(*entry));
	entry->joins_accepted = pendings->free;
	pendings->free = slot;
}

static uint32_t add(
	struct ks_pendings *pendings, const struct ks_pending *pending, size_t place, uint32_t hash)
{
	uint32_t slot = slot_take(pendings);

	*entry_at(pendings, slot) = *pending;
	pendings->index[place] = (struct place){hash, slot + 1};
	pendings->count++;
	return slot;
}

static void drop(struct ks_pendings *pendings, size_t place)
{
	slot_give(pendings, pendings->index[place].slot_1 - 1);
	place_clear(pendings, place);
	pendings->count--;
}

void ks_pendings_put(struct ks_pendings *pendings, const struct ks_pending *pending)
{
	uint32_t hash = hash_of(pendings, &pending->id);
	size_t place = place_of(pendings, &pending->id, hash);
	struct change change = {.what = CHANGE_ADDED};

	assert(pending->next_join_nonce != 0);
	if (pendings->index[place].slot_1 == 0) {
		change.slot = add(pendings, pending, place, hash);
	} else {
		change.what = CHANGE_REPLACED;
		change.slot = pendings->index[place].slot_1 - 1;
		change.before = *entry_at(pendings, change.slot);
		*entry_at(pendings, change.slot) = *pending;
	}
	remember(pendings, &change);
}

void ks_pendings_remove(struct ks_pendings *pendings, const struct lw_device_id *id)
{
	size_t place = place_of(pendings, id, hash_of(pendings, id));
	struct change change = {.what = CHANGE_REMOVED};

	assert(pendings->index[place].slot_1 != 0);
	change.slot = pendings->index[place].slot_1 - 1;
	change.before = *entry_at(pendings, change.slot);
	remember(pendings, &change);
	drop(pendings, place);
}

static void undo(struct ks_pendings *pendings, const struct change *change)
{
	struct ks_pending *entry = entry_at(pendings, change->slot);
	const struct lw_device_id id =
		change->what == CHANGE_REMOVED ? change->before.id : entry->id;
	uint32_t hash = hash_of(pendings, &id);
	size_t place = place_of(pendings, &id, hash);

	switch (change->what) {
	case CHANGE_ADDED:
		drop(pendings, place);
		break;
	case CHANGE_REPLACED:
		*entry = change->before;
		break;
	case CHANGE_REMOVED:
		/* Undone last first, the free list gives the very slot it was in. */
		add(pendings, &change->before, place, hash);
		break;
	}
}

/* Once nothing is pending, the memory of the busiest time goes back. */
static void shrink(struct ks_pendings *pendings)
{
	while (pendings->block_count > 1) {
		free(pendings->blocks[--pendings->block_count]);
	}
	if (pendings->index_size > INDEX_MIN) {
		(void)index_resize(pendings, INDEX_MIN); /* if not, the large one is as good */
	}
	pendings->slots = 0;
	pendings->free = NONE;
}

void ks_pendings_keep(struct ks_pendings *pendings)
{
	pendings->change_count = 0;
	if (pendings->count == 0 && pendings->slots > 0) {
		shrink(pendings);
	}
	if (pendings->change_size > BLOCK_ENTRIES) {
		free(pendings->changes);
		pendings->changes = NULL;
		pendings->change_size = 0;
	}
}

void ks_pendings_undo(struct ks_pendings *pendings)
{
	while (pendings->change_count > 0) {
		undo(pendings, &pendings->changes[--pendings->change_count]);
	}
	ks_pendings_keep(pendings);
}

size_t ks_pendings_count(const struct ks_pendings *pendings)
{
	return pendings->count;
}

size_t ks_pendings_slots(const struct ks_pendings *pendings)
{
	return pendings->slots;
}

const struct ks_pending *ks_pendings_at(const struct ks_pendings *pendings, size_t slot)
{
	const struct ks_pending *entry;

	if (slot >= pendings->slots) {
		return NULL;
	}
	entry = entry_at(pendings, (uint32_t)slot);
	return entry->next_join_nonce == 0 ? NULL : entry;
}
