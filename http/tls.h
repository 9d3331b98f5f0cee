/**
 * A certificate with its key, shared by the TLS connections that use it. Private to http/.
 *
 * The server has one; each connection keeps the one it began with, so that a swap disturbs nobody
 * and the old key goes when its last connection does.
 */
#ifndef KW_HTTP_TLS_H
#define KW_HTTP_TLS_H

#include "base/err.h"

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

/** TLS 1.2 and 1.3, nothing older. */
#define HTTP_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct http_tls;

/**
 * Read the PEM texts: a certificate chain and the key (RSA or ECDSA) of its first certificate.
 * @return KW_OK; KW_E_INVALID, KW_E_NO_MEMORY: why is in the log
 */
KW_MUST_CHECK enum kw_err http_tls_open(
	const char *certificate, const char *key, struct http_tls **out);
/** One more user; each closes it. */
struct http_tls *http_tls_share(struct http_tls *tls);
/** One user less; the last one frees it. NULL is fine. */
void http_tls_close(struct http_tls *tls);
/** Show this certificate in the session. @return false: out of memory */
bool http_tls_use(const struct http_tls *tls, gnutls_session_t session);
/** Unix seconds at which the first certificate expires. */
uint64_t http_tls_expires_s(const struct http_tls *tls);

#endif
