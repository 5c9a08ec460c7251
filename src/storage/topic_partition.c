/* SPDX-License-Identifier: Apache-2.0 */

/* Names of partition directories. */

#include "weir/storage/topic_partition.h"

#include "weir/storage/log_config.h"

#include <stdio.h>

enum { HEX_BYTES = 32, FILE_NAME_BYTES_MAX = 255 };

static bool is_topic_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

enum weir_status weir_topic_partition_make(struct weir_slice topic, int32_t partition,
                                           struct weir_topic_partition *out)
{
    if (topic.size == 0 || topic.size > WEIR_TOPIC_BYTES_MAX || partition < 0)
        return WEIR_INVALID;
    if (weir_slice_is(topic, ".") || weir_slice_is(topic, ".."))
        return WEIR_INVALID;
    for (size_t i = 0; i < topic.size; i++) {
        if (!is_topic_byte(topic.data[i]))
            return WEIR_INVALID;
    }
    memset(out, 0, sizeof(*out)); /* the struct's bytes serve as a map key */
    memcpy(out->topic, topic.data, topic.size);
    out->partition = partition;
    return WEIR_OK;
}

void weir_partition_dir_name(const struct weir_topic_partition *key,
                             char out[WEIR_PARTITION_DIR_BYTES])
{
    (void)snprintf(out, WEIR_PARTITION_DIR_BYTES, "%s-%d", key->topic,
                   key->partition); /* always fits */
}

static const char *suffix_of(enum weir_partition_dir_kind kind)
{
    switch (kind) {
    case WEIR_PARTITION_DIR_CURRENT:
        return "";
    case WEIR_PARTITION_DIR_DELETE:
        return "-delete";
    case WEIR_PARTITION_DIR_FUTURE:
        return "-future";
    case WEIR_PARTITION_DIR_STRAY:
        return "-stray";
    }
    return "";
}

void weir_partition_dir_name_of_kind(const struct weir_topic_partition *key,
                                     enum weir_partition_dir_kind kind, struct weir_uuid unique,
                                     char out[WEIR_PARTITION_DIR_BYTES])
{
    char hex[HEX_BYTES + 1];
    for (size_t i = 0; i < sizeof(unique.bytes); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", unique.bytes[i]);
    char tail[64];
    int tail_bytes = snprintf(tail, sizeof(tail), "-%d.%s%s", key->partition, hex, suffix_of(kind));
    int topic_bytes = FILE_NAME_BYTES_MAX - tail_bytes;
    (void)snprintf(out, WEIR_PARTITION_DIR_BYTES, "%.*s%s", topic_bytes, key->topic, tail);
}

static bool ends_with(struct weir_slice name, const char *suffix)
{
    size_t size = strlen(suffix);
    return name.size >= size && memcmp(name.data + name.size - size, suffix, size) == 0;
}

/* Takes ".<32 hex>-suffix" off the end. */
static bool strip_kind(struct weir_slice *name, enum weir_partition_dir_kind *out_kind)
{
    static const enum weir_partition_dir_kind kinds[] = {
        WEIR_PARTITION_DIR_DELETE, WEIR_PARTITION_DIR_FUTURE, WEIR_PARTITION_DIR_STRAY};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *suffix = suffix_of(kinds[i]);
        size_t tail = 1 + HEX_BYTES + strlen(suffix);
        if (!ends_with(*name, suffix) || name->size <= tail || name->data[name->size - tail] != '.')
            continue;
        for (size_t h = 0; h < HEX_BYTES; h++) {
            uint8_t c = name->data[name->size - tail + 1 + h];
            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
                return false;
        }
        name->size -= tail;
        *out_kind = kinds[i];
        return true;
    }
    *out_kind = WEIR_PARTITION_DIR_CURRENT;
    return true;
}

enum weir_status weir_partition_dir_parse(struct weir_slice name, struct weir_topic_partition *out,
                                          enum weir_partition_dir_kind *out_kind)
{
    enum weir_partition_dir_kind kind;
    if (!strip_kind(&name, &kind))
        return WEIR_INVALID;
    size_t dash = name.size;
    while (dash > 0 && name.data[dash - 1] != '-')
        dash--;
    size_t digits = name.size - dash;
    if (dash < 2 || digits == 0 || digits > 10)
        return WEIR_INVALID;
    int64_t partition = 0;
    for (size_t i = dash; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9')
            return WEIR_INVALID;
        partition = partition * 10 + (name.data[i] - '0');
    }
    if (partition > INT32_MAX)
        return WEIR_INVALID;
    enum weir_status status =
        weir_topic_partition_make(weir_slice_of(name.data, dash - 1), (int32_t)partition, out);
    if (status == WEIR_OK)
        *out_kind = kind;
    return status;
}

struct weir_log_config weir_log_config_default(void)
{
    const int64_t day_ms = (int64_t)24 * 3600 * 1000;
    return (struct weir_log_config){
        .segment_bytes = 1 << 30,
        .segment_ms = 7 * day_ms,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .retention_bytes = -1,
        .retention_ms = 7 * day_ms,
        .message_bytes_max = 1048588,
        .message_timestamp_before_max_ms = INT64_MAX,
        .message_timestamp_after_max_ms = 3600000,
        .keep_codec = true,
        .gzip_level = -1,
        .lz4_level = 9,
        .zstd_level = 3,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
        .file_delete_delay_ms = 60000,
        .cleanup_delete = true,
        .max_compaction_lag_ms = INT64_MAX,
        .delete_retention_ms = day_ms,
        .min_cleanable_dirty_ratio = 0.5,
        .producer_id_expiration_ms = day_ms,
    };
}
