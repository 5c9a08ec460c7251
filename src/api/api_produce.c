/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Produce (key 0).  Batches that open a transaction in their partition are verified with its
 * coordinator first (KIP-890).  Each partition's batch is checked and appended in the order of the
 * request; the answer leaves at once for acks 0 and 1, for acks -1 when every batch is below its
 * partition's high watermark, and for any acks not before the syncs that flush.messages asks for.
 */
#include "api_int.h"
#include "topic_slots.h"
#include "txn_verify.h"
#include "wait_set.h"

#include "weir/protocol/messages/produce_request.h"
#include "weir/protocol/messages/produce_response.h"
#include "weir/runtime/task_pool.h"

typedef struct weir_produce_response_partition_produce_response response_partition;
typedef struct weir_produce_response_topic_produce_response response_topic;

enum { ACKS_ALL = -1, ACKS_NONE = 0, ACKS_LEADER = 1 };

/* A batch that was appended and waits: for a sync (flush.messages), for its replicas, or for one
 * after the other. */
struct pending_batch {
    struct weir_partition *partition; /* a reference */
    int64_t last_offset;
    response_partition *out;
    bool needs_sync;
    bool needs_replicas;
};

/* A batch whose log has to make its next segment first. */
struct deferred_batch {
    struct weir_partition *partition; /* a reference */
    struct weir_slice records;
    uint64_t guard;
    response_partition *out;
};

/* What the verification said of a batch. */
struct verified_batch {
    uint64_t guard;
    struct weir_txn_partition *asked; /* NULL: nobody had to be asked */
};

/* One partition after the other in the order of the request, as far as that goes on the loop; then
 * the deferred ones on a task thread, then the syncs, then the replicas.  The connection's next
 * request waits all the while, and of one partition named twice the second is deferred with the
 * first: what one connection sends to a partition stays in order. */
struct produce {
    struct weir_call *call;
    struct weir_task task; /* the deferred ones */
    struct deferred_batch *deferred;
    size_t deferred_count;
    size_t batch_count;
    struct verified_batch *verified; /* by the batch's place in the request; NULL: no transaction */
    struct weir_txn_verify verify;
    struct weir_topic_slots slots;
    struct weir_produce_response response;
    bool has_error;
    struct pending_batch *pending;
    size_t pending_count;
};

/* Only tools that speak as the admin client may write to the coordinators' topics. */
static bool may_write(const struct weir_call *call, const struct weir_image_topic *topic)
{
    return !topic->is_internal || weir_slice_is(weir_call_client_id(call), "__admin_client");
}

static void set_record_errors(struct weir_call *call, const struct weir_produce_errors *errors,
                              response_partition *out)
{
    if (errors->message.text[0] != '\0')
        out->error_message = weir_arena_printf(call->arena, "%s", errors->message.text);
    if (errors->count == 0)
        return;
    out->record_errors.items = WEIR_CALL_ALLOC(
        call, struct weir_produce_response_batch_index_and_error_message, errors->count);
    if (out->record_errors.items == NULL)
        return; /* the code itself is what counts */
    out->record_errors.count = errors->count;
    for (int32_t i = 0; i < errors->count; i++) {
        struct weir_produce_response_batch_index_and_error_message *item =
            &out->record_errors.items[i];
        weir_produce_response_batch_index_and_error_message_init(item);
        item->batch_index = errors->items[i].index;
        if (weir_arena_copy(call->arena, errors->items[i].message,
                            &item->batch_index_error_message) != WEIR_OK)
            item->batch_index_error_message = WEIR_NULL_SLICE;
    }
}

static void set_leader(struct weir_partition *partition, response_partition *out)
{
    struct weir_partition_role role;
    weir_partition_role(partition, &role);
    out->current_leader.leader_id = role.leader;
    out->current_leader.leader_epoch = role.leader_epoch;
}

/* Transactions need their coordinator; a batch that claims to be part of one without saying of
 * which is refused as Apache Kafka refuses it. */
static enum weir_status check_transaction(const struct weir_produce_request *request,
                                          const struct weir_batch *batch)
{
    if (weir_batch_is_transactional(batch) && weir_batch_has_producer_id(batch) &&
        weir_slice_is_null(request->transactional_id))
        return WEIR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return WEIR_OK;
}

static enum weir_status append(struct weir_call *call, struct produce *produce,
                               struct weir_partition *partition, struct weir_slice records,
                               uint64_t guard, response_partition *out)
{
    const struct weir_produce_request *request = call->body;
    struct weir_batch batch;
    struct weir_detail message = {{0}};
    bool zstd_allowed = call->version >= 7;
    enum weir_status status = weir_produce_records_check(records, zstd_allowed, &batch, &message);
    if (status == WEIR_OK)
        status = check_transaction(request, &batch);
    if (status != WEIR_OK) {
        if (message.text[0] != '\0')
            out->error_message = weir_arena_printf(call->arena, "%s", message.text);
        return status;
    }
    struct weir_partition_appended appended;
    struct weir_produce_errors errors;
    const struct weir_produce_terms terms = {.acks = request->acks, .verification_guard = guard};
    status = weir_partition_produce(partition, &batch, &terms, &appended, &errors);
    out->log_start_offset = appended.log_start_offset;
    if (status == WEIR_OK) {
        out->base_offset = appended.base_offset;
        out->log_append_time_ms = appended.log_append_time_ms;
        bool needs_replicas =
            request->acks == ACKS_ALL && appended.high_watermark <= appended.last_offset;
        if (appended.is_flush_due || needs_replicas)
            produce->pending[produce->pending_count++] =
                (struct pending_batch){.partition = weir_partition_ref(partition),
                                       .last_offset = appended.last_offset,
                                       .out = out,
                                       .needs_sync = appended.is_flush_due,
                                       .needs_replicas = needs_replicas};
    } else if (status != WEIR_WOULD_BLOCK) {
        set_record_errors(call, &errors, out);
        /* Apache Kafka finds this one before it asks the coordinator, and knows no log then. */
        if (status == WEIR_INVALID_PRODUCER_EPOCH && guard != WEIR_GUARD_OFF &&
            produce->verified != NULL && produce->verify.mode == WEIR_VERIFY_ADD)
            out->log_start_offset = -1;
        /* KIP-951; older versions have no field for it. */
        if (status == WEIR_NOT_LEADER_OR_FOLLOWER &&
            weir_produce_response_has_node_endpoints(call->version))
            set_leader(partition, out);
    }
    weir_produce_errors_done(&errors);
    return status;
}

static bool is_deferred(const struct produce *produce, const struct weir_partition *partition)
{
    for (size_t i = 0; i < produce->deferred_count; i++) {
        if (produce->deferred[i].partition == partition)
            return true;
    }
    return false;
}

/* On the loop: appends, or leaves it to a task. */
static enum weir_status append_or_defer(struct weir_call *call, struct produce *produce,
                                        struct weir_partition *partition, struct weir_slice records,
                                        uint64_t guard, response_partition *out)
{
    enum weir_status status = is_deferred(produce, partition)
                                  ? WEIR_WOULD_BLOCK
                                  : append(call, produce, partition, records, guard, out);
    if (status != WEIR_WOULD_BLOCK)
        return status;
    produce->deferred[produce->deferred_count++] = (struct deferred_batch){
        .partition = weir_partition_ref(partition), .records = records, .guard = guard, .out = out};
    return WEIR_OK; /* so far */
}

/* The status of a batch whose verification failed, as producers know how to handle it. */
static enum weir_status refuse_unverified(struct weir_call *call, const struct produce *produce,
                                          enum weir_status status, response_partition *out)
{
    bool is_concurrent = status == WEIR_CONCURRENT_TRANSACTIONS;
    if (status == WEIR_INVALID_TXN_STATE) {
        out->error_message = WEIR_SLICE("Partition was not added to the transaction");
        return status;
    }
    if (is_concurrent && produce->verify.mode == WEIR_VERIFY_ADD)
        return status; /* so common at the end of a transaction that clients are told */
    if (!is_concurrent && status != WEIR_COORDINATOR_LOAD_IN_PROGRESS &&
        status != WEIR_COORDINATOR_NOT_AVAILABLE && status != WEIR_NOT_COORDINATOR)
        return status;
    /* Older clients retry this one, and without asking for metadata. */
    out->error_message = weir_arena_printf(call->arena,
                                           "Unable to verify the partition has been added to the "
                                           "transaction. Underlying error: %s",
                                           weir_error_name(weir_code(status)));
    return WEIR_NOT_ENOUGH_REPLICAS;
}

static enum weir_status produce_partition(struct weir_call *call, struct produce *produce,
                                          const struct weir_image_topic *topic,
                                          const struct verified_batch *verified,
                                          struct weir_slice records, response_partition *out)
{
    const struct weir_produce_request *request = call->body;
    if (topic == NULL)
        return call->version >= 13 ? WEIR_UNKNOWN_TOPIC_ID : WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    struct weir_partition *partition =
        weir_replicas_find(call->api->options.replicas, topic->id, out->index);
    if (partition == NULL)
        return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    enum weir_status status;
    const uint64_t guard = verified == NULL ? WEIR_GUARD_NONE : verified->guard;
    if (request->acks < ACKS_ALL || request->acks > ACKS_LEADER)
        status = WEIR_INVALID_REQUIRED_ACKS;
    else if (!may_write(call, topic))
        status = WEIR_INVALID_TOPIC_EXCEPTION;
    else if (verified != NULL && verified->asked != NULL && verified->asked->status != WEIR_OK)
        status = refuse_unverified(call, produce, verified->asked->status, out);
    else
        status = append_or_defer(call, produce, partition, records, guard, out);
    weir_partition_unref(partition);
    return status;
}

static const struct weir_image_topic *
find_topic(const struct weir_call *call, const struct weir_produce_request_topic_produce_data *data)
{
    return call->version >= 13 ? weir_image_topic_by_id(call->image, data->topic_id)
                               : weir_image_topic(call->image, data->name);
}

/* verified is of the topic's first batch, or NULL. */
static void produce_topic(struct weir_call *call, struct produce *produce,
                          const struct weir_produce_request_topic_produce_data *data,
                          const struct verified_batch *verified, response_topic *out)
{
    const struct weir_image_topic *topic = find_topic(call, data);
    for (int32_t i = 0; i < data->partition_data.count; i++) {
        response_partition *result =
            &out->partition_responses.items[out->partition_responses.count++];
        weir_produce_response_partition_produce_response_init(result);
        result->index = data->partition_data.items[i].index;
        result->base_offset = -1;
        result->log_start_offset = -1;
        enum weir_status status =
            produce_partition(call, produce, topic, verified == NULL ? NULL : &verified[i],
                              data->partition_data.items[i].records.bytes, result);
        result->error_code = weir_code(status);
        produce->has_error = produce->has_error || status != WEIR_OK;
    }
}

static void drop_empty_topics(struct weir_produce_response *response, int32_t count)
{
    for (int32_t t = 0; t < count; t++) {
        if (response->responses.items[t].partition_responses.count > 0)
            response->responses.items[response->responses.count++] = response->responses.items[t];
    }
}

static void answer(struct weir_call *call, struct produce *produce)
{
    const struct weir_produce_request *request = call->body;
    if (request->acks != ACKS_NONE) {
        drop_empty_topics(&produce->response, request->topic_data.count);
        weir_call_respond(call, &produce->response);
    } else if (produce->has_error) {
        weir_call_close(call); /* the only way to tell a client that wants no answer */
    } else {
        weir_call_respond_nothing(call);
    }
}

/* ---- Waiting for replicas ---- */

static bool is_replicated(const struct pending_batch *batch, enum weir_status *out_status)
{
    struct weir_partition_log *log;
    *out_status = weir_partition_leader_log(batch->partition, -1, &log);
    if (*out_status != WEIR_OK)
        return true; /* no replica will change that */
    bool is_below = weir_partition_log_high_watermark(log) > batch->last_offset;
    weir_partition_log_unref(log);
    return is_below;
}

static bool are_all_replicated(struct weir_call *call, void *context)
{
    const struct produce *produce = context;
    enum weir_status status;
    (void)call;
    for (size_t i = 0; i < produce->pending_count; i++) {
        if (produce->pending[i].needs_replicas && !is_replicated(&produce->pending[i], &status))
            return false;
    }
    return true;
}

static void finish_pending(struct weir_call *call, void *context)
{
    struct produce *produce = context;
    for (size_t i = 0; i < produce->pending_count; i++) {
        struct pending_batch *batch = &produce->pending[i];
        enum weir_status status = WEIR_OK;
        if (batch->needs_replicas && !is_replicated(batch, &status))
            status = WEIR_REQUEST_TIMED_OUT;
        if (batch->needs_replicas)
            batch->out->error_code = weir_code(status);
        weir_partition_unref(batch->partition);
    }
    answer(call, produce);
}

static void wait_for(struct weir_call *call, struct produce *produce,
                     const struct weir_wait_options *options)
{
    struct weir_partition **partitions =
        WEIR_CALL_ALLOC(call, struct weir_partition *, produce->pending_count);
    if (partitions == NULL) {
        options->finish(call, produce);
        return;
    }
    for (size_t i = 0; i < produce->pending_count; i++)
        partitions[i] = weir_partition_ref(produce->pending[i].partition);
    weir_wait_start(call, partitions, produce->pending_count, options);
}

/* ---- Waiting for syncs ---- */

static bool are_all_synced(struct weir_call *call, void *context)
{
    const struct produce *produce = context;
    (void)call;
    for (size_t i = 0; i < produce->pending_count; i++) {
        const struct pending_batch *batch = &produce->pending[i];
        if (batch->needs_sync &&
            weir_partition_sync_status(batch->partition, batch->last_offset) == WEIR_PENDING)
            return false;
    }
    return true;
}

/* PENDING still: the client is gone, or there was no memory to wait with. */
static void finish_syncs(struct weir_call *call, void *context)
{
    const struct weir_produce_request *request = call->body;
    struct produce *produce = context;
    bool needs_replicas = false;
    for (size_t i = 0; i < produce->pending_count; i++) {
        struct pending_batch *batch = &produce->pending[i];
        enum weir_status status =
            batch->needs_sync ? weir_partition_sync_status(batch->partition, batch->last_offset)
                              : WEIR_OK;
        if (status != WEIR_OK) {
            batch->out->error_code =
                weir_code(status == WEIR_PENDING ? WEIR_REQUEST_TIMED_OUT : status);
            batch->out->base_offset = -1;
            batch->needs_replicas = false;
            produce->has_error = true;
        }
        needs_replicas = needs_replicas || batch->needs_replicas;
    }
    if (!needs_replicas) {
        finish_pending(call, produce);
        return;
    }
    struct weir_wait_options options = {.is_satisfied = are_all_replicated,
                                        .finish = finish_pending,
                                        .context = produce,
                                        .wait_ms =
                                            request->timeout_ms < 0 ? 0 : request->timeout_ms};
    wait_for(call, produce, &options);
}

/* The request's timeout is the replicas' alone, as in Apache Kafka, which syncs inside the append.
 * A sync that hangs for so long is no longer waited for. */
#define SYNC_WAIT_MS INT32_MAX

static void answer_or_wait(struct weir_call *call, struct produce *produce)
{
    if (produce->pending_count == 0) {
        answer(call, produce);
        return;
    }
    struct weir_wait_options options = {.is_satisfied = are_all_synced,
                                        .finish = finish_syncs,
                                        .context = produce,
                                        .wait_ms = SYNC_WAIT_MS};
    if (are_all_synced(call, produce))
        finish_syncs(call, produce);
    else
        wait_for(call, produce, &options);
}

/* ---- On a task thread ---- */

static void appended_all(struct weir_call *call, void *argument)
{
    answer_or_wait(call, argument);
}

/* Nobody else touches the call or its arena until it is resumed. */
static void append_deferred(struct weir_task *task)
{
    struct produce *produce = WEIR_CONTAINER_OF(task, struct produce, task);
    for (size_t i = 0; i < produce->deferred_count; i++) {
        struct deferred_batch *batch = &produce->deferred[i];
        enum weir_status status;
        do {
            struct weir_detail why = {{0}};
            status = weir_partition_make_room(batch->partition, &why);
            if (status == WEIR_OK)
                status = append(produce->call, produce, batch->partition, batch->records,
                                batch->guard, batch->out);
            else if (status == WEIR_NO_SPACE)
                batch->out->error_message = weir_arena_printf(produce->call->arena, "%s", why.text);
            else if (status == WEIR_CLOSED)
                status = WEIR_NOT_LEADER_OR_FOLLOWER; /* deleted meanwhile */
        } while (status == WEIR_WOULD_BLOCK);
        batch->out->error_code = weir_code(status);
        produce->has_error = produce->has_error || status != WEIR_OK;
        weir_partition_unref(batch->partition);
    }
    weir_call_resume(produce->call, appended_all, produce);
}

static struct produce *new_produce(struct weir_call *call)
{
    const struct weir_produce_request *request = call->body;
    size_t batch_count = 0;
    for (int32_t t = 0; t < request->topic_data.count; t++)
        batch_count += (size_t)request->topic_data.items[t].partition_data.count;
    struct produce *produce = WEIR_CALL_ALLOC(call, struct produce, 1);
    if (produce == NULL)
        return NULL;
    produce->batch_count = batch_count;
    weir_produce_response_init(&produce->response);
    produce->call = call;
    produce->task.run = append_deferred;
    produce->pending = WEIR_CALL_ALLOC(call, struct pending_batch, batch_count);
    produce->deferred = WEIR_CALL_ALLOC(call, struct deferred_batch, batch_count);
    produce->response.responses.items =
        WEIR_CALL_ALLOC(call, response_topic, request->topic_data.count);
    bool has_memory = produce->pending != NULL && produce->deferred != NULL &&
                      produce->response.responses.items != NULL;
    return has_memory ? produce : NULL;
}

/* The topics of the answer: each once, however often it is named, and none without partitions. */
static bool make_topics(struct weir_call *call, struct produce *produce,
                        struct weir_topic_slots *out_slots)
{
    const struct weir_produce_request *request = call->body;
    size_t count = (size_t)request->topic_data.count;
    struct weir_slice *keys = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    size_t *partition_counts = WEIR_CALL_ALLOC(call, size_t, count);
    response_topic *topics = produce->response.responses.items;
    if (keys == NULL || partition_counts == NULL)
        return false;
    for (size_t t = 0; t < count; t++) {
        struct weir_produce_request_topic_produce_data *data = &request->topic_data.items[t];
        keys[t] = call->version >= 13 ? WEIR_KEY(data->topic_id) : data->name;
        partition_counts[t] = (size_t)data->partition_data.count;
    }
    if (weir_topic_slots_make(call->arena, keys, partition_counts, count, count > 1, out_slots) !=
        WEIR_OK)
        return false;
    for (size_t t = 0; t < count; t++) {
        weir_produce_response_topic_produce_response_init(&topics[t]);
        topics[t].name = request->topic_data.items[t].name;
        topics[t].topic_id = request->topic_data.items[t].topic_id;
        topics[t].partition_responses.items =
            WEIR_CALL_ALLOC(call, response_partition, out_slots->capacity[t]);
        if (topics[t].partition_responses.items == NULL)
            return false;
    }
    return true;
}

static void append_all(struct weir_call *call, void *argument)
{
    const struct weir_produce_request *request = call->body;
    struct produce *produce = argument;
    size_t first = 0;
    for (int32_t t = 0; t < request->topic_data.count; t++) {
        produce_topic(call, produce, &request->topic_data.items[t],
                      produce->verified == NULL ? NULL : &produce->verified[first],
                      &produce->response.responses.items[produce->slots.slot[t]]);
        first += (size_t)request->topic_data.items[t].partition_data.count;
    }
    if (produce->deferred_count > 0)
        weir_task_pool_submit(call->api->options.pool, &produce->task);
    else
        answer_or_wait(call, produce);
}

/* ---- Verification (KIP-890) ---- */

static enum weir_verify_mode verify_mode(const struct weir_call *call)
{
    if (call->version > 11)
        return WEIR_VERIFY_ADD; /* no field says so */
    return call->version > 10 ? WEIR_VERIFY : WEIR_VERIFY_OLD_ERRORS;
}

/* Whether the partition is led here and the batch opens a transaction in it: then it gets a guard,
 * and the coordinator is to be asked.  What is wrong otherwise is found when it is appended. */
static void begin_verification(struct produce *produce, const struct weir_image_topic *topic,
                               int32_t index, struct weir_slice records, struct verified_batch *out)
{
    struct weir_txn_verify *verify = &produce->verify;
    struct weir_batch batch;
    if (topic == NULL || weir_batch_parse(records, &batch, NULL) != WEIR_OK ||
        !weir_batch_is_transactional(&batch) || !weir_batch_has_producer_id(&batch))
        return;
    struct weir_partition *partition =
        weir_replicas_find(produce->call->api->options.replicas, topic->id, index);
    if (partition == NULL)
        return;
    const struct weir_verification_request wanted = {.producer_id = batch.producer_id,
                                                     .producer_epoch = batch.producer_epoch,
                                                     .base_sequence = batch.base_sequence,
                                                     .supports_epoch_bump =
                                                         verify->mode == WEIR_VERIFY_ADD};
    *out = (struct verified_batch){.guard = WEIR_GUARD_NONE};
    if (weir_partition_begin_verification(partition, &wanted, &out->guard) == WEIR_OK &&
        out->guard != WEIR_GUARD_NONE) {
        out->asked = &verify->partitions[verify->partition_count++];
        *out->asked = (struct weir_txn_partition){.topic = topic->name, .partition = index};
    }
    weir_partition_unref(partition);
}

/* The producer of the request's transactional batches; false when there are several. */
static bool find_producer(const struct weir_produce_request *request, struct weir_txn_verify *out)
{
    bool is_first = true;
    for (int32_t t = 0; t < request->topic_data.count; t++) {
        const struct weir_produce_request_topic_produce_data *data = &request->topic_data.items[t];
        for (int32_t p = 0; p < data->partition_data.count; p++) {
            struct weir_batch batch;
            if (weir_batch_parse(data->partition_data.items[p].records.bytes, &batch, NULL) !=
                    WEIR_OK ||
                !weir_batch_is_transactional(&batch) || !weir_batch_has_producer_id(&batch))
                continue;
            if (!is_first && (out->producer_id != batch.producer_id ||
                              out->producer_epoch != batch.producer_epoch))
                return false;
            out->producer_id = batch.producer_id;
            out->producer_epoch = batch.producer_epoch;
            is_first = false;
        }
    }
    return true;
}

static void get_guards(void *argument)
{
    struct produce *produce = argument;
    struct weir_call *call = produce->call;
    const struct weir_produce_request *request = call->body;
    size_t place = 0;
    produce->verify.partition_count = 0;
    for (int32_t t = 0; t < request->topic_data.count; t++) {
        const struct weir_produce_request_topic_produce_data *data = &request->topic_data.items[t];
        const struct weir_image_topic *topic = find_topic(call, data);
        for (int32_t p = 0; p < data->partition_data.count; p++, place++)
            begin_verification(produce, topic, data->partition_data.items[p].index,
                               data->partition_data.items[p].records.bytes,
                               &produce->verified[place]);
    }
}

static bool are_guards_current(void *argument)
{
    const struct produce *produce = argument;
    const struct weir_call *call = produce->call;
    bool are_current = true;
    for (size_t i = 0; i < produce->batch_count && are_current; i++) {
        const struct verified_batch *verified = &produce->verified[i];
        if (verified->asked == NULL)
            continue;
        const struct weir_image_topic *topic =
            weir_image_topic(call->image, verified->asked->topic);
        struct weir_partition *partition =
            topic == NULL ? NULL
                          : weir_replicas_find(call->api->options.replicas, topic->id,
                                               verified->asked->partition);
        are_current = partition == NULL /* its append will say so */ ||
                      weir_partition_guard_is_current(partition, produce->verify.producer_id,
                                                      verified->guard);
        weir_partition_unref(partition);
    }
    return are_current;
}

static void refuse_several_producers(struct weir_call *call, struct produce *produce)
{
    const struct weir_produce_request *request = call->body;
    for (int32_t t = 0; t < request->topic_data.count; t++) {
        const struct weir_produce_request_topic_produce_data *data = &request->topic_data.items[t];
        response_topic *out = &produce->response.responses.items[produce->slots.slot[t]];
        for (int32_t p = 0; p < data->partition_data.count; p++) {
            response_partition *result =
                &out->partition_responses.items[out->partition_responses.count++];
            weir_produce_response_partition_produce_response_init(result);
            result->index = data->partition_data.items[p].index;
            result->base_offset = -1;
            result->log_start_offset = -1;
            result->error_code = WEIR_ERROR_INVALID_PRODUCER_ID_MAPPING;
        }
    }
    produce->has_error = true;
    answer(call, produce);
}

static void verify_and_append(struct weir_call *call, struct produce *produce)
{
    const size_t batch_count = produce->batch_count;
    const struct weir_produce_request *request = call->body;
    struct weir_txn_verify *verify = &produce->verify;
    *verify = (struct weir_txn_verify){.call = call,
                                       .transactional_id = request->transactional_id,
                                       .mode = verify_mode(call),
                                       .retries_concurrent = true,
                                       .prepare = get_guards,
                                       .is_current = are_guards_current,
                                       .then = append_all,
                                       .argument = produce};
    if (!find_producer(request, verify)) {
        refuse_several_producers(call, produce);
        return;
    }
    produce->verified = WEIR_CALL_ALLOC(call, struct verified_batch, batch_count);
    verify->partitions = WEIR_CALL_ALLOC(call, struct weir_txn_partition, batch_count);
    if (produce->verified == NULL || verify->partitions == NULL) {
        weir_call_close(call);
        return;
    }
    if (weir_txn_verify_is_needed(call, verify->mode)) {
        weir_txn_verify_start(verify);
        return;
    }
    for (size_t i = 0; i < batch_count; i++)
        produce->verified[i].guard = WEIR_GUARD_OFF;
    append_all(call, produce);
}

void weir_api_produce(struct weir_call *call)
{
    const struct weir_produce_request *request = call->body;
    struct produce *produce = new_produce(call);
    if (produce == NULL || !make_topics(call, produce, &produce->slots))
        weir_call_close(call);
    else if (weir_slice_is_null(request->transactional_id))
        append_all(call, produce);
    else
        verify_and_append(call, produce);
}
