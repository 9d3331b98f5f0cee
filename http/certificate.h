/**
 * What one X.509 certificate says: its fingerprint, how long and what for it may be used, and its
 * names. Says nothing about whether that is true: see http/trust.h.
 */
#ifndef KW_HTTP_CERTIFICATE_H
#define KW_HTTP_CERTIFICATE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_FINGERPRINT_SIZE      32
#define HTTP_CERTIFICATE_SIZE_MAX  ((size_t)32 * 1024) /* octets of DER */
#define HTTP_CERTIFICATE_NAMES_MAX 16
#define HTTP_CERTIFICATE_NAME_MAX  255 /* octets of text */
#define HTTP_CHAIN_MAX             8   /* certificates that a client shows, its own included */

/** No name reads like one of another kind, but that a CN stands in for a DNS name. */
enum http_name_kind {
	HTTP_NAME_SUBJECT, /* whole distinguished name as in RFC 4514: "CN=ns,O=Example" */
	HTTP_NAME_DNS,     /* alternative name, in lower case; may begin with "*." */
	HTTP_NAME_URI,     /* alternative name as it stands; "urn:" in front or "://" in it */
	HTTP_NAME_COMMON,  /* CN, lower case, escaped as in RFC 4514; only without a DNS name */
};

struct http_certificate_name {
	enum http_name_kind kind;
	char text[HTTP_CERTIFICATE_NAME_MAX + 1];
};

struct http_certificate {
	uint8_t fingerprint[HTTP_FINGERPRINT_SIZE]; /* SHA-256 of the DER */
	uint64_t not_before_s;                      /* Unix seconds; valid from here */
	uint64_t not_after_s;                       /* to here, both included */
	bool client; /* no extended key usage, or one with clientAuth or any */
	size_t name_count;
	struct http_certificate_name names[HTTP_CERTIFICATE_NAMES_MAX];
};

/**
 * Read one certificate. Names come in the order of their kinds. Left out: names that are empty, too
 * long, beyond the sixteenth, not UTF-8 (alternative names: not ASCII) or with a control character
 * or NUL in them, and the CN if there are several; a DNS name or CN with "=" or "://" in it or
 * "urn:" in front, and a URI without one of the last two, or with "=" before its first ":". A DNS
 * name left out still hides the CN. A value that is no text stands in the subject as "#" and
 * hexadecimal digits, as RFC 4514 has it.
 * @return KW_OK; KW_E_SYNTAX (not exactly one certificate), KW_E_TOO_LONG, KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err http_certificate_read(
	const uint8_t *der, size_t length, struct http_certificate *out);

#endif
