/**
 * The proxies that are believed when they say who the client is ([server] trusted_proxies): what
 * another address says in such a header is ignored.
 */
#ifndef KW_JS_PROXIES_H
#define KW_JS_PROXIES_H

#include "base/network.h"

#include <stddef.h>

#define JS_PROXIES_MAX 16

struct js_proxies {
	struct kw_network list[JS_PROXIES_MAX];
	size_t count;
};

/**
 * Read addresses and networks, separated by blanks; "" is none.
 *
 * @return KW_OK; KW_E_SYNTAX, KW_E_INVALID (as kw_network_read()); KW_E_TOO_LONG: more than
 *         JS_PROXIES_MAX. Nobody is trusted after a failure.
 */
KW_MUST_CHECK enum kw_err js_proxies_read(const char *text, struct js_proxies *proxies);

/** True if that address is one of them; IPv4-mapped IPv6 addresses count as IPv4. */
bool js_proxies_contain(const struct js_proxies *proxies, const struct sockaddr *address);

#endif
