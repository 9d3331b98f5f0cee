#include "keystore/nonces.h"

#include <string.h>

enum form { /* stored; never renumber */
	FORM_NONE = 0,
	FORM_LIST = 1,
	FORM_BITMAP = 2,
};

static bool is_bitmap(const struct ks_nonces *nonces)
{
	return nonces->count > KS_NONCES_LIST_MAX;
}

static uint8_t bit_of(uint16_t nonce)
{
	return (uint8_t)(0x80 >> nonce % 8);
}

/* Where in the list the nonce is, or would be. */
static size_t list_find(const struct ks_nonces *nonces, uint16_t nonce)
{
	size_t low = 0;
	size_t high = nonces->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (nonces->list[middle] < nonce) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static void list_to_bitmap(struct ks_nonces *nonces)
{
	uint16_t list[KS_NONCES_LIST_MAX];

	memcpy(list, nonces->list, sizeof(list));
	memset(nonces->bitmap, 0, sizeof(nonces->bitmap));
	for (size_t i = 0; i < nonces->count; i++) {
		nonces->bitmap[list[i] / 8] |= bit_of(list[i]);
	}
}

void ks_nonces_clear(struct ks_nonces *nonces)
{
	nonces->count = 0;
}

bool ks_nonces_has(const struct ks_nonces *nonces, uint16_t nonce)
{
	size_t at;

	if (is_bitmap(nonces)) {
		return (nonces->bitmap[nonce / 8] & bit_of(nonce)) != 0;
	}
	at = list_find(nonces, nonce);
	return at < nonces->count && nonces->list[at] == nonce;
}

bool ks_nonces_add(struct ks_nonces *nonces, uint16_t nonce)
{
	if (ks_nonces_has(nonces, nonce)) {
		return false;
	}
	if (nonces->count < KS_NONCES_LIST_MAX) {
		size_t at = list_find(nonces, nonce);

		memmove(nonces->list + at + 1, nonces->list + at,
			(nonces->count - at) * sizeof(nonces->list[0]));
		nonces->list[at] = nonce;
	} else {
		if (nonces->count == KS_NONCES_LIST_MAX) {
			list_to_bitmap(nonces);
		}
		nonces->bitmap[nonce / 8] |= bit_of(nonce);
	}
	nonces->count++;
	return true;
}

void ks_nonces_write(const struct ks_nonces *nonces, struct kw_writer *writer)
{
	if (nonces->count == 0) {
		kw_write_u8(writer, FORM_NONE);
	} else if (is_bitmap(nonces)) {
		kw_write_u8(writer, FORM_BITMAP);
		kw_write_octets(writer, nonces->bitmap, sizeof(nonces->bitmap));
	} else {
		kw_write_u8(writer, FORM_LIST);
		kw_write_u16(writer, (uint16_t)nonces->count);
		for (size_t i = 0; i < nonces->count; i++) {
			kw_write_u16(writer, nonces->list[i]);
		}
	}
}

static void read_list(struct ks_nonces *nonces, struct kw_reader *reader)
{
	size_t count = kw_read_u16(reader);

	if (count < 1 || count > KS_NONCES_LIST_MAX) {
		reader->failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		nonces->list[i] = kw_read_u16(reader);
		if (i > 0 && nonces->list[i] <= nonces->list[i - 1]) {
			reader->failed = true;
			return;
		}
	}
	nonces->count = (uint32_t)count;
}

static void read_bitmap(struct ks_nonces *nonces, struct kw_reader *reader)
{
	uint32_t count = 0;

	kw_read_octets(reader, nonces->bitmap, sizeof(nonces->bitmap));
	for (size_t i = 0; i < sizeof(nonces->bitmap); i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, nonces->bitmap + i, sizeof(word));
		count += (uint32_t)__builtin_popcountll(word);
	}
	if (count <= KS_NONCES_LIST_MAX) {
		reader->failed = true;
		return;
	}
	nonces->count = count;
}

void ks_nonces_read(struct ks_nonces *nonces, struct kw_reader *reader)
{
	nonces->count = 0;
	switch (kw_read_u8(reader)) {
	case FORM_NONE:
		break;
	case FORM_LIST:
		read_list(nonces, reader);
		break;
	case FORM_BITMAP:
		read_bitmap(nonces, reader);
		break;
	default:
		reader->failed = true;
		break;
	}
	if (reader->failed) {
		nonces->count = 0;
	}
}
