/**
 * The certificate of a client whose TLS ends at a proxy in front, as the proxy passes it on in a
 * header of the request.
 *
 * Whoever can reach this port past the proxy can claim any certificate, and so can a client of the
 * proxy if it lets the client's own header through: certificates are no secret. So believe such a
 * header from the proxy's addresses only, and name the one header that the proxy sets and always
 * removes from what clients send. "Whichever is there" is right only for a proxy that removes all of
 * them.
 */
#ifndef KW_HTTP_PROXY_CERT_H
#define KW_HTTP_PROXY_CERT_H

#include "http/certificate.h"
#include "http/server.h"

#define HTTP_PROXY_HEADER_MAX ((size_t)16 * 1024) /* octets of one header */

/** The headers known. */
#define HTTP_PROXY_RFC9440       "Client-Cert"
#define HTTP_PROXY_RFC9440_CHAIN "Client-Cert-Chain"
#define HTTP_PROXY_PEM           "X-SSL-Client-Cert"
#define HTTP_PROXY_PEM_SHORT     "X-SSL-Cert"
#define HTTP_PROXY_BASE64        "X-Forwarded-Tls-Client-Cert"

/** DER, the client's own first. Not to be copied: the certificates point into it. */
struct http_proxy_chain {
	size_t count;
	struct http_octets certificates[HTTP_CHAIN_MAX];
	size_t used;
	uint8_t octets[2 * HTTP_PROXY_HEADER_MAX / 4 * 3];
};

/*
 * One form each. Nothing but certificates may stand there, each in DER that reads, none verified.
 * @return KW_OK (one at least); KW_E_SYNTAX; KW_E_TOO_LONG (a header, or more than 8 certificates);
 *         KW_E_NO_MEMORY. `out` has no certificate on failure
 */

/** RFC 9440: ":BASE64:", and the chain (NULL: none) as ":BASE64:, :BASE64:". */
KW_MUST_CHECK enum kw_err http_proxy_read_rfc9440(
	const char *certificate, const char *chain, struct http_proxy_chain *out);
/** PEM, percent-escaped (nginx: $ssl_client_escaped_cert) or with blanks for line ends. */
KW_MUST_CHECK enum kw_err http_proxy_read_pem(const char *value, struct http_proxy_chain *out);
/** BASE64 of DER, several separated by commas, percent-escaped or not (Traefik). */
KW_MUST_CHECK enum kw_err http_proxy_read_base64(const char *value, struct http_proxy_chain *out);

/** The value of a header and how many of this name there are (0: NULL). */
typedef const char *(*http_proxy_lookup)(const void *context, const char *name, size_t *count);

/**
 * Read the header named `only`, in any case, and no other; NULL: whichever is there.
 * @return KW_OK; KW_E_NOT_FOUND (none, or empty: the client showed no certificate); KW_E_CONFLICT
 *         (one stands there twice; with NULL also: two of them); KW_E_INVALID (`only` is not
 *         known); as above
 */
KW_MUST_CHECK enum kw_err http_proxy_find(http_proxy_lookup lookup, const void *context,
	const char *only, struct http_proxy_chain *out);
/** The same for a request. */
KW_MUST_CHECK enum kw_err http_proxy_certificates(
	const struct http_request *request, const char *only, struct http_proxy_chain *out);

#endif
