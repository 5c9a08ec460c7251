/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Producer snapshots against the batches.
 *
 *   A snapshot holds, for each producer, its last batch below the snapshot's offset.  The batches
 *   are replayed beside it, beginning with offset 0 or with the first snapshot; where they differ,
 *   somebody forgot or invented something.  Allowed are: producers that expired, which only the
 *   snapshot lacks (never with an open transaction), and in a compacted log producers whose batches
 *   are gone.
 */

#include "verify_int.h"

#include <stdio.h>

void producers_begin(struct partition *partition)
{
    partition->has_history = partition->start_offset == 0;
    partition->next_snapshot = 0;
    partition->newest_snapshot = -1;
}

void producers_done(struct partition *partition)
{
    weir_producer_state_free(partition->producers);
    partition->producers = NULL;
}

void producers_lost(struct partition *partition)
{
    partition->has_history = false;
    weir_producer_state_clear(partition->producers);
}

static const struct weir_producer_batch *last_batch(const struct weir_producer *producer)
{
    static const struct weir_producer_batch none = {
        .first_sequence = -1, .last_sequence = -1, .last_offset = -1};
    return producer->batch_count > 0 ? &producer->batches[producer->batch_count - 1] : &none;
}

static void differ(struct partition *partition, const char *name, int64_t producer_id,
                   const char *what, int64_t says, int64_t is)
{
    partition_fault(partition, name,
                    "producer %lld has %s %lld there, and the batches come to %lld",
                    (long long)producer_id, what, (long long)says, (long long)is);
}

static void compare(struct partition *partition, const char *name, const struct weir_producer *says,
                    const struct weir_producer *is)
{
    const struct weir_producer_batch *said = last_batch(says);
    const struct weir_producer_batch *found = last_batch(is);
    int64_t id = says->producer_id;
    if (partition->has_gaps && said->last_offset > found->last_offset)
        return; /* its last batches were compacted away */
    if (says->producer_epoch != is->producer_epoch)
        differ(partition, name, id, "epoch", says->producer_epoch, is->producer_epoch);
    else if (said->last_offset != found->last_offset)
        differ(partition, name, id, "last offset", said->last_offset, found->last_offset);
    else if (said->last_sequence != found->last_sequence)
        differ(partition, name, id, "last sequence", said->last_sequence, found->last_sequence);
    else if (said->offset_delta != found->offset_delta)
        differ(partition, name, id, "offset delta", said->offset_delta, found->offset_delta);
    if (says->txn_first_offset != is->txn_first_offset)
        differ(partition, name, id, "an open transaction since", says->txn_first_offset,
               is->txn_first_offset);
    if (says->coordinator_epoch >= 0 && says->coordinator_epoch != is->coordinator_epoch &&
        is->coordinator_epoch >= 0)
        differ(partition, name, id, "coordinator epoch", says->coordinator_epoch,
               is->coordinator_epoch);
}

static void compare_all(struct partition *partition, const char *name,
                        const struct weir_producer_state *snapshot)
{
    const struct weir_producer *producer;
    size_t cursor = 0;
    while ((producer = weir_producer_state_next(snapshot, &cursor)) != NULL) {
        const struct weir_producer *is =
            weir_producer_state_find(partition->producers, producer->producer_id);
        if (is != NULL)
            compare(partition, name, producer, is);
        else if (!partition->has_gaps)
            partition_fault(partition, name, "producer %lld is there, and no batch has it",
                            (long long)producer->producer_id);
    }
    cursor = 0;
    while ((producer = weir_producer_state_next(partition->producers, &cursor)) != NULL) {
        if (producer->txn_first_offset >= 0 &&
            weir_producer_state_find(snapshot, producer->producer_id) == NULL)
            partition_fault(partition, name,
                            "producer %lld is missing, and has a transaction open since offset "
                            "%lld",
                            (long long)producer->producer_id,
                            (long long)producer->txn_first_offset);
    }
}

static void check_snapshot(struct partition *partition, const struct listed *file)
{
    char path[INSPECT_PATH_BYTES];
    struct weir_detail detail = {{0}};
    struct weir_producer_state *snapshot = NULL;
    enum weir_status status = WEIR_LIMIT;
    if (inspect_join(path, partition->dir, file->text))
        status = weir_producer_state_new(&snapshot);
    if (status == WEIR_OK)
        status = weir_producer_state_read(partition->verify->options->env, path, snapshot, 0,
                                          INT64_MAX, &detail);
    if (status == WEIR_CORRUPT) {
        partition_fault(partition, file->text, "%s", detail.text);
    } else if (status != WEIR_OK) {
        partition_failed(partition, status, &detail);
    } else if (partition->has_history) {
        compare_all(partition, file->text, snapshot);
    } else {
        struct weir_producer_state *old = partition->producers;
        partition->producers = snapshot;
        partition->has_history = true;
        snapshot = old;
    }
    if (status == WEIR_OK && file->name.offset > partition->newest_snapshot)
        partition->newest_snapshot = file->name.offset;
    weir_producer_state_free(snapshot);
}

void producers_reach(struct partition *partition, int64_t offset)
{
    for (; partition->next_snapshot < partition->files.count; partition->next_snapshot++) {
        const struct listed *file = &partition->files.items[partition->next_snapshot];
        if (file->name.kind != FILE_PRODUCER_SNAPSHOT || !file->name.has_offset ||
            file->name.leftover[0] != '\0')
            continue;
        if (file->name.offset > offset)
            break;
        if (file->name.offset < partition->start_offset)
            partition_note(partition, file->text, "is older than the log");
        else
            check_snapshot(partition, file);
    }
}

bool producers_apply(struct partition *partition, const struct weir_batch *batch,
                     struct weir_aborted_txn *out)
{
    struct weir_completed_txn completed;
    struct weir_txn_marker marker;
    if (!weir_batch_has_producer_id(batch))
        return false;
    if (weir_batch_is_control(batch) && batch->record_count == 0)
        return false; /* compaction took the marker and left its place */
    if (weir_producer_state_prepare(partition->producers, batch->producer_id) != WEIR_OK) {
        struct weir_detail detail = {{0}};
        weir_detail_set(&detail, "no memory for the producers");
        partition_failed(partition, WEIR_NO_MEMORY, &detail);
        return false;
    }
    if (!weir_batch_is_control(batch)) {
        weir_producer_state_update(partition->producers, batch);
        return false;
    }
    if (weir_txn_marker_parse(batch, &marker, NULL) != WEIR_OK)
        return false; /* a control record of another kind */
    *out = (struct weir_aborted_txn){.producer_id = batch->producer_id,
                                     .first_offset = -1,
                                     .last_offset = batch->last_offset,
                                     .last_stable_offset = -1};
    if (weir_producer_state_apply_marker(partition->producers, &marker, batch->last_offset,
                                         batch->max_timestamp, &completed)) {
        out->first_offset = completed.first_offset;
        out->last_stable_offset =
            weir_producer_state_last_stable_offset(partition->producers, &completed);
    }
    weir_producer_state_on_high_watermark(partition->producers, batch->last_offset + 1);
    return !marker.is_commit;
}

void producers_end(struct partition *partition)
{
    int64_t end = partition->end_offset;
    producers_reach(partition, end);
    for (size_t i = partition->next_snapshot; i < partition->files.count; i++) {
        const struct listed *file = &partition->files.items[i];
        if (file->name.kind != FILE_PRODUCER_SNAPSHOT || !file->name.has_offset ||
            file->name.leftover[0] != '\0')
            continue;
        if (partition->verify->state == DIR_CLEAN)
            partition_fault(partition, file->text, "is behind the end of the log, %lld",
                            (long long)end);
        else
            partition_note(partition, file->text, "is behind the end of the log, %lld",
                           (long long)end);
    }
    if (partition->verify->state == DIR_CLEAN && partition->has_history &&
        partition->newest_snapshot < end && weir_producer_state_count(partition->producers) > 0)
        partition_fault(partition, NULL,
                        "no producer snapshot is at the end of the log, %lld, though it was "
                        "stopped cleanly: idempotent producers and open transactions would be "
                        "forgotten",
                        (long long)end);
}
