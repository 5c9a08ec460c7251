/* SPDX-License-Identifier: Apache-2.0 */
/* Topics that come into being because somebody asked for them: with the broker's defaults, and the
 * coordinators' own with the settings their data needs. */
#include "api_int.h"

struct auto_create {
    struct weir_controller_op op;
    struct weir_auto_create *topics;
    size_t count;
    void (*then)(struct weir_call *call, struct weir_auto_create *topics, size_t count);
};

#define INTERNAL_CONFIGS_MAX 5

/* An internal topic: its partition, replica and segment keys in server.properties, and what else it
 * is created with. */
struct internal_topic {
    const char *name;
    const char *partitions_key;
    const char *replicas_key;
    const char *segment_bytes_key;
    const char *min_insync_key; /* NULL: none */
    const char *compression;
};

static const struct internal_topic internal_topics[] = {
    {"__consumer_offsets", "offsets.topic.num.partitions", "offsets.topic.replication.factor",
     "offsets.topic.segment.bytes", NULL, "producer"},
    {"__transaction_state", "transaction.state.log.num.partitions",
     "transaction.state.log.replication.factor", "transaction.state.log.segment.bytes",
     "transaction.state.log.min.isr", "uncompressed"},
    {"__share_group_state", "share.coordinator.state.topic.num.partitions",
     "share.coordinator.state.topic.replication.factor",
     "share.coordinator.state.topic.segment.bytes", "share.coordinator.state.topic.min.isr", NULL},
};

static const struct internal_topic *find_internal(struct weir_slice name)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(internal_topics); i++) {
        if (weir_slice_is(name, internal_topics[i].name))
            return &internal_topics[i];
    }
    return NULL;
}

static void add_config(struct weir_new_topic *topic, struct weir_image_config_entry *entries,
                       const char *name, struct weir_slice value)
{
    entries[topic->config_count++] =
        (struct weir_image_config_entry){.name = weir_slice_str(name), .value = value};
}

/* Kafka's defaults ask for three replicas.  Where nobody said a number, a cluster with fewer
 * brokers gets as many as it has, so that a single node works without configuration. */
static int16_t internal_replicas(const struct weir_call *call,
                                 const struct internal_topic *internal)
{
    struct weir_config_resolver resolver = weir_call_resolver(call);
    int64_t wanted = weir_config_broker_i64(&resolver, internal->replicas_key);
    bool is_configured = !weir_slice_is_null(
        weir_static_config_get(call->api->options.statics, weir_slice_str(internal->replicas_key)));
    int64_t brokers = (int64_t)weir_image_broker_count(call->image);
    return (int16_t)(!is_configured && wanted > brokers ? brokers : wanted);
}

static bool set_internal(const struct weir_call *call, const struct internal_topic *internal,
                         struct weir_new_topic *topic)
{
    struct weir_config_resolver resolver = weir_call_resolver(call);
    struct weir_image_config_entry *entries =
        WEIR_CALL_ALLOC(call, struct weir_image_config_entry, INTERNAL_CONFIGS_MAX);
    if (entries == NULL)
        return false;
    topic->configs = entries;
    topic->partition_count = (int32_t)weir_config_broker_i64(&resolver, internal->partitions_key);
    topic->replication_factor = internal_replicas(call, internal);
    add_config(topic, entries, "cleanup.policy",
               internal->compression == NULL ? WEIR_SLICE("delete") : WEIR_SLICE("compact"));
    add_config(topic, entries, "segment.bytes",
               weir_arena_printf(
                   call->arena, "%lld",
                   (long long)weir_config_broker_i64(&resolver, internal->segment_bytes_key)));
    if (internal->compression == NULL) {
        add_config(topic, entries, "retention.ms", WEIR_SLICE("-1"));
        add_config(topic, entries, "compression.type", WEIR_SLICE("producer"));
    } else {
        add_config(topic, entries, "compression.type", weir_slice_str(internal->compression));
    }
    if (weir_slice_is(topic->name, "__transaction_state"))
        add_config(topic, entries, "unclean.leader.election.enable", WEIR_SLICE("false"));
    if (internal->min_insync_key != NULL) {
        int64_t min_insync = weir_config_broker_i64(&resolver, internal->min_insync_key);
        if (min_insync > topic->replication_factor)
            min_insync = topic->replication_factor;
        add_config(topic, entries, "min.insync.replicas",
                   weir_arena_printf(call->arena, "%lld", (long long)min_insync));
    }
    return true;
}

static void created(struct weir_call *call, struct weir_controller_op *op)
{
    struct auto_create *work = WEIR_CONTAINER_OF(op, struct auto_create, op);
    for (size_t i = 0; i < work->count; i++) {
        enum weir_status status = op->result.status;
        if (status == WEIR_OK)
            status = op->create_topics.topics[i].result.status;
        work->topics[i].status = status;
        if (status != WEIR_OK && status != WEIR_TOPIC_ALREADY_EXISTS)
            WEIR_LOG_WARN(call->api->options.log, "topic_not_auto_created",
                          WEIR_BYTES("topic", work->topics[i].name),
                          WEIR_STR("status", weir_status_name(status)),
                          WEIR_BYTES("why", op->create_topics.topics == NULL
                                                ? WEIR_NULL_SLICE
                                                : op->create_topics.topics[i].result.message));
    }
    weir_call_refresh_image(call);
    work->then(call, work->topics, work->count);
}

void weir_call_auto_create(struct weir_call *call, struct weir_auto_create *topics, size_t count,
                           void (*then)(struct weir_call *call, struct weir_auto_create *topics,
                                        size_t count))
{
    struct auto_create *work = WEIR_CALL_ALLOC(call, struct auto_create, 1);
    struct weir_new_topic *wanted = WEIR_CALL_ALLOC(call, struct weir_new_topic, count);
    if (work == NULL || wanted == NULL)
        goto no_memory;
    for (size_t i = 0; i < count; i++) {
        const struct internal_topic *internal = find_internal(topics[i].name);
        wanted[i].name = topics[i].name;
        wanted[i].partition_count = -1;
        wanted[i].replication_factor = -1;
        if (internal != NULL && !set_internal(call, internal, &wanted[i]))
            goto no_memory;
    }
    work->topics = topics;
    work->count = count;
    work->then = then;
    work->op.kind = WEIR_CONTROLLER_CREATE_TOPICS;
    work->op.create_topics = (struct weir_create_topics_op){
        .topics = wanted, .topic_count = count, .allow_internal_names = true};
    weir_call_control(call, &work->op, created);
    return;
no_memory:
    for (size_t i = 0; i < count; i++)
        topics[i].status = WEIR_NO_MEMORY;
    then(call, topics, count);
}
