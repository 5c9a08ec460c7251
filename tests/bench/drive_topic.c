/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include "wire.h"

#include "weir/base/memory.h"
#include "weir/protocol/codec.h"
#include "weir/protocol/messages/create_topics_request.h"
#include "weir/protocol/messages/create_topics_response.h"
#include "weir/protocol/messages/delete_topics_request.h"
#include "weir/protocol/messages/delete_topics_response.h"
#include "weir/protocol/messages/init_producer_id_request.h"
#include "weir/protocol/messages/init_producer_id_response.h"
#include "weir/protocol/messages/list_offsets_request.h"
#include "weir/protocol/messages/list_offsets_response.h"
#include "weir/protocol/messages/metadata_request.h"
#include "weir/protocol/messages/metadata_response.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES       6000
#define PAUSE_MS    10
#define CONFIGS_MAX 8
#define WORD_BYTES  128

void drive_read(struct weir_slice frame, int16_t key, int16_t version, struct weir_arena *arena,
                void *out)
{
    const struct weir_api_spec *api = weir_api_find(key);
    struct weir_reader reader;
    size_t head = weir_api_response_header_version(api, version) >= 1 ? 5 : 4;
    if (frame.size < head)
        bench_fail("a response without its header");
    weir_arena_reset(arena);
    weir_reader_init(&reader, weir_slice_of(frame.data + head, frame.size - head), arena);
    api->response->read(&reader, version, out);
    if (weir_reader_status(&reader) != WEIR_OK)
        bench_fail("a response that cannot be read");
}

/* Sends the request and reads its answer; frame holds what the answer points to. */
static void ask(int fd, enum weir_api_key key, int16_t version, const void *request,
                struct weir_buf *frame, struct weir_arena *arena, void *out)
{
    bench_encode(frame, key, version, request);
    bench_send(fd, weir_buf_slice(frame));
    bench_receive(fd, frame);
    drive_read(weir_buf_slice(frame), (int16_t)key, version, arena, out);
}

/* "name:value,name:value" into items; their text lies in words. */
static int32_t split_configs(const char *text,
                             struct weir_create_topics_request_creatable_topic_config *items)
{
    int32_t count = 0;
    while (text != NULL && *text != '\0' && count < CONFIGS_MAX) {
        const char *colon = strchr(text, ':');
        if (colon == NULL)
            bench_fail("configs are name:value,name:value");
        size_t size = strcspn(colon + 1, ",");
        weir_create_topics_request_creatable_topic_config_init(&items[count]);
        items[count].name = weir_slice_of(text, (size_t)(colon - text));
        items[count].value = weir_slice_of(colon + 1, size);
        text = colon + 1 + size;
        text += *text == ',';
        count++;
    }
    return count;
}

struct weir_uuid drive_create(const struct drive_options *options)
{
    struct weir_create_topics_request_creatable_topic_config configs[CONFIGS_MAX];
    struct weir_create_topics_request request;
    struct weir_create_topics_request_creatable_topic item;
    struct weir_create_topics_response response;
    struct weir_buf frame = {0};
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    weir_create_topics_request_init(&request);
    weir_create_topics_request_creatable_topic_init(&item);
    item.name = weir_slice_str(options->topic);
    item.num_partitions = options->partitions;
    item.replication_factor = 1;
    item.configs.items = configs;
    item.configs.count = split_configs(options->configs, configs);
    request.topics.items = &item;
    request.topics.count = 1;
    request.timeout_ms = 60000;
    int fd = bench_connect(options->host, options->port);
    ask(fd, WEIR_API_CREATE_TOPICS, 4, &request, &frame, &arena, &response);
    if (response.topics.count != 1 || response.topics.items[0].error_code != 0)
        bench_fail("the topic could not be created");
    close(fd);
    weir_arena_done(&arena);
    weir_buf_done(&frame);
    return drive_find(options, NULL);
}

void drive_delete(const struct drive_options *options)
{
    struct weir_delete_topics_request request;
    struct weir_delete_topics_response response;
    struct weir_slice name = weir_slice_str(options->topic);
    struct weir_buf frame = {0};
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    weir_delete_topics_request_init(&request);
    request.topic_names.items = &name;
    request.topic_names.count = 1;
    request.timeout_ms = 60000;
    int fd = bench_connect(options->host, options->port);
    ask(fd, WEIR_API_DELETE_TOPICS, 4, &request, &frame, &arena, &response);
    if (response.responses.count != 1 || response.responses.items[0].error_code != 0)
        bench_fail("the topic could not be deleted");
    close(fd);
    weir_arena_done(&arena);
    weir_buf_done(&frame);
}

/* True when the broker itself serves the partition, which may be a little later than its leader is
 * known. */
static bool is_served(int fd, const struct drive_options *options, int32_t index,
                      struct weir_buf *frame, struct weir_arena *arena)
{
    struct weir_list_offsets_request request;
    struct weir_list_offsets_request_list_offsets_topic wanted;
    struct weir_list_offsets_request_list_offsets_partition partition;
    struct weir_list_offsets_response response;
    weir_list_offsets_request_init(&request);
    weir_list_offsets_request_list_offsets_topic_init(&wanted);
    weir_list_offsets_request_list_offsets_partition_init(&partition);
    partition.partition_index = index;
    partition.timestamp = -1;
    wanted.name = weir_slice_str(options->topic);
    wanted.partitions.items = &partition;
    wanted.partitions.count = 1;
    request.replica_id = -1;
    request.topics.items = &wanted;
    request.topics.count = 1;
    ask(fd, WEIR_API_LIST_OFFSETS, 1, &request, frame, arena, &response);
    return response.topics.count == 1 &&
           response.topics.items[0].partitions.items[0].error_code == 0;
}

/* The topic's id, and how many of its partitions have a leader. */
static int32_t count_led(int fd, const struct drive_options *options, struct weir_buf *frame,
                         struct weir_arena *arena, struct weir_uuid *out, int32_t *out_partitions)
{
    struct weir_metadata_request_metadata_request_topic item;
    struct weir_metadata_request request;
    struct weir_metadata_response response;
    weir_metadata_request_init(&request);
    weir_metadata_request_metadata_request_topic_init(&item);
    item.name = weir_slice_str(options->topic);
    request.topics.items = &item;
    request.topics.count = 1;
    request.allow_auto_topic_creation = false;
    ask(fd, WEIR_API_METADATA, 12, &request, frame, arena, &response);
    if (response.topics.count != 1)
        bench_fail("a metadata response without the topic");
    const struct weir_metadata_response_metadata_response_topic *topic = &response.topics.items[0];
    int32_t count = 0;
    for (int32_t i = 0; i < topic->partitions.count; i++)
        count += topic->partitions.items[i].leader_id >= 0;
    *out = topic->topic_id;
    *out_partitions = topic->error_code == 0 ? topic->partitions.count : -1;
    return count;
}

struct weir_uuid drive_find(const struct drive_options *options, int32_t *out_partitions)
{
    struct weir_uuid id = {0};
    struct weir_buf frame = {0};
    struct weir_arena arena;
    int32_t partitions = -1, tries = 0;
    weir_arena_init(&arena, 0);
    int fd = bench_connect(options->host, options->port);
    while (count_led(fd, options, &frame, &arena, &id, &partitions) != partitions &&
           tries++ < TRIES)
        (void)poll(NULL, 0, PAUSE_MS);
    for (int32_t i = partitions - 1; i >= 0; i--) {
        while (!is_served(fd, options, i, &frame, &arena) && tries++ < TRIES)
            (void)poll(NULL, 0, PAUSE_MS);
    }
    if (tries >= TRIES || partitions <= 0)
        bench_fail("the topic is not served");
    if (out_partitions != NULL)
        *out_partitions = partitions;
    close(fd);
    weir_arena_done(&arena);
    weir_buf_done(&frame);
    return id;
}

int64_t drive_producer_id(int fd)
{
    struct weir_init_producer_id_request request;
    struct weir_init_producer_id_response response;
    struct weir_buf frame = {0};
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    weir_init_producer_id_request_init(&request);
    request.transactional_id = WEIR_NULL_SLICE;
    request.transaction_timeout_ms = 60000;
    for (int i = 0;; i++) {
        ask(fd, WEIR_API_INIT_PRODUCER_ID, 4, &request, &frame, &arena, &response);
        if (response.error_code == 0)
            break;
        if (i == TRIES)
            bench_fail("no producer id");
        (void)poll(NULL, 0, PAUSE_MS);
    }
    weir_arena_done(&arena);
    weir_buf_done(&frame);
    return response.producer_id;
}
