/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which items of a request name the same thing.  Kafka refuses those instead of choosing one. */

#include "weir/base/arena.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"

enum weir_occurrence {
    WEIR_OCCURS_ONCE,
    WEIR_OCCURS_FIRST,   /* of several */
    WEIR_OCCURS_REPEATED /* an equal one came before */
};

/* (*out)[i] is the index of the first key that equals keys[i]; from the arena.  Equal means the same bytes; a null
 * and an empty key are equal.  NO_MEMORY is the only failure, here and below. */
WEIR_MUST_CHECK enum weir_status weir_find_firsts(struct weir_arena *arena,
                                                  const struct weir_slice *keys, size_t count,
                                                  size_t **out);

/* (*out)[i] tells about keys[i]. */
WEIR_MUST_CHECK enum weir_status weir_find_repeats(struct weir_arena *arena,
                                                   const struct weir_slice *keys, size_t count,
                                                   enum weir_occurrence **out);
