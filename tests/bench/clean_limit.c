/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What compaction cannot do without, and nothing else: the input is read once, its batches are
 * taken apart, every key is hashed, and as many bytes as a cleaner would leave are written.
 *
 *   bench_clean_limit OUT_FILE OUT_BYTES SEGMENT...
 *
 * Prints "cpu <seconds> read <bytes> records <count> written <bytes>".
 */
#include "weir/base/memory.h"
#include "weir/record/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xxhash.h>

#define CHUNK_BYTES (1 << 20)

struct totals {
    uint64_t read_bytes;
    uint64_t written_bytes;
    uint64_t written_bytes_max;
    uint64_t records;
    uint64_t mixed; /* of all hashes, so that none can be left out */
    int out;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_clean_limit: %s (errno %d)\n", what, errno);
    exit(1);
}

static void hash_keys(const struct weir_batch *batch, struct totals *totals)
{
    struct weir_record_iter_options options = {0};
    struct weir_record_iter *iter;
    struct weir_record record;
    if (weir_record_iter_new(batch, &options, &iter, NULL) != WEIR_OK)
        fail("a batch cannot be read");
    while (weir_record_iter_next(iter, &record, NULL) == WEIR_OK) {
        XXH128_hash_t hash = XXH3_128bits(record.key.data, record.key.size);
        totals->mixed ^= hash.low64 + hash.high64;
        totals->records++;
    }
    weir_record_iter_free(iter);
}

static void write_some(const uint8_t *bytes, size_t size, struct totals *totals)
{
    uint64_t left = totals->written_bytes_max - totals->written_bytes;
    if (size > left)
        size = (size_t)left;
    if (size > 0 && write(totals->out, bytes, size) != (ssize_t)size)
        fail("write");
    totals->written_bytes += size;
}

/* Bytes of whole batches at the front. */
static size_t take_batches(const uint8_t *bytes, size_t size, struct totals *totals)
{
    struct weir_batch_iter iter;
    struct weir_batch batch;
    size_t whole = 0;
    weir_batch_iter_init(&iter, weir_slice_of(bytes, size));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        hash_keys(&batch, totals);
        whole += batch.bytes.size;
    }
    return whole;
}

static void take_file(const char *path, uint8_t *buffer, size_t capacity, struct totals *totals)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t held = 0;
    if (fd < 0)
        fail(path);
    for (;;) {
        ssize_t got = read(fd, buffer + held, capacity - held);
        if (got < 0)
            fail("read");
        if (got == 0)
            break;
        held += (size_t)got;
        totals->read_bytes += (uint64_t)got;
        size_t whole = take_batches(buffer, held, totals);
        if (whole == 0 && held == capacity)
            fail("a batch larger than the buffer");
        write_some(buffer, whole, totals);
        memmove(buffer, buffer + whole, held - whole);
        held -= whole;
    }
    close(fd);
}

int main(int argc, char **argv)
{
    struct rusage usage;
    struct totals totals = {0};
    if (argc < 4)
        fail("usage: bench_clean_limit OUT_FILE OUT_BYTES SEGMENT...");
    totals.out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    totals.written_bytes_max = strtoull(argv[2], NULL, 10);
    uint8_t *buffer = weir_malloc(CHUNK_BYTES);
    if (totals.out < 0 || buffer == NULL)
        fail("cannot begin");
    for (int i = 3; i < argc; i++)
        take_file(argv[i], buffer, CHUNK_BYTES, &totals);
    if (fdatasync(totals.out) != 0 || getrusage(RUSAGE_SELF, &usage) != 0)
        fail("the end");
    close(totals.out);
    weir_free(buffer);
    double seconds = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("cpu %.4f read %llu records %llu written %llu mix %llx\n", seconds,
           (unsigned long long)totals.read_bytes, (unsigned long long)totals.records,
           (unsigned long long)totals.written_bytes, (unsigned long long)totals.mixed);
    return 0;
}
