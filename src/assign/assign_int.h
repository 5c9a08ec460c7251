/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the assignors share.  An assignment in the making is one array of owners: that of partition
 * p of topic t is owners[first[t] + p], a member's index or NOBODY.
 */

#include "weir/assign/assignor.h"

#define NOBODY (-1)

struct plan {
    const struct weir_assign_spec *spec;
    struct weir_arena *arena;
    size_t *first; /* of each topic, and one more: the number of partitions */
    int32_t *owners;
};

static inline int32_t *plan_owners(const struct plan *plan, uint32_t topic)
{
    return plan->owners + plan->first[topic];
}

/* Whether the member's subscription has the topic; by halving. */
bool subscribes_to(const struct weir_assign_member *member, uint32_t topic);

/* Each fills plan->owners.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status assign_range(struct plan *plan);
WEIR_MUST_CHECK enum weir_status assign_uniform_same(struct plan *plan);  /* homogeneous */
WEIR_MUST_CHECK enum weir_status assign_uniform_mixed(struct plan *plan); /* heterogeneous */
