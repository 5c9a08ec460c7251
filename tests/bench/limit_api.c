/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests bench_drive sends, and no others: Produce 13 and Fetch 17 by hand, the rest with
 * weir's codecs, since it is outside of what is measured.
 */
#include "limit.h"

#include "wire.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/protocol/codec.h"
#include "weir/protocol/messages/api_versions_response.h"
#include "weir/protocol/messages/create_topics_request.h"
#include "weir/protocol/messages/create_topics_response.h"
#include "weir/protocol/messages/delete_topics_request.h"
#include "weir/protocol/messages/delete_topics_response.h"
#include "weir/protocol/messages/init_producer_id_response.h"
#include "weir/protocol/messages/list_offsets_request.h"
#include "weir/protocol/messages/list_offsets_response.h"
#include "weir/protocol/messages/metadata_request.h"
#include "weir/protocol/messages/metadata_response.h"

#include <string.h>
#include <unistd.h>

#define PRODUCE_VERSION 13
#define FETCH_VERSION   17
#define COPIED_BYTES                                                                               \
    8192 /* shorter ranges are read and sent with the rest: cheaper than sendfile */

/* --- Reading by hand: what is too short ends the program. --- */

struct cursor {
    const uint8_t *at, *end;
};

static const uint8_t *skip(struct cursor *cursor, size_t size)
{
    const uint8_t *at = cursor->at;
    if ((size_t)(cursor->end - at) < size)
        bench_fail("a request that ends early");
    cursor->at += size;
    return at;
}

static uint32_t read_uvarint(struct cursor *cursor)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte = *skip(cursor, 1);
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    bench_fail("a number that is too long");
}

/* Key, version and correlation id lie before; client id and tags are skipped. */
static struct cursor body_of(struct weir_slice frame, bool is_flexible)
{
    struct cursor cursor = {frame.data + 8, frame.data + frame.size};
    int16_t size = weir_get_i16(skip(&cursor, 2));
    (void)skip(&cursor, size > 0 ? (size_t)size : 0);
    if (is_flexible)
        (void)skip(&cursor, read_uvarint(&cursor));
    return cursor;
}

/* --- Produce --- */

/* Everything behind the partition's index is constant but the base offset: error, offset, log
 * append time -1, log start 0, no record errors, no message, tags; topic's tags, throttle time,
 * tags. */
static void answer_produce(struct limit_server *server, struct limit_connection *connection,
                           const uint8_t *correlation, const uint8_t *topic_id, int32_t index,
                           int64_t base_offset)
{
    uint8_t answer[] = {
        0,    0,    0,    0,    0,    0,    0,    0,    0, 2, /* 0: length, correlation, tags,
                                                                 topics */
        0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0,
        0,    2,                                                          /* 10: id, partitions */
        0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 0, /* 27: index, error,
                                                                             offset */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,                   /* 41: append time */
        0,    0,    0,    0,    0,    0,    0,    0,    1, 0, 0, /* 49: start, errors, message, tags
                                                                  */
        0,    0,    0,    0,    0,    0};                        /* 60: tags, throttle time, tags */
    weir_put_u32(answer, sizeof(answer) - 4);
    memcpy(answer + 4, correlation, 4);
    memcpy(answer + 10, topic_id, 16);
    weir_put_i32(answer + 27, index);
    weir_put_i64(answer + 33, base_offset);
    if (server->is_flushing) {
        weir_buf_append(&connection->held, answer, sizeof(answer));
    } else {
        weir_buf_append(&connection->out, answer, sizeof(answer));
        limit_out_bytes(connection, sizeof(answer));
    }
    limit_touch(server, connection);
}

static void handle_produce(struct limit_server *server, struct limit_connection *connection,
                           struct weir_slice frame)
{
    struct cursor cursor = body_of(frame, true);
    if (read_uvarint(&cursor) != 0)
        bench_fail("no transactions");
    int16_t acks = weir_get_i16(skip(&cursor, 2));
    (void)skip(&cursor, 4);
    if (read_uvarint(&cursor) != 2)
        bench_fail("one topic a request");
    const uint8_t *topic_id = skip(&cursor, 16);
    if (read_uvarint(&cursor) != 2)
        bench_fail("one partition a request");
    int32_t index = weir_get_i32(skip(&cursor, 4));
    size_t size = read_uvarint(&cursor) - 1;
    const uint8_t *batch = skip(&cursor, size);
    struct limit_partition *partition = limit_partition_by_id(server, topic_id, index);
    int64_t base_offset = limit_append(server, partition, (uint8_t *)(uintptr_t)batch, size);
    if (acks != 0)
        answer_produce(server, connection, frame.data + 4, topic_id, index, base_offset);
}

/* --- Fetch --- */

static void put_uvarint(struct weir_buf *out, uint32_t value)
{
    uint8_t bytes[5];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    weir_buf_append(out, bytes, size);
}

static size_t uvarint_bytes(uint32_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

struct wanted {
    const uint8_t *topic_id;
    int32_t index;
    const struct limit_partition *partition;
    int64_t offset;
    int32_t max_bytes;
};

/* One partition: every request of bench_drive that this server is measured with has one. */
static struct wanted read_fetch(struct limit_server *server, struct weir_slice frame,
                                int32_t *max_wait_ms)
{
    struct cursor cursor = body_of(frame, true);
    struct wanted wanted;
    *max_wait_ms = weir_get_i32(skip(&cursor, 4));
    (void)skip(&cursor, 4 + 4 + 1 + 4 + 4); /* bytes, isolation, session */
    if (read_uvarint(&cursor) != 2)
        bench_fail("one topic a fetch");
    wanted.topic_id = skip(&cursor, 16);
    if (read_uvarint(&cursor) != 2)
        bench_fail("one partition a fetch");
    wanted.index = weir_get_i32(skip(&cursor, 4));
    (void)skip(&cursor, 4);
    wanted.offset = weir_get_i64(skip(&cursor, 8));
    (void)skip(&cursor, 4 + 8);
    wanted.max_bytes = weir_get_i32(skip(&cursor, 4));
    wanted.partition = limit_partition_by_id(server, wanted.topic_id, wanted.index);
    return wanted;
}

/* Behind the head: throttle time, error, session 0; one topic, its id, one partition, its index,
 * error, three offsets, no aborted transactions, no preferred replica; records; three empty tags.
 */
static void answer_fetch(struct limit_connection *connection, struct weir_slice frame,
                         const struct wanted *wanted, int64_t at, int64_t size)
{
    uint8_t head[] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0,    0,   0, 0, 0, 0, 0, 0, 2, /* 0: ... topics */
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0,    0,   0, 0, 0, 2, /* 20: id, partitions */
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0,    0,   0, 0, 0, 0, 0, 0, 0,
        0, 0,                                               /* 37: index .. last stable */
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}; /* 59: start, aborted, replica */
    static const uint8_t tags[3] = {0};
    struct weir_buf *out = &connection->out;
    size_t before = out->size;
    size_t total = sizeof(head) + uvarint_bytes((uint32_t)size + 1) + (size_t)size + sizeof(tags);
    weir_put_u32(head, (uint32_t)(total - 4));
    memcpy(head + 4, frame.data + 4, 4);
    memcpy(head + 20, wanted->topic_id, 16);
    weir_put_i32(head + 37, wanted->index);
    weir_put_i64(head + 43, wanted->partition->visible_offset);
    weir_put_i64(head + 51, wanted->partition->visible_offset);
    weir_buf_append(out, head, sizeof(head));
    put_uvarint(out, (uint32_t)size + 1);
    if (size > 0 && size < COPIED_BYTES) {
        uint8_t *room = weir_buf_extend(out, (size_t)size);
        if (room == NULL || pread(wanted->partition->fd, room, (size_t)size, at) != size)
            bench_fail("pread");
    }
    limit_out_bytes(connection, out->size - before);
    if (size >= COPIED_BYTES)
        limit_out_file(connection, wanted->partition->fd, at, size);
    weir_buf_append(out, tags, sizeof(tags));
    limit_out_bytes(connection, sizeof(tags));
}

static bool try_fetch(struct limit_server *server, struct limit_connection *connection,
                      struct weir_slice frame, bool is_late, int32_t *max_wait_ms)
{
    struct wanted wanted = read_fetch(server, frame, max_wait_ms);
    int64_t at = limit_find(wanted.partition, wanted.offset);
    int64_t size = wanted.partition->written - at;
    if (size == 0 && !is_late)
        return false;
    answer_fetch(connection, frame, &wanted, at, size < wanted.max_bytes ? size : wanted.max_bytes);
    limit_touch(server, connection);
    return true;
}

bool limit_retry(struct limit_server *server, struct limit_connection *connection, bool is_late)
{
    int32_t max_wait_ms;
    return try_fetch(server, connection, weir_buf_slice(&connection->waiting), is_late,
                     &max_wait_ms);
}

/* --- The rest. --- */

struct call {
    struct limit_server *server;
    struct limit_connection *connection;
    struct weir_slice frame;
    const struct weir_api_spec *api;
    int16_t version;
    struct weir_arena arena;
};

static void read_request(struct call *call, void *out)
{
    struct weir_reader reader;
    struct cursor cursor =
        body_of(call->frame, weir_api_request_header_version(call->api, call->version) >= 2);
    weir_reader_init(&reader, weir_slice_of(cursor.at, (size_t)(cursor.end - cursor.at)),
                     &call->arena);
    call->api->request->read(&reader, call->version, out);
    if (weir_reader_status(&reader) != WEIR_OK)
        bench_fail("a request that cannot be read");
}

static void respond(struct call *call, const void *response)
{
    struct weir_buf *out = &call->connection->out;
    struct weir_writer writer;
    size_t before = out->size;
    weir_writer_init(&writer, out);
    weir_write_i32(&writer, 0);
    weir_write_i32(&writer, weir_get_i32(call->frame.data + 4));
    if (weir_api_response_header_version(call->api, call->version) >= 1)
        weir_write_uvarint(&writer, 0);
    call->api->response->write(&writer, call->version, response);
    if (weir_writer_status(&writer) != WEIR_OK)
        bench_fail("cannot encode a response");
    weir_writer_done(&writer);
    weir_put_u32(out->data + before, (uint32_t)(out->size - before - 4));
    limit_out_bytes(call->connection, out->size - before);
    limit_touch(call->server, call->connection);
}

static void handle_api_versions(struct call *call)
{
    struct weir_api_versions_response response;
    weir_api_versions_response_init(&response);
    respond(call, &response);
}

static void handle_create(struct call *call)
{
    struct weir_create_topics_request request;
    struct weir_create_topics_response response;
    struct weir_create_topics_response_creatable_topic_result result;
    struct limit_topic *topic = call->server->topics;
    read_request(call, &request);
    while (topic->partition_count > 0 && topic < call->server->topics + LIMIT_TOPICS_MAX - 1)
        topic++;
    if (request.topics.count != 1 || topic->partition_count > 0 ||
        request.topics.items[0].name.size >= sizeof(topic->name))
        bench_fail("one topic at a time, and not too many");
    memcpy(topic->name, request.topics.items[0].name.data, request.topics.items[0].name.size);
    limit_topic_create(call->server, topic, request.topics.items[0].num_partitions);
    weir_create_topics_response_init(&response);
    weir_create_topics_response_creatable_topic_result_init(&result);
    result.name = request.topics.items[0].name;
    response.topics.items = &result;
    response.topics.count = 1;
    respond(call, &response);
}

static void handle_delete(struct call *call)
{
    struct weir_delete_topics_request request;
    struct weir_delete_topics_response response;
    struct weir_delete_topics_response_deletable_topic_result result;
    read_request(call, &request);
    struct weir_slice name =
        request.topic_names.count == 1 ? request.topic_names.items[0] : WEIR_EMPTY_SLICE;
    struct limit_topic *topic =
        limit_topic_by_name(call->server, (const char *)name.data, name.size);
    if (topic == NULL)
        bench_fail("no such topic");
    limit_topic_delete(topic);
    weir_delete_topics_response_init(&response);
    weir_delete_topics_response_deletable_topic_result_init(&result);
    result.name = name;
    response.responses.items = &result;
    response.responses.count = 1;
    respond(call, &response);
}

static void handle_metadata(struct call *call)
{
    struct weir_metadata_request request;
    struct weir_metadata_response response;
    struct weir_metadata_response_metadata_response_topic item;
    read_request(call, &request);
    if (request.topics.count != 1)
        bench_fail("one topic at a time");
    struct weir_slice name = request.topics.items[0].name;
    struct limit_topic *topic =
        limit_topic_by_name(call->server, (const char *)name.data, name.size);
    weir_metadata_response_init(&response);
    weir_metadata_response_metadata_response_topic_init(&item);
    item.name = name;
    item.error_code = topic == NULL ? 3 : 0;
    if (topic != NULL) {
        size_t count = (size_t)topic->partition_count;
        item.topic_id = limit_topic_id(call->server, topic);
        item.partitions.items =
            weir_arena_alloc(&call->arena, count * sizeof(item.partitions.items[0]));
        if (item.partitions.items == NULL)
            bench_fail("out of memory");
        item.partitions.count = topic->partition_count;
        for (int32_t i = 0; i < topic->partition_count; i++) {
            weir_metadata_response_metadata_response_partition_init(&item.partitions.items[i]);
            item.partitions.items[i].partition_index = i;
            item.partitions.items[i].leader_id = 1;
        }
    }
    response.topics.items = &item;
    response.topics.count = 1;
    respond(call, &response);
}

static void handle_list_offsets(struct call *call)
{
    struct weir_list_offsets_request request;
    struct weir_list_offsets_response response;
    struct weir_list_offsets_response_list_offsets_topic_response item;
    struct weir_list_offsets_response_list_offsets_partition_response partition;
    read_request(call, &request);
    weir_list_offsets_response_init(&response);
    weir_list_offsets_response_list_offsets_topic_response_init(&item);
    weir_list_offsets_response_list_offsets_partition_response_init(&partition);
    if (request.topics.count != 1 || request.topics.items[0].partitions.count != 1)
        bench_fail("one partition at a time");
    item.name = request.topics.items[0].name;
    partition.partition_index = request.topics.items[0].partitions.items[0].partition_index;
    item.partitions.items = &partition;
    item.partitions.count = 1;
    response.topics.items = &item;
    response.topics.count = 1;
    respond(call, &response);
}

static void handle_init_producer_id(struct call *call)
{
    struct weir_init_producer_id_response response;
    weir_init_producer_id_response_init(&response);
    response.producer_id = call->server->next_producer_id++;
    response.producer_epoch = 0;
    respond(call, &response);
}

void limit_handle(struct limit_server *server, struct limit_connection *connection,
                  struct weir_slice frame)
{
    if (frame.size < 10)
        bench_fail("a request that ends early");
    int16_t key = weir_get_i16(frame.data), version = weir_get_i16(frame.data + 2);
    int32_t max_wait_ms;
    if (key == WEIR_API_PRODUCE && version == PRODUCE_VERSION) {
        handle_produce(server, connection, frame);
        return;
    }
    if (key == WEIR_API_FETCH && version == FETCH_VERSION) {
        if (!try_fetch(server, connection, frame, false, &max_wait_ms))
            limit_wait(server, connection, frame, max_wait_ms);
        return;
    }
    struct call call = {.server = server,
                        .connection = connection,
                        .frame = frame,
                        .api = weir_api_find(key),
                        .version = version};
    weir_arena_init(&call.arena, 0);
    if (key == WEIR_API_API_VERSIONS)
        handle_api_versions(&call);
    else if (key == WEIR_API_CREATE_TOPICS)
        handle_create(&call);
    else if (key == WEIR_API_DELETE_TOPICS)
        handle_delete(&call);
    else if (key == WEIR_API_METADATA)
        handle_metadata(&call);
    else if (key == WEIR_API_LIST_OFFSETS)
        handle_list_offsets(&call);
    else if (key == WEIR_API_INIT_PRODUCER_ID)
        handle_init_producer_id(&call);
    else
        bench_fail("a request the limit server does not know");
    weir_arena_done(&call.arena);
}
