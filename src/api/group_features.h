/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether this cluster and this broker serve a protocol of groups. */

#include "api_int.h"

/* The feature (say "group.version") is finalised at a level above 0, and
 * group.coordinator.rebalance.protocols names the protocol (say "consumer").  Otherwise Kafka
 * answers UNSUPPORTED_VERSION. */
bool weir_group_protocol_is_enabled(const struct weir_call *call, const char *feature,
                                    const char *protocol);
