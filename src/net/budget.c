/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/net/budget.h"

#include "weir/base/assert.h"

void weir_budget_init(struct weir_budget *budget, size_t limit_bytes)
{
    atomic_init(&budget->used_bytes, 0);
    budget->limit_bytes = limit_bytes;
}

bool weir_budget_take(struct weir_budget *budget, size_t bytes)
{
    size_t used = atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
    do {
        if (used > budget->limit_bytes || bytes > budget->limit_bytes - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used_bytes, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void weir_budget_force(struct weir_budget *budget, size_t bytes)
{
    atomic_fetch_add_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
}

void weir_budget_give(struct weir_budget *budget, size_t bytes)
{
    size_t before = atomic_fetch_sub_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
    WEIR_ASSERT(before >= bytes);
}

bool weir_budget_is_full(const struct weir_budget *budget)
{
    return weir_budget_used(budget) >= budget->limit_bytes;
}

size_t weir_budget_used(const struct weir_budget *budget)
{
    return atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
}
