/* SPDX-License-Identifier: Apache-2.0 */

/* The state of newly subscribed partitions is made at the share coordinator before they are
 * assigned.  One that could not be reached is asked again soon. */

#include "share_int.h"

/* As in Apache Kafka (group.share.initialize.retry.interval.ms): an initialisation that nobody
 * heard of for so long is begun again. */
#define INITIALIZE_FORGOTTEN_MS 30000
#define INITIALIZE_RETRY_MS     500

static bool is_due(const struct share_topic *initializing, int64_t now_ms)
{
    return initializing->since_ms == SHARE_DUE ||
           now_ms - initializing->since_ms >= INITIALIZE_FORGOTTEN_MS;
}

/* The topic's partitions that are neither initialised nor on their way. */
static enum weir_status find_missing(const struct share_group *group,
                                     const struct weir_image_topic *topic,
                                     const struct weir_step *step, struct weir_arena *arena,
                                     struct share_topic *out)
{
    const struct share_topic *initialized =
        group == NULL ? NULL : share_topics_find(&group->state.initialized, topic->id);
    const struct share_topic *initializing =
        group == NULL ? NULL : share_topics_find(&group->state.initializing, topic->id);
    if (initializing != NULL && is_due(initializing, step->now_ms))
        initializing = NULL;
    int32_t *partitions =
        weir_arena_calloc(arena, (size_t)topic->partition_count + 1, sizeof(*partitions));
    if (partitions == NULL)
        return WEIR_NO_MEMORY;
    *out = (struct share_topic){
        .id = topic->id, .name = topic->name, .partitions = partitions, .since_ms = step->now_ms};
    for (int32_t i = 0; i < topic->partition_count; i++)
        if ((initialized == NULL || !share_topic_has(initialized, i)) &&
            (initializing == NULL || !share_topic_has(initializing, i)))
            partitions[out->count++] = i;
    return WEIR_OK;
}

/* Topics that were due are asked for anew by this job. */
static void mark_asked(const struct group_machine *machine, const struct share_job *job,
                       int64_t now_ms)
{
    struct share_group *group = share_group_of(machine, job->group_id);
    for (size_t i = 0; group != NULL && i < job->call.item_count; i++) {
        struct share_topic *topic =
            share_topics_find(&group->state.initializing, job->call.items[i].topic_id);
        if (topic == NULL || !is_due(topic, now_ms))
            continue;
        topic->since_ms = now_ms;
        topic->job = job->number;
    }
}

void share_initialize_refused(struct group_machine *machine, const struct share_job *job,
                              const struct weir_step *step)
{
    struct share_group *group = share_group_of(machine, job->group_id);
    if (group == NULL)
        return;
    for (size_t i = 0; i < job->call.item_count; i++) {
        struct share_topic *topic =
            share_topics_find(&group->state.initializing, job->call.items[i].topic_id);
        if (topic != NULL)
            topic->since_ms = SHARE_DUE;
    }
    timer_set(machine, &group->retry, step->now_ms + INITIALIZE_RETRY_MS);
}

enum weir_status share_initialize(struct group_machine *machine, struct weir_slice group_id,
                                  const struct share_view *view, int32_t epoch,
                                  struct weir_step *step)
{
    static const struct share_state none;
    struct weir_arena *arena = &step->arena;
    struct share_state state;
    struct share_job *job = NULL;
    enum weir_status status = share_state_copy(view->group == NULL ? &none : &view->group->state,
                                               view->topic_count, arena, &state);
    for (size_t i = 0; i < view->topic_count && status == WEIR_OK; i++) {
        struct share_topic missing;
        status = find_missing(view->group, view->topics[i], step, arena, &missing);
        if (status != WEIR_OK || missing.count == 0)
            continue;
        if (job == NULL)
            status = share_job_new(machine, group_id, SHARE_JOB_INITIALIZE, NULL, &job);
        if (status == WEIR_OK)
            status = share_job_add_topic(job, &missing);
        if (status == WEIR_OK)
            status = share_topics_add(&state.initializing, &missing, arena);
        if (status == WEIR_OK)
            share_topics_remove(&state.deleting, missing.id);
    }
    if (job == NULL || status != WEIR_OK) {
        share_job_free(job);
        return status;
    }
    record_share_state(step, group_id, &state);
    if (step->status != WEIR_OK) {
        share_job_free(job);
        return step->status;
    }
    job->call.state_epoch = epoch;
    mark_asked(machine, job, step->now_ms);
    share_job_start(job, step);
    return WEIR_OK;
}

/* ---- What came of it ---- */

static bool may_be_asked_again(enum weir_status status)
{
    return status == WEIR_NOT_COORDINATOR || status == WEIR_COORDINATOR_NOT_AVAILABLE ||
           status == WEIR_COORDINATOR_LOAD_IN_PROGRESS || status == WEIR_REQUEST_TIMED_OUT;
}

static struct share_topic one_partition(const struct weir_group_share_item *item,
                                        struct weir_slice name, int64_t now_ms)
{
    return (struct share_topic){.id = item->topic_id,
                                .name = name,
                                .partitions = &item->partition,
                                .count = 1,
                                .since_ms = now_ms};
}

bool share_job_is_too_old(const struct share_job *job, const struct share_topic *topic)
{
    return job->number < topic->job;
}

/* Takes what was initialised from one list to the other, and what cannot be from the first. */
static enum weir_status move(const struct share_group *group, const struct share_job *job,
                             struct weir_step *step, struct share_state *state, bool *out_changed)
{
    enum weir_status status = WEIR_OK;
    *out_changed = false;
    for (size_t i = 0; i < job->call.item_count && status == WEIR_OK; i++) {
        const struct weir_group_share_item *item = &job->call.items[i];
        const struct share_topic *known =
            share_topics_find(&group->state.initializing, item->topic_id);
        if (known == NULL || !share_topic_has(known, item->partition) ||
            share_job_is_too_old(job, known))
            continue; /* deleted meanwhile */
        if (may_be_asked_again(item->status))
            continue;
        struct share_topic topic = one_partition(item, known->name, step->now_ms);
        if (item->status == WEIR_OK)
            status = share_topics_add(&state->initialized, &topic, &step->arena);
        if (status == WEIR_OK)
            status = share_topics_take(&state->initializing, &topic, &step->arena);
        *out_changed = true;
    }
    return status;
}

static void log_failures(const struct share_job *job, struct weir_step *step)
{
    for (size_t i = 0; i < job->call.item_count; i++) {
        const struct weir_group_share_item *item = &job->call.items[i];
        if (item->status == WEIR_OK)
            continue;
        WEIR_STEP_WARN(step, "share_state_not_initialized", WEIR_BYTES("group", job->group_id),
                       WEIR_I64("partition", item->partition),
                       WEIR_STR("status", weir_status_name(item->status)),
                       WEIR_STR("next", may_be_asked_again(item->status)
                                            ? "it is asked again"
                                            : "the next heartbeat asks again"));
        return; /* one line tells it */
    }
}

void share_initialize_ended(struct group_machine *machine, const struct share_job *job,
                            struct weir_step *step)
{
    struct share_group *group = share_group_of(machine, job->group_id);
    if (group == NULL)
        return;
    log_failures(job, step);
    for (size_t i = 0; i < job->call.item_count; i++) {
        struct share_topic *topic =
            share_topics_find(&group->state.initializing, job->call.items[i].topic_id);
        if (topic == NULL || !may_be_asked_again(job->call.items[i].status) ||
            share_job_is_too_old(job, topic))
            continue;
        topic->since_ms = SHARE_DUE;
        timer_set(machine, &group->retry, step->now_ms + INITIALIZE_RETRY_MS);
    }
    struct share_state state;
    bool is_changed = false;
    enum weir_status status =
        share_state_copy(&group->state, job->call.item_count, &step->arena, &state);
    if (status == WEIR_OK)
        status = move(group, job, step, &state, &is_changed);
    if (status != WEIR_OK)
        step->status = status; /* it stays on its way, and is asked again when it was forgotten */
    else if (is_changed)
        record_share_state(step, job->group_id, &state);
}

void share_retry_fired(struct group_timer *timer, struct weir_step *step)
{
    struct share_group *group = WEIR_CONTAINER_OF(timer, struct share_group, retry);
    struct group_machine *machine = group->base.machine;
    struct share_view view;
    if (share_view_make(group, machine->image, WEIR_NULL_SLICE, NULL, &step->arena, &view) !=
            WEIR_OK ||
        share_initialize(machine, group->base.id, &view, group->epoch, step) != WEIR_OK)
        timer_set(machine, timer, step->now_ms + INITIALIZE_RETRY_MS);
}
