/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/replication/fetch_sessions.h"

#include "weir/base/limits.h"

#include <criterion/criterion.h>

#define EVICTION_MS 1000

struct world {
    int64_t now_ms;
    uint32_t next_random;
};

static int64_t world_ns(void *context)
{
    return ((struct world *)context)->now_ms * 1000000;
}

static void world_random(void *context, void *out, size_t size)
{
    struct world *world = context;
    memset(out, 0, size);
    world->next_random++;
    memcpy(out, &world->next_random, sizeof(world->next_random));
}

static const struct weir_env_ops ops = {.monotonic_ns = world_ns, .random = world_random};

struct fixture {
    struct world world;
    struct weir_env env;
    struct weir_fetch_sessions *sessions;
    struct weir_arena arena;
};

static void set_up(struct fixture *fixture, size_t slots, size_t partitions_max)
{
    *fixture = (struct fixture){.world.now_ms = 100000};
    fixture->env = (struct weir_env){.ops = &ops, .context = &fixture->world};
    struct weir_fetch_sessions_options options = {.env = &fixture->env,
                                                  .slots = slots,
                                                  .eviction_ms = EVICTION_MS,
                                                  .partitions_max = partitions_max};
    cr_assert_eq(weir_fetch_sessions_new(&options, &fixture->sessions), WEIR_OK);
    weir_arena_init(&fixture->arena, 0);
}

static void tear_down(struct fixture *fixture)
{
    weir_arena_done(&fixture->arena);
    weir_fetch_sessions_free(fixture->sessions);
}

static struct weir_fetch_partition wanted(int32_t partition, int64_t offset)
{
    return (struct weir_fetch_partition){
        .topic = WEIR_SLICE("t"), .partition = partition, .fetch_offset = offset, .bytes_max = 100};
}

static enum weir_status begin(struct fixture *fixture, int32_t id, int32_t epoch,
                              const struct weir_fetch_partition *partitions, size_t count,
                              struct weir_fetch_session_list *out)
{
    struct weir_fetch_session_request request = {.session_id = id,
                                                 .session_epoch = epoch,
                                                 .partitions = partitions,
                                                 .partition_count = count};
    return weir_fetch_sessions_begin(fixture->sessions, &request, &fixture->arena, out);
}

static int32_t open_session(struct fixture *fixture, struct weir_fetch_session_list *out)
{
    struct weir_fetch_partition partitions[] = {wanted(0, 0), wanted(1, 0)};
    cr_assert_eq(begin(fixture, 0, 0, partitions, 2, out), WEIR_OK);
    return out->session_id;
}

Test(fetch_sessions, a_new_session_gives_everything_and_an_id)
{
    struct fixture fixture;
    struct weir_fetch_session_list list;
    set_up(&fixture, 10, 100);
    cr_assert_gt(open_session(&fixture, &list), 0);
    cr_assert_not(list.is_incremental);
    cr_assert_eq(list.count, 2);
    struct weir_fetch_session_news nothing = {0};
    cr_assert(weir_fetch_session_filter(fixture.sessions, &list, 0, &nothing));
    tear_down(&fixture);
}

Test(fetch_sessions, an_incremental_answer_has_only_news)
{
    struct fixture fixture;
    struct weir_fetch_session_list list;
    struct weir_fetch_session_news same = {.high_watermark = 5};
    set_up(&fixture, 10, 100);
    int32_t id = open_session(&fixture, &list);
    (void)weir_fetch_session_filter(fixture.sessions, &list, 0, &same);
    (void)weir_fetch_session_filter(fixture.sessions, &list, 1, &same);

    cr_assert_eq(begin(&fixture, id, 1, NULL, 0, &list), WEIR_OK);
    cr_assert(list.is_incremental);
    cr_assert_eq(list.count, 2);
    cr_assert_not(weir_fetch_session_filter(fixture.sessions, &list, 0, &same));
    cr_assert(weir_fetch_session_filter(fixture.sessions, &list, 1,
                                        &(struct weir_fetch_session_news){.high_watermark = 6}));

    cr_assert_eq(begin(&fixture, id, 2, NULL, 0, &list), WEIR_OK);
    cr_assert(weir_fetch_session_filter(fixture.sessions, &list, 0,
                                        &(struct weir_fetch_session_news){.has_error = true}));
    cr_assert_eq(begin(&fixture, id, 3, NULL, 0, &list), WEIR_OK);
    cr_assert(weir_fetch_session_filter(fixture.sessions, &list, 0, &same),
              "after an error a good answer is news");
    tear_down(&fixture);
}

Test(fetch_sessions, partitions_with_records_go_to_the_end)
{
    struct fixture fixture;
    struct weir_fetch_session_list list;
    set_up(&fixture, 10, 100);
    int32_t id = open_session(&fixture, &list);
    cr_assert_eq(begin(&fixture, id, 1, NULL, 0, &list), WEIR_OK);
    cr_assert_eq(list.partitions[0].partition, 0);
    cr_assert(weir_fetch_session_filter(fixture.sessions, &list, 0,
                                        &(struct weir_fetch_session_news){.has_records = true}));
    cr_assert_eq(begin(&fixture, id, 2, NULL, 0, &list), WEIR_OK);
    cr_assert_eq(list.partitions[0].partition, 1);
    cr_assert_eq(list.partitions[1].partition, 0);
    tear_down(&fixture);
}

Test(fetch_sessions, partitions_are_added_changed_and_forgotten)
{
    struct fixture fixture;
    struct weir_fetch_session_list list;
    set_up(&fixture, 10, 100);
    int32_t id = open_session(&fixture, &list);
    struct weir_fetch_partition changes[] = {wanted(1, 77), wanted(2, 5)};
    struct weir_fetch_partition gone = wanted(0, 0);
    struct weir_fetch_session_request request = {.session_id = id,
                                                 .session_epoch = 1,
                                                 .partitions = changes,
                                                 .partition_count = 2,
                                                 .forgotten = &gone,
                                                 .forgotten_count = 1};
    cr_assert_eq(weir_fetch_sessions_begin(fixture.sessions, &request, &fixture.arena, &list),
                 WEIR_OK);
    cr_assert_eq(list.count, 2);
    cr_assert_eq(list.partitions[0].partition, 1);
    cr_assert_eq(list.partitions[0].fetch_offset, 77);
    cr_assert_eq(list.partitions[1].partition, 2);
    tear_down(&fixture);
}

Test(fetch_sessions, wrong_ids_and_epochs_are_refused)
{
    struct fixture fixture;
    struct weir_fetch_session_list list;
    set_up(&fixture, 10, 100);
    int32_t id = open_session(&fixture, &list);
    cr_assert_eq(begin(&fixture, id, 7, NULL, 0, &list), WEIR_INVALID_FETCH_SESSION_EPOCH);
    cr_assert_eq(begin(&fixture, id + 1, 1, NULL, 0, &list), WEIR_FETCH_SESSION_ID_NOT_FOUND);
    struct weir_fetch_session_request by_id = {
        .session_id = id, .session_epoch = 1, .uses_topic_ids = true};
    cr_assert_eq(weir_fetch_sessions_begin(fixture.sessions, &by_id, &fixture.arena, &list),
                 WEIR_FETCH_SESSION_TOPIC_ID_ERROR);
    cr_assert_eq(begin(&fixture, id, 1, NULL, 0, &list), WEIR_OK,
                 "a refusal does not use up the epoch");
    tear_down(&fixture);
}

Test(fetch_sessions, closing_forgets_the_session)
{
    struct fixture fixture;
    struct weir_fetch_session_list list;
    set_up(&fixture, 10, 100);
    int32_t id = open_session(&fixture, &list);
    cr_assert_eq(begin(&fixture, id, -1, NULL, 0, &list), WEIR_OK);
    cr_assert_eq(list.session_id, 0);
    cr_assert_eq(weir_fetch_sessions_count(fixture.sessions), 0);
    cr_assert_eq(begin(&fixture, id, 1, NULL, 0, &list), WEIR_FETCH_SESSION_ID_NOT_FOUND);
    tear_down(&fixture);
}

Test(fetch_sessions, a_full_cache_gives_no_session_until_one_is_stale)
{
    struct fixture fixture;
    struct weir_fetch_session_list list;
    set_up(&fixture, 2, 100);
    cr_assert_neq(open_session(&fixture, &list), 0);
    cr_assert_neq(open_session(&fixture, &list), 0);
    cr_assert_eq(open_session(&fixture, &list), 0);
    cr_assert_eq(list.count, 2, "the whole request is answered all the same");
    fixture.world.now_ms += EVICTION_MS;
    cr_assert_neq(open_session(&fixture, &list), 0);
    cr_assert_eq(weir_fetch_sessions_count(fixture.sessions), 2);
    tear_down(&fixture);
}

Test(fetch_sessions, too_many_partitions_give_no_session)
{
    struct fixture fixture;
    struct weir_fetch_session_list list;
    set_up(&fixture, 10, 3);
    int32_t id = open_session(&fixture, &list);
    cr_assert_neq(id, 0);
    cr_assert_eq(open_session(&fixture, &list), 0);
    struct weir_fetch_partition more[] = {wanted(5, 0), wanted(6, 0)};
    cr_assert_eq(begin(&fixture, id, 1, more, 2, &list), WEIR_FETCH_SESSION_ID_NOT_FOUND);
    cr_assert_eq(weir_fetch_sessions_count(fixture.sessions), 0,
                 "no half-changed session stays behind");
    tear_down(&fixture);
}

Test(fetch_sessions, each_request_takes_the_next_epoch)
{
    struct fixture fixture;
    struct weir_fetch_session_list list;
    set_up(&fixture, 10, 100);
    int32_t id = open_session(&fixture, &list);
    for (int32_t epoch = 1; epoch < 100; epoch++)
        cr_assert_eq(begin(&fixture, id, epoch, NULL, 0, &list), WEIR_OK);
    tear_down(&fixture);
}
