/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the APIs of share groups (76, 77, 90 to 92) have in common. */

#include "api_int.h"

/* Continues with `then` when __share_group_state exists, which it makes, or when it could not be
 * made. */
void weir_call_with_share_topic(struct weir_call *call, void (*then)(struct weir_call *call));
/* The words of Apache Kafka for an error, where it sends them; null for OK. */
struct weir_slice weir_share_error_text(enum weir_status status, struct weir_slice own);
