/**
 * Latencies of a load, in buckets of constant relative width: 128 per doubling, so that a percentile
 * is exact to 1/128 of itself (base/histogram.h, which processes send each other, has 8).
 */
#ifndef KW_TESTS_BENCH_LATENCY_H
#define KW_TESTS_BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS (256 + 24 * 128)

struct latency {
	uint64_t count;
	uint64_t max; /* greatest value seen */
	uint64_t buckets[LATENCY_BUCKETS];
};

/** Values of 2^32 and more count in the last bucket, and exactly in max. */
void latency_add(struct latency *latency, uint64_t us);
/**
 * The least value that at least this share (0 to 1) of all do not exceed, rounded up to the end of
 * its bucket, never above max; 0 if there are none.
 */
uint64_t latency_percentile(const struct latency *latency, double share);

#endif
