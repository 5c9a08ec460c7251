/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Short ways to fill a log with keys, to clean it, and to see what is left, for the tests of
 * compaction. */

#include "log_world.h"

#include "weir/storage/cleaner.h"

struct clean_world {
    struct world world;
    struct weir_log_clean_options options;
    struct weir_log_clean_result result;
};

static inline void clean_world_init(struct clean_world *clean)
{
    memset(clean, 0, sizeof(*clean));
    world_init(&clean->world);
    clean->options = weir_log_clean_options_default();
    clean->world.options.config.cleanup_compact = true;
    clean->world.options.config.cleanup_delete = false;
    world_open(&clean->world);
}

/* Records "key=value", "key" for a tombstone and "=value" without a key, parted by blanks. */
static inline void clean_build(const struct weir_batch_builder_options *options, int64_t timestamp,
                               const char *text, struct weir_buf *out)
{
    struct weir_batch_builder *builder = NULL;
    cr_assert_eq(weir_batch_builder_new(options, out, &builder), WEIR_OK);
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        size_t key = strcspn(text, " =");
        struct weir_record_data record = {.timestamp = timestamp++};
        if (key > 0)
            record.key = weir_slice_of(text, key);
        if (key < size)
            record.value = weir_slice_of(text + key + 1, size - key - 1);
        weir_batch_builder_add(builder, &record);
        text += size + (text[size] == ' ');
    }
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
}

static inline int64_t clean_append_as(struct clean_world *clean,
                                      const struct weir_batch_builder_options *builder,
                                      const char *text)
{
    struct world *world = &clean->world;
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT, .is_verified = true};
    struct weir_log_append_result result;
    struct weir_checked_batch checked;
    struct weir_buf bytes = {0};
    clean_build(builder, world->now_ms, text, &bytes);
    cr_assert_eq(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, &world->detail),
                 WEIR_OK);
    enum weir_status status =
        weir_partition_log_append(world->log, &checked, &options, &result, &world->detail);
    cr_assert_eq(status, WEIR_OK, "%s: %s", weir_status_name(status), world->detail.text);
    (void)weir_partition_log_set_high_watermark(world->log, INT64_MAX);
    weir_buf_done(&bytes);
    return result.base_offset;
}

static inline int64_t clean_append(struct clean_world *clean, const char *text)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    return clean_append_as(clean, &options, text);
}

static inline int64_t clean_append_txn(struct clean_world *clean, int64_t producer_id,
                                       int32_t sequence, const char *text)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    options.is_transactional = true;
    return clean_append_as(clean, &options, text);
}

static inline void clean_roll(struct clean_world *clean)
{
    cr_assert_eq(weir_partition_log_roll(clean->world.log, &clean->world.detail), WEIR_OK);
}

static inline enum weir_status clean_try(struct clean_world *clean)
{
    enum weir_status status = weir_partition_log_clean(clean->world.log, &clean->options,
                                                       &clean->result, &clean->world.detail);
    if (status == WEIR_OK)
        clean->options.cleaned_to = clean->result.first_dirty_offset;
    return status;
}

/* A round. */
static inline void clean_now(struct clean_world *clean)
{
    enum weir_status status = clean_try(clean);
    cr_assert_eq(status, WEIR_OK, "%s: %s", weir_status_name(status), clean->world.detail.text);
}

static inline void clean_show_record(const struct weir_batch *batch,
                                     const struct weir_record *record, struct weir_buf *out)
{
    if (weir_batch_is_control(batch)) {
        enum weir_control_type type = WEIR_CONTROL_ABORT;
        cr_assert_eq(weir_control_key_parse(record->key, &type), WEIR_OK);
        weir_buf_append_str(out, type == WEIR_CONTROL_COMMIT ? "COMMIT" : "ABORT");
        return;
    }
    weir_buf_printf(out, "%lld:%.*s", (long long)record->offset, (int)record->key.size,
                    (const char *)record->key.data);
    if (record->value_bytes >= 0)
        weir_buf_printf(out, "=%.*s", (int)record->value.size, (const char *)record->value.data);
}

/* Each batch as "first-last" and what is special of it, then its records: "0-2h{0:a=1 2:b}". */
static inline void clean_show(struct clean_world *clean, struct weir_buf *out)
{
    struct world *world = &clean->world;
    int64_t next = weir_partition_log_start_offset(world->log);
    weir_buf_clear(out);
    for (;;) {
        struct weir_log_read_options options = {
            .offset = next, .bytes_max = 1 << 20, .min_one_batch = true};
        struct weir_log_read read;
        struct weir_buf bytes = {0};
        cr_assert_eq(weir_partition_log_read(world->log, &options, &read, &world->detail), WEIR_OK,
                     "%s", world->detail.text);
        bool is_end = read.range.size == 0;
        cr_assert_eq(weir_log_read_copy(&world->env, &read, &bytes, &world->detail), WEIR_OK);
        weir_log_read_done(&read);
        struct weir_batch_iter iter;
        struct weir_batch batch;
        weir_batch_iter_init(&iter, weir_buf_slice(&bytes));
        while (!is_end && weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
            struct weir_record_iter *records = NULL;
            struct weir_record record;
            cr_assert_eq(weir_batch_check(&batch, &world->detail), WEIR_OK);
            weir_buf_printf(out, "%s%lld-%lld%s{", out->size > 0 ? " " : "",
                            (long long)batch.base_offset, (long long)batch.last_offset,
                            weir_batch_has_delete_horizon(&batch) ? "h" : "");
            cr_assert_eq(weir_record_iter_new(&batch, NULL, &records, NULL), WEIR_OK);
            for (int i = 0; weir_record_iter_next(records, &record, NULL) == WEIR_OK; i++) {
                weir_buf_append_str(out, i > 0 ? " " : "");
                clean_show_record(&batch, &record, out);
            }
            weir_record_iter_free(records);
            weir_buf_append_str(out, "}");
            next = batch.last_offset + 1;
        }
        weir_buf_done(&bytes);
        if (is_end)
            break;
    }
    weir_buf_append(out, "", 1);
}

static inline void clean_expect(struct clean_world *clean, const char *expected)
{
    struct weir_buf text = {0};
    clean_show(clean, &text);
    cr_assert_str_eq((const char *)text.data, expected);
    weir_buf_done(&text);
}

static inline void clean_world_done(struct clean_world *clean)
{
    world_done(&clean->world);
}
