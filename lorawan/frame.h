/**
 * The frames of joining, octet by octet. Identifiers in these structs are in printed order (most
 * significant octet first); the octets of a frame are in the order on the air (little-endian).
 *
 * Sources: TS001-1.0.4, 6.2.5 and 6.2.6; LoRaWAN 1.1, 6.2.2 to 6.2.4. Pure functions.
 */
#ifndef KW_LORAWAN_FRAME_H
#define KW_LORAWAN_FRAME_H

#include "lorawan/aes.h"
#include "lorawan/eui.h"

#include <stdbool.h>

#define LW_MHDR_JOIN_REQUEST   0x00
#define LW_MHDR_JOIN_ACCEPT    0x20
#define LW_MHDR_REJOIN_REQUEST 0xc0

#define LW_JOIN_REQUEST_SIZE   23
#define LW_REJOIN_02_SIZE      19
#define LW_REJOIN_1_SIZE       24
#define LW_REQUEST_MAX         24 /* the longest of all requests */
#define LW_CF_LIST_SIZE        16
#define LW_JOIN_ACCEPT_SIZE    17 /* without CFList, MIC included */
#define LW_JOIN_ACCEPT_MAX     33 /* with CFList, MIC included */
#define LW_JOIN_NONCE_MAX      0xffffffu
#define LW_DL_SETTINGS_OPT_NEG 0x80

/** JoinReqType of the 1.1 Join-accept MIC (LoRaWAN 1.1, 6.2.3). */
enum lw_join_req_type {
	LW_JOIN_REQ_REJOIN_0 = 0x00,
	LW_JOIN_REQ_REJOIN_1 = 0x01,
	LW_JOIN_REQ_REJOIN_2 = 0x02,
	LW_JOIN_REQ_JOIN = 0xff,
};

struct lw_join_request {
	struct lw_eui join_eui;
	struct lw_eui dev_eui;
	uint16_t dev_nonce;
	uint8_t mic[LW_MIC_SIZE];
};

/** Rejoin-request of any type; net_id is that of types 0 and 2, join_eui that of type 1. */
struct lw_rejoin_request {
	enum lw_join_req_type type;
	struct lw_net_id net_id;
	struct lw_eui join_eui;
	struct lw_eui dev_eui;
	uint16_t rj_count;
	uint8_t mic[LW_MIC_SIZE];
};

struct lw_join_accept {
	uint32_t join_nonce; /* at most LW_JOIN_NONCE_MAX */
	struct lw_net_id net_id;
	struct lw_dev_addr dev_addr;
	uint8_t dl_settings; /* bit 7: OptNeg */
	uint8_t rx_delay;    /* the octet; bits 3 to 0 are seconds, 0 means 1 */
	bool has_cf_list;
	uint8_t cf_list[LW_CF_LIST_SIZE]; /* order on the air, copied as it is */
};

/**
 * @return KW_OK
 *         KW_E_FRAME_SIZE  not 23 octets
 *         KW_E_FRAME_TYPE  MHDR other than 00 (Major and RFU bits count); *out is zero on any error
 */
KW_MUST_CHECK enum kw_err lw_join_request_read(
	const uint8_t *frame, size_t length, struct lw_join_request *out);
/** Write all 23 octets, the MIC as it stands in `request`. */
void lw_join_request_write(
	const struct lw_join_request *request, uint8_t out[LW_JOIN_REQUEST_SIZE]);

/**
 * @return KW_OK
 *         KW_E_FRAME_SIZE  neither 19 (types 0, 2) nor 24 octets (type 1) for its type
 *         KW_E_FRAME_TYPE  MHDR other than c0, or a type above 2; *out is zero on any error
 */
KW_MUST_CHECK enum kw_err lw_rejoin_request_read(
	const uint8_t *frame, size_t length, struct lw_rejoin_request *out);
/** Write 19 or 24 octets. @return the length; 0 if `type` is no Rejoin type, `out` is zero then */
size_t lw_rejoin_request_write(
	const struct lw_rejoin_request *request, uint8_t out[LW_REJOIN_1_SIZE]);

/** Write the clear Join-accept without MIC: 13 or 29 octets, MHDR first, zeros after them.
 *  @return the length */
size_t lw_join_accept_write(const struct lw_join_accept *accept, uint8_t out[LW_JOIN_ACCEPT_MAX]);
/**
 * Read a decrypted Join-accept, MHDR first, MIC included.
 * @return KW_OK, KW_E_FRAME_SIZE (not 17 or 33), KW_E_FRAME_TYPE; *out and mic zero on any error
 */
KW_MUST_CHECK enum kw_err lw_join_accept_read(
	const uint8_t *frame, size_t length, struct lw_join_accept *out, uint8_t mic[LW_MIC_SIZE]);

#endif
