/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the five APIs of the share coordinator (83 to 87) have in common: a request names
 * partitions, each becomes an operation of its own, and the answer leaves when the last is done.
 */

#include "api_int.h"

#include "weir/share/share_coordinator.h"

#include <stdatomic.h>

struct share_state_calls;

/* What makes two items the same; without padding, for it is a map's key. */
struct share_state_id {
    struct weir_uuid topic_id;
    int32_t partition;
};

struct share_state_item {
    struct weir_share_state_op op;
    struct share_state_calls *all;
    struct weir_share_key key;
    struct share_state_id id;
    bool is_repeated; /* a later item is about the same partition: that one is answered */
};

/* What is answered of one topic. */
struct share_state_topic {
    struct weir_uuid topic_id;
    struct share_state_item **items;
    size_t count;
};

struct share_state_calls {
    struct weir_call *call;
    /* Answers, from the items in the request's order; ends the call. */
    void (*respond)(struct weir_call *call, struct share_state_calls *all);
    atomic_size_t open_count; /* acquire and release: the last to finish sees what others wrote */
    size_t count;
    size_t count_max;
    struct share_state_item items[];
};

/* NULL when memory is out. */
struct share_state_calls *share_state_new(struct weir_call *call, size_t count,
                                          void (*respond)(struct weir_call *call,
                                                          struct share_state_calls *all));
/* The next item, ready to be started; no more than count times. */
struct weir_share_state_op *share_state_add(struct share_state_calls *all,
                                            struct weir_slice group_id, struct weir_uuid topic_id,
                                            int32_t partition);
/* After all were started. */
void share_state_started(struct share_state_calls *all);
/* The results of an answer, of `bytes` each, made by fill (false: memory is out): one for each
 * topic, in the request's order.  Topics and partitions that it names again are answered once, as
 * Apache Kafka does.  From the call's arena; NULL when memory is out. */
void *share_state_results(struct weir_call *call, struct share_state_calls *all, size_t bytes,
                          bool (*fill)(struct weir_call *call,
                                       const struct share_state_topic *wanted, void *out_result),
                          int32_t *out_count);
/* Null when it is OK. */
struct weir_slice share_state_message(const struct weir_share_state_op *op);
