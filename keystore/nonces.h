/**
 * The exact set of DevNonces that a device of a version before 1.0.4 has used: a sorted list up to
 * 1000 of them, from then on a bitmap of all 65,536. Pure.
 */
#ifndef KW_KEYSTORE_NONCES_H
#define KW_KEYSTORE_NONCES_H

#include "base/cursor.h"

#include <stdbool.h>
#include <stdint.h>

#define KS_NONCES_LIST_MAX    1000
#define KS_NONCES_BITMAP_SIZE (65536 / 8)
#define KS_NONCES_SIZE_MAX    (1 + KS_NONCES_BITMAP_SIZE) /* written */

struct ks_nonces {
	uint32_t count; /* above KS_NONCES_LIST_MAX: the bitmap, else the list */
	union {
		uint16_t list[KS_NONCES_LIST_MAX]; /* ascending */
		uint8_t bitmap[KS_NONCES_BITMAP_SIZE];
	};
};

void ks_nonces_clear(struct ks_nonces *nonces);
bool ks_nonces_has(const struct ks_nonces *nonces, uint16_t nonce);
/** @return false if it was in the set already */
bool ks_nonces_add(struct ks_nonces *nonces, uint16_t nonce);

void ks_nonces_write(const struct ks_nonces *nonces, struct kw_writer *writer);
/** Reads exactly what ks_nonces_write() writes; anything else (a list that is not ascending, a
 *  bitmap that should be a list) fails the reader, and the set is empty. */
void ks_nonces_read(struct ks_nonces *nonces, struct kw_reader *reader);

#endif
