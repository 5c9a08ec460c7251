/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How a coordinator reaches the partitions of its internal topic on this broker. */

#include "weir/coordinator/log_port.h"
#include "weir/replication/replicas.h"

struct weir_topic_port {
    struct weir_env *env;
    struct weir_image_publisher *publisher;
    struct weir_replicas *replicas;
    struct weir_slice topic; /* "__consumer_offsets" */
};

/* The table's context is a struct weir_topic_port. */
extern const struct weir_log_port weir_topic_port;
