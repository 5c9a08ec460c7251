/* SPDX-License-Identifier: Apache-2.0 */

/* A segment's batches and their records; metadata snapshots, which are made of batches too. */

#include "verify_int.h"

#include <stdio.h>

enum { EPOCH_FAULTS_MAX = 5 };

static const char *words_of(enum weir_status status, const struct weir_detail *detail)
{
    return detail->text[0] != '\0' ? detail->text : weir_status_name(status);
}

/* False: the rest of the batch is not worth a look. */
static bool check_record(struct partition *partition, const char *name,
                         const struct scan_item *item, const struct weir_record *record,
                         int64_t *last_offset)
{
    const struct weir_batch *batch = &item->batch;
    struct weir_detail detail = {{0}};
    if (batch->magic == 2 &&
        (record->offset <= *last_offset || record->offset > batch->last_offset)) {
        partition_fault_at(partition, name, item->file_pos,
                           "record %d of the batch at offset %lld has offset %lld", record->index,
                           (long long)batch->base_offset, (long long)record->offset);
        return false;
    }
    *last_offset = record->offset;
    if (!partition->words.is_decoded && !weir_batch_is_control(batch))
        return true;
    if (record_words_print(&partition->words, batch, record, &detail) != WEIR_OK)
        partition_fault_offset(partition, name, record->offset, "%s", detail.text);
    return true;
}

void verify_records(struct partition *partition, const char *name, const struct scan_item *item)
{
    struct weir_detail detail = {{0}};
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    bool needs_payload = partition->words.is_decoded || weir_batch_is_control(&item->batch);
    struct weir_record_iter_options options = {.skip_payload = !needs_payload};
    int64_t last_offset = item->batch.base_offset - 1;
    enum weir_status status = weir_record_iter_new(&item->batch, &options, &iter, &detail);
    while (status == WEIR_OK) {
        status = weir_record_iter_next(iter, &record, &detail);
        if (status == WEIR_OK && !check_record(partition, name, item, &record, &last_offset))
            break;
    }
    weir_record_iter_free(iter);
    if (status == WEIR_NO_MEMORY)
        partition_failed(partition, status, &detail);
    else if (status != WEIR_OK && status != WEIR_NOT_FOUND)
        partition_fault_at(partition, name, item->file_pos,
                           "the records of the batch at offset %lld cannot be read: %s",
                           (long long)item->batch.base_offset, words_of(status, &detail));
}

struct segment {
    struct partition *partition;
    const struct listed *file;
    int64_t base_offset;
    int64_t next_base; /* INT64_MAX: this is the last segment */
    struct index_check *indexes;
};

static void check_epoch(struct segment *segment, const struct scan_item *item)
{
    struct partition *partition = segment->partition;
    const struct weir_epoch_cache *epochs = &partition->epochs;
    const struct weir_batch *batch = &item->batch;
    if (batch->magic != 2 || batch->partition_leader_epoch < 0 || !partition->has_epochs ||
        !partition_is_strict(partition, batch->last_offset) ||
        partition->epoch_fault_count >= EPOCH_FAULTS_MAX)
        return;
    /* Below the log start offset epochs are forgotten, and their batches may still be there. */
    if (epochs->count > 0 && batch->base_offset < epochs->items[0].start_offset &&
        (partition->is_metadata || epochs->items[0].start_offset <= partition->log_start_offset))
        return;
    int32_t epoch = weir_epoch_cache_for_offset(epochs, batch->base_offset);
    if (epoch == batch->partition_leader_epoch)
        return;
    partition->epoch_fault_count++;
    partition_fault_offset(partition, "leader-epoch-checkpoint", batch->base_offset,
                           "the batch here has leader epoch %d, and the file says %d",
                           batch->partition_leader_epoch, epoch);
}

static void check_offsets(struct segment *segment, const struct scan_item *item)
{
    struct partition *partition = segment->partition;
    const struct weir_batch *batch = &item->batch;
    const char *name = segment->file->text;
    if (batch->base_offset < segment->base_offset)
        partition_fault_at(partition, name, item->file_pos,
                           "the batch begins at offset %lld, below the segment's",
                           (long long)batch->base_offset);
    else if (batch->last_offset - segment->base_offset > INT32_MAX)
        partition_fault_at(partition, name, item->file_pos,
                           "offset %lld is too far from the segment's base",
                           (long long)batch->last_offset);
    if (batch->base_offset < partition->end_offset)
        partition_fault_at(partition, name, item->file_pos,
                           "the batch begins at offset %lld, and the one before ends at %lld",
                           (long long)batch->base_offset, (long long)(partition->end_offset - 1));
    else if (batch->magic == 2 && batch->base_offset > partition->end_offset)
        partition->has_gaps = true;
    if (batch->last_offset >= segment->next_base)
        partition_fault_at(partition, name, item->file_pos,
                           "the batch ends at offset %lld, and the next segment begins at %lld",
                           (long long)batch->last_offset, (long long)segment->next_base);
}

static void on_batch(struct segment *segment, const struct scan_item *item)
{
    struct partition *partition = segment->partition;
    const struct weir_batch *batch = &item->batch;
    struct weir_aborted_txn aborted;
    check_offsets(segment, item);
    if (weir_batch_has_delete_horizon(batch) || (batch->magic == 2 && batch->record_count == 0))
        partition->has_gaps = true;
    producers_reach(partition, batch->base_offset);
    check_epoch(segment, item);
    verify_records(partition, segment->file->text, item);
    if (producers_apply(partition, batch, &aborted))
        index_check_abort(segment->indexes, &aborted);
    index_check_batch(segment->indexes, item);
    if (batch->last_offset >= partition->end_offset && batch->last_offset < INT64_MAX)
        partition->end_offset = batch->last_offset + 1;
    partition->verify->batch_count++;
}

/* A write that a kill, or our looking, interrupted. */
static bool may_be_torn(const struct segment *segment)
{
    const struct partition *partition = segment->partition;
    return segment->next_base == INT64_MAX && partition->verify->state != DIR_CLEAN &&
           !partition_is_strict(partition, partition->end_offset);
}

static void on_damage(struct segment *segment, const struct scan_item *item)
{
    struct partition *partition = segment->partition;
    bool is_end = item->kind == SCAN_TORN || item->kind == SCAN_ZEROS;
    producers_lost(partition);
    index_check_damage(segment->indexes, item->file_pos + item->size);
    if (is_end && may_be_torn(segment)) {
        if (partition->verify->state == DIR_UNCLEAN)
            partition_note(partition, segment->file->text,
                           "ends inside a batch at byte %llu; a recovery cuts it there",
                           (unsigned long long)item->file_pos);
        return;
    }
    if (item->kind == SCAN_BAD)
        partition_fault_at(partition, segment->file->text, item->file_pos,
                           "the batch at offset %lld: %s", (long long)item->batch.base_offset,
                           item->detail.text);
    else
        partition_fault_at(partition, segment->file->text, item->file_pos,
                           "%llu bytes are no batch: %s", (unsigned long long)item->size,
                           item->detail.text);
}

static void on_item(struct segment *segment, const struct scan_item *item)
{
    switch (item->kind) {
    case SCAN_BATCH:
        on_batch(segment, item);
        break;
    case SCAN_BAD:
    case SCAN_DAMAGE:
    case SCAN_TORN:
    case SCAN_ZEROS:
        on_damage(segment, item);
        break;
    case SCAN_END:
    case SCAN_FAILED:
        break;
    }
}

void verify_segment(struct partition *partition, size_t index, int64_t next_base)
{
    const struct listed *file = &partition->files.items[index];
    struct segment segment = {.partition = partition,
                              .file = file,
                              .base_offset = file->name.offset,
                              .next_base = next_base};
    char path[INSPECT_PATH_BYTES];
    struct weir_detail detail = {{0}};
    struct log_scan scan;
    if (!inspect_join(path, partition->dir, file->text))
        return;
    if (segment.base_offset > partition->end_offset) {
        partition->has_gaps = true;
        partition->end_offset = segment.base_offset;
    }
    producers_reach(partition, segment.base_offset);
    /* The indexes first: what they say then is in the log already. */
    enum weir_status status =
        index_check_new(partition, segment.base_offset, next_base != INT64_MAX, &segment.indexes);
    if (status == WEIR_OK)
        status = scan_open(&scan, partition->verify->options->env, path, &detail);
    if (status != WEIR_OK) {
        partition_failed(partition, status, &detail);
        index_check_free(segment.indexes);
        return;
    }
    struct scan_item item = {.kind = SCAN_END};
    while (!partition->verify->report.is_stopped && scan_next(&scan, &item))
        on_item(&segment, &item);
    if (item.kind == SCAN_FAILED) {
        partition_failed(partition, WEIR_IO_ERROR, &item.detail);
        index_check_damage(segment.indexes, scan.file_bytes);
    }
    index_check_end(segment.indexes);
    partition->verify->segment_count++;
    partition->verify->byte_count += scan.file_bytes;
    scan_close(&scan);
    index_check_free(segment.indexes);
}

/* What the control records of a snapshot must be: the first a header, the last a footer. */
struct snapshot_ends {
    bool has_record;
    bool begins_with_header;
    bool ends_with_footer;
};

static void look_at_ends(const struct weir_batch *batch, struct snapshot_ends *ends)
{
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    enum weir_control_type type;
    if (weir_record_iter_new(batch, NULL, &iter, NULL) != WEIR_OK)
        return;
    while (weir_record_iter_next(iter, &record, NULL) == WEIR_OK) {
        bool is_control =
            weir_batch_is_control(batch) && weir_control_key_parse(record.key, &type) == WEIR_OK;
        if (!ends->has_record)
            ends->begins_with_header = is_control && type == WEIR_CONTROL_SNAPSHOT_HEADER;
        ends->ends_with_footer = is_control && type == WEIR_CONTROL_SNAPSHOT_FOOTER;
        ends->has_record = true;
    }
    weir_record_iter_free(iter);
}

void verify_metadata_snapshot(struct partition *partition, const struct listed *file)
{
    char path[INSPECT_PATH_BYTES];
    struct weir_detail detail = {{0}};
    struct log_scan scan;
    struct scan_item item = {.kind = SCAN_END};
    struct snapshot_ends ends = {0};
    uint64_t damage_count = 0;
    int64_t next_offset = 0;
    if (!inspect_join(path, partition->dir, file->text))
        return;
    enum weir_status status = scan_open(&scan, partition->verify->options->env, path, &detail);
    if (status != WEIR_OK) {
        partition_failed(partition, status, &detail);
        return;
    }
    while (scan_next(&scan, &item)) {
        if (item.kind != SCAN_BATCH) {
            damage_count++;
            partition_fault_at(partition, file->text, item.file_pos, "%s", item.detail.text);
            continue;
        }
        if (item.batch.base_offset != next_offset && damage_count == 0)
            partition_fault_at(partition, file->text, item.file_pos,
                               "the batch begins at offset %lld; %lld is next",
                               (long long)item.batch.base_offset, (long long)next_offset);
        next_offset = (int64_t)((uint64_t)item.batch.last_offset + 1);
        verify_records(partition, file->text, &item);
        look_at_ends(&item.batch, &ends);
        partition->verify->batch_count++;
    }
    if (item.kind == SCAN_FAILED)
        partition_failed(partition, WEIR_IO_ERROR, &item.detail);
    else if (file->name.has_offset && damage_count == 0 && !ends.begins_with_header)
        partition_fault(partition, file->text, "does not begin with a SnapshotHeader");
    else if (file->name.has_offset && damage_count == 0 && !ends.ends_with_footer)
        partition_fault(partition, file->text, "does not end with a SnapshotFooter");
    partition->verify->byte_count += scan.file_bytes;
    scan_close(&scan);
}
