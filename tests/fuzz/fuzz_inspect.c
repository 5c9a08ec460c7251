/* SPDX-License-Identifier: Apache-2.0 */
/* links: inspect quorum storage record protocol runtime base */

/*
 * Any bytes as any file.  Input: byte 0 the kind of file (bit 7: put the checksums of batches and
 * snapshots right, bit 6: print records), byte 1 the topic, then the file.  Dump and verify must
 * end with one of their results, with text that is safe for a terminal and not larger than what
 * the input can explain.
 */

#include "weir/base/assert.h"
#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"
#include "weir/inspect/inspect.h"
#include "weir/record/batch.h"
#include "weir/runtime/env.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A compressed batch may hold many records that say little: their number is bounded by the cap of
 * what is written, where the reader of a pipe would stop. */
enum { TEXT_BYTES_MAX = 16 << 20 };

static const char *const names[] = {
    "00000000000000000000.log",
    "00000000000000000000.index",
    "00000000000000000000.timeindex",
    "00000000000000000000.txnindex",
    "00000000000000000000.snapshot",
    "00000000000000000000-0000000001.checkpoint",
    "leader-epoch-checkpoint",
    "partition.metadata",
    "quorum-state",
    "meta.properties",
    "replication-offset-checkpoint",
    "00000000000000000007.log.swap",
    ".kafka_cleanshutdown",
};

static const char *const topics[] = {"plain",
                                     "__consumer_offsets",
                                     "__transaction_state",
                                     "__share_group_state",
                                     "__cluster_metadata",
                                     "__remote_log_metadata"};

static bool take_text(void *context, struct weir_slice text)
{
    size_t *total = context;
    for (size_t i = 0; i < text.size; i++)
        WEIR_ASSERT(text.data[i] == '\n' || (text.data[i] >= ' ' && text.data[i] != 0x7f));
    *total += text.size;
    return *total < TEXT_BYTES_MAX;
}

/* The disk: one partition's directory with an empty segment and the file.  There is nothing to
 * write with; who tries ends here. */
struct disk_file {
    char path[256];
    struct weir_slice bytes;
};

struct disk {
    char dir[128];
    struct disk_file files[2];
    size_t file_count;
};

static const struct disk_file *find(const struct disk *disk, const char *path)
{
    for (size_t i = disk->file_count; i > 0; i--) {
        if (strcmp(disk->files[i - 1].path, path) == 0)
            return &disk->files[i - 1];
    }
    return NULL;
}

static enum weir_status disk_open(void *env, const char *path, unsigned flags,
                                  struct weir_file **out, struct weir_detail *detail)
{
    const struct disk_file *file = find(env, path);
    WEIR_ASSERT(flags == WEIR_OPEN_READ);
    weir_detail_set(detail, "there is no such file");
    if (file == NULL)
        return WEIR_NOT_FOUND;
    *out = (struct weir_file *)(uintptr_t)file; /* given back below, never looked into */
    return WEIR_OK;
}

static void disk_close(void *env, struct weir_file *file)
{
    (void)env;
    (void)file;
}

static enum weir_status disk_read_at(void *env, struct weir_file *file, void *into, size_t size,
                                     uint64_t file_pos, size_t *out_read,
                                     struct weir_detail *detail)
{
    struct weir_slice bytes = ((const struct disk_file *)(uintptr_t)file)->bytes;
    size_t left = file_pos < bytes.size ? bytes.size - (size_t)file_pos : 0;
    (void)env;
    (void)detail;
    *out_read = size < left ? size : left;
    if (*out_read > 0)
        memcpy(into, bytes.data + file_pos, *out_read);
    return WEIR_OK;
}

static enum weir_status disk_file_size(void *env, struct weir_file *file, uint64_t *out,
                                       struct weir_detail *detail)
{
    (void)env;
    (void)detail;
    *out = ((const struct disk_file *)(uintptr_t)file)->bytes.size;
    return WEIR_OK;
}

static int disk_native_fd(void *env, struct weir_file *file)
{
    (void)env;
    (void)file;
    return -1;
}

static enum weir_status disk_info(void *env, const char *path, struct weir_file_info *out,
                                  struct weir_detail *detail)
{
    const struct disk_file *file = find(env, path);
    (void)detail;
    if (file == NULL)
        return WEIR_NOT_FOUND;
    *out = (struct weir_file_info){.size_bytes = file->bytes.size};
    return WEIR_OK;
}

static enum weir_status disk_list_dir(void *env, const char *path, weir_list_entry *entry,
                                      void *context, struct weir_detail *detail)
{
    const struct disk *disk = env;
    enum weir_status status = WEIR_OK;
    (void)detail;
    if (strcmp(path, disk->dir) != 0)
        return WEIR_NOT_FOUND;
    for (size_t i = 0; i < disk->file_count && status == WEIR_OK; i++)
        status = entry(context, strrchr(disk->files[i].path, '/') + 1);
    return status;
}

static const struct weir_env_ops disk_ops = {.open = disk_open,
                                             .close = disk_close,
                                             .read_at = disk_read_at,
                                             .file_size = disk_file_size,
                                             .native_fd = disk_native_fd,
                                             .info = disk_info,
                                             .list_dir = disk_list_dir};

static void add_file(struct disk *disk, const char *name, struct weir_slice bytes)
{
    struct disk_file *file = &disk->files[disk->file_count++];
    (void)snprintf(file->path, sizeof(file->path), "%s/%s", disk->dir, name);
    file->bytes = bytes;
}

static void fix_checksums(const char *name, uint8_t *bytes, size_t size)
{
    struct weir_batch_iter iter;
    struct weir_batch batch;
    if (strstr(name, ".snapshot") != NULL && size >= 10)
        weir_put_u32(bytes + 2, weir_crc32c(bytes + 6, size - 6));
    weir_batch_iter_init(&iter, weir_slice_of(bytes, size));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        size_t at = (size_t)(batch.bytes.data - bytes);
        if (batch.magic == 2)
            weir_put_u32(bytes + at + 17, weir_crc32c(bytes + at + 21, batch.bytes.size - 21));
    }
}

static void look(struct disk *disk, const char *topic, bool with_records)
{
    struct weir_env env = {.ops = &disk_ops, .context = disk};
    const char *path = disk->files[disk->file_count - 1].path;
    size_t total = 0;
    struct weir_dump_options dump = {.env = &env,
                                     .files = &path,
                                     .file_count = 1,
                                     .topic = topic,
                                     .with_records = with_records,
                                     .bytes_max = 64,
                                     .write = take_text,
                                     .write_context = &total};
    (void)weir_dump(&dump); /* any of its results */
    total = 0;
    struct weir_verify_options verify = {
        .env = &env, .dir = disk->dir, .write = take_text, .write_context = &total};
    (void)weir_verify(&verify);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct disk disk = {.file_count = 0};
    if (size < 2 || size > 1 << 20)
        return 0;
    const char *name = names[(data[0] & 0x3f) % WEIR_ARRAY_COUNT(names)];
    const char *topic = topics[data[1] % WEIR_ARRAY_COUNT(topics)];
    uint8_t *bytes = weir_malloc(size);
    if (bytes == NULL)
        abort();
    memcpy(bytes, data + 2, size - 2);
    if ((data[0] & 0x80) != 0)
        fix_checksums(name, bytes, size - 2);
    (void)snprintf(disk.dir, sizeof(disk.dir), "/data/%s-0", topic);
    if (strcmp(name, names[0]) != 0)
        add_file(&disk, names[0], WEIR_EMPTY_SLICE);
    add_file(&disk, name, weir_slice_of(bytes, size - 2));
    look(&disk, topic, (data[0] & 0x40) != 0);
    weir_free(bytes);
    return 0;
}
