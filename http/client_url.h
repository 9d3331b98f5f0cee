/** Where a URL leads. Private to http/. */
#ifndef KW_HTTP_CLIENT_URL_H
#define KW_HTTP_CLIENT_URL_H

#include "http/client.h"

struct http_url {
	bool tls;
	char target[HTTP_URL_MAX + 16]; /* scheme, host in lower case and port: what a target is */
};

/** http_client_url_check(), and where it leads. */
KW_MUST_CHECK enum kw_err http_url_read(
	const char *url, struct http_url *out, char why[HTTP_URL_WHY_SIZE]);

#endif
