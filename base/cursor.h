/**
 * Reading and writing octets with a sticky error: read all fields, check once, nothing left over.
 *
 * After the first failure every further read gives zeros and every further write does nothing.
 * Numbers without a suffix are big-endian (store, ipc); `_le` is the order on the air.
 */
#ifndef KW_BASE_CURSOR_H
#define KW_BASE_CURSOR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kw_reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

void kw_reader_init(struct kw_reader *reader, const void *octets, size_t length);
uint8_t kw_read_u8(struct kw_reader *reader);
uint16_t kw_read_u16(struct kw_reader *reader);
uint32_t kw_read_u24(struct kw_reader *reader);
uint32_t kw_read_u32(struct kw_reader *reader);
uint64_t kw_read_u64(struct kw_reader *reader);
uint16_t kw_read_u16_le(struct kw_reader *reader);
uint32_t kw_read_u24_le(struct kw_reader *reader);
/** Copy `length` octets; zeros if they are not there. */
void kw_read_octets(struct kw_reader *reader, void *out, size_t length);
/** Copy `length` octets in the opposite order, as EUIs, NetIDs and DevAddrs need it. */
void kw_read_reversed(struct kw_reader *reader, void *out, size_t length);
/** Borrow `length` octets in place; NULL if they are not there. */
const uint8_t *kw_read_span(struct kw_reader *reader, size_t length);
/**
 * Read a string with a length octet in front into a buffer of `size`, NUL-terminated. A string
 * that does not fit or holds a NUL octet is a failure.
 */
void kw_read_string(struct kw_reader *reader, char *out, size_t size);
/** KW_OK if nothing failed and nothing is left over, else KW_E_TRUNCATED. */
KW_MUST_CHECK enum kw_err kw_reader_end(const struct kw_reader *reader);

struct kw_writer {
	uint8_t *start;
	size_t used;
	size_t size;
	bool failed;
};

void kw_writer_init(struct kw_writer *writer, void *buffer, size_t size);
void kw_write_u8(struct kw_writer *writer, uint8_t value);
void kw_write_u16(struct kw_writer *writer, uint16_t value);
void kw_write_u24(struct kw_writer *writer, uint32_t value);
void kw_write_u32(struct kw_writer *writer, uint32_t value);
void kw_write_u64(struct kw_writer *writer, uint64_t value);
void kw_write_u16_le(struct kw_writer *writer, uint16_t value);
void kw_write_u24_le(struct kw_writer *writer, uint32_t value);
void kw_write_octets(struct kw_writer *writer, const void *octets, size_t length);
void kw_write_reversed(struct kw_writer *writer, const void *octets, size_t length);
/** Write a length octet and the string; a string of more than 255 octets is a failure. */
void kw_write_string(struct kw_writer *writer, const char *text);
/** KW_OK, or KW_E_TOO_LONG if something did not fit. */
KW_MUST_CHECK enum kw_err kw_writer_end(const struct kw_writer *writer);

#endif
