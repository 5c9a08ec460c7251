/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The election state of a voter, as the file quorum-state keeps it.  Calls block; one thread. */

#include "weir/base/status.h"
#include "weir/base/uuid.h"
#include "weir/runtime/env.h"

/* The election state that must never be forgotten: quorum-state (JSON, one line; kraft.md 2.6). */
struct weir_quorum_state {
    int32_t leader_id; /* -1: none */
    int32_t leader_epoch;
    int32_t voted_id; /* -1: none */
    struct weir_uuid voted_directory_id;
    int16_t data_version; /* 0 with kraft.version 0, else 1 */
    size_t voter_count;   /* data version 0: listed voters */
    int32_t voter_id;     /* the first of them */
};

/* NOT_FOUND when there is none, CORRUPT when it is not understood. */
WEIR_MUST_CHECK enum weir_status weir_quorum_state_read(struct weir_env *env, const char *dir,
                                                        struct weir_quorum_state *out,
                                                        struct weir_detail *detail);
/* Durable when it returns. */
WEIR_MUST_CHECK enum weir_status weir_quorum_state_write(struct weir_env *env, const char *dir,
                                                         const struct weir_quorum_state *state,
                                                         struct weir_detail *detail);
