/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetch (key 1), also long polls and incremental sessions.  Each look reads all partitions anew:
 * offsets and file ranges, no data.  The ranges of the last look are sent from the files.
 */
#include "api_int.h"
#include "wait_set.h"

#include "weir/base/map.h"
#include "weir/protocol/messages/fetch_request.h"
#include "weir/protocol/messages/fetch_response.h"
#include "weir/replication/fetch_sessions.h"
#include "weir/runtime/file_range.h"

typedef struct weir_fetch_response_partition_data response_partition;
typedef struct weir_fetch_response_fetchable_topic_response response_topic;

enum { READ_UNCOMMITTED = 0, READ_COMMITTED = 1 };

/* One partition of this fetch. */
struct fetched {
    const struct weir_fetch_partition *wanted;
    struct weir_partition *partition; /* a reference, or NULL */
    enum weir_status status;          /* NONE of a read: the partition is not known */
    bool was_read;                    /* what follows is of a read */
    struct weir_log_read read;
    int32_t diverging_epoch; /* -1: not diverging */
    int64_t diverging_end_offset;
};

struct fetch {
    struct weir_fetch_session_list list;
    struct fetched *items;
    size_t count;
    bool is_by_id;
    bool is_read_committed;
    int64_t bytes_max;
};

static void refuse(struct weir_call *call, enum weir_status status)
{
    struct weir_fetch_response response;
    weir_fetch_response_init(&response);
    response.error_code = weir_code(status);
    weir_call_respond(call, &response);
}

/* ---- Reading ---- */

static void forget_read(struct fetched *item)
{
    if (item->was_read && item->status == WEIR_OK)
        weir_log_read_done(&item->read);
    item->was_read = false;
}

/* KIP-595: the client says the epoch of its last record, and learns where its log and this one
 * part.  True when they do. */
static bool find_divergence(struct fetched *item, struct weir_partition_log *log,
                            enum weir_status *out_status)
{
    int32_t last_epoch = item->wanted->last_fetched_epoch;
    int32_t epoch = -1;
    int64_t end_offset = -1;
    if (last_epoch < 0)
        return false;
    weir_partition_log_end_offset_for_epoch(log, last_epoch, &epoch, &end_offset);
    if (epoch < 0 || end_offset < 0) {
        *out_status = WEIR_OFFSET_OUT_OF_RANGE;
        return false;
    }
    if (epoch >= last_epoch && end_offset >= item->wanted->fetch_offset)
        return false;
    item->diverging_epoch = epoch;
    item->diverging_end_offset = end_offset;
    return true;
}

static void read_log(struct fetch *fetch, struct fetched *item, struct weir_partition_log *log,
                     int64_t bytes_left, bool min_one_batch)
{
    bool is_diverging = find_divergence(item, log, &item->status);
    if (item->status != WEIR_OK)
        return;
    int64_t bytes = item->wanted->bytes_max < bytes_left ? item->wanted->bytes_max : bytes_left;
    struct weir_log_read_options options = {
        .offset = is_diverging ? weir_partition_log_start_offset(log) : item->wanted->fetch_offset,
        .bytes_max = is_diverging || bytes < 0 ? 0 : (size_t)bytes,
        .limit = fetch->is_read_committed ? WEIR_LOG_READ_TO_LAST_STABLE
                                          : WEIR_LOG_READ_TO_HIGH_WATERMARK,
        .min_one_batch = min_one_batch && !is_diverging,
        .with_aborted_txns = fetch->is_read_committed,
    };
    struct weir_detail detail = {{0}};
    item->status = weir_partition_log_read(log, &options, &item->read, &detail);
}

static void read_partition(struct fetch *fetch, struct fetched *item, int64_t bytes_left,
                           bool min_one_batch)
{
    struct weir_partition_log *log;
    item->diverging_epoch = -1;
    item->status =
        weir_partition_leader_log(item->partition, item->wanted->current_leader_epoch, &log);
    item->was_read = true;
    if (item->status != WEIR_OK)
        return;
    read_log(fetch, item, log, bytes_left, min_one_batch);
    weir_partition_log_unref(log); /* what was read keeps its file by itself */
}

/* Reads everything; returns the bytes there are.  *out_is_final: an error or a divergence, which
 * the client should hear of at once. */
static int64_t read_all(struct fetch *fetch, bool *out_is_final)
{
    int64_t bytes = 0;
    *out_is_final = false;
    for (size_t i = 0; i < fetch->count; i++) {
        struct fetched *item = &fetch->items[i];
        if (item->partition == NULL)
            continue;
        forget_read(item);
        read_partition(fetch, item, fetch->bytes_max - bytes, bytes == 0);
        if (item->status == WEIR_OK)
            bytes += (int64_t)item->read.range.size;
        if (item->status != WEIR_OK || item->diverging_epoch >= 0)
            *out_is_final = true;
    }
    return bytes;
}

/* ---- The answer ---- */

static bool set_aborted(struct weir_call *call, const struct fetch *fetch,
                        const struct fetched *item, response_partition *out)
{
    if (!fetch->is_read_committed) {
        out->aborted_transactions.count = -1;
        return true;
    }
    size_t count = item->read.aborted_count;
    out->aborted_transactions.items =
        WEIR_CALL_ALLOC(call, struct weir_fetch_response_aborted_transaction, count);
    if (out->aborted_transactions.items == NULL)
        return false;
    out->aborted_transactions.count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        weir_fetch_response_aborted_transaction_init(&out->aborted_transactions.items[i]);
        out->aborted_transactions.items[i].producer_id = item->read.aborted[i].producer_id;
        out->aborted_transactions.items[i].first_offset = item->read.aborted[i].first_offset;
    }
    return true;
}

/* The range goes to the response, which the server releases after sending. */
static bool set_records(struct weir_call *call, struct fetched *item, response_partition *out)
{
    if (item->read.range.size == 0)
        return true;
    struct weir_file_range *range = WEIR_CALL_ALLOC(call, struct weir_file_range, 1);
    struct weir_records_source *source = WEIR_CALL_ALLOC(call, struct weir_records_source, 1);
    if (range == NULL || source == NULL)
        return false;
    *range = weir_log_read_take_range(&item->read);
    *source = (struct weir_records_source){.source = range, .size = range->size};
    out->records.sources = source;
    out->records.source_count = 1;
    return true;
}

static void set_leader(struct fetched *item, response_partition *out)
{
    struct weir_partition_role role;
    weir_partition_role(item->partition, &role);
    out->current_leader.leader_id = role.leader;
    out->current_leader.leader_epoch = role.leader_epoch;
}

static bool fill_partition(struct weir_call *call, struct fetch *fetch, struct fetched *item,
                           response_partition *out)
{
    weir_fetch_response_partition_data_init(out);
    out->partition_index = item->wanted->partition;
    out->error_code = weir_code(item->status);
    out->records.bytes = WEIR_EMPTY_SLICE;
    out->high_watermark = -1;
    if (!item->was_read)
        return true; /* unknown partition: an empty list of aborted transactions, as Apache Kafka
                        has it */
    if (item->status != WEIR_OK) {
        out->aborted_transactions.count = -1;
        /* KIP-951; older versions have no field for it. */
        if (weir_fetch_response_has_node_endpoints(call->version) &&
            (item->status == WEIR_NOT_LEADER_OR_FOLLOWER ||
             item->status == WEIR_FENCED_LEADER_EPOCH))
            set_leader(item, out);
        return true;
    }
    out->high_watermark = item->read.offsets.high_watermark;
    out->last_stable_offset = item->read.offsets.last_stable_offset;
    out->log_start_offset = item->read.offsets.log_start_offset;
    if (item->diverging_epoch >= 0) {
        out->diverging_epoch.epoch = item->diverging_epoch;
        out->diverging_epoch.end_offset = item->diverging_end_offset;
    }
    return set_aborted(call, fetch, item, out) && set_records(call, item, out);
}

static bool belongs_into_answer(struct weir_call *call, const struct fetch *fetch, size_t index)
{
    const struct fetched *item = &fetch->items[index];
    struct weir_fetch_session_news news = {.has_error = item->status != WEIR_OK,
                                           .has_diverging_epoch = item->diverging_epoch >= 0};
    if (item->was_read && item->status == WEIR_OK) {
        news.has_records = item->read.range.size > 0;
        news.high_watermark = item->read.offsets.high_watermark;
        news.log_start_offset = item->read.offsets.log_start_offset;
    }
    return weir_fetch_session_filter(call->api->fetch_sessions, &fetch->list, index, &news);
}

static bool is_same_topic(const response_topic *topic, const struct weir_fetch_partition *wanted)
{
    return weir_slice_equal(topic->topic, wanted->topic) &&
           weir_uuid_equal(topic->topic_id, wanted->topic_id);
}

/* Partitions in the order of the fetch, those of one topic that follow each other under one
 * heading.  The partitions of all topics lie in one array, so a topic's slice of it grows in place.
 */
static bool fill_response(struct weir_call *call, struct fetch *fetch,
                          struct weir_fetch_response *response)
{
    response_topic *topics = WEIR_CALL_ALLOC(call, response_topic, fetch->count);
    response_partition *partitions = WEIR_CALL_ALLOC(call, response_partition, fetch->count);
    size_t used = 0;
    if (topics == NULL || partitions == NULL)
        return false;
    response->responses.items = topics;
    for (size_t i = 0; i < fetch->count; i++) {
        struct fetched *item = &fetch->items[i];
        if (!belongs_into_answer(call, fetch, i))
            continue;
        int32_t last = response->responses.count - 1;
        if (last < 0 || !is_same_topic(&topics[last], item->wanted)) {
            last++;
            weir_fetch_response_fetchable_topic_response_init(&topics[last]);
            topics[last].topic =
                weir_slice_is_null(item->wanted->topic) ? WEIR_EMPTY_SLICE : item->wanted->topic;
            topics[last].topic_id = item->wanted->topic_id;
            topics[last].partitions.items = &partitions[used];
            response->responses.count = last + 1;
        }
        if (!fill_partition(call, fetch, item, &partitions[used]))
            return false;
        topics[last].partitions.count++;
        used++;
    }
    return true;
}

static void release(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        forget_read(&fetch->items[i]);
        weir_partition_unref(fetch->items[i].partition);
        fetch->items[i].partition = NULL;
    }
}

static void release_sources(const struct weir_fetch_response *response)
{
    for (int32_t t = 0; t < response->responses.count; t++) {
        const response_topic *topic = &response->responses.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            const struct weir_records *records = &topic->partitions.items[p].records;
            for (size_t s = 0; s < records->source_count; s++) {
                const struct weir_file_range *range = records->sources[s].source;
                if (range->release != NULL)
                    range->release(range->owner);
            }
        }
    }
}

static void answer(struct weir_call *call, struct fetch *fetch)
{
    struct weir_fetch_response response;
    weir_fetch_response_init(&response);
    response.session_id = fetch->list.session_id;
    bool is_filled = fill_response(call, fetch, &response);
    release(fetch);
    if (is_filled && weir_call_try_respond(call, &response))
        return;
    release_sources(&response);
    weir_call_close(call);
}

/* ---- Waiting ---- */

static bool is_satisfied(struct weir_call *call, void *context)
{
    const struct weir_fetch_request *request = call->body;
    struct fetch *fetch = context;
    bool is_final;
    int64_t bytes = read_all(fetch, &is_final);
    return is_final || bytes >= request->min_bytes;
}

static void finish(struct weir_call *call, void *context)
{
    answer(call, context);
}

static void wait_for_data(struct weir_call *call, struct fetch *fetch)
{
    const struct weir_fetch_request *request = call->body;
    struct weir_partition **partitions =
        WEIR_CALL_ALLOC(call, struct weir_partition *, fetch->count);
    size_t count = 0;
    if (partitions == NULL) {
        answer(call, fetch);
        return;
    }
    for (size_t i = 0; i < fetch->count; i++) {
        if (fetch->items[i].partition != NULL)
            partitions[count++] = weir_partition_ref(fetch->items[i].partition);
    }
    weir_wait_start(call, partitions, count,
                    &(struct weir_wait_options){.is_satisfied = is_satisfied,
                                                .finish = finish,
                                                .context = fetch,
                                                .wait_ms = request->max_wait_ms});
}

/* ---- The request ---- */

/* A partition that is named twice under one topic is fetched once, as it was named last. */
static bool add_partitions(const struct weir_fetch_request_fetch_topic *topic,
                           struct weir_fetch_session_request *out,
                           struct weir_fetch_partition *partitions)
{
    struct weir_map seen = {0};
    bool has_memory = true;
    for (int32_t p = 0; p < topic->partitions.count && has_memory; p++) {
        struct weir_fetch_request_fetch_partition *wanted = &topic->partitions.items[p];
        struct weir_fetch_partition *place = NULL;
        if (topic->partitions.count > 1)
            place = weir_map_get(&seen, WEIR_KEY(wanted->partition));
        if (place == NULL) {
            place = &partitions[out->partition_count++];
            if (topic->partitions.count > 1)
                has_memory =
                    weir_map_put(&seen, WEIR_KEY(wanted->partition), place, NULL) == WEIR_OK;
        }
        *place = (struct weir_fetch_partition){
            .topic = out->uses_topic_ids ? WEIR_NULL_SLICE : topic->topic,
            .topic_id = topic->topic_id,
            .partition = wanted->partition,
            .current_leader_epoch = wanted->current_leader_epoch,
            .fetch_offset = wanted->fetch_offset,
            .last_fetched_epoch = wanted->last_fetched_epoch,
            .log_start_offset = wanted->log_start_offset,
            .bytes_max = wanted->partition_max_bytes,
        };
    }
    weir_map_done(&seen);
    return has_memory;
}

static bool collect_partitions(struct weir_call *call, struct weir_fetch_session_request *out)
{
    const struct weir_fetch_request *request = call->body;
    size_t count = 0;
    for (int32_t t = 0; t < request->topics.count; t++)
        count += (size_t)request->topics.items[t].partitions.count;
    struct weir_fetch_partition *partitions =
        WEIR_CALL_ALLOC(call, struct weir_fetch_partition, count);
    if (partitions == NULL)
        return false;
    out->partitions = partitions;
    for (int32_t t = 0; t < request->topics.count; t++) {
        if (!add_partitions(&request->topics.items[t], out, partitions))
            return false;
    }
    return true;
}

static bool collect_forgotten(struct weir_call *call, struct weir_fetch_session_request *out)
{
    const struct weir_fetch_request *request = call->body;
    size_t count = 0;
    for (int32_t t = 0; t < request->forgotten_topics_data.count; t++)
        count += (size_t)request->forgotten_topics_data.items[t].partitions.count;
    struct weir_fetch_partition *partitions =
        WEIR_CALL_ALLOC(call, struct weir_fetch_partition, count);
    if (partitions == NULL)
        return false;
    out->forgotten = partitions;
    for (int32_t t = 0; t < request->forgotten_topics_data.count; t++) {
        const struct weir_fetch_request_forgotten_topic *topic =
            &request->forgotten_topics_data.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++)
            partitions[out->forgotten_count++] = (struct weir_fetch_partition){
                .topic = out->uses_topic_ids ? WEIR_NULL_SLICE : topic->topic,
                .topic_id = topic->topic_id,
                .partition = topic->partitions.items[p],
            };
    }
    return true;
}

static bool prepare_items(struct weir_call *call, struct fetch *fetch, bool is_replica)
{
    fetch->items = WEIR_CALL_ALLOC(call, struct fetched, fetch->list.count);
    if (fetch->items == NULL)
        return false;
    fetch->count = fetch->list.count;
    for (size_t i = 0; i < fetch->count; i++) {
        struct fetched *item = &fetch->items[i];
        const struct weir_fetch_partition *wanted = &fetch->list.partitions[i];
        item->wanted = wanted;
        item->diverging_epoch = -1;
        const struct weir_image_topic *topic =
            fetch->is_by_id ? weir_image_topic_by_id(call->image, wanted->topic_id)
                            : weir_image_topic(call->image, wanted->topic);
        if (topic == NULL) {
            item->status =
                fetch->is_by_id ? WEIR_UNKNOWN_TOPIC_ID : WEIR_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        if (is_replica) {
            /* Nobody replicates from this broker: whoever says so is no replica of the partition
             * (CVE-2018-1288). */
            item->status = WEIR_NOT_LEADER_OR_FOLLOWER;
            continue;
        }
        item->partition =
            weir_replicas_find(call->api->options.replicas, topic->id, wanted->partition);
        if (item->partition == NULL)
            item->status = WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return true;
}

static int64_t response_bytes_max(const struct weir_call *call)
{
    const struct weir_fetch_request *request = call->body;
    struct weir_config_resolver resolver = weir_call_resolver(call);
    int64_t limit = weir_config_broker_i64(&resolver, "fetch.max.bytes");
    return request->max_bytes < limit ? request->max_bytes : limit;
}

void weir_api_fetch(struct weir_call *call)
{
    const struct weir_fetch_request *request = call->body;
    struct fetch *fetch = WEIR_CALL_ALLOC(call, struct fetch, 1);
    struct weir_fetch_session_request session = {.session_id = request->session_id,
                                                 .session_epoch = request->session_epoch,
                                                 .uses_topic_ids = call->version >= 13};
    if (fetch == NULL || !collect_partitions(call, &session) ||
        !collect_forgotten(call, &session)) {
        weir_call_close(call);
        return;
    }
    bool is_isolation_known =
        request->isolation_level == READ_UNCOMMITTED || request->isolation_level == READ_COMMITTED;
    if (!is_isolation_known && session.partition_count > 0) {
        refuse(call, WEIR_INVALID_REQUEST);
        return;
    }
    enum weir_status status =
        weir_fetch_sessions_begin(call->api->fetch_sessions, &session, call->arena, &fetch->list);
    if (status != WEIR_OK) {
        refuse(call, status);
        return;
    }
    fetch->is_by_id = session.uses_topic_ids;
    fetch->is_read_committed = request->isolation_level == READ_COMMITTED;
    fetch->bytes_max = response_bytes_max(call);
    bool is_replica = request->replica_id >= 0 || request->replica_state.replica_id >= 0;
    if (!prepare_items(call, fetch, is_replica)) {
        release(fetch);
        weir_call_close(call);
        return;
    }
    bool is_final;
    bool has_readable = false;
    int64_t bytes = read_all(fetch, &is_final);
    for (size_t i = 0; i < fetch->count; i++)
        has_readable = has_readable || fetch->items[i].partition != NULL;
    if (!has_readable || is_final || request->max_wait_ms <= 0 || bytes >= request->min_bytes)
        answer(call, fetch);
    else
        wait_for_data(call, fetch);
}
