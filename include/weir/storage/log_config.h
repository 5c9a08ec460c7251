/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the configuration says about one partition's log: the effective values of the topic's keys,
 * in their units. Public value struct; weir_log_config_default gives Apache Kafka 4.3.0's defaults.
 */

#include "weir/record/compression.h"

#include <stdbool.h>
#include <stdint.h>

struct weir_log_config {
    int32_t segment_bytes;        /* segment.bytes */
    int64_t segment_ms;           /* segment.ms */
    int64_t segment_jitter_ms;    /* segment.jitter.ms */
    int32_t segment_index_bytes;  /* segment.index.bytes */
    int32_t index_interval_bytes; /* index.interval.bytes */
    int64_t retention_bytes;      /* -1: no limit */
    int64_t retention_ms;         /* -1: no limit */
    int32_t message_bytes_max;    /* max.message.bytes */
    bool log_append_time;         /* message.timestamp.type=LogAppendTime */
    int64_t message_timestamp_before_max_ms;
    int64_t message_timestamp_after_max_ms;
    bool keep_codec;       /* compression.type=producer */
    enum weir_codec codec; /* otherwise this one */
    int32_t gzip_level;
    int32_t lz4_level;
    int32_t zstd_level;
    int64_t flush_messages;       /* flush.messages */
    int64_t flush_ms;             /* flush.ms */
    int64_t file_delete_delay_ms; /* file.delete.delay.ms */
    bool cleanup_delete;          /* cleanup.policy contains delete */
    bool cleanup_compact;         /* cleanup.policy contains compact */
    bool preallocate;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    int64_t delete_retention_ms;
    double min_cleanable_dirty_ratio;
    int64_t producer_id_expiration_ms; /* broker wide: producer.id.expiration.ms */
};

struct weir_log_config weir_log_config_default(void);
