/** One connection of the load generator: TCP, with or without TLS. It waits only in link_open(). */
#ifndef KW_TESTS_BENCH_LINK_H
#define KW_TESTS_BENCH_LINK_H

#include "tests/bench/tls.h"

#include <netinet/in.h>

struct link {
	int fd;          /* -1: not open */
	struct tls *tls; /* NULL: plain */
	struct tls_link secure;
};

/** @param tls  NULL: plain; else it outlives the link */
void link_init(struct link *link, struct tls *tls);
/** Close for good. */
void link_finish(struct link *link);

/** Connect. @return KW_OK; KW_E_SYSTEM, KW_E_CRYPTO: said on standard error, nothing is open */
KW_MUST_CHECK enum kw_err link_open(struct link *link, const struct sockaddr_in *address);
/** A TLS session is kept for the next link_open(), if the options say so. */
void link_close(struct link *link);

/** Make it ready to send, as tls_link_shake() says; a plain one is ready at once. */
KW_MUST_CHECK enum kw_err link_shake(struct link *link, bool *resumed);
/** All of it or nothing: a request is smaller than an empty socket buffer. @return KW_OK, KW_E_CLOSED */
KW_MUST_CHECK enum kw_err link_send(struct link *link, const void *octets, size_t length);
/** @return KW_OK (*got is at least 1), KW_E_BUSY (nothing there yet), KW_E_CLOSED */
KW_MUST_CHECK enum kw_err link_receive(struct link *link, void *octets, size_t max, size_t *got);

#endif
