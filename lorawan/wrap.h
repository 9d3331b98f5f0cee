/**
 * AES key wrap (RFC 3394) with the default initial value, no padding: how session keys travel
 * under a KEK (Backend Interfaces, "Key transport").
 */
#ifndef KW_LORAWAN_WRAP_H
#define KW_LORAWAN_WRAP_H

#include "lorawan/aes.h"

#define LW_WRAP_EXTRA    8  /* octets that wrapping adds */
#define LW_WRAPPED_SIZE  24 /* a wrapped 128-bit key */
#define LW_WRAP_DATA_MAX 32

/**
 * @param kek_length   16, 24 or 32
 * @param data_length  16, 24 or 32
 * @param out          data_length + 8 octets
 * @return KW_OK, KW_E_INVALID (a length), KW_E_CRYPTO; out is zero on failure
 */
KW_MUST_CHECK enum kw_err lw_wrap(struct lw_aes *aes, const uint8_t *kek, size_t kek_length,
	const uint8_t *data, size_t data_length, uint8_t *out);

/**
 * @param out  wrapped_length - 8 octets
 * @return KW_OK
 *         KW_E_INVALID  a length: wrapped must be 24, 32 or 40 octets
 *         KW_E_SEAL     the integrity value is wrong: another KEK, or damage
 *         KW_E_CRYPTO;  out is zero on failure
 */
KW_MUST_CHECK enum kw_err lw_unwrap(struct lw_aes *aes, const uint8_t *kek, size_t kek_length,
	const uint8_t *wrapped, size_t wrapped_length, uint8_t *out);

#endif
