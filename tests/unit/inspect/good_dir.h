/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A log directory with one partition, topic-0, that was stopped cleanly and has nothing wrong:
 *
 *   offsets 0-2    producer 7, sequence 0-2, leader epoch 1
 *           3-22   twenty batches of one record, several segments
 *           23-24  producer 9, transactional; 25 its ABORT marker, leader epoch 2
 *           26     producer 7, sequence 3
 *           27-29  producer 11, a transaction that stays open
 *
 * and ways to damage it and to read what weir_verify and weir_dump say.
 */

#include "log_world.h"

#include "weir/inspect/inspect.h"
#include "weir/storage/checkpoint.h"
#include "weir/storage/meta_properties.h"
#include "weir/storage/partition_metadata.h"

enum { GOOD_END_OFFSET = 30, GOOD_ABORT_OFFSET = 25 };

static struct world world;
static struct weir_buf text; /* what was printed last */
static enum weir_inspect_result result;

static inline void good_append(const struct world_batch *batch, int32_t leader_epoch)
{
    struct weir_log_append_options options = {
        .origin = WEIR_APPEND_CLIENT, .is_verified = true, .leader_epoch = leader_epoch};
    struct weir_log_append_result appended;
    enum weir_status status = world_try_append(&world, batch, &options, &appended);
    cr_assert_eq(status, WEIR_OK, "%s: %s", weir_status_name(status), world.detail.text);
    (void)weir_partition_log_set_high_watermark(world.log, INT64_MAX);
    world.now_ms += 1000;
}

static inline void good_fill(void)
{
    struct world_batch batch = world_producer_batch(3, 7, 0, 0);
    good_append(&batch, 1);
    for (int i = 0; i < 20; i++) {
        batch = world_batch(1);
        batch.value_bytes = 100;
        good_append(&batch, 1);
    }
    cr_assert_eq(weir_partition_log_assign_leader_epoch(world.log, 2), WEIR_OK);
    batch = world_producer_batch(2, 9, 0, 0);
    batch.options.is_transactional = true;
    good_append(&batch, 2);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_COORDINATOR, .leader_epoch = 2};
    struct weir_txn_marker marker = {.producer_id = 9};
    struct weir_log_append_result appended;
    cr_assert_eq(
        weir_partition_log_append_marker(world.log, &marker, &options, &appended, &world.detail),
        WEIR_OK, "%s", world.detail.text);
    cr_assert_eq(appended.last_offset, GOOD_ABORT_OFFSET);
    batch = world_producer_batch(1, 7, 0, 3);
    good_append(&batch, 2);
    batch = world_producer_batch(3, 11, 0, 0);
    batch.options.is_transactional = true;
    good_append(&batch, 2);
    cr_assert_eq(weir_partition_log_end_offset(world.log), GOOD_END_OFFSET);
}

static inline void good_checkpoint(const char *name, int64_t offset)
{
    char path[512];
    struct weir_offset_checkpoint checkpoint = {0};
    (void)snprintf(path, sizeof(path), "%s/%s", world.dir, name);
    cr_assert_eq(weir_offset_checkpoint_add(&checkpoint, &world.options.key, offset), WEIR_OK);
    cr_assert_eq(weir_offset_checkpoint_write(&world.env, path, &checkpoint, NULL), WEIR_OK);
    weir_offset_checkpoint_done(&checkpoint);
}

static inline void good_init(void)
{
    world_init(&world);
    world.options.config.segment_bytes = 1000;
    world.options.config.index_interval_bytes = 200;
    world.options.topic_id = weir_random_uuid(&world.env);
    cr_assert_eq(weir_dir_make_all(&world.env, world.log_dir, NULL), WEIR_OK);
    world_open(&world);
    good_fill();
    world_close(&world);
    struct weir_meta_properties properties = {.cluster_id = "c", .node_id = 1};
    cr_assert_eq(weir_meta_properties_write(&world.env, world.dir, &properties, NULL), WEIR_OK);
    good_checkpoint("recovery-point-offset-checkpoint", GOOD_END_OFFSET);
    good_checkpoint("replication-offset-checkpoint", GOOD_END_OFFSET);
    cr_assert_eq(weir_clean_marker_write(&world.env, world.dir, 1, NULL), WEIR_OK);
}

static inline void good_done(void)
{
    weir_buf_done(&text);
    world_done(&world);
}

static inline bool good_write(void *context, struct weir_slice line)
{
    (void)context;
    weir_buf_append_slice(&text, line);
    return true;
}

static inline const char *good_text(void)
{
    weir_buf_append(&text, "", 1);
    cr_assert_eq(weir_buf_status(&text), WEIR_OK);
    text.size--;
    return (const char *)text.data;
}

static inline void verify_dir(const char *dir)
{
    struct weir_verify_options options = {
        .env = &world.env, .dir = dir, .write = good_write, .write_context = NULL};
    weir_buf_clear(&text);
    result = weir_verify(&options);
}

static inline void verify(void)
{
    verify_dir(world.dir);
}

static inline void expect_sound(void)
{
    verify();
    cr_expect_eq(result, WEIR_INSPECT_SOUND, "%s", good_text());
    cr_expect_null(strstr(good_text(), "FAULT"), "%s", good_text());
}

/* A line that begins with kind and holds both. */
static inline bool has_line(const char *kind, const char *file, const char *words)
{
    const char *line = good_text();
    while (*line != '\0') {
        size_t size = strcspn(line, "\n");
        char copy[2048];
        (void)snprintf(copy, sizeof(copy), "%.*s", (int)size, line);
        if (strncmp(copy, kind, strlen(kind)) == 0 && strstr(copy, file) != NULL &&
            strstr(copy, words) != NULL)
            return true;
        line += size + (line[size] == '\n');
    }
    return false;
}

static inline void expect_fault(const char *file, const char *words)
{
    verify();
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED, "%d: %s", result, good_text());
    cr_expect(has_line("FAULT ", file, words), "%s", good_text());
}

static inline void expect_note(const char *file, const char *words)
{
    expect_sound();
    cr_expect(has_line("NOTE ", file, words), "%s", good_text());
}

/* --- Damage; name is of a file in the partition's directory. --- */

static inline void path_of(const char *name, char out[512])
{
    (void)snprintf(out, 512, "%s/%s", world.log_dir, name);
}

static inline struct weir_buf read_file(const char *name)
{
    char path[512];
    struct weir_buf bytes = {0};
    path_of(name, path);
    cr_assert_eq(weir_file_read_all(&world.env, path, 1 << 20, &bytes, &world.detail), WEIR_OK,
                 "%s", world.detail.text);
    return bytes;
}

static inline void write_path(const char *path, const void *bytes, size_t size)
{
    struct weir_file *file = NULL;
    struct weir_slice part = weir_slice_of(bytes, size);
    cr_assert_eq(weir_file_open(&world.env, path,
                                WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE, &file,
                                NULL),
                 WEIR_OK);
    if (size > 0)
        cr_assert_eq(weir_file_write_at(&world.env, file, &part, 1, 0, NULL), WEIR_OK);
    weir_file_close(&world.env, file);
}

static inline void write_file(const char *name, const void *bytes, size_t size)
{
    char path[512];
    path_of(name, path);
    write_path(path, bytes, size);
}

static inline void poke(const char *name, size_t at, const void *bytes, size_t size)
{
    struct weir_buf whole = read_file(name);
    cr_assert_leq(at + size, whole.size);
    memcpy(whole.data + at, bytes, size);
    write_file(name, whole.data, whole.size);
    weir_buf_done(&whole);
}

static inline void flip(const char *name, size_t at, uint8_t bits)
{
    struct weir_buf whole = read_file(name);
    cr_assert_lt(at, whole.size);
    whole.data[at] ^= bits;
    write_file(name, whole.data, whole.size);
    weir_buf_done(&whole);
}

static inline void cut(const char *name, size_t bytes)
{
    struct weir_buf whole = read_file(name);
    cr_assert_leq(bytes, whole.size);
    write_file(name, whole.data, whole.size - bytes);
    weir_buf_done(&whole);
}

static inline void add(const char *name, const void *bytes, size_t size)
{
    struct weir_buf whole = read_file(name);
    weir_buf_append(&whole, bytes, size);
    write_file(name, whole.data, whole.size);
    weir_buf_done(&whole);
}

static inline void remove_file(const char *name)
{
    char path[512];
    path_of(name, path);
    cr_assert_eq(weir_path_remove(&world.env, path, NULL), WEIR_OK);
}

/* The name of the last file with this suffix, in order of offset. */
static const char *found_suffix;
static char found_name[128];

static inline enum weir_status take_greatest(void *context, const char *name)
{
    (void)context;
    size_t size = strlen(name);
    size_t suffix_size = strlen(found_suffix);
    if (size > suffix_size && strcmp(name + size - suffix_size, found_suffix) == 0 &&
        strcmp(name, found_name) > 0)
        (void)snprintf(found_name, sizeof(found_name), "%s", name);
    return WEIR_OK;
}

static inline const char *last_file(const char *suffix)
{
    found_suffix = suffix;
    found_name[0] = '\0';
    cr_assert_eq(weir_dir_list(&world.env, world.log_dir, take_greatest, NULL, NULL), WEIR_OK);
    cr_assert_neq(found_name[0], '\0');
    return found_name;
}

static inline void remove_marker(void)
{
    cr_assert_eq(weir_clean_marker_remove(&world.env, world.dir, NULL), WEIR_OK);
}

#define FIRST "00000000000000000000"
