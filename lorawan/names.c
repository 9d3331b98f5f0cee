#include "lorawan/names.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>

#define LABELS_SIZE (4 * LW_EUI_SIZE + 1)

/* CRC-16/MODBUS: polynomial 8005 reflected. */
#define CRC_POLYNOMIAL 0xa001
#define CRC_INITIAL    0xffff

static enum kw_err join_name(const char *labels, const char *domain, char out[LW_DNS_NAME_SIZE])
{
	int length = snprintf(out, LW_DNS_NAME_SIZE, "%s.%s", labels, domain);

	if (length < 0 || length >= LW_DNS_NAME_SIZE) {
		memset(out, 0, LW_DNS_NAME_SIZE);
		return KW_E_TOO_LONG;
	}
	return KW_OK;
}

enum kw_err lw_join_eui_dns_name(
	const struct lw_eui *join_eui, const char *domain, char out[LW_DNS_NAME_SIZE])
{
	char digits[LW_EUI_TEXT_SIZE];
	char labels[LABELS_SIZE];
	size_t count = LW_EUI_TEXT_SIZE - 1;

	lw_eui_write(join_eui, digits);
	for (size_t i = 0; i < count; i++) {
		labels[2 * i] = digits[count - 1 - i];
		labels[2 * i + 1] = '.';
	}
	labels[2 * count - 1] = '\0';
	return join_name(labels, domain, out);
}

enum kw_err lw_net_id_dns_name(
	const struct lw_net_id *net_id, const char *domain, char out[LW_DNS_NAME_SIZE])
{
	char digits[2 * LW_NET_ID_SIZE + 1];

	kw_hex_write(digits, net_id->octets, sizeof(net_id->octets));
	return join_name(digits, domain, out);
}

uint16_t lw_qr_checksum(const char *text, size_t length)
{
	unsigned crc = CRC_INITIAL;

	for (size_t i = 0; i < length; i++) {
		crc ^= (unsigned char)text[i];
		for (int bit = 0; bit < 8; bit++) {
			crc = crc & 1 ? crc >> 1 ^ CRC_POLYNOMIAL : crc >> 1;
		}
	}
	return (uint16_t)crc;
}
