/** Certificates as GnuTLS has them. Private to http/. */
#ifndef KW_HTTP_X509_H
#define KW_HTTP_X509_H

#include "http/certificate.h"

#include <gnutls/x509.h>

/**
 * Read exactly one certificate; gnutls_x509_crt_deinit() it.
 * @return as http_certificate_read(); `out` is NULL on failure
 */
KW_MUST_CHECK enum kw_err http_x509_read(const uint8_t *der, size_t length, gnutls_x509_crt_t *out);
/** SHA-256 of these octets. @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err http_x509_fingerprint(
	const uint8_t *der, size_t length, uint8_t out[HTTP_FINGERPRINT_SIZE]);
/** notBefore and notAfter in Unix seconds, none before 1970. @return KW_OK, KW_E_SYNTAX */
KW_MUST_CHECK enum kw_err http_x509_validity(
	gnutls_x509_crt_t crt, uint64_t *not_before_s, uint64_t *not_after_s);

#endif
