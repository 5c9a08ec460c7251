/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The assignor "simple" of share groups (KIP-932).  A partition may go to several members: with
 * fewer partitions than members each is shared by as many as it takes for everybody to have one.
 * Balance comes first, then what a member has stays with it.  When subscriptions differ, each topic
 * is shared out among those who subscribe to it, without regard to the others.  As in Apache
 * Kafka 4.3.0, but that members and topics are taken in the order in which they are handed in,
 * where Kafka takes them in the order of its hash maps.  Pure; any thread.
 */

#include "weir/assign/assignor.h"

/* Instance ids and racks have no say.  *out as of weir_assign, except that a partition may have
 * several owners.  INVALID when an index or a count of the spec is out of range, NO_MEMORY when the
 * arena's limit is reached; *out is untouched then. */
WEIR_MUST_CHECK enum weir_status weir_assign_simple(const struct weir_assign_spec *spec,
                                                    struct weir_arena *arena,
                                                    struct weir_assignment *out);
