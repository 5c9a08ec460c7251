/* SPDX-License-Identifier: Apache-2.0 */

/* A streams group in which the n-th allocation and all after it fail, for every n: nothing leaks,
 * nothing is half done, and afterwards the group goes on.  A plain program for the leak checker. */

#define GROUP_WORLD_PLAIN
#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include "streams_world.h"

#include <stdio.h>

#define ALLOCATIONS 8000
#define STEP        7 /* every seventh is enough to meet each place */

static void live(struct streams_app *a, struct streams_app *b)
{
    (void)app_join(a, "a", "p");
    fake_world_advance(&world.base, 3001);
    (void)app_beat(a);
    (void)app_join(b, "b", "q");
    for (int i = 0; i < 4; i++) {
        fake_world_advance(&world.base, 1001);
        (void)app_beat(a);
        (void)app_beat(b);
    }
    (void)streams_story();
    (void)app_leave(b);
}

int main(void)
{
    for (long n = 0; n < ALLOCATIONS; n += STEP) {
        struct streams_app a = {0};
        struct streams_app b = {0};
        image_offset = 0;
        world_start();
        create_topic("in", 1, 4);
        create_topic("rep", 2, 4);
        create_topic("log", 3, 4);
        weir_memory_fail_after(n);
        live(&a, &b);
        weir_memory_fail_after(-1);
        world_restart();
        cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
        for (int i = 0; i < 60; i++) { /* until the other's session is over */
            fake_world_advance(&world.base, 1001);
            cr_assert_eq(app_beat(&a), WEIR_OK);
        }
        cr_assert_eq(app_task_count(&a), 8);
        cr_assert(streams_is("Stable"));
        world_stop();
    }
    return 0;
}
