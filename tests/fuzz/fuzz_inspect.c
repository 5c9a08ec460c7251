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
#include "weir/runtime/file_util.h"

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

static void put_file(const char *path, struct weir_slice bytes)
{
    struct weir_file *file = NULL;
    if (weir_file_open(weir_env_posix(), path,
                       WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE, &file,
                       NULL) != WEIR_OK)
        abort();
    if (bytes.size > 0 && weir_file_write_at(weir_env_posix(), file, &bytes, 1, 0, NULL) != WEIR_OK)
        abort();
    weir_file_close(weir_env_posix(), file);
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

static void look(const char *dir, const char *path, const char *topic, bool with_records)
{
    size_t total = 0;
    struct weir_dump_options dump = {.env = weir_env_posix(),
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
        .env = weir_env_posix(), .dir = dir, .write = take_text, .write_context = &total};
    (void)weir_verify(&verify);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char base[64] = "/tmp/weir-fuzz-inspect-XXXXXX";
    char dir[128];
    char path[256];
    if (size < 2 || size > 1 << 20)
        return 0;
    const char *name = names[(data[0] & 0x3f) % WEIR_ARRAY_COUNT(names)];
    const char *topic = topics[data[1] % WEIR_ARRAY_COUNT(topics)];
    uint8_t *bytes = weir_malloc(size);
    if (bytes == NULL || mkdtemp(base) == NULL)
        abort();
    memcpy(bytes, data + 2, size - 2);
    if ((data[0] & 0x80) != 0)
        fix_checksums(name, bytes, size - 2);
    (void)snprintf(dir, sizeof(dir), "%s/%s-0", base, topic);
    if (weir_dir_make(weir_env_posix(), dir, NULL) != WEIR_OK)
        abort();
    (void)snprintf(path, sizeof(path), "%s/00000000000000000000.log", dir);
    put_file(path, WEIR_EMPTY_SLICE);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    put_file(path, weir_slice_of(bytes, size - 2));
    look(dir, path, topic, (data[0] & 0x40) != 0);
    weir_free(bytes);
    if (weir_dir_remove_all(weir_env_posix(), base, NULL) != WEIR_OK)
        abort();
    return 0;
}
