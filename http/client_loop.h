/** libcurl's sockets in one epoll set, and when it wants to be called. Private to http/. */
#ifndef KW_HTTP_CLIENT_LOOP_H
#define KW_HTTP_CLIENT_LOOP_H

#include "base/env.h"

#include <curl/curl.h>
#include <stdbool.h>

#define HTTP_NEVER UINT64_MAX

struct http_loop {
	CURLM *multi;
	int epoll;
	const struct kw_env *env;
	uint64_t due_us; /* when libcurl wants to be called, whatever the sockets do */
};

/** @return KW_OK, KW_E_NO_MEMORY, KW_E_SYSTEM (logged); to be closed in any case */
KW_MUST_CHECK enum kw_err http_loop_open(struct http_loop *loop, const struct kw_env *env);
/** All transfers must have been removed. One that was never opened, all zero, is fine. */
void http_loop_close(struct http_loop *loop);
/** Tell libcurl about the sockets that are ready. */
void http_loop_events(struct http_loop *loop);
/** Call libcurl if it wants to be by now. @return whether it did */
bool http_loop_timer(struct http_loop *loop);

#endif
