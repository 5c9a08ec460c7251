/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Members of share groups in a group_world, and a share coordinator that answers when it is told to
 * and keeps what it was asked. */

#include "image_world.h"

#include "weir/group/share_groups.h"

#define SHARE_HELD_MAX  64
#define SHARE_CALLS_MAX 64
#define SHARE_NOTES_MAX 256

/* ---- The share coordinator ---- */

struct share_note { /* a partition's state, as it was last left */
    bool is_there;
    uint8_t topic;
    int32_t partition;
    int32_t state_epoch;
    int64_t start_offset;
    char group[32];
};

static struct {
    struct weir_group_share_call *calls[SHARE_CALLS_MAX];
    bool is_removal[SHARE_CALLS_MAX];
    size_t call_count;
    size_t call_total;
    bool answers_at_once;
    enum weir_status status; /* of the answers */
    int32_t busy_partition;  /* -1, or the one whose coordinator is loading */
    struct share_note notes[SHARE_NOTES_MAX];
    size_t note_count;
} sharing;

static inline struct share_note *share_note_of(struct weir_slice group, uint8_t topic,
                                               int32_t partition)
{
    for (size_t i = 0; i < sharing.note_count; i++) {
        struct share_note *note = &sharing.notes[i];
        if (weir_slice_is(group, note->group) && note->topic == topic &&
            note->partition == partition)
            return note;
    }
    cr_assert(sharing.note_count < SHARE_NOTES_MAX && group.size < 32);
    struct share_note *note = &sharing.notes[sharing.note_count++];
    *note = (struct share_note){.topic = topic, .partition = partition};
    memcpy(note->group, group.data, group.size);
    return note;
}

static inline void share_answer_call(struct weir_group_share_call *call, bool is_removal)
{
    for (size_t i = 0; i < call->item_count; i++) {
        struct weir_group_share_item *item = &call->items[i];
        item->status = item->partition == sharing.busy_partition ? WEIR_COORDINATOR_LOAD_IN_PROGRESS
                                                                 : sharing.status;
        if (item->status != WEIR_OK)
            continue;
        struct share_note *note =
            share_note_of(call->group_id, item->topic_id.bytes[15], item->partition);
        note->is_there = !is_removal;
        note->state_epoch = call->state_epoch;
        note->start_offset = item->start_offset;
    }
    call->done(call);
}

static inline void share_take_call(struct weir_group_share_call *call, bool is_removal)
{
    sharing.call_total++;
    if (sharing.answers_at_once) {
        share_answer_call(call, is_removal);
        return;
    }
    cr_assert(sharing.call_count < SHARE_CALLS_MAX);
    sharing.is_removal[sharing.call_count] = is_removal;
    sharing.calls[sharing.call_count++] = call;
}

static inline void share_port_initialize(void *context, struct weir_group_share_call *call)
{
    (void)context;
    share_take_call(call, false);
}

static inline void share_port_remove(void *context, struct weir_group_share_call *call)
{
    (void)context;
    share_take_call(call, true);
}

static const struct weir_group_share_port fake_share_port = {.initialize = share_port_initialize,
                                                             .remove = share_port_remove};

/* Those that wait, in their order. */
static inline void share_answer_all(enum weir_status status)
{
    sharing.status = status;
    while (sharing.call_count > 0) {
        struct weir_group_share_call *call = sharing.calls[0];
        bool is_removal = sharing.is_removal[0];
        sharing.call_count--;
        memmove(&sharing.calls[0], &sharing.calls[1],
                sharing.call_count * sizeof(sharing.calls[0]));
        memmove(&sharing.is_removal[0], &sharing.is_removal[1],
                sharing.call_count * sizeof(sharing.is_removal[0]));
        share_answer_call(call, is_removal);
    }
    fake_world_run(&world.base);
}

/* Answers at once; a test that wants to wait says so. */
static inline void share_world_start(void)
{
    memset(&sharing, 0, sizeof(sharing));
    sharing.answers_at_once = true;
    sharing.busy_partition = -1;
    world.share_port = &fake_share_port;
    image_offset = 0;
    world_start();
}

static inline void share_world_stop(void)
{
    share_answer_all(WEIR_NOT_COORDINATOR);
    world_stop();
}

static inline size_t share_states_of(const char *group)
{
    size_t count = 0;
    for (size_t i = 0; i < sharing.note_count; i++)
        count += sharing.notes[i].is_there && strcmp(sharing.notes[i].group, group) == 0;
    return count;
}

/* ---- Members ---- */

struct sharer { /* as its client sees it */
    const char *group;
    const char *id;
    int32_t epoch;
    /* of the last answer */
    enum weir_status status;
    char message[256];
    bool has_assignment;
    struct {
        uint8_t topic;
        int32_t partition;
    } held[SHARE_HELD_MAX]; /* of the last that came */
    size_t held_count;
};

static inline void share_op_done(struct weir_group_op *op)
{
    (void)op;
}

static inline struct weir_share_heartbeat_request sharer_request(const struct sharer *sharer)
{
    return (struct weir_share_heartbeat_request){.group_id = weir_slice_str(sharer->group),
                                                 .member_id = weir_slice_str(sharer->id),
                                                 .member_epoch = sharer->epoch,
                                                 .client_id = WEIR_SLICE("client"),
                                                 .client_host = WEIR_SLICE("127.0.0.1")};
}

static inline void sharer_take(struct sharer *sharer, const struct weir_share_heartbeat *heartbeat)
{
    sharer->status = heartbeat->op.status;
    size_t size = heartbeat->message.size < 255 ? heartbeat->message.size : 255;
    memcpy(sharer->message, size == 0 ? "" : (const char *)heartbeat->message.data, size);
    sharer->message[size] = 0;
    sharer->has_assignment = sharer->status == WEIR_OK && heartbeat->has_assignment;
    if (sharer->status == WEIR_OK)
        sharer->epoch = heartbeat->member_epoch;
    if (!sharer->has_assignment)
        return;
    sharer->held_count = 0;
    for (size_t i = 0; i < heartbeat->assignment_count; i++) {
        const struct weir_group_topic_partitions *topic = &heartbeat->assignment[i];
        for (size_t j = 0; j < topic->partition_count; j++) {
            cr_assert(sharer->held_count < SHARE_HELD_MAX);
            sharer->held[sharer->held_count].topic = topic->topic_id.bytes[15];
            sharer->held[sharer->held_count++].partition = topic->partitions[j];
        }
    }
}

static inline enum weir_status sharer_send(struct sharer *sharer,
                                           const struct weir_share_heartbeat_request *request)
{
    struct weir_share_heartbeat heartbeat = {.op.done = share_op_done};
    weir_group_share_heartbeat(world.service, request, &heartbeat);
    fake_world_run(&world.base);
    sharer_take(sharer, &heartbeat);
    weir_group_op_free(&heartbeat.op);
    return sharer->status;
}

/* names: one letter each. */
static inline enum weir_status sharer_say(struct sharer *sharer, const char *names)
{
    struct weir_slice topics[8];
    struct weir_share_heartbeat_request request = sharer_request(sharer);
    request.has_topic_names = true;
    request.topic_names = topics;
    for (; names[request.topic_name_count] != 0; request.topic_name_count++)
        topics[request.topic_name_count] = weir_slice_of(names + request.topic_name_count, 1);
    return sharer_send(sharer, &request);
}

static inline enum weir_status sharer_join(struct sharer *sharer, const char *group, const char *id,
                                           const char *names)
{
    *sharer = (struct sharer){.group = group, .id = id};
    return sharer_say(sharer, names);
}

static inline enum weir_status sharer_beat(struct sharer *sharer)
{
    struct weir_share_heartbeat_request request = sharer_request(sharer);
    return sharer_send(sharer, &request);
}

static inline enum weir_status sharer_leave(struct sharer *sharer)
{
    struct weir_share_heartbeat_request request = sharer_request(sharer);
    request.member_epoch = WEIR_GROUP_LEAVE_EPOCH;
    return sharer_send(sharer, &request);
}

static inline bool sharer_has(const struct sharer *sharer, uint8_t topic, int32_t partition)
{
    for (size_t i = 0; i < sharer->held_count; i++)
        if (sharer->held[i].topic == topic && sharer->held[i].partition == partition)
            return true;
    return false;
}

/* ---- Looking ---- */

/* Everything that is known of a group, as one text in a static buffer. */
static inline const char *share_tale(const char *group)
{
    static char tale[2][8192];
    static int turn;
    char *text = tale[turn ^= 1];
    size_t used = 0;
    struct weir_share_describe describe = {.op.done = share_op_done};
    weir_group_share_describe(world.service, weir_slice_str(group), &describe);
    used += (size_t)snprintf(text, 8192, "%s %.*s %d %d\n", weir_status_name(describe.op.status),
                             WEIR_SLICE_ARGS(describe.state), describe.group_epoch,
                             describe.assignment_epoch);
    for (size_t i = 0; i < describe.member_count; i++) {
        const struct weir_share_member_description *member = &describe.members[i];
        used += (size_t)snprintf(text + used, 8192 - used,
                                 "%.*s %d %.*s:", WEIR_SLICE_ARGS(member->member_id),
                                 member->member_epoch, WEIR_SLICE_ARGS(member->client_host));
        for (size_t j = 0; j < member->topic_name_count; j++)
            used += (size_t)snprintf(text + used, 8192 - used, " %.*s",
                                     WEIR_SLICE_ARGS(member->topic_names[j]));
        for (size_t j = 0; j < member->assignment_count; j++)
            for (size_t k = 0; k < member->assignment[j].partition_count; k++)
                used += (size_t)snprintf(text + used, 8192 - used, " %.*s-%d",
                                         WEIR_SLICE_ARGS(member->assignment[j].topic_name),
                                         member->assignment[j].partitions[k]);
        used += (size_t)snprintf(text + used, 8192 - used, "\n");
    }
    weir_group_op_free(&describe.op);
    struct weir_share_partitions list = {.op.done = share_op_done};
    weir_group_share_partitions(world.service, weir_slice_str(group), &list);
    for (size_t i = 0; i < list.topic_count; i++)
        for (size_t j = 0; j < list.topics[i].partition_count; j++)
            used += (size_t)snprintf(text + used, 8192 - used, "%.*s-%d ",
                                     WEIR_SLICE_ARGS(list.topics[i].topic_name),
                                     list.topics[i].partitions[j]);
    weir_group_op_free(&list.op);
    return text;
}

static inline size_t share_partition_count(const char *group)
{
    size_t count = 0;
    struct weir_share_partitions list = {.op.done = share_op_done};
    weir_group_share_partitions(world.service, weir_slice_str(group), &list);
    for (size_t i = 0; i < list.topic_count; i++)
        count += list.topics[i].partition_count;
    weir_group_op_free(&list.op);
    return count;
}

/* One partition; the item's status when the whole is OK. */
static inline enum weir_status share_alter_one(const char *group, const char *topic,
                                               int32_t partition, int64_t offset)
{
    struct weir_share_alter_item item = {
        .topic = weir_slice_str(topic), .partition = partition, .start_offset = offset};
    struct weir_share_alter alter = {.op.done = share_op_done, .items = &item, .item_count = 1};
    weir_group_share_alter(world.service, weir_slice_str(group), &alter);
    fake_world_run(&world.base);
    enum weir_status status = alter.op.status == WEIR_OK ? item.status : alter.op.status;
    weir_group_op_free(&alter.op);
    return status;
}

static inline enum weir_status share_delete_one(const char *group, const char *topic)
{
    struct weir_share_delete_item item = {.topic = weir_slice_str(topic)};
    struct weir_share_delete remove = {.op.done = share_op_done, .items = &item, .item_count = 1};
    weir_group_share_delete(world.service, weir_slice_str(group), &remove);
    fake_world_run(&world.base);
    enum weir_status status = remove.op.status == WEIR_OK ? item.status : remove.op.status;
    weir_group_op_free(&remove.op);
    return status;
}
