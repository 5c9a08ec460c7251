/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The name of a partition and of the directory it lives in.  Value type, pure. */

#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"

#define WEIR_TOPIC_BYTES_MAX 249

struct weir_topic_partition {
    char topic[WEIR_TOPIC_BYTES_MAX + 1];
    int32_t partition;
};

/* INVALID when the topic is empty, longer than 249 bytes, ".", ".." or has other characters than
 * letters, digits, '.',
 * '_' and '-', or the partition is negative. */
WEIR_MUST_CHECK enum weir_status weir_topic_partition_make(struct weir_slice topic,
                                                           int32_t partition,
                                                           struct weir_topic_partition *out);

static inline bool weir_topic_partition_equal(const struct weir_topic_partition *a,
                                              const struct weir_topic_partition *b)
{
    return a->partition == b->partition && strcmp(a->topic, b->topic) == 0;
}

/* What a directory in log.dirs may be. */
enum weir_partition_dir_kind {
    WEIR_PARTITION_DIR_CURRENT, /* <topic>-<n> */
    WEIR_PARTITION_DIR_DELETE,  /* <topic>-<n>.<32 hex>-delete */
    WEIR_PARTITION_DIR_FUTURE,  /* <topic>-<n>.<32 hex>-future */
    WEIR_PARTITION_DIR_STRAY    /* <topic>-<n>.<32 hex>-stray */
};

#define WEIR_PARTITION_DIR_BYTES 512

/* Writes "<topic>-<n>". */
void weir_partition_dir_name(const struct weir_topic_partition *key,
                             char out[WEIR_PARTITION_DIR_BYTES]);

/* Writes "<topic>-<n>.<32 hex>-delete" (or -stray, -future), the topic cut so that it stays within
 * 255 bytes. */
void weir_partition_dir_name_of_kind(const struct weir_topic_partition *key,
                                     enum weir_partition_dir_kind kind, struct weir_uuid unique,
                                     char out[WEIR_PARTITION_DIR_BYTES]);

/* INVALID when no partition's directory has such a name. */
WEIR_MUST_CHECK enum weir_status weir_partition_dir_parse(struct weir_slice name,
                                                          struct weir_topic_partition *out,
                                                          enum weir_partition_dir_kind *out_kind);
