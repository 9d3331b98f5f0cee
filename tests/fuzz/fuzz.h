/**
 * What every fuzz target is: one function, called by libFuzzer or by replay.c.
 */
#ifndef KW_TESTS_FUZZ_FUZZ_H
#define KW_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/** Must not fail on any input; a broken promise ends the process (fuzz_require()). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Like assert(), but never compiled out. */
static inline void fuzz_require(bool holds)
{
	if (!holds) {
		abort();
	}
}

#endif
