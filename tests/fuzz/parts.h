/** An input made of two: what a client sends, and behind a line "VAULT" what the other process says. */
#ifndef KW_TESTS_FUZZ_PARTS_H
#define KW_TESTS_FUZZ_PARTS_H

#include <stddef.h>
#include <stdint.h>

struct parts {
	uint8_t flags; /* the first octet of the input */
	const uint8_t *client;
	size_t client_length;
	const uint8_t *vault;
	size_t vault_length;
	size_t taken; /* of vault, by parts_take() */
};

/** Everything is borrowed. */
struct parts parts_of(const uint8_t *data, size_t size);
/** Fill `out` with the next octets of what the vault says; with zeros once it is used up. */
void parts_take(struct parts *parts, void *out, size_t length);

#endif
