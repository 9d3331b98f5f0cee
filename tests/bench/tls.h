/** The TLS side of the load generator, on OpenSSL. Nothing here waits. */
#ifndef KW_TESTS_BENCH_TLS_H
#define KW_TESTS_BENCH_TLS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/** What all connections share. */
struct tls;

/** One connection, and the session that the next one on the same place may resume. */
struct tls_link {
	struct ssl_st *ssl;
	struct ssl_session_st *session;
};

/** Strings are borrowed while `struct tls` is open. */
struct tls_options {
	const char *host;        /* localhost, sent as SNI, or an IP address, which is not */
	const char *ca;          /* PEM file: the server must show a certificate of it for `host`;
	                            NULL: any will do */
	const char *certificate; /* PEM file with the chain to show if asked; NULL: none */
	const char *key;         /* PEM file of its key; NULL exactly if certificate is */
	bool only_1_2;           /* TLS 1.2; else 1.2 or 1.3, as the server likes */
	bool resume;             /* sessions; else every handshake is a full one */
};

/** @return KW_OK; KW_E_INVALID (a file is not usable), KW_E_CRYPTO: said on standard error */
KW_MUST_CHECK enum kw_err tls_open(const struct tls_options *options, struct tls **out);
/** Only when no link uses it any more. NULL is fine. */
void tls_close(struct tls *tls);

/** Begin on a connected, non-blocking socket, which stays the caller's. @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err tls_link_open(struct tls_link *link, struct tls *tls, int fd);
/** Say goodbye if the peer is still there, keep the session if wanted, free the rest. */
void tls_link_close(struct tls_link *link, const struct tls *tls);
/** Free the session too. */
void tls_link_forget(struct tls_link *link);

/**
 * Go on with the handshake.
 * @param resumed  out: on KW_OK, whether a session was resumed
 * @return KW_OK (done), KW_E_BUSY (call again when the socket is readable), KW_E_CLOSED (failed; the
 *         first failure is said on standard error)
 */
KW_MUST_CHECK enum kw_err tls_link_shake(struct tls_link *link, struct tls *tls, bool *resumed);
/** All of it or nothing. @return KW_OK, KW_E_CLOSED */
KW_MUST_CHECK enum kw_err tls_link_send(struct tls_link *link, const void *octets, size_t length);
/** @return KW_OK (*got is at least 1), KW_E_BUSY (nothing there yet), KW_E_CLOSED */
KW_MUST_CHECK enum kw_err tls_link_receive(
	struct tls_link *link, void *octets, size_t max, size_t *got);

#endif
