/** libcurl's memory: all of it is wiped when it is freed. Private to http/. */
#ifndef KW_HTTP_CLIENT_MEMORY_H
#define KW_HTTP_CLIENT_MEMORY_H

#include "base/err.h"

/**
 * curl_global_init() with an allocator that wipes: libcurl copies a body into its own buffers and
 * frees them as they are. Nothing in the process may have used libcurl before.
 * @return KW_OK, KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err http_client_memory_init(void);
void http_client_memory_finish(void);

#endif
