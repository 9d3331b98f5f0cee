/**
 * What a peer shows to say who it is, as digests: the one file that says of what they are made.
 * Who gives a credential to a peer (command line, admin API) and who is shown one (the front) both
 * compute it here, so the two agree.
 *
 * Nothing is kept; what was copied of a secret is wiped. SHA-256 throughout.
 */
#ifndef KW_BACKEND_IF_CREDENTIAL_H
#define KW_BACKEND_IF_CREDENTIAL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define BI_DIGEST_SIZE       32
#define BI_AUTHORIZATION_MAX 4096 /* octets of a value of the header Authorization */
#define BI_SUBJECT_SIZE      255  /* of a name in a certificate, NUL included */

/** The values are those of enum ipc_credential_kind. */
enum bi_credential_kind {
	BI_CREDENTIAL_TOKEN = 1,
	BI_CREDENTIAL_HEADER = 2,
	BI_CREDENTIAL_CERTIFICATE = 3,
	BI_CREDENTIAL_SUBJECT = 4,
};

/** Digest of a bearer token as it is. @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err bi_credential_of_token(
	const char *token, size_t length, uint8_t digest[BI_DIGEST_SIZE]);

/**
 * Digest of a value of the header Authorization, blanks (and tabs) around it left out. "Bearer"
 * in any case and a token: BI_CREDENTIAL_TOKEN, as bi_credential_of_token(). Anything else:
 * BI_CREDENTIAL_HEADER, of the scheme in lower case, one blank and the rest; a value of one word
 * counts as it is.
 *
 * @param kind  out: 0 on failure
 * @return KW_OK; KW_E_MISSING (NULL or empty), KW_E_INVALID (control characters), KW_E_TOO_LONG
 *         (above BI_AUTHORIZATION_MAX), KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err bi_credential_of_authorization(
	const char *value, enum bi_credential_kind *kind, uint8_t digest[BI_DIGEST_SIZE]);

/** Digest of a certificate in DER. @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err bi_credential_of_certificate(
	const uint8_t *der, size_t length, uint8_t digest[BI_DIGEST_SIZE]);

/**
 * The spelling in which a name in a certificate counts: a distinguished name (it has a '=') in the
 * form of RFC 4514 and a URI ("urn:" in front or "://" in it) as they are, a DNS name or common
 * name in lower case (ASCII).
 *
 * @return KW_OK; KW_E_MISSING (empty), KW_E_INVALID (control characters), KW_E_TOO_LONG
 */
KW_MUST_CHECK enum kw_err bi_credential_subject_name(const char *name, char out[BI_SUBJECT_SIZE]);

/**
 * Digest of a CA and a name in certificates that it issued: of the CA's digest (as
 * bi_credential_of_certificate()) followed by the name (as bi_credential_subject_name()).
 *
 * @return KW_OK; KW_E_TOO_LONG, KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err bi_credential_of_subject(
	const uint8_t ca[BI_DIGEST_SIZE], const char *name, uint8_t digest[BI_DIGEST_SIZE]);

#endif
