/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sentences that Apache Kafka 4.3.0 puts into answers and that people and tools search for, so they
 * are the same here.  The first group is what Kafka says for an error code when nobody says
 * anything better.
 */

#include "weir/base/arena.h"
#include "weir/base/slice.h"

#define WEIR_TEXT_UNKNOWN_TOPIC    WEIR_SLICE("This server does not host this topic-partition.")
#define WEIR_TEXT_UNKNOWN_TOPIC_ID WEIR_SLICE("This server does not host this topic ID.")
#define WEIR_TEXT_INVALID_REQUEST                                                                  \
    WEIR_SLICE("This most likely occurs because of a request being malformed by the client "       \
               "library or the message was sent to an incompatible broker. See the broker logs "   \
               "for more details.")

#define WEIR_TEXT_DUPLICATE_TOPIC_NAME WEIR_SLICE("Duplicate topic name.")

/* Text from a request as it may be quoted in an answer: strings on the wire end at 32767 bytes, and a quoted one has
 * company. */
#define WEIR_TEXT_QUOTED_BYTES_MAX 16384
struct weir_slice weir_text_quoted(struct weir_slice text);

/* Why the name cannot be a topic's, in Kafka's words; the null slice when it can.  From the arena;
 * when that is out of memory, the empty slice. */
struct weir_slice weir_topic_name_problem(struct weir_arena *arena, struct weir_slice name);

/* Kafka's reading of a node id in a resource name: a decimal int32 with an optional sign.  False
 * when it is not one. */
bool weir_node_id_parse(struct weir_slice text, int32_t *out);
