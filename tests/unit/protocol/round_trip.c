/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For every message and version: random values survive the trip over the wire, are written the same
 * way again, and fail cleanly at every truncation and with bytes behind them; damaged bytes are
 * refused or stable; a field the version lacks is refused or dropped as the schema says.  A plain
 * program, so that it runs under every sanitizer; each input lies in memory of exactly its size.
 */

#include "fields.h"
#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { VALUES_PER_VERSION = 12, TRUNCATED_BYTES_MAX = 700, DAMAGES_PER_VALUE = 20 };

static unsigned long failures;
static unsigned long values;

struct trial {
    const struct message_info *message;
    int16_t version;
    struct random random;
    struct weir_arena arena;
};

static void complain(const struct trial *trial, const char *what, const char *detail)
{
    failures++;
    if (failures <= 20)
        fprintf(stderr, "%s v%d: %s %s\n", trial->message->codec->name, trial->version, what,
                detail);
}

static enum weir_status encode(const struct trial *trial, const void *message, struct weir_buf *out)
{
    struct weir_writer writer;
    weir_buf_clear(out);
    weir_writer_init(&writer, out);
    trial->message->codec->write(&writer, trial->version, message);
    const enum weir_status status = weir_writer_status(&writer);
    weir_writer_done(&writer);
    return status;
}

/* Decodes from a copy of exactly this size; the copy is *out_copy, the caller frees it. */
static enum weir_status decode(struct trial *trial, const uint8_t *data, size_t size, void **out,
                               uint8_t **out_copy)
{
    uint8_t *copy = weir_malloc(size == 0 ? 1 : size);
    WEIR_ASSERT(copy != NULL);
    if (size != 0)
        memcpy(copy, data, size);
    void *message = weir_arena_calloc(&trial->arena, 1, trial->message->codec->size);
    WEIR_ASSERT(message != NULL);
    /* Old memory must not shine through: every field has to be written. */
    memset(message, 0xa5, trial->message->codec->size);
    struct weir_reader reader;
    weir_reader_init(&reader, weir_slice_of(copy, size), &trial->arena);
    trial->message->codec->read(&reader, trial->version, message);
    weir_reader_finish(&reader);
    *out = message;
    *out_copy = copy;
    return weir_reader_status(&reader);
}

static void check_round_trip(struct trial *trial, const void *message, const struct weir_buf *bytes)
{
    void *again = NULL;
    uint8_t *copy = NULL;
    const char *field = "";
    struct weir_buf second = {0};
    if (decode(trial, bytes->data, bytes->size, &again, &copy) != WEIR_OK)
        complain(trial, "was not read back", "");
    else if (!same_struct(&trial->arena, trial->message->root, trial->version, message, again,
                          &field))
        complain(trial, "came back different:", field);
    else if (encode(trial, again, &second) != WEIR_OK ||
             !weir_slice_equal(weir_buf_slice(bytes), weir_buf_slice(&second)))
        complain(trial, "was written differently", "");
    weir_buf_done(&second);
    weir_free(copy);
}

static void check_truncations(struct trial *trial, const struct weir_buf *bytes)
{
    const size_t step = bytes->size / TRUNCATED_BYTES_MAX + 1;
    for (size_t size = 0; size < bytes->size; size += step) {
        void *message = NULL;
        uint8_t *copy = NULL;
        if (decode(trial, bytes->data, size, &message, &copy) == WEIR_OK)
            complain(trial, "was read from a part of it", "");
        weir_free(copy);
    }
    uint8_t *longer = weir_calloc(1, bytes->size + 1);
    WEIR_ASSERT(longer != NULL);
    if (bytes->size != 0)
        memcpy(longer, bytes->data, bytes->size);
    void *message = NULL;
    uint8_t *copy = NULL;
    if (decode(trial, longer, bytes->size + 1, &message, &copy) == WEIR_OK)
        complain(trial, "was read with a byte too many", "");
    weir_free(copy);
    weir_free(longer);
}

/* Whatever is accepted must be writable, and from then on stable. */
static void check_damages(struct trial *trial, const struct weir_buf *bytes)
{
    struct weir_buf first = {0}, second = {0};
    for (int i = 0; i < DAMAGES_PER_VALUE && bytes->size != 0; i++) {
        uint8_t *damaged = weir_malloc(bytes->size);
        WEIR_ASSERT(damaged != NULL);
        memcpy(damaged, bytes->data, bytes->size);
        damaged[random_below(&trial->random, (uint32_t)bytes->size)] =
            (uint8_t)random_next(&trial->random);
        void *message = NULL, *again = NULL;
        uint8_t *copy = NULL, *copy_again = NULL;
        if (decode(trial, damaged, bytes->size, &message, &copy) == WEIR_OK) {
            if (encode(trial, message, &first) != WEIR_OK ||
                decode(trial, first.data, first.size, &again, &copy_again) != WEIR_OK ||
                encode(trial, again, &second) != WEIR_OK ||
                !weir_slice_equal(weir_buf_slice(&first), weir_buf_slice(&second)))
                complain(trial, "was accepted damaged and is not stable", "");
        }
        weir_free(copy_again);
        weir_free(copy);
        weir_free(damaged);
    }
    weir_buf_done(&first);
    weir_buf_done(&second);
}

static bool is_flexible(const struct trial *trial)
{
    return trial->version >= trial->message->codec->flexible_from;
}

static void check_version(struct trial *trial)
{
    struct weir_buf bytes = {0};
    for (int i = 0; i < VALUES_PER_VERSION; i++) {
        weir_arena_reset(&trial->arena);
        void *message = weir_arena_calloc(&trial->arena, 1, trial->message->codec->size);
        WEIR_ASSERT(message != NULL);
        fill_struct(&trial->random, &trial->arena, trial->message->root, trial->version,
                    is_flexible(trial), NULL, message);
        values++;
        if (encode(trial, message, &bytes) != WEIR_OK) {
            complain(trial, "was not written", "");
            continue;
        }
        check_round_trip(trial, message, &bytes);
        if (i < 3)
            check_truncations(trial, &bytes);
        check_damages(trial, &bytes);
    }
    weir_buf_done(&bytes);
}

static void check_intruder(struct trial *trial, const struct field_info *field)
{
    struct weir_buf bytes = {0};
    struct intruder intruder = {field, false};
    /* A struct inside arrays or nullable fields comes up in one of a few tries. */
    for (int i = 0; i < 30 && !intruder.was_set; i++) {
        weir_arena_reset(&trial->arena);
        void *message = weir_arena_calloc(&trial->arena, 1, trial->message->codec->size);
        WEIR_ASSERT(message != NULL);
        fill_struct(&trial->random, &trial->arena, trial->message->root, trial->version,
                    is_flexible(trial), &intruder, message);
        const enum weir_status expected =
            intruder.was_set && !field->is_ignorable ? WEIR_UNSUPPORTED : WEIR_OK;
        if (encode(trial, message, &bytes) != expected)
            complain(trial, expected == WEIR_OK ? "was refused for" : "silently lost", field->name);
    }
    weir_buf_done(&bytes);
}

static void check_intruders(struct trial *trial, const struct struct_info *info)
{
    for (size_t i = 0; i < info->field_count; i++) {
        const struct field_info *field = &info->fields[i];
        const bool is_sent = trial->version >= field->low && trial->version <= field->high;
        if (!is_sent)
            check_intruder(trial, field);
        else if (field->inner != NULL)
            check_intruders(trial, field->inner);
    }
}

static void check_unknown_version(struct trial *trial, int16_t version)
{
    struct weir_buf bytes = {0};
    void *message = NULL;
    uint8_t *copy = NULL;
    weir_arena_reset(&trial->arena);
    trial->version = version;
    if (decode(trial, (const uint8_t *)"", 0, &message, &copy) != WEIR_UNSUPPORTED ||
        encode(trial, message, &bytes) != WEIR_UNSUPPORTED)
        complain(trial, "a version that does not exist was taken", "");
    weir_free(copy);
    weir_buf_done(&bytes);
}

int main(void)
{
    for (size_t i = 0; i < message_count(); i++) {
        struct trial trial = {.message = message_at(i), .random = {i}};
        const struct weir_message_codec *codec = trial.message->codec;
        weir_arena_init(&trial.arena, (size_t)256 << 20);
        for (int16_t version = codec->version_min; version <= codec->version_max; version++) {
            trial.version = version;
            check_version(&trial);
            check_intruders(&trial, trial.message->root);
        }
        check_unknown_version(&trial, (int16_t)(codec->version_min - 1));
        check_unknown_version(&trial, (int16_t)(codec->version_max + 1));
        weir_arena_done(&trial.arena);
    }
    printf("%zu messages, %lu values, %lu failures\n", message_count(), values, failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
