/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What transactions can be configured with, under Kafka's names.  Public value struct. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_txn_config {
    int32_t transactional_id_expiration_ms;   /* transactional.id.expiration.ms */
    int32_t max_timeout_ms;                   /* transaction.max.timeout.ms */
    int32_t abort_timed_out_interval_ms;      /* transaction.abort.timed.out.transaction.cleanup.
                                                 interval.ms */
    int32_t remove_expired_interval_ms;       /* transaction.remove.expired.transaction.cleanup.
                                                 interval.ms */
    bool is_two_phase_commit_enabled;         /* transaction.two.phase.commit.enable */
    int64_t append_timeout_ms;                /* request.timeout.ms */
    size_t load_buffer_bytes;                 /* transaction.state.log.load.buffer.size */
};

/* Kafka's defaults. */
struct weir_txn_config weir_txn_config_default(void);
