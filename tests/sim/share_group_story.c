/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A share group from fixed seeds: members join, leave, fall silent, change what they subscribe to;
 * topics come and go; administrators alter and delete offsets and the group; the log refuses, lags,
 * and is read anew by another coordinator; the share coordinator says no, and answers late and in
 * any order.  Checked all the time, with the story's own books:
 *   - a member's epoch, and the group's while it exists, never goes back;
 *   - after a reload the group is what it was;
 *   - each request is answered once;
 *   - when nothing is under way, every initialised partition has its state at the share
 *     coordinator;
 * and in the end, when all is quiet, every partition that somebody subscribes to has an owner, and
 * nobody has what it does not subscribe to.
 */

#define GROUP_WORLD_PLAIN
#include "../unit/group/share_world.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS      6
#define TOPICS     3
#define PARTITIONS 5
#define STEPS      2500
#define PENDING    512

struct slot {
    bool is_active;
    bool is_waiting;
    int done;
    char id[16];
    int32_t epoch; /* 0: is to join */
    uint8_t topics;
    bool has_said; /* which topics */
    uint8_t held[TOPICS];
    int64_t silent_until_ms;
    struct weir_share_heartbeat heartbeat;
};

struct admin { /* one at a time of each */
    bool is_waiting;
    int done;
    struct weir_share_alter alter;
    struct weir_share_alter_item alter_item;
    struct weir_share_delete remove;
    struct weir_share_delete_item remove_item;
    struct weir_group_op delete_op;
    enum { ALTER, REMOVE, DELETE } what;
};

static struct slot slots[SLOTS];
static struct admin admin;
static uint8_t topic_ids[TOPICS]; /* 0: does not exist */
static const char *const topic_names[TOPICS] = {"t", "u", "v"};
static uint8_t next_topic_id;
static int next_member;
static uint64_t seed;
static int32_t group_epoch;
static struct weir_group_share_call *pending[PENDING];
static size_t pending_count;
static bool is_quiet;
static bool is_exodus; /* everybody leaves: the administrators' time */
static int64_t fences, reloads, deletions;

static uint32_t pick(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static int topic_of(uint8_t id)
{
    for (int i = 0; i < TOPICS; i++)
        if (topic_ids[i] == id)
            return i;
    return -1;
}

/* ---- The share coordinator: things happen in their order, and are heard of in any ---- */

static void take_call(struct weir_group_share_call *call, bool is_removal)
{
    uint32_t mood = is_quiet ? 0 : pick(5); /* each partition has a coordinator of its own */
    for (size_t i = 0; i < call->item_count; i++) {
        enum weir_status status = pick(5) >= mood ? WEIR_OK
                                  : pick(2) == 0  ? WEIR_NOT_COORDINATOR
                                                  : WEIR_FENCED_STATE_EPOCH;
        struct weir_group_share_item *item = &call->items[i];
        item->status = status;
        if (status == WEIR_OK)
            share_note_of(call->group_id, item->topic_id.bytes[15], item->partition)->is_there =
                !is_removal;
    }
    WEIR_ASSERT(pending_count < PENDING);
    pending[pending_count++] = call;
}

static void port_initialize(void *context, struct weir_group_share_call *call)
{
    (void)context;
    take_call(call, false);
}

static void port_remove(void *context, struct weir_group_share_call *call)
{
    (void)context;
    take_call(call, true);
}

static const struct weir_group_share_port story_port = {.initialize = port_initialize,
                                                        .remove = port_remove};

static void answer_one(void)
{
    if (pending_count == 0)
        return;
    size_t at = pick((uint32_t)pending_count);
    struct weir_group_share_call *call = pending[at];
    pending[at] = pending[--pending_count];
    call->done(call);
    fake_world_run(&world.base);
}

/* ---- Members ---- */

static void slot_done(struct weir_group_op *op)
{
    struct weir_share_heartbeat *heartbeat = WEIR_CONTAINER_OF(op, struct weir_share_heartbeat, op);
    WEIR_CONTAINER_OF(heartbeat, struct slot, heartbeat)->done++;
}

static void forget(struct slot *slot)
{
    memset(slot->held, 0, sizeof(slot->held));
    slot->epoch = 0;
    slot->has_said = false;
}

static void take_assignment(struct slot *slot)
{
    memset(slot->held, 0, sizeof(slot->held));
    for (size_t i = 0; i < slot->heartbeat.assignment_count; i++) {
        const struct weir_group_topic_partitions *from = &slot->heartbeat.assignment[i];
        int topic = topic_of(from->topic_id.bytes[15]);
        for (size_t j = 0; topic >= 0 && j < from->partition_count; j++)
            slot->held[topic] |= (uint8_t)(1u << from->partitions[j]);
    }
}

static void finish(struct slot *slot)
{
    if (!slot->is_waiting || slot->done == 0)
        return;
    WEIR_ASSERT(slot->done == 1);
    slot->is_waiting = false;
    enum weir_status status = slot->heartbeat.op.status;
    if (status == WEIR_OK && slot->heartbeat.member_epoch < 0) {
        slot->is_active = false;
        forget(slot);
    } else if (status == WEIR_OK) {
        WEIR_ASSERT(slot->heartbeat.member_epoch >= slot->epoch);
        slot->epoch = slot->heartbeat.member_epoch;
        if (slot->heartbeat.has_assignment)
            take_assignment(slot);
    } else if (status == WEIR_UNKNOWN_MEMBER_ID || status == WEIR_FENCED_MEMBER_EPOCH ||
               status == WEIR_GROUP_ID_NOT_FOUND) {
        fences++;
        forget(slot);
    } else {
        WEIR_ASSERT(status == WEIR_NOT_COORDINATOR || status == WEIR_COORDINATOR_NOT_AVAILABLE ||
                    status == WEIR_COORDINATOR_LOAD_IN_PROGRESS);
        slot->has_said = false;
    }
    weir_group_op_free(&slot->heartbeat.op);
}

static void send(struct slot *slot, int32_t epoch)
{
    struct weir_slice names[TOPICS];
    struct weir_share_heartbeat_request request = {.group_id = WEIR_SLICE("g"),
                                                   .member_id = weir_slice_str(slot->id),
                                                   .member_epoch = epoch,
                                                   .client_id = WEIR_SLICE("client"),
                                                   .client_host = WEIR_SLICE("127.0.0.1"),
                                                   .has_topic_names = !slot->has_said,
                                                   .topic_names = names};
    for (int i = 0; i < TOPICS && request.has_topic_names; i++)
        if ((slot->topics >> i & 1) != 0)
            names[request.topic_name_count++] = weir_slice_str(topic_names[i]);
    memset(&slot->heartbeat, 0, sizeof(slot->heartbeat));
    slot->heartbeat.op.done = slot_done;
    slot->done = 0;
    slot->is_waiting = true;
    slot->has_said = true;
    weir_group_share_heartbeat(world.service, &request, &slot->heartbeat);
    fake_world_run(&world.base);
}

static void move(struct slot *slot)
{
    finish(slot);
    if (!slot->is_active || slot->is_waiting || slot->silent_until_ms > world.base.now_ms)
        return;
    uint32_t dice = is_quiet ? 99 : pick(100);
    if (slot->epoch > 0 && (dice < 5 || (is_exodus && dice < 60))) {
        send(slot, WEIR_GROUP_LEAVE_EPOCH);
    } else {
        if (dice >= 5 && dice < 9) {
            slot->topics = (uint8_t)(1 + pick((1 << TOPICS) - 1));
            slot->has_said = false;
        }
        send(slot, slot->epoch);
    }
    if (!is_quiet && pick(50) == 0)
        slot->silent_until_ms = world.base.now_ms + pick(90000);
    finish(slot);
}

/* ---- Administrators ---- */

static void admin_done(struct weir_group_op *op)
{
    (void)op;
    admin.done++;
}

static void finish_admin(void)
{
    if (!admin.is_waiting || admin.done == 0)
        return;
    WEIR_ASSERT(admin.done == 1);
    admin.is_waiting = false;
    struct weir_group_op *op = admin.what == ALTER    ? &admin.alter.op
                               : admin.what == REMOVE ? &admin.remove.op
                                                      : &admin.delete_op;
    if (admin.what == DELETE && op->status == WEIR_OK) {
        deletions++;
        group_epoch = 0;
    }
    weir_group_op_free(op);
}

static void administrate(void)
{
    finish_admin();
    if (admin.is_waiting)
        return;
    admin = (struct admin){.is_waiting = true, .what = pick(3)};
    const struct weir_slice topic = weir_slice_str(topic_names[pick(TOPICS)]);
    switch (admin.what) {
    case ALTER:
        admin.alter_item = (struct weir_share_alter_item){
            .topic = topic, .partition = (int32_t)pick(PARTITIONS + 1), .start_offset = pick(9)};
        admin.alter = (struct weir_share_alter){
            .op.done = admin_done, .items = &admin.alter_item, .item_count = 1};
        weir_group_share_alter(world.service, WEIR_SLICE("g"), &admin.alter);
        break;
    case REMOVE:
        admin.remove_item = (struct weir_share_delete_item){.topic = topic};
        admin.remove = (struct weir_share_delete){
            .op.done = admin_done, .items = &admin.remove_item, .item_count = 1};
        weir_group_share_delete(world.service, WEIR_SLICE("g"), &admin.remove);
        break;
    case DELETE:
        admin.delete_op.done = admin_done;
        group_epoch = 0; /* it may go, and come back, before this is answered */
        weir_group_delete(world.service, WEIR_SLICE("g"), &admin.delete_op);
        break;
    }
    fake_world_run(&world.base);
    finish_admin();
}

/* ---- The world ---- */

static void change_topic(void)
{
    uint32_t topic = pick(TOPICS);
    if (topic_ids[topic] == 0) {
        topic_ids[topic] = ++next_topic_id;
        create_topic(topic_names[topic], next_topic_id, PARTITIONS);
        return;
    }
    delete_topic(topic_ids[topic]);
    topic_ids[topic] = 0;
    for (int i = 0; i < SLOTS; i++)
        slots[i].held[topic] = 0;
}

static bool is_anything_in_flight(void)
{
    bool is_any = admin.is_waiting || pending_count > 0;
    for (int i = 0; i < SLOTS; i++)
        is_any |= slots[i].is_waiting;
    return is_any;
}

static void reload(void)
{
    static char before[8192];
    bool is_comparable = !is_anything_in_flight() && world.base.append_status == WEIR_OK;
    (void)snprintf(before, sizeof(before), "%s", share_tale("g"));
    world_restart();
    reloads++;
    WEIR_ASSERT(!is_comparable || strcmp(before, share_tale("g")) == 0);
}

static void check_group(void)
{
    struct weir_share_describe describe = {.op.done = share_op_done};
    weir_group_share_describe(world.service, WEIR_SLICE("g"), &describe);
    if (describe.op.status == WEIR_OK) {
        WEIR_ASSERT(admin.is_waiting || describe.group_epoch >= group_epoch);
        WEIR_ASSERT(describe.group_epoch >= describe.assignment_epoch);
        if (!admin.is_waiting || admin.what != DELETE)
            group_epoch = describe.group_epoch;
    }
    weir_group_op_free(&describe.op);
    if (is_anything_in_flight() || world.base.append_status != WEIR_OK)
        return;
    struct weir_share_partitions list = {.op.done = share_op_done};
    weir_group_share_partitions(world.service, WEIR_SLICE("g"), &list);
    for (size_t i = 0; i < list.topic_count; i++)
        for (size_t j = 0; j < list.topics[i].partition_count; j++)
            WEIR_ASSERT(share_note_of(WEIR_SLICE("g"), list.topics[i].topic_id.bytes[15],
                                      list.topics[i].partitions[j])
                            ->is_there);
    weir_group_op_free(&list.op);
}

static void commit_all(void)
{
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        fake_world_commit(&world.base, i);
}

static void step(void)
{
    uint32_t dice = pick(200);
    struct slot *slot = &slots[pick(SLOTS)];
    if (dice == 0)
        change_topic();
    else if (dice == 1)
        reload();
    else if (dice == 2)
        world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    else if (dice == 3)
        world.base.commits_at_once = !world.base.commits_at_once;
    else if (dice < 10)
        fake_world_jump(&world.base, pick(20000));
    else if (dice < 60)
        fake_world_jump(&world.base, pick(600));
    else if (dice < (is_exodus ? 100 : 70))
        administrate();
    else if (dice < 130)
        answer_one();
    if (world.base.append_status != WEIR_OK && pick(10) == 0)
        world.base.append_status = WEIR_OK;
    if (pick(4) == 0)
        commit_all();
    for (int i = 0; i < SLOTS; i++)
        finish(&slots[i]);
    finish_admin();
    if (!slot->is_active && !slot->is_waiting && pick(is_exodus ? 200 : 20) == 0) {
        *slot = (struct slot){.is_active = true, .topics = (uint8_t)(1 + pick((1 << TOPICS) - 1))};
        (void)snprintf(slot->id, sizeof(slot->id), "m%d", next_member++);
    }
    move(slot);
    check_group();
}

static void check_end(void)
{
    for (int topic = 0; topic < TOPICS; topic++) {
        uint8_t held = 0;
        bool is_wanted = false;
        for (int i = 0; i < SLOTS; i++) {
            bool wants = slots[i].is_active && (slots[i].topics >> topic & 1) != 0;
            WEIR_ASSERT(wants || slots[i].held[topic] == 0);
            is_wanted |= wants;
            held |= slots[i].held[topic];
        }
        WEIR_ASSERT(!is_wanted || held == (1u << PARTITIONS) - 1);
    }
}

static void settle(void)
{
    is_quiet = true;
    world.base.append_status = WEIR_OK;
    world.base.commits_at_once = true;
    commit_all();
    for (int i = 0; i < TOPICS; i++) {
        if (topic_ids[i] == 0) {
            topic_ids[i] = ++next_topic_id;
            create_topic(topic_names[i], next_topic_id, PARTITIONS);
        }
    }
    for (int round = 0; round < 200; round++) {
        fake_world_jump(&world.base, 1001);
        while (pending_count > 0)
            answer_one();
        finish_admin();
        for (int i = 0; i < SLOTS; i++)
            move(&slots[i]);
        check_group();
    }
    check_end();
}

static void tell(uint64_t number)
{
    seed = number * 7919 + 1;
    memset(slots, 0, sizeof(slots));
    memset(&admin, 0, sizeof(admin));
    memset(&sharing, 0, sizeof(sharing));
    memset(topic_ids, 0, sizeof(topic_ids));
    next_topic_id = 0;
    next_member = 0;
    group_epoch = 0;
    image_offset = 0;
    is_quiet = false;
    world.share_port = &story_port;
    world_start();
    for (int i = 0; i < TOPICS; i++) {
        topic_ids[i] = ++next_topic_id;
        create_topic(topic_names[i], next_topic_id, PARTITIONS);
    }
    for (int i = 0; i < STEPS; i++) {
        is_exodus = i / 100 % 4 == 3;
        step();
    }
    is_exodus = false;
    settle();
    world_stop();
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 20;
    for (uint64_t i = first; i < first + count; i++) {
        fprintf(stderr, "seed %llu\n", (unsigned long long)i);
        tell(i);
    }
    printf("%llu stories: %lld members fenced, %lld reloads, %lld times the group was deleted\n",
           (unsigned long long)count, (long long)fences, (long long)reloads, (long long)deletions);
    return 0;
}
