/**
 * The identifiers of LoRaWAN, as printed: most significant octet first, unlike on the air.
 *
 * Source: LoRaWAN Backend Interfaces (TS002-1.0), section "Encodings"; TS001-1.0.4, 6.1 and 6.2.
 */
#ifndef KW_LORAWAN_EUI_H
#define KW_LORAWAN_EUI_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_EUI_SIZE      8
#define LW_NET_ID_SIZE   3
#define LW_DEV_ADDR_SIZE 4
#define LW_EUI_TEXT_SIZE (2 * LW_EUI_SIZE + 1)

struct lw_eui {
	uint8_t octets[LW_EUI_SIZE];
};

struct lw_net_id {
	uint8_t octets[LW_NET_ID_SIZE];
};

struct lw_dev_addr {
	uint8_t octets[LW_DEV_ADDR_SIZE];
};

/** A device is named by both: the same DevEUI may move to another JoinEUI. */
struct lw_device_id {
	struct lw_eui join_eui;
	struct lw_eui dev_eui;
};

bool lw_eui_equal(const struct lw_eui *a, const struct lw_eui *b);
bool lw_net_id_equal(const struct lw_net_id *a, const struct lw_net_id *b);
/** memcmp order of the printed form. */
int lw_eui_compare(const struct lw_eui *a, const struct lw_eui *b);

/**
 * Read an EUI as people write it: 16 digits of either case, optional 0x, groups of whole octets
 * separated by '-', ':' or a blank (the same one throughout), surrounding blanks and tabs. Meant for files and the command line; the wire is read with
 * kw_hex_read().
 *
 * @return KW_OK
 *         KW_E_NUMBER  looks like 1.2E+15: a spreadsheet turned the digits into a number
 *         KW_E_LENGTH  other than 16 digits (14 or 15: leading zeros were probably lost)
 *         KW_E_HEX     a character that does not belong there; out is zero on any error
 */
KW_MUST_CHECK enum kw_err lw_eui_read(const char *text, struct lw_eui *out);
/** Write 16 lower-case digits. */
void lw_eui_write(const struct lw_eui *eui, char out[LW_EUI_TEXT_SIZE]);

/** Read six digits, optional 0x. @return KW_OK, KW_E_HEX, KW_E_LENGTH; *out is zero on any error */
KW_MUST_CHECK enum kw_err lw_net_id_read(const char *text, struct lw_net_id *out);
/** Type of a NetID (0 to 7) and the ID in its low bits (6, 9 or 21 bits). */
unsigned lw_net_id_type(const struct lw_net_id *net_id);
uint32_t lw_net_id_id(const struct lw_net_id *net_id);

/**
 * Take a DevAddr apart by its type prefix.
 *
 * @param type    out: 0 to 7
 * @param nwk_id  out
 * @return false if the prefix is none of the eight (DevAddr ff......); the outputs are 0 then
 */
bool lw_dev_addr_parse(const struct lw_dev_addr *dev_addr, unsigned *type, uint32_t *nwk_id);
/** Whether this DevAddr can have been assigned by this network (erratum to Backend Interfaces 1.0
 *  for types 3 and 4 included). */
bool lw_dev_addr_matches(const struct lw_dev_addr *dev_addr, const struct lw_net_id *net_id);

/** A contiguous range of JoinEUIs, both ends included. */
struct lw_eui_range {
	struct lw_eui first;
	struct lw_eui last;
};

/** Read "70b3d57ed0000000/40" (prefix length in bits, 0 to 64; the bits after it must be 0),
 *  "FIRST-LAST" with FIRST at most LAST, or one EUI; each EUI is 16 plain digits of either case.
 *  @return KW_OK, KW_E_SYNTAX; *out is zero on any error */
KW_MUST_CHECK enum kw_err lw_eui_range_read(const char *text, struct lw_eui_range *out);
#define LW_EUI_RANGE_TEXT_SIZE (2 * LW_EUI_TEXT_SIZE)
/** Write the shortest of the three forms. */
void lw_eui_range_write(const struct lw_eui_range *range, char out[LW_EUI_RANGE_TEXT_SIZE]);
bool lw_eui_range_contains(const struct lw_eui_range *range, const struct lw_eui *eui);

#endif
