/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/replication/replicas.h"

#include "partition_int.h"

#include "weir/base/endian.h"
#include "weir/base/map.h"
#include "weir/base/memory.h"
#include "weir/replication/topic_log_config.h"
#include "weir/runtime/lock.h"
#include "weir/runtime/task_pool.h"

#define KEY_BYTES 20

/* A partition in the table.  The key's bytes must not move, so each entry is a piece of memory of
 * its own. */
struct replica {
    uint8_t key[KEY_BYTES]; /* topic id, partition */
    struct weir_partition *partition;
};

struct weir_replicas {
    struct weir_replicas_options options;
    struct weir_list listeners;
    struct weir_lock lock; /* guards the table; rank REPLICA_SET */
    struct weir_map table;
    /* Of the thread that applies the image: where replicas are elsewhere than it says. */
    struct weir_directory_assignment *assignments;
    size_t assignment_count;
    size_t assignment_capacity;
    struct weir_flusher *flusher;
    struct weir_partition_world world;
};

enum weir_status weir_replicas_new(const struct weir_replicas_options *options,
                                   struct weir_replicas **out)
{
    struct weir_replicas *replicas = weir_calloc(1, sizeof(*replicas));
    if (replicas == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status =
        weir_flusher_new(options->pool, options->flushes_max, &replicas->flusher);
    if (status != WEIR_OK) {
        weir_free(replicas);
        return status;
    }
    replicas->options = *options;
    replicas->world = (struct weir_partition_world){.env = options->env,
                                                    .pool = options->pool,
                                                    .flusher = replicas->flusher,
                                                    .broker_id = options->broker_id};
    weir_list_init(&replicas->listeners);
    weir_lock_init(&replicas->lock, WEIR_LOCK_RANK_REPLICA_SET);
    *out = replicas;
    return WEIR_OK;
}

void weir_replicas_free(struct weir_replicas *replicas)
{
    if (replicas == NULL)
        return;
    size_t cursor = 0;
    for (const struct weir_map_entry *entry;
         (entry = weir_map_next(&replicas->table, &cursor)) != NULL;) {
        struct replica *replica = entry->value;
        weir_partition_unref(replica->partition);
        weir_free(replica);
    }
    weir_map_done(&replicas->table);
    weir_free(replicas->assignments);
    weir_flusher_free(replicas->flusher);
    weir_lock_done(&replicas->lock);
    weir_free(replicas);
}

void weir_replicas_listen(struct weir_replicas *replicas, struct weir_leadership_listener *listener)
{
    weir_list_push_back(&replicas->listeners, &listener->node);
}

static void make_key(struct weir_uuid topic_id, int32_t index, uint8_t key[KEY_BYTES])
{
    memcpy(key, topic_id.bytes, sizeof(topic_id.bytes));
    weir_put_i32(key + sizeof(topic_id.bytes), index);
}

struct weir_partition *weir_replicas_find(struct weir_replicas *replicas, struct weir_uuid topic_id,
                                          int32_t index)
{
    uint8_t key[KEY_BYTES];
    make_key(topic_id, index, key);
    weir_lock_take(&replicas->lock);
    struct replica *replica = weir_map_get(&replicas->table, weir_slice_of(key, sizeof(key)));
    struct weir_partition *partition =
        replica == NULL ? NULL : weir_partition_ref(replica->partition);
    weir_lock_release(&replicas->lock);
    return partition;
}

static enum weir_status add_replica(struct weir_replicas *replicas,
                                    const struct weir_image_topic *topic, int32_t index,
                                    struct weir_partition_log *take_log,
                                    struct weir_partition **out)
{
    struct weir_partition *partition;
    enum weir_status status =
        weir_partition_new(&replicas->world, topic, index, take_log, &partition);
    if (status != WEIR_OK)
        return status;
    struct replica *replica = weir_calloc(1, sizeof(*replica));
    if (replica == NULL) {
        weir_partition_unref(partition);
        return WEIR_NO_MEMORY;
    }
    make_key(topic->id, index, replica->key);
    replica->partition = partition;
    weir_lock_take(&replicas->lock);
    status = weir_map_put(&replicas->table, weir_slice_of(replica->key, KEY_BYTES), replica, NULL);
    weir_lock_release(&replicas->lock);
    if (status != WEIR_OK) {
        weir_partition_unref(partition);
        weir_free(replica);
        return status;
    }
    *out = partition; /* borrowed from the table, which only this thread shrinks */
    return WEIR_OK;
}

/* --- Directories. --- */

static struct weir_uuid recorded_directory(const struct weir_image_partition *image,
                                           int32_t broker_id)
{
    for (size_t i = 0; i < image->replicas.count; i++) {
        if (image->replicas.items[i] == broker_id)
            return image->directories[i];
    }
    return weir_uuid_small(WEIR_DIRECTORY_UNASSIGNED);
}

/* The first hundred name no directory. */
static bool is_reserved(struct weir_uuid id)
{
    static const uint8_t zeros[15];
    return memcmp(id.bytes, zeros, sizeof(zeros)) == 0 && id.bytes[15] < 100;
}

/* Notes the replica when it is not where the image says.  During a move the metadata is ahead. */
static void note_directory(struct weir_replicas *replicas, const struct weir_image_topic *topic,
                           int32_t index)
{
    struct weir_topic_partition name;
    struct weir_log_dir_info info;
    struct weir_log_manager *logs = replicas->options.logs;
    const struct weir_image_partition *image = topic->partitions[index];
    if (replicas->options.assign == NULL ||
        !weir_i32_list_contains(image->replicas, replicas->options.broker_id) ||
        weir_topic_partition_make(topic->name, index, &name) != WEIR_OK)
        return;
    int dir = weir_log_manager_dir_of(logs, &name);
    if (dir < 0 || weir_log_manager_is_moving(logs, &name))
        return;
    weir_log_manager_dir(logs, (size_t)dir, &info);
    if (info.is_offline ||
        weir_uuid_equal(info.directory_id, recorded_directory(image, replicas->options.broker_id)))
        return;
    struct weir_directory_assignment *grown =
        weir_grow(replicas->assignments, &replicas->assignment_capacity,
                  replicas->assignment_count + 1, sizeof(*grown));
    if (grown == NULL)
        return; /* with the next change, or start */
    replicas->assignments = grown;
    grown[replicas->assignment_count++] = (struct weir_directory_assignment){
        .topic_id = topic->id, .partition = index, .directory_id = info.directory_id};
}

static void tell_directories(struct weir_replicas *replicas)
{
    if (replicas->assignment_count > 0)
        replicas->options.assign(replicas->options.context, replicas->assignments,
                                 replicas->assignment_count);
    replicas->assignment_count = 0;
}

static enum weir_status create_log(struct weir_replicas *replicas,
                                   const struct weir_image_topic *topic, int32_t index, bool is_new,
                                   const struct weir_config_resolver *resolver,
                                   struct weir_partition_log **out, struct weir_detail *detail)
{
    struct weir_topic_partition name;
    struct weir_log_config config;
    struct weir_log_placement placement = {.must_exist = !is_new};
    placement.directory_id =
        recorded_directory(topic->partitions[index], replicas->options.broker_id);
    placement.has_directory = !is_reserved(placement.directory_id);
    weir_topic_log_config(resolver, topic->name, &config);
    enum weir_status status = weir_topic_partition_make(topic->name, index, &name);
    if (status == WEIR_OK && !is_new && weir_log_manager_dir_of(replicas->options.logs, &name) < 0)
        WEIR_LOG_WARN(replicas->options.log, "partition_log_missing",
                      WEIR_BYTES("topic", topic->name), WEIR_I64("partition", index),
                      WEIR_STR("next", "it begins empty, unless a directory is offline"));
    return status == WEIR_OK ? weir_log_manager_create_in(replicas->options.logs, &name, topic->id,
                                                          &config, &placement, out, detail)
                             : status;
}

/* Creates the log and the partition.  A log that cannot be created leaves a partition without one:
 * it answers KAFKA_STORAGE_ERROR, and the reason is logged here. */
static struct weir_partition *create_partition(struct weir_replicas *replicas,
                                               const struct weir_image_topic *topic, int32_t index,
                                               bool is_new,
                                               const struct weir_config_resolver *resolver)
{
    struct weir_detail detail = {{0}};
    struct weir_partition_log *log = NULL;
    struct weir_partition *partition = NULL;
    enum weir_status status = create_log(replicas, topic, index, is_new, resolver, &log, &detail);
    if (status != WEIR_OK) {
        log = NULL;
        WEIR_LOG_ERROR(replicas->options.log, "partition_log_unavailable",
                       WEIR_BYTES("topic", topic->name), WEIR_I64("partition", index),
                       WEIR_STR("status", weir_status_name(status)), WEIR_STR("why", detail.text));
    }
    status = add_replica(replicas, topic, index, log, &partition);
    if (status != WEIR_OK) {
        WEIR_LOG_ERROR(replicas->options.log, "partition_not_created",
                       WEIR_BYTES("topic", topic->name), WEIR_I64("partition", index),
                       WEIR_STR("status", weir_status_name(status)));
        return NULL;
    }
    weir_partition_set_min_insync(
        partition, (int32_t)weir_config_topic_i64(resolver, topic->name, "min.insync.replicas"));
    return partition;
}

/* ---- Many logs at once ---- */

struct create_task {
    struct weir_task task;
    struct weir_replicas *replicas;
    const struct weir_image_topic *topic;
    int32_t index;
    const struct weir_config_resolver *resolver;
};

static void run_create(struct weir_task *base)
{
    struct create_task *task = (struct create_task *)base;
    struct weir_partition_log *log = NULL;
    struct weir_detail detail = {{0}};
    /* What fails here is tried again, and told, by create_partition. */
    if (create_log(task->replicas, task->topic, task->index, true, task->resolver, &log, &detail) ==
        WEIR_OK)
        weir_partition_log_unref(log);
    weir_free(task);
}

/* Creating a log waits for the disk twice, so the logs of a topic with many partitions are created
 * by several threads; apply_partition finds them then. */
static void create_logs(struct weir_replicas *replicas, const struct weir_image_topic *topic,
                        int32_t first_index, const struct weir_config_resolver *resolver)
{
    struct weir_task_pool *pool = NULL;
    int32_t count = topic->partition_count - first_index;
    if (replicas->options.create_threads < 2 || count < (int32_t)replicas->options.create_threads ||
        weir_task_pool_new(replicas->options.env, replicas->options.create_threads, &pool, NULL) !=
            WEIR_OK)
        return;
    for (int32_t i = first_index; i < topic->partition_count; i++) {
        struct create_task *task =
            weir_i32_list_contains(topic->partitions[i]->replicas, replicas->options.broker_id)
                ? weir_calloc(1, sizeof(*task))
                : NULL;
        if (task == NULL)
            continue;
        *task = (struct create_task){.task = {.run = run_create},
                                     .replicas = replicas,
                                     .topic = topic,
                                     .index = i,
                                     .resolver = resolver};
        weir_task_pool_submit(pool, &task->task);
    }
    weir_task_pool_free(pool); /* after the last of them */
}

static void tell_listeners(struct weir_replicas *replicas, struct weir_partition *partition,
                           enum weir_role_change change, int32_t leader_epoch)
{
    WEIR_LIST_FOREACH(node, &replicas->listeners) {
        struct weir_leadership_listener *listener =
            WEIR_LIST_ENTRY(node, struct weir_leadership_listener, node);
        if (change == WEIR_ROLE_BECAME_LEADER)
            listener->became_leader(listener, partition, leader_epoch);
        else
            listener->resigned(listener, partition, leader_epoch);
    }
}

static void apply_partition(struct weir_replicas *replicas, const struct weir_image_topic *topic,
                            int32_t index, bool is_new, const struct weir_config_resolver *resolver)
{
    const struct weir_image_partition *image = topic->partitions[index];
    if (!weir_i32_list_contains(image->replicas, replicas->options.broker_id))
        return;
    struct weir_partition *partition = weir_replicas_find(replicas, topic->id, index);
    if (partition == NULL) {
        partition = create_partition(replicas, topic, index, is_new, resolver);
        if (partition == NULL)
            return;
        partition = weir_partition_ref(partition);
    }
    int32_t old_epoch;
    enum weir_role_change change = weir_partition_apply(partition, image, &old_epoch);
    if (change != WEIR_ROLE_SAME)
        tell_listeners(replicas, partition, change,
                       change == WEIR_ROLE_BECAME_LEADER ? image->leader_epoch : old_epoch);
    weir_partition_unref(partition);
    note_directory(replicas, topic, index);
}

static void delete_partition(struct weir_replicas *replicas, const struct weir_image_topic *topic,
                             int32_t index)
{
    uint8_t key[KEY_BYTES];
    make_key(topic->id, index, key);
    weir_lock_take(&replicas->lock);
    struct replica *replica = weir_map_remove(&replicas->table, weir_slice_of(key, sizeof(key)));
    weir_lock_release(&replicas->lock);
    if (replica == NULL)
        return;
    struct weir_partition_role role;
    weir_partition_role(replica->partition, &role);
    weir_partition_retire(replica->partition);
    if (role.is_leader)
        tell_listeners(replicas, replica->partition, WEIR_ROLE_RESIGNED, role.leader_epoch);
    struct weir_detail detail = {{0}};
    struct weir_topic_partition name;
    enum weir_status status = weir_topic_partition_make(topic->name, index, &name);
    if (status == WEIR_OK)
        status = weir_log_manager_delete(replicas->options.logs, &name, &detail);
    if (status != WEIR_OK && status != WEIR_NOT_FOUND)
        WEIR_LOG_WARN(replicas->options.log, "partition_log_not_deleted",
                      WEIR_BYTES("topic", topic->name), WEIR_I64("partition", index),
                      WEIR_STR("why", detail.text));
    weir_partition_unref(replica->partition);
    weir_free(replica);
}

static void delete_topic(struct weir_replicas *replicas, const struct weir_image_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++)
        delete_partition(replicas, topic, i);
    WEIR_LIST_FOREACH(node, &replicas->listeners) {
        struct weir_leadership_listener *listener =
            WEIR_LIST_ENTRY(node, struct weir_leadership_listener, node);
        listener->deleted(listener, topic);
    }
}

static void apply_topic_config(struct weir_replicas *replicas, const struct weir_image_topic *topic,
                               const struct weir_config_resolver *resolver)
{
    struct weir_log_config config;
    weir_topic_log_config(resolver, topic->name, &config);
    int32_t min_insync =
        (int32_t)weir_config_topic_i64(resolver, topic->name, "min.insync.replicas");
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct weir_partition *partition = weir_replicas_find(replicas, topic->id, i);
        if (partition == NULL)
            continue;
        weir_partition_set_log_config(partition, &config);
        weir_partition_set_min_insync(partition, min_insync);
        weir_partition_unref(partition);
    }
}

/* A broker's setting is the default of every topic; a topic's own concerns that topic. */
static void apply_configs(struct weir_replicas *replicas, const struct weir_image *image,
                          const struct weir_image_delta *delta,
                          const struct weir_config_resolver *resolver)
{
    bool all_topics = false;
    for (size_t i = 0; i < delta->changed_config_count; i++) {
        const struct weir_image_config *config = delta->changed_configs[i];
        if (config->type == WEIR_RESOURCE_BROKER) {
            all_topics = true;
        } else if (config->type == WEIR_RESOURCE_TOPIC) {
            const struct weir_image_topic *topic = weir_image_topic(image, config->name);
            if (topic != NULL)
                apply_topic_config(replicas, topic, resolver);
        }
    }
    for (size_t i = 0; all_topics && i < weir_image_topic_count(image); i++)
        apply_topic_config(replicas, weir_image_topic_at(image, i), resolver);
}

void weir_replicas_apply_all(struct weir_replicas *replicas, const struct weir_image *image)
{
    struct weir_config_resolver resolver = {.image = image,
                                            .statics = replicas->options.statics,
                                            .broker_id = replicas->options.broker_id};
    for (size_t i = 0; i < weir_image_topic_count(image); i++) {
        const struct weir_image_topic *topic = weir_image_topic_at(image, i);
        for (int32_t index = 0; index < topic->partition_count; index++)
            apply_partition(replicas, topic, index, false, &resolver);
        apply_topic_config(replicas, topic, &resolver);
    }
}

void weir_replicas_apply(struct weir_replicas *replicas, const struct weir_image *before,
                         const struct weir_image *after, const struct weir_image_delta *delta)
{
    struct weir_config_resolver resolver = {.image = after,
                                            .statics = replicas->options.statics,
                                            .broker_id = replicas->options.broker_id};
    (void)before;
    for (size_t i = 0; i < delta->deleted_topic_count; i++)
        delete_topic(replicas, delta->deleted_topics[i]);
    for (size_t i = 0; i < delta->created_topic_count; i++) {
        create_logs(replicas, delta->created_topics[i], 0, &resolver);
        for (int32_t index = 0; index < delta->created_topics[i]->partition_count; index++)
            apply_partition(replicas, delta->created_topics[i], index, true, &resolver);
    }
    for (size_t i = 0; i < delta->changed_topic_count; i++) {
        const struct weir_image_topic *topic = delta->changed_topics[i].after;
        const struct weir_image_topic *old = delta->changed_topics[i].before;
        create_logs(replicas, topic, old->partition_count, &resolver);
        for (int32_t index = 0; index < topic->partition_count; index++) {
            if (index >= old->partition_count || old->partitions[index] != topic->partitions[index])
                apply_partition(replicas, topic, index, index >= old->partition_count, &resolver);
        }
    }
    apply_configs(replicas, after, delta, &resolver);
    tell_directories(replicas);
}

/* Not on the thread that applies the image, so with a list of its own. */
void weir_replicas_assign_all(struct weir_replicas *replicas, const struct weir_image *image)
{
    struct weir_replicas own = {.options = replicas->options};
    for (size_t i = 0; i < weir_image_topic_count(image); i++) {
        const struct weir_image_topic *topic = weir_image_topic_at(image, i);
        for (int32_t index = 0; index < topic->partition_count; index++)
            note_directory(&own, topic, index);
    }
    if (replicas->options.assign != NULL)
        tell_directories(&own);
    weir_free(own.assignments);
}

enum weir_status weir_replicas_exchange_log(
    struct weir_replicas *replicas, struct weir_uuid topic_id, int32_t index,
    enum weir_status (*take_over)(void *argument, struct weir_detail *detail), void *argument,
    struct weir_partition_log *next, struct weir_detail *detail)
{
    struct weir_partition *partition = weir_replicas_find(replicas, topic_id, index);
    if (partition == NULL)
        return WEIR_NOT_FOUND;
    enum weir_status status =
        weir_partition_exchange_log(partition, take_over, argument, next, detail);
    weir_partition_unref(partition);
    return status;
}
