/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* partition.metadata: which topic id a partition directory belongs to.  Blocking. */

#include "weir/base/uuid.h"
#include "weir/runtime/env.h"

/* NOT_FOUND when there is none, CORRUPT when it is not understood. */
WEIR_MUST_CHECK enum weir_status weir_partition_metadata_read(struct weir_env *env, const char *dir,
                                                              struct weir_uuid *out_topic_id,
                                                              struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_partition_metadata_write(struct weir_env *env,
                                                               const char *dir,
                                                               struct weir_uuid topic_id,
                                                               struct weir_detail *detail);
