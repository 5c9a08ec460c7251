/* SPDX-License-Identifier: Apache-2.0 */
#include "clean_story.h"

#include "check.h"

#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"

#include <stdlib.h>
#include <string.h>

#define DIR       "/data"
#define FIRST_PID 100

uint64_t clean_story_random(struct clean_story *story, uint64_t below)
{
    uint64_t z = (story->seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

/* A log whose recovery point has passed a segment: while it is 0 and nothing was compacted, which
 * is also what is known without checkpoints, a hole in a compacted log is not taken for a loss. */
static void begin(struct clean_story *story)
{
    CHECK_OK(clean_story_open(story), story->detail);
    CHECK_OK(clean_story_append(story), story->detail);
    CHECK_OK(clean_story_roll(story), story->detail);
    CHECK_OK(clean_story_append(story), story->detail);
    CHECK_OK(clean_story_flush(story), story->detail);
    CHECK_OK(clean_story_close(story), story->detail);
    clean_story_crash(story, FALSE_LOSS_PROCESS);
}

void clean_story_init(struct clean_story *story, uint64_t seed)
{
    *story = (struct clean_story){.seed = seed};
    story->world = false_env_new(seed);
    story->env = false_env_env(story->world);
    story->config = weir_log_config_default();
    story->config.segment_bytes = 1200;
    story->config.segment_index_bytes = 240;
    story->config.index_interval_bytes = 200;
    story->config.retention_ms = -1;
    story->config.cleanup_compact = true;
    story->config.cleanup_delete = false;
    story->config.delete_retention_ms = 5000;
    story->config.min_cleanable_dirty_ratio = 0.1;
    story->config.producer_id_expiration_ms = INT64_MAX / 2;
    begin(story);
}

static void drop(struct clean_story *story)
{
    weir_cleaner_free(story->cleaner);
    weir_partition_log_unref(story->log);
    weir_log_manager_free(story->manager);
    story->cleaner = NULL;
    story->log = NULL;
    story->manager = NULL;
}

void clean_story_done(struct clean_story *story)
{
    drop(story);
    false_env_free(story->world);
    weir_free(story->told);
}

static void on_dir_failed(void *context, const char *dir, struct weir_uuid directory_id,
                          const struct weir_detail *detail)
{
    (void)context;
    (void)dir;
    (void)directory_id;
    if (getenv("WEIR_STORY_LOG") != NULL)
        (void)fprintf(stderr, "directory failed: %s\n", detail->text);
}

static void fill_config(void *context, const struct weir_topic_partition *key,
                        struct weir_log_config *out)
{
    (void)key;
    *out = ((struct clean_story *)context)->config;
}

/* A small map, so that it is full at times. */
static void fill_cleaner_config(void *context, struct weir_cleaner_config *out)
{
    (void)context;
    out->map_bytes = 6 * 24;
    out->buffer_bytes = 1;
}

static void print_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    (void)level;
    (void)fprintf(stderr, "%.*s\n", (int)size, line);
}

static const struct weir_log story_log = {.sink = print_line, .level = WEIR_LOG_LEVEL_TRACE};

static enum weir_status load(struct clean_story *story, const struct weir_log *log)
{
    struct weir_topic_partition key;
    struct weir_log_manager_load_options options = {.config = fill_config, .context = story};
    struct weir_log_manager_load_result result = {0};
    enum weir_status status =
        weir_log_manager_load(story->manager, &options, &result, &story->detail);
    if (status != WEIR_OK)
        return status;
    CHECK(weir_topic_partition_make(WEIR_SLICE("topic"), 0, &key) == WEIR_OK);
    status = weir_log_manager_create(story->manager, &key, weir_uuid_small(200), &story->config,
                                     &story->log, &story->detail);
    if (status != WEIR_OK)
        return status;
    (void)weir_partition_log_set_high_watermark(story->log, INT64_MAX);
    struct weir_cleaner_options cleaner = {
        .env = story->env, .logs = story->manager, .log = log, .config = fill_cleaner_config};
    return weir_cleaner_new(&cleaner, &story->cleaner);
}

enum weir_status clean_story_open(struct clean_story *story)
{
    const char *dirs[] = {DIR};
    const struct weir_log *log = getenv("WEIR_STORY_LOG") != NULL ? &story_log : NULL;
    struct weir_log_manager_options options = {.env = story->env,
                                               .log = log,
                                               .dirs = dirs,
                                               .dir_count = 1,
                                               .node_id = 1,
                                               .defaults = story->config,
                                               .recovery_threads_per_dir = 1,
                                               .open_segment_files_max = 2,
                                               .segment_index_bytes_max = 1,
                                               .on_dir_failed = on_dir_failed};
    enum weir_status status = weir_log_manager_open(&options, &story->manager, &story->detail);
    if (status != WEIR_OK)
        return status;
    status = load(story, log);
    if (status != WEIR_OK)
        drop(story);
    return status;
}

/* ---- Steps ---- */

static void tell(struct clean_story *story, struct clean_record record)
{
    struct clean_record *told =
        weir_grow(story->told, &story->capacity, story->count + 1, sizeof(*told));
    CHECK(told != NULL);
    story->told = told;
    told[story->count++] = record;
}

static int32_t next_sequence(const struct clean_story *story, int producer)
{
    int32_t sequence = 0;
    for (size_t i = 0; i < story->count; i++)
        sequence += story->told[i].what == CLEAN_DATA && story->told[i].producer == producer;
    return sequence;
}

/* What was told before the write stays told unless the log says that it left no byte. */
static enum weir_status settle(struct clean_story *story, enum weir_status status, size_t before)
{
    if (status == WEIR_NO_SPACE)
        story->count = before;
    else if (status == WEIR_OK)
        story->acknowledged = story->count;
    (void)weir_partition_log_set_high_watermark(story->log, INT64_MAX);
    return status;
}

enum weir_status clean_story_append(struct clean_story *story)
{
    static const enum weir_codec codecs[] = {WEIR_CODEC_NONE, WEIR_CODEC_NONE, WEIR_CODEC_LZ4,
                                             WEIR_CODEC_GZIP};
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_batch_builder *builder = NULL;
    struct weir_buf bytes = {0};
    struct weir_checked_batch checked;
    size_t before = story->count;
    int producer = (int)clean_story_random(story, CLEAN_PRODUCERS + 2) - 2;
    bool is_txn = producer >= 0 && (story->is_open[producer] || clean_story_random(story, 3) == 0);
    int records = 1 + (int)clean_story_random(story, 4);
    options.codec = codecs[clean_story_random(story, 4)];
    if (producer >= 0) {
        options.producer_id = FIRST_PID + producer;
        options.producer_epoch = 0;
        options.base_sequence = next_sequence(story, producer);
        options.is_transactional = is_txn;
    }
    CHECK(weir_batch_builder_new(&options, &bytes, &builder) == WEIR_OK);
    for (int i = 0; i < records; i++) {
        char key[8];
        char value[128] = "";
        struct clean_record record = {.what = CLEAN_DATA,
                                      .key = (int)clean_story_random(story, CLEAN_KEYS),
                                      .is_tombstone = clean_story_random(story, 6) == 0,
                                      .producer = producer < 0 ? -1 : producer,
                                      .is_txn = is_txn,
                                      .timestamp = weir_env_wall_ms(story->env),
                                      .value = (uint32_t)clean_story_random(story, 1u << 30)};
        (void)snprintf(key, sizeof(key), "k%d", record.key);
        (void)snprintf(value, sizeof(value), "%-100u", record.value);
        struct weir_record_data data = {.timestamp = record.timestamp, .key = weir_slice_str(key)};
        if (!record.is_tombstone)
            data.value = weir_slice_str(value);
        weir_batch_builder_add(builder, &data);
        tell(story, record);
    }
    CHECK(weir_batch_builder_finish(builder) == WEIR_OK);
    weir_batch_builder_free(builder);
    CHECK_OK(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, &story->detail),
             story->detail);
    struct weir_log_append_options append = {.origin = WEIR_APPEND_CLIENT, .is_verified = true};
    struct weir_log_append_result result;
    enum weir_status status =
        weir_partition_log_append(story->log, &checked, &append, &result, &story->detail);
    CHECK(status != WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER, "%s", story->detail.text);
    CHECK(status != WEIR_OK || result.base_offset == (int64_t)before, "%lld where %zu was told",
          (long long)result.base_offset, before);
    weir_checked_batch_done(&checked);
    weir_buf_done(&bytes);
    status = settle(story, status, before);
    if (status == WEIR_OK && is_txn)
        story->is_open[producer] = true;
    return status;
}

enum weir_status clean_story_end_txn(struct clean_story *story, int producer, bool is_commit)
{
    struct weir_txn_marker marker = {.producer_id = FIRST_PID + producer, .is_commit = is_commit};
    struct weir_log_append_options options = {.origin = WEIR_APPEND_COORDINATOR};
    struct weir_log_append_result result;
    size_t before = story->count;
    tell(story, (struct clean_record){.what = is_commit ? CLEAN_COMMIT : CLEAN_ABORT,
                                      .key = -1,
                                      .producer = producer});
    enum weir_status status = settle(
        story,
        weir_partition_log_append_marker(story->log, &marker, &options, &result, &story->detail),
        before);
    if (status == WEIR_OK)
        story->is_open[producer] = false;
    return status;
}

enum weir_status clean_story_roll(struct clean_story *story)
{
    return weir_partition_log_roll(story->log, &story->detail);
}

static void note_flushed(struct clean_story *story)
{
    int64_t point = weir_partition_log_recovery_point(story->log);
    if ((size_t)point > story->flushed)
        story->flushed = (size_t)point;
}

enum weir_status clean_story_flush(struct clean_story *story)
{
    enum weir_status status = weir_partition_log_flush(story->log, true, &story->detail);
    note_flushed(story);
    return status;
}

bool clean_story_clean(struct clean_story *story)
{
    bool has_cleaned = weir_cleaner_clean_one(story->cleaner);
    struct weir_detail why = {{0}};
    note_flushed(story);
    story->cleanings += has_cleaned;
    /* A disk that fails is a reason, the content never is. */
    if (weir_partition_log_is_uncleanable(story->log, &why))
        CHECK(false_env_faults_hit(story->world) > 0, "%s", why.text);
    return has_cleaned;
}

enum weir_status clean_story_step(struct clean_story *story)
{
    int producer = (int)clean_story_random(story, CLEAN_PRODUCERS);
    switch (clean_story_random(story, 16)) {
    case 0:
    case 1:
        (void)clean_story_clean(story);
        return weir_partition_log_has_failed(story->log) ? WEIR_KAFKA_STORAGE_ERROR : WEIR_OK;
    case 2:
        return clean_story_flush(story);
    case 3:
        return clean_story_roll(story);
    case 4:
        false_env_step_ms(story->world, 1000 + (int64_t)clean_story_random(story, 4000));
        return WEIR_OK;
    case 5:
        weir_log_manager_checkpoint_recovery_points(story->manager);
        weir_log_manager_reap(story->manager);
        return WEIR_OK;
    case 6:
    case 7:
    case 8:
        if (story->is_open[producer])
            return clean_story_end_txn(story, producer, clean_story_random(story, 2) == 0);
        return WEIR_OK;
    default:
        return clean_story_append(story);
    }
}

enum weir_status clean_story_close(struct clean_story *story)
{
    enum weir_status status = weir_log_manager_close(story->manager, 1, true, &story->detail);
    struct weir_log_dir_info info;
    weir_log_manager_dir(story->manager, 0, &info);
    /* What is offline is left as it is. */
    if (status == WEIR_OK && !info.is_offline)
        story->flushed = story->count;
    return status;
}

void clean_story_crash(struct clean_story *story, enum false_loss loss)
{
    drop(story);
    false_env_crash(story->world, loss);
}

/* ---- The judge ---- */

struct state {
    const struct clean_record *last[CLEAN_KEYS]; /* NULL: none, or deleted */
};

/* Whether the record's transaction was committed below the end. */
static bool is_committed(const struct clean_story *story, size_t at, size_t end)
{
    const struct clean_record *record = &story->told[at];
    if (!record->is_txn)
        return true;
    for (size_t i = at; i < end; i++) {
        if (story->told[i].producer == record->producer && story->told[i].what != CLEAN_DATA)
            return story->told[i].what == CLEAN_COMMIT;
    }
    return false;
}

static size_t last_stable(const struct clean_story *story)
{
    int64_t first[CLEAN_PRODUCERS] = {-1, -1};
    for (size_t i = 0; i < story->count; i++) {
        const struct clean_record *record = &story->told[i];
        if (record->producer < 0)
            continue;
        if (record->what != CLEAN_DATA)
            first[record->producer] = -1;
        else if (record->is_txn && first[record->producer] < 0)
            first[record->producer] = (int64_t)i;
    }
    size_t stable = story->count;
    for (int i = 0; i < CLEAN_PRODUCERS; i++) {
        if (first[i] >= 0 && (size_t)first[i] < stable)
            stable = (size_t)first[i];
    }
    return stable;
}

static void put(struct state *state, const struct clean_record *record)
{
    if (record->key >= 0)
        state->last[record->key] = record->is_tombstone ? NULL : record;
}

static void judge_record(const struct clean_story *story, const struct weir_record *record)
{
    char key[8];
    char value[128];
    CHECK(record->offset >= 0 && (size_t)record->offset < story->count, "offset %lld",
          (long long)record->offset);
    const struct clean_record *told = &story->told[record->offset];
    (void)snprintf(key, sizeof(key), "k%d", told->key);
    (void)snprintf(value, sizeof(value), "%-100u", told->value);
    CHECK(told->what == CLEAN_DATA, "offset %lld", (long long)record->offset);
    CHECK(weir_slice_equal(record->key, weir_slice_str(key)), "offset %lld",
          (long long)record->offset);
    CHECK((record->value_bytes < 0) == told->is_tombstone, "offset %lld",
          (long long)record->offset);
    CHECK(told->is_tombstone || weir_slice_equal(record->value, weir_slice_str(value)));
    CHECK(record->timestamp == told->timestamp, "offset %lld has time %lld, not %lld",
          (long long)record->offset, (long long)record->timestamp, (long long)told->timestamp);
}

struct judge {
    const struct clean_story *story;
    struct weir_aborted_txn *aborted;
    size_t aborted_count;
    bool is_aborting[CLEAN_PRODUCERS];
    struct state found;
    int64_t next_offset;
};

/* As a consumer with isolation.level=read_committed does it. */
static void judge_batch(struct judge *judge, const struct weir_batch *batch)
{
    struct weir_detail detail = {{0}};
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    enum weir_status status;
    CHECK_OK(weir_batch_check(batch, &detail), detail);
    CHECK(batch->base_offset >= judge->next_offset, "offset %lld after %lld",
          (long long)batch->base_offset, (long long)judge->next_offset);
    judge->next_offset = batch->last_offset + 1;
    if (getenv("WEIR_STORY_LOG") != NULL)
        (void)fprintf(stderr, "batch %lld to %lld, %d records, producer %lld\n",
                      (long long)batch->base_offset, (long long)batch->last_offset,
                      batch->record_count, (long long)batch->producer_id);
    int producer = (int)(batch->producer_id - FIRST_PID);
    for (size_t i = 0; i < judge->aborted_count; i++) {
        if (judge->aborted[i].first_offset >= 0 &&
            judge->aborted[i].first_offset <= batch->last_offset) {
            judge->is_aborting[judge->aborted[i].producer_id - FIRST_PID] = true;
            judge->aborted[i].first_offset = -1;
        }
    }
    if (weir_batch_is_control(batch)) {
        judge->is_aborting[producer] = false;
        return;
    }
    bool is_aborted = weir_batch_is_transactional(batch) && judge->is_aborting[producer];
    CHECK_OK(weir_record_iter_new(batch, NULL, &iter, &detail), detail);
    while ((status = weir_record_iter_next(iter, &record, &detail)) == WEIR_OK) {
        judge_record(judge->story, &record);
        if (!is_aborted)
            put(&judge->found, &judge->story->told[record.offset]);
    }
    CHECK(status == WEIR_NOT_FOUND, "%s", detail.text);
    weir_record_iter_free(iter);
}

static void read_all(struct clean_story *story, struct judge *judge)
{
    for (;;) {
        struct weir_log_read read;
        struct weir_buf bytes = {0};
        struct weir_batch_iter iter;
        struct weir_batch batch;
        struct weir_log_read_options options = {.offset = judge->next_offset,
                                                .bytes_max = 700,
                                                .limit = WEIR_LOG_READ_TO_LAST_STABLE,
                                                .min_one_batch = true};
        CHECK_OK(weir_partition_log_read(story->log, &options, &read, &story->detail),
                 story->detail);
        bool is_end = read.range.size == 0;
        CHECK_OK(weir_log_read_copy(story->env, &read, &bytes, &story->detail), story->detail);
        weir_log_read_done(&read);
        weir_batch_iter_init(&iter, weir_buf_slice(&bytes));
        while (!is_end && weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK)
            judge_batch(judge, &batch);
        weir_buf_done(&bytes);
        if (is_end)
            return;
    }
}

/* For looking into a failing round. */
static void trace(const struct clean_story *story, const struct judge *judge)
{
    if (getenv("WEIR_STORY_LOG") == NULL)
        return;
    for (size_t i = 0; i < story->count; i++) {
        const struct clean_record *record = &story->told[i];
        (void)fprintf(stderr, "%zu: %d k%d%s producer %d%s\n", i, (int)record->what, record->key,
                      record->is_tombstone ? " deleted" : "", record->producer,
                      record->is_txn ? " in transaction" : "");
    }
    char *tree = false_env_tree(story->world);
    (void)fprintf(stderr, "%s", tree);
    free(tree);
    for (size_t i = 0; i < judge->aborted_count; i++)
        (void)fprintf(stderr, "aborted: producer %lld, %lld to %lld, stable %lld\n",
                      (long long)judge->aborted[i].producer_id - FIRST_PID,
                      (long long)judge->aborted[i].first_offset,
                      (long long)judge->aborted[i].last_offset,
                      (long long)judge->aborted[i].last_stable_offset);
}

void clean_story_verify(struct clean_story *story)
{
    struct judge judge = {.story = story};
    struct weir_partition_log_offsets offsets;
    struct state expected = {{NULL}};
    weir_partition_log_offsets(story->log, &offsets);
    CHECK((size_t)offsets.log_end_offset == story->count, "the log ends at %lld, told were %zu",
          (long long)offsets.log_end_offset, story->count);
    size_t stable = last_stable(story);
    CHECK((size_t)offsets.last_stable_offset == stable, "last stable offset %lld, should be %zu",
          (long long)offsets.last_stable_offset, stable);
    for (size_t i = 0; i < stable; i++) {
        if (story->told[i].what == CLEAN_DATA && is_committed(story, i, story->count))
            put(&expected, &story->told[i]);
    }
    CHECK_OK(weir_partition_log_aborted_txns(story->log, 0, (int64_t)story->count, &judge.aborted,
                                             &judge.aborted_count, &story->detail),
             story->detail);
    trace(story, &judge);
    read_all(story, &judge);
    for (int i = 0; i < CLEAN_KEYS; i++)
        CHECK(judge.found.last[i] == expected.last[i], "k%d is of offset %td and should be %td", i,
              judge.found.last[i] == NULL ? -1 : judge.found.last[i] - story->told,
              expected.last[i] == NULL ? -1 : expected.last[i] - story->told);
    weir_free(judge.aborted);
}

static void check_no_leftovers(struct clean_story *story)
{
    char *tree = false_env_tree(story->world);
    CHECK(strstr(tree, ".cleaned") == NULL && strstr(tree, ".swap") == NULL, "%s", tree);
    free(tree);
}

void clean_story_verify_opened(struct clean_story *story, enum false_loss loss)
{
    size_t end = (size_t)weir_partition_log_end_offset(story->log);
    size_t required = loss == FALSE_LOSS_PROCESS ? story->acknowledged : story->flushed;
    CHECK(end >= required && end <= story->count, "the log ends at %zu; %zu required, %zu told",
          end, required, story->count);
    story->count = end;
    story->acknowledged = end;
    if (story->flushed > end)
        story->flushed = end;
    for (int i = 0; i < CLEAN_PRODUCERS; i++) {
        story->is_open[i] = false;
        for (size_t j = 0; j < end; j++) {
            if (story->told[j].producer == i)
                story->is_open[i] = story->told[j].what == CLEAN_DATA &&
                                    (story->told[j].is_txn || story->is_open[i]);
        }
    }
    check_no_leftovers(story);
    clean_story_verify(story);
}
