/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The steps of one move.
 *
 *  copy      batches from the current log's start to its end, as they are
 *  flush     all that was copied (writers go on meanwhile, so a little more is to be copied after)
 *  record    where the partition is going to be, in the metadata
 *  take over with writers held: copies the rest, renames "-future" to the partition's own name, and
 *            the logs change places in the table and for the writers
 *  finish    flushes the new log and its name, writes its directory's checkpoints, and only then
 *            renames the old one "-delete" (V1)
 *
 * A crash before the rename leaves current + future, one after it current + current; either way the
 * next start finds the log that has everything (log_manager_future.c).
 */

#include "log_move_int.h"

#include "weir/base/buf.h"
#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <stdio.h>

enum {
    REST_BYTES_MAX = 1 << 20, /* copied while writers are held */
    CLEANER_WAIT_MS = 20,
    SPACE_WAIT_MS = 5000
};

/* --- Copying. --- */

/* Cuts the read to whole batches that the future log does not have, and tells where they begin. */
static void trim(struct weir_buf *bytes, int64_t from_offset, struct weir_slice *out,
                 int64_t *out_base_offset)
{
    struct weir_batch_iter iter;
    struct weir_batch batch;
    size_t skipped = 0;
    size_t whole = 0;
    *out_base_offset = -1;
    weir_batch_iter_init(&iter, weir_buf_slice(bytes));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        whole += batch.bytes.size;
        if (batch.last_offset < from_offset)
            skipped = whole;
        else if (*out_base_offset < 0)
            *out_base_offset = batch.base_offset;
    }
    *out = weir_slice_of(bytes->data + skipped, whole - skipped);
}

static enum weir_status read_piece(struct log_move *move, int64_t offset, size_t bytes_max,
                                   struct weir_buf *out, struct weir_detail *detail)
{
    struct weir_log_read read;
    struct weir_log_config config;
    weir_partition_log_config(move->current, &config);
    if (bytes_max > (size_t)config.segment_bytes)
        bytes_max = (size_t)config.segment_bytes; /* what one append may have */
    struct weir_log_read_options options = {.offset = offset,
                                            .bytes_max = bytes_max,
                                            .limit = WEIR_LOG_READ_TO_LOG_END,
                                            .min_one_batch = true};
    enum weir_status status = weir_partition_log_read(move->current, &options, &read, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_log_read_copy(move->mover->options.env, &read, out, detail);
    weir_log_read_done(&read);
    return status;
}

/* The future log begins with the batch that holds the log start offset, wherever that begins. */
static enum weir_status begin_at(struct log_move *move, int64_t base_offset, int64_t log_start,
                                 struct weir_detail *detail)
{
    int64_t end_offset = weir_partition_log_end_offset(move->future);
    bool is_empty = weir_partition_log_size(move->future) == 0;
    if (end_offset == base_offset || (!is_empty && end_offset >= log_start))
        return WEIR_OK;
    return weir_partition_log_truncate_fully(move->future, base_offset, detail);
}

/* *out_bytes is 0 when there was nothing to copy. */
static enum weir_status copy_piece(struct log_move *move, size_t bytes_max, size_t *out_bytes,
                                   struct weir_detail *detail)
{
    struct weir_buf bytes = {0};
    struct weir_slice batches;
    struct weir_log_append_result result;
    int64_t base_offset = -1;
    struct weir_partition_log_offsets current;
    weir_partition_log_offsets(move->current, &current);
    int64_t end_offset = weir_partition_log_end_offset(move->future);
    *out_bytes = 0;
    if (end_offset > current.log_end_offset) { /* it was truncated */
        bool has_cut;
        return weir_partition_log_truncate_to(move->future, current.log_end_offset, &has_cut,
                                              detail);
    }
    if (current.log_start_offset == current.log_end_offset && end_offset < current.log_end_offset)
        return weir_partition_log_truncate_fully(move->future, current.log_end_offset, detail);
    if (end_offset == current.log_end_offset)
        return WEIR_OK;
    int64_t from = end_offset > current.log_start_offset ? end_offset : current.log_start_offset;
    enum weir_status status = read_piece(move, from, bytes_max, &bytes, detail);
    if (status == WEIR_OK) {
        trim(&bytes, from, &batches, &base_offset);
        if (base_offset < 0) {
            weir_detail_set(detail, "no batch at offset %lld", (long long)from);
            status = WEIR_CORRUPT;
        }
    }
    if (status == WEIR_OK)
        status = begin_at(move, base_offset, current.log_start_offset, detail);
    if (status == WEIR_OK)
        status = weir_partition_log_append_raw(move->future, batches, WEIR_APPEND_REPLICATION,
                                               &result, detail);
    if (status == WEIR_OK)
        *out_bytes = batches.size;
    else if (status == WEIR_OFFSET_OUT_OF_RANGE)
        status = WEIR_OK; /* retention was faster; the next piece begins behind it */
    weir_buf_done(&bytes);
    return status;
}

/* --- Taking over. --- */

struct take_over {
    struct log_move *move;
    size_t from_dir;
    size_t to_dir;
};

static enum weir_status copy_rest(struct log_move *move, struct weir_detail *detail)
{
    size_t copied = 0;
    size_t piece;
    do {
        enum weir_status status = copy_piece(move, REST_BYTES_MAX, &piece, detail);
        if (status != WEIR_OK)
            return status;
        copied += piece;
        if (copied > 2 * (size_t)REST_BYTES_MAX)
            return WEIR_BUSY;
    } while (weir_partition_log_end_offset(move->future) !=
             weir_partition_log_end_offset(move->current));
    return WEIR_OK;
}

/* The table's side: the future log's reference is now that of the log. */
static enum weir_status exchange_entry(struct log_move *move, struct take_over *take)
{
    struct weir_log_manager *manager = move->mover->options.manager;
    weir_lock_take(&manager->lock);
    struct log_entry *entry =
        weir_map_get(&manager->logs, WEIR_KEY(*weir_partition_log_key(move->current)));
    bool is_ours = entry != NULL && entry->log == move->current && entry->future == move->future;
    if (is_ours) {
        take->from_dir = entry->dir_index;
        take->to_dir = entry->future_dir_index;
        entry->log = move->future;
        entry->dir_index = take->to_dir;
        entry->future = NULL;
        entry->may_not_clean = false;
        entry->is_settling = true;
        if (move->cleaned_offset < entry->cleaned_offset)
            entry->cleaned_offset = move->cleaned_offset;
    }
    weir_lock_release(&manager->lock);
    if (is_ours)
        weir_partition_log_unref(move->current); /* the table's; the move has its own */
    return is_ours ? WEIR_OK : WEIR_NOT_FOUND;
}

static void paths(struct log_move *move, char from[4096], char to[WEIR_SEGMENT_PATH_BYTES])
{
    char name[WEIR_PARTITION_DIR_BYTES];
    weir_partition_dir_name(weir_partition_log_key(move->future), name);
    weir_partition_log_dir(move->future, from);
    const char *slash = strrchr(from, '/');
    (void)snprintf(to, WEIR_SEGMENT_PATH_BYTES, "%.*s/%s", slash == NULL ? 0 : (int)(slash - from),
                   from, name);
}

/* Writers are held. */
static enum weir_status take_over(void *argument, struct weir_detail *detail)
{
    struct take_over *take = argument;
    struct log_move *move = take->move;
    char from[4096];
    char to[WEIR_SEGMENT_PATH_BYTES];
    enum weir_status status = copy_rest(move, detail);
    if (status != WEIR_OK)
        return status;
    paths(move, from, to);
    status = weir_partition_log_rename_unused(move->future, to, detail);
    if (status == WEIR_OK)
        status = weir_partition_log_hand_over(move->current, move->future, detail);
    if (status == WEIR_OK)
        return exchange_entry(move, take);
    struct weir_detail second;
    if (strcmp(from, to) != 0 &&
        weir_partition_log_rename_unused(move->future, from, &second) == WEIR_OK)
        return status;
    return status;
}

static void fail_dir_of(struct log_move *move, size_t dir_index, const struct weir_detail *why)
{
    weir_log_manager_dir_failed(&move->mover->options.manager->dirs[dir_index], why);
}

static enum weir_status write_checkpoints(struct weir_log_manager *manager, size_t dir_index,
                                          struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT && status == WEIR_OK; kind++)
        status = weir_log_manager_write_checkpoint(manager, dir_index, (enum checkpoint_kind)kind,
                                                   detail);
    /* Without space or memory the old ones stay, which know less. */
    return status == WEIR_NO_SPACE || status == WEIR_NO_MEMORY ? WEIR_OK : status;
}

static void tell(const struct log_move *move, const char *event, const struct weir_detail *why)
{
    const struct weir_topic_partition *key = weir_partition_log_key(move->current);
    char dir[4096];
    weir_partition_log_dir(move->future, dir);
    if (why == NULL)
        WEIR_LOG_INFO(move->mover->options.log, event, WEIR_STR("topic", key->topic),
                      WEIR_I64("partition", key->partition), WEIR_STR("dir", dir));
    else
        WEIR_LOG_WARN(move->mover->options.log, event, WEIR_STR("topic", key->topic),
                      WEIR_I64("partition", key->partition), WEIR_STR("dir", dir),
                      WEIR_STR("why", why->text));
}

/* What stays by the old name is settled by the next start, so its directory must not count as
 * clean: Apache Kafka would find the partition twice. */
static void drop_old(struct log_move *move, size_t dir_index)
{
    struct weir_log_manager *manager = move->mover->options.manager;
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_log_manager_discard(manager, move->current, dir_index, &detail);
    if (status != WEIR_OK) {
        manager->dirs[dir_index].has_unfinished = true;
        tell(move, "old_log_not_deleted", &detail);
        return;
    }
    status = weir_dir_sync(manager->env, manager->dirs[dir_index].path, &detail);
    if (status == WEIR_OK)
        status = write_checkpoints(manager, dir_index, &detail);
    if (status != WEIR_OK)
        fail_dir_of(move, dir_index, &detail);
}

/* The new log is in place; the old one goes when the new one is durable. */
static void finish(struct log_move *move, const struct take_over *take)
{
    struct weir_log_manager *manager = move->mover->options.manager;
    const struct weir_log_mover_options *options = &move->mover->options;
    struct weir_detail detail = {{0}};
    char dir[4096];
    weir_partition_log_dir(move->future, dir);
    enum weir_status status = weir_partition_log_snapshot_now(move->future, &detail);
    if (status == WEIR_OK || status == WEIR_NO_SPACE || status == WEIR_NO_MEMORY)
        status = weir_partition_log_flush(move->future, true, &detail);
    if (status == WEIR_OK)
        status = weir_dir_sync(manager->env, dir, &detail);
    if (status == WEIR_OK)
        status = weir_dir_sync_parent(manager->env, dir, &detail);
    if (status == WEIR_OK)
        status = write_checkpoints(manager, take->to_dir, &detail);
    if (status != WEIR_OK) {
        fail_dir_of(move, take->to_dir, &detail); /* the old one stays for the next start */
        return;
    }
    tell(move, "partition_moved", NULL);
    drop_old(move, take->from_dir);
    if (options->moved != NULL)
        options->moved(options->context, weir_partition_log_key(move->future),
                       weir_partition_log_topic_id(move->future),
                       manager->dirs[take->to_dir].properties.directory_id);
}

/* --- One step. --- */

static bool is_wanted(struct log_move *move)
{
    struct weir_log_manager *manager = move->mover->options.manager;
    weir_lock_take(&manager->lock);
    const struct log_entry *entry =
        weir_map_get(&manager->logs, WEIR_KEY(*weir_partition_log_key(move->current)));
    bool is_ours = entry != NULL && entry->log == move->current && entry->future == move->future;
    weir_lock_release(&manager->lock);
    return is_ours && !weir_partition_log_has_failed(move->current) &&
           !weir_partition_log_has_failed(move->future);
}

/* From now on nobody begins to clean; true when nobody does, and when nothing of a move before this
 * one is left that may have the name in the other directory. */
static bool hold_cleaner(struct log_move *move, bool is_held)
{
    struct weir_log_manager *manager = move->mover->options.manager;
    bool is_free = true;
    weir_lock_take(&manager->lock);
    struct log_entry *entry =
        weir_map_get(&manager->logs, WEIR_KEY(*weir_partition_log_key(move->current)));
    if (entry != NULL && entry->log == move->current) {
        entry->may_not_clean = is_held;
        is_free = !entry->is_cleaning && !entry->is_settling;
    }
    weir_lock_release(&manager->lock);
    return is_free;
}

static void has_settled(struct log_move *move)
{
    struct weir_log_manager *manager = move->mover->options.manager;
    weir_lock_take(&manager->lock);
    struct log_entry *entry =
        weir_map_get(&manager->logs, WEIR_KEY(*weir_partition_log_key(move->future)));
    if (entry != NULL && entry->log == move->future)
        entry->is_settling = false;
    weir_lock_release(&manager->lock);
}

static enum weir_status try_take_over(struct log_move *move, struct weir_detail *detail)
{
    const struct weir_log_mover_options *options = &move->mover->options;
    struct take_over take = {.move = move};
    if (!hold_cleaner(move, true))
        return WEIR_BUSY;
    enum weir_status status =
        options->exchange == NULL
            ? take_over(&take, detail)
            : options->exchange(options->context, weir_partition_log_key(move->current),
                                weir_partition_log_topic_id(move->current), take_over, &take,
                                move->future, detail);
    if (status == WEIR_OK) {
        finish(move, &take);
        has_settled(move);
    } else {
        (void)hold_cleaner(move, false);
    }
    return status;
}

/* Tells the metadata where the partition is going to be. */
static enum weir_status record(struct log_move *move, struct weir_detail *detail)
{
    const struct weir_log_mover_options *options = &move->mover->options;
    struct weir_log_manager *manager = options->manager;
    size_t dir_index = SIZE_MAX;
    if (options->moving == NULL)
        return WEIR_OK;
    weir_lock_take(&manager->lock);
    const struct log_entry *entry =
        weir_map_get(&manager->logs, WEIR_KEY(*weir_partition_log_key(move->current)));
    if (entry != NULL && entry->future == move->future)
        dir_index = entry->future_dir_index;
    weir_lock_release(&manager->lock);
    if (dir_index == SIZE_MAX)
        return WEIR_NOT_FOUND;
    enum weir_status status =
        options->moving(options->context, weir_partition_log_key(move->future),
                        weir_partition_log_topic_id(move->future),
                        manager->dirs[dir_index].properties.directory_id, detail);
    return status == WEIR_OK || status == WEIR_NOT_FOUND ? status : WEIR_BUSY;
}

/* Copies, flushes when the end is reached, and takes over when little came meanwhile. */
static enum weir_status advance(struct log_move *move, bool *out_is_done,
                                struct weir_detail *detail)
{
    size_t bytes = 0;
    enum weir_status status = copy_piece(move, weir_log_mover_piece(move->mover), &bytes, detail);
    if (status != WEIR_OK)
        return status;
    weir_log_mover_spend(move->mover, bytes);
    if (weir_partition_log_end_offset(move->future) != weir_partition_log_end_offset(move->current))
        return WEIR_OK;
    status = weir_partition_log_flush(move->future, true, detail);
    if (status == WEIR_OK && !move->is_recorded) {
        status = record(move, detail);
        move->is_recorded = status == WEIR_OK;
    }
    if (status == WEIR_OK)
        status = try_take_over(move, detail);
    *out_is_done = status == WEIR_OK;
    return status;
}

bool weir_log_move_step(struct log_move *move, int64_t *out_delay_ms)
{
    struct weir_detail detail = {{0}};
    bool is_done = false;
    *out_delay_ms = 0;
    if (!is_wanted(move))
        return false;
    enum weir_status status = advance(move, &is_done, &detail);
    if (is_done)
        return false;
    if (status == WEIR_OK)
        return true;
    if (status == WEIR_BUSY) {
        *out_delay_ms = CLEANER_WAIT_MS;
        return true;
    }
    if (status == WEIR_NO_SPACE || status == WEIR_NO_MEMORY || status == WEIR_LIMIT) {
        if (!move->has_said_full)
            tell(move, "move_waits", &detail);
        move->has_said_full = true;
        *out_delay_ms = SPACE_WAIT_MS;
        return true;
    }
    /* A failed directory has been told of; a log that was deleted needs no word. */
    if (is_wanted(move))
        tell(move, "move_given_up", &detail);
    return false;
}
