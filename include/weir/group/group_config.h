/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What groups can be configured with, under Kafka's names.  Public value struct. */

#include <stddef.h>
#include <stdint.h>

struct weir_group_config {
    int32_t min_session_timeout_ms;          /* group.min.session.timeout.ms */
    int32_t max_session_timeout_ms;          /* group.max.session.timeout.ms */
    int32_t initial_rebalance_delay_ms;      /* group.initial.rebalance.delay.ms */
    int32_t max_size;                        /* group.max.size */
    int32_t new_member_join_timeout_ms;      /* Kafka's constant, 5 minutes */
    int32_t offset_metadata_max_bytes;       /* offset.metadata.max.bytes (counted in UTF-16 units) */
    int64_t offsets_retention_ms;            /* offsets.retention.minutes */
    int64_t offsets_retention_check_ms;      /* offsets.retention.check.interval.ms */
    int64_t commit_timeout_ms;               /* offsets.commit.timeout.ms */
    size_t load_buffer_bytes;                /* offsets.load.buffer.size */
};

/* Kafka's defaults. */
struct weir_group_config weir_group_config_default(void);
