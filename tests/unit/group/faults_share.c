/* SPDX-License-Identifier: Apache-2.0 */

/* A share group in which the n-th allocation and all after it fail, for every n: nothing leaks,
 * nothing is half done, every operation is answered, and afterwards the group goes on.  A plain
 * program for the leak checker. */

#define GROUP_WORLD_PLAIN
#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include "share_world.h"

#include <stdio.h>

#define ALLOCATIONS 4000
#define STEP        3 /* every third is enough to meet each place */

static void live(struct sharer *a, struct sharer *b)
{
    (void)sharer_join(a, "g", "a", "tu");
    fake_world_advance(&world.base, 1001);
    (void)sharer_beat(a);
    fake_world_advance(&world.base, 1001);
    (void)sharer_join(b, "g", "b", "t");
    for (int i = 0; i < 3; i++) {
        fake_world_advance(&world.base, 1001);
        (void)sharer_beat(a);
        (void)sharer_beat(b);
    }
    (void)sharer_say(b, "u");
    (void)share_tale("g");
    (void)sharer_leave(b);
    (void)sharer_leave(a);
    (void)share_alter_one("g", "t", 1, 5);
    (void)share_delete_one("g", "u");
    (void)delete_group("g");
    (void)share_alter_one("other", "t", 1, 5);
}

static bool is_whole(const struct sharer *a)
{
    return a->held_count == 7;
}

int main(void)
{
    for (long n = 0; n < ALLOCATIONS; n += STEP) {
        struct sharer a = {0};
        struct sharer b = {0};
        share_world_start();
        create_topic("t", 1, 3);
        create_topic("u", 2, 4);
        weir_memory_fail_after(n);
        live(&a, &b);
        weir_memory_fail_after(-1);
        world_restart();
        cr_assert_eq(sharer_join(&a, "g", "a", "tu"), WEIR_OK);
        for (int i = 0; i < 60; i++) { /* until the other's session is over */
            fake_world_advance(&world.base, 1001);
            cr_assert_eq(sharer_beat(&a), WEIR_OK);
        }
        cr_assert(is_whole(&a));
        cr_assert_eq(share_partition_count("g"), 7);
        share_world_stop();
    }
    return 0;
}
