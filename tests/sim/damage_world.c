/* SPDX-License-Identifier: Apache-2.0 */
#include "damage_world.h"

#include "check.h"

#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"

#include <stdlib.h>
#include <string.h>

#define DIR               "/data"
#define PARTITION_DIR     DIR "/topic-0"
#define FIRST_MS          INT64_C(1699999000000)
#define FIRST_PRODUCER_ID 1000
#define PRODUCERS         4 /* the first is idempotent, the others transactional */
#define FILES_MAX         200

/* ---- Life ---- */

uint64_t damage_world_random(struct damage_world *world, uint64_t below)
{
    uint64_t z = (world->seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static void take_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    struct damage_world *world = context;
    world->lines += level <= WEIR_LOG_LEVEL_WARN ? 1 : 0;
    if (world->is_printing)
        (void)fprintf(stderr, "%.*s\n", (int)size, line);
}

void damage_world_init(struct damage_world *world, uint64_t seed)
{
    *world = (struct damage_world){.seed = seed * 7919 + 1};
    world->world = false_env_new(seed);
    world->env = false_env_env(world->world);
    world->sink =
        (struct weir_log){.sink = take_line, .context = world, .level = WEIR_LOG_LEVEL_WARN};
    world->config = weir_log_config_default();
    world->config.segment_bytes = 3000 + (int32_t)damage_world_random(world, 4000);
    world->config.segment_index_bytes = 240;
    world->config.index_interval_bytes = 200 + (int32_t)damage_world_random(world, 300);
    world->config.retention_ms = -1;
    world->has_gaps = damage_world_random(world, 4) == 0;
    world->config.cleanup_compact = world->has_gaps;
    world->config.cleanup_delete = !world->has_gaps;
    world->now_ms = FIRST_MS;
    for (size_t i = 0; i < PRODUCERS; i++)
        world->producers[i].txn_first_offset = -1;
}

static void drop(struct damage_world *world)
{
    weir_partition_log_unref(world->log);
    weir_log_manager_free(world->manager);
    world->log = NULL;
    world->manager = NULL;
}

void damage_world_done(struct damage_world *world)
{
    drop(world);
    false_env_free(world->world);
    weir_buf_done(&world->bytes);
    weir_free(world->batches);
    weir_free(world->txns);
    weir_free(world->records);
}

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
    *out = ((struct damage_world *)context)->config;
}

void damage_world_open(struct damage_world *world)
{
    const char *dirs[] = {DIR};
    struct weir_detail detail = {{0}};
    struct weir_log_manager_load_result result = {0};
    struct weir_log_manager_load_options load = {.config = fill_config, .context = world};
    struct weir_log_manager_options options = {
        .env = world->env,
        .log = &world->sink,
        .dirs = dirs,
        .dir_count = 1,
        .cluster_id = "AAAAAAAAAAAAAAAAAAAAAA",
        .node_id = 1,
        .defaults = world->config,
        .recovery_threads_per_dir = 1,
        .on_dir_failed = on_dir_failed,
    };
    struct weir_topic_partition key;
    CHECK(weir_topic_partition_make(WEIR_SLICE("topic"), 0, &key) == WEIR_OK);
    world->lines = 0;
    CHECK_OK(weir_log_manager_open(&options, &world->manager, &detail), detail);
    CHECK_OK(weir_log_manager_load(world->manager, &load, &result, &detail), detail);
    enum weir_status status = weir_log_manager_create(world->manager, &key, weir_uuid_small(200),
                                                      &world->config, &world->log, &detail);
    if (status != WEIR_OK) {
        CHECK(detail.text[0] != '\0' || world->lines > 0, "a refusal without words");
        world->lines++; /* the broker logs that one */
        world->log = NULL;
        return;
    }
    (void)weir_partition_log_set_high_watermark(world->log, INT64_MAX); /* the only replica */
}

void damage_world_stop(struct damage_world *world, bool is_clean)
{
    struct weir_detail detail = {{0}};
    if (is_clean) {
        enum weir_status status = weir_log_manager_close(world->manager, 1, true, &detail);
        CHECK(status == WEIR_OK || detail.text[0] != '\0' || world->lines > 0);
        drop(world);
        return;
    }
    drop(world);
    false_env_crash(world->world, FALSE_LOSS_PROCESS);
}

/* ---- Filling ---- */

static size_t build(struct damage_world *world, int producer, int records, bool is_transactional,
                    int64_t base_offset, struct weir_buf *out)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_batch_builder *builder = NULL;
    options.codec = (enum weir_codec)damage_world_random(world, 5);
    options.base_offset = base_offset;
    options.partition_leader_epoch = world->epoch;
    options.is_transactional = is_transactional;
    if (producer >= 0) {
        options.producer_id = FIRST_PRODUCER_ID + producer;
        options.producer_epoch = 0;
        options.base_sequence = world->producers[producer].next_sequence;
        world->producers[producer].next_sequence += records;
    }
    CHECK(weir_batch_builder_new(&options, out, &builder) == WEIR_OK);
    for (int i = 0; i < records; i++) {
        uint8_t value[300];
        size_t size = (size_t)damage_world_random(world, sizeof(value));
        for (size_t k = 0; k < size; k++)
            value[k] = (uint8_t)(k % 7 == 0 ? damage_world_random(world, 256) : k);
        /* Mostly rising, sometimes late, sometimes equal. */
        world->now_ms += (int64_t)damage_world_random(world, 20);
        int64_t late =
            damage_world_random(world, 6) == 0 ? (int64_t)damage_world_random(world, 300) : 0;
        struct weir_record_data record = {.timestamp = world->now_ms - late,
                                          .key = weir_slice_of(value, size < 5 ? size : 5),
                                          .value = weir_slice_of(value, size)};
        weir_batch_builder_add(builder, &record);
        struct truth_record *grown = weir_grow(world->records, &world->record_capacity,
                                               world->record_count + 1, sizeof(*world->records));
        CHECK(grown != NULL);
        world->records = grown;
        grown[world->record_count++] =
            (struct truth_record){.offset = base_offset + i, .timestamp = record.timestamp};
    }
    CHECK(weir_batch_builder_finish(builder) == WEIR_OK);
    weir_batch_builder_free(builder);
    return out->size;
}

static void append_batch(struct damage_world *world, int producer, bool is_transactional)
{
    struct weir_buf bytes = {0};
    struct weir_detail detail = {{0}};
    struct weir_log_append_result result;
    int64_t end = weir_partition_log_end_offset(world->log);
    int records = 1 + (int)damage_world_random(world, 5);
    if (world->has_gaps) {
        /* As a follower, with what compaction left of the leader's log. */
        end += damage_world_random(world, 4) == 0 ? (int64_t)damage_world_random(world, 30) : 0;
        (void)build(world, producer, records, is_transactional, end, &bytes);
        CHECK_OK(weir_partition_log_append_raw(world->log, weir_buf_slice(&bytes),
                                               WEIR_APPEND_REPLICATION, &result, &detail),
                 detail);
    } else {
        struct weir_checked_batch checked;
        struct weir_log_append_options options = {
            .origin = WEIR_APPEND_CLIENT, .leader_epoch = world->epoch, .is_verified = true};
        (void)build(world, producer, records, is_transactional, end, &bytes);
        CHECK_OK(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, &detail), detail);
        CHECK_OK(weir_partition_log_append(world->log, &checked, &options, &result, &detail),
                 detail);
        weir_checked_batch_done(&checked);
    }
    if (is_transactional && world->producers[producer].txn_first_offset < 0)
        world->producers[producer].txn_first_offset = result.base_offset;
    weir_buf_done(&bytes);
}

static void end_txn(struct damage_world *world, int producer)
{
    struct weir_detail detail = {{0}};
    struct weir_log_append_result result;
    struct weir_log_append_options options = {.origin = WEIR_APPEND_COORDINATOR,
                                              .leader_epoch = world->epoch};
    struct weir_txn_marker marker = {.producer_id = FIRST_PRODUCER_ID + producer,
                                     .is_commit = damage_world_random(world, 2) == 0};
    false_env_set_wall_ms(world->world, world->now_ms); /* the marker's time */
    CHECK_OK(weir_partition_log_append_marker(world->log, &marker, &options, &result, &detail),
             detail);
    if (!marker.is_commit) {
        struct truth_txn *grown = weir_grow(world->txns, &world->txn_capacity, world->txn_count + 1,
                                            sizeof(*world->txns));
        CHECK(grown != NULL);
        world->txns = grown;
        grown[world->txn_count++] =
            (struct truth_txn){.producer_id = marker.producer_id,
                               .first_offset = world->producers[producer].txn_first_offset,
                               .last_offset = result.base_offset};
    }
    world->producers[producer].txn_first_offset = -1;
}

static void step(struct damage_world *world)
{
    struct weir_detail detail = {{0}};
    int producer = (int)damage_world_random(world, PRODUCERS);
    switch (damage_world_random(world, 24)) {
    case 0:
        world->epoch += 1 + (int32_t)damage_world_random(world, 2);
        CHECK(weir_partition_log_assign_leader_epoch(world->log, world->epoch) == WEIR_OK);
        break;
    case 1:
        CHECK_OK(weir_partition_log_flush(world->log, damage_world_random(world, 2) == 0, &detail),
                 detail);
        break;
    case 2:
        weir_log_manager_checkpoint_recovery_points(world->manager);
        weir_log_manager_checkpoint_high_watermarks(world->manager);
        weir_log_manager_checkpoint_log_starts(world->manager);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        append_batch(world, -1, false);
        break;
    case 7:
    case 8:
    case 9:
        append_batch(world, 0, false);
        break;
    default:
        if (producer == 0)
            append_batch(world, -1, false);
        else if (world->producers[producer].txn_first_offset >= 0 &&
                 damage_world_random(world, 3) == 0)
            end_txn(world, producer);
        else
            append_batch(world, producer, true);
        break;
    }
    (void)weir_partition_log_set_high_watermark(world->log, INT64_MAX);
}

static void take_truth(struct damage_world *world)
{
    struct weir_detail detail = {{0}};
    world->start_offset = weir_partition_log_start_offset(world->log);
    world->end_offset = weir_partition_log_end_offset(world->log);
    int64_t next =
        world->batch_count == 0 ? 0 : world->batches[world->batch_count - 1].last_offset + 1;
    while (next < world->end_offset) {
        struct weir_log_read_options options = {.offset = next,
                                                .bytes_max = 1,
                                                .limit = WEIR_LOG_READ_TO_LOG_END,
                                                .min_one_batch = true};
        struct weir_log_read read;
        struct weir_batch batch;
        size_t from = world->bytes.size;
        CHECK_OK(weir_partition_log_read(world->log, &options, &read, &detail), detail);
        CHECK_OK(weir_log_read_copy(world->env, &read, &world->bytes, &detail), detail);
        weir_log_read_done(&read);
        CHECK_OK(weir_batch_parse(weir_slice_of(world->bytes.data + from, world->bytes.size - from),
                                  &batch, &detail),
                 detail);
        struct truth_batch *grown = weir_grow(world->batches, &world->batch_capacity,
                                              world->batch_count + 1, sizeof(*world->batches));
        CHECK(grown != NULL);
        world->batches = grown;
        grown[world->batch_count++] =
            (struct truth_batch){.base_offset = batch.base_offset,
                                 .last_offset = batch.last_offset,
                                 .epoch = batch.partition_leader_epoch,
                                 .file_pos = from,
                                 .size = batch.bytes.size,
                                 .producer_id = batch.producer_id,
                                 .last_sequence = batch.base_sequence + batch.last_offset_delta,
                                 .is_transactional = weir_batch_is_transactional(&batch),
                                 .is_control = weir_batch_is_control(&batch)};
        if (weir_batch_is_control(&batch)) {
            struct truth_record *records =
                weir_grow(world->records, &world->record_capacity, world->record_count + 1,
                          sizeof(*world->records));
            CHECK(records != NULL);
            world->records = records;
            records[world->record_count++] = (struct truth_record){
                .offset = batch.base_offset, .timestamp = batch.max_timestamp};
        }
        next = batch.last_offset + 1;
    }
}

static int by_offset(const void *a, const void *b)
{
    const struct truth_record *left = a;
    const struct truth_record *right = b;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

void damage_world_fill(struct damage_world *world)
{
    struct weir_detail detail = {{0}};
    damage_world_open(world);
    CHECK(world->log != NULL);
    CHECK(weir_partition_log_assign_leader_epoch(world->log, 0) == WEIR_OK);
    uint64_t steps = 40 + damage_world_random(world, 80);
    for (uint64_t i = 0; i < steps; i++)
        step(world);
    take_truth(world);
    qsort(world->records, world->record_count, sizeof(*world->records), by_offset);
    if (damage_world_random(world, 3) == 0) {
        int64_t start = 0;
        int64_t least = weir_partition_log_last_stable_offset(world->log);
        if (least > 0) {
            int64_t offset = (int64_t)damage_world_random(world, (uint64_t)least);
            struct weir_log_retention_result result;
            CHECK(weir_partition_log_delete_records(world->log, offset, &start) == WEIR_OK);
            CHECK_OK(weir_partition_log_retain(world->log, &result, &detail), detail);
            weir_log_manager_checkpoint_log_starts(world->manager);
            world->start_offset = start;
        }
    }
    weir_log_manager_checkpoint_recovery_points(world->manager);
    weir_log_manager_checkpoint_high_watermarks(world->manager);
    CHECK_OK(weir_partition_log_write_small_files(world->log, &detail), detail);
}

void damage_world_append(struct damage_world *world)
{
    struct weir_detail detail = {{0}};
    struct weir_buf bytes = {0};
    struct weir_checked_batch checked;
    struct weir_log_append_result result;
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT,
                                              .leader_epoch = world->epoch + 1};
    struct weir_batch_builder_options plain = weir_batch_builder_options_default();
    struct weir_batch_builder *builder = NULL;
    struct weir_record_data record = {.timestamp = world->now_ms, .value = WEIR_SLICE("more")};
    CHECK(weir_batch_builder_new(&plain, &bytes, &builder) == WEIR_OK);
    weir_batch_builder_add(builder, &record);
    CHECK(weir_batch_builder_finish(builder) == WEIR_OK);
    weir_batch_builder_free(builder);
    CHECK_OK(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, &detail), detail);
    enum weir_status status =
        weir_partition_log_append(world->log, &checked, &options, &result, &detail);
    CHECK(status == WEIR_OK || detail.text[0] != '\0');
    weir_checked_batch_done(&checked);
    weir_buf_done(&bytes);
}

/* ---- Damage ---- */

struct file_list {
    struct {
        char path[300];
        uint64_t size;
    } files[FILES_MAX];
    size_t count;
};

static bool is_ours(const char *path)
{
    return strstr(path, "topic-0/") != NULL || strstr(path, "-offset-checkpoint") != NULL;
}

/* One kind of file is chosen first: there are many more segments than checkpoints. */
static const char *const suffixes[] = {".log",
                                       ".log",
                                       ".log",
                                       ".index",
                                       ".timeindex",
                                       ".txnindex",
                                       ".snapshot",
                                       "leader-epoch-checkpoint",
                                       "-offset-checkpoint",
                                       "partition.metadata"};

static void list_files(struct damage_world *world, const char *suffix, struct file_list *out)
{
    char *tree = false_env_tree(world->world);
    char *rest = NULL;
    out->count = 0;
    for (char *line = strtok_r(tree, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char path[300];
        unsigned long long size = 0;
        if (sscanf(line, "%299s %llu", path, &size) != 2 || size == 0 || !is_ours(path) ||
            out->count == FILES_MAX)
            continue;
        size_t length = strlen(path);
        size_t tail = strlen(suffix);
        if (length < tail || strcmp(path + length - tail, suffix) != 0)
            continue;
        memcpy(out->files[out->count].path, path, sizeof(path));
        out->files[out->count++].size = size;
    }
    free(tree);
}

static const char *kind_name(enum damage_kind kind)
{
    switch (kind) {
    case DAMAGE_FLIP:
        return "flipped";
    case DAMAGE_ZERO:
        return "zeroed";
    case DAMAGE_GARBLE:
        return "garbled";
    case DAMAGE_CUT:
        return "cut";
    case DAMAGE_EXTEND:
        return "added";
    }
    return "";
}

void damage_world_choose(struct damage_world *world, struct damage *out)
{
    struct file_list *list = calloc(1, sizeof(*list));
    CHECK(list != NULL);
    memset(out, 0, sizeof(*out));
    const char *suffix = NULL;
    while (list->count == 0) {
        suffix = suffixes[damage_world_random(world, sizeof(suffixes) / sizeof(suffixes[0]))];
        list_files(world, suffix, list);
    }
    size_t at = (size_t)damage_world_random(world, list->count);
    uint64_t size = list->files[at].size;
    memcpy(out->path, list->files[at].path, sizeof(out->path));
    out->is_log = strcmp(suffix, ".log") == 0;
    uint64_t kind = damage_world_random(world, 10); /* mostly a bit */
    out->kind = kind < 6 ? DAMAGE_FLIP : (enum damage_kind)(kind - 5);
    out->file_pos = damage_world_random(world, size);
    out->size = 1;
    out->bits = (uint8_t)(1u << damage_world_random(world, 8));
    if (out->is_log && damage_world_random(world, 2) == 0) {
        /* Into a batch's header, which is where it hurts. */
        const struct truth_batch *batch =
            &world->batches[damage_world_random(world, world->batch_count)];
        int64_t base = strtoll(strrchr(out->path, '/') + 1, NULL, 10);
        const struct truth_batch *first = damage_world_batch(world, base);
        if (first != NULL && batch->file_pos >= first->file_pos &&
            batch->file_pos - first->file_pos + 61 < size)
            out->file_pos = batch->file_pos - first->file_pos + damage_world_random(world, 61);
    }
    if (out->kind == DAMAGE_ZERO || out->kind == DAMAGE_GARBLE) {
        out->size = 1 + (size_t)damage_world_random(world, 64);
        if (out->size > size - out->file_pos)
            out->size = (size_t)(size - out->file_pos);
    } else if (out->kind == DAMAGE_EXTEND) {
        out->file_pos = size;
        out->size = 1 + (size_t)damage_world_random(world, 200);
    } else if (out->kind == DAMAGE_CUT) {
        out->size = (size_t)(size - out->file_pos);
    }
    (void)snprintf(out->words, sizeof(out->words),
                   "%s of %llu bytes: %zu %s from %llu on, bits %02x", out->path,
                   (unsigned long long)size, out->size, kind_name(out->kind),
                   (unsigned long long)out->file_pos, out->bits);
    free(list);
}

void damage_world_apply(struct damage_world *world, const struct damage *damage)
{
    struct weir_detail detail = {{0}};
    struct weir_file *file = NULL;
    uint8_t bytes[256] = {0};
    char path[310];
    (void)snprintf(path, sizeof(path), "%s%s", damage->path[0] == '/' ? "" : "/", damage->path);
    if (damage->kind == DAMAGE_FLIP) {
        CHECK(false_env_flip(world->world, path, damage->file_pos, damage->bits));
        return;
    }
    for (size_t i = 0; i < damage->size && i < sizeof(bytes) && damage->kind != DAMAGE_ZERO; i++)
        bytes[i] = (uint8_t)damage_world_random(world, 256);
    if (damage->kind == DAMAGE_EXTEND && damage->bits < 16)
        memset(bytes, 0, sizeof(bytes));
    struct weir_slice part = weir_slice_of(bytes, damage->size < 256 ? damage->size : 256);
    CHECK_OK(weir_file_open(world->env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, &detail),
             detail);
    if (damage->kind == DAMAGE_CUT)
        CHECK_OK(weir_file_truncate(world->env, file, damage->file_pos, &detail), detail);
    else
        CHECK_OK(weir_file_write_at(world->env, file, &part, 1, damage->file_pos, &detail), detail);
    CHECK_OK(weir_file_sync(world->env, file, false, &detail), detail);
    weir_file_close(world->env, file);
}

bool damage_touches_field(const struct damage_world *world, const struct damage *damage,
                          size_t field_pos, size_t field_size)
{
    int64_t base = strtoll(strrchr(damage->path, '/') + 1, NULL, 10);
    const struct truth_batch *first = damage_world_batch(world, base);
    for (size_t i = 0; first != NULL && i < world->batch_count; i++) {
        const struct truth_batch *batch = &world->batches[i];
        if (batch->file_pos < first->file_pos)
            continue;
        uint64_t from = batch->file_pos - first->file_pos + field_pos;
        if (damage->file_pos < from + field_size && damage->file_pos + damage->size > from)
            return true;
    }
    return false;
}

/* ---- Truth ---- */

const struct truth_batch *damage_world_batch(const struct damage_world *world, int64_t offset)
{
    for (size_t i = 0; i < world->batch_count; i++) {
        if (world->batches[i].last_offset >= offset)
            return &world->batches[i];
    }
    return NULL;
}

const struct truth_txn *damage_world_aborted(const struct damage_world *world,
                                             const struct truth_batch *batch)
{
    for (size_t i = 0; i < world->txn_count; i++) {
        const struct truth_txn *txn = &world->txns[i];
        if (batch->is_transactional && !batch->is_control &&
            batch->producer_id == txn->producer_id && batch->base_offset >= txn->first_offset &&
            batch->base_offset < txn->last_offset)
            return txn;
    }
    return NULL;
}

int64_t damage_world_open_txn(const struct damage_world *world, int64_t producer_id, int64_t end)
{
    int64_t open = -1;
    for (size_t i = 0; i < world->batch_count; i++) {
        const struct truth_batch *batch = &world->batches[i];
        if (batch->producer_id != producer_id || !batch->is_transactional ||
            batch->base_offset >= end)
            continue;
        if (batch->is_control)
            open = -1;
        else if (open < 0)
            open = batch->base_offset;
    }
    return open;
}

int64_t damage_world_age_ms(struct damage_world *world)
{
    struct weir_segment_info *segments = NULL;
    size_t count = 0;
    int64_t now_ms = world->now_ms + 1000;
    int64_t least_ms = now_ms;
    CHECK(weir_partition_log_segments(world->log, &segments, &count) == WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        int64_t greatest_ms = -1;
        for (size_t k = 0; k < world->record_count; k++) {
            const struct truth_record *record = &world->records[k];
            bool is_here = record->offset >= segments[i].base_offset &&
                           (i + 1 == count || record->offset < segments[i + 1].base_offset);
            if (is_here && record->timestamp > greatest_ms)
                greatest_ms = record->timestamp;
        }
        if (greatest_ms >= 0 && greatest_ms < least_ms)
            least_ms = greatest_ms;
    }
    weir_free(segments);
    false_env_set_wall_ms(world->world, now_ms);
    return now_ms - least_ms;
}

bool damage_world_is_segment_gone(const struct damage_world *world, const struct truth_batch *batch)
{
    struct weir_segment_info *segments = NULL;
    size_t count = 0;
    bool is_gone = false;
    CHECK(weir_partition_log_segments(world->log, &segments, &count) == WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        const struct truth_batch *first = damage_world_batch(world, segments[i].base_offset);
        if (segments[i].base_offset <= batch->base_offset && first != NULL)
            is_gone = batch->file_pos - first->file_pos + batch->size > segments[i].size_bytes;
    }
    weir_free(segments);
    return is_gone;
}

size_t damage_world_producers(const struct damage_world *world)
{
    size_t count = 0;
    for (int64_t id = FIRST_PRODUCER_ID; id < FIRST_PRODUCER_ID + PRODUCERS; id++) {
        for (size_t i = 0; i < world->batch_count; i++) {
            if (world->batches[i].producer_id == id && !world->batches[i].is_control) {
                count++;
                break;
            }
        }
    }
    return count;
}
