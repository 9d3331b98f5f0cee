/** The connections of the load generator, one request at a time on each; when, tells the schedule. */
#ifndef KW_TESTS_BENCH_LOOP_H
#define KW_TESTS_BENCH_LOOP_H

#include "tests/bench/answer.h"
#include "tests/bench/latency.h"
#include "tests/bench/link.h"
#include "tests/bench/schedule.h"

#define LOOP_CONNECTIONS_MAX 1024
#define LOOP_LATE_US         1000
#define LOOP_DRAIN_S         10 /* after the end, for what was due before it */

struct loop_options {
	struct sockaddr_in address; /* on loopback */
	unsigned connections;       /* at a time */
	bool new_connections;       /* one for each request, closed when it is answered */
	uint32_t rate;              /* requests a second (open loop); 0: closed loop */
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
	bool exhausted; /* stopped because DevNonces were used up */
	uint64_t late; /* requests of an open loop sent more than LOOP_LATE_US after their moment */
	uint64_t unsent;  /* due, but no connection was free for them LOOP_DRAIN_S after the end */
	uint64_t took_us; /* without opening the connections that are kept */
	/* Microseconds to the clock after the first octets of the answer were read: what the generator
	 * itself costs counts too. From: in a closed loop, the clock just before the request is
	 * written, with new connections before each is opened; in an open loop, the moment when the
	 * request was due. Those unsent count with the time that they waited. */
	struct latency latency;
};

/**
 * Run until count, duration or too many broken connections.
 *
 * @param tls     NULL: plain HTTP
 * @param layout  template of every request
 * @return KW_OK, KW_E_SYSTEM (said on standard error), KW_E_NO_MEMORY, KW_E_CRYPTO, KW_E_TIMEOUT (no
 *         answer for 10 s), KW_E_CLOSED (too many broken connections)
 */
KW_MUST_CHECK enum kw_err loop_run(const struct loop_options *options, struct tls *tls,
	struct request_source *source, const struct request *layout, struct loop_result *result);

#endif
