/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ShareFetch (key 78): acquires records for a member of a share group.
 *
 * First what it acknowledges is stored, then there is a look at the partitions of its session; when
 * there is too little it waits, as a Fetch does.  Acquiring is a task, for it reads batch headers;
 * when others were faster, it waits again for the time that is left.
 */

#include "share_calls.h"
#include "wait_set.h"

#include "weir/base/map.h"
#include "weir/protocol/messages/share_fetch_request.h"
#include "weir/protocol/messages/share_fetch_response.h"
#include "weir/runtime/loop.h"
#include "weir/server/request.h"

#include <stdlib.h>

typedef struct weir_share_fetch_request request_t;
typedef struct weir_share_fetch_request_fetch_topic request_topic;
typedef struct weir_share_fetch_request_fetch_partition request_partition;
typedef struct weir_share_fetch_response response_t;
typedef struct weir_share_fetch_response_share_fetchable_topic_response response_topic;
typedef struct weir_share_fetch_response_partition_data response_partition;

enum { ACQUIRE_BATCH_OPTIMIZED = 0, ACQUIRE_RECORD_LIMIT = 1 };

/* One partition of the session. */
struct item {
    struct weir_share_session_partition id;
    enum weir_status status;
    struct weir_share_slot *slot; /* a reference, or NULL */
    bool has_records;             /* as the last look found */
    struct weir_share_read read;
};

struct share_fetch {
    struct weir_call *call;
    struct share_acks acks;
    const struct weir_share_session_partition *wanted;
    size_t count;
    struct item *items;
    bool is_all_wanted; /* not only those where the last look found something */
    bool has_new;       /* it is the first to ask for one of them */
    int64_t bytes_max;
    int64_t deadline_ms; /* the loop's clock */
    int64_t record_count;
    struct weir_task task;
};

/* One partition of the answer. */
struct result {
    struct weir_share_session_partition id;
    struct item *item;           /* NULL: not fetched */
    const struct share_ack *ack; /* NULL: not acknowledged */
};

static void refuse(struct weir_call *call, enum weir_status status)
{
    response_t response;
    weir_share_fetch_response_init(&response);
    response.error_code = weir_code(status);
    weir_call_respond(call, &response);
}

/* ---- The answer ---- */

static void release(struct share_fetch *fetch)
{
    for (size_t i = 0; i < fetch->count && fetch->items != NULL; i++) {
        struct item *item = &fetch->items[i];
        weir_share_slot_unref(item->slot);
        item->slot = NULL;
    }
}

static void release_ranges(struct share_fetch *fetch)
{
    for (size_t i = 0; i < fetch->count && fetch->items != NULL; i++) {
        struct weir_file_range *range = &fetch->items[i].read.range;
        if (range->size > 0 && range->release != NULL)
            range->release(range->owner);
        range->size = 0;
    }
}

static bool set_records(struct weir_call *call, struct item *item, response_partition *out)
{
    const struct weir_share_read *read = &item->read;
    if (read->acquired_count == 0)
        return true;
    struct weir_records_source *source = WEIR_CALL_ALLOC(call, struct weir_records_source, 1);
    out->acquired_records.items = WEIR_CALL_ALLOC(
        call, struct weir_share_fetch_response_acquired_records, read->acquired_count);
    if (source == NULL || out->acquired_records.items == NULL)
        return false;
    for (size_t i = 0; i < read->acquired_count; i++) {
        struct weir_share_fetch_response_acquired_records *acquired =
            &out->acquired_records.items[i];
        weir_share_fetch_response_acquired_records_init(acquired);
        acquired->first_offset = read->acquired[i].first_offset;
        acquired->last_offset = read->acquired[i].last_offset;
        acquired->delivery_count = read->acquired[i].delivery_count;
    }
    out->acquired_records.count = (int32_t)read->acquired_count;
    *source =
        (struct weir_records_source){.source = &item->read.range, .size = item->read.range.size};
    out->records.sources = source;
    out->records.source_count = 1;
    return true;
}

static bool fill_partition(struct weir_call *call, const struct result *result,
                           response_partition *out)
{
    weir_share_fetch_response_partition_data_init(out);
    out->partition_index = result->id.partition;
    out->records.bytes = WEIR_EMPTY_SLICE;
    bool is_led_elsewhere = false;
    if (result->ack != NULL) {
        out->acknowledge_error_code = weir_code(result->ack->op.status);
        is_led_elsewhere = result->ack->op.status == WEIR_NOT_LEADER_OR_FOLLOWER;
    }
    if (result->item != NULL) {
        out->error_code = weir_code(result->item->status);
        is_led_elsewhere = is_led_elsewhere ||
                           result->item->status == WEIR_NOT_LEADER_OR_FOLLOWER ||
                           result->item->status == WEIR_FENCED_LEADER_EPOCH;
    }
    if (is_led_elsewhere)
        share_leader(call, result->id.topic_id, result->id.partition,
                     &out->current_leader.leader_id, &out->current_leader.leader_epoch);
    return result->item == NULL || set_records(call, result->item, out);
}

static int by_id(const void *left, const void *right)
{
    const struct result *one = left;
    const struct result *other = right;
    int order = memcmp(&one->id.topic_id, &other->id.topic_id, sizeof(one->id.topic_id));
    if (order != 0)
        return order;
    return (one->id.partition > other->id.partition) - (one->id.partition < other->id.partition);
}

/* What there is to say, by topic and partition; a partition that was fetched and acknowledged once.
 */
static struct result *collect_results(struct share_fetch *fetch, size_t *out_count)
{
    size_t count = 0;
    struct result *results =
        WEIR_CALL_ALLOC(fetch->call, struct result, fetch->count + fetch->acks.count);
    if (results == NULL)
        return NULL;
    for (size_t i = 0; i < fetch->count; i++) {
        struct item *item = &fetch->items[i];
        if (item->status != WEIR_OK || item->read.acquired_count > 0)
            results[count++] = (struct result){.id = item->id, .item = item};
    }
    for (size_t i = 0; i < fetch->acks.count; i++) {
        const struct share_ack *ack = &fetch->acks.items[i];
        results[count++] = (struct result){
            .id = {.topic_id = ack->topic_id, .partition = ack->partition}, .ack = ack};
    }
    qsort(results, count, sizeof(*results), by_id);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && by_id(&results[kept - 1], &results[i]) == 0) {
            if (results[i].item != NULL)
                results[kept - 1].item = results[i].item;
            if (results[i].ack != NULL)
                results[kept - 1].ack = results[i].ack;
        } else {
            results[kept++] = results[i];
        }
    }
    *out_count = kept;
    return results;
}

static bool fill_response(struct share_fetch *fetch, response_t *response)
{
    struct weir_call *call = fetch->call;
    size_t count;
    struct result *results = collect_results(fetch, &count);
    if (results == NULL)
        return false;
    response_topic *topics = WEIR_CALL_ALLOC(call, response_topic, count);
    response_partition *partitions = WEIR_CALL_ALLOC(call, response_partition, count);
    if (topics == NULL || partitions == NULL)
        return false;
    response->responses.items = topics;
    for (size_t i = 0; i < count; i++) {
        int32_t last = response->responses.count - 1;
        if (last < 0 || !weir_uuid_equal(topics[last].topic_id, results[i].id.topic_id)) {
            last++;
            weir_share_fetch_response_share_fetchable_topic_response_init(&topics[last]);
            topics[last].topic_id = results[i].id.topic_id;
            topics[last].partitions.items = &partitions[i];
            response->responses.count = last + 1;
        }
        if (!fill_partition(call, &results[i], &partitions[i]))
            return false;
        topics[last].partitions.count++;
    }
    return true;
}

static void answer(struct share_fetch *fetch)
{
    struct weir_call *call = fetch->call;
    const request_t *request = call->body;
    struct weir_share_partitions *shares = call->api->options.share_partitions;
    response_t response;
    weir_share_fetch_response_init(&response);
    if (request->share_session_epoch == WEIR_SHARE_SESSION_FINAL_EPOCH)
        (void)weir_share_partitions_end_session(shares, request->group_id, request->member_id);
    response.acquisition_lock_timeout_ms = weir_share_lock_duration_ms(shares, request->group_id);
    for (size_t i = 0; i < fetch->count; i++) {
        if (fetch->items[i].read.acquired_count > 0)
            weir_share_sessions_served(weir_share_partitions_sessions(shares), request->group_id,
                                       request->member_id, &fetch->items[i].id);
    }
    bool is_filled = fill_response(fetch, &response);
    release(fetch);
    if (is_filled && weir_call_try_respond(call, &response))
        return;
    release_ranges(fetch);
    weir_call_close(call);
}

/* ---- Acquiring ---- */

static struct weir_share_read_terms terms_of(const struct share_fetch *fetch, int64_t bytes_left)
{
    const request_t *request = fetch->call->body;
    int64_t records_left = (int64_t)request->max_records - fetch->record_count;
    return (struct weir_share_read_terms){
        .member_id = request->member_id,
        .bytes_max = bytes_left > 0 ? (size_t)bytes_left : 0,
        .records_max = records_left > 0 ? (int32_t)records_left : 0,
        .batch_size = request->batch_size > 0 ? request->batch_size : 1,
        .is_record_limited = request->share_acquire_mode == ACQUIRE_RECORD_LIMIT};
}

static void on_acquired(struct weir_call *call, void *argument);

static bool is_wanted(const struct share_fetch *fetch, const struct item *item)
{
    return item->slot != NULL && item->status == WEIR_OK &&
           (fetch->is_all_wanted || item->has_records);
}

/* Each partition may have an equal part of what is left of the bytes. */
static void run_acquire(struct weir_task *task)
{
    struct share_fetch *fetch = WEIR_CONTAINER_OF(task, struct share_fetch, task);
    int64_t bytes_left = fetch->bytes_max;
    int64_t wanted_left = 0;
    for (size_t i = 0; i < fetch->count; i++)
        wanted_left += is_wanted(fetch, &fetch->items[i]);
    for (size_t i = 0; i < fetch->count; i++) {
        struct item *item = &fetch->items[i];
        if (!is_wanted(fetch, item))
            continue;
        struct weir_share_read_terms terms = terms_of(fetch, bytes_left / wanted_left--);
        if (terms.records_max == 0 || (bytes_left <= 0 && fetch->record_count > 0))
            continue;
        item->status = weir_share_slot_acquire(item->slot, &terms, fetch->call->arena, &item->read);
        bytes_left -= (int64_t)item->read.range.size;
        fetch->record_count += item->read.record_count;
    }
    weir_call_resume(fetch->call, on_acquired, fetch);
}

static bool has_only_errors(const struct share_fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        if (fetch->items[i].status == WEIR_OK)
            return false;
    }
    return true;
}

/* Whether it is worth acquiring: enough bytes, or nothing that could come.  A fetch that waited is
 * answered with what ended its wait, not with what other partitions have got meanwhile: programs
 * rely on Apache Kafka doing so when it begins to read several at once. */
static bool is_satisfied(struct weir_call *call, void *context)
{
    const request_t *request = call->body;
    struct share_fetch *fetch = context;
    int64_t bytes = 0;
    fetch->is_all_wanted = false;
    for (size_t i = 0; i < fetch->count; i++) {
        struct item *item = &fetch->items[i];
        struct weir_share_read_terms terms = terms_of(fetch, fetch->bytes_max - bytes);
        int64_t more = 0;
        item->has_records = false;
        if (item->slot == NULL || item->status != WEIR_OK)
            continue;
        item->status = weir_share_slot_look(item->slot, &terms, &more);
        item->has_records = more > 0;
        bytes += more;
        if (bytes > 0 && bytes >= request->min_bytes)
            return true; /* those behind this one have their turn at the next fetch */
    }
    fetch->is_all_wanted = true;
    return has_only_errors(fetch);
}

static void start_acquire(struct weir_call *call, void *context)
{
    struct share_fetch *fetch = context;
    if (call->request->is_cancelled || has_only_errors(fetch)) {
        answer(fetch);
        return;
    }
    fetch->task = (struct weir_task){.run = run_acquire};
    weir_task_pool_submit(call->api->options.pool, &fetch->task);
}

static void wait_for_records(struct weir_call *call, struct share_fetch *fetch, int64_t wait_ms)
{
    struct weir_partition **partitions =
        WEIR_CALL_ALLOC(call, struct weir_partition *, fetch->count);
    struct weir_share_slot **slots = WEIR_CALL_ALLOC(call, struct weir_share_slot *, fetch->count);
    size_t partition_count = 0;
    size_t slot_count = 0;
    if (partitions == NULL || slots == NULL) {
        answer(fetch);
        return;
    }
    for (size_t i = 0; i < fetch->count; i++) {
        const struct item *item = &fetch->items[i];
        if (item->slot == NULL)
            continue;
        slots[slot_count++] = weir_share_slot_ref(item->slot);
        struct weir_partition *partition =
            weir_replicas_find(call->api->options.replicas, item->id.topic_id, item->id.partition);
        if (partition != NULL)
            partitions[partition_count++] = partition;
    }
    weir_wait_start(call, partitions, partition_count,
                    &(struct weir_wait_options){.is_satisfied = is_satisfied,
                                                .finish = start_acquire,
                                                .context = fetch,
                                                .wait_ms = wait_ms,
                                                .take_slots = slots,
                                                .slot_count = slot_count});
}

static void on_acquired(struct weir_call *call, void *argument)
{
    struct share_fetch *fetch = argument;
    int64_t left_ms = fetch->deadline_ms - weir_loop_now_ms(weir_call_loop(call));
    if (fetch->record_count > 0 || left_ms <= 0 || has_only_errors(fetch) ||
        call->request->is_cancelled)
        answer(fetch);
    else
        wait_for_records(call, fetch, left_ms);
}

/* ---- The request ---- */

static bool prepare_items(struct weir_call *call, struct share_fetch *fetch)
{
    const request_t *request = call->body;
    fetch->items = WEIR_CALL_ALLOC(call, struct item, fetch->count);
    if (fetch->items == NULL)
        return false;
    for (size_t i = 0; i < fetch->count; i++) {
        struct item *item = &fetch->items[i];
        bool is_new = false;
        item->id = fetch->wanted[i];
        item->status = share_check_partition(call, item->id.topic_id, item->id.partition);
        struct weir_share_key key = {.group_id = request->group_id,
                                     .topic_id = item->id.topic_id,
                                     .partition = item->id.partition};
        if (item->status == WEIR_OK)
            item->status = weir_share_slot_get(call->api->options.share_partitions, &key,
                                               &item->slot, &is_new);
        fetch->has_new = fetch->has_new || is_new;
    }
    return true;
}

static void begin_fetch(struct weir_call *call, void *context)
{
    const request_t *request = call->body;
    struct share_fetch *fetch = context;
    struct weir_config_resolver resolver = weir_call_resolver(call);
    int64_t limit = weir_config_broker_i64(&resolver, "fetch.max.bytes");
    fetch->bytes_max = request->max_bytes < limit ? request->max_bytes : limit;
    fetch->deadline_ms = weir_loop_now_ms(weir_call_loop(call)) + request->max_wait_ms;
    if (request->is_renew_ack)
        fetch->count = 0; /* renews only */
    fetch->is_all_wanted = true;
    if (!prepare_items(call, fetch)) {
        fetch->count = 0;
        weir_call_close(call);
    } else if (fetch->count == 0 || has_only_errors(fetch) || request->max_records <= 0) {
        answer(fetch);
    } else if (request->max_wait_ms <= 0 || is_satisfied(call, fetch)) {
        if (!fetch->has_new)
            fetch->is_all_wanted = true; /* whatever is there already */
        start_acquire(call, fetch);
    } else {
        wait_for_records(call, fetch, request->max_wait_ms);
    }
}

static bool set_batches(struct weir_call *call, const request_partition *wanted,
                        struct share_ack *out)
{
    size_t count = (size_t)wanted->acknowledgement_batches.count;
    struct weir_share_acknowledgement *batches =
        WEIR_CALL_ALLOC(call, struct weir_share_acknowledgement, count);
    if (batches == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct weir_share_fetch_request_acknowledgement_batch *batch =
            &wanted->acknowledgement_batches.items[i];
        batches[i] = (struct weir_share_acknowledgement){
            .first_offset = batch->first_offset,
            .last_offset = batch->last_offset,
            .types = batch->acknowledge_types.items,
            .type_count = (size_t)batch->acknowledge_types.count};
    }
    out->partition = wanted->partition_index;
    out->batches = batches;
    out->batch_count = count;
    return true;
}

/* What the session is to have, and what is acknowledged.  False when memory is out. */
static bool collect(struct weir_call *call, struct share_fetch *fetch,
                    struct weir_share_session_request *session)
{
    const request_t *request = call->body;
    size_t count = 0;
    for (int32_t t = 0; t < request->topics.count; t++)
        count += (size_t)request->topics.items[t].partitions.count;
    struct weir_share_session_partition *wanted =
        WEIR_CALL_ALLOC(call, struct weir_share_session_partition, count);
    fetch->acks.items = WEIR_CALL_ALLOC(call, struct share_ack, count);
    if (wanted == NULL || fetch->acks.items == NULL)
        return false;
    for (int32_t t = 0; t < request->topics.count; t++) {
        const request_topic *topic = &request->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            const request_partition *partition = &topic->partitions.items[p];
            wanted[session->wanted_count++] = (struct weir_share_session_partition){
                .topic_id = topic->topic_id, .partition = partition->partition_index};
            if (partition->acknowledgement_batches.count == 0)
                continue;
            struct share_ack *ack = &fetch->acks.items[fetch->acks.count++];
            ack->topic_id = topic->topic_id;
            if (!set_batches(call, partition, ack))
                return false;
        }
    }
    session->wanted = wanted;
    session->has_acknowledgements = fetch->acks.count > 0;
    return true;
}

static bool collect_forgotten(struct weir_call *call, struct weir_share_session_request *session)
{
    const request_t *request = call->body;
    size_t count = 0;
    for (int32_t t = 0; t < request->forgotten_topics_data.count; t++)
        count += (size_t)request->forgotten_topics_data.items[t].partitions.count;
    struct weir_share_session_partition *forgotten =
        WEIR_CALL_ALLOC(call, struct weir_share_session_partition, count);
    if (forgotten == NULL)
        return false;
    for (int32_t t = 0; t < request->forgotten_topics_data.count; t++) {
        const struct weir_share_fetch_request_forgotten_topic *topic =
            &request->forgotten_topics_data.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++)
            forgotten[session->forgotten_count++] = (struct weir_share_session_partition){
                .topic_id = topic->topic_id, .partition = topic->partitions.items[p]};
    }
    session->forgotten = forgotten;
    return true;
}

static enum weir_status check_request(const struct weir_call *call)
{
    const request_t *request = call->body;
    if (!share_groups_are_enabled(call))
        return WEIR_UNSUPPORTED_VERSION;
    if (!share_names_are_valid(request->group_id, request->member_id))
        return WEIR_INVALID_REQUEST;
    /* Who renews fetches nothing. */
    if (request->is_renew_ack && (request->max_wait_ms != 0 || request->min_bytes != 0 ||
                                  request->max_bytes != 0 || request->max_records != 0))
        return WEIR_INVALID_REQUEST;
    if (request->share_acquire_mode != ACQUIRE_BATCH_OPTIMIZED &&
        request->share_acquire_mode != ACQUIRE_RECORD_LIMIT)
        return WEIR_UNKNOWN_SERVER_ERROR; /* as Apache Kafka has it */
    return WEIR_OK;
}

void weir_api_share_fetch(struct weir_call *call)
{
    const request_t *request = call->body;
    enum weir_status status = check_request(call);
    if (status != WEIR_OK) {
        refuse(call, status);
        return;
    }
    struct share_fetch *fetch = WEIR_CALL_ALLOC(call, struct share_fetch, 1);
    struct weir_share_session_request session = {.group_id = request->group_id,
                                                 .member_id = request->member_id,
                                                 .epoch = request->share_session_epoch,
                                                 .connection_id = call->request->session->id};
    if (fetch == NULL || !collect(call, fetch, &session) || !collect_forgotten(call, &session) ||
        !share_watch_connection(call)) {
        weir_call_close(call);
        return;
    }
    status = weir_share_sessions_fetch(
        weir_share_partitions_sessions(call->api->options.share_partitions), &session, call->arena,
        &fetch->wanted, &fetch->count);
    if (status != WEIR_OK) {
        refuse(call, status);
        return;
    }
    fetch->call = call;
    fetch->acks.call = call;
    fetch->acks.then = begin_fetch;
    fetch->acks.context = fetch;
    fetch->acks.is_renew = request->is_renew_ack;
    if (fetch->acks.count > 0)
        share_acks_start(&fetch->acks, request->group_id, request->member_id);
    else
        begin_fetch(call, fetch);
}
