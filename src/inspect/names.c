/* SPDX-License-Identifier: Apache-2.0 */

/* What a file is, from its name. */

#include "inspect_int.h"

#include "weir/base/limits.h"

#include <stdio.h>

enum { OFFSET_DIGITS = 20, EPOCH_DIGITS = 10 };

static const struct {
    const char *name;
    enum file_kind kind;
} whole_names[] = {
    {"bootstrap.checkpoint", FILE_METADATA_SNAPSHOT},
    {"recovery-point-offset-checkpoint", FILE_OFFSET_CHECKPOINT},
    {"log-start-offset-checkpoint", FILE_OFFSET_CHECKPOINT},
    {"replication-offset-checkpoint", FILE_OFFSET_CHECKPOINT},
    {"cleaner-offset-checkpoint", FILE_OFFSET_CHECKPOINT},
    {"leader-epoch-checkpoint", FILE_EPOCH_CHECKPOINT},
    {"partition.metadata", FILE_PARTITION_METADATA},
    {"meta.properties", FILE_META_PROPERTIES},
    {"quorum-state", FILE_QUORUM_STATE},
    {".kafka_cleanshutdown", FILE_CLEAN_MARKER},
    {".lock", FILE_LOCK},
};

static const struct {
    const char *suffix;
    enum file_kind kind;
} suffixes[] = {
    {".log", FILE_LOG},
    {".index", FILE_OFFSET_INDEX},
    {".timeindex", FILE_TIME_INDEX},
    {".txnindex", FILE_TXN_INDEX},
    {".snapshot", FILE_PRODUCER_SNAPSHOT},
    {".checkpoint", FILE_METADATA_SNAPSHOT},
};

static const char *const leftovers[] = {".deleted", ".cleaned", ".swap", ".part", ".tmp"};

static bool parse_digits(const char *text, size_t count, int64_t *out)
{
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text[i] - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

static bool ends_with(const char *name, size_t size, const char *suffix)
{
    size_t suffix_size = strlen(suffix);
    return size >= suffix_size && memcmp(name + size - suffix_size, suffix, suffix_size) == 0;
}

/* The digits in front, of a name of that many bytes without its suffix. */
static void parse_numbers(const char *name, size_t size, struct file_name *out)
{
    int64_t epoch = -1;
    if (size < OFFSET_DIGITS || !parse_digits(name, OFFSET_DIGITS, &out->offset)) {
        out->offset = 0;
        return;
    }
    if (out->kind != FILE_METADATA_SNAPSHOT) {
        out->has_offset = size == OFFSET_DIGITS;
        return;
    }
    if (size != OFFSET_DIGITS + 1 + EPOCH_DIGITS || name[OFFSET_DIGITS] != '-' ||
        !parse_digits(name + OFFSET_DIGITS + 1, EPOCH_DIGITS, &epoch) || epoch > INT32_MAX)
        return;
    out->has_offset = true;
    out->has_epoch = true;
    out->epoch = (int32_t)epoch;
}

void inspect_file_name_parse(const char *name, struct file_name *out)
{
    *out = (struct file_name){.kind = FILE_UNKNOWN, .leftover = ""};
    size_t size = strlen(name);
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(leftovers); i++) {
        if (ends_with(name, size, leftovers[i])) {
            out->leftover = leftovers[i];
            size -= strlen(leftovers[i]);
            break;
        }
    }
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(whole_names); i++) {
        if (strlen(whole_names[i].name) == size && memcmp(whole_names[i].name, name, size) == 0) {
            out->kind = whole_names[i].kind;
            return;
        }
    }
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(suffixes); i++) {
        if (ends_with(name, size, suffixes[i].suffix)) {
            out->kind = suffixes[i].kind;
            parse_numbers(name, size - strlen(suffixes[i].suffix), out);
            return;
        }
    }
}

const char *inspect_kind_name(enum file_kind kind)
{
    switch (kind) {
    case FILE_UNKNOWN:
        return "unknown";
    case FILE_LOG:
        return "log segment";
    case FILE_OFFSET_INDEX:
        return "offset index";
    case FILE_TIME_INDEX:
        return "time index";
    case FILE_TXN_INDEX:
        return "index of aborted transactions";
    case FILE_PRODUCER_SNAPSHOT:
        return "producer snapshot";
    case FILE_METADATA_SNAPSHOT:
        return "metadata snapshot";
    case FILE_OFFSET_CHECKPOINT:
        return "offset checkpoint";
    case FILE_EPOCH_CHECKPOINT:
        return "leader epochs";
    case FILE_PARTITION_METADATA:
        return "partition metadata";
    case FILE_META_PROPERTIES:
        return "properties of a log directory";
    case FILE_QUORUM_STATE:
        return "quorum state";
    case FILE_CLEAN_MARKER:
        return "marker of a clean stop";
    case FILE_LOCK:
        return "lock";
    }
    return "";
}

const char *inspect_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

struct weir_slice inspect_parent_name(const char *path)
{
    const char *end = inspect_base_name(path);
    while (end > path && end[-1] == '/')
        end--;
    const char *begin = end;
    while (begin > path && begin[-1] != '/')
        begin--;
    return weir_slice_of(begin, (size_t)(end - begin));
}

bool inspect_join(char out[INSPECT_PATH_BYTES], const char *dir, const char *name)
{
    int size = snprintf(out, INSPECT_PATH_BYTES, "%s/%s", dir, name);
    return size >= 0 && size < INSPECT_PATH_BYTES;
}
