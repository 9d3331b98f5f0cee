/** The certificate of the HTTP client, looked at before it is used. Private to http/. */
#ifndef KW_HTTP_CLIENT_TLS_H
#define KW_HTTP_CLIENT_TLS_H

#include "base/err.h"

/**
 * Whether these are a certificate chain and its key. NULL: not given; a certificate needs its key. Without this a bad one would show with the first post only, and for
 * an encrypted key OpenSSL would ask at the terminal.
 * @return KW_OK; KW_E_INVALID, KW_E_NO_MEMORY: why is in the log
 */
KW_MUST_CHECK enum kw_err http_client_tls_check(const char *certificate, const char *key);

#endif
