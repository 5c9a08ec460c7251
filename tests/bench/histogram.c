/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#include <stddef.h>

#define SUB ((uint64_t)1 << BENCH_SUB_BITS)

/* Values below SUB have a bucket each; above, each power of two has SUB buckets. */
static size_t bucket_of(uint64_t value)
{
    if (value < SUB)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - BENCH_SUB_BITS;
    return (size_t)(((uint64_t)(shift + 1) << BENCH_SUB_BITS) + ((value >> shift) - SUB));
}

static uint64_t upper_edge(size_t bucket)
{
    if (bucket < SUB)
        return bucket;
    unsigned shift = (unsigned)(bucket >> BENCH_SUB_BITS) - 1;
    return (((uint64_t)bucket & (SUB - 1)) + SUB + 1) << shift;
}

void bench_histogram_add(struct bench_histogram *histogram, int64_t value_ns)
{
    uint64_t value = value_ns < 0 ? 0 : (uint64_t)value_ns;
    histogram->buckets[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->max)
        histogram->max = value;
}

uint64_t bench_histogram_quantile(const struct bench_histogram *histogram, double quantile)
{
    uint64_t wanted = (uint64_t)((double)histogram->count * quantile), seen = 0;
    for (size_t i = 0; i < BENCH_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > wanted) {
            uint64_t edge = upper_edge(i);
            return edge < histogram->max ? edge : histogram->max;
        }
    }
    return histogram->max;
}
