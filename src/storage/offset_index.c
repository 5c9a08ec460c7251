/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/storage/offset_index.h"

#include "index_file_int.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"

void weir_offset_index_done(struct weir_offset_index *index)
{
    weir_free(index->items);
    memset(index, 0, sizeof(*index));
}

enum weir_status weir_offset_index_append(struct weir_offset_index *index, int32_t relative_offset,
                                          int32_t file_pos)
{
    if (relative_offset < 0 || file_pos < 0)
        return WEIR_INVALID;
    if (index->count > 0) {
        const struct weir_offset_index_entry *last = &index->items[index->count - 1];
        if (relative_offset <= last->relative_offset || file_pos <= last->file_pos)
            return WEIR_INVALID;
    }
    struct weir_offset_index_entry *items =
        weir_grow(index->items, &index->capacity, index->count + 1, sizeof(index->items[0]));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    index->items = items;
    items[index->count++] =
        (struct weir_offset_index_entry){.relative_offset = relative_offset, .file_pos = file_pos};
    return WEIR_OK;
}

/* How many entries have a relative offset below the given one. */
static size_t count_below(const struct weir_offset_index *index, int64_t relative_offset)
{
    size_t low = 0;
    size_t high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->items[middle].relative_offset < relative_offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct weir_offset_index_entry weir_offset_index_floor(const struct weir_offset_index *index,
                                                       int64_t relative_offset)
{
    size_t count =
        relative_offset == INT64_MAX ? index->count : count_below(index, relative_offset + 1);
    return count == 0 ? (struct weir_offset_index_entry){0, 0} : index->items[count - 1];
}

bool weir_offset_index_at_or_after(const struct weir_offset_index *index, int64_t file_pos,
                                   struct weir_offset_index_entry *out)
{
    size_t low = 0;
    size_t high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->items[middle].file_pos < file_pos)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == index->count)
        return false;
    *out = index->items[low];
    return true;
}

void weir_offset_index_drop(struct weir_offset_index *index, struct weir_offset_index_entry entry)
{
    size_t at = count_below(index, entry.relative_offset);
    if (at == index->count || index->items[at].relative_offset != entry.relative_offset ||
        index->items[at].file_pos != entry.file_pos)
        return;
    index->count--;
    memmove(&index->items[at], &index->items[at + 1],
            (index->count - at) * sizeof(index->items[0]));
    if (index->written_count > at)
        index->written_count = at;
    index->is_unsynced = true;
}

void weir_offset_index_truncate(struct weir_offset_index *index, int64_t relative_offset)
{
    index->count = count_below(index, relative_offset);
    if (index->written_count > index->count)
        index->written_count = index->count;
}

enum weir_status weir_offset_index_read(struct weir_env *env, const char *path,
                                        int64_t segment_bytes, struct weir_offset_index *out,
                                        struct weir_detail *detail)
{
    struct weir_buf bytes = {0};
    struct weir_offset_index index = {0};
    enum weir_status status =
        weir_index_file_read(env, path, WEIR_OFFSET_INDEX_ENTRY_BYTES, &bytes, detail);
    for (size_t at = 0; status == WEIR_OK && at < bytes.size; at += WEIR_OFFSET_INDEX_ENTRY_BYTES) {
        int32_t file_pos = weir_get_i32(bytes.data + at + 4);
        /* Zeros are what an index looks like that was never cut to its length. */
        status = file_pos >= segment_bytes || file_pos == 0
                     ? WEIR_INVALID
                     : weir_offset_index_append(&index, weir_get_i32(bytes.data + at), file_pos);
        if (status == WEIR_INVALID) {
            weir_detail_set(detail, "%s: entry %zu is out of order or beyond the segment", path,
                            at / WEIR_OFFSET_INDEX_ENTRY_BYTES);
            status = WEIR_CORRUPT;
        }
    }
    weir_buf_done(&bytes);
    if (status != WEIR_OK) {
        weir_offset_index_done(&index);
        return status;
    }
    index.written_count = index.count;
    *out = index;
    return WEIR_OK;
}

enum weir_status weir_offset_index_write(struct weir_env *env, const char *path,
                                         struct weir_offset_index *index, bool sync,
                                         struct weir_detail *detail)
{
    struct weir_buf tail = {0};
    for (size_t i = index->written_count; i < index->count; i++) {
        uint8_t *at = weir_buf_extend(&tail, WEIR_OFFSET_INDEX_ENTRY_BYTES);
        if (at == NULL)
            break;
        weir_put_i32(at, index->items[i].relative_offset);
        weir_put_i32(at + 4, index->items[i].file_pos);
    }
    enum weir_status status = weir_buf_status(&tail);
    if (status == WEIR_OK)
        status =
            weir_index_file_write(env, path, weir_buf_slice(&tail),
                                  (uint64_t)index->written_count * WEIR_OFFSET_INDEX_ENTRY_BYTES,
                                  sync, &index->is_unsynced, detail);
    if (status == WEIR_OK)
        index->written_count = index->count;
    weir_buf_done(&tail);
    return status;
}
