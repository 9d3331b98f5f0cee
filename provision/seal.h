/**
 * Sealing to the vault's intake certificate: CMS AuthEnvelopedData, EC P-256 key agreement,
 * KDF SHA-256, AES-256-GCM (RFC 5083, RFC 5084, RFC 5753). What `openssl cms -encrypt -aes-256-gcm`
 * makes. The sealing side only; the vault opens (keystore/intake.h).
 */
#ifndef KW_PROVISION_SEAL_H
#define KW_PROVISION_SEAL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/**
 * @param certificate  X.509, DER
 * @param out          out: CMS in DER, to be freed with free(); NULL on failure
 * @return KW_OK, KW_E_INVALID (the certificate cannot be used), KW_E_CRYPTO, KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err pr_seal(const uint8_t *certificate, size_t certificate_length,
	const void *plain, size_t plain_length, uint8_t **out, size_t *out_length);

#endif
