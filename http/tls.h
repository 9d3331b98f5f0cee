/** Look at a certificate and key before they are used. Private to http/. */
#ifndef KW_HTTP_TLS_H
#define KW_HTTP_TLS_H

#include "base/err.h"

/** TLS 1.2 and 1.3, nothing older. */
#define HTTP_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/**
 * Whether the PEM texts are a certificate chain and the key of its first certificate.
 * @return KW_OK; KW_E_INVALID, KW_E_NO_MEMORY: why is in the log
 */
KW_MUST_CHECK enum kw_err http_tls_check(const char *certificate, const char *key);

#endif
