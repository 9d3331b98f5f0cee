#include "base/hex.h"

#include <string.h>

static int digit_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

enum kw_err kw_hex_read_any(
	const char *text, size_t digits, uint8_t *out, size_t size, size_t *length)
{
	memset(out, 0, size);
	*length = 0;
	if (digits >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		digits -= 2;
	}
	for (size_t i = 0; i < digits; i++) {
		if (digit_value(text[i]) < 0) {
			return KW_E_HEX;
		}
	}
	if (digits % 2 != 0) {
		return KW_E_HEX;
	}
	if (digits / 2 > size) {
		return KW_E_LENGTH;
	}
	for (size_t i = 0; i < digits / 2; i++) {
		out[i] = (uint8_t)(digit_value(text[2 * i]) << 4 | digit_value(text[2 * i + 1]));
	}
	*length = digits / 2;
	return KW_OK;
}

enum kw_err kw_hex_read(const char *text, size_t digits, uint8_t *out, size_t length)
{
	size_t got;
	enum kw_err err = kw_hex_read_any(text, digits, out, length, &got);

	if (err == KW_OK && got != length) {
		memset(out, 0, length);
		err = KW_E_LENGTH;
	}
	return err;
}

char *kw_hex_write(char *out, const uint8_t *octets, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*out++ = digits[octets[i] >> 4];
		*out++ = digits[octets[i] & 15];
	}
	*out = '\0';
	return out;
}
