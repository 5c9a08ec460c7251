/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/storage/txn_index.h"

#include "index_file_int.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"

void weir_txn_index_done(struct weir_txn_index *index)
{
    weir_free(index->items);
    memset(index, 0, sizeof(*index));
}

enum weir_status weir_txn_index_append(struct weir_txn_index *index,
                                       const struct weir_aborted_txn *txn)
{
    if (index->count > 0 && txn->last_offset <= index->items[index->count - 1].last_offset)
        return WEIR_INVALID;
    struct weir_aborted_txn *items =
        weir_grow(index->items, &index->capacity, index->count + 1, sizeof(index->items[0]));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    index->items = items;
    items[index->count++] = *txn;
    return WEIR_OK;
}

void weir_txn_index_truncate(struct weir_txn_index *index, int64_t offset)
{
    while (index->count > 0 && index->items[index->count - 1].last_offset >= offset)
        index->count--;
    if (index->written_count > index->count)
        index->written_count = index->count;
}

enum weir_status weir_txn_index_read(struct weir_env *env, const char *path,
                                     struct weir_txn_index *out, struct weir_detail *detail)
{
    struct weir_buf bytes = {0};
    struct weir_txn_index index = {0};
    enum weir_status status =
        weir_index_file_read(env, path, WEIR_TXN_INDEX_ENTRY_BYTES, &bytes, detail);
    if (status == WEIR_NOT_FOUND) {
        status = WEIR_OK;
        weir_detail_set(detail, "%s", "");
    }
    for (size_t at = 0; status == WEIR_OK && at < bytes.size; at += WEIR_TXN_INDEX_ENTRY_BYTES) {
        const uint8_t *entry = bytes.data + at;
        struct weir_aborted_txn txn = {.producer_id = weir_get_i64(entry + 2),
                                       .first_offset = weir_get_i64(entry + 10),
                                       .last_offset = weir_get_i64(entry + 18),
                                       .last_stable_offset = weir_get_i64(entry + 26)};
        status = weir_get_i16(entry) != 0 || txn.first_offset > txn.last_offset ||
                         txn.last_stable_offset - 1 > txn.last_offset
                     ? WEIR_INVALID
                     : weir_txn_index_append(&index, &txn);
        if (status == WEIR_INVALID) {
            weir_detail_set(detail, "%s: entry %zu is malformed or out of order", path,
                            at / WEIR_TXN_INDEX_ENTRY_BYTES);
            status = WEIR_CORRUPT;
        }
    }
    weir_buf_done(&bytes);
    if (status != WEIR_OK) {
        weir_txn_index_done(&index);
        return status;
    }
    index.written_count = index.count;
    *out = index;
    return WEIR_OK;
}

enum weir_status weir_txn_index_write(struct weir_env *env, const char *path,
                                      struct weir_txn_index *index, bool sync,
                                      struct weir_detail *detail)
{
    struct weir_buf tail = {0};
    for (size_t i = index->written_count; i < index->count; i++) {
        uint8_t *at = weir_buf_extend(&tail, WEIR_TXN_INDEX_ENTRY_BYTES);
        if (at == NULL)
            break;
        const struct weir_aborted_txn *txn = &index->items[i];
        weir_put_i16(at, 0);
        weir_put_i64(at + 2, txn->producer_id);
        weir_put_i64(at + 10, txn->first_offset);
        weir_put_i64(at + 18, txn->last_offset);
        weir_put_i64(at + 26, txn->last_stable_offset);
    }
    enum weir_status status = weir_buf_status(&tail);
    if (status == WEIR_OK)
        status = weir_index_file_write(env, path, weir_buf_slice(&tail),
                                       (uint64_t)index->written_count * WEIR_TXN_INDEX_ENTRY_BYTES,
                                       sync, &index->is_unsynced, detail);
    if (status == WEIR_OK)
        index->written_count = index->count;
    weir_buf_done(&tail);
    return status;
}
