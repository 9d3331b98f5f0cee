/** The connections of the load generator: a closed loop of one request a connection. */
#ifndef KW_TESTS_BENCH_LOOP_H
#define KW_TESTS_BENCH_LOOP_H

#include "base/histogram.h"
#include "tests/bench/answer.h"
#include "tests/bench/link.h"

#define LOOP_CONNECTIONS_MAX 1024

struct loop_options {
	struct sockaddr_in address; /* on loopback */
	unsigned connections;       /* at a time */
	bool new_connections;       /* one for each request, closed when it is answered */
	uint64_t count;             /* requests in all */
	uint64_t duration_us;
};

struct loop_result {
	uint64_t answered;
	uint64_t right;   /* 200 and what the mode expects */
	uint64_t wrong;   /* anything else that is HTTP */
	uint64_t broken;  /* connections that ended or spoke no HTTP or TLS; opened anew */
	uint64_t resumed; /* connections that resumed a TLS session */
	char wrong_example[ANSWER_CODE_SIZE];
	bool exhausted;   /* stopped because DevNonces were used up */
	uint64_t took_us; /* without opening the connections that are kept */
	/* Microseconds from the clock just before the request is written, with new connections
	 * before each is opened, to the clock after the first octets of its answer were read: what
	 * the generator itself costs counts too. */
	struct kw_histogram latency;
};

/**
 * Run until count, duration or too many broken connections.
 *
 * @param tls     NULL: plain HTTP
 * @param layout  template for every connection
 * @return KW_OK, KW_E_SYSTEM (said on standard error), KW_E_NO_MEMORY, KW_E_CRYPTO, KW_E_TIMEOUT,
 *         KW_E_CLOSED (too many broken connections)
 */
KW_MUST_CHECK enum kw_err loop_run(const struct loop_options *options, struct tls *tls,
	struct request_source *source, const struct request *layout, struct loop_result *result);

#endif
