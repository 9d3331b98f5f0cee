/**
 * Names made of identifiers: DNS names of JoinEUIs and NetIDs (TS002-1.0, "DNS"), and the checksum
 * of the device QR code (TR005).
 */
#ifndef KW_LORAWAN_NAMES_H
#define KW_LORAWAN_NAMES_H

#include "lorawan/eui.h"

#define LW_JOIN_EUI_DOMAIN "joineuis.lora-alliance.org"
#define LW_NET_ID_DOMAIN   "netids.lora-alliance.org"
#define LW_DNS_NAME_SIZE   256

/** The 16 digits of the JoinEUI in reverse order, one label each, then `domain`.
 *  @return KW_OK, KW_E_TOO_LONG */
KW_MUST_CHECK enum kw_err lw_join_eui_dns_name(
	const struct lw_eui *join_eui, const char *domain, char out[LW_DNS_NAME_SIZE]);
/** The six digits of the NetID in order, then `domain`. @return KW_OK, KW_E_TOO_LONG */
KW_MUST_CHECK enum kw_err lw_net_id_dns_name(
	const struct lw_net_id *net_id, const char *domain, char out[LW_DNS_NAME_SIZE]);
/** CRC-16/MODBUS over the text in front of ":C" (TR005). */
uint16_t lw_qr_checksum(const char *text, size_t length);

#endif
