/**
 * What a client has shown to say who it is, as digests for the vault: the header Authorization, and
 * the client certificate of its TLS connection or, from a proxy that is trusted, the one in the
 * proxy's header. The vault alone knows whose they are.
 *
 * A certificate counts while it is valid and only if it may be used for client authentication. Its
 * names count only under a CA of the bundle that it verifies to. What was found out about a
 * certificate is kept for a minute, so that a kept connection pays for it once.
 */
#ifndef KW_JS_FRONT_IDENTITY_H
#define KW_JS_FRONT_IDENTITY_H

#include "http/server.h"
#include "http/trust.h"
#include "ipc/ipc.h"
#include "js/proxies.h"

#define JS_IDENTITY_SLOTS 256

/** All that a request shows. */
struct js_identity {
	struct ipc_credential credentials[IPC_CREDENTIALS_MAX];
	size_t count;
};

/** One chain of certificates that was looked at. */
struct js_identity_slot {
	uint8_t digest[IPC_DIGEST_SIZE]; /* of the chain */
	uint64_t checked_s;              /* 0: empty */
	uint64_t not_after_s;
	struct js_identity identity;
};

struct js_identities {
	struct http_trust *trust;         /* NULL: no CA, so no names */
	const struct js_proxies *proxies; /* borrowed, as the next */
	const char *proxy_header;         /* in which they pass certificates on */
	bool tls;                         /* the listeners speak TLS */
	struct js_identity_slot *slots;
};

/** @return KW_OK, KW_E_NO_MEMORY */
KW_MUST_CHECK enum kw_err js_identities_init(struct js_identities *identities,
	const struct js_proxies *proxies, const char *proxy_header, bool tls);
void js_identities_finish(struct js_identities *identities);

/** Take these CAs (taken over; NULL: none) from now on. What is known of certificates is forgotten. */
void js_identities_trust(struct js_identities *identities, struct http_trust *trust);

/**
 * @return KW_OK
 *         KW_E_MISSING    nothing was shown that could be somebody's
 *         KW_E_CONFLICT   a header that may be there once is there twice
 *         KW_E_SYNTAX     a proxy's header that does not read
 *         KW_E_TOO_LONG   it, or the chain in it
 *         KW_E_FORBIDDEN  plain HTTP from an address that is neither loopback nor a trusted proxy
 *         KW_E_CRYPTO, KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err js_identity_read(struct js_identities *identities,
	const struct http_request *request, struct js_identity *out);

#endif
