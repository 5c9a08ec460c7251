/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of consumer groups that cost almost nothing themselves: a connection each.
 *
 *   bench_groups steady HOST PORT PROTOCOL TOPIC GROUPS MEMBERS SECONDS HEARTBEAT_MS COMMIT_MS
 *       all join; then each member heartbeats and commits at its times.  Prints "joined" when every
 *       group is stable, waits for a line on stdin, and prints "ok <heartbeats> <commits>" at the
 *       end.
 *   bench_groups rebalance HOST PORT PROTOCOL TOPIC MEMBERS ROUNDS
 *       one group; each round a member comes and goes, and everybody takes part in both rebalances.
 *       Prints "joined", waits, and prints "ok <rebalances>".
 *
 * PROTOCOL is classic or consumer; TOPIC exists.  Anything unexpected is a sentence on stderr and
 * exit code 1.
 */
#include "wire.h"

#include "weir/base/memory.h"
#include "weir/protocol/errors.h"
#include "weir/protocol/messages/consumer_group_heartbeat_request.h"
#include "weir/protocol/messages/consumer_group_heartbeat_response.h"
#include "weir/protocol/messages/describe_groups_request.h"
#include "weir/protocol/messages/describe_groups_response.h"
#include "weir/protocol/messages/find_coordinator_request.h"
#include "weir/protocol/messages/find_coordinator_response.h"
#include "weir/protocol/messages/heartbeat_request.h"
#include "weir/protocol/messages/heartbeat_response.h"
#include "weir/protocol/messages/join_group_request.h"
#include "weir/protocol/messages/join_group_response.h"
#include "weir/protocol/messages/leave_group_request.h"
#include "weir/protocol/messages/offset_commit_request.h"
#include "weir/protocol/messages/offset_commit_response.h"
#include "weir/protocol/messages/sync_group_request.h"
#include "weir/protocol/messages/sync_group_response.h"
#include "weir/runtime/env.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID_BYTES       80
#define TICK_MS        20
#define TIMEOUT_MS     45000
#define SETTLE_TRIES   20000
#define PARTITIONS_MAX 1024

struct member {
    int fd;
    char group[ID_BYTES];
    char id[ID_BYTES];
    int32_t epoch; /* or generation */
    struct weir_uuid topic_id;
    int32_t owned[PARTITIONS_MAX];
    int32_t owned_count;
    bool has_news; /* an assignment it has not confirmed */
    int64_t next_heartbeat_ms;
    int64_t next_commit_ms;
};

struct bench {
    const char *host;
    const char *port;
    const char *topic;
    bool is_classic;
    struct member *members;
    size_t member_count;
    struct weir_buf frame;
    struct weir_arena arena;
    struct weir_env *env;
};

static int64_t now_ms(struct bench *bench)
{
    return weir_env_monotonic_ms(bench->env);
}

static void keep_id(char *into, struct weir_slice id)
{
    if (id.size >= ID_BYTES)
        bench_fail("a member id that is too long");
    if (id.size > 0)
        memcpy(into, id.data, id.size);
    into[id.size] = '\0';
}

static void send_request(struct bench *bench, const struct member *member, enum weir_api_key key,
                         int16_t version, const void *body)
{
    bench_encode(&bench->frame, key, version, body);
    bench_send(member->fd, weir_buf_slice(&bench->frame));
}

static void receive_answer(struct bench *bench, const struct member *member, enum weir_api_key key,
                           int16_t version, void *out)
{
    bench_receive(member->fd, &bench->frame);
    bench_read(&bench->frame, key, version, &bench->arena, out);
}

/* Until the group's coordinator has loaded its partition. */
static void wait_for_coordinator(struct bench *bench, const struct member *member)
{
    struct weir_find_coordinator_request find;
    struct weir_describe_groups_request describe;
    struct weir_describe_groups_response described;
    struct weir_slice group = weir_slice_str(member->group);
    weir_find_coordinator_request_init(&find);
    weir_describe_groups_request_init(&describe);
    find.key = group;
    describe.groups.items = &group;
    describe.groups.count = 1;
    for (int i = 0; i < SETTLE_TRIES; i++) {
        send_request(bench, member, WEIR_API_FIND_COORDINATOR, 3, &find);
        bench_receive(member->fd, &bench->frame);
        send_request(bench, member, WEIR_API_DESCRIBE_GROUPS, 4, &describe);
        receive_answer(bench, member, WEIR_API_DESCRIBE_GROUPS, 4, &described);
        if (described.groups.count == 1 && described.groups.items[0].error_code == 0)
            return;
        (void)poll(NULL, 0, 5);
    }
    bench_fail("no coordinator");
}

/* ---- Classic ---- */

static void send_join(struct bench *bench, const struct member *member)
{
    /* ConsumerProtocolSubscription version 0: the topic, no user data */
    uint8_t metadata[300];
    size_t size = strlen(bench->topic);
    if (size > sizeof(metadata) - 16)
        bench_fail("a topic name that is too long");
    memset(metadata, 0, sizeof(metadata));
    metadata[5] = 1;
    metadata[7] = (uint8_t)size;
    memcpy(metadata + 8, bench->topic, size);
    memset(metadata + 8 + size, 0xff, 4);
    struct weir_join_group_request request;
    struct weir_join_group_request_join_group_request_protocol protocol;
    weir_join_group_request_init(&request);
    weir_join_group_request_join_group_request_protocol_init(&protocol);
    protocol.name = WEIR_SLICE("range");
    protocol.metadata = weir_slice_of(metadata, 12 + size);
    request.group_id = weir_slice_str(member->group);
    request.session_timeout_ms = TIMEOUT_MS;
    request.rebalance_timeout_ms = TIMEOUT_MS;
    request.member_id = weir_slice_str(member->id);
    request.protocol_type = WEIR_SLICE("consumer");
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    send_request(bench, member, WEIR_API_JOIN_GROUP, 3, &request);
}

/* The leader gives everybody the same: nobody looks. */
static void send_sync(struct bench *bench, const struct member *member,
                      const struct weir_join_group_response *joined)
{
    static const uint8_t assignment[] = {0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    struct weir_sync_group_request request;
    weir_sync_group_request_init(&request);
    request.group_id = weir_slice_str(member->group);
    request.generation_id = member->epoch;
    request.member_id = weir_slice_str(member->id);
    int32_t count = joined->members.count;
    struct weir_sync_group_request_sync_group_request_assignment *items =
        weir_calloc((size_t)count + 1, sizeof(*items));
    if (items == NULL)
        bench_fail("out of memory");
    for (int32_t i = 0; i < count; i++) {
        weir_sync_group_request_sync_group_request_assignment_init(&items[i]);
        items[i].member_id = joined->members.items[i].member_id;
        items[i].assignment = weir_slice_of(assignment, sizeof(assignment));
    }
    request.assignments.items = items;
    request.assignments.count = count;
    send_request(bench, member, WEIR_API_SYNC_GROUP, 2, &request);
    weir_free(items);
}

static void send_joins(struct bench *bench, const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        send_join(bench, &members[i]);
}

static void finish_joins(struct bench *bench, struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct weir_join_group_response joined;
        receive_answer(bench, &members[i], WEIR_API_JOIN_GROUP, 3, &joined);
        if (joined.error_code != 0)
            bench_fail("a join was refused");
        keep_id(members[i].id, joined.member_id);
        members[i].epoch = joined.generation_id;
        send_sync(bench, &members[i], &joined);
    }
    for (size_t i = 0; i < count; i++) {
        struct weir_sync_group_response synced;
        receive_answer(bench, &members[i], WEIR_API_SYNC_GROUP, 2, &synced);
        if (synced.error_code != 0)
            bench_fail("a sync was refused");
    }
}

static void join_classic(struct bench *bench, struct member *members, size_t count)
{
    send_joins(bench, members, count);
    finish_joins(bench, members, count);
}

/* Heartbeats, as a member does, until it is told to join again. */
static void wait_for_rebalance(struct bench *bench, const struct member *member)
{
    struct weir_heartbeat_request request;
    struct weir_heartbeat_response answer;
    weir_heartbeat_request_init(&request);
    request.group_id = weir_slice_str(member->group);
    request.generation_id = member->epoch;
    request.member_id = weir_slice_str(member->id);
    for (int i = 0; i < SETTLE_TRIES; i++) {
        send_request(bench, member, WEIR_API_HEARTBEAT, 2, &request);
        receive_answer(bench, member, WEIR_API_HEARTBEAT, 2, &answer);
        if (answer.error_code == WEIR_ERROR_REBALANCE_IN_PROGRESS)
            return;
        (void)poll(NULL, 0, 1);
    }
    bench_fail("no rebalance begins");
}

static void leave_classic(struct bench *bench, const struct member *member)
{
    struct weir_leave_group_request request;
    weir_leave_group_request_init(&request);
    request.group_id = weir_slice_str(member->group);
    request.member_id = weir_slice_str(member->id);
    send_request(bench, member, WEIR_API_LEAVE_GROUP, 1, &request);
    bench_receive(member->fd, &bench->frame);
}

/* ---- Consumer (KIP-848) ---- */

static void send_consumer_heartbeat(struct bench *bench, struct member *member)
{
    struct weir_consumer_group_heartbeat_request request;
    struct weir_consumer_group_heartbeat_request_topic_partitions owned;
    struct weir_slice topic = weir_slice_str(bench->topic);
    weir_consumer_group_heartbeat_request_init(&request);
    weir_consumer_group_heartbeat_request_topic_partitions_init(&owned);
    request.group_id = weir_slice_str(member->group);
    request.member_id = weir_slice_str(member->id);
    request.member_epoch = member->epoch;
    if (member->epoch == 0) {
        request.rebalance_timeout_ms = TIMEOUT_MS;
        request.subscribed_topic_names.items = &topic;
        request.subscribed_topic_names.count = 1;
    }
    if (member->epoch == 0 || member->has_news) {
        owned.topic_id = member->topic_id;
        owned.partitions.items = member->owned;
        owned.partitions.count = member->owned_count;
        request.topic_partitions.items = &owned;
        request.topic_partitions.count = member->owned_count > 0 ? 1 : 0;
    }
    member->has_news = false;
    send_request(bench, member, WEIR_API_CONSUMER_GROUP_HEARTBEAT, 0, &request);
}

static void receive_consumer_heartbeat(struct bench *bench, struct member *member)
{
    struct weir_consumer_group_heartbeat_response answer;
    receive_answer(bench, member, WEIR_API_CONSUMER_GROUP_HEARTBEAT, 0, &answer);
    if (answer.error_code != 0)
        bench_fail("a heartbeat was refused");
    keep_id(member->id, answer.member_id);
    member->epoch = answer.member_epoch;
    if (answer.assignment == NULL)
        return;
    member->has_news = true;
    member->owned_count = 0;
    if (answer.assignment->topic_partitions.count == 0)
        return;
    const struct weir_consumer_group_heartbeat_response_topic_partitions *given =
        &answer.assignment->topic_partitions.items[0];
    if (given->partitions.count > PARTITIONS_MAX)
        bench_fail("too many partitions");
    member->topic_id = given->topic_id;
    member->owned_count = given->partitions.count;
    memcpy(member->owned, given->partitions.items,
           (size_t)given->partitions.count * sizeof(member->owned[0]));
}

static bool is_settled(const struct bench *bench, const struct member *members, size_t count,
                       int32_t partitions)
{
    int32_t owned = 0;
    for (size_t i = 0; i < count; i++) {
        owned += members[i].owned_count;
        if (members[i].epoch != members[0].epoch || members[i].has_news)
            return false;
    }
    (void)bench;
    return owned == partitions;
}

/* Everybody heartbeats until all are in the same epoch and share the partitions. */
static void settle(struct bench *bench, struct member *members, size_t count, int32_t partitions)
{
    for (int i = 0; i < SETTLE_TRIES; i++) {
        for (size_t m = 0; m < count; m++)
            send_consumer_heartbeat(bench, &members[m]);
        for (size_t m = 0; m < count; m++)
            receive_consumer_heartbeat(bench, &members[m]);
        if (is_settled(bench, members, count, partitions))
            return;
        (void)poll(NULL, 0, 5); /* bench: the broker may put the next assignment off */
    }
    bench_fail("the group does not become stable");
}

static void leave_consumer(struct bench *bench, struct member *member)
{
    struct weir_consumer_group_heartbeat_response answer;
    struct weir_consumer_group_heartbeat_request request;
    weir_consumer_group_heartbeat_request_init(&request);
    request.group_id = weir_slice_str(member->group);
    request.member_id = weir_slice_str(member->id);
    request.member_epoch = -1;
    send_request(bench, member, WEIR_API_CONSUMER_GROUP_HEARTBEAT, 0, &request);
    receive_answer(bench, member, WEIR_API_CONSUMER_GROUP_HEARTBEAT, 0, &answer);
}

/* ---- Steady ---- */

static void send_heartbeat(struct bench *bench, struct member *member)
{
    if (!bench->is_classic) {
        send_consumer_heartbeat(bench, member);
        return;
    }
    struct weir_heartbeat_request request;
    weir_heartbeat_request_init(&request);
    request.group_id = weir_slice_str(member->group);
    request.generation_id = member->epoch;
    request.member_id = weir_slice_str(member->id);
    send_request(bench, member, WEIR_API_HEARTBEAT, 2, &request);
}

static void receive_heartbeat(struct bench *bench, struct member *member)
{
    if (!bench->is_classic) {
        receive_consumer_heartbeat(bench, member);
        return;
    }
    struct weir_heartbeat_response answer;
    receive_answer(bench, member, WEIR_API_HEARTBEAT, 2, &answer);
    if (answer.error_code != 0)
        bench_fail("a heartbeat was refused");
}

static void send_commit(struct bench *bench, const struct member *member, int64_t offset)
{
    struct weir_offset_commit_request request;
    struct weir_offset_commit_request_offset_commit_request_topic topic;
    struct weir_offset_commit_request_offset_commit_request_partition partition;
    weir_offset_commit_request_init(&request);
    weir_offset_commit_request_offset_commit_request_topic_init(&topic);
    weir_offset_commit_request_offset_commit_request_partition_init(&partition);
    partition.committed_offset = offset;
    topic.name = weir_slice_str(bench->topic);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.group_id = weir_slice_str(member->group);
    request.generation_id_or_member_epoch = member->epoch;
    request.member_id = weir_slice_str(member->id);
    request.topics.items = &topic;
    request.topics.count = 1;
    send_request(bench, member, WEIR_API_OFFSET_COMMIT, 9, &request);
}

static void receive_commit(struct bench *bench, const struct member *member)
{
    struct weir_offset_commit_response answer;
    receive_answer(bench, member, WEIR_API_OFFSET_COMMIT, 9, &answer);
    if (answer.topics.count != 1 || answer.topics.items[0].partitions.count != 1)
        bench_fail("a commit response without its partition");
    int16_t code = answer.topics.items[0].partitions.items[0].error_code;
    /* An assignment that the broker had put off may come late: the next heartbeat brings it. */
    if (code != 0 && code != WEIR_ERROR_STALE_MEMBER_EPOCH)
        bench_fail("a commit was refused");
}

/* All that is due is sent, then all answers are read. */
static void tick(struct bench *bench, int64_t at_ms, int64_t heartbeat_ms, int64_t commit_ms,
                 bool *is_heartbeat, bool *is_commit)
{
    for (size_t i = 0; i < bench->member_count; i++) {
        struct member *member = &bench->members[i];
        is_heartbeat[i] = member->next_heartbeat_ms <= at_ms;
        is_commit[i] = member->next_commit_ms <= at_ms;
        if (is_heartbeat[i]) {
            member->next_heartbeat_ms += heartbeat_ms;
            send_heartbeat(bench, member);
        }
        if (is_commit[i]) {
            member->next_commit_ms += commit_ms;
            send_commit(bench, member, at_ms);
        }
    }
    for (size_t i = 0; i < bench->member_count; i++) {
        if (is_heartbeat[i])
            receive_heartbeat(bench, &bench->members[i]);
        if (is_commit[i])
            receive_commit(bench, &bench->members[i]);
    }
}

static void run_steady(struct bench *bench, int64_t seconds, int64_t heartbeat_ms,
                       int64_t commit_ms)
{
    bool *is_heartbeat = weir_calloc(bench->member_count, sizeof(bool));
    bool *is_commit = weir_calloc(bench->member_count, sizeof(bool));
    if (is_heartbeat == NULL || is_commit == NULL)
        bench_fail("out of memory");
    int64_t began_ms = now_ms(bench);
    for (size_t i = 0; i < bench->member_count; i++) {
        struct member *member = &bench->members[i];
        member->next_heartbeat_ms = began_ms + (int64_t)i * heartbeat_ms / (int64_t)bench->member_count;
        member->next_commit_ms = began_ms + (int64_t)i * commit_ms / (int64_t)bench->member_count;
    }
    size_t heartbeats = 0;
    size_t commits = 0;
    while (now_ms(bench) < began_ms + seconds * 1000) {
        tick(bench, now_ms(bench), heartbeat_ms, commit_ms, is_heartbeat, is_commit);
        for (size_t i = 0; i < bench->member_count; i++) {
            heartbeats += is_heartbeat[i];
            commits += is_commit[i];
        }
        (void)poll(NULL, 0, TICK_MS);
    }
    printf("ok %zu %zu\n", heartbeats, commits);
    weir_free(is_heartbeat);
    weir_free(is_commit);
}

/* ---- Groups ---- */

static void make_members(struct bench *bench, size_t groups, size_t each)
{
    bench->member_count = groups * each;
    bench->members = weir_calloc(bench->member_count, sizeof(struct member));
    if (bench->members == NULL)
        bench_fail("out of memory");
    for (size_t i = 0; i < bench->member_count; i++) {
        struct member *member = &bench->members[i];
        member->fd = bench_connect(bench->host, bench->port);
        (void)snprintf(member->group, sizeof(member->group), "bench-%s-%zu",
                       bench->is_classic ? "classic" : "consumer", i / each);
        if (i % each == 0)
            wait_for_coordinator(bench, member);
    }
}

static void announce(void)
{
    printf("joined\n");
    (void)fflush(stdout);
    if (getchar() == EOF)
        bench_fail("nobody is there");
}

/* The groups join in slices, so that not all of them wait at once. */
static void join_all(struct bench *bench, size_t groups, size_t each, int32_t partitions)
{
    size_t slice = bench->is_classic ? 100 : 1;
    for (size_t i = 0; i < groups; i += slice) {
        size_t count = (groups - i < slice ? groups - i : slice) * each;
        if (bench->is_classic)
            join_classic(bench, &bench->members[i * each], count);
        else
            settle(bench, &bench->members[i * each], count, partitions);
    }
}

/* The last member comes and goes. */
static void run_rebalances(struct bench *bench, int rounds, int32_t partitions)
{
    size_t others = bench->member_count - 1;
    struct member *guest = &bench->members[others];
    for (int i = 0; i < rounds; i++) {
        guest->id[0] = '\0';
        guest->epoch = 0;
        guest->owned_count = 0;
        guest->has_news = false;
        if (bench->is_classic) {
            send_joins(bench, guest, 1);
            wait_for_rebalance(bench, &bench->members[0]);
            send_joins(bench, bench->members, others);
            finish_joins(bench, bench->members, bench->member_count);
            leave_classic(bench, guest);
            wait_for_rebalance(bench, &bench->members[0]);
            join_classic(bench, bench->members, others);
        } else {
            settle(bench, bench->members, bench->member_count, partitions);
            leave_consumer(bench, guest);
            settle(bench, bench->members, others, partitions);
        }
    }
    printf("ok %d\n", 2 * rounds);
}

int main(int argc, char **argv)
{
    struct bench bench = {.env = weir_env_posix()};
    if (argc < 8)
        bench_fail("usage: see the top of groups.c");
    bool is_steady = strcmp(argv[1], "steady") == 0;
    bench.host = argv[2];
    bench.port = argv[3];
    bench.is_classic = strcmp(argv[4], "classic") == 0;
    bench.topic = argv[5];
    weir_arena_init(&bench.arena, 0);
    if (is_steady && argc == 11) {
        size_t groups = strtoul(argv[6], NULL, 10);
        size_t each = strtoul(argv[7], NULL, 10);
        make_members(&bench, groups, each);
        join_all(&bench, groups, each, (int32_t)each);
        announce();
        run_steady(&bench, strtol(argv[8], NULL, 10), strtol(argv[9], NULL, 10),
                   strtol(argv[10], NULL, 10));
    } else if (!is_steady && argc == 8) {
        size_t each = strtoul(argv[6], NULL, 10);
        make_members(&bench, 1, each + 1);
        bench.member_count = each;
        join_all(&bench, 1, each, (int32_t)each);
        bench.member_count = each + 1;
        announce();
        run_rebalances(&bench, atoi(argv[7]), (int32_t)each);
    } else {
        bench_fail("usage: see the top of groups.c");
    }
    for (size_t i = 0; i < bench.member_count; i++)
        close(bench.members[i].fd);
    weir_free(bench.members);
    weir_buf_done(&bench.frame);
    weir_arena_done(&bench.arena);
    return 0;
}
