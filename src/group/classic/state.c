/* SPDX-License-Identifier: Apache-2.0 */

/* The states of a classic group; the diagram and what may be trusted in each are in group_int.h. */

#include "classic_int.h"

#include "weir/base/assert.h"

const char *classic_state_name(enum classic_state state)
{
    switch (state) {
    case CLASSIC_EMPTY:
        return "Empty";
    case CLASSIC_PREPARING:
        return "PreparingRebalance";
    case CLASSIC_COMPLETING:
        return "CompletingRebalance";
    case CLASSIC_STABLE:
        return "Stable";
    case CLASSIC_DEAD:
        return "Dead";
    }
    WEIR_UNREACHABLE();
}

bool classic_may_move(enum classic_state from, enum classic_state to)
{
    static const bool is_legal[5][5] = {
        [CLASSIC_EMPTY] = {[CLASSIC_PREPARING] = true, [CLASSIC_DEAD] = true},
        [CLASSIC_PREPARING] =
            {[CLASSIC_EMPTY] = true, [CLASSIC_COMPLETING] = true, [CLASSIC_DEAD] = true},
        [CLASSIC_COMPLETING] =
            {[CLASSIC_PREPARING] = true, [CLASSIC_STABLE] = true, [CLASSIC_DEAD] = true},
        [CLASSIC_STABLE] = {[CLASSIC_PREPARING] = true, [CLASSIC_DEAD] = true},
        [CLASSIC_DEAD] = {false, false, false, false, true},
    };
    return is_legal[from][to];
}

void classic_set_state(struct classic_group *group, enum classic_state state, int64_t wall_ms)
{
    WEIR_ASSERT(classic_may_move(group->state, state));
    group->previous_state = group->state;
    group->state = state;
    group->state_timestamp_ms = wall_ms; /* what offset expiry counts from (KIP-211) */
}
