/** Octets from hexadecimal text that the test itself wrote: a mistake ends the test. */
#ifndef KW_TESTS_LORAWAN_OCTETS_H
#define KW_TESTS_LORAWAN_OCTETS_H

#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

static inline void octets_of(const char *text, void *out, size_t length)
{
	assert_int_equal(kw_hex_read(text, strlen(text), out, length), KW_OK);
}

static inline bool all_zero(const void *memory, size_t length)
{
	const uint8_t *octets = memory;

	for (size_t i = 0; i < length; i++) {
		if (octets[i] != 0) {
			return false;
		}
	}
	return true;
}

#endif
