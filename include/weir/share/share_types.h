/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Values that the share coordinator and share partitions speak of (KIP-932).  Public value structs.
 */

#include "weir/base/slice.h"
#include "weir/base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

/* A partition as one share group consumes it. */
struct weir_share_key {
    struct weir_slice group_id;
    struct weir_uuid topic_id;
    int32_t partition;
};

/* Reads "group:topicId:partition"; the group may contain colons, and must not be blank.  False when
 * it is not of that form.  Pure; any thread. */
bool weir_share_key_parse(struct weir_slice text, struct weir_share_key *out);

/* What is stored of a record, by Kafka's numbers.  ACQUIRED is never stored: whoever held the
 * record when its leader went away has lost it, and the delivery counted. */
enum weir_share_delivery_state {
    WEIR_SHARE_AVAILABLE = 0,
    WEIR_SHARE_ACQUIRED = 1,
    WEIR_SHARE_ACKNOWLEDGED = 2,
    WEIR_SHARE_ARCHIVED = 4
};

/* Offsets first to last, both included, are in one state and were delivered equally often. */
struct weir_share_batch {
    int64_t first_offset;
    int64_t last_offset;
    int8_t delivery_state; /* enum weir_share_delivery_state */
    int16_t delivery_count;
};
