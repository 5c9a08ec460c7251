/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Latencies in nanoseconds, counted in buckets of less than one percent of their value. */

#include <stdint.h>

#define BENCH_SUB_BITS 7
#define BENCH_BUCKETS  ((64 - BENCH_SUB_BITS + 1) << BENCH_SUB_BITS)

struct bench_histogram {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[BENCH_BUCKETS];
};

/* Negative values count as 0. */
void bench_histogram_add(struct bench_histogram *histogram, int64_t value_ns);
/* The upper edge of the bucket in which the quantile (0 to 1) lies; 0 when nothing was counted. */
uint64_t bench_histogram_quantile(const struct bench_histogram *histogram, double quantile);
