/**
 * The CAs that peers of the HTTP client are verified against, read once: a bundle of a hundred takes
 * tens of milliseconds, in which nobody else is served, and libcurl would read it for every
 * connection. Private to http/.
 */
#ifndef KW_HTTP_CLIENT_STORE_H
#define KW_HTTP_CLIENT_STORE_H

#include "base/err.h"

#include <openssl/types.h>

/**
 * Read PEM text with one certificate or more. Freed by X509_STORE_free().
 * @return KW_OK; KW_E_INVALID (not that; logged), KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err http_client_store_read(const char *pem, X509_STORE **out);

#endif
