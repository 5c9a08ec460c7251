/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The three indexes of a segment, read in step with its batches.
 *
 *   .index      each entry's position is the start of a batch, its offset that batch's last one
 *               (older brokers: the last one of the append that the batch began); both rise
 *   .timeindex  each entry's timestamp is the greatest so far in the batch its offset belongs to;
 *               the last entry of a sealed segment has the greatest of all
 *   .txnindex   an entry for each transaction that an ABORT marker of the segment ended
 *
 * What a running broker adds behind the batches we look at is left alone.
 */

#include "verify_int.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/storage/offset_index.h"
#include "weir/storage/segment.h"
#include "weir/storage/time_index.h"
#include "weir/storage/txn_index.h"

#include <stdio.h>

enum { FAULTS_MAX = 5, NAME_BYTES = 48 };

/* One of the three. */
struct cursor {
    struct entry_reader reader;
    char name[NAME_BYTES];
    bool is_open;
    bool has_entry;     /* the numbers below are of the next entry to be judged */
    bool is_past_zeros; /* the rest is padding */
    uint64_t entry_pos;
    uint64_t count;
    int64_t key;   /* what rises first: offset, timestamp, last offset */
    int64_t value; /* file position, offset, first offset */
    int64_t producer_id;
    int64_t last_stable_offset;
    int64_t last_key;
    int64_t last_value;
    int fault_count;
};

struct index_check {
    struct partition *partition;
    int64_t base_offset;
    bool is_sealed;
    bool is_damaged; /* the log is; greatest timestamps are not known any more */
    struct cursor offsets;
    struct cursor times;
    struct cursor txns;
    int64_t waiting_offset; /* an entry of an append of several batches; -1: none */
    uint64_t waiting_pos;
    int64_t max_timestamp;
    int64_t max_timestamp_offset;
    int64_t last_offset;
};

static int64_t add_relative(int64_t base, int32_t relative)
{
    return (int64_t)((uint64_t)base + (uint64_t)(int64_t)relative);
}

/* Whether one more fault of this file is to be said. */
static bool may_say(struct cursor *cursor)
{
    return cursor->fault_count++ < FAULTS_MAX;
}

static void close_cursor(struct cursor *cursor)
{
    if (cursor->is_open)
        entries_close(&cursor->reader);
    cursor->is_open = false;
    cursor->has_entry = false;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Zeros up to the end are the room Kafka keeps in the files of an active segment. */
static void on_zeros(struct index_check *check, struct cursor *cursor)
{
    const uint8_t *entry;
    uint64_t from = cursor->entry_pos;
    cursor->has_entry = false;
    cursor->is_past_zeros = true;
    while ((entry = entries_next(&cursor->reader)) != NULL &&
           is_zero(entry, cursor->reader.entry_bytes)) {
    }
    bool may_be_padded =
        check->partition->verify->state != DIR_CLEAN &&
        (!check->is_sealed || !partition_is_strict(check->partition, check->base_offset));
    if (entry != NULL)
        partition_fault_at(check->partition, cursor->name, from, "zeros, and entries behind them");
    else if (!may_be_padded)
        partition_fault_at(check->partition, cursor->name, from,
                           "zeros to the end: the file was not trimmed, and a start without "
                           "recovery takes them for entries");
}

static void decode_offset(struct index_check *check, struct cursor *cursor, const uint8_t *entry)
{
    cursor->key = add_relative(check->base_offset, weir_get_i32(entry));
    cursor->value = weir_get_i32(entry + 4);
}

static void decode_time(struct index_check *check, struct cursor *cursor, const uint8_t *entry)
{
    cursor->key = weir_get_i64(entry);
    cursor->value = add_relative(check->base_offset, weir_get_i32(entry + 8));
}

/* Goes to the next entry that can be judged. */
static void advance(struct index_check *check, struct cursor *cursor)
{
    const uint8_t *entry;
    cursor->has_entry = false;
    while (cursor->is_open && !cursor->is_past_zeros &&
           (entry = entries_next(&cursor->reader)) != NULL) {
        size_t size = cursor->reader.entry_bytes;
        cursor->entry_pos = cursor->reader.file_pos - size;
        /* A single entry may be all zero: time 0 at the base offset. */
        if (is_zero(entry, size) &&
            (cursor != &check->times || cursor->reader.file_bytes != size)) {
            on_zeros(check, cursor);
            return;
        }
        if (cursor == &check->offsets)
            decode_offset(check, cursor, entry);
        else
            decode_time(check, cursor, entry);
        bool is_rising = cursor->count == 0 ||
                         (cursor->key > cursor->last_key && cursor->value > cursor->last_value);
        if (is_rising) {
            cursor->count++;
            cursor->last_key = cursor->key;
            cursor->last_value = cursor->value;
            cursor->has_entry = true;
            return;
        }
        if (may_say(cursor))
            partition_fault_at(check->partition, cursor->name, cursor->entry_pos,
                               "the entry does not rise above the one before");
    }
}

static void advance_txn(struct index_check *check)
{
    struct cursor *cursor = &check->txns;
    cursor->has_entry = false;
    const uint8_t *entry = cursor->is_open ? entries_next(&cursor->reader) : NULL;
    if (entry == NULL)
        return;
    cursor->entry_pos = cursor->reader.file_pos - WEIR_TXN_INDEX_ENTRY_BYTES;
    cursor->producer_id = weir_get_i64(entry + 2);
    cursor->value = weir_get_i64(entry + 10);
    cursor->key = weir_get_i64(entry + 18);
    int64_t last_stable = weir_get_i64(entry + 26);
    cursor->last_stable_offset = last_stable;
    cursor->has_entry = true;
    bool is_rising = cursor->count++ == 0 || cursor->key > cursor->last_key;
    cursor->last_key = cursor->key;
    if (weir_get_i16(entry) != 0 && may_say(cursor))
        partition_fault_at(check->partition, cursor->name, cursor->entry_pos,
                           "the entry has version %d; only 0 is known", weir_get_i16(entry));
    if (!is_rising && may_say(cursor))
        partition_fault_at(check->partition, cursor->name, cursor->entry_pos,
                           "the entry does not rise above the one before");
    if ((cursor->value > cursor->key || last_stable < 0 ||
         (cursor->key < INT64_MAX && last_stable > cursor->key + 1)) &&
        may_say(cursor))
        partition_fault_at(check->partition, cursor->name, cursor->entry_pos,
                           "offsets %lld-%lld with last stable offset %lld cannot be",
                           (long long)cursor->value, (long long)cursor->key,
                           (long long)last_stable);
}

static void open_cursor(struct index_check *check, struct cursor *cursor, const char *suffix,
                        size_t entry_bytes)
{
    char path[INSPECT_PATH_BYTES];
    struct weir_detail detail = {{0}};
    struct partition *partition = check->partition;
    (void)snprintf(cursor->name, sizeof(cursor->name), "%020lld%s", (long long)check->base_offset,
                   suffix);
    if (!inspect_join(path, partition->dir, cursor->name))
        return;
    enum weir_status status =
        entries_open(&cursor->reader, partition->verify->options->env, path, entry_bytes, &detail);
    cursor->is_open = status == WEIR_OK;
    if (status == WEIR_NOT_FOUND) {
        if (cursor == &check->txns)
            return; /* exists only when there is an entry */
        if (partition_is_strict(partition, check->base_offset))
            partition_fault(partition, cursor->name, "is missing");
        else
            partition_note(partition, cursor->name, "is missing; a recovery makes it");
    } else if (status != WEIR_OK) {
        partition_failed(partition, status, &detail);
    } else if (cursor->reader.file_bytes % entry_bytes != 0 &&
               (check->is_sealed || partition->verify->state != DIR_IN_USE)) {
        partition_fault_at(partition, cursor->name,
                           cursor->reader.file_bytes - cursor->reader.file_bytes % entry_bytes,
                           "the file ends inside an entry (entries have %zu bytes)", entry_bytes);
    }
}

enum weir_status index_check_new(struct partition *partition, int64_t base_offset, bool is_sealed,
                                 struct index_check **out)
{
    struct index_check *check = weir_calloc(1, sizeof(*check));
    if (check == NULL)
        return WEIR_NO_MEMORY;
    check->partition = partition;
    check->base_offset = base_offset;
    check->is_sealed = is_sealed;
    check->waiting_offset = -1;
    check->max_timestamp = -1;
    check->max_timestamp_offset = base_offset;
    check->last_offset = base_offset - 1;
    open_cursor(check, &check->offsets, WEIR_SEGMENT_SUFFIX_INDEX, WEIR_OFFSET_INDEX_ENTRY_BYTES);
    open_cursor(check, &check->times, WEIR_SEGMENT_SUFFIX_TIME_INDEX, WEIR_TIME_INDEX_ENTRY_BYTES);
    open_cursor(check, &check->txns, WEIR_SEGMENT_SUFFIX_TXN_INDEX, WEIR_TXN_INDEX_ENTRY_BYTES);
    advance(check, &check->offsets);
    advance(check, &check->times);
    advance_txn(check);
    *out = check;
    return WEIR_OK;
}

void index_check_free(struct index_check *check)
{
    if (check == NULL)
        return;
    close_cursor(&check->offsets);
    close_cursor(&check->times);
    close_cursor(&check->txns);
    weir_free(check);
}

static void says_wrong_offset(struct index_check *check, uint64_t entry_pos, int64_t offset)
{
    if (may_say(&check->offsets))
        partition_fault_at(check->partition, check->offsets.name, entry_pos,
                           "the entry says offset %lld, which is not the last one of the batch it "
                           "points to",
                           (long long)offset);
}

static void check_offsets(struct index_check *check, const struct scan_item *item)
{
    struct cursor *cursor = &check->offsets;
    while (cursor->has_entry && (cursor->value < 0 || (uint64_t)cursor->value < item->file_pos)) {
        if (may_say(cursor))
            partition_fault_at(check->partition, cursor->name, cursor->entry_pos,
                               "the entry for offset %lld points to byte %lld of the log, where "
                               "no batch begins",
                               (long long)cursor->key, (long long)cursor->value);
        advance(check, cursor);
    }
    bool points_here = cursor->has_entry && (uint64_t)cursor->value == item->file_pos;
    if (check->waiting_offset >= 0 &&
        (points_here || item->batch.base_offset > check->waiting_offset)) {
        says_wrong_offset(check, check->waiting_pos, check->waiting_offset);
        check->waiting_offset = -1;
    }
    if (check->waiting_offset == item->batch.last_offset)
        check->waiting_offset = -1;
    if (!points_here)
        return;
    if (cursor->key < item->batch.last_offset) {
        says_wrong_offset(check, cursor->entry_pos, cursor->key);
    } else if (cursor->key > item->batch.last_offset) {
        check->waiting_offset = cursor->key;
        check->waiting_pos = cursor->entry_pos;
    }
    advance(check, cursor);
}

static void check_times(struct index_check *check, const struct scan_item *item)
{
    struct cursor *cursor = &check->times;
    const struct weir_batch *batch = &item->batch;
    /* The offsets of a compressed set of the old format are not known from outside. */
    int64_t first = batch->magic == 2 ? batch->base_offset : check->last_offset + 1;
    if (batch->max_timestamp > check->max_timestamp) {
        check->max_timestamp = batch->max_timestamp;
        check->max_timestamp_offset = batch->last_offset;
    }
    while (cursor->has_entry && cursor->value <= batch->last_offset) {
        if (cursor->value < first) {
            if (!check->is_damaged && may_say(cursor))
                partition_fault_at(check->partition, cursor->name, cursor->entry_pos,
                                   "the entry says offset %lld, which no batch holds",
                                   (long long)cursor->value);
        } else if (cursor->key != check->max_timestamp && !check->is_damaged && may_say(cursor)) {
            partition_fault_at(check->partition, cursor->name, cursor->entry_pos,
                               "the entry says timestamp %lld at offset %lld, and the greatest up "
                               "to there is %lld",
                               (long long)cursor->key, (long long)cursor->value,
                               (long long)check->max_timestamp);
        }
        advance(check, cursor);
    }
}

void index_check_batch(struct index_check *check, const struct scan_item *item)
{
    check_offsets(check, item);
    check_times(check, item);
    check->last_offset = item->batch.last_offset;
}

static void says_nothing_aborted(struct index_check *check)
{
    struct cursor *cursor = &check->txns;
    if (!check->is_damaged && may_say(cursor))
        partition_fault_at(check->partition, cursor->name, cursor->entry_pos,
                           "the entry says that producer %lld aborted at offset %lld, where no "
                           "ABORT marker of it is",
                           (long long)cursor->producer_id, (long long)cursor->key);
}

void index_check_abort(struct index_check *check, const struct weir_aborted_txn *txn)
{
    struct cursor *cursor = &check->txns;
    struct partition *partition = check->partition;
    bool is_known = txn->first_offset >= 0 && !check->is_damaged;
    while (cursor->has_entry && cursor->key < txn->last_offset) {
        says_nothing_aborted(check);
        advance_txn(check);
    }
    if (!cursor->has_entry || cursor->key != txn->last_offset) {
        /* Compaction takes the entry with the last data of its transaction. */
        if (is_known && partition_is_strict(partition, txn->last_offset) && !partition->has_gaps &&
            partition->has_history && may_say(cursor))
            partition_fault_offset(partition, cursor->name, txn->last_offset,
                                   "the transaction of producer %lld that was aborted here, begun "
                                   "at offset %lld, is not in the index: its records would be "
                                   "read as committed",
                                   (long long)txn->producer_id, (long long)txn->first_offset);
        return;
    }
    if (cursor->producer_id != txn->producer_id) {
        says_nothing_aborted(check);
    } else if (is_known &&
               (cursor->value > txn->first_offset ||
                (cursor->value < txn->first_offset && !partition->has_gaps &&
                 partition->has_history)) &&
               may_say(cursor)) {
        partition_fault_at(partition, cursor->name, cursor->entry_pos,
                           "the entry says that the transaction of producer %lld began at offset "
                           "%lld, and it began at %lld",
                           (long long)txn->producer_id, (long long)cursor->value,
                           (long long)txn->first_offset);
    }
    if (is_known && partition->has_history && !partition->has_gaps &&
        cursor->last_stable_offset != txn->last_stable_offset && may_say(cursor))
        partition_fault_at(partition, cursor->name, cursor->entry_pos,
                           "the entry says last stable offset %lld, and it was %lld",
                           (long long)cursor->last_stable_offset,
                           (long long)txn->last_stable_offset);
    advance_txn(check);
}

void index_check_damage(struct index_check *check, uint64_t end_pos)
{
    check->is_damaged = true;
    check->waiting_offset = -1;
    while (check->offsets.has_entry && check->offsets.value >= 0 &&
           (uint64_t)check->offsets.value < end_pos)
        advance(check, &check->offsets);
}

/* What is left over points behind the log. */
static void end_cursor(struct index_check *check, struct cursor *cursor, const char *what)
{
    struct partition *partition = check->partition;
    if (cursor->reader.has_failed)
        partition_failed(partition, WEIR_IO_ERROR, &cursor->reader.detail);
    if (!cursor->has_entry || check->is_damaged)
        return;
    bool may_be_behind = !check->is_sealed && partition->verify->state != DIR_CLEAN &&
                         !partition_is_strict(partition, check->last_offset + 1);
    if (!may_be_behind)
        partition_fault_at(partition, cursor->name, cursor->entry_pos,
                           "the entry %s %lld, behind the end of the segment", what,
                           (long long)(cursor == &check->txns ? cursor->key : cursor->value));
    else if (partition->verify->state == DIR_UNCLEAN)
        partition_note(partition, cursor->name, "has entries behind the end of the segment");
}

static void end_times(struct index_check *check)
{
    struct cursor *cursor = &check->times;
    struct partition *partition = check->partition;
    bool must_be_last = partition->verify->state == DIR_CLEAN ||
                        (check->is_sealed && partition_is_strict(partition, check->last_offset));
    if (!cursor->is_open || !must_be_last || check->is_damaged || cursor->fault_count > 0 ||
        check->max_timestamp < 0)
        return;
    if (cursor->count == 0)
        partition_fault(partition, cursor->name,
                        "is empty, and the segment's greatest timestamp is %lld at offset %lld",
                        (long long)check->max_timestamp, (long long)check->max_timestamp_offset);
    else if (cursor->last_key != check->max_timestamp)
        partition_fault(partition, cursor->name,
                        "ends with timestamp %lld, and the segment's greatest is %lld at offset "
                        "%lld",
                        (long long)cursor->last_key, (long long)check->max_timestamp,
                        (long long)check->max_timestamp_offset);
}

void index_check_end(struct index_check *check)
{
    if (check->waiting_offset >= 0)
        says_wrong_offset(check, check->waiting_pos, check->waiting_offset);
    end_cursor(check, &check->offsets, "points to byte");
    end_cursor(check, &check->times, "says offset");
    end_cursor(check, &check->txns, "says offset");
    end_times(check);
}
