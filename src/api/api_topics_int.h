/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What Metadata, DescribeTopicPartitions, DescribeCluster and FindCoordinator have in common. */

#include "api_int.h"

#include "weir/protocol/arrays.h"

/* The same numbers, as generated messages have them; the items stay the image's (messages never
 * write to them). */
struct weir_i32_array weir_call_i32_array(const struct weir_call *call, struct weir_i32_list list);
/* Replicas on brokers that are not alive. */
struct weir_i32_array weir_call_offline_replicas(const struct weir_call *call,
                                                 const struct weir_image_partition *partition);

struct weir_broker_address {
    int32_t id;
    struct weir_slice host;
    int32_t port;
    struct weir_slice rack;
    bool is_fenced;
};

/* Where the asking client reaches the broker: by the listener it came in by.  False when it cannot
 * (fenced, or without that listener). */
bool weir_call_broker_address(const struct weir_call *call, const struct weir_image_broker *broker,
                              struct weir_broker_address *out);

/* What is given as "the controller": an alive broker that forwards to it. */
int32_t weir_call_any_broker_id(const struct weir_call *call);
