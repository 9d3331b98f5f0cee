/**
 * What joining computes: MICs, the Join-accept, session keys. Pure functions over key handles.
 *
 * Which formula applies follows from OptNeg, bit 7 of the DLSettings that go on the air, and from
 * nothing else (LoRaWAN 1.1, 6.2.3): the device can look at nothing else either.
 *
 * Sources: TS001-1.0.4, 6.2.5 and 6.2.6 (1.0.x); LoRaWAN 1.1, 6.1.1.3, 6.1.1.4, 6.2.2 to 6.2.5.
 * Each function returns KW_OK or KW_E_CRYPTO (what the handle gave) unless it says more; outputs
 * are zero on failure; keys that were derived on the way are wiped.
 */
#ifndef KW_LORAWAN_JOIN_H
#define KW_LORAWAN_JOIN_H

#include "lorawan/frame.h"
#include "lorawan/key.h"

/**
 * Check the MIC of a Join-request in constant time.
 *
 * @param root   AppKey of a 1.0.x device, NwkKey of a 1.1 device
 * @param frame  23 octets
 * @return KW_OK, KW_E_MIC, KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err lw_join_request_verify(
	const struct lw_key_handle *root, const uint8_t frame[LW_JOIN_REQUEST_SIZE]);
/** Compute the MIC that belongs to the first 19 octets. */
KW_MUST_CHECK enum kw_err lw_join_request_mic(const struct lw_key_handle *root,
	const uint8_t frame[LW_JOIN_REQUEST_SIZE], uint8_t mic[LW_MIC_SIZE]);

/**
 * Check the MIC of a Rejoin-request (all octets but the last four).
 *
 * @param key  JSIntKey for type 1; SNwkSIntKey of the running session for types 0 and 2
 * @return KW_OK, KW_E_MIC, KW_E_CRYPTO, KW_E_FRAME_SIZE (neither 19 nor 24 octets)
 */
KW_MUST_CHECK enum kw_err lw_rejoin_request_verify(
	const struct lw_key_handle *key, const uint8_t *frame, size_t length);
KW_MUST_CHECK enum kw_err lw_rejoin_request_mic(const struct lw_key_handle *key,
	const uint8_t *frame, size_t length, uint8_t mic[LW_MIC_SIZE]);

/** JSIntKey = aes(NwkKey, 06 | DevEUI | pad16) and JSEncKey = aes(NwkKey, 05 | DevEUI | pad16). */
KW_MUST_CHECK enum kw_err lw_js_int_key(
	const struct lw_key_handle *nwk_key, const struct lw_eui *dev_eui, struct lw_key *out);
KW_MUST_CHECK enum kw_err lw_js_enc_key(
	const struct lw_key_handle *nwk_key, const struct lw_eui *dev_eui, struct lw_key *out);

/** Where a Join-accept answers to; enters the MIC and the session keys when OptNeg is 1. */
struct lw_join_context {
	enum lw_join_req_type type;
	struct lw_eui join_eui; /* the device's, also for Rejoin 0 and 2 */
	struct lw_eui dev_eui;
	uint16_t nonce; /* DevNonce, or the RJcount of a Rejoin */
};

/**
 * MIC over a clear Join-accept.
 *
 * @param mic_key  1.0 or OptNeg = 0: the root key
 * @param length   13 or 29; anything else is KW_E_INVALID, here and in the next
 */
KW_MUST_CHECK enum kw_err lw_join_accept_mic_1_0(const struct lw_key_handle *mic_key,
	const uint8_t *clear, size_t length, uint8_t mic[LW_MIC_SIZE]);
/** The same with OptNeg = 1: over JoinReqType | JoinEUI | nonce | clear, under JSIntKey. */
KW_MUST_CHECK enum kw_err lw_join_accept_mic_1_1(const struct lw_key_handle *js_int_key,
	const struct lw_join_context *context, const uint8_t *clear, size_t length,
	uint8_t mic[LW_MIC_SIZE]);
/**
 * Encrypt in place all but MHDR with the AES *decrypt* operation; the device undoes it with encrypt.
 *
 * @param length  17 or 33; anything else is KW_E_INVALID; the frame is zero on any error, so that
 *                it cannot leave in the clear
 */
KW_MUST_CHECK enum kw_err lw_join_accept_encrypt(
	const struct lw_key_handle *key, uint8_t *frame, size_t length);

/**
 * Build the Join-accept as it goes on the air.
 *
 * Encrypted under the root key for a Join-request, under JSEncKey for a Rejoin-request; MIC by the
 * OptNeg bit in accept->dl_settings.
 *
 * @param aes     computes with JSIntKey and JSEncKey, which are derived on the way; borrowed
 * @param root    AppKey of a 1.0.x device, NwkKey of a 1.1 device
 * @param length  out: 17 or 33
 * @return KW_OK, KW_E_CRYPTO, KW_E_INVALID (a Rejoin with OptNeg = 0, a type
 *         that is none, join_nonce too large)
 */
KW_MUST_CHECK enum kw_err lw_join_accept_build(struct lw_aes *aes, const struct lw_key_handle *root,
	const struct lw_join_accept *accept, const struct lw_join_context *context,
	uint8_t out[LW_JOIN_ACCEPT_MAX], size_t *length);

/** Session keys. With OptNeg = 0, f_nwk_s_int is the NwkSKey and the other two equal it. */
struct lw_session_keys {
	bool opt_neg;
	struct lw_key f_nwk_s_int;
	struct lw_key s_nwk_s_int;
	struct lw_key nwk_s_enc;
	struct lw_key app_s;
};

/**
 * Derive the session keys: by NetID under `nwk_root` alone when opt_neg is false, by JoinEUI under
 * both roots when it is true.
 *
 * @param nwk_root  AppKey of a 1.0.x device, NwkKey of a 1.1 device
 * @param app_root  AppKey of a 1.1 device; not used with opt_neg false
 */
KW_MUST_CHECK enum kw_err lw_session_derive(const struct lw_key_handle *nwk_root,
	const struct lw_key_handle *app_root, bool opt_neg, uint32_t join_nonce,
	const struct lw_net_id *net_id, const struct lw_join_context *context,
	struct lw_session_keys *out);

/**
 * One block of the derivations of TS005 and TS011: aes(key, first | tail | pad16).
 * @param tail_length  at most 15, else KW_E_INVALID
 */
KW_MUST_CHECK enum kw_err lw_block_derive(const struct lw_key_handle *key, uint8_t first,
	const uint8_t *tail, size_t tail_length, struct lw_key *out);

#endif
