/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checkpoint files: a control batch with SnapshotHeader (and the voter set, if it is dynamic), data
 * batches with the whole state, a control batch with SnapshotFooter.  Offsets in it count from 0
 * and mean nothing outside.  Written as
 * "<name>.part" and renamed when durable, so a file without a footer is damage, not a crash.
 */

#include "control_records.h"
#include "quorum_int.h"

#include "weir/base/memory.h"

#include <stdlib.h>

/* A data batch of a checkpoint is closed at either of these. */
#define BATCH_BYTES_TARGET   ((size_t)1 << 20)
#define BATCH_RECORDS_TARGET 1000
#define BATCH_BYTES_MAX      ((size_t)64 << 20)

/* ---- Reading ---- */

static enum weir_status read_batch(struct weir_env *env, struct weir_file *file, uint64_t file_pos,
                                   uint64_t file_bytes, struct weir_buf *buf,
                                   struct weir_batch *out, struct weir_detail *detail)
{
    uint8_t head[WEIR_BATCH_OVERHEAD_BYTES];
    size_t got;
    enum weir_status status =
        weir_file_read_at(env, file, head, sizeof(head), file_pos, &got, detail);
    if (status != WEIR_OK)
        return status;
    size_t size;
    status = weir_batch_peek_size(weir_slice_of(head, got), &size, detail);
    if (status != WEIR_OK)
        return status;
    if (size > file_bytes - file_pos || size > BATCH_BYTES_MAX) {
        weir_detail_set(detail, "a batch of %zu bytes does not fit", size);
        return WEIR_CORRUPT;
    }
    weir_buf_clear(buf);
    uint8_t *into = weir_buf_extend(buf, size);
    if (into == NULL)
        return WEIR_NO_MEMORY; /* the buffer has no limit */
    status = weir_file_read_at(env, file, into, size, file_pos, &got, detail);
    if (status == WEIR_OK && got != size)
        status = WEIR_TRUNCATED;
    return status == WEIR_OK ? weir_batch_parse(weir_buf_slice(buf), out, detail) : status;
}

static enum weir_status read_batches(struct weir_env *env, struct weir_file *file,
                                     weir_quorum_apply *apply, void *context,
                                     struct weir_control_state *state, struct weir_detail *detail)
{
    uint64_t file_bytes;
    enum weir_status status = weir_file_size(env, file, &file_bytes, detail);
    struct weir_buf buf;
    weir_buf_init(&buf, 0);
    uint64_t file_pos = 0;
    while (status == WEIR_OK && file_pos < file_bytes) {
        struct weir_batch batch;
        status = read_batch(env, file, file_pos, file_bytes, &buf, &batch, detail);
        if (status == WEIR_OK && !state->seen_header && !weir_batch_is_control(&batch)) {
            weir_detail_set(detail, "there is no snapshot header");
            status = WEIR_CORRUPT;
        }
        if (status == WEIR_OK)
            status = weir_batch_replay(&batch, INT64_MIN, true, apply, context, state, detail);
        file_pos += buf.size;
    }
    weir_buf_done(&buf);
    if (status == WEIR_OK && (!state->seen_header || !state->seen_footer)) {
        weir_detail_set(detail, "the snapshot is not complete");
        status = WEIR_CORRUPT;
    }
    return status == WEIR_TRUNCATED ? WEIR_CORRUPT : status;
}

enum weir_status weir_checkpoint_read(struct weir_env *env, const char *path,
                                      weir_quorum_apply *apply, void *context,
                                      struct weir_control_state *state, struct weir_detail *detail)
{
    struct weir_file *file;
    enum weir_status status = weir_file_open(env, path, WEIR_OPEN_READ, &file, detail);
    if (status != WEIR_OK)
        return status;
    status = read_batches(env, file, apply, context, state, detail);
    weir_file_close(env, file);
    if (status != WEIR_OK)
        weir_detail_prefix(detail, "%s", path);
    return status;
}

enum weir_status weir_quorum_read_checkpoint(struct weir_env *env, const char *path,
                                             weir_quorum_apply *apply, void *context,
                                             struct weir_detail *detail)
{
    struct weir_control_state state = {0};
    return weir_checkpoint_read(env, path, apply, context, &state, detail);
}

/* ---- Writing ---- */

static void writer_done(struct weir_checkpoint_writer *writer)
{
    weir_file_close(writer->env, writer->file);
    weir_buf_done(&writer->bodies);
    weir_free(writer->waiting);
    writer->file = NULL;
    writer->waiting = NULL;
}

static enum weir_status write_out(struct weir_checkpoint_writer *writer, const struct weir_buf *buf,
                                  struct weir_detail *detail)
{
    struct weir_slice part = weir_buf_slice(buf);
    enum weir_status status =
        weir_file_write_at(writer->env, writer->file, &part, 1, writer->file_pos, detail);
    if (status == WEIR_OK)
        writer->file_pos += part.size;
    return status;
}

static enum weir_status write_control(struct weir_checkpoint_writer *writer,
                                      struct weir_control_batch batch, struct weir_detail *detail)
{
    batch.base_offset = writer->next_offset;
    batch.epoch = writer->epoch;
    batch.timestamp_ms = writer->timestamp_ms;
    batch.options = writer->options;
    struct weir_buf buf;
    weir_buf_init(&buf, 0);
    int32_t count;
    enum weir_status status = weir_control_batch_write(&batch, &buf, &count);
    if (status == WEIR_OK)
        status = write_out(writer, &buf, detail);
    weir_buf_done(&buf);
    writer->next_offset += count;
    return status;
}

enum weir_status weir_checkpoint_writer_open(struct weir_env *env, const char *path, int32_t epoch,
                                             int64_t last_contained_ms, bool with_voters,
                                             const struct weir_quorum_options *options,
                                             struct weir_checkpoint_writer *out,
                                             struct weir_detail *detail)
{
    *out = (struct weir_checkpoint_writer){.env = env, .epoch = epoch, .options = options};
    weir_buf_init(&out->bodies, 0);
    out->timestamp_ms = weir_env_wall_ms(env);
    enum weir_status status = weir_quorum_path(out->path, detail, "%s", path);
    if (status == WEIR_OK)
        status = weir_quorum_path(out->part_path, detail, "%s.part", path);
    if (status == WEIR_OK)
        status =
            weir_file_open(env, out->part_path,
                           WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE,
                           &out->file, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_control_batch header = {.snapshot_header = true,
                                        .last_contained_ms = last_contained_ms,
                                        .kraft_version = with_voters,
                                        .voters = with_voters};
    status = write_control(out, header, detail);
    if (status != WEIR_OK)
        weir_checkpoint_writer_abandon(out);
    return status;
}

static enum weir_status flush_waiting(struct weir_checkpoint_writer *writer,
                                      struct weir_detail *detail)
{
    if (writer->waiting_count == 0)
        return WEIR_OK;
    size_t at = 0; /* the bodies lie one behind the other; the buffer may have moved since they were
                      added */
    for (size_t i = 0; i < writer->waiting_count; i++) {
        writer->waiting[i].body.data = writer->bodies.data + at;
        at += writer->waiting[i].body.size;
    }
    struct weir_buf buf;
    weir_buf_init(&buf, 0);
    enum weir_status status =
        weir_data_batch_write(writer->waiting, writer->waiting_count, writer->next_offset,
                              writer->epoch, writer->timestamp_ms, &buf);
    if (status == WEIR_OK)
        status = write_out(writer, &buf, detail);
    weir_buf_done(&buf);
    writer->next_offset += (int64_t)writer->waiting_count;
    writer->waiting_count = 0;
    weir_buf_clear(&writer->bodies);
    return status;
}

enum weir_status weir_checkpoint_writer_add(struct weir_checkpoint_writer *writer,
                                            const struct weir_quorum_new_record *record,
                                            struct weir_detail *detail)
{
    if (writer->waiting_count >= BATCH_RECORDS_TARGET ||
        writer->bodies.size >= BATCH_BYTES_TARGET) {
        enum weir_status status = flush_waiting(writer, detail);
        if (status != WEIR_OK)
            return status;
    }
    struct weir_quorum_new_record *grown = weir_grow(writer->waiting, &writer->waiting_capacity,
                                                     writer->waiting_count + 1, sizeof(*grown));
    if (grown == NULL)
        return WEIR_NO_MEMORY;
    writer->waiting = grown;
    weir_buf_append_slice(&writer->bodies, record->body);
    if (weir_buf_status(&writer->bodies) != WEIR_OK)
        return weir_buf_status(&writer->bodies);
    writer->waiting[writer->waiting_count++] = *record;
    return WEIR_OK;
}

static enum weir_status sync_parent(struct weir_env *env, const char *path,
                                    struct weir_detail *detail)
{
    char parent[WEIR_QUORUM_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(parent, path, size);
    parent[size] = '\0';
    return weir_dir_sync(env, size == 0 ? (slash == NULL ? "." : "/") : parent, detail);
}

enum weir_status weir_checkpoint_writer_finish(struct weir_checkpoint_writer *writer,
                                               struct weir_detail *detail)
{
    enum weir_status status = flush_waiting(writer, detail);
    if (status == WEIR_OK)
        status =
            write_control(writer, (struct weir_control_batch){.snapshot_footer = true}, detail);
    if (status == WEIR_OK)
        status = weir_file_sync(writer->env, writer->file, true, detail);
    if (status == WEIR_OK)
        status = weir_path_rename(writer->env, writer->part_path, writer->path, detail);
    if (status != WEIR_OK) {
        weir_checkpoint_writer_abandon(writer);
        return status;
    }
    writer_done(writer);
    return sync_parent(writer->env, writer->path, detail);
}

void weir_checkpoint_writer_abandon(struct weir_checkpoint_writer *writer)
{
    writer_done(writer);
    /* A .part file that stays is removed at the next start. */
    enum weir_status ignored = weir_path_remove(writer->env, writer->part_path, NULL);
    (void)ignored;
}

enum weir_status weir_quorum_write_bootstrap(struct weir_env *env, const char *path,
                                             const struct weir_quorum_new_record *records,
                                             size_t count, struct weir_detail *detail)
{
    struct weir_checkpoint_writer writer;
    enum weir_status status =
        weir_checkpoint_writer_open(env, path, 0, 0, false, NULL, &writer, detail);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; i < count && status == WEIR_OK; i++)
        status = weir_checkpoint_writer_add(&writer, &records[i], detail);
    if (status != WEIR_OK) {
        weir_checkpoint_writer_abandon(&writer);
        return status;
    }
    return weir_checkpoint_writer_finish(&writer, detail);
}

enum weir_status weir_quorum_write_first_voters(const struct weir_quorum_options *options,
                                                struct weir_detail *detail)
{
    char path[WEIR_QUORUM_PATH_BYTES];
    enum weir_status status =
        weir_quorum_path(path, detail, "%s/" WEIR_METADATA_DIR, options->metadata_dir);
    if (status != WEIR_OK)
        return status;
    status = weir_dir_make(options->env, path, detail);
    if (status != WEIR_OK && status != WEIR_EXISTS)
        return status;
    status = weir_quorum_path(path, detail, "%s/" WEIR_METADATA_DIR "/%020d-%010d.checkpoint",
                              options->metadata_dir, 0, 0);
    if (status != WEIR_OK)
        return status;
    struct weir_checkpoint_writer writer;
    status = weir_checkpoint_writer_open(options->env, path, 0, weir_env_wall_ms(options->env),
                                         true, options, &writer, detail);
    return status == WEIR_OK ? weir_checkpoint_writer_finish(&writer, detail) : status;
}
