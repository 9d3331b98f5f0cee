/**
 * CA certificates, and which of them vouch for a client. Each CA is taken on its own, so that a
 * client is known by the CA that is meant for it, not by any of the bundle.
 */
#ifndef KW_HTTP_TRUST_H
#define KW_HTTP_TRUST_H

#include "http/certificate.h"
#include "http/server.h"

#define HTTP_TRUST_MAX 64 /* CAs in a bundle */

struct http_trust;

/**
 * Read a bundle of 1 to 64 CA certificates, PEM with any text between them; borrowed for the call.
 * One that stands there twice counts once; one that has expired is taken and vouches for nobody.
 * @return KW_OK; KW_E_INVALID (which does not read or is no CA is in the log), KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err http_trust_open(const char *pem, struct http_trust **out);
/** NULL is fine. */
void http_trust_close(struct http_trust *trust);
/** How many different CAs there are. */
size_t http_trust_count(const struct http_trust *trust);

/**
 * Find the CAs that a client's certificate verifies to as one for TLS client authentication, now:
 * signatures (no SHA-1 or MD5, no RSA below 2048 bits), validity, basic constraints, path length,
 * name constraints, key usage and extended key usage, of the CA too. CA certificates with the same
 * name and another key are different. The chain is the client's certificate (DER) and then
 * intermediates in any order; a path goes from each certificate to the first that can be its issuer.
 * Revocation is not looked at. That the client has the key must be known from elsewhere.
 *
 * @param anchors receives the SHA-256 of the DER of each CA found, at most `max`
 * @param found   how many; 0: nobody vouches for it
 * @return KW_OK, also if none was found; KW_E_SYNTAX (one of the chain is not a certificate),
 *         KW_E_TOO_LONG (the chain or one of it), KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err http_trust_verify(const struct http_trust *trust,
	const struct http_octets *chain, size_t count, uint64_t now_s,
	uint8_t (*anchors)[HTTP_FINGERPRINT_SIZE], size_t max, size_t *found);

#endif
