/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/storage/time_index.h"

#include "index_file_int.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"

void weir_time_index_done(struct weir_time_index *index)
{
    weir_free(index->items);
    memset(index, 0, sizeof(*index));
}

enum weir_status weir_time_index_maybe_append(struct weir_time_index *index, int64_t timestamp,
                                              int32_t relative_offset)
{
    struct weir_time_index_entry last = weir_time_index_last(index);
    if (timestamp < 0 || relative_offset < 0 || (index->count > 0 && timestamp <= last.timestamp))
        return WEIR_OK;
    if (index->count > 0 && relative_offset <= last.relative_offset)
        return WEIR_INVALID;
    struct weir_time_index_entry *items =
        weir_grow(index->items, &index->capacity, index->count + 1, sizeof(index->items[0]));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    index->items = items;
    items[index->count++] =
        (struct weir_time_index_entry){.timestamp = timestamp, .relative_offset = relative_offset};
    return WEIR_OK;
}

struct weir_time_index_entry weir_time_index_floor(const struct weir_time_index *index,
                                                   int64_t timestamp)
{
    size_t low = 0;
    size_t high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->items[middle].timestamp <= timestamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? (struct weir_time_index_entry){-1, 0} : index->items[low - 1];
}

struct weir_time_index_entry weir_time_index_last(const struct weir_time_index *index)
{
    return index->count == 0 ? (struct weir_time_index_entry){-1, 0}
                             : index->items[index->count - 1];
}

void weir_time_index_drop(struct weir_time_index *index, struct weir_time_index_entry entry)
{
    for (size_t at = 0; at < index->count; at++) {
        if (index->items[at].timestamp != entry.timestamp ||
            index->items[at].relative_offset != entry.relative_offset)
            continue;
        index->count--;
        memmove(&index->items[at], &index->items[at + 1],
                (index->count - at) * sizeof(index->items[0]));
        if (index->written_count > at)
            index->written_count = at;
        index->is_unsynced = true;
        return;
    }
}

void weir_time_index_truncate(struct weir_time_index *index, int64_t relative_offset)
{
    while (index->count > 0 && index->items[index->count - 1].relative_offset >= relative_offset)
        index->count--;
    if (index->written_count > index->count)
        index->written_count = index->count;
}

enum weir_status weir_time_index_read(struct weir_env *env, const char *path,
                                      struct weir_time_index *out, struct weir_detail *detail)
{
    struct weir_buf bytes = {0};
    struct weir_time_index index = {0};
    enum weir_status status =
        weir_index_file_read(env, path, WEIR_TIME_INDEX_ENTRY_BYTES, &bytes, detail);
    for (size_t at = 0; status == WEIR_OK && at < bytes.size; at += WEIR_TIME_INDEX_ENTRY_BYTES) {
        size_t before = index.count;
        status = weir_time_index_maybe_append(&index, weir_get_i64(bytes.data + at),
                                              weir_get_i32(bytes.data + at + 8));
        if (status == WEIR_INVALID || (status == WEIR_OK && index.count == before)) {
            weir_detail_set(detail, "%s: entry %zu is out of order", path,
                            at / WEIR_TIME_INDEX_ENTRY_BYTES);
            status = WEIR_CORRUPT;
        }
    }
    weir_buf_done(&bytes);
    if (status != WEIR_OK) {
        weir_time_index_done(&index);
        return status;
    }
    index.written_count = index.count;
    *out = index;
    return WEIR_OK;
}

enum weir_status weir_time_index_write(struct weir_env *env, const char *path,
                                       struct weir_time_index *index, bool sync,
                                       struct weir_detail *detail)
{
    struct weir_buf tail = {0};
    for (size_t i = index->written_count; i < index->count; i++) {
        uint8_t *at = weir_buf_extend(&tail, WEIR_TIME_INDEX_ENTRY_BYTES);
        if (at == NULL)
            break;
        weir_put_i64(at, index->items[i].timestamp);
        weir_put_i32(at + 8, index->items[i].relative_offset);
    }
    enum weir_status status = weir_buf_status(&tail);
    if (status == WEIR_OK)
        status = weir_index_file_write(env, path, weir_buf_slice(&tail),
                                       (uint64_t)index->written_count * WEIR_TIME_INDEX_ENTRY_BYTES,
                                       sync, &index->is_unsynced, detail);
    if (status == WEIR_OK)
        index->written_count = index->count;
    weir_buf_done(&tail);
    return status;
}
