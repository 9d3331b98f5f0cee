/** Hexadecimal text, read strictly. */
#ifndef KW_BASE_HEX_H
#define KW_BASE_HEX_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/**
 * Read exactly `length` octets from `digits` characters of text. Upper and lower case, an optional
 * "0x" or "0X" in front.
 *
 * @return KW_OK
 *         KW_E_HEX     a character that is no hexadecimal digit, or an odd number of them
 *         KW_E_LENGTH  hexadecimal, but of another length; out is zero on any error
 */
KW_MUST_CHECK enum kw_err kw_hex_read(const char *text, size_t digits, uint8_t *out, size_t length);

/**
 * Read up to `size` octets of any length.
 *
 * @param length  out: octets read, 0 on any error
 * @return KW_OK, KW_E_HEX, KW_E_LENGTH (more than size octets)
 */
KW_MUST_CHECK enum kw_err kw_hex_read_any(
	const char *text, size_t digits, uint8_t *out, size_t size, size_t *length);

/** Write 2 * length lower-case digits and a terminating NUL. Returns the end (the NUL). */
char *kw_hex_write(char *out, const uint8_t *octets, size_t length);

#endif
