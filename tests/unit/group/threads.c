/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many threads at one service, with a real task pool and a real clock, while shards change hands:
 * for ThreadSanitizer, and to see that each op is done once.  How far the clients get is not checked.
 */

#define GROUP_WORLD_PLAIN
#include "group_world.h"

#include "../coordinator/threads_world.h"

struct slot {
    struct weir_group_join join;
    atomic_int done;
};

static void slot_done(struct weir_group_op *op)
{
    struct weir_group_join *join = WEIR_CONTAINER_OF(op, struct weir_group_join, op);
    atomic_fetch_add(&WEIR_CONTAINER_OF(join, struct slot, join)->done, 1);
}

static void nothing_done(struct weir_group_op *op)
{
    (void)op;
}

static void commit_offset(const char *group, int64_t offset)
{
    struct weir_offset_commit_item item = {
        .topic = WEIR_SLICE("t"), .leader_epoch = -1, .offset = offset};
    struct weir_group_offset_commit_request request = {
        .group_id = weir_slice_str(group), .generation = -1, .retention_ms = -1};
    struct weir_offset_commit commit = {
        .op = {.done = nothing_done}, .items = &item, .item_count = 1};
    weir_group_offset_commit(world.service, &request, &commit);
    if (commit.op.status == WEIR_OK)
        atomic_fetch_add(&commits, 1);
    weir_group_op_free(&commit.op); /* the log commits at once: it is done */
}

static void *run_client(void *context)
{
    int thread = *(int *)context;
    for (int round = 0; !atomic_load(&must_end); round++) {
        char group[16];
        (void)snprintf(group, sizeof(group), "g%d", (thread + round) % 6); /* fits */
        struct slot *slot = weir_calloc(1, sizeof(*slot));
        slot->join.op.done = slot_done;
        struct weir_group_join_request request = join_request(group, WEIR_EMPTY_SLICE);
        request.requires_known_member_id = false;
        weir_group_join(world.service, &request, &slot->join);
        (void)heartbeat(group, WEIR_SLICE("m"), 1);
        commit_offset(thread % 2 == 0 ? "simple" : "plain", round);
        struct weir_group_list_request all = {0};
        struct weir_group_list list = {.op = {.done = nothing_done}};
        weir_group_list(world.service, &all, &list);
        weir_group_op_free(&list.op);
        if (!weir_group_cancel(world.service, &slot->join.op)) {
            while (atomic_load(&slot->done) == 0)
                sched_yield(); /* another thread is about to run it */
            cr_assert_eq(atomic_load(&slot->done), 1);
        }
        weir_group_op_free(&slot->join.op);
        weir_free(slot);
    }
    return NULL;
}

int main(void)
{
    threads_world_init(&world.base);
    struct weir_group_config config = weir_group_config_default();
    config.initial_rebalance_delay_ms = 1;
    WEIR_ASSERT(weir_image_publisher_new(&world.images) == WEIR_OK);
    struct weir_group_service_options options = {.env = weir_env_posix(),
                                                 .images = world.images,
                                                 .statics = &world.statics,
                                                 .pool = world.base.pool,
                                                 .port = &locked_port,
                                                 .port_context = &world.base,
                                                 .config = config};
    cr_assert_eq(weir_group_service_new(&options, &world.service), WEIR_OK);
    threads_run(weir_group_service_coordinator(world.service), run_client, 15, true);
    world_stop();
    weir_lock_done(&log_lock);
    return 0;
}
