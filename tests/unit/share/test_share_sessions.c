/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/share/share_sessions.h"

#include <criterion/criterion.h>

static struct weir_share_sessions *sessions;
static struct weir_arena arena;
static const struct weir_share_session_partition *items;
static size_t item_count;

static struct weir_share_session_partition part(int32_t partition)
{
    return (struct weir_share_session_partition){.topic_id = {{1}}, .partition = partition};
}

static void start(void)
{
    weir_arena_init(&arena, 0);
    cr_assert_eq(weir_share_sessions_new(2, 10, &sessions), WEIR_OK);
}

static void stop(void)
{
    weir_share_sessions_free(sessions);
    weir_arena_done(&arena);
}

static struct weir_share_session_request request(const char *member, int32_t epoch)
{
    return (struct weir_share_session_request){.group_id = WEIR_SLICE("g"),
                                               .member_id = weir_slice_str(member),
                                               .epoch = epoch,
                                               .connection_id = 7};
}

static enum weir_status fetch(const char *member, int32_t epoch, int32_t count)
{
    struct weir_share_session_partition wanted[20];
    struct weir_share_session_request it = request(member, epoch);
    for (int32_t i = 0; i < count; i++)
        wanted[i] = part(i);
    it.wanted = wanted;
    it.wanted_count = (size_t)count;
    return weir_share_sessions_fetch(sessions, &it, &arena, &items, &item_count);
}

Test(share_sessions, a_session_remembers_its_partitions)
{
    start();
    cr_assert_eq(fetch("a", 0, 3), WEIR_OK);
    cr_assert_eq(item_count, 3);
    cr_assert_eq(fetch("a", 1, 0), WEIR_OK);
    cr_assert_eq(item_count, 3);
    struct weir_share_session_partition gone = part(1);
    struct weir_share_session_request it = request("a", 2);
    it.forgotten = &gone;
    it.forgotten_count = 1;
    cr_assert_eq(weir_share_sessions_fetch(sessions, &it, &arena, &items, &item_count), WEIR_OK);
    cr_assert_eq(item_count, 2);
    cr_assert_eq(items[1].partition, 2);
    stop();
}

Test(share_sessions, each_request_has_its_own_epoch)
{
    start();
    cr_assert_eq(fetch("a", 1, 0), WEIR_SHARE_SESSION_NOT_FOUND);
    cr_assert_eq(fetch("a", 0, 1), WEIR_OK);
    cr_assert_eq(fetch("a", 1, 0), WEIR_OK);
    cr_assert_eq(fetch("a", 1, 0), WEIR_INVALID_SHARE_SESSION_EPOCH);
    struct weir_share_session_request it = request("a", 2);
    cr_assert_eq(weir_share_sessions_acknowledge(sessions, &it), WEIR_OK);
    cr_assert_eq(weir_share_sessions_acknowledge(sessions, &it), WEIR_INVALID_SHARE_SESSION_EPOCH);
    it.epoch = 0;
    cr_assert_eq(weir_share_sessions_acknowledge(sessions, &it), WEIR_INVALID_SHARE_SESSION_EPOCH);
    it.epoch = -1;
    cr_assert_eq(weir_share_sessions_acknowledge(sessions, &it), WEIR_OK);
    cr_assert_eq(fetch("a", 3, 0), WEIR_OK);
    stop();
}

Test(share_sessions, a_first_request_begins_anew_and_cannot_acknowledge)
{
    start();
    cr_assert_eq(fetch("a", 0, 3), WEIR_OK);
    struct weir_share_session_request it = request("a", 0);
    it.has_acknowledgements = true;
    cr_assert_eq(weir_share_sessions_fetch(sessions, &it, &arena, &items, &item_count),
                 WEIR_INVALID_REQUEST);
    cr_assert_eq(fetch("a", 1, 0), WEIR_OK);
    cr_assert_eq(fetch("a", 0, 1), WEIR_OK);
    cr_assert_eq(item_count, 1);
    cr_assert_eq(weir_share_sessions_count(sessions), 1);
    stop();
}

Test(share_sessions, there_are_no_more_than_the_limit)
{
    start();
    cr_assert_eq(fetch("a", 0, 1), WEIR_OK);
    cr_assert_eq(fetch("b", 0, 1), WEIR_OK);
    cr_assert_eq(fetch("c", 0, 1), WEIR_SHARE_SESSION_LIMIT_REACHED);
    cr_assert_eq(fetch("b", 0, 9), WEIR_SHARE_SESSION_LIMIT_REACHED); /* partitions */
    cr_assert_eq(fetch("b", 1, 0), WEIR_OK);                          /* and is as it was */
    cr_assert(weir_share_sessions_close(sessions, WEIR_SLICE("g"), WEIR_SLICE("a"), &arena, &items,
                                        &item_count));
    cr_assert_eq(item_count, 1);
    cr_assert_eq(fetch("c", 0, 1), WEIR_OK);
    stop();
}

Test(share_sessions, who_gave_records_comes_last)
{
    start();
    cr_assert_eq(fetch("a", 0, 3), WEIR_OK);
    struct weir_share_session_partition first = part(0);
    weir_share_sessions_served(sessions, WEIR_SLICE("g"), WEIR_SLICE("a"), &first);
    cr_assert_eq(fetch("a", 1, 0), WEIR_OK);
    cr_assert_eq(items[0].partition, 1);
    cr_assert_eq(items[2].partition, 0);
    stop();
}

Test(share_sessions, the_last_request_needs_a_session_and_leaves_it)
{
    start();
    cr_assert_eq(fetch("a", -1, 0), WEIR_SHARE_SESSION_NOT_FOUND);
    cr_assert_eq(fetch("a", 0, 2), WEIR_OK);
    cr_assert_eq(fetch("a", -1, 0), WEIR_OK);
    cr_assert_eq(item_count, 0);
    cr_assert(weir_share_sessions_close(sessions, WEIR_SLICE("g"), WEIR_SLICE("a"), &arena, &items,
                                        &item_count));
    cr_assert_eq(item_count, 2);
    cr_assert_not(weir_share_sessions_close(sessions, WEIR_SLICE("g"), WEIR_SLICE("a"), &arena,
                                            &items, &item_count));
    stop();
}

Test(share_sessions, a_connection_that_ends_leads_to_its_sessions)
{
    start();
    struct weir_slice group;
    struct weir_slice member;
    cr_assert_eq(fetch("a", 0, 1), WEIR_OK);
    cr_assert_not(weir_share_sessions_of_connection(sessions, 8, &arena, &group, &member));
    cr_assert(weir_share_sessions_of_connection(sessions, 7, &arena, &group, &member));
    cr_assert(weir_slice_is(group, "g") && weir_slice_is(member, "a"));
    cr_assert(weir_share_sessions_close(sessions, group, member, &arena, &items, &item_count));
    cr_assert_not(weir_share_sessions_of_connection(sessions, 7, &arena, &group, &member));
    stop();
}
