/**
 * When requests are due. Closed loop: as soon as a connection is free. Open loop: at fixed moments,
 * whatever the server does meanwhile; what waits for a free connection stays due since its moment, so
 * a server that stalls is charged for all that it kept waiting and not for one request a connection
 * ("coordinated omission").
 */
#ifndef KW_TESTS_BENCH_SCHEDULE_H
#define KW_TESTS_BENCH_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_RATE_MAX 1000000u

/** Times are microseconds of one clock. Plain data. */
struct schedule {
	uint32_t rate; /* requests per second; 0: closed loop */
	uint64_t begin_us;
	uint64_t end_us; /* nothing becomes due from here on */
	uint64_t count;  /* requests in all */
	uint64_t taken;  /* so far */
};

/** @param rate  0 (closed loop) to SCHEDULE_RATE_MAX; `count` at most 2^40 */
void schedule_init(struct schedule *schedule, uint32_t rate, uint64_t begin_us,
	uint64_t duration_us, uint64_t count);

/**
 * Take the next request if it is due.
 *
 * @param due_us  out: its moment, from which its latency counts: in a closed loop now_us
 */
bool schedule_take(struct schedule *schedule, uint64_t now_us, uint64_t *due_us);

/** Moment of the next request, in a closed loop begin_us; UINT64_MAX: there is none. In an open loop
 *  one that was due before the end stays so after it. */
uint64_t schedule_next_us(const struct schedule *schedule, uint64_t now_us);

#endif
