/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A group whose members follow both protocols, from fixed seeds: they join, leave, come back as the
 * same instance, fall silent, change what they subscribe to; topics come and go; the log refuses,
 * lags, and is read anew by another coordinator.  Checked all the time, with the story's own books:
 *   - what two living members believe to have never overlaps;
 *   - a member's epoch, and the group's, never goes back;
 *   - after a reload the group is what it was;
 *   - each request is answered once;
 * and in the end, when all is quiet, every partition that somebody wants has its one owner.
 */

#define GROUP_WORLD_PLAIN
#include "../unit/group/consumer_world.h"

#include <stdio.h>

#define SLOTS      7
#define TOPICS     3
#define PARTITIONS 6
#define STEPS      3000
#define SESSION_MS 45000

struct slot {
    bool is_active;
    bool is_classic;
    char instance[8]; /* empty: dynamic */
    char id[64];
    int32_t epoch;  /* or generation; 0: is to join */
    uint8_t topics; /* subscribed: bits */
    uint8_t owned[TOPICS];
    int64_t contact_ms;
    int64_t silent_until_ms;
    int64_t sent_ms; /* of the request under way: the session counts from there at the latest */
    int32_t sent_epoch;
    struct beat beat;
    struct client_join join;
    struct client_sync sync;
    enum { IDLE, BEATING, JOINING, SYNCING } doing;
};

static struct slot slots[SLOTS];
static uint8_t topic_ids[TOPICS]; /* 0: does not exist */
static const char *const topic_names[TOPICS] = {"t", "u", "v"};
static uint8_t next_topic_id;
static int next_member;
static uint64_t seed;
static int32_t group_epoch;
static int64_t upgrades, fences, reloads;

static uint32_t pick(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void check_owners(void)
{
    for (int topic = 0; topic < TOPICS; topic++) {
        uint8_t seen = 0;
        for (int i = 0; i < SLOTS; i++) {
            const struct slot *slot = &slots[i];
            bool is_living = slot->is_active && slot->epoch > 0 &&
                             world.base.now_ms - slot->contact_ms < SESSION_MS;
            if (!is_living)
                continue;
            WEIR_ASSERT((seen & slot->owned[topic]) == 0);
            seen |= slot->owned[topic];
        }
    }
}

static int topic_of(struct weir_uuid id)
{
    for (int i = 0; i < TOPICS; i++) {
        if (topic_ids[i] != 0 && weir_uuid_equal(id, weir_uuid_small(topic_ids[i])))
            return i;
    }
    return -1;
}

static void forget(struct slot *slot)
{
    memset(slot->owned, 0, sizeof(slot->owned));
    slot->epoch = 0;
}

/* ---- Members of the consumer protocol ---- */

static void send_beat(struct slot *slot, int32_t epoch)
{
    struct weir_group_topic_partitions owned[TOPICS];
    int32_t partitions[TOPICS][PARTITIONS];
    struct weir_slice names[TOPICS];
    struct weir_group_consumer_heartbeat_request request = beat_request("g", slot->id, epoch);
    if (slot->instance[0] != 0)
        request.instance_id = weir_slice_str(slot->instance);
    request.has_owned = true;
    request.owned = owned;
    for (int i = 0; i < TOPICS; i++) {
        if (slot->owned[i] == 0 || topic_ids[i] == 0)
            continue;
        struct weir_group_topic_partitions *topic = &owned[request.owned_count++];
        *topic = (struct weir_group_topic_partitions){.topic_id = weir_uuid_small(topic_ids[i]),
                                                      .partitions = partitions[i]};
        for (int32_t p = 0; p < PARTITIONS; p++) {
            if ((slot->owned[i] >> p & 1) != 0)
                partitions[i][topic->partition_count++] = p;
        }
    }
    if (epoch == 0 || pick(4) == 0) {
        for (int i = 0; i < TOPICS; i++) {
            if ((slot->topics >> i & 1) != 0)
                names[request.topic_name_count++] = weir_slice_str(topic_names[i]);
        }
        request.has_topic_names = true;
        request.topic_names = names;
        request.rebalance_timeout_ms = 600000;
    }
    slot->sent_epoch = epoch;
    slot->doing = BEATING;
    slot->sent_ms = world.base.now_ms;
    beat_start(&slot->beat, &request);
}

static void take_assignment(struct slot *slot)
{
    const struct weir_group_consumer_heartbeat *heartbeat = &slot->beat.heartbeat;
    uint8_t given[TOPICS] = {0};
    for (size_t i = 0; i < heartbeat->assignment_count; i++) {
        int topic = topic_of(heartbeat->assignment[i].topic_id);
        for (size_t j = 0; topic >= 0 && j < heartbeat->assignment[i].partition_count; j++)
            given[topic] |= (uint8_t)(1u << heartbeat->assignment[i].partitions[j]);
    }
    for (int i = 0; i < TOPICS; i++) {
        slot->owned[i] |= given[i];
        if (pick(2) == 0)
            slot->owned[i] &= given[i]; /* given up at once; otherwise with a later answer */
    }
}

static void take_beat(struct slot *slot)
{
    struct weir_group_consumer_heartbeat *heartbeat = &slot->beat.heartbeat;
    enum weir_status status = heartbeat->op.status;
    slot->doing = IDLE;
    if (status == WEIR_OK && slot->sent_epoch < 0) {
        slot->is_active = slot->sent_epoch == WEIR_GROUP_LEAVE_STATIC_EPOCH;
        forget(slot);
        if (slot->is_active)
            (void)snprintf(slot->id, sizeof(slot->id), "m%d", next_member++);
    } else if (status == WEIR_OK) {
        WEIR_ASSERT(heartbeat->member_epoch >= slot->epoch);
        slot->epoch = heartbeat->member_epoch;
        slot->contact_ms = slot->sent_ms;
        if (heartbeat->has_assignment)
            take_assignment(slot);
        else if (pick(2) == 0)
            slot->sent_epoch = 0;
    } else if (status == WEIR_UNKNOWN_MEMBER_ID || status == WEIR_FENCED_MEMBER_EPOCH ||
               status == WEIR_GROUP_ID_NOT_FOUND || status == WEIR_FENCED_INSTANCE_ID) {
        fences++;
        forget(slot);
    } else {
        WEIR_ASSERT(status == WEIR_NOT_COORDINATOR || status == WEIR_COORDINATOR_NOT_AVAILABLE ||
                    status == WEIR_COORDINATOR_LOAD_IN_PROGRESS ||
                    status == WEIR_UNRELEASED_INSTANCE_ID);
    }
    beat_free(&slot->beat);
}

/* ---- Members of the classic protocol: all of them subscribe to "t" ---- */

static void send_join(struct slot *slot)
{
    memset(slot->owned, 0, sizeof(slot->owned)); /* eager: it gives all up before it joins */
    struct weir_group_join_request request = join_request("g", weir_slice_str(slot->id));
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = 600000;
    slot->doing = JOINING;
    slot->sent_ms = world.base.now_ms;
    join_start(&slot->join, &request);
}

/* The leader gives the partitions of "t" to the members in turn. */
static void send_sync(struct slot *slot)
{
    static struct weir_group_assignment assignments[SLOTS * 4];
    static uint8_t bytes[SLOTS * 4][64];
    const struct weir_group_join *join = &slot->join.join;
    struct weir_group_sync_request request = {.group_id = WEIR_SLICE("g"),
                                              .member_id = weir_slice_str(slot->id),
                                              .generation = slot->epoch,
                                              .protocol_type = WEIR_SLICE("consumer"),
                                              .protocol_name = WEIR_SLICE("range"),
                                              .assignments = assignments};
    WEIR_ASSERT(join->member_count <= WEIR_ARRAY_COUNT(assignments));
    for (size_t i = 0; i < join->member_count; i++) {
        uint8_t *out = bytes[i];
        size_t at = 0;
        size_t count = 0;
        memcpy(out, "\0\0\0\0\0\1\0\1t\0\0\0", 12);
        at = 13;
        for (uint8_t p = 0; topic_ids[0] != 0 && p < PARTITIONS; p++) {
            if (p % join->member_count != i)
                continue;
            memcpy(out + at, (const uint8_t[]){0, 0, 0, p}, 4);
            at += 4;
            count++;
        }
        out[12] = (uint8_t)count;
        memset(out + at, 0xff, 4);
        assignments[i] = (struct weir_group_assignment){.member_id = join->members[i].member_id,
                                                        .assignment = weir_slice_of(out, at + 4)};
    }
    request.assignment_count = join->member_count;
    slot->doing = SYNCING;
    slot->sent_ms = world.base.now_ms;
    sync_start(&slot->sync, &request);
}

static void take_join(struct slot *slot)
{
    struct weir_group_join *join = &slot->join.join;
    enum weir_status status = join->op.status;
    slot->doing = IDLE;
    if (status == WEIR_OK || status == WEIR_MEMBER_ID_REQUIRED)
        (void)snprintf(slot->id, sizeof(slot->id), "%.*s", WEIR_SLICE_ARGS(join->member_id));
    else if (status == WEIR_UNKNOWN_MEMBER_ID)
        slot->id[0] = 0;
    if (status == WEIR_OK) {
        slot->epoch = join->generation;
        slot->contact_ms = slot->sent_ms;
        send_sync(slot);
    }
    join_free(&slot->join);
}

static void take_sync(struct slot *slot)
{
    enum weir_status status = slot->sync.sync.op.status;
    struct weir_slice bytes = slot->sync.sync.assignment;
    slot->doing = IDLE;
    if (status == WEIR_OK) {
        slot->contact_ms = slot->sent_ms;
        /* version, one topic "t", its partitions */
        size_t count = bytes.size >= 13 && bytes.data[5] == 1 ? bytes.data[12] : 0;
        for (size_t i = 0; i < count && topic_ids[0] != 0; i++)
            slot->owned[0] |= (uint8_t)(1u << bytes.data[13 + 4 * i + 3]);
    } else {
        forget(slot);
        if (status == WEIR_UNKNOWN_MEMBER_ID)
            slot->id[0] = 0;
    }
    sync_free(&slot->sync);
}

static void beat_classic(struct slot *slot)
{
    enum weir_status status = heartbeat("g", weir_slice_str(slot->id), slot->epoch);
    if (status == WEIR_OK) {
        slot->contact_ms = world.base.now_ms;
        return;
    }
    if (status == WEIR_NOT_COORDINATOR || status == WEIR_COORDINATOR_NOT_AVAILABLE)
        return;
    forget(slot);
    if (status == WEIR_UNKNOWN_MEMBER_ID)
        slot->id[0] = 0;
}

/* It is answered before this returns. */
static void leave_classic(struct slot *slot)
{
    memset(slot->owned, 0, sizeof(slot->owned));
    bool commits_at_once = world.base.commits_at_once;
    world.base.commits_at_once = true;
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        fake_world_commit(&world.base, i);
    if (leave("g", weir_slice_str(slot->id), WEIR_NULL_SLICE) == WEIR_OK)
        slot->is_active = false;
    world.base.commits_at_once = commits_at_once;
}

/* ---- The story ---- */

static void finish_done(struct slot *slot)
{
    if (slot->doing == BEATING && slot->beat.done > 0)
        take_beat(slot);
    else if (slot->doing == JOINING && slot->join.done > 0)
        take_join(slot);
    else if (slot->doing == SYNCING && slot->sync.done > 0)
        take_sync(slot);
}

static void begin(struct slot *slot, int number)
{
    *slot = (struct slot){.is_active = true, .is_classic = pick(3) == 0};
    slot->topics = slot->is_classic ? 1 : (uint8_t)(1 + pick((1 << TOPICS) - 1));
    if (!slot->is_classic) {
        (void)snprintf(slot->id, sizeof(slot->id), "m%d", next_member++);
        if (pick(3) == 0)
            (void)snprintf(slot->instance, sizeof(slot->instance), "i%d", number);
    }
}

static void move(struct slot *slot, bool is_quiet)
{
    finish_done(slot);
    if (!slot->is_active || slot->doing != IDLE || slot->silent_until_ms > world.base.now_ms)
        return;
    uint32_t dice = is_quiet ? 99 : pick(100);
    if (slot->is_classic) {
        if (slot->epoch > 0 && dice < 4) {
            leave_classic(slot);
        } else if (slot->epoch > 0 && dice >= 8) {
            beat_classic(slot);
        } else if (slot->epoch == 0) {
            send_join(slot);
        }
    } else if (slot->epoch > 0 && dice < 4) {
        memset(slot->owned, 0, sizeof(slot->owned)); /* who leaves gives all up first */
        send_beat(slot, slot->instance[0] != 0 && pick(2) == 0 ? -2 : -1);
    } else {
        if (dice >= 4 && dice < 8)
            slot->topics = (uint8_t)(1 + pick((1 << TOPICS) - 1));
        send_beat(slot, slot->epoch);
    }
    if (!is_quiet && pick(60) == 0)
        slot->silent_until_ms = world.base.now_ms + pick(90000);
    finish_done(slot);
}

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
        slots[i].owned[topic] = 0;
}

static bool is_anything_in_flight(void)
{
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].doing != IDLE)
            return true;
    }
    return false;
}

/* What can be seen of the group while it follows the consumer protocol. */
static size_t snapshot(char *out, size_t size)
{
    struct weir_group_consumer_describe group = {.op = {.done = count_done}};
    weir_group_consumer_describe(world.service, WEIR_SLICE("g"), &group);
    size_t used = 0;
    if (group.op.status == WEIR_OK) {
        WEIR_ASSERT(group.group_epoch >= group.assignment_epoch);
        used = (size_t)snprintf(out, size, "%.*s %d %d", WEIR_SLICE_ARGS(group.state),
                                group.group_epoch, group.assignment_epoch);
        for (size_t i = 0; i < group.member_count; i++) {
            const struct weir_group_consumer_member *member = &group.members[i];
            WEIR_ASSERT(member->member_epoch <= group.assignment_epoch);
            used += (size_t)snprintf(out + used, size - used,
                                     "\n%.*s %d %d:", WEIR_SLICE_ARGS(member->member_id),
                                     member->member_epoch, (int)member->type);
            for (size_t j = 0; j < member->assignment_count; j++) {
                for (size_t k = 0; k < member->assignment[j].partition_count; k++)
                    used += (size_t)snprintf(out + used, size - used, " %d",
                                             member->assignment[j].partitions[k]);
            }
            for (size_t j = 0; j < member->target_count; j++)
                used += (size_t)snprintf(out + used, size - used, " >%zu",
                                         member->target[j].partition_count);
        }
    }
    weir_group_op_free(&group.op);
    return used;
}

static void reload(void)
{
    static char before[20000], after[20000];
    bool is_comparable = !is_anything_in_flight() && world.base.append_status == WEIR_OK;
    size_t size = snapshot(before, sizeof(before));
    world_restart();
    reloads++;
    if (!is_comparable || size == 0)
        return;
    WEIR_ASSERT(snapshot(after, sizeof(after)) == size);
    WEIR_ASSERT(memcmp(before, after, size) == 0);
}

static void watch_epoch(void)
{
    struct weir_group_consumer_describe group = {.op = {.done = count_done}};
    weir_group_consumer_describe(world.service, WEIR_SLICE("g"), &group);
    if (group.op.status == WEIR_OK && group.member_count > 0) {
        if (group_epoch == 0)
            upgrades++;
        WEIR_ASSERT(group.group_epoch >= group_epoch);
        group_epoch = group.group_epoch;
    } else {
        group_epoch = 0; /* gone, empty or classic */
    }
    weir_group_op_free(&group.op);
}

static void step(void)
{
    uint32_t dice = pick(200);
    int number = (int)pick(SLOTS);
    if (dice == 0)
        change_topic();
    else if (dice == 1)
        reload();
    else if (dice == 2)
        world.base.append_status =
            world.base.append_status == WEIR_OK ? WEIR_NOT_ENOUGH_REPLICAS : WEIR_OK;
    else if (dice == 3)
        world.base.commits_at_once = !world.base.commits_at_once;
    else if (dice < 10)
        fake_world_jump(&world.base, pick(20000));
    else if (dice < 60)
        fake_world_jump(&world.base, pick(300));
    if (world.base.append_status != WEIR_OK && pick(10) == 0)
        world.base.append_status = WEIR_OK;
    if (pick(4) == 0) {
        for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
            fake_world_commit(&world.base, i);
    }
    for (int i = 0; i < SLOTS; i++)
        finish_done(&slots[i]);
    if (!slots[number].is_active && slots[number].doing == IDLE)
        begin(&slots[number], number);
    move(&slots[number], false);
    check_owners();
    watch_epoch();
}

static void settle(void)
{
    world.base.append_status = WEIR_OK;
    world.base.commits_at_once = true;
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        fake_world_commit(&world.base, i);
    for (int i = 0; i < TOPICS; i++) {
        if (topic_ids[i] == 0) {
            topic_ids[i] = ++next_topic_id;
            create_topic(topic_names[i], next_topic_id, PARTITIONS);
        }
    }
    for (int round = 0; round < 400; round++) {
        fake_world_jump(&world.base, 1000);
        for (int i = 0; i < SLOTS; i++) {
            move(&slots[i], true);
            check_owners();
        }
    }
    for (int topic = 0; topic < TOPICS; topic++) {
        uint8_t owned = 0;
        bool is_wanted = false;
        for (int i = 0; i < SLOTS; i++) {
            if (!slots[i].is_active)
                continue;
            bool wants = (slots[i].topics >> topic & 1) != 0;
            WEIR_ASSERT(wants || slots[i].owned[topic] == 0);
            is_wanted |= wants;
            owned |= slots[i].owned[topic];
        }
        WEIR_ASSERT(!is_wanted || owned == (1u << PARTITIONS) - 1);
    }
}

static void tell(uint64_t number)
{
    seed = number * 7919 + 1;
    memset(slots, 0, sizeof(slots));
    memset(topic_ids, 0, sizeof(topic_ids));
    next_topic_id = 0;
    next_member = 0;
    group_epoch = 0;
    image_offset = 0;
    world_start();
    for (int i = 0; i < TOPICS; i++) {
        topic_ids[i] = ++next_topic_id;
        create_topic(topic_names[i], next_topic_id, PARTITIONS);
    }
    for (int i = 0; i < STEPS; i++)
        step();
    settle();
    world_stop();
    for (int i = 0; i < SLOTS; i++)
        finish_done(&slots[i]);
    for (int i = 0; i < SLOTS; i++)
        finish_done(&slots[i]); /* a join that was answered last began a sync */
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 20;
    for (uint64_t i = first; i < first + count; i++) {
        fprintf(stderr, "seed %llu\n", (unsigned long long)i);
        tell(i);
    }
    printf("%llu stories: %lld times a consumer group, %lld members fenced, %lld reloads\n",
           (unsigned long long)count, (long long)upgrades, (long long)fences, (long long)reloads);
    return 0;
}
