/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The metadata hash of groups: what a coordinator compares (and stores in the group's record) to
 * see that the topics a group subscribes to have changed.  The same numbers as Apache Kafka 4.3.0:
 * XXH3-64 over a fixed layout, so that a group that moves between brokers of both kinds is not
 * rebalanced for nothing.  Pure functions, any thread.
 */

#include "weir/base/slice.h"
#include "weir/base/uuid.h"

/* The racks of one partition's replicas, in any order; brokers without a rack are left out, racks
 * that occur twice stay twice.  At most WEIR_HASH_RACKS_MAX (asserted; Kafka keeps replica lists
 * far below that). */
#define WEIR_HASH_RACKS_MAX 1024
struct weir_hash_partition {
    const struct weir_slice *racks;
    size_t rack_count;
};

struct weir_hash_topic {
    struct weir_uuid id;
    struct weir_slice name; /* a topic's name: ASCII */
    int32_t partition_count;
    const struct weir_hash_partition *partitions; /* NULL: no partition has racks */
};

int64_t weir_topic_hash(const struct weir_hash_topic *topic);

struct weir_named_topic_hash {
    struct weir_slice name;
    int64_t hash;
};

/* Sorts hashes by name in place; 0 when there are none.  Topics that do not exist are left out by
 * the caller. */
int64_t weir_group_hash(struct weir_named_topic_hash *hashes, size_t count);
