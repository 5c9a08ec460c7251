/* SPDX-License-Identifier: Apache-2.0 */
#include "log_story.h"

#include "check.h"

#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"

#include <stdlib.h>
#include <string.h>

#define DIR             "/data"
#define DIR_2           "/more"
#define PRODUCER_ID     7
#define FIRST_MS        INT64_C(1699999000000)
#define VALUE_BYTES_MAX 2000
#define RECORDS_MAX     5
#define NODE_ID         1
#define READ_BYTES      4096

/* ---- Choices and content ---- */

uint64_t log_story_random(struct log_story *story, uint64_t below)
{
    uint64_t z = (story->seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static int64_t time_of(uint64_t id)
{
    return FIRST_MS + (int64_t)id * 1000;
}

static size_t fill_value(uint64_t id, int index, size_t size, uint8_t out[VALUE_BYTES_MAX])
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(id * 31 + (uint64_t)index * 7 + i * 13);
    return size;
}

static void build(uint64_t id, int64_t sequence, int record_count, size_t value_bytes,
                  struct weir_buf *out)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.producer_id = PRODUCER_ID;
    options.producer_epoch = 0;
    options.base_sequence = (int32_t)sequence;
    struct weir_batch_builder *builder = NULL;
    CHECK(weir_batch_builder_new(&options, out, &builder) == WEIR_OK);
    for (int i = 0; i < record_count; i++) {
        char key[48];
        uint8_t value[VALUE_BYTES_MAX];
        (void)snprintf(key, sizeof(key), "%llu/%d/%d/%zu", (unsigned long long)id, i, record_count,
                       value_bytes);
        struct weir_record_data record = {
            .timestamp = time_of(id),
            .key = weir_slice_str(key),
            .value = weir_slice_of(value, fill_value(id, i, value_bytes, value)),
        };
        weir_batch_builder_add(builder, &record);
    }
    CHECK(weir_batch_builder_finish(builder) == WEIR_OK);
    weir_batch_builder_free(builder);
}

/* The id of a batch that was found; its records are what build() made of that id. */
static uint64_t judge_batch(const struct weir_batch *batch)
{
    struct weir_detail detail = {{0}};
    CHECK_OK(weir_batch_check(batch, &detail), detail);
    struct weir_record_iter *iter = NULL;
    CHECK_OK(weir_record_iter_new(batch, NULL, &iter, &detail), detail);
    unsigned long long id = 0;
    for (int i = 0; i < batch->record_count; i++) {
        struct weir_record record;
        char key[48] = "";
        unsigned long long found_id = 0;
        int index = -1, count = 0;
        size_t value_bytes = 0;
        uint8_t value[VALUE_BYTES_MAX];
        CHECK_OK(weir_record_iter_next(iter, &record, &detail), detail);
        CHECK(record.key.size < sizeof(key));
        memcpy(key, record.key.data, record.key.size);
        CHECK(sscanf(key, "%llu/%d/%d/%zu", &found_id, &index, &count, &value_bytes) == 4);
        CHECK(i == 0 || found_id == id, "batch at %lld", (long long)batch->base_offset);
        id = found_id;
        CHECK(index == i && count == batch->record_count && value_bytes <= VALUE_BYTES_MAX);
        fill_value(id, i, value_bytes, value);
        CHECK(weir_slice_equal(record.value, weir_slice_of(value, value_bytes)));
        CHECK(record.timestamp == time_of(id) && record.offset == batch->base_offset + i);
    }
    weir_record_iter_free(iter);
    CHECK(batch->base_sequence == (int32_t)batch->base_offset, "batch at %lld has sequence %d",
          (long long)batch->base_offset, batch->base_sequence);
    return id;
}

/* ---- Life ---- */

void log_story_init(struct log_story *story, uint64_t seed)
{
    *story = (struct log_story){.seed = seed, .next_id = 1, .dir_count = 1};
    story->world = false_env_new(seed);
    story->env = false_env_env(story->world);
    story->config = weir_log_config_default();
    story->config.segment_bytes = 4096;
    story->config.segment_index_bytes = 240;
    story->config.index_interval_bytes = 400;
    story->config.message_bytes_max = 1 << 20;
    story->config.retention_ms = -1;
}

static void drop(struct log_story *story)
{
    weir_log_mover_free(story->mover);
    weir_partition_log_unref(story->log);
    weir_log_manager_free(story->manager);
    story->mover = NULL;
    story->log = NULL;
    story->manager = NULL;
}

void log_story_done(struct log_story *story)
{
    drop(story);
    false_env_free(story->world);
    weir_free(story->told);
    *story = (struct log_story){0};
}

static struct weir_topic_partition story_key(void)
{
    struct weir_topic_partition key;
    CHECK(weir_topic_partition_make(WEIR_SLICE("topic"), 0, &key) == WEIR_OK);
    return key;
}

/* For looking into a failing round. */
static void print_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    (void)level;
    (void)fprintf(stderr, "%.*s\n", (int)size, line);
}

static void trace(const struct log_story *story, const char *what, enum weir_status status)
{
    if (getenv("WEIR_STORY_LOG") != NULL)
        (void)fprintf(stderr, "%s: %s, %zu told, %zu required, %zu flushed\n", what,
                      weir_status_name(status), story->told_count, story->required_count,
                      story->flushed_count);
}

static const struct weir_log story_log = {.sink = print_line, .level = WEIR_LOG_LEVEL_TRACE};

/* One directory: when it fails there is nothing else to tell. */
static void on_dir_failed(void *context, const char *dir, struct weir_uuid directory_id,
                          const struct weir_detail *detail)
{
    (void)context;
    (void)dir;
    (void)directory_id;
    (void)detail;
}

static void fill_config(void *context, const struct weir_topic_partition *key,
                        struct weir_log_config *out)
{
    (void)key;
    *out = ((struct log_story *)context)->config;
}

static struct weir_uuid recorded(void *context, const struct weir_topic_partition *key)
{
    (void)key;
    return ((struct log_story *)context)->recorded;
}

static enum weir_status moving(void *context, const struct weir_topic_partition *key,
                               struct weir_uuid topic_id, struct weir_uuid directory_id,
                               struct weir_detail *detail)
{
    (void)key;
    (void)topic_id;
    (void)detail;
    ((struct log_story *)context)->recorded = directory_id;
    return WEIR_OK;
}

/* As the broker does: the metadata is told where the partition is. */
static void record_directory(struct log_story *story)
{
    struct weir_topic_partition key = story_key();
    struct weir_log_dir_info info;
    weir_log_manager_dir(story->manager, (size_t)weir_log_manager_dir_of(story->manager, &key),
                         &info);
    story->recorded = info.directory_id;
}

static enum weir_status load(struct log_story *story, bool was_closed_cleanly)
{
    struct weir_log_manager_load_options options = {
        .config = fill_config, .recorded = recorded, .context = story};
    struct weir_log_manager_load_result result = {0};
    enum weir_status status =
        weir_log_manager_load(story->manager, &options, &result, &story->detail);
    if (status != WEIR_OK)
        return status;
    if (was_closed_cleanly)
        CHECK(result.cut_bytes == 0 && result.recovered_count == 0);
    struct weir_topic_partition key = story_key();
    struct weir_log_placement placement = {.must_exist = true,
                                           .has_directory = !weir_uuid_is_zero(story->recorded),
                                           .directory_id = story->recorded};
    status = weir_log_manager_create_in(story->manager, &key, weir_uuid_small(200), &story->config,
                                        &placement, &story->log, &story->detail);
    if (status != WEIR_OK)
        return status;
    struct weir_log_mover_options mover = {.env = story->env,
                                           .log =
                                               getenv("WEIR_STORY_LOG") != NULL ? &story_log : NULL,
                                           .manager = story->manager,
                                           .moving = moving,
                                           .context = story};
    record_directory(story);
    status = weir_log_mover_new(&mover, &story->mover, &story->detail);
    if (status != WEIR_OK)
        return status;
    weir_log_mover_resume(story->mover);
    return WEIR_OK;
}

enum weir_status log_story_open(struct log_story *story)
{
    const char *dirs[] = {DIR, DIR_2};
    struct weir_log_manager_options options = {
        .env = story->env,
        .log = getenv("WEIR_STORY_LOG") != NULL ? &story_log : NULL,
        .dirs = dirs,
        .dir_count = story->dir_count,
        .cluster_id = "AAAAAAAAAAAAAAAAAAAAAA",
        .node_id = NODE_ID,
        .defaults = story->config,
        .recovery_threads_per_dir = 1,
        .open_segment_files_max = 2, /* so that files are opened again all the time */
        .segment_index_bytes_max = 1,
        .on_dir_failed = on_dir_failed,
    };
    bool was_closed_cleanly = story->is_closed_cleanly;
    story->is_closed_cleanly = false; /* whatever happens now, the marker may be gone */
    enum weir_status status = weir_log_manager_open(&options, &story->manager, &story->detail);
    if (status != WEIR_OK) {
        trace(story, "open", status);
        return status;
    }
    struct weir_log_dir_info info;
    weir_log_manager_dir(story->manager, 0, &info);
    /* What cannot be read counts as unclean. */
    was_closed_cleanly = was_closed_cleanly && false_env_faults_hit(story->world) == 0;
    if (was_closed_cleanly)
        CHECK(info.was_clean, "the marker of a clean stop is not there");
    status = load(story, was_closed_cleanly);
    if (status != WEIR_OK)
        drop(story);
    trace(story, "open", status);
    return status;
}

/* ---- Steps ---- */

static int64_t told_end(const struct log_story *story)
{
    return story->told_count == 0 ? story->start_offset
                                  : story->told[story->told_count - 1].last_offset + 1;
}

static void tell(struct log_story *story, struct story_batch batch)
{
    struct story_batch *grown =
        weir_grow(story->told, &story->told_capacity, story->told_count + 1, sizeof(*story->told));
    CHECK(grown != NULL);
    story->told = grown;
    story->told[story->told_count++] = batch;
}

enum weir_status log_story_append(struct log_story *story, int record_count, size_t value_bytes)
{
    return log_story_append_with(story, record_count, value_bytes, -1);
}

enum weir_status log_story_append_with(struct log_story *story, int record_count,
                                       size_t value_bytes, long allocations)
{
    struct weir_buf bytes = {0};
    struct weir_checked_batch checked;
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT,
                                              .leader_epoch = story->epoch};
    struct weir_log_append_result result;
    CHECK(record_count <= RECORDS_MAX && value_bytes <= VALUE_BYTES_MAX);
    int64_t base = weir_partition_log_end_offset(story->log);
    uint64_t id = story->next_id++;
    build(id, base, record_count, value_bytes, &bytes);
    CHECK_OK(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, &story->detail),
             story->detail);
    weir_memory_fail_after(allocations);
    enum weir_status status =
        weir_partition_log_append(story->log, &checked, &options, &result, &story->detail);
    weir_memory_fail_after(-1);
    weir_checked_batch_done(&checked);
    weir_buf_done(&bytes);
    struct story_batch batch = {id, base, base + record_count - 1, story->epoch};
    if (status != WEIR_OK) {
        story->unsure = batch;
        return status;
    }
    CHECK(!result.is_duplicate && result.base_offset == base && base == told_end(story),
          "base offset %lld, log end %lld, expected %lld", (long long)result.base_offset,
          (long long)base, (long long)told_end(story));
    CHECK(result.last_offset == batch.last_offset);
    (void)weir_partition_log_set_high_watermark(story->log, INT64_MAX); /* the only replica */
    tell(story, batch);
    story->required_count = story->told_count;
    story->unsure = (struct story_batch){0}; /* it left no byte, or this would not be here */
    trace(story, "append", WEIR_OK);
    return WEIR_OK;
}

static size_t count_below(const struct log_story *story, int64_t offset)
{
    size_t count = 0;
    while (count < story->told_count && story->told[count].last_offset < offset)
        count++;
    return count;
}

enum weir_status log_story_flush(struct log_story *story, bool include_active)
{
    enum weir_status status = weir_partition_log_flush(story->log, include_active, &story->detail);
    int64_t point = weir_partition_log_recovery_point(story->log);
    if (status == WEIR_OK && include_active)
        CHECK(point == told_end(story), "recovery point %lld", (long long)point);
    /* What the log says to be durable has to be: it is what the checkpoint will say. */
    if (count_below(story, point) > story->flushed_count)
        story->flushed_count = count_below(story, point);
    trace(story, "flush", status);
    return status;
}

enum weir_status log_story_roll(struct log_story *story)
{
    enum weir_status status = weir_partition_log_roll(story->log, &story->detail);
    trace(story, "roll", status);
    return status;
}

enum weir_status log_story_truncate(struct log_story *story, size_t keep_batches)
{
    if (keep_batches >= story->told_count)
        return WEIR_OK;
    int64_t offset = story->told[keep_batches].base_offset;
    bool has_cut = false;
    if (offset < story->start_offset)
        return WEIR_OK;
    enum weir_status status =
        weir_partition_log_truncate_to(story->log, offset, &has_cut, &story->detail);
    if (story->required_count > keep_batches)
        story->required_count = keep_batches;
    if (story->flushed_count > keep_batches)
        story->flushed_count = keep_batches;
    if (status == WEIR_OK) {
        CHECK(has_cut);
        story->told_count = keep_batches;
        story->unsure = (struct story_batch){0};
    }
    trace(story, "truncate", status);
    return status;
}

enum weir_status log_story_delete_before(struct log_story *story, size_t batch)
{
    int64_t start = 0;
    if (batch >= story->told_count)
        return WEIR_OK;
    enum weir_status status =
        weir_partition_log_delete_records(story->log, story->told[batch].base_offset, &start);
    if (status == WEIR_OK)
        story->start_offset = start;
    trace(story, "delete", status);
    return status;
}

enum weir_status log_story_retain(struct log_story *story)
{
    struct weir_log_retention_result result;
    enum weir_status status = weir_partition_log_retain(story->log, &result, &story->detail);
    weir_log_manager_reap(story->manager);
    /* Whatever it came to, what is gone was meant to go. */
    if (weir_partition_log_start_offset(story->log) > story->start_offset)
        story->start_offset = weir_partition_log_start_offset(story->log);
    trace(story, "retain", status);
    return status;
}

enum weir_status log_story_move(struct log_story *story, bool back)
{
    struct weir_topic_partition key = story_key();
    int dir = weir_log_manager_dir_of(story->manager, &key);
    enum weir_status status = weir_log_mover_move(
        story->mover, &key, weir_slice_str((dir == 0) != back ? DIR_2 : DIR), &story->detail);
    trace(story, back ? "move back" : "move", status);
    return status;
}

bool log_story_turn(struct log_story *story)
{
    struct weir_topic_partition key = story_key();
    bool has_run = weir_log_mover_turn(story->mover);
    struct weir_partition_log *log = weir_log_manager_get(story->manager, &key);
    CHECK(log != NULL);
    if (log != story->log)
        trace(story, "moved", WEIR_OK);
    if (!weir_log_manager_is_moving(story->manager, &key))
        record_directory(story);
    weir_partition_log_unref(story->log);
    story->log = log;
    return has_run;
}

enum weir_status log_story_delete_topic(struct log_story *story)
{
    struct weir_topic_partition key = story_key();
    enum weir_status status = weir_log_manager_delete(story->manager, &key, &story->detail);
    weir_partition_log_unref(story->log);
    story->log = NULL;
    false_env_step_ms(story->world, story->config.file_delete_delay_ms + 1);
    weir_log_manager_reap(story->manager);
    weir_log_manager_checkpoint_recovery_points(story->manager);
    trace(story, "delete topic", status);
    return status;
}

void log_story_checkpoint(struct log_story *story)
{
    weir_log_manager_checkpoint_recovery_points(story->manager);
    weir_log_manager_checkpoint_log_starts(story->manager);
    weir_log_manager_checkpoint_high_watermarks(story->manager);
    trace(story, "checkpoint", WEIR_OK);
}

enum weir_status log_story_close(struct log_story *story)
{
    weir_log_mover_free(story->mover);
    story->mover = NULL;
    enum weir_status status = weir_log_manager_close(story->manager, 1, true, &story->detail);
    /* A directory that failed before is left alone. */
    if (status == WEIR_OK && weir_log_manager_offline_count(story->manager) == 0) {
        story->is_closed_cleanly = true;
        story->flushed_count = story->told_count;
    }
    drop(story);
    trace(story, "close", status);
    return status;
}

void log_story_crash(struct log_story *story, enum false_loss loss)
{
    /* A dead machine answers nothing more, whatever is tried on the way out. */
    false_env_set_fault(story->world, (struct false_fault){.calls = FALSE_CALL_ALL,
                                                           .nth = 1,
                                                           .and_all_after = true,
                                                           .status = WEIR_IO_ERROR});
    drop(story);
    trace(story, "crash", WEIR_OK);
    CHECK(false_env_open_files(story->world) == 0, "%zu files are still open",
          false_env_open_files(story->world));
    false_env_crash(story->world, loss);
}

/* ---- Judging ---- */

enum weir_status log_story_read(struct log_story *story, int64_t offset, struct weir_buf *out)
{
    struct weir_log_read_options options = {.offset = offset,
                                            .bytes_max = READ_BYTES,
                                            .limit = WEIR_LOG_READ_TO_LOG_END,
                                            .min_one_batch = true};
    struct weir_log_read read;
    enum weir_status status = weir_partition_log_read(story->log, &options, &read, &story->detail);
    if (status != WEIR_OK)
        return status;
    status = weir_log_read_copy(story->env, &read, out, &story->detail);
    weir_log_read_done(&read);
    return status;
}

/* For looking into a failing round. */
static void show(struct log_story *story)
{
    struct weir_segment_info *segments = NULL;
    size_t count = 0;
    char *tree = false_env_tree(story->world);
    if (weir_partition_log_segments(story->log, &segments, &count) != WEIR_OK)
        count = 0;
    (void)fprintf(stderr, "\n%s", tree);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(stderr, "segment %lld, %llu bytes\n", (long long)segments[i].base_offset,
                      (unsigned long long)segments[i].size_bytes);
    for (size_t i = 0; i < story->told_count; i++)
        (void)fprintf(stderr, "batch %llu at %lld\n", (unsigned long long)story->told[i].id,
                      (long long)story->told[i].base_offset);
    weir_free(segments);
    free(tree);
}

/* All batches from the log start offset on into *found. */
static size_t read_all(struct log_story *story, struct story_batch **found)
{
    size_t count = 0, capacity = 0;
    int64_t next = weir_partition_log_start_offset(story->log);
    int64_t end = weir_partition_log_end_offset(story->log);
    while (next < end) {
        struct weir_buf bytes = {0};
        struct weir_batch_iter iter;
        struct weir_batch batch;
        int64_t before = next;
        CHECK_OK(log_story_read(story, next, &bytes), story->detail);
        weir_batch_iter_init(&iter, weir_buf_slice(&bytes));
        while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
            if (batch.base_offset > next)
                show(story);
            CHECK(batch.base_offset == next || (count == 0 && batch.last_offset >= next),
                  "a gap: %lld follows %lld", (long long)batch.base_offset, (long long)next - 1);
            struct story_batch *grown =
                weir_grow(*found, &capacity, count + 1, sizeof(struct story_batch));
            CHECK(grown != NULL);
            *found = grown;
            grown[count++] = (struct story_batch){judge_batch(&batch), batch.base_offset,
                                                  batch.last_offset, batch.partition_leader_epoch};
            next = batch.last_offset + 1;
        }
        weir_buf_done(&bytes);
        if (next == before)
            show(story);
        CHECK(next > before, "nothing can be read at %lld, the log ends at %lld", (long long)before,
              (long long)end);
    }
    CHECK(next == end);
    return count;
}

void log_story_verify(struct log_story *story, bool was_power_loss)
{
    struct story_batch *found = NULL;
    size_t count = read_all(story, &found);
    int64_t start = weir_partition_log_start_offset(story->log);
    int64_t end = weir_partition_log_end_offset(story->log);
    size_t required = was_power_loss ? story->flushed_count : story->required_count;
    if (story->unsure.id != 0)
        tell(story, story->unsure);
    CHECK(start <= story->start_offset || count == 0 || start <= end, "log start %lld",
          (long long)start);
    size_t first = 0;
    while (first < story->told_count && story->told[first].last_offset < start)
        first++;
    CHECK(start <= story->start_offset || first == 0 || count == 0,
          "records from %lld on were never given up, the log begins at %lld",
          (long long)story->start_offset, (long long)start);
    for (size_t i = 0; i < count; i++) {
        CHECK(first + i < story->told_count, "batch %llu at %lld was never appended here",
              (unsigned long long)found[i].id, (long long)found[i].base_offset);
        const struct story_batch *told = &story->told[first + i];
        CHECK(found[i].id == told->id && found[i].base_offset == told->base_offset,
              "at %lld is batch %llu, not %llu", (long long)told->base_offset,
              (unsigned long long)found[i].id, (unsigned long long)told->id);
        int32_t epoch = weir_partition_log_epoch_for_offset(story->log, told->last_offset);
        CHECK(found[i].epoch == told->epoch && epoch == told->epoch,
              "the batch at %lld is of epoch %d and has %d, the log says %d",
              (long long)told->base_offset, told->epoch, found[i].epoch, epoch);
    }
    if (first + count < required)
        show(story);
    CHECK(first + count >= required, "%zu of %zu batches that were promised are there",
          first + count, required);
    weir_free(found);
    story->told_count = first + count;
    story->required_count = story->told_count;
    story->flushed_count = required < story->told_count ? required : story->told_count;
    story->start_offset = start;
    story->unsure = (struct story_batch){0};
    CHECK(told_end(story) == end || count == 0, "the log ends at %lld, its batches at %lld",
          (long long)end, (long long)told_end(story));
}

static void verify_offsets(struct log_story *story)
{
    for (size_t i = 0; i < story->told_count; i++) {
        const struct story_batch *batch = &story->told[i];
        struct weir_buf bytes = {0};
        struct weir_batch read;
        if (batch->base_offset < story->start_offset)
            continue;
        CHECK_OK(log_story_read(story, batch->last_offset, &bytes), story->detail);
        CHECK_OK(weir_batch_parse(weir_buf_slice(&bytes), &read, &story->detail), story->detail);
        CHECK(read.base_offset == batch->base_offset, "reading %lld gives the batch of %lld",
              (long long)batch->last_offset, (long long)read.base_offset);
        weir_buf_done(&bytes);
        struct weir_offset_and_time at;
        CHECK_OK(weir_partition_log_offset_for_timestamp(story->log, time_of(batch->id) - 1, &at,
                                                         &story->detail),
                 story->detail);
        CHECK(at.offset == batch->base_offset, "the time of %lld leads to %lld",
              (long long)batch->base_offset, (long long)at.offset);
    }
}

/* The producer sends its last batch once more, having seen no answer. */
static void verify_duplicate(struct log_story *story)
{
    if (story->told_count == 0 ||
        story->told[story->told_count - 1].base_offset < story->start_offset)
        return;
    struct story_batch last = story->told[story->told_count - 1];
    struct weir_buf bytes = {0};
    struct weir_checked_batch checked;
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    build(last.id, last.base_offset, (int)(last.last_offset - last.base_offset + 1), 10, &bytes);
    CHECK_OK(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, &story->detail),
             story->detail);
    CHECK_OK(weir_partition_log_append(story->log, &checked, &options, &result, &story->detail),
             story->detail);
    CHECK(result.is_duplicate && result.base_offset == last.base_offset,
          "the batch at %lld was written again at %lld", (long long)last.base_offset,
          (long long)result.base_offset);
    weir_checked_batch_done(&checked);
    weir_buf_done(&bytes);
}

void log_story_verify_use(struct log_story *story)
{
    verify_offsets(story);
    verify_duplicate(story);
    if (getenv("WEIR_STORY_LOG") != NULL)
        show(story);
    for (int i = 0; i < 3; i++)
        CHECK_OK(log_story_append(story, 2, 300), story->detail);
    log_story_verify(story, false);
    verify_offsets(story);
}
