#include "base/histogram.h"

/* Values below 16 have a bucket each; above, the octave and the three bits below its top bit. */
static unsigned bucket_of(uint64_t value)
{
	unsigned octave, bucket;

	if (value < 16) {
		return (unsigned)value;
	}
	octave = 63 - (unsigned)__builtin_clzll(value);
	bucket = 16 + (octave - 4) * 8 + (unsigned)(value >> (octave - 3) & 7);
	return bucket < KW_HISTOGRAM_BUCKETS ? bucket : KW_HISTOGRAM_BUCKETS - 1;
}

static uint64_t upper_bound(unsigned bucket)
{
	unsigned octave, step;

	if (bucket < 16) {
		return bucket;
	}
	octave = (bucket - 16) / 8 + 4;
	step = (bucket - 16) % 8;
	return ((uint64_t)(8 + step + 1) << (octave - 3)) - 1;
}

void kw_histogram_add(struct kw_histogram *histogram, uint64_t value)
{
	histogram->buckets[bucket_of(value)]++;
	histogram->count++;
	if (value > histogram->max) {
		histogram->max = value;
	}
}

void kw_histogram_merge(struct kw_histogram *into, const struct kw_histogram *from)
{
	for (unsigned i = 0; i < KW_HISTOGRAM_BUCKETS; i++) {
		into->buckets[i] += from->buckets[i];
	}
	into->count += from->count;
	if (from->max > into->max) {
		into->max = from->max;
	}
}

uint64_t kw_histogram_percentile(const struct kw_histogram *histogram, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.999999);
	uint64_t seen = 0;

	for (unsigned i = 0; i < KW_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen >= wanted && seen > 0) {
			uint64_t bound = upper_bound(i);

			return bound < histogram->max ? bound : histogram->max;
		}
	}
	return histogram->max;
}
