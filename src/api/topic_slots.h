/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which topic of the answer a topic of the request goes to, and how many partitions that one gets.  Apache Kafka
 * builds the answers to OffsetCommit and OffsetDelete in two ways: when every partition exists they mirror the
 * request; when some do not, topics that were named twice become one.
 */

#include "weir/base/arena.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"

struct weir_topic_slots {
    const size_t *slot;     /* of each topic of the request, an index below their number */
    const size_t *capacity; /* of each slot; 0 for those that stay empty */
};

/* keys[i] and partition_counts[i] are of the i-th topic of the request.  From the arena; NO_MEMORY is the only
 * failure. */
WEIR_MUST_CHECK enum weir_status weir_topic_slots_make(struct weir_arena *arena,
                                                       const struct weir_slice *keys,
                                                       const size_t *partition_counts, size_t count,
                                                       bool merges_equal_topics,
                                                       struct weir_topic_slots *out);
