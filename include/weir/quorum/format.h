/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * (meta.properties itself is storage/meta_properties.h.)
 * What `kafka-storage.sh format` leaves in a directory, and reading it back: meta.properties in
 * each log directory, bootstrap.checkpoint (the feature levels a new cluster begins with) in the
 * metadata directory, and for a dynamic quorum the checkpoint 0-0 with the first voter set.  Calls
 * block; before any loop runs.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"
#include "weir/runtime/env.h"

struct weir_format_feature {
    const char *name;
    int16_t level;
};

struct weir_format_options {
    const char *const *log_dirs; /* created when missing */
    size_t log_dir_count;
    const char *metadata_dir; /* NULL: the first log dir; may also be outside the list */
    int32_t node_id;
    const char *cluster_id; /* NULL: a random one */
    const struct weir_format_feature
        *features; /* levels that differ from 4.3.0's defaults; 0 leaves one out */
    size_t feature_count;
    /* --standalone: a dynamic quorum whose only voter is this node.  All three or none. */
    const char *controller_listener;
    const char *controller_host;
    uint16_t controller_port;
    /* Log directories that cannot be used (I/O errors, no directory) are passed over, the metadata
     * directory excepted. */
    bool skip_unusable;
    bool ignore_formatted; /* directories that are formatted already (same cluster and node) are
                              left as they are */
};

/* EXISTS (with the words of kafka-storage.sh) when a directory is formatted and ignore_formatted is
 * not set; INVALID for a cluster or node id that contradicts what is there.  out_cluster_id may be
 * NULL. */
WEIR_MUST_CHECK enum weir_status weir_format(struct weir_env *env,
                                             const struct weir_format_options *options,
                                             char out_cluster_id[64], struct weir_detail *detail);

/* (A log directory that cannot be used for its disk's sake is passed over, its id is zero; whoever
 * opens it takes it offline.  The metadata directory must be usable.) */
/* The directories of a start: reads every meta.properties, formats those that have none when
 * allow_format (a fresh directory gets the cluster id of the others, or a random one), and refuses
 * what contradicts itself: different cluster or node ids, a directory id seen twice.
 * out_directory_ids has room for log_dir_count ids. */
struct weir_dirs_options {
    const char *const *log_dirs;
    size_t log_dir_count;
    const char *metadata_dir; /* NULL: the first log dir */
    int32_t node_id;
    bool allow_format;
    const char *expected_cluster_id; /* NULL: any */
};
WEIR_MUST_CHECK enum weir_status
weir_dirs_check(struct weir_env *env, const struct weir_dirs_options *options,
                char out_cluster_id[64], struct weir_uuid *out_directory_ids,
                struct weir_uuid *out_metadata_directory_id, struct weir_detail *detail);

/* The finalized features of 4.3.0 by default, and the range this program supports. */
struct weir_supported_feature {
    const char *name;
    int16_t min;
    int16_t max;
    int16_t default_level;
};
/* In name order, kraft.version included; ends after *out_count entries. */
const struct weir_supported_feature *weir_supported_features(size_t *out_count);
