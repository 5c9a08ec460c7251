/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What AlterConfigs and IncrementalAlterConfigs have in common.  As in Apache Kafka the broker that
 * was asked refuses what cannot be right (a resource or a key twice, a null value, another broker's
 * configs, an unknown type), and the controller decides the rest; each resource gets its own
 * answer, in the order of the request.
 */

#include "api_int.h"

struct weir_config_target {
    int8_t type;
    struct weir_slice name;
    const struct weir_config_change *changes;
    size_t change_count;
    /* The answer. */
    bool is_answered;
    enum weir_error_code code;
    struct weir_slice message; /* null: none */
};

struct weir_config_changes {
    struct weir_controller_op op;
    struct weir_config_target *targets;
    size_t target_count;
    bool validate_only;
    bool replace_all; /* AlterConfigs */
    /* All targets are answered; on the loop. */
    void (*respond)(struct weir_call *call, const struct weir_config_changes *changes);
};

/* changes lies in the call's arena.  Ends the call through respond, or closes it when memory is
 * out. */
void weir_config_changes_run(struct weir_call *call, struct weir_config_changes *changes);
