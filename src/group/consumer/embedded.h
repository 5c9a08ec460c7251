/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Private to src/group/consumer: what classic members put into their metadata and assignments
 * (Kafka's ConsumerProtocol: an int16 version, then the message). */

#include "consumer_int.h"

#include "weir/protocol/records/consumer_protocol_subscription.h"

/* INVALID or CORRUPT: not of that form.  Slices point into metadata, arrays into the arena. */
WEIR_MUST_CHECK enum weir_status
embedded_subscription(struct weir_slice metadata, struct weir_arena *arena,
                      struct weir_consumer_protocol_subscription *out);
/* An empty assignment is none.  Topics that are gone are left out.  UNSUPPORTED: a custom
 * assignor's user data is in it, and would be lost. */
WEIR_MUST_CHECK enum weir_status embedded_assignment(struct weir_slice assignment,
                                                     const struct weir_image *image, int32_t epoch,
                                                     struct weir_arena *arena,
                                                     struct partition_set *out);
/* In the version of the member's metadata.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status embedded_write_assignment(const struct partition_set *set,
                                                           const struct weir_image *image,
                                                           struct weir_slice metadata,
                                                           struct weir_arena *arena,
                                                           struct weir_slice *out);
/* Sorted, each once, in the arena. */
WEIR_MUST_CHECK enum weir_status
embedded_topics(const struct weir_consumer_protocol_subscription *subscription,
                struct weir_arena *arena, struct member_data *member);
