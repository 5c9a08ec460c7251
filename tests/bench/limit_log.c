/* SPDX-License-Identifier: Apache-2.0 */
#include "limit.h"

#include "wire.h"

#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BYTES_MAX    (128u << 10)
#define ALLOCATE_BYTES     (64 << 20)
#define SMALL_BYTES        (1 << 20) /* partitions of a topic with many */
#define IOV_MAX_AT_ONCE    1024
#define BATCH_HEADER_BYTES 61

/* Topic ids carry the topic's place. */
#define ID_MARK 0x4c

struct weir_uuid limit_topic_id(const struct limit_server *server, const struct limit_topic *topic)
{
    struct weir_uuid id = {{ID_MARK}};
    id.bytes[15] = (uint8_t)(topic - server->topics);
    return id;
}

struct limit_topic *limit_topic_by_name(struct limit_server *server, const char *name, size_t size)
{
    for (size_t i = 0; i < LIMIT_TOPICS_MAX; i++) {
        struct limit_topic *topic = &server->topics[i];
        if (topic->partition_count > 0 && strlen(topic->name) == size &&
            memcmp(topic->name, name, size) == 0)
            return topic;
    }
    return NULL;
}

struct limit_partition *limit_partition_by_id(struct limit_server *server, const uint8_t id[16],
                                              int32_t index)
{
    struct limit_topic *topic = &server->topics[id[15] % LIMIT_TOPICS_MAX];
    if (id[0] != ID_MARK || index < 0 || index >= topic->partition_count)
        bench_fail("no such partition");
    return &topic->partitions[index];
}

void limit_topic_create(struct limit_server *server, struct limit_topic *topic, int32_t partitions)
{
    char path[4096];
    topic->partitions = weir_calloc((size_t)partitions, sizeof(topic->partitions[0]));
    if (topic->partitions == NULL)
        bench_fail("out of memory");
    topic->partition_count = partitions;
    for (int32_t i = 0; i < partitions; i++) {
        struct limit_partition *partition = &topic->partitions[i];
        (void)snprintf(path, sizeof(path), "%s/%zu-%d", server->dir,
                       (size_t)(topic - server->topics), i);
        partition->fd = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
        if (partition->fd < 0 || unlink(path) != 0)
            bench_fail("cannot make a log");
    }
}

void limit_topic_delete(struct limit_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        close(topic->partitions[i].fd);
        weir_free(topic->partitions[i].places);
        weir_free(topic->partitions[i].pieces);
    }
    weir_free(topic->partitions);
    *topic = (struct limit_topic){0};
}

int64_t limit_append(struct limit_server *server, struct limit_partition *partition, uint8_t *batch,
                     size_t size)
{
    if (size < BATCH_HEADER_BYTES || weir_get_u32(batch + 17) != weir_crc32c(batch + 21, size - 21))
        bench_fail("a batch with a wrong CRC");
    int64_t base_offset = partition->next_offset;
    weir_put_i64(batch, base_offset);
    weir_put_i32(batch + 12, 0);
    struct limit_place *places = weir_grow(partition->places, &partition->place_max,
                                           partition->place_count + 1, sizeof(places[0]));
    struct iovec *pieces = weir_grow(partition->pieces, &partition->piece_max,
                                     partition->piece_count + 1, sizeof(pieces[0]));
    if (places == NULL || pieces == NULL)
        bench_fail("out of memory");
    partition->places = places;
    partition->pieces = pieces;
    places[partition->place_count++] = (struct limit_place){base_offset, partition->size};
    pieces[partition->piece_count++] = (struct iovec){batch, size};
    partition->size += (int64_t)size;
    partition->next_offset += weir_get_i32(batch + 23) + 1;
    if (!partition->is_dirty) {
        partition->is_dirty = true;
        partition->next_dirty = server->dirty;
        server->dirty = partition;
    }
    return base_offset;
}

static int64_t bytes_of(const struct iovec *pieces, size_t count)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += (int64_t)pieces[i].iov_len;
    return bytes;
}

/* So many pieces go into one write.  A longer one would get folios of 128 KB and more, which the
 * kernel takes from where free pages have gone back to the host: touching those costs more than the
 * calls that are saved. */
static size_t count_pieces(const struct iovec *pieces, size_t left)
{
    size_t count = 1, bytes = pieces[0].iov_len;
    while (count < left && count < IOV_MAX_AT_ONCE &&
           bytes + pieces[count].iov_len < WRITE_BYTES_MAX)
        bytes += pieces[count++].iov_len;
    return count;
}

static void write_one(struct limit_partition *partition)
{
    int64_t at = partition->size - bytes_of(partition->pieces, partition->piece_count);
    while (partition->allocated < partition->size) {
        int64_t step = partition->size < SMALL_BYTES ? SMALL_BYTES : ALLOCATE_BYTES;
        if (fallocate(partition->fd, FALLOC_FL_KEEP_SIZE, partition->allocated, step) != 0)
            bench_fail("fallocate");
        partition->allocated += step;
    }
    for (size_t i = 0, count; i < partition->piece_count; i += count) {
        count = count_pieces(partition->pieces + i, partition->piece_count - i);
        int64_t bytes = bytes_of(partition->pieces + i, count);
        if (pwritev(partition->fd, partition->pieces + i, (int)count, at) != bytes)
            bench_fail("pwritev");
        at += bytes;
    }
    partition->piece_count = 0;
    partition->is_dirty = false;
}

void limit_write_all(struct limit_server *server)
{
    for (struct limit_partition *partition = server->dirty; partition != NULL;
         partition = partition->next_dirty) {
        write_one(partition);
        if (!server->is_flushing) {
            partition->written = partition->size;
            partition->visible_offset = partition->next_offset;
        }
    }
    server->dirty = NULL;
}

int64_t limit_find(const struct limit_partition *partition, int64_t offset)
{
    size_t low = 0, high = partition->place_count;
    if (offset >= partition->visible_offset)
        return partition->written;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (partition->places[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return partition->places[low].file_pos;
}
