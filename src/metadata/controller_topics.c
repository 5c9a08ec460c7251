/* SPDX-License-Identifier: Apache-2.0 */

/* Creating and deleting topics, adding partitions: Apache Kafka's checks in its order, with its
 * words. */

#include "controller_int.h"

#include "weir/base/map.h"
#include "weir/protocol/records/remove_topic_record.h"
#include "weir/protocol/records/topic_record.h"

#define TOPIC_NAME_BYTES_MAX 249
#define METADATA_TOPIC_NAME  "__cluster_metadata"

bool weir_broker_is_active(const struct weir_image *image, int32_t id)
{
    const struct weir_image_broker *broker = weir_image_broker(image, id);
    return broker != NULL && !broker->is_fenced && !broker->in_controlled_shutdown;
}

bool weir_elr_is_enabled(const struct weir_image *image)
{
    return weir_image_feature_level(image, WEIR_ELR_FEATURE) >= 1;
}

int64_t weir_controller_static_i64(const struct weir_decision *decision, const char *key)
{
    return weir_config_broker_i64(&decision->resolver, key);
}

/* ---- Names ---- */

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

struct weir_controller_result weir_check_topic_name(struct weir_decision *decision,
                                                    struct weir_slice name)
{
    static const char prefix[] = "Topic name is invalid: ";
    if (name.size == 0)
        return weir_result_of(decision, WEIR_INVALID_TOPIC_EXCEPTION,
                              "%sthe empty string is not allowed", prefix);
    if (weir_slice_is(name, ".") || weir_slice_is(name, ".."))
        return weir_result_of(decision, WEIR_INVALID_TOPIC_EXCEPTION, "%s'%.*s' is not allowed",
                              prefix, WEIR_SLICE_ARGS(name));
    if (name.size > TOPIC_NAME_BYTES_MAX)
        return weir_result_of(decision, WEIR_INVALID_TOPIC_EXCEPTION,
                              "%sthe length of '%.*s' is longer than the max allowed length %d",
                              prefix, WEIR_SLICE_ARGS(name), TOPIC_NAME_BYTES_MAX);
    for (size_t i = 0; i < name.size; i++) {
        if (!is_name_byte(name.data[i]))
            return weir_result_of(
                decision, WEIR_INVALID_TOPIC_EXCEPTION,
                "%s'%.*s' contains one or more characters other than ASCII alphanumerics, '.', '_' "
                "and '-'",
                prefix, WEIR_SLICE_ARGS(name));
    }
    return weir_result_ok();
}

/* Metric names turn '.' into '_', so two names that differ only there collide. */
static bool collides(struct weir_slice a, struct weir_slice b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        uint8_t left = a.data[i] == '.' ? '_' : a.data[i];
        uint8_t right = b.data[i] == '.' ? '_' : b.data[i];
        if (left != right)
            return false;
    }
    return true;
}

static bool has_collision_byte(struct weir_slice name)
{
    return memchr(name.data, '.', name.size) != NULL || memchr(name.data, '_', name.size) != NULL;
}

static const struct weir_image_topic *find_collision(const struct weir_image *image,
                                                     struct weir_slice name)
{
    if (!has_collision_byte(name))
        return NULL;
    /* Colliding names agree up to the first '.' or '_', which narrows the search to one run of the
     * table. */
    size_t prefix_bytes = 0;
    while (name.data[prefix_bytes] != '.' && name.data[prefix_bytes] != '_')
        prefix_bytes++;
    struct weir_slice prefix = weir_slice_of(name.data, prefix_bytes);
    for (size_t i = weir_image_topic_lower_bound(image, prefix); i < weir_image_topic_count(image);
         i++) {
        const struct weir_image_topic *topic = weir_image_topic_at(image, i);
        if (topic->name.size < prefix_bytes ||
            memcmp(topic->name.data, prefix.data, prefix_bytes) != 0)
            break;
        if (collides(topic->name, name))
            return topic;
    }
    return NULL;
}

/* ---- Assignments ---- */

struct weir_controller_result weir_check_assignment(struct weir_decision *decision,
                                                    const int32_t *replicas, size_t count,
                                                    int expected_count)
{
    static const char prefix[] = "The manual partition assignment includes";
    if (count == 0)
        return weir_result_of(decision, WEIR_INVALID_REPLICA_ASSIGNMENT,
                              "%s an empty replica list.", prefix);
    /* Kafka looks at the ids in rising order, and at a repeated one when it sees it the second
     * time. */
    int64_t previous = INT64_MIN;
    for (size_t seen = 0; seen < count; seen++) {
        int64_t next = INT64_MAX;
        size_t times = 0;
        for (size_t i = 0; i < count; i++) {
            if (replicas[i] <= previous || replicas[i] > next)
                continue;
            times = replicas[i] == next ? times + 1 : 1;
            next = replicas[i];
        }
        if (next == INT64_MAX)
            break;
        if (weir_image_broker(decision->image, (int32_t)next) == NULL)
            return weir_result_of(decision, WEIR_INVALID_REPLICA_ASSIGNMENT,
                                  "%s broker %d, but no such broker is registered.", prefix,
                                  (int32_t)next);
        if (times > 1)
            return weir_result_of(decision, WEIR_INVALID_REPLICA_ASSIGNMENT,
                                  "%s the broker %d more than once.", prefix, (int32_t)next);
        previous = next;
    }
    if (expected_count >= 0 && count != (size_t)expected_count)
        return weir_result_of(decision, WEIR_INVALID_REPLICA_ASSIGNMENT,
                              "%s a partition with %zu replica(s), but this is not consistent with "
                              "previous partitions, "
                              "which have %d replica(s).",
                              prefix, count, expected_count);
    return weir_result_ok();
}

/* A broker with exactly one directory will use that one; with several it chooses, and tells later.
 */
static struct weir_uuid directory_for(const struct weir_image *image, int32_t broker_id)
{
    const struct weir_image_broker *broker = weir_image_broker(image, broker_id);
    if (broker != NULL && broker->log_dir_count == 1)
        return broker->log_dirs[0];
    return weir_uuid_small(WEIR_DIRECTORY_UNASSIGNED);
}

enum weir_status weir_new_partition(struct weir_decision *decision, int32_t id,
                                    const int32_t *replicas, size_t count,
                                    struct weir_image_partition *out)
{
    int32_t *isr = weir_arena_calloc(decision->arena, count, sizeof(*isr));
    struct weir_uuid *directories = weir_arena_calloc(decision->arena, count, sizeof(*directories));
    if (isr == NULL || directories == NULL)
        return WEIR_NO_MEMORY;
    size_t isr_count = 0;
    for (size_t i = 0; i < count; i++) {
        directories[i] = directory_for(decision->image, replicas[i]);
        if (weir_broker_is_active(decision->image, replicas[i]))
            isr[isr_count++] = replicas[i];
    }
    *out = (struct weir_image_partition){
        .id = id,
        .leader = isr_count == 0 ? WEIR_NO_LEADER : isr[0],
        .replicas = {.items = replicas, .count = count},
        .isr = {.items = isr, .count = isr_count},
        .directories = directories,
    };
    return isr_count == 0 ? WEIR_INVALID_REPLICA_ASSIGNMENT : WEIR_OK;
}

/* ---- Creating ---- */

/* A topic being decided: its partitions and what is set for it. */
struct new_topic {
    struct weir_image_partition *partitions;
    int32_t partition_count;
    int16_t replication_factor;
    struct weir_image_config_entry *entries;
    size_t entry_count;
};

static const struct weir_replica_assignment *assignment_of(const struct weir_new_topic *topic,
                                                           int32_t partition)
{
    for (size_t i = 0; i < topic->assignment_count; i++) {
        if (topic->assignments[i].partition == partition)
            return &topic->assignments[i];
    }
    return NULL;
}

static struct weir_controller_result check_assignments(struct weir_decision *decision,
                                                       const struct weir_new_topic *topic)
{
    int expected = -1;
    for (size_t i = 0; i < topic->assignment_count; i++) {
        const struct weir_replica_assignment *assignment = &topic->assignments[i];
        if (assignment_of(topic, assignment->partition) != assignment)
            return weir_result_of(decision, WEIR_INVALID_REPLICA_ASSIGNMENT,
                                  "Found multiple manual partition assignments for partition %d",
                                  assignment->partition);
        struct weir_controller_result result = weir_check_assignment(
            decision, assignment->replicas, assignment->replica_count, expected);
        if (result.status != WEIR_OK)
            return result;
        expected = (int)assignment->replica_count;
        bool has_active = false;
        for (size_t j = 0; j < assignment->replica_count; j++)
            has_active =
                has_active || weir_broker_is_active(decision->image, assignment->replicas[j]);
        if (!has_active)
            return weir_result_of(decision, WEIR_INVALID_REPLICA_ASSIGNMENT,
                                  "All brokers specified in the manual partition assignment for "
                                  "partition %d are fenced "
                                  "or in controlled shutdown.",
                                  assignment->partition);
    }
    for (size_t i = 0; i < topic->assignment_count; i++) {
        if (assignment_of(topic, (int32_t)i) == NULL)
            return weir_result_of(decision, WEIR_INVALID_REPLICA_ASSIGNMENT,
                                  "partitions should be a consecutive 0-based integer sequence");
    }
    return weir_result_ok();
}

static struct weir_controller_result plan_assigned(struct weir_decision *decision,
                                                   const struct weir_new_topic *topic,
                                                   struct new_topic *out)
{
    if (topic->replication_factor != -1)
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "A manual partition assignment was specified, but replication factor "
                              "was not set to -1.");
    if (topic->partition_count != -1)
        return weir_result_of(
            decision, WEIR_INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.");
    struct weir_controller_result result = check_assignments(decision, topic);
    if (result.status != WEIR_OK)
        return result;
    out->partition_count = (int32_t)topic->assignment_count;
    out->partitions =
        weir_arena_calloc(decision->arena, topic->assignment_count, sizeof(out->partitions[0]));
    if (out->partitions == NULL)
        return weir_result_bare(WEIR_NO_MEMORY);
    for (int32_t i = 0; i < out->partition_count; i++) {
        const struct weir_replica_assignment *assignment = assignment_of(topic, i);
        out->replication_factor = (int16_t)assignment->replica_count;
        enum weir_status status = weir_new_partition(
            decision, i, assignment->replicas, assignment->replica_count, &out->partitions[i]);
        if (status != WEIR_OK)
            return weir_result_bare(status);
    }
    return weir_result_ok();
}

static struct weir_controller_result plan_placed(struct weir_decision *decision,
                                                 const struct weir_new_topic *topic,
                                                 struct new_topic *out)
{
    if (topic->replication_factor < -1 || topic->replication_factor == 0)
        return weir_result_of(
            decision, WEIR_INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.");
    if (topic->partition_count < -1 || topic->partition_count == 0)
        return weir_result_of(decision, WEIR_INVALID_PARTITIONS,
                              "Number of partitions was set to an invalid non-positive value.");
    out->partition_count = topic->partition_count != -1
                               ? topic->partition_count
                               : (int32_t)weir_controller_static_i64(decision, "num.partitions");
    out->replication_factor =
        topic->replication_factor != -1
            ? topic->replication_factor
            : (int16_t)weir_controller_static_i64(decision, "default.replication.factor");
    int32_t *replicas;
    struct weir_controller_result result =
        weir_place(decision, out->partition_count, out->replication_factor, &replicas);
    if (result.status != WEIR_OK)
        return result;
    out->partitions = weir_arena_calloc(decision->arena, (size_t)out->partition_count,
                                        sizeof(out->partitions[0]));
    if (out->partitions == NULL)
        return weir_result_bare(WEIR_NO_MEMORY);
    for (int32_t i = 0; i < out->partition_count; i++) {
        size_t factor = (size_t)out->replication_factor;
        enum weir_status status = weir_new_partition(decision, i, replicas + (size_t)i * factor,
                                                     factor, &out->partitions[i]);
        if (status == WEIR_INVALID_REPLICA_ASSIGNMENT)
            return weir_result_of(decision, WEIR_INVALID_REPLICATION_FACTOR,
                                  "Unable to replicate the partition %d time(s): All brokers are "
                                  "currently fenced or in "
                                  "controlled shutdown.",
                                  out->replication_factor);
        if (status != WEIR_OK)
            return weir_result_bare(status);
    }
    return weir_result_ok();
}

static void add_topic_records(struct weir_decision *decision, const struct weir_new_topic *topic,
                              const struct new_topic *plan)
{
    struct weir_topic_record record;
    weir_topic_record_init(&record);
    record.name = topic->name;
    record.topic_id = topic->id;
    weir_record_list_add(decision->records, WEIR_METADATA_RECORD_TOPIC, 0, &record);
    for (size_t i = 0; i < plan->entry_count; i++)
        weir_record_add_config(decision->records, WEIR_RESOURCE_TOPIC, topic->name,
                               plan->entries[i].name, plan->entries[i].value);
    int16_t version = weir_partition_version(decision->image);
    for (int32_t i = 0; i < plan->partition_count; i++)
        weir_record_add_partition(decision->records, topic->id, &plan->partitions[i], version);
}

static struct weir_controller_result check_name(struct weir_decision *decision,
                                                struct weir_slice name)
{
    if (weir_slice_is(name, METADATA_TOPIC_NAME))
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "Creation of internal topic %s is prohibited.", METADATA_TOPIC_NAME);
    struct weir_controller_result result = weir_check_topic_name(decision, name);
    if (result.status != WEIR_OK)
        return result;
    if (weir_image_topic(decision->image, name) != NULL)
        return weir_result_of(decision, WEIR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.",
                              WEIR_SLICE_ARGS(name));
    const struct weir_image_topic *other = find_collision(decision->image, name);
    if (other != NULL)
        return weir_result_of(decision, WEIR_INVALID_TOPIC_EXCEPTION,
                              "Topic '%.*s' collides with existing topic: %.*s",
                              WEIR_SLICE_ARGS(name), WEIR_SLICE_ARGS(other->name));
    return weir_result_ok();
}

static struct weir_controller_result plan_configs(struct weir_decision *decision,
                                                  const struct weir_new_topic *topic,
                                                  struct new_topic *plan)
{
    struct weir_config_change *changes =
        weir_arena_calloc(decision->arena, topic->config_count, sizeof(*changes));
    if (changes == NULL)
        return weir_result_bare(WEIR_NO_MEMORY);
    for (size_t i = 0; i < topic->config_count; i++)
        changes[i] = (struct weir_config_change){.name = topic->configs[i].name,
                                                 .op = WEIR_CONFIG_SET,
                                                 .value = topic->configs[i].value};
    struct weir_config_request request = {
        .type = WEIR_RESOURCE_TOPIC,
        .name = topic->name,
        .changes = changes,
        .change_count = topic->config_count,
        .is_new_topic = true,
        .validate_only = true, /* their records come behind the topic's */
    };
    return weir_decide_configs(decision, &request, &plan->entries, &plan->entry_count);
}

static struct weir_controller_result create_topic(struct weir_decision *decision,
                                                  struct weir_new_topic *topic)
{
    struct weir_controller_result result = check_name(decision, topic->name);
    if (result.status != WEIR_OK)
        return result;
    struct new_topic plan = {0};
    result = plan_configs(decision, topic, &plan);
    if (result.status != WEIR_OK)
        return result;
    result = topic->assignment_count > 0 ? plan_assigned(decision, topic, &plan)
                                         : plan_placed(decision, topic, &plan);
    if (result.status != WEIR_OK)
        return result;
    enum weir_status status =
        weir_config_describe_new_topic(&decision->resolver, plan.entries, plan.entry_count,
                                       decision->arena, &topic->result_configs);
    if (status != WEIR_OK)
        return weir_result_bare(status);
    uint8_t random[16];
    do
        weir_env_random(decision->controller->options.env, random, sizeof(random));
    while (!weir_uuid_from_random(random, &topic->id) ||
           weir_image_topic_by_id(decision->image, topic->id) != NULL);
    topic->result_partition_count = plan.partition_count;
    topic->result_replication_factor = plan.replication_factor;
    if (!decision->op->create_topics.validate_only)
        add_topic_records(decision, topic, &plan);
    return weir_result_ok();
}

static struct weir_controller_result check_partition_total(struct weir_decision *decision,
                                                           const struct weir_create_topics_op *op)
{
    int64_t total = 0;
    for (size_t i = 0; i < op->topic_count; i++) {
        const struct weir_new_topic *topic = &op->topics[i];
        if (topic->assignment_count > 0)
            total += (int64_t)topic->assignment_count;
        else if (topic->partition_count > 0)
            total += topic->partition_count;
        else if (topic->partition_count == -1)
            total += weir_controller_static_i64(decision, "num.partitions");
    }
    if (total > WEIR_RECORDS_PER_OP_MAX)
        return weir_result_of(decision, WEIR_POLICY_VIOLATION,
                              "Excessively large number of partitions per request.");
    return weir_result_ok();
}

/* How often each name is asked for; NULL when memory is out.  Keys are borrowed from the request.
 */
static bool count_name(struct weir_map *counts, struct weir_arena *arena, struct weir_slice name)
{
    size_t *count = weir_map_get(counts, name);
    if (count == NULL) {
        count = weir_arena_calloc(arena, 1, sizeof(*count));
        if (count == NULL || weir_map_put(counts, name, count, NULL) != WEIR_OK)
            return false;
    }
    (*count)++;
    return true;
}

static bool is_repeated(const struct weir_map *counts, struct weir_slice name)
{
    const size_t *count = weir_map_get(counts, name);
    return count != NULL && *count > 1;
}

void weir_decide_create_topics(struct weir_decision *decision)
{
    struct weir_create_topics_op *op = &decision->op->create_topics;
    struct weir_map counts = {0};
    struct weir_controller_result total = check_partition_total(decision, op);
    for (size_t i = 0; i < op->topic_count; i++) {
        if (!count_name(&counts, decision->arena, op->topics[i].name))
            total = weir_result_bare(WEIR_NO_MEMORY);
    }
    for (size_t i = 0; i < op->topic_count; i++) {
        struct weir_new_topic *topic = &op->topics[i];
        topic->result_partition_count = -1;
        topic->result_replication_factor = -1;
        if (is_repeated(&counts, topic->name))
            topic->result = weir_result_of(decision, WEIR_INVALID_REQUEST, "Duplicate topic name.");
        else
            topic->result = total.status != WEIR_OK ? total : create_topic(decision, topic);
        if (topic->result.status != WEIR_OK)
            topic->id = (struct weir_uuid){{0}};
    }
    weir_map_done(&counts);
}

/* ---- Deleting ---- */

static struct weir_controller_result find_deletion(struct weir_decision *decision,
                                                   struct weir_topic_deletion *item)
{
    bool has_name = !weir_slice_is_null(item->name);
    bool has_id = !weir_uuid_is_zero(item->id);
    item->result_name = item->name;
    item->result_id = item->id;
    if (has_name && has_id)
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "You may not specify both topic name and topic id.");
    if (!has_name && !has_id)
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "Neither topic name nor id were specified.");
    const struct weir_image_topic *topic = has_name
                                               ? weir_image_topic(decision->image, item->name)
                                               : weir_image_topic_by_id(decision->image, item->id);
    if (topic == NULL && has_name)
        return weir_result_of(decision, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "This server does not host this topic-partition.");
    if (topic == NULL)
        return weir_result_of(decision, WEIR_UNKNOWN_TOPIC_ID,
                              "This server does not host this topic ID.");
    struct weir_slice name;
    if (weir_arena_copy(decision->arena, topic->name, &name) != WEIR_OK)
        return weir_result_bare(WEIR_NO_MEMORY);
    item->result_name = name;
    item->result_id = topic->id;
    return weir_result_ok();
}

/* Items that ask for one topic twice are answered once, with an error; the later one is left out.
 */
static bool find_repeated(struct weir_decision *decision, struct weir_delete_topics_op *op)
{
    struct weir_map by_id = {0};
    bool has_memory = true;
    for (size_t i = 0; i < op->topic_count && has_memory; i++) {
        struct weir_topic_deletion *item = &op->topics[i];
        if (item->result.status != WEIR_OK)
            continue;
        struct weir_topic_deletion *first = weir_map_get(&by_id, WEIR_KEY(item->result_id.bytes));
        if (first == NULL) {
            has_memory =
                weir_map_put(&by_id, WEIR_KEY(item->result_id.bytes), item, NULL) == WEIR_OK;
            continue;
        }
        const char *why = "The provided topic name maps to an ID that was already supplied.";
        if (!weir_slice_is_null(item->name) && !weir_slice_is_null(first->name))
            why = "Duplicate topic name.";
        else if (weir_slice_is_null(item->name) && weir_slice_is_null(first->name))
            why = "Duplicate topic id.";
        first->result = weir_result_of(decision, WEIR_INVALID_REQUEST, "%s", why);
        item->is_left_out = true;
    }
    weir_map_done(&by_id);
    return has_memory;
}

void weir_decide_delete_topics(struct weir_decision *decision)
{
    struct weir_delete_topics_op *op = &decision->op->delete_topics;
    bool is_enabled = weir_config_broker_bool(&decision->resolver, "delete.topic.enable");
    for (size_t i = 0; i < op->topic_count; i++) {
        op->topics[i].is_left_out = false;
        op->topics[i].result = find_deletion(decision, &op->topics[i]);
        if (!is_enabled)
            op->topics[i].result = weir_result_of(decision, WEIR_TOPIC_DELETION_DISABLED,
                                                  "Topic deletion is disabled.");
    }
    if (!find_repeated(decision, op)) {
        decision->op->result = weir_result_bare(WEIR_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < op->topic_count; i++) {
        if (op->topics[i].result.status != WEIR_OK || op->topics[i].is_left_out)
            continue;
        struct weir_remove_topic_record record;
        weir_remove_topic_record_init(&record);
        record.topic_id = op->topics[i].result_id;
        weir_record_list_add(decision->records, WEIR_METADATA_RECORD_REMOVE_TOPIC, 0, &record);
    }
}

/* ---- Adding partitions ---- */

static struct weir_controller_result check_growth(struct weir_decision *decision,
                                                  const struct weir_topic_growth *growth,
                                                  const struct weir_image_topic *topic)
{
    if (growth->partition_count == topic->partition_count)
        return weir_result_of(decision, WEIR_INVALID_PARTITIONS,
                              "Topic already has %d partition(s).", topic->partition_count);
    if (growth->partition_count < topic->partition_count)
        return weir_result_of(
            decision, WEIR_INVALID_PARTITIONS,
            "The topic %.*s currently has %d partition(s); %d would not be an increase.",
            WEIR_SLICE_ARGS(growth->name), topic->partition_count, growth->partition_count);
    size_t added = (size_t)(growth->partition_count - topic->partition_count);
    if (growth->has_assignments && growth->assignment_count != added)
        return weir_result_of(decision, WEIR_INVALID_REPLICA_ASSIGNMENT,
                              "Attempted to add %zu additional partition(s), but only %zu "
                              "assignment(s) were specified.",
                              added, growth->assignment_count);
    if (added > WEIR_RECORDS_PER_OP_MAX - decision->records->count)
        return weir_result_of(decision, WEIR_POLICY_VIOLATION,
                              "Excessively large number of partitions per request.");
    return weir_result_ok();
}

static struct weir_controller_result plan_growth(struct weir_decision *decision,
                                                 const struct weir_topic_growth *growth,
                                                 const struct weir_image_topic *topic,
                                                 struct weir_image_partition *partitions)
{
    int32_t added = growth->partition_count - topic->partition_count;
    int factor = topic->partition_count == 0 ? 1 : (int)topic->partitions[0]->replicas.count;
    int32_t *placed = NULL;
    if (!growth->has_assignments) {
        struct weir_controller_result result =
            weir_place(decision, added, (int16_t)factor, &placed);
        if (result.status != WEIR_OK)
            return result;
    }
    for (int32_t i = 0; i < added; i++) {
        const int32_t *replicas = growth->has_assignments ? growth->assignments[i].replicas
                                                          : placed + (size_t)i * (size_t)factor;
        size_t count =
            growth->has_assignments ? growth->assignments[i].replica_count : (size_t)factor;
        if (growth->has_assignments) {
            struct weir_controller_result result =
                weir_check_assignment(decision, replicas, count, factor);
            if (result.status != WEIR_OK)
                return result;
        }
        int32_t id = topic->partition_count + i;
        enum weir_status status = weir_new_partition(decision, id, replicas, count, &partitions[i]);
        if (status == WEIR_INVALID_REPLICA_ASSIGNMENT)
            return weir_result_of(decision, status,
                                  "All brokers specified in the manual partition assignment for "
                                  "partition %d are fenced "
                                  "or in controlled shutdown.",
                                  id);
        if (status != WEIR_OK)
            return weir_result_bare(status);
    }
    return weir_result_ok();
}

static struct weir_controller_result grow_topic(struct weir_decision *decision,
                                                struct weir_topic_growth *growth)
{
    const struct weir_image_topic *topic = weir_image_topic(decision->image, growth->name);
    if (topic == NULL)
        return weir_result_bare(WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    struct weir_controller_result result = check_growth(decision, growth, topic);
    if (result.status != WEIR_OK)
        return result;
    size_t added = (size_t)(growth->partition_count - topic->partition_count);
    struct weir_image_partition *partitions =
        weir_arena_calloc(decision->arena, added, sizeof(*partitions));
    if (partitions == NULL)
        return weir_result_bare(WEIR_NO_MEMORY);
    result = plan_growth(decision, growth, topic, partitions);
    if (result.status != WEIR_OK || decision->op->create_partitions.validate_only)
        return result;
    int16_t version = weir_partition_version(decision->image);
    for (size_t i = 0; i < added; i++)
        weir_record_add_partition(decision->records, topic->id, &partitions[i], version);
    return result;
}

void weir_decide_create_partitions(struct weir_decision *decision)
{
    struct weir_create_partitions_op *op = &decision->op->create_partitions;
    struct weir_map counts = {0};
    bool is_counted = true;
    for (size_t i = 0; i < op->topic_count; i++)
        is_counted = is_counted && count_name(&counts, decision->arena, op->topics[i].name);
    for (size_t i = 0; i < op->topic_count; i++) {
        struct weir_topic_growth *growth = &op->topics[i];
        if (!is_counted)
            growth->result = weir_result_bare(WEIR_NO_MEMORY);
        else if (is_repeated(&counts, growth->name))
            growth->result =
                weir_result_of(decision, WEIR_INVALID_REQUEST, "Duplicate topic name.");
        else
            growth->result = grow_topic(decision, growth);
    }
    weir_map_done(&counts);
}
