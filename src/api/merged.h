/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Many of Apache Kafka's answers are built from a map of partitions: topics that a request names
 * twice become one, and a partition that it names twice is answered once.  This lays the partitions
 * of a request out that way.
 */

#include "weir/base/arena.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"

/* How to look at the request. */
struct weir_merge_source {
    const void *request;
    size_t topic_count;
    struct weir_slice (*topic_key)(const void *request,
                                   size_t topic); /* name, or the bytes of an id */
    int32_t (*partition_count)(const void *request, size_t topic);
    int32_t (*partition)(const void *request, size_t topic, int32_t index); /* its number */
};

struct weir_merged_item {
    size_t topic;  /* of the request */
    int32_t index; /* of the partition in that topic */
    size_t slot;   /* the topic of the answer */
    bool is_first; /* no equal partition came before */
    bool is_last;  /* none comes behind */
};

struct weir_merged {
    const struct weir_merged_item *items; /* every partition, in the order of the request */
    size_t item_count;
    const size_t *slot_topic;    /* for each slot, the topic of the request that names it first */
    const size_t *slot_capacity; /* and how many partitions it may get */
    size_t slot_count;
};

/* From the arena; NO_MEMORY is the only failure.  Topics without partitions get no slot. */
WEIR_MUST_CHECK enum weir_status weir_merge(struct weir_arena *arena,
                                            const struct weir_merge_source *source,
                                            struct weir_merged *out);
