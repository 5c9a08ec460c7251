/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What Kafka computes over Java strings, for UTF-8: the hash that spreads groups and transactional
 * ids over partitions, and lengths as Java counts them.  Pure; any thread.
 */

#include "weir/base/slice.h"

/* h = 31 * h + unit over the UTF-16 code units, wrapping.  Bytes that are no UTF-8 count as U+FFFD,
 * as Java's decoder has it. */
int32_t weir_java_hash(struct weir_slice utf8);

/* String.length(): UTF-16 code units. */
size_t weir_java_length(struct weir_slice utf8);

/* abs(hash) mod partition_count, where abs of the least integer is 0.  partition_count > 0. */
int32_t weir_key_partition(struct weir_slice key, int32_t partition_count);
