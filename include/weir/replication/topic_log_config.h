/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The effective configuration of a topic in the form its partition logs take it.  Pure; any thread.
 */

#include "weir/metadata/config_resolve.h"
#include "weir/storage/log_config.h"

void weir_topic_log_config(const struct weir_config_resolver *resolver, struct weir_slice topic,
                           struct weir_log_config *out);
