/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records that say themselves where they belong, and what was appended to a log beside it: for
 * programs that append, clean, cut and read from several threads.  One thread appends to a log and
 * cuts it. */

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/log_manager.h"

#include <stdio.h>
#include <stdlib.h>

/* The real files, but nobody pulls the plug: what a sync would wait for is better spent on more
 * rounds. */
static inline enum weir_status truth_sync(void *env, struct weir_file *file, bool with_metadata,
                                          struct weir_detail *detail)
{
    (void)env;
    (void)file;
    (void)with_metadata;
    (void)detail;
    return WEIR_OK;
}

static inline enum weir_status truth_sync_dir(void *env, const char *path,
                                              struct weir_detail *detail)
{
    (void)env;
    (void)path;
    (void)detail;
    return WEIR_OK;
}

struct truth_env {
    struct weir_env env;
    struct weir_env_ops ops;
};

static inline void truth_env_init(struct truth_env *env)
{
    env->ops = *weir_env_posix()->ops;
    env->ops.sync = truth_sync;
    env->ops.sync_dir = truth_sync_dir;
    env->env.ops = &env->ops;
    env->env.context = weir_env_posix()->context;
}

#define TRUTH_FIRST_MS INT64_C(1700000000000)
#define TRUTH_KEYS     40

struct truth_record {
    uint32_t life; /* grows with each record; tells those that had one offset after a cut apart */
    uint8_t key;
    bool is_tombstone;
};

struct truth {
    struct weir_topic_partition key;
    struct truth_record *records; /* by offset */
    size_t capacity;
    int64_t end_offset;
    uint32_t lives;
    uint64_t seed;
    int64_t producer_id; /* -1: none */
    int32_t next_sequence;
};

static inline void truth_check(enum weir_status status, const struct weir_detail *detail,
                               const char *what)
{
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s: %s: %s\n", what, weir_status_name(status), detail->text);
        abort();
    }
}

static inline uint32_t truth_random(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33) % below;
}

static inline void truth_init(struct truth *truth, const char *topic, uint64_t seed)
{
    *truth = (struct truth){.seed = seed, .producer_id = -1};
    WEIR_ASSERT(weir_topic_partition_make(weir_slice_str(topic), 0, &truth->key) == WEIR_OK);
}

static inline void truth_done(struct truth *truth)
{
    weir_free(truth->records);
}

/* Appends up to five records; the time of each is its offset's. */
static inline void truth_append(struct truth *truth, struct weir_partition_log *log)
{
    static const char filler[] = "................................................";
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_batch_builder *builder = NULL;
    struct weir_log_append_options append = {.origin = WEIR_APPEND_CLIENT, .is_verified = true};
    struct weir_log_append_result result;
    struct weir_checked_batch checked;
    struct weir_detail detail = {{0}};
    struct weir_buf bytes = {0};
    uint32_t count = 1 + truth_random(&truth->seed, 5);
    options.producer_id = truth->producer_id;
    options.producer_epoch = truth->producer_id < 0 ? -1 : 0;
    options.base_sequence = truth->producer_id < 0 ? -1 : truth->next_sequence;
    truth->records = weir_grow(truth->records, &truth->capacity, (size_t)truth->end_offset + count,
                               sizeof(truth->records[0]));
    WEIR_ASSERT(truth->records != NULL);
    truth_check(weir_batch_builder_new(&options, &bytes, &builder), &detail, "builder");
    for (uint32_t i = 0; i < count; i++) {
        char key[16];
        char value[128];
        int64_t offset = truth->end_offset + i;
        struct truth_record *record = &truth->records[offset];
        *record = (struct truth_record){.life = ++truth->lives,
                                        .key = (uint8_t)truth_random(&truth->seed, TRUTH_KEYS),
                                        .is_tombstone = truth_random(&truth->seed, 10) == 0};
        (void)snprintf(key, sizeof(key), "%u", record->key);
        (void)snprintf(value, sizeof(value), "%u %lld %u %s", record->key, (long long)offset,
                       record->life, filler + truth_random(&truth->seed, sizeof(filler) - 1));
        struct weir_record_data data = {.timestamp = TRUTH_FIRST_MS + offset,
                                        .key = weir_slice_str(key)};
        if (!record->is_tombstone)
            data.value = weir_slice_str(value);
        weir_batch_builder_add(builder, &data);
    }
    truth_check(weir_batch_builder_finish(builder), &detail, "finish");
    truth_check(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, &detail), &detail,
                "own");
    truth_check(weir_partition_log_append(log, &checked, &append, &result, &detail), &detail,
                "append");
    WEIR_ASSERT(result.base_offset == truth->end_offset);
    truth->end_offset += count;
    truth->next_sequence += (int32_t)count;
    weir_batch_builder_free(builder);
    weir_buf_done(&bytes);
}

/* Cuts at or behind offset; the batch that holds it goes whole. */
static inline void truth_truncate(struct truth *truth, struct weir_partition_log *log,
                                  int64_t offset)
{
    bool was_truncated;
    struct weir_detail detail = {{0}};
    truth_check(weir_partition_log_truncate_to(log, offset, &was_truncated, &detail), &detail,
                "truncate");
    truth->end_offset = weir_partition_log_end_offset(log);
    WEIR_ASSERT(truth->end_offset <= offset);
}

/* What one record says of itself, by whoever reads it and whenever. */
struct truth_seen {
    int64_t offset;
    uint32_t key;
    uint32_t life; /* 0: a tombstone */
};

static inline void truth_parse(const struct weir_record *record, struct truth_seen *out)
{
    char text[160];
    long long offset = -1;
    unsigned key = 0;
    unsigned life = 0;
    *out = (struct truth_seen){.offset = record->offset};
    WEIR_ASSERT(record->timestamp == TRUTH_FIRST_MS + record->offset);
    WEIR_ASSERT(record->key_bytes > 0 && record->key.size < 16);
    (void)snprintf(text, sizeof(text), "%.*s", (int)record->key.size,
                   (const char *)record->key.data);
    out->key = (uint32_t)strtoul(text, NULL, 10);
    if (record->value_bytes < 0)
        return;
    WEIR_ASSERT(record->value.size < sizeof(text));
    (void)snprintf(text, sizeof(text), "%.*s", (int)record->value.size,
                   (const char *)record->value.data);
    WEIR_ASSERT(sscanf(text, "%u %lld %u ", &key, &offset, &life) == 3);
    WEIR_ASSERT(key == out->key && offset == record->offset && life > 0);
    out->life = life;
}

/* Checks each record of a read; returns the offset behind the last whole batch, or -1 when there is
 * none. */
static inline int64_t
truth_check_read(const struct weir_log_read *read, int64_t from_offset,
                 void (*on_record)(void *context, const struct truth_seen *seen), void *context)
{
    struct weir_buf bytes = {0};
    struct weir_batch_iter iter;
    struct weir_batch batch;
    struct weir_detail detail = {{0}};
    int64_t next = -1;
    int64_t last_offset = -1;
    truth_check(weir_log_read_copy(weir_env_posix(), read, &bytes, &detail), &detail, "copy");
    weir_batch_iter_init(&iter, weir_buf_slice(&bytes));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        struct weir_record_iter *records = NULL;
        struct weir_record record;
        truth_check(weir_batch_check(&batch, &detail), &detail, "batch");
        WEIR_ASSERT(batch.last_offset >= from_offset && batch.base_offset > last_offset);
        truth_check(weir_record_iter_new(&batch, NULL, &records, &detail), &detail, "records");
        while (weir_record_iter_next(records, &record, NULL) == WEIR_OK) {
            struct truth_seen seen;
            WEIR_ASSERT(record.offset > last_offset && record.offset <= batch.last_offset);
            truth_parse(&record, &seen);
            if (on_record != NULL)
                on_record(context, &seen);
            last_offset = record.offset;
        }
        weir_record_iter_free(records);
        last_offset = batch.last_offset;
        next = batch.last_offset + 1;
    }
    weir_buf_done(&bytes);
    return next;
}

struct truth_result {
    const struct truth *truth;
    int64_t last[TRUTH_KEYS]; /* offset seen last; -1 */
    size_t records;
};

static inline void truth_on_record(void *context, const struct truth_seen *seen)
{
    struct truth_result *result = context;
    const struct truth *truth = result->truth;
    WEIR_ASSERT(seen->offset < truth->end_offset && seen->key < TRUTH_KEYS);
    const struct truth_record *record = &truth->records[seen->offset];
    WEIR_ASSERT(seen->key == record->key);
    WEIR_ASSERT(seen->life == (record->is_tombstone ? 0 : record->life));
    result->last[seen->key] = seen->offset;
    result->records++;
}

/* Everything in the log was appended, and the last record of each key is there (a tombstone may be
 * gone).  Nobody appends meanwhile.  Returns how many records are left. */
static inline size_t truth_verify(const struct truth *truth, struct weir_partition_log *log)
{
    struct truth_result result = {.truth = truth};
    int64_t start = weir_partition_log_start_offset(log);
    int64_t next = start;
    for (size_t i = 0; i < TRUTH_KEYS; i++)
        result.last[i] = -1;
    WEIR_ASSERT(weir_partition_log_end_offset(log) == truth->end_offset);
    while (next < truth->end_offset) {
        struct weir_log_read read;
        struct weir_detail detail = {{0}};
        struct weir_log_read_options options = {
            .offset = next, .bytes_max = 1 << 20, .min_one_batch = true};
        truth_check(weir_partition_log_read(log, &options, &read, &detail), &detail, "read");
        next = truth_check_read(&read, next, truth_on_record, &result);
        weir_log_read_done(&read);
        WEIR_ASSERT(next >= 0);
    }
    int64_t expected[TRUTH_KEYS];
    for (size_t i = 0; i < TRUTH_KEYS; i++)
        expected[i] = -1;
    for (int64_t offset = start; offset < truth->end_offset; offset++)
        expected[truth->records[offset].key] = offset;
    for (size_t i = 0; i < TRUTH_KEYS; i++) {
        if (result.last[i] == expected[i] ||
            (expected[i] >= 0 && truth->records[expected[i]].is_tombstone && result.last[i] < 0))
            continue;
        (void)fprintf(stderr, "%s: of key %zu offset %lld should be last, and is %lld\n",
                      truth->key.topic, i, (long long)expected[i], (long long)result.last[i]);
        abort();
    }
    return result.records;
}
