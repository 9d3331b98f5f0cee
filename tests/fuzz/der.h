/** DER taken apart and put together otherwise: mutations that keep the lengths around them right. */
#ifndef KW_TESTS_FUZZ_DER_H
#define KW_TESTS_FUZZ_DER_H

#include <stddef.h>
#include <stdint.h>

/**
 * Change one element of a DER structure, chosen by `seed`: leave it out, repeat it, put another one
 * of the same structure in its place, give it another tag, cut its contents, or give it another
 * length than it has.
 *
 * @return the new size, at most `max`; 0: it is no DER, or does not fit, and is unchanged
 */
size_t fuzz_der_mutate(uint8_t *data, size_t size, size_t max, unsigned seed);

#endif
