/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* meta.properties and .kafka_cleanshutdown: who a log directory belongs to, and whether it was
 * closed well.  Blocking. */

#include "weir/base/uuid.h"
#include "weir/runtime/env.h"

#define WEIR_CLUSTER_ID_BYTES 64

struct weir_meta_properties {
    char cluster_id[WEIR_CLUSTER_ID_BYTES]; /* NUL-terminated */
    int32_t node_id;
    struct weir_uuid directory_id; /* zero when the file has none */
};

/* NOT_FOUND when there is none, CORRUPT when a needed key is missing or wrong (version must be 1; 0
 * is UNSUPPORTED). */
WEIR_MUST_CHECK enum weir_status weir_meta_properties_read(struct weir_env *env, const char *dir,
                                                           struct weir_meta_properties *out,
                                                           struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status
weir_meta_properties_write(struct weir_env *env, const char *dir,
                           const struct weir_meta_properties *properties,
                           struct weir_detail *detail);

/* A random directory or cluster id as Kafka draws them. */
struct weir_uuid weir_random_uuid(struct weir_env *env);

/* The marker's broker epoch; NOT_FOUND without a marker.  A marker that cannot be read counts, with
 * epoch -1. */
WEIR_MUST_CHECK enum weir_status weir_clean_marker_read(struct weir_env *env, const char *dir,
                                                        int64_t *out_broker_epoch,
                                                        struct weir_detail *detail);
/* Removed durably. */
WEIR_MUST_CHECK enum weir_status weir_clean_marker_remove(struct weir_env *env, const char *dir,
                                                          struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_clean_marker_write(struct weir_env *env, const char *dir,
                                                         int64_t broker_epoch,
                                                         struct weir_detail *detail);
