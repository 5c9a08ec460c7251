/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The control records of a KRaft log and its checkpoints.
 *
 *   batch attribute bit 0x20; key = int16 version 0, int16 type; value flexible
 *   2 LeaderChange   first record of each epoch
 *   3 SnapshotHeader first record of a checkpoint, 4 SnapshotFooter its last
 *   5 KRaftVersion   0 static voters, 1 dynamic (KIP-853); 6 Voters  the voter set
 */

#include "quorum_int.h"

#include "weir/base/buf.h"
#include "weir/record/batch.h"

struct weir_control_batch {
    int64_t base_offset;
    int32_t epoch;
    int64_t timestamp_ms;
    bool leader_change;   /* by the voter in options */
    bool snapshot_header; /* with last_contained_ms */
    int64_t last_contained_ms;
    bool kraft_version; /* version 1 */
    bool voters;        /* the single voter in options */
    bool snapshot_footer;
    const struct weir_quorum_options *options;
};

/* One control batch with the records that are set, in the order above, to the end of out;
 * *out_count records. */
WEIR_MUST_CHECK enum weir_status weir_control_batch_write(const struct weir_control_batch *batch,
                                                          struct weir_buf *out, int32_t *out_count);

/* What a control record says that the voter has to know. */
struct weir_control_state {
    int16_t kraft_version;
    bool has_voters;
    size_t voter_count;
    int32_t voter_id; /* of the first */
    struct weir_uuid voter_directory_id;
    bool seen_header;
    bool seen_footer;
    int64_t header_last_contained_ms;
};

/* Reads one control record into the state.  UNSUPPORTED for a type or version that is not known,
 * CORRUPT. */
WEIR_MUST_CHECK enum weir_status weir_control_record_read(const struct weir_record *record,
                                                          struct weir_control_state *state,
                                                          struct weir_detail *detail);
