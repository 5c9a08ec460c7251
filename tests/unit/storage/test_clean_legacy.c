/* SPDX-License-Identifier: Apache-2.0 */

/* Compaction of what brokers before Kafka 0.11 wrote (magic 0 and 1). */

#include "clean_world.h"

#include "weir/base/endian.h"
#include "weir/record/compression.h"

#include <zlib.h>

static struct clean_world clean; /* lint: mutable-global, of this test */
static struct weir_buf bytes;    /* lint: mutable-global, of this test */

static void start(void)
{
    clean_world_init(&clean);
}

static void stop(void)
{
    weir_buf_done(&bytes);
    clean_world_done(&clean);
}

TestSuite(clean_legacy, .init = start, .fini = stop, .timeout = 60);

struct message {
    int magic;
    int attributes;
    int64_t offset;
    int64_t timestamp; /* magic 1 */
    struct weir_slice key;
    struct weir_slice value;
};

static void add_part(struct weir_buf *out, struct weir_slice part)
{
    uint8_t scratch[4];
    weir_put_i32(scratch, weir_slice_is_null(part) ? -1 : (int32_t)part.size);
    weir_buf_append(out, scratch, 4);
    weir_buf_append_slice(out, part);
}

static void add_message(struct weir_buf *out, const struct message *message)
{
    struct weir_buf body = {0};
    uint8_t scratch[8];
    uint8_t head[2] = {(uint8_t)message->magic, (uint8_t)message->attributes};
    weir_buf_append(&body, head, 2);
    weir_put_i64(scratch, message->timestamp);
    if (message->magic == 1)
        weir_buf_append(&body, scratch, 8);
    add_part(&body, message->key);
    add_part(&body, message->value);
    weir_put_i64(scratch, message->offset);
    weir_buf_append(out, scratch, 8);
    weir_put_i32(scratch, (int32_t)body.size + 4);
    weir_buf_append(out, scratch, 4);
    weir_put_u32(scratch, (uint32_t)crc32(0, body.data, (uInt)body.size));
    weir_buf_append(out, scratch, 4);
    weir_buf_append_slice(out, weir_buf_slice(&body));
    weir_buf_done(&body);
}

/* "key=value" or, for a tombstone, "key". */
static struct message message_of(int magic, int64_t offset, const char *text)
{
    size_t key = strcspn(text, "=");
    return (struct message){.magic = magic,
                            .offset = offset,
                            .timestamp = clean.world.now_ms + offset,
                            .key = weir_slice_of(text, key),
                            .value = text[key] == '=' ? weir_slice_str(text + key + 1)
                                                      : WEIR_NULL_SLICE};
}

static void add(int magic, int64_t offset, const char *text)
{
    struct message message = message_of(magic, offset, text);
    add_message(&bytes, &message);
}

/* Three in a compressed one. */
static void add_packed(int magic, int attributes, int64_t first_offset, const char *const texts[3])
{
    struct weir_buf inner = {0};
    struct weir_buf packed = {0};
    struct weir_compressor *compressor = NULL;
    for (int i = 0; i < 3; i++) {
        struct message message = message_of(magic, first_offset + i, texts[i]);
        if (magic == 1)
            message.offset = i;
        add_message(&inner, &message);
    }
    cr_assert_eq(
        weir_compressor_new(WEIR_CODEC_GZIP, WEIR_CODEC_LEVEL_DEFAULT, &packed, &compressor),
        WEIR_OK);
    weir_compressor_write(compressor, weir_buf_slice(&inner));
    cr_assert_eq(weir_compressor_finish(compressor), WEIR_OK);
    weir_compressor_free(compressor);
    struct message outer = {.magic = magic,
                            .attributes = WEIR_CODEC_GZIP | attributes,
                            .offset = first_offset + 2,
                            .timestamp = clean.world.now_ms + 5000,
                            .key = WEIR_NULL_SLICE,
                            .value = weir_buf_slice(&packed)};
    add_message(&bytes, &outer);
    weir_buf_done(&inner);
    weir_buf_done(&packed);
}

/* The log's first segment is what was added; opened as after a crash. */
static void open_added(void)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    world_drop(&clean.world);
    world_file(&clean.world, 0, ".log", path);
    cr_assert_eq(weir_file_replace(&clean.world.env, path, weir_buf_slice(&bytes), NULL), WEIR_OK);
    world_open(&clean.world);
    cr_assert_eq(clean.world.recovery.cut_bytes, 0, "%s", clean.world.recovery.note.text);
    (void)weir_partition_log_set_high_watermark(clean.world.log, INT64_MAX);
    clean_roll(&clean);
    clean_append(&clean, "x=1");
}

static void read_segment(struct weir_batch_iter *iter)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    world_file(&clean.world, 0, ".log", path);
    weir_buf_clear(&bytes);
    cr_assert_eq(weir_file_read_all(&clean.world.env, path, 1 << 20, &bytes, NULL), WEIR_OK);
    weir_batch_iter_init(iter, weir_buf_slice(&bytes));
}

Test(clean_legacy, last_values_stay_and_everything_is_magic_2_then)
{
    for (int magic = 0; magic <= 1; magic++) {
        struct weir_batch_iter iter;
        struct weir_batch batch;
        const char *const packed[3] = {"a=2", "c=1", "b"};
        if (magic == 1) {
            stop();
            bytes = (struct weir_buf){0};
            start();
        }
        add(magic, 0, "a=1");
        add(magic, 1, "b=1");
        add(magic, 2, "d=1");
        add_packed(magic, 0, 3, packed);
        add(magic, 6, "c=2");
        open_added();
        clean_now(&clean);
        /* As Apache Kafka 4.3.0: the tombstone gets its horizon with the new format. */
        clean_expect(&clean, "2-2{2:d=1} 3-5h{3:a=2 5:b} 6-6{6:c=2} 7-7{7:x=1}");
        read_segment(&iter);
        for (int i = 0; weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK; i++) {
            cr_assert_eq(batch.magic, 2);
            cr_assert_eq(batch.producer_id, -1);
            cr_assert_eq(batch.partition_leader_epoch, -1);
            cr_assert_eq(batch.attributes & WEIR_BATCH_CODEC_MASK,
                         i == 1 ? WEIR_CODEC_GZIP : WEIR_CODEC_NONE);
            cr_assert_eq(batch.max_timestamp,
                         magic == 0 ? -1 : clean.world.now_ms + batch.last_offset);
        }
        world_reopen_clean(&clean.world);
        cr_assert_eq(clean.world.recovery.rebuilt_indexes, 0, "%s", clean.world.recovery.note.text);
        clean_expect(&clean, "2-2{2:d=1} 3-5h{3:a=2 5:b} 6-6{6:c=2} 7-7{7:x=1}");
    }
}

Test(clean_legacy, compressed_batch_begins_at_the_first_record_it_keeps)
{
    const char *const packed[3] = {"a=1", "b=1", "c=1"};
    add_packed(1, WEIR_BATCH_LOG_APPEND_TIME, 0, packed);
    add(1, 3, "a=2");
    open_added();
    struct weir_batch_iter iter;
    struct weir_batch batch;
    clean_now(&clean);
    clean_expect(&clean, "1-2{1:b=1 2:c=1} 3-3{3:a=2} 4-4{4:x=1}");
    read_segment(&iter);
    cr_assert_eq(weir_batch_iter_next(&iter, &batch, NULL), WEIR_OK);
    cr_assert(weir_batch_has_log_append_time(&batch));
    cr_assert_eq(batch.max_timestamp, clean.world.now_ms + 5000);
}

/* The clean part's newest segment says how old a tombstone may be. */
static void tombstone_in_a_segment_modified(int64_t before_ms, const char *expected)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    add(1, 0, "a");
    add(1, 1, "b=1");
    open_added();
    clean_append(&clean, "y=1");
    clean_roll(&clean);
    clean_append(&clean, "z=1");
    world_file(&clean.world, 0, ".log", path);
    int64_t now_ms = clean.world.now_ms;
    cr_assert_eq(weir_path_set_modified(&clean.world.env, path, now_ms - before_ms, NULL), WEIR_OK);
    world_file(&clean.world, 2, ".log", path);
    cr_assert_eq(weir_path_set_modified(&clean.world.env, path, now_ms, NULL), WEIR_OK);
    clean_roll(&clean);
    clean_append(&clean, "w=1");
    clean.options.cleaned_to =
        4; /* 0 to 3 were cleaned by an older broker, which left the format */
    clean_now(&clean);
    clean_expect(&clean, expected);
}

Test(clean_legacy, tombstone_of_a_segment_younger_than_delete_retention_stays)
{
    tombstone_in_a_segment_modified(
        INT64_C(86399000), "0-0h{0:a} 1-1{1:b=1} 2-2{2:x=1} 3-3{3:y=1} 4-4{4:z=1} 5-5{5:w=1}");
}

Test(clean_legacy, tombstone_of_an_older_segment_goes)
{
    tombstone_in_a_segment_modified(INT64_C(86400000),
                                    "1-1{1:b=1} 2-2{2:x=1} 3-3{3:y=1} 4-4{4:z=1} 5-5{5:w=1}");
}

Test(clean_legacy, both_formats_in_one_segment_supersede_each_other)
{
    add(0, 0, "a=1");
    add(1, 1, "b=1");
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.base_offset = 2;
    clean_build(&options, clean.world.now_ms, "a=2 c=1", &bytes);
    add(1, 4, "c=2");
    open_added();
    clean_now(&clean);
    clean_expect(&clean, "1-1{1:b=1} 2-3{2:a=2} 4-4{4:c=2} 5-5{5:x=1}");
}

Test(clean_legacy, last_offset_of_a_round_without_a_record_stays_as_an_empty_batch)
{
    add(1, 0, "a=1");
    struct message keyless = message_of(1, 1, "=lost");
    keyless.key = WEIR_NULL_SLICE;
    add_message(&bytes, &keyless);
    open_added();
    clean_now(&clean);
    clean_expect(&clean, "0-0{0:a=1} 1-1{} 2-2{2:x=1}");
    world_reopen_clean(&clean.world);
    clean_expect(&clean, "0-0{0:a=1} 1-1{} 2-2{2:x=1}");
}

Test(clean_legacy, damaged_message_stops_the_round)
{
    struct weir_file *file = NULL;
    char path[WEIR_SEGMENT_PATH_BYTES];
    uint8_t bad = 0xff;
    struct weir_slice part = weir_slice_of(&bad, 1);
    add(1, 0, "a=1");
    add(1, 1, "a=2");
    open_added();
    world_reopen_clean(&clean.world);
    world_file(&clean.world, 0, ".log", path);
    cr_assert_eq(
        weir_file_open(&clean.world.env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, NULL),
        WEIR_OK);
    cr_assert_eq(weir_file_write_at(&clean.world.env, file, &part, 1, 30, NULL), WEIR_OK);
    weir_file_close(&clean.world.env, file);
    cr_assert_eq(clean_try(&clean), WEIR_CORRUPT);
    cr_assert_eq(world_segment_count(&clean.world), 2);
}
