#include "tests/bench/latency.h"

#define EXACT     256u /* values below have a bucket each */
#define EXACT_LOG 8
#define STEPS_LOG 7 /* 128 buckets per doubling above */

static unsigned bucket_of(uint64_t value)
{
	unsigned octave;
	uint64_t bucket;

	if (value < EXACT) {
		return (unsigned)value;
	}
	octave = 63 - (unsigned)__builtin_clzll(value);
	bucket = ((uint64_t)(octave - EXACT_LOG) << STEPS_LOG) +
		 (value >> (octave - STEPS_LOG) & ((1u << STEPS_LOG) - 1)) + EXACT;
	return bucket < LATENCY_BUCKETS ? (unsigned)bucket : LATENCY_BUCKETS - 1;
}

static uint64_t upper_bound(unsigned bucket)
{
	unsigned octave;
	uint64_t step;

	if (bucket < EXACT) {
		return bucket;
	}
	octave = ((bucket - EXACT) >> STEPS_LOG) + EXACT_LOG;
	step = (bucket - EXACT) & ((1u << STEPS_LOG) - 1);
	return (((1u << STEPS_LOG) + step + 1) << (octave - STEPS_LOG)) - 1;
}

void latency_add(struct latency *latency, uint64_t us)
{
	latency->buckets[bucket_of(us)]++;
	latency->count++;
	if (us > latency->max) {
		latency->max = us;
	}
}

uint64_t latency_percentile(const struct latency *latency, double share)
{
	double exact = share * (double)latency->count;
	uint64_t wanted = (uint64_t)exact;
	uint64_t seen = 0;

	wanted += (double)wanted < exact || wanted == 0;
	for (unsigned i = 0; i + 1 < LATENCY_BUCKETS; i++) {
		seen += latency->buckets[i];
		if (seen >= wanted) {
			uint64_t bound = upper_bound(i);

			return bound < latency->max ? bound : latency->max;
		}
	}
	return latency->max;
}
