/* SPDX-License-Identifier: Apache-2.0 */

/* Index files, entry by entry. */

#include "inspect_int.h"

enum weir_status entries_open(struct entry_reader *reader, struct weir_env *env, const char *path,
                              size_t entry_bytes, struct weir_detail *detail)
{
    memset(reader, 0, sizeof(*reader));
    reader->env = env;
    reader->entry_bytes = entry_bytes;
    enum weir_status status = weir_file_open(env, path, WEIR_OPEN_READ, &reader->file, detail);
    if (status == WEIR_OK)
        status = weir_file_size(env, reader->file, &reader->file_bytes, detail);
    if (status != WEIR_OK)
        entries_close(reader);
    return status;
}

void entries_close(struct entry_reader *reader)
{
    weir_file_close(reader->env, reader->file);
    reader->file = NULL;
}

const uint8_t *entries_next(struct entry_reader *reader)
{
    if (reader->file == NULL || reader->has_failed)
        return NULL;
    if (reader->buffer_at == reader->buffer_size) {
        size_t size = sizeof(reader->buffer) / reader->entry_bytes * reader->entry_bytes;
        reader->buffer_at = 0;
        reader->buffer_size = 0;
        if (weir_file_read_at(reader->env, reader->file, reader->buffer, size, reader->file_pos,
                              &reader->buffer_size, &reader->detail) != WEIR_OK) {
            reader->buffer_size = 0;
            reader->has_failed = true;
            return NULL;
        }
    }
    if (reader->buffer_size - reader->buffer_at < reader->entry_bytes)
        return NULL;
    const uint8_t *entry = reader->buffer + reader->buffer_at;
    reader->buffer_at += reader->entry_bytes;
    reader->file_pos += reader->entry_bytes;
    return entry;
}
