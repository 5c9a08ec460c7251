/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Offset checkpoints:
 *
 *   0\n <count>\n then for each entry "<topic> <partition> <offset>\n"
 */

#include "weir/storage/checkpoint.h"

#include "text_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <stdlib.h>

enum { CHECKPOINT_BYTES_MAX = 1 << 28 };

void weir_offset_checkpoint_done(struct weir_offset_checkpoint *checkpoint)
{
    weir_free(checkpoint->items);
    memset(checkpoint, 0, sizeof(*checkpoint));
}

enum weir_status weir_offset_checkpoint_add(struct weir_offset_checkpoint *checkpoint,
                                            const struct weir_topic_partition *key, int64_t offset)
{
    struct weir_offset_checkpoint_entry *items =
        weir_grow(checkpoint->items, &checkpoint->capacity, checkpoint->count + 1,
                  sizeof(checkpoint->items[0]));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    checkpoint->items = items;
    items[checkpoint->count++] =
        (struct weir_offset_checkpoint_entry){.key = *key, .offset = offset};
    return WEIR_OK;
}

static int compare_keys(const struct weir_topic_partition *a, const struct weir_topic_partition *b)
{
    int order = strcmp(a->topic, b->topic);
    if (order != 0)
        return order;
    return a->partition < b->partition ? -1 : a->partition > b->partition;
}

static int compare_entries(const void *a, const void *b)
{
    const struct weir_offset_checkpoint_entry *left = a;
    const struct weir_offset_checkpoint_entry *right = b;
    return compare_keys(&left->key, &right->key);
}

void weir_offset_checkpoint_sort(struct weir_offset_checkpoint *checkpoint)
{
    if (checkpoint->count > 1)
        qsort(checkpoint->items, checkpoint->count, sizeof(checkpoint->items[0]), compare_entries);
}

bool weir_offset_checkpoint_find(const struct weir_offset_checkpoint *checkpoint,
                                 const struct weir_topic_partition *key, int64_t *out)
{
    size_t low = 0;
    size_t high = checkpoint->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(&checkpoint->items[middle].key, key);
        if (order == 0) {
            *out = checkpoint->items[middle].offset;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static enum weir_status parse_line(struct weir_slice line, struct weir_offset_checkpoint *out)
{
    struct weir_slice topic;
    struct weir_slice extra;
    int64_t partition;
    int64_t offset;
    struct weir_topic_partition key;
    if (!weir_text_take_word(&line, &topic) || !weir_text_take_i64(&line, &partition) ||
        !weir_text_take_i64(&line, &offset) || weir_text_take_word(&line, &extra) ||
        partition < 0 || partition > INT32_MAX)
        return WEIR_CORRUPT;
    if (weir_topic_partition_make(topic, (int32_t)partition, &key) != WEIR_OK)
        return WEIR_CORRUPT;
    return weir_offset_checkpoint_add(out, &key, offset);
}

static enum weir_status parse_checkpoint(struct weir_slice text, struct weir_offset_checkpoint *out)
{
    struct weir_slice line;
    int64_t version;
    int64_t count;
    if (!weir_text_take_line(&text, &line))
        return WEIR_OK; /* created but never written */
    if (!weir_text_parse_i64(line, &version) || version != 0)
        return WEIR_CORRUPT;
    if (!weir_text_take_line(&text, &line) || !weir_text_parse_i64(line, &count) || count < 0)
        return WEIR_CORRUPT;
    for (int64_t i = 0; i < count; i++) {
        if (!weir_text_take_line(&text, &line))
            return WEIR_CORRUPT;
        enum weir_status status = parse_line(line, out);
        if (status != WEIR_OK)
            return status;
    }
    return weir_text_take_line(&text, &line) ? WEIR_CORRUPT : WEIR_OK;
}

enum weir_status weir_offset_checkpoint_read(struct weir_env *env, const char *path,
                                             struct weir_offset_checkpoint *out,
                                             struct weir_detail *detail)
{
    struct weir_buf text = {0};
    enum weir_status status = weir_file_read_all(env, path, CHECKPOINT_BYTES_MAX, &text, detail);
    memset(out, 0, sizeof(*out));
    if (status == WEIR_NOT_FOUND) {
        status = WEIR_OK;
        weir_detail_set(detail, "%s", "");
    } else if (status == WEIR_OK) {
        status = parse_checkpoint(weir_buf_slice(&text), out);
        if (status == WEIR_CORRUPT)
            weir_detail_set(detail, "%s is no offset checkpoint", path);
    }
    if (status != WEIR_OK)
        weir_offset_checkpoint_done(out);
    weir_buf_done(&text);
    return status;
}

enum weir_status weir_offset_checkpoint_write(struct weir_env *env, const char *path,
                                              const struct weir_offset_checkpoint *checkpoint,
                                              struct weir_detail *detail)
{
    struct weir_buf text = {0};
    weir_buf_printf(&text, "0\n%zu\n", checkpoint->count);
    for (size_t i = 0; i < checkpoint->count; i++) {
        const struct weir_offset_checkpoint_entry *entry = &checkpoint->items[i];
        weir_buf_printf(&text, "%s %d %" PRId64 "\n", entry->key.topic, entry->key.partition,
                        entry->offset);
    }
    enum weir_status status = weir_buf_status(&text);
    if (status == WEIR_OK)
        status = weir_file_replace(env, path, weir_buf_slice(&text), detail);
    weir_buf_done(&text);
    return status;
}
