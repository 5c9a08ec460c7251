/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The leader epoch checkpoint is text without a checksum, and a batch's epoch is not under its own.
 * Where they disagree at the beginning of an epoch, a third witness decides: the batch beside it.
 * Two batches against the file: the file is wrong.  Otherwise the batch is, and reading it is
 * refused (log_verify.c).
 */

#include "log_int.h"

#include <inttypes.h>

enum { HEADERS_BYTES = 2048 };

struct epoch_check {
    const struct weir_epoch_cache *epochs;
    struct weir_segment *const *segments;
    size_t count;
    int64_t log_start;
    int64_t end_offset;
};

/* The batch that holds the offset or comes next, and the one behind it in the same segment;
 * NOT_FOUND or CORRUPT when there is no such witness. */
static enum weir_status ask(const struct epoch_check *check, int64_t offset,
                            struct weir_batch_place *out, struct weir_batch_place *out_next,
                            bool *out_has_next)
{
    uint8_t buffer[HEADERS_BYTES];
    struct weir_segment_scan scan;
    size_t at = check->count;
    while (at > 1 && check->segments[at - 1]->base_offset > offset)
        at--;
    enum weir_status status = WEIR_NOT_FOUND;
    for (; at <= check->count && at > 0 && status == WEIR_NOT_FOUND; at++) {
        struct weir_segment *segment = check->segments[at - 1];
        uint64_t size = weir_segment_size(segment);
        status = weir_segment_find(segment, offset, size, out, NULL);
        if (status != WEIR_OK)
            continue;
        weir_segment_scan_init(&scan, segment, out->file_pos, size, buffer, sizeof(buffer));
        status = weir_segment_scan_next(&scan, true, out, NULL);
        *out_has_next = weir_segment_scan_next(&scan, true, out_next, NULL) == WEIR_OK;
        if (!*out_has_next && at < check->count) {
            segment = check->segments[at];
            weir_segment_scan_init(&scan, segment, 0, weir_segment_size(segment), buffer,
                                   sizeof(buffer));
            *out_has_next = weir_segment_scan_next(&scan, true, out_next, NULL) == WEIR_OK;
        }
    }
    return status;
}

/* The last batch that begins before the offset.  Behind a gap it has to be looked for. */
static enum weir_status ask_before(const struct epoch_check *check, int64_t offset,
                                   struct weir_batch_place *out)
{
    struct weir_batch_place next;
    bool has_next = false;
    int64_t least = check->segments[0]->base_offset;
    enum weir_status status = WEIR_NOT_FOUND;
    for (int64_t back = 1; back > 0; back *= 2) {
        int64_t from = offset - least > back ? offset - back : least;
        status = ask(check, from, out, &next, &has_next);
        if (status != WEIR_OK && status != WEIR_NOT_FOUND)
            return status;
        if (status == WEIR_OK && out->batch.base_offset < offset)
            break;
        if (from == least)
            return WEIR_NOT_FOUND;
    }
    while (status == WEIR_OK && has_next && next.batch.base_offset < offset &&
           next.batch.base_offset > out->batch.last_offset)
        status = ask(check, next.batch.base_offset, out, &next, &has_next);
    return status;
}

static bool agrees(const struct epoch_check *check, const struct weir_batch *batch)
{
    return batch->partition_leader_epoch < 0 ||
           weir_epoch_cache_for_offset(check->epochs, batch->base_offset) ==
               batch->partition_leader_epoch;
}

/* Whether the batches at the beginning of an epoch speak against the file. */
static enum weir_status check_entry(const struct epoch_check *check, size_t index,
                                    bool *out_is_wrong)
{
    struct weir_batch_place here, next, before;
    bool has_next = false;
    const struct weir_epoch_entry *entry = &check->epochs->items[index];
    int64_t start = entry->start_offset;
    bool has_before = start > check->log_start && start > check->segments[0]->base_offset;
    int64_t first = start > check->log_start ? start : check->log_start;
    enum weir_status status = WEIR_NOT_FOUND;
    if (first < check->end_offset)
        status = ask(check, first, &here, &next, &has_next);
    bool has_here = status == WEIR_OK;
    if (has_here) {
        *out_is_wrong = (has_before && here.batch.base_offset < start) ||
                        (!agrees(check, &here.batch) && has_next && !agrees(check, &next.batch) &&
                         next.batch.partition_leader_epoch == here.batch.partition_leader_epoch);
    } else if (status != WEIR_NOT_FOUND && status != WEIR_CORRUPT) {
        return status;
    }
    if (*out_is_wrong || !has_before)
        return WEIR_OK;
    status = ask_before(check, start < check->end_offset ? start : check->end_offset, &before);
    if (status != WEIR_OK)
        return status == WEIR_NOT_FOUND || status == WEIR_CORRUPT ? WEIR_OK : status;
    /* The first epoch known begins behind batches that have one: a start of the log that went back
     * with a power loss. */
    bool is_missing = index == 0 && before.batch.partition_leader_epoch >= 0;
    *out_is_wrong =
        is_missing || (!agrees(check, &before.batch) &&
                       before.batch.partition_leader_epoch ==
                           (has_here ? here.batch.partition_leader_epoch : entry->epoch));
    return WEIR_OK;
}

enum weir_status weir_log_check_epochs(const struct weir_epoch_cache *epochs,
                                       struct weir_segment *const *segments, size_t count,
                                       int64_t log_start, int64_t end_offset, bool *out_are_wrong)
{
    const struct epoch_check check = {.epochs = epochs,
                                      .segments = segments,
                                      .count = count,
                                      .log_start = log_start,
                                      .end_offset = end_offset};
    *out_are_wrong = false;
    for (size_t i = 0; i < epochs->count && !*out_are_wrong; i++) {
        enum weir_status status = check_entry(&check, i, out_are_wrong);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}
