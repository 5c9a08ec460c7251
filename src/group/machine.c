/* SPDX-License-Identifier: Apache-2.0 */

/* The machine of one partition of __consumer_offsets: its groups, its timers, and how the shard
 * drives it. */

#include "group_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

/* ---- Timers ---- */

enum weir_status timer_init(struct group_machine *machine, struct group_timer *timer,
                            group_timer_fired *fired)
{
    timer->fired = fired;
    return weir_heap_set(&machine->timers, &timer->node, NO_DEADLINE);
}

void timer_done(struct group_machine *machine, struct group_timer *timer)
{
    weir_heap_remove(&machine->timers, &timer->node);
}

void timer_set(struct group_machine *machine, struct group_timer *timer, int64_t deadline_ms)
{
    enum weir_status status = weir_heap_set(&machine->timers, &timer->node, deadline_ms);
    WEIR_ASSERT(status == WEIR_OK); /* it is in since timer_init and only moves */
}

void timer_cancel(struct group_machine *machine, struct group_timer *timer)
{
    timer_set(machine, timer, NO_DEADLINE);
}

/* ---- Groups ---- */

struct group *machine_group(const struct group_machine *machine, struct weir_slice id)
{
    return weir_map_get(&machine->groups, id);
}

enum weir_status machine_add_group(struct group_machine *machine, struct weir_slice id,
                                   enum group_kind kind, int64_t wall_ms, struct group **out)
{
    struct group *group;
    enum weir_status status = group_ops_of(kind)->create(machine, id, wall_ms, &group);
    if (status != WEIR_OK)
        return status;
    status = weir_map_put(&machine->groups, group->id, group, NULL);
    if (status != WEIR_OK) {
        group->ops->free(group);
        return status;
    }
    *out = group;
    return WEIR_OK;
}

void machine_remove_group(struct group_machine *machine, struct group *group,
                          enum weir_status status, struct weir_step *step)
{
    if (step != NULL && group->ops->fail_waiters != NULL)
        group->ops->fail_waiters(group, status, step);
    (void)weir_map_remove(&machine->groups, group->id); /* it is `group` */
    group->ops->free(group);
}

/* ---- The metadata image ---- */

static struct weir_config_resolver resolver_of(const struct group_machine *machine)
{
    return (struct weir_config_resolver){.image = machine->image,
                                         .statics = machine->context->statics,
                                         .broker_id = machine->context->broker_id};
}

int64_t machine_group_config(const struct group_machine *machine, struct weir_slice group_id,
                             const char *key)
{
    struct weir_config_resolver resolver = resolver_of(machine);
    return weir_config_group_i64(&resolver, group_id, key);
}

int64_t machine_broker_config_i64(const struct group_machine *machine, const char *key)
{
    struct weir_config_resolver resolver = resolver_of(machine);
    return weir_config_broker_i64(&resolver, key);
}

struct weir_slice machine_broker_config(const struct group_machine *machine, const char *key)
{
    struct weir_config_resolver resolver = resolver_of(machine);
    return weir_config_broker_str(&resolver, key);
}

void machine_image_changed(struct group_machine *machine, const struct weir_image *image,
                           const struct weir_image_delta *delta, struct weir_step *step)
{
    /* A shard that was loaded after the image became current may have a later one already. */
    if (weir_image_last_offset(image) > weir_image_last_offset(machine->image)) {
        weir_image_unref(machine->image);
        machine->image = weir_image_ref(image);
    }
    if (delta->created_topic_count > 0)
        machine->new_topics_version = weir_image_last_offset(image);
    for (size_t i = 0; i < delta->deleted_topic_count; i++)
        offsets_topic_deleted(machine, delta->deleted_topics[i], step);
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->groups, &cursor)) != NULL) {
        struct group *group = entry->value;
        if (group->ops->image_changed != NULL)
            group->ops->image_changed(group, delta, step);
    }
}

/* ---- The shard's functions ---- */

static enum weir_status create(void *context, int32_t partition, void **out_machine)
{
    (void)partition;
    struct group_machine *machine = weir_calloc(1, sizeof(*machine));
    if (machine == NULL)
        return WEIR_NO_MEMORY;
    machine->context = context;
    machine->config = &machine->context->config;
    machine->next_expiry_ms = NO_DEADLINE;
    *out_machine = machine;
    return WEIR_OK;
}

static void destroy(void *context)
{
    struct group_machine *machine = context;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->groups, &cursor)) != NULL) {
        struct group *group = entry->value;
        group->ops->free(group);
    }
    weir_map_done(&machine->groups);
    rebalances_done(machine);
    offsets_done(&machine->offsets);
    weir_heap_done(&machine->timers);
    weir_image_unref(machine->image);
    weir_free(machine);
}

static enum weir_status end_txn(void *machine, int64_t producer_id, bool is_commit)
{
    return offsets_end_txn(&((struct group_machine *)machine)->offsets, producer_id, is_commit);
}

static void loaded(void *context, struct weir_step *step)
{
    struct group_machine *machine = context;
    machine->next_expiry_ms = step->now_ms + machine->config->offsets_retention_check_ms;
    /* Under the shard's lock: who publishes a later one finds the shard active. */
    machine->image = weir_image_ref_current(machine->context->images);
    machine->new_topics_version = weir_image_last_offset(machine->image);
    machine->now_ms = step->now_ms;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->groups, &cursor)) != NULL) {
        struct group *group = entry->value;
        if (group->ops->loaded != NULL)
            group->ops->loaded(group, step);
        WEIR_STEP_LOG(step, WEIR_LOG_LEVEL_DEBUG, "group_loaded", WEIR_BYTES("group", group->id),
                      WEIR_STR("type", group->ops->type_name),
                      WEIR_STR("state", group->ops->state_name(group)),
                      WEIR_I64("members", group->ops->member_count(group)));
    }
}

static void unloaded(void *context, struct weir_step *step)
{
    struct group_machine *machine = context;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->groups, &cursor)) != NULL) {
        struct group *group = entry->value;
        if (group->ops->fail_waiters != NULL)
            group->ops->fail_waiters(group, WEIR_NOT_COORDINATOR, step);
    }
}

static int64_t next_deadline_ms(const void *context)
{
    const struct group_machine *machine = context;
    const struct weir_heap_node *first = weir_heap_first(&machine->timers);
    int64_t timer_ms = first == NULL ? NO_DEADLINE : first->key;
    return timer_ms < machine->next_expiry_ms ? timer_ms : machine->next_expiry_ms;
}

/* Ends after the first timer that brought records, so that a refused append concerns one group; the
 * shard calls again while something is due. */
static void tick(void *context, struct weir_step *step)
{
    struct group_machine *machine = context;
    machine->now_ms = step->now_ms;
    for (;;) {
        struct weir_heap_node *first = weir_heap_first(&machine->timers);
        if (first == NULL || first->key > step->now_ms)
            break;
        struct group_timer *timer = WEIR_CONTAINER_OF(first, struct group_timer, node);
        timer_cancel(machine, timer);
        timer->fired(timer, step); /* it may be gone afterwards */
        if (step->record_count > 0 || step->status != WEIR_OK)
            return;
    }
    if (machine->next_expiry_ms <= step->now_ms && offsets_expire(machine, step)) {
        machine->next_expiry_ms = step->now_ms + machine->config->offsets_retention_check_ms;
        rebalances_sweep(machine);
    }
}

const struct weir_machine_ops group_machine_ops = {.create = create,
                                                   .destroy = destroy,
                                                   .replay = machine_replay,
                                                   .end_txn = end_txn,
                                                   .loaded = loaded,
                                                   .unloaded = unloaded,
                                                   .next_deadline_ms = next_deadline_ms,
                                                   .tick = tick};
