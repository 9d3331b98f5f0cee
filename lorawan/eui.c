#include "lorawan/eui.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>

#define EUI_DIGITS    (2 * LW_EUI_SIZE)
#define EUI_BITS      (8 * LW_EUI_SIZE)
#define NET_ID_TYPES  8
#define DEV_ADDR_BITS (8 * LW_DEV_ADDR_SIZE)

/* Bits of the ID in a NetID and of the NwkID in a DevAddr, by type of NetID (Backend Interfaces,
 * "DevAddr assignment", types 3 and 4 as corrected by the erratum). */
static const struct {
	unsigned id_bits;
	unsigned nwk_id_bits;
} net_types[NET_ID_TYPES] = {
	{6, 6},
	{6, 6},
	{9, 9},
	{21, 11},
	{21, 12},
	{21, 13},
	{21, 15},
	{21, 17},
};

static uint32_t low_bits(uint32_t value, unsigned bits)
{
	return value & ((UINT32_C(1) << bits) - 1);
}

bool lw_eui_equal(const struct lw_eui *a, const struct lw_eui *b)
{
	return lw_eui_compare(a, b) == 0;
}

bool lw_net_id_equal(const struct lw_net_id *a, const struct lw_net_id *b)
{
	return memcmp(a->octets, b->octets, sizeof(a->octets)) == 0;
}

int lw_eui_compare(const struct lw_eui *a, const struct lw_eui *b)
{
	return memcmp(a->octets, b->octets, sizeof(a->octets));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_decimal(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_decimal(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t skip_decimals(const char *text, size_t length, size_t at)
{
	while (at < length && is_decimal(text[at])) {
		at++;
	}
	return at;
}

/* 1.2E+15, 1,2E+15, 7E+15 or 1234567890123450.0: what a spreadsheet makes of decimal digits. */
static bool looks_like_number(const char *text, size_t length)
{
	size_t at = skip_decimals(text, length, 0);
	bool marked = false;

	if (at == 0) {
		return false;
	}
	if (at < length && (text[at] == '.' || text[at] == ',')) {
		at = skip_decimals(text, length, at + 1);
		marked = true;
	}
	if (at < length && (text[at] == 'e' || text[at] == 'E')) {
		size_t exponent = ++at;

		if (at < length && (text[at] == '+' || text[at] == '-')) {
			exponent = ++at;
			marked = true;
		}
		at = skip_decimals(text, length, at);
		if (at == exponent) {
			return false;
		}
	}
	return marked && at == length;
}

/* Take the digits out of their groups of whole octets. */
static enum kw_err collect_digits(const char *text, size_t length, char digits[EUI_DIGITS])
{
	char separator = '\0';
	size_t count = 0;

	for (size_t i = 0; i < length; i++) {
		if (is_hex(text[i])) {
			if (count < EUI_DIGITS) {
				digits[count] = text[i];
			}
			count++;
			continue;
		}
		if (text[i] != '-' && text[i] != ':' && text[i] != ' ') {
			return KW_E_HEX;
		}
		if (separator == '\0') {
			separator = text[i];
		}
		if (text[i] != separator || i == 0 || i + 1 == length || !is_hex(text[i - 1]) ||
			count % 2 != 0) {
			return KW_E_HEX;
		}
	}
	return count == EUI_DIGITS ? KW_OK : KW_E_LENGTH;
}

enum kw_err lw_eui_read(const char *text, struct lw_eui *out)
{
	char digits[EUI_DIGITS];
	size_t length = strlen(text);
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	while (length > 0 && is_blank(text[length - 1])) {
		length--;
	}
	while (length > 0 && is_blank(*text)) {
		text++;
		length--;
	}
	if (length >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		length -= 2;
	}
	err = collect_digits(text, length, digits);
	if (err != KW_OK) {
		return looks_like_number(text, length) ? KW_E_NUMBER : err;
	}
	return kw_hex_read(digits, EUI_DIGITS, out->octets, LW_EUI_SIZE);
}

void lw_eui_write(const struct lw_eui *eui, char out[LW_EUI_TEXT_SIZE])
{
	kw_hex_write(out, eui->octets, sizeof(eui->octets));
}

enum kw_err lw_net_id_read(const char *text, struct lw_net_id *out)
{
	return kw_hex_read(text, strlen(text), out->octets, sizeof(out->octets));
}

unsigned lw_net_id_type(const struct lw_net_id *net_id)
{
	return net_id->octets[0] >> 5;
}

uint32_t lw_net_id_id(const struct lw_net_id *net_id)
{
	const uint32_t value = (uint32_t)net_id->octets[0] << 16 |
			       (uint32_t)net_id->octets[1] << 8 | net_id->octets[2];

	return low_bits(value, net_types[lw_net_id_type(net_id)].id_bits);
}

bool lw_dev_addr_parse(const struct lw_dev_addr *dev_addr, unsigned *type, uint32_t *nwk_id)
{
	const uint32_t value = (uint32_t)dev_addr->octets[0] << 24 |
			       (uint32_t)dev_addr->octets[1] << 16 |
			       (uint32_t)dev_addr->octets[2] << 8 | dev_addr->octets[3];
	unsigned ones = 0;

	*type = 0;
	*nwk_id = 0;
	while (ones < NET_ID_TYPES && (dev_addr->octets[0] & 0x80u >> ones) != 0) {
		ones++;
	}
	if (ones == NET_ID_TYPES) {
		return false;
	}
	*type = ones;
	/* The prefix is as many ones as the type says and a zero; the NwkID follows. */
	*nwk_id = low_bits(value >> (DEV_ADDR_BITS - 1 - ones - net_types[ones].nwk_id_bits),
		net_types[ones].nwk_id_bits);
	return true;
}

bool lw_dev_addr_matches(const struct lw_dev_addr *dev_addr, const struct lw_net_id *net_id)
{
	unsigned type;
	uint32_t nwk_id;

	return lw_dev_addr_parse(dev_addr, &type, &nwk_id) && type == lw_net_id_type(net_id) &&
	       nwk_id == low_bits(lw_net_id_id(net_id), net_types[type].nwk_id_bits);
}

static uint64_t eui_number(const struct lw_eui *eui)
{
	uint64_t value = 0;

	for (size_t i = 0; i < LW_EUI_SIZE; i++) {
		value = value << 8 | eui->octets[i];
	}
	return value;
}

static void eui_from_number(uint64_t value, struct lw_eui *out)
{
	for (size_t i = LW_EUI_SIZE; i > 0; i--) {
		out->octets[i - 1] = (uint8_t)value;
		value >>= 8;
	}
}

/* The bits behind a prefix of this length, all set. */
static uint64_t host_bits(unsigned prefix)
{
	return prefix == 0 ? UINT64_MAX : (UINT64_C(1) << (EUI_BITS - prefix)) - 1;
}

static bool read_plain_eui(const char *text, struct lw_eui *out)
{
	return strnlen(text, EUI_DIGITS) == EUI_DIGITS &&
	       kw_hex_read(text, EUI_DIGITS, out->octets, LW_EUI_SIZE) == KW_OK;
}

static bool read_prefix(const char *text, unsigned *prefix)
{
	const size_t length = strlen(text);
	const size_t end = skip_decimals(text, length, 0);

	if (length == 0 || length > 2 || end != length || (length == 2 && text[0] == '0')) {
		return false;
	}
	*prefix = (unsigned)(text[0] - '0');
	if (length == 2) {
		*prefix = *prefix * 10 + (unsigned)(text[1] - '0');
	}
	return *prefix <= EUI_BITS;
}

static bool read_range(const char *text, struct lw_eui_range *out)
{
	const char *rest;
	unsigned prefix;
	uint64_t first;

	if (!read_plain_eui(text, &out->first)) {
		return false;
	}
	rest = text + EUI_DIGITS;
	first = eui_number(&out->first);
	switch (*rest++) {
	case '\0':
		out->last = out->first;
		return true;
	case '/':
		if (!read_prefix(rest, &prefix) || (first & host_bits(prefix)) != 0) {
			return false;
		}
		eui_from_number(first | host_bits(prefix), &out->last);
		return true;
	case '-':
		return read_plain_eui(rest, &out->last) && rest[EUI_DIGITS] == '\0' &&
		       lw_eui_compare(&out->first, &out->last) <= 0;
	default:
		return false;
	}
}

enum kw_err lw_eui_range_read(const char *text, struct lw_eui_range *out)
{
	memset(out, 0, sizeof(*out));
	if (!read_range(text, out)) {
		memset(out, 0, sizeof(*out));
		return KW_E_SYNTAX;
	}
	return KW_OK;
}

void lw_eui_range_write(const struct lw_eui_range *range, char out[LW_EUI_RANGE_TEXT_SIZE])
{
	const uint64_t first = eui_number(&range->first);
	const uint64_t last = eui_number(&range->last);
	char *end = kw_hex_write(out, range->first.octets, LW_EUI_SIZE);

	if (first == last) {
		return;
	}
	for (unsigned prefix = 0; prefix < EUI_BITS; prefix++) {
		if ((first & host_bits(prefix)) == 0 && (first | host_bits(prefix)) == last) {
			snprintf(end, LW_EUI_RANGE_TEXT_SIZE - EUI_DIGITS, "/%u", prefix);
			return;
		}
	}
	*end++ = '-';
	kw_hex_write(end, range->last.octets, LW_EUI_SIZE);
}

bool lw_eui_range_contains(const struct lw_eui_range *range, const struct lw_eui *eui)
{
	return lw_eui_compare(&range->first, eui) <= 0 && lw_eui_compare(eui, &range->last) <= 0;
}
