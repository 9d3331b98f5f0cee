/**
 * Latencies in buckets of constant relative width: 8 per doubling, so that a percentile is exact
 * to about 9 %. Plain data; may be copied and sent.
 */
#ifndef KW_BASE_HISTOGRAM_H
#define KW_BASE_HISTOGRAM_H

#include <stdint.h>

#define KW_HISTOGRAM_BUCKETS 208

struct kw_histogram {
	uint64_t count;
	uint64_t max; /* greatest value seen */
	uint64_t buckets[KW_HISTOGRAM_BUCKETS];
};

/** Values of 2^28 and more count in the last bucket. */
void kw_histogram_add(struct kw_histogram *histogram, uint64_t value);
void kw_histogram_merge(struct kw_histogram *into, const struct kw_histogram *from);
/** Upper bound of the bucket in which the given share (0 to 1) of the values is reached, never above
 *  max; 0 if there are none. */
uint64_t kw_histogram_percentile(const struct kw_histogram *histogram, double share);

#endif
