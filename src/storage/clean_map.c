/* SPDX-License-Identifier: Apache-2.0 */

/* The latest offset of each key from the first dirty offset up to the upper bound, or as far as the
 * map has room. */

#include "clean_int.h"

/* Records whose slots are on their way to the processor's cache. */
enum { GATHERED_MAX = 32 };

struct gathered {
    size_t count;
    struct gathered_record {
        struct weir_offset_map_key key;
        int64_t offset;
        bool has_key;
    } records[GATHERED_MAX];
};

/* LIMIT when the map is full; what came before is known then. */
static enum weir_status put_gathered(struct clean_round *round, struct gathered *gathered)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < gathered->count && status == WEIR_OK; i++) {
        const struct gathered_record *record = &gathered->records[i];
        if (record->has_key)
            status = weir_offset_map_put(&round->map, record->key, record->offset);
        if (status == WEIR_OK)
            round->map_end_offset = record->offset + 1;
    }
    gathered->count = 0;
    return status;
}

static void gather(const struct clean_round *round, struct gathered *gathered,
                   const struct weir_record *record)
{
    struct gathered_record *into = &gathered->records[gathered->count++];
    *into = (struct gathered_record){.offset = record->offset, .has_key = record->key_bytes >= 0};
    if (!into->has_key)
        return;
    into->key = weir_offset_map_key_of(record->key);
    weir_offset_map_prefetch(&round->map, into->key);
}

static enum weir_status map_records(struct clean_round *round, const struct weir_batch *batch,
                                    struct weir_detail *detail)
{
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    struct gathered gathered;
    gathered.count = 0; /* the rest is not looked at before it is written */
    enum weir_status status = weir_record_iter_new(batch, NULL, &iter, detail);
    while (status == WEIR_OK) {
        status = weir_record_iter_next(iter, &record, detail);
        if (status != WEIR_OK) {
            status = status == WEIR_LIMIT ? WEIR_INVALID : status; /* no word about the map */
            break;
        }
        if (record.offset < round->first_dirty)
            continue;
        gather(round, &gathered, &record);
        if (gathered.count == GATHERED_MAX)
            status = put_gathered(round, &gathered);
    }
    weir_record_iter_free(iter);
    return status == WEIR_NOT_FOUND ? put_gathered(round, &gathered) : status;
}

static enum weir_status map_batch(struct clean_round *round, struct clean_txns *txns,
                                  const struct weir_batch *batch, struct weir_detail *detail)
{
    enum weir_status status;
    bool is_aborted = false;
    if (weir_batch_is_control(batch)) {
        struct weir_aborted_txn aborted;
        bool is_empty;
        bool has_aborted;
        status = weir_clean_txns_on_control(txns, batch, &is_empty, &has_aborted, &aborted, detail);
    } else {
        status = weir_clean_txns_on_data(txns, batch, &is_aborted);
        if (status == WEIR_OK && !is_aborted)
            status = map_records(round, batch, detail);
    }
    if (status == WEIR_OK && batch->last_offset >= round->first_dirty)
        round->map_end_offset = batch->last_offset + 1;
    return status;
}

static enum weir_status map_segment(struct clean_round *round, struct clean_txns *txns,
                                    struct weir_segment *segment, struct weir_detail *detail)
{
    struct clean_reader reader;
    struct weir_batch batch;
    uint64_t from_pos = 0;
    enum weir_status status = WEIR_OK;
    if (round->first_dirty > segment->base_offset) {
        struct weir_batch_place place;
        status = weir_segment_find(segment, round->first_dirty, weir_segment_size(segment), &place,
                                   detail);
        if (status == WEIR_NOT_FOUND)
            return WEIR_OK;
        from_pos = place.file_pos;
    }
    if (status != WEIR_OK)
        return status;
    weir_clean_reader_init(&reader, round, segment, from_pos);
    while ((status = weir_clean_reader_next(&reader, &batch, detail)) == WEIR_OK) {
        status = map_batch(round, txns, &batch, detail);
        if (status != WEIR_OK)
            break;
    }
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}

/* A batch that is written anew gets a right checksum over whatever its fields were, so what this
 * process has not verified is verified first: also offsets and epochs, which no checksum covers. */
static enum weir_status verify_sources(struct clean_round *round, struct weir_detail *detail)
{
    const struct log_view *view = round->view;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i + 1 < view->count && status == WEIR_OK; i++) {
        uint64_t good_pos = 0;
        uint64_t size = weir_segment_size(view->segments[i]);
        struct log_verify_options options = {.segment = view->segments[i],
                                             .until_pos = size,
                                             .size_bytes = size,
                                             .end_offset = view->segments[i + 1]->base_offset};
        if (view->segments[i]->base_offset >= round->upper_bound)
            break;
        status = weir_log_verify(round->log, &options, &good_pos, detail);
    }
    return status;
}

enum weir_status weir_clean_build_map(struct clean_round *round, struct weir_detail *detail)
{
    const struct log_view *view = round->view;
    struct clean_txns txns = {0};
    round->map_end_offset = round->first_dirty;
    enum weir_status status = verify_sources(round, detail);
    if (status == WEIR_OK)
        status =
            weir_clean_txns_init(&txns, round->log, round->first_dirty, round->upper_bound, detail);
    for (size_t i = 0; i + 1 < view->count && status == WEIR_OK; i++) {
        int64_t end_offset = view->segments[i + 1]->base_offset;
        if (end_offset <= round->first_dirty)
            continue;
        if (view->segments[i]->base_offset >= round->upper_bound)
            break;
        status = map_segment(round, &txns, view->segments[i], detail);
        /* Up to the next segment there is nothing more, even where offsets are missing. */
        if (status == WEIR_OK)
            round->map_end_offset = end_offset;
    }
    weir_clean_txns_done(&txns);
    round->result->map_was_full = status == WEIR_LIMIT;
    round->result->map_keys = round->map.count;
    return status == WEIR_LIMIT ? WEIR_OK : status;
}
