/* SPDX-License-Identifier: Apache-2.0 */

/* What administrators do with the offsets of a group without members: set them, forget some, forget
 * all with the group.  Each begins with a record of what is to happen, then the share coordinator
 * does it, then a record says that it is done: one that was cut short can be asked for again. */

#include "share_int.h"

/* The group as an administrator finds it; *out NULL: there is none. */
static enum weir_status find_empty(const struct group_machine *machine, struct weir_slice group_id,
                                   struct share_group **out, struct weir_arena *arena,
                                   struct weir_slice *message)
{
    struct group *group = machine_group(machine, group_id);
    *out = NULL;
    if (group == NULL)
        return WEIR_OK;
    if (!group_is(group, GROUP_SHARE)) {
        *message =
            weir_arena_printf(arena, "Group %.*s is not a share group.", WEIR_SLICE_ARGS(group_id));
        return WEIR_GROUP_ID_NOT_FOUND;
    }
    *out = share_of(group);
    return group->ops->is_empty(group) ? WEIR_OK : WEIR_NON_EMPTY_GROUP;
}

static void fail(struct weir_group_op *op, struct share_job *job, enum weir_status status,
                 struct weir_step *step)
{
    share_job_free(job);
    step_forget_records(step);
    op_complete(op, status == WEIR_NO_MEMORY ? WEIR_UNKNOWN_SERVER_ERROR : status, step);
}

/* ---- AlterShareGroupOffsets ---- */

/* Of a topic that exists: fails the whole. */
static enum weir_status check_partitions(const struct group_machine *machine,
                                         struct weir_slice group_id, struct weir_share_alter *alter)
{
    for (size_t i = 0; i < alter->item_count; i++) {
        const struct weir_share_alter_item *item = &alter->items[i];
        const struct weir_image_topic *topic = weir_image_topic(machine->image, item->topic);
        if (topic == NULL || item->partition >= 0)
            continue;
        char id[WEIR_UUID_TEXT_BYTES];
        weir_uuid_format(topic->id, id);
        alter->message = weir_arena_printf(
            &alter->op.arena,
            "Initialize share group parameters has invalid partitionId - %.*s %s %d",
            WEIR_SLICE_ARGS(group_id), id, item->partition);
        return WEIR_UNKNOWN_SERVER_ERROR;
    }
    return WEIR_OK;
}

static enum weir_status alter_item(const struct group_machine *machine,
                                   struct weir_share_alter_item *item, struct share_job *job,
                                   struct share_state *state, struct weir_step *step)
{
    const struct weir_image_topic *topic = weir_image_topic(machine->image, item->topic);
    static const struct weir_uuid none;
    item->topic_id = topic == NULL ? none : topic->id;
    item->status = WEIR_OK;
    if (topic == NULL || item->partition < 0 || item->partition >= topic->partition_count) {
        item->status = WEIR_UNKNOWN_TOPIC_OR_PARTITION;
        return WEIR_OK;
    }
    int32_t *partition = weir_arena_calloc(&step->arena, 1, sizeof(*partition));
    if (partition == NULL)
        return WEIR_NO_MEMORY;
    *partition = item->partition;
    struct share_topic one = {.id = topic->id,
                              .name = topic->name,
                              .partitions = partition,
                              .count = 1,
                              .since_ms = step->now_ms};
    enum weir_status status = share_topics_add(&state->initializing, &one, &step->arena);
    share_topics_remove(&state->deleting, topic->id);
    return status == WEIR_OK ? share_job_add(job, topic->id, item->partition, item->start_offset)
                             : status;
}

void share_alter(struct group_machine *machine, struct weir_slice group_id,
                 struct weir_share_alter *alter, struct weir_step *step)
{
    static const struct share_state none;
    struct share_group *group;
    struct share_state state = {0};
    struct share_job *job = NULL;
    machine->now_ms = step->now_ms;
    enum weir_status status =
        find_empty(machine, group_id, &group, &alter->op.arena, &alter->message);
    if (status == WEIR_OK)
        status = check_partitions(machine, group_id, alter);
    if (status == WEIR_OK)
        status = share_job_new(machine, group_id, SHARE_JOB_ALTER, &alter->op, &job);
    if (status == WEIR_OK)
        status = share_state_copy(group == NULL ? &none : &group->state, alter->item_count,
                                  &step->arena, &state);
    for (size_t i = 0; i < alter->item_count && status == WEIR_OK; i++)
        status = alter_item(machine, &alter->items[i], job, &state, step);
    if (status != WEIR_OK) {
        fail(&alter->op, job, status, step);
        return;
    }
    if (job->call.item_count == 0) {
        share_job_free(job);
        op_complete(&alter->op, WEIR_OK, step);
        return;
    }
    record_share_state(step, group_id, &state);
    job->call.state_epoch = group == NULL ? SHARE_EPOCH_INITIAL : group->epoch;
    share_job_start(job, step);
}

/* What cannot be written any more was not done: it may be asked for again. */
static enum weir_status status_of_alter(const struct share_group *group,
                                        const struct share_job *job, size_t index)
{
    const struct weir_group_share_item *item = &job->call.items[index];
    if (item->status != WEIR_OK)
        return item->status;
    if (group == NULL)
        return WEIR_NOT_COORDINATOR;
    const struct share_topic *topic = share_topics_find(&group->state.initializing, item->topic_id);
    bool is_ours = topic != NULL && !share_job_is_too_old(job, topic);
    if (topic == NULL) { /* another request that altered it was answered first */
        topic = share_topics_find(&group->state.initialized, item->topic_id);
        is_ours = topic != NULL && share_topic_has(topic, item->partition);
    }
    return is_ours ? WEIR_OK : WEIR_NOT_COORDINATOR;
}

void share_alter_ended(struct group_machine *machine, const struct share_job *job,
                       struct weir_step *step)
{
    struct weir_share_alter *alter = WEIR_CONTAINER_OF(job->op, struct weir_share_alter, op);
    const struct share_group *group = share_group_of(machine, job->group_id);
    size_t next = 0; /* the job has those that were OK, in their order */
    for (size_t i = 0; i < alter->item_count; i++)
        if (alter->items[i].status == WEIR_OK && next < job->call.item_count)
            alter->items[i].status = status_of_alter(group, job, next++);
    alter->op.status = WEIR_OK;
    share_initialize_ended(machine, job, step);
    op_wait_committed(&alter->op, step);
}

/* ---- DeleteShareGroupOffsets ---- */

static enum weir_status delete_item(const struct group_machine *machine,
                                    struct weir_share_delete_item *item, struct share_job *job,
                                    struct share_state *state, struct weir_step *step)
{
    const struct weir_image_topic *topic = weir_image_topic(machine->image, item->topic);
    const struct share_topic *initialized =
        topic == NULL ? NULL : share_topics_find(&state->initialized, topic->id);
    bool is_deleting = topic != NULL && share_topics_find(&state->deleting, topic->id) != NULL;
    item->topic_id = (struct weir_uuid){{0}};
    item->message = WEIR_NULL_SLICE;
    item->status = WEIR_OK;
    if (initialized == NULL && !is_deleting) {
        item->status = WEIR_UNKNOWN_TOPIC_OR_PARTITION;
        if (topic != NULL)
            item->message = WEIR_SLICE("There is no offset information to delete.");
        return WEIR_OK;
    }
    item->topic_id = topic->id;
    enum weir_status status = WEIR_OK;
    if (initialized == NULL) { /* an earlier deletion was cut short */
        for (int32_t i = 0; i < topic->partition_count && status == WEIR_OK; i++)
            status = share_job_add(job, topic->id, i, -1);
        return status;
    }
    status = share_job_add_topic(job, initialized);
    struct share_topic deleting = {.id = topic->id, .name = topic->name};
    share_topics_remove(&state->initialized, topic->id);
    return status == WEIR_OK ? share_topics_add(&state->deleting, &deleting, &step->arena) : status;
}

void share_delete(struct group_machine *machine, struct weir_slice group_id,
                  struct weir_share_delete *remove, struct weir_step *step)
{
    struct share_group *group;
    struct share_state state = {0};
    struct share_job *job = NULL;
    machine->now_ms = step->now_ms;
    enum weir_status status =
        find_empty(machine, group_id, &group, &remove->op.arena, &remove->message);
    if (status == WEIR_OK && group == NULL) {
        remove->message = weir_arena_printf(&remove->op.arena, "Group %.*s not found.",
                                            WEIR_SLICE_ARGS(group_id));
        status = WEIR_GROUP_ID_NOT_FOUND;
    }
    if (status == WEIR_OK)
        status = share_job_new(machine, group_id, SHARE_JOB_DELETE_TOPICS, &remove->op, &job);
    if (status == WEIR_OK)
        status = share_state_copy(&group->state, remove->item_count, &step->arena, &state);
    for (size_t i = 0; i < remove->item_count && status == WEIR_OK; i++)
        status = delete_item(machine, &remove->items[i], job, &state, step);
    if (status != WEIR_OK) {
        fail(&remove->op, job, status, step);
        return;
    }
    if (job->call.item_count == 0) {
        share_job_free(job);
        op_complete(&remove->op, WEIR_OK, step);
        return;
    }
    record_share_state(step, group_id, &state);
    share_job_start(job, step);
}

/* The first thing that went wrong with the topic. */
static enum weir_status status_of_topic(const struct share_job *job, struct weir_uuid topic_id)
{
    for (size_t i = 0; i < job->call.item_count; i++)
        if (weir_uuid_equal(job->call.items[i].topic_id, topic_id) &&
            job->call.items[i].status != WEIR_OK)
            return job->call.items[i].status;
    return WEIR_OK;
}

void share_delete_topics_ended(struct group_machine *machine, const struct share_job *job,
                               struct weir_step *step)
{
    struct weir_share_delete *remove = WEIR_CONTAINER_OF(job->op, struct weir_share_delete, op);
    struct share_group *group = share_group_of(machine, job->group_id);
    struct share_state state;
    bool is_changed = false;
    remove->op.status = WEIR_OK;
    if (group != NULL && share_state_copy(&group->state, 0, &step->arena, &state) != WEIR_OK) {
        op_complete(&remove->op, WEIR_UNKNOWN_SERVER_ERROR, step);
        return;
    }
    for (size_t i = 0; i < remove->item_count; i++) {
        struct weir_share_delete_item *item = &remove->items[i];
        if (item->status != WEIR_OK)
            continue;
        item->status = status_of_topic(job, item->topic_id);
        if (item->status != WEIR_OK || group == NULL)
            continue;
        share_topics_remove(&state.deleting, item->topic_id);
        is_changed = true;
    }
    if (is_changed)
        record_share_state(step, job->group_id, &state);
    op_wait_committed(&remove->op, step);
}

/* ---- DeleteGroups ---- */

static enum weir_status add_deleting(struct share_job *job, const struct share_topics *topics,
                                     struct share_topics *deleting, struct weir_step *step)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < topics->count && status == WEIR_OK; i++) {
        const struct share_topic *topic = &topics->items[i];
        struct share_topic one = {.id = topic->id, .name = topic->name};
        status = share_job_add_topic(job, topic);
        if (status == WEIR_OK)
            status = share_topics_add(deleting, &one, &step->arena);
    }
    return status;
}

/* Of an earlier deletion that was cut short; topics that are gone took their state along. */
static enum weir_status add_unfinished(const struct share_group *group, struct share_job *job,
                                       struct share_topics *deleting, struct weir_step *step)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < group->state.deleting.count && status == WEIR_OK; i++) {
        const struct weir_image_topic *topic =
            weir_image_topic_by_id(group->base.machine->image, group->state.deleting.items[i].id);
        if (topic == NULL)
            continue;
        struct share_topic one = {.id = topic->id, .name = topic->name};
        for (int32_t j = 0; j < topic->partition_count && status == WEIR_OK; j++)
            status = share_job_add(job, topic->id, j, -1);
        if (status == WEIR_OK)
            status = share_topics_add(deleting, &one, &step->arena);
    }
    return status;
}

bool share_begin_delete(struct group *base, struct weir_group_op *op, struct weir_step *step)
{
    const struct share_group *group = share_of_const(base);
    const struct share_state *before = &group->state;
    static const struct share_topics none;
    size_t room = before->initializing.count + before->initialized.count + before->deleting.count;
    struct share_state state = {0};
    struct share_job *job = NULL;
    if (room == 0)
        return false;
    enum weir_status status =
        share_job_new(base->machine, base->id, SHARE_JOB_DELETE_GROUP, op, &job);
    if (status == WEIR_OK)
        status = share_topics_copy(&none, room, &step->arena, &state.deleting);
    if (status == WEIR_OK)
        status = add_deleting(job, &before->initialized, &state.deleting, step);
    if (status == WEIR_OK)
        status = add_deleting(job, &before->initializing, &state.deleting, step);
    if (status == WEIR_OK)
        status = add_unfinished(group, job, &state.deleting, step);
    if (status != WEIR_OK) {
        fail(op, job, status, step);
        return true;
    }
    if (job->call.item_count == 0) {
        share_job_free(job);
        return false;
    }
    record_share_state(step, base->id, &state);
    share_job_start(job, step);
    return true;
}

void share_delete_group_ended(struct group_machine *machine, const struct share_job *job,
                              struct weir_step *step)
{
    struct share_group *group = share_group_of(machine, job->group_id);
    enum weir_status status = WEIR_OK;
    if (group == NULL)
        status = WEIR_GROUP_ID_NOT_FOUND;
    else if (group->members.count + group->state.initializing.count +
                 group->state.initialized.count >
             0)
        status = WEIR_NON_EMPTY_GROUP; /* it came to life meanwhile, and has state again */
    for (size_t i = 0; i < job->call.item_count && status == WEIR_OK; i++)
        status = job->call.items[i].status;
    if (status != WEIR_OK) {
        op_complete(job->op, status, step);
        return;
    }
    WEIR_STEP_INFO(step, "group_deleted", WEIR_BYTES("group", job->group_id),
                   WEIR_STR("reason", "DeleteGroups"));
    tombstones_share_group(&group->base, step);
    job->op->status = WEIR_OK;
    op_wait_committed(job->op, step);
}

/* ---- Deleted topics ---- */

void share_topics_deleted(struct share_group *group, const struct weir_image_delta *delta,
                          struct weir_step *step)
{
    struct share_state state;
    bool is_known = false;
    for (size_t i = 0; i < delta->deleted_topic_count && !is_known; i++) {
        struct weir_uuid id = delta->deleted_topics[i]->id;
        is_known = share_topics_find(&group->state.initializing, id) != NULL ||
                   share_topics_find(&group->state.initialized, id) != NULL ||
                   share_topics_find(&group->state.deleting, id) != NULL;
    }
    if (!is_known)
        return;
    if (share_state_copy(&group->state, 0, &step->arena, &state) != WEIR_OK)
        return; /* they stay in the record, and do no harm: nobody subscribes to their ids */
    for (size_t i = 0; i < delta->deleted_topic_count; i++) {
        share_topics_remove(&state.initializing, delta->deleted_topics[i]->id);
        share_topics_remove(&state.initialized, delta->deleted_topics[i]->id);
        share_topics_remove(&state.deleting, delta->deleted_topics[i]->id);
    }
    record_share_state(step, group->base.id, &state);
}
