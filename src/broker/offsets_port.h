/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How the group coordinator reaches the partitions of __consumer_offsets on this broker. */

#include "weir/coordinator/log_port.h"
#include "weir/replication/replicas.h"

struct weir_offsets_port {
    struct weir_env *env;
    struct weir_image_publisher *publisher;
    struct weir_replicas *replicas;
};

/* The table's context is a struct weir_offsets_port. */
extern const struct weir_log_port weir_offsets_port;
