/* SPDX-License-Identifier: Apache-2.0 */
#include "embedded.h"

#include "weir/protocol/records/consumer_protocol_assignment.h"
#include "weir/protocol/wire_writer.h"

#include <stdlib.h>

#define NEWEST_VERSION 3

static int16_t read_version(struct weir_reader *reader)
{
    int16_t version = weir_read_i16(reader);
    if (version < 0)
        weir_reader_fail(reader, WEIR_INVALID);
    return version < NEWEST_VERSION ? version : NEWEST_VERSION; /* newer ones only add fields */
}

enum weir_status embedded_subscription(struct weir_slice metadata, struct weir_arena *arena,
                                       struct weir_consumer_protocol_subscription *out)
{
    struct weir_reader reader;
    weir_reader_init(&reader, metadata, arena);
    int16_t version = read_version(&reader);
    weir_consumer_protocol_subscription_read(&reader, version, out);
    return weir_reader_status(&reader);
}

enum weir_status embedded_assignment(struct weir_slice assignment, const struct weir_image *image,
                                     int32_t epoch, struct weir_arena *arena,
                                     struct partition_set *out)
{
    *out = (struct partition_set){0};
    if (assignment.size == 0)
        return WEIR_OK;
    struct weir_reader reader;
    struct weir_consumer_protocol_assignment value;
    weir_reader_init(&reader, assignment, arena);
    int16_t version = read_version(&reader);
    weir_consumer_protocol_assignment_read(&reader, version, &value);
    enum weir_status status = weir_reader_status(&reader);
    if (status != WEIR_OK)
        return status;
    if (value.user_data.size > 0)
        return WEIR_UNSUPPORTED;
    size_t total = 0;
    for (int32_t i = 0; i < value.assigned_partitions.count; i++)
        total += (size_t)value.assigned_partitions.items[i].partitions.count;
    status = partition_set_room(arena, total, out);
    for (int32_t i = 0; status == WEIR_OK && i < value.assigned_partitions.count; i++) {
        const struct weir_consumer_protocol_assignment_topic_partition *topic =
            &value.assigned_partitions.items[i];
        const struct weir_image_topic *found = weir_image_topic(image, topic->topic);
        for (int32_t j = 0; found != NULL && j < topic->partitions.count; j++)
            out->items[out->count++] = (struct held_partition){
                .topic_id = found->id, .partition = topic->partitions.items[j], .epoch = epoch};
    }
    if (status == WEIR_OK)
        partition_set_normalise(out);
    return status;
}

static int16_t version_of(struct weir_slice metadata)
{
    struct weir_arena arena;
    struct weir_reader reader;
    weir_arena_init(&arena, 0);
    weir_reader_init(&reader, metadata, &arena);
    int16_t version = read_version(&reader);
    bool is_valid = weir_reader_status(&reader) == WEIR_OK;
    weir_arena_done(&arena);
    return is_valid ? version : 0;
}

enum weir_status embedded_write_assignment(const struct partition_set *set,
                                           const struct weir_image *image,
                                           struct weir_slice metadata, struct weir_arena *arena,
                                           struct weir_slice *out)
{
    const struct weir_group_topic_partitions *topics;
    size_t count;
    enum weir_status status = partition_set_to_answer(set, image, arena, &topics, &count);
    if (status != WEIR_OK)
        return status;
    struct weir_consumer_protocol_assignment value;
    weir_consumer_protocol_assignment_init(&value);
    value.user_data = WEIR_NULL_SLICE;
    value.assigned_partitions.items =
        weir_arena_calloc(arena, count + 1, sizeof(*value.assigned_partitions.items));
    if (value.assigned_partitions.items == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct weir_consumer_protocol_assignment_topic_partition *topic =
            &value.assigned_partitions.items[i];
        topic->topic = topics[i].topic_name;
        topic->partitions.items = (int32_t *)(uintptr_t)topics[i].partitions; /* only read */
        topic->partitions.count = (int32_t)topics[i].partition_count;
    }
    value.assigned_partitions.count = (int32_t)count;
    struct weir_buf buf = {0};
    struct weir_writer writer;
    weir_writer_init(&writer, &buf);
    int16_t version = version_of(metadata);
    weir_write_i16(&writer, version);
    weir_consumer_protocol_assignment_write(&writer, version, &value);
    status = weir_writer_status(&writer);
    weir_writer_done(&writer);
    if (status == WEIR_OK)
        status = weir_arena_copy(arena, weir_buf_slice(&buf), out);
    weir_buf_done(&buf);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

enum weir_status embedded_topics(const struct weir_consumer_protocol_subscription *subscription,
                                 struct weir_arena *arena, struct member_data *member)
{
    size_t count = (size_t)subscription->topics.count;
    struct weir_slice *names = weir_arena_calloc(arena, count + 1, sizeof(*names));
    if (names == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        names[i] = subscription->topics.items[i];
    qsort(names, count, sizeof(*names), compare_names);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !weir_slice_equal(names[i], names[kept - 1]))
            names[kept++] = names[i];
    }
    member->topics = names;
    member->topic_count = kept;
    return WEIR_OK;
}
