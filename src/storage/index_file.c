/* SPDX-License-Identifier: Apache-2.0 */

#include "index_file_int.h"

#include "weir/runtime/file_util.h"

enum { INDEX_BYTES_MAX = 1 << 30 };

enum weir_status weir_index_file_read(struct weir_env *env, const char *path, size_t entry_bytes,
                                      struct weir_buf *out, struct weir_detail *detail)
{
    enum weir_status status = weir_file_read_all(env, path, INDEX_BYTES_MAX, out, detail);
    if (status == WEIR_OK && out->size % entry_bytes != 0) {
        weir_detail_set(detail, "%s has %zu bytes, no multiple of %zu", path, out->size,
                        entry_bytes);
        return WEIR_CORRUPT;
    }
    return status;
}

enum weir_status weir_index_file_write(struct weir_env *env, const char *path,
                                       struct weir_slice tail, uint64_t tail_pos, bool sync,
                                       bool *io_unsynced, struct weir_detail *detail)
{
    struct weir_file *file = NULL;
    enum weir_status status = weir_file_open(
        env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, detail);
    if (status != WEIR_OK)
        return status;
    uint64_t size = 0;
    status = weir_file_size(env, file, &size, detail);
    if (tail.size > 0 || size > tail_pos)
        *io_unsynced = true;
    if (status == WEIR_OK && tail.size > 0)
        status = weir_file_write_at(env, file, &tail, 1, tail_pos, detail);
    if (status == WEIR_OK && size > tail_pos + tail.size)
        status = weir_file_truncate(env, file, tail_pos + tail.size, detail);
    if (status == WEIR_OK && sync && *io_unsynced) {
        status = weir_file_sync(env, file, true, detail);
        *io_unsynced = status != WEIR_OK;
    }
    weir_file_close(env, file);
    return status;
}
