/** A struct that an input describes by what differs from a given one. */
#ifndef KW_TESTS_FUZZ_PATCH_H
#define KW_TESTS_FUZZ_PATCH_H

#include "tests/fuzz/parts.h"

/**
 * Change octets of `out` as the vault's part of the input says: place (two octets, little-endian,
 * taken modulo the length), how many octets (one; 0 ends), and these octets. One count of 255 fills
 * all from the place on with the octet that follows.
 */
void patch_apply(struct parts *parts, void *out, size_t length);

#endif
