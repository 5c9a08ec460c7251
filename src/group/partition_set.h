/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sets of partitions of consumer and share groups, as sorted arrays: what members have, are to have
 * and are to give up; and the hash over the topics of a group.  Pure. */

#include "group_int.h"

struct held_partition {
    struct weir_uuid topic_id;
    int32_t partition;
    int32_t epoch; /* the member's epoch when it got it; 0 in a target */
};

/* By topic id, then partition; each once. */
struct partition_set {
    struct held_partition *items;
    size_t count;
};

int held_compare(const struct held_partition *a, const struct held_partition *b);
const struct held_partition *partition_set_find(const struct partition_set *set,
                                                struct weir_uuid topic_id, int32_t partition);
/* The same partitions; epochs may differ. */
bool partition_set_same(const struct partition_set *a, const struct partition_set *b);
/* The same partitions and epochs. */
bool partition_set_equal(const struct partition_set *a, const struct partition_set *b);
/* Sorts and removes doubles (the last one given stays). */
void partition_set_normalise(struct partition_set *set);
/* Into memory that partition_set_drop frees. */
WEIR_MUST_CHECK enum weir_status partition_set_dup(const struct partition_set *from,
                                                   struct partition_set *out);
void partition_set_drop(struct partition_set *set);
/* Room for count in the arena; its count is 0. */
WEIR_MUST_CHECK enum weir_status partition_set_room(struct weir_arena *arena, size_t count,
                                                    struct partition_set *out);
/* What a request says; NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status
partition_set_of_request(struct weir_arena *arena, const struct weir_group_topic_partitions *topics,
                         size_t count, struct partition_set *out);
/* For answers: one entry a topic, everything in the arena.  names: with the image's topic names,
 * and without topics that are gone. */
WEIR_MUST_CHECK enum weir_status
partition_set_to_answer(const struct partition_set *set, const struct weir_image *names,
                        struct weir_arena *arena, const struct weir_group_topic_partitions **out,
                        size_t *out_count);

/* The metadata hash over these topics (topics_hash.c), each once; any order. */
WEIR_MUST_CHECK enum weir_status group_topics_hash(const struct weir_image *image,
                                                   const struct weir_image_topic *const *topics,
                                                   size_t count, struct weir_arena *arena,
                                                   int64_t *out);
