/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A number of bytes that all loops share.  Any thread; the counts are relaxed, for nothing else is
 * published through them. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct weir_budget {
    _Atomic size_t used_bytes;
    size_t limit_bytes;
};

void weir_budget_init(struct weir_budget *budget, size_t limit_bytes);
/* False, and nothing taken, when they would not fit. */
bool weir_budget_take(struct weir_budget *budget, size_t bytes);
/* Takes them even beyond the limit: for what exists already, or to let one go on so that all can.
 */
void weir_budget_force(struct weir_budget *budget, size_t bytes);
void weir_budget_give(struct weir_budget *budget, size_t bytes);
bool weir_budget_is_full(const struct weir_budget *budget);
size_t weir_budget_used(const struct weir_budget *budget);
