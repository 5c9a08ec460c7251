/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state of the cluster as the metadata log tells it: topics, partitions, brokers, configs,
 * features.  An image is immutable and reference-counted.  A new one shares everything that did not
 * change with the one before it, so two pointers that are equal mean "unchanged": compare
 * old_topic->partitions[i] with new_topic->partitions[i].
 *
 * Readers take the current image once per request and use it to the end of the request; nothing
 * they see changes under them.  All structs here are read-only for everybody but src/metadata.
 * Pointers and slices found in an image live as long as a reference to it is held.
 */

#include "weir/base/list.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"

#include <stdint.h>

struct weir_image;
struct weir_image_publisher;

/* First member of everything an image shares; private to src/metadata. */
struct weir_image_node {
    const struct weir_image_node_ops *ops;
    struct weir_slice key; /* the order of its table, bytewise */
    uint32_t refs;         /* atomic */
};

struct weir_i32_list {
    const int32_t *items;
    size_t count;
};

bool weir_i32_list_contains(struct weir_i32_list list, int32_t value);

#define WEIR_NO_LEADER (-1)

enum weir_recovery_state { WEIR_RECOVERED = 0, WEIR_RECOVERING = 1 };

struct weir_image_partition {
    struct weir_image_node node;
    int32_t id;
    int32_t leader; /* broker id, or WEIR_NO_LEADER */
    int32_t leader_epoch;
    int32_t partition_epoch;
    enum weir_recovery_state recovery_state;
    struct weir_i32_list replicas; /* in order of preference; the first is the preferred leader */
    struct weir_i32_list isr;
    struct weir_i32_list removing;
    struct weir_i32_list adding;
    struct weir_i32_list elr; /* eligible leader replicas, KIP-966 */
    struct weir_i32_list last_known_elr;
    const struct weir_uuid *directories; /* one for each replica; see WEIR_DIRECTORY_* below */
};

/* Directory ids that name no directory: weir_uuid_small(0), (1) and (2). */
enum { WEIR_DIRECTORY_MIGRATING = 0, WEIR_DIRECTORY_UNASSIGNED = 1, WEIR_DIRECTORY_LOST = 2 };

struct weir_image_topic {
    struct weir_image_node node;
    struct weir_slice name;
    struct weir_uuid id;
    bool is_internal; /* __consumer_offsets, __transaction_state, __share_group_state */
    int32_t partition_count;
    const struct weir_image_partition *const *partitions; /* by partition id; none is NULL */
};

struct weir_image_endpoint {
    struct weir_slice name; /* of the listener */
    struct weir_slice host;
    uint16_t port;
    int16_t security_protocol; /* 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
};

struct weir_image_feature_range {
    struct weir_slice name;
    int16_t min;
    int16_t max;
};

struct weir_image_broker {
    struct weir_image_node node;
    int32_t id;
    int64_t epoch;
    struct weir_uuid incarnation_id;
    bool is_fenced;
    bool in_controlled_shutdown;
    struct weir_slice rack; /* null: none */
    const struct weir_image_endpoint *endpoints;
    size_t endpoint_count;
    const struct weir_image_feature_range *features;
    size_t feature_count;
    const struct weir_uuid *log_dirs;
    size_t log_dir_count;
    bool has_cordoned_log_dirs; /* false: the broker has never said */
    const struct weir_uuid *cordoned_log_dirs;
    size_t cordoned_log_dir_count;
};

struct weir_image_controller {
    struct weir_image_node node;
    int32_t id;
    struct weir_uuid incarnation_id;
    bool is_zk_migration_ready;
    const struct weir_image_endpoint *endpoints;
    size_t endpoint_count;
    const struct weir_image_feature_range *features;
    size_t feature_count;
};

struct weir_image_feature {
    struct weir_image_node node;
    struct weir_slice name;
    int16_t level;
};

/* Resource types as they are in records and on the wire. */
enum weir_resource_type {
    WEIR_RESOURCE_UNKNOWN = 0,
    WEIR_RESOURCE_TOPIC = 2,
    WEIR_RESOURCE_BROKER = 4,
    WEIR_RESOURCE_BROKER_LOGGER = 8,
    WEIR_RESOURCE_CLIENT_METRICS = 16,
    WEIR_RESOURCE_GROUP = 32
};

struct weir_image_config_entry {
    struct weir_slice name;
    struct weir_slice value;
};

/* What was set for one resource.  Broker with the empty name is the default of all brokers. */
struct weir_image_config {
    struct weir_image_node node;
    enum weir_resource_type type;
    struct weir_slice name;
    const struct weir_image_config_entry *entries; /* by name */
    size_t entry_count;
};

/* A record kept as it came (ACLs, quotas, SCRAM credentials, tokens): nothing the log holds is
 * lost, and who needs it decodes it.  kind is the record's api key; value is the record's body in
 * record version `version`. */
struct weir_image_raw {
    struct weir_image_node node;
    int16_t kind;
    int16_t version;
    struct weir_slice value;
};

/* ---- Taking an image ---- */

/* From any thread; the caller unrefs.  Never NULL: before the first publish it is the empty image.
 */
const struct weir_image *weir_image_ref_current(struct weir_image_publisher *publisher);
const struct weir_image *weir_image_ref(const struct weir_image *image);
/* NULL is allowed. */
void weir_image_unref(const struct weir_image *image);

/* A thread's own cache of the current image: current() costs one load while nothing was published.
 */
struct weir_image_reader {
    struct weir_image_publisher *publisher;
    const struct weir_image *image;
    uint64_t generation;
};

void weir_image_reader_init(struct weir_image_reader *reader,
                            struct weir_image_publisher *publisher);
void weir_image_reader_done(struct weir_image_reader *reader);
/* Borrowed until the next call with this reader; ref it to keep it longer (a pending answer must).
 */
const struct weir_image *weir_image_reader_current(struct weir_image_reader *reader);

/* ---- Looking ---- */

/* All records below this offset are in the image; -1 in the empty one. */
int64_t weir_image_last_offset(const struct weir_image *image);
int32_t weir_image_last_epoch(const struct weir_image *image);

/* NULL when there is none. */
const struct weir_image_topic *weir_image_topic(const struct weir_image *image,
                                                struct weir_slice name);
const struct weir_image_topic *weir_image_topic_by_id(const struct weir_image *image,
                                                      struct weir_uuid id);
const struct weir_image_partition *weir_image_partition(const struct weir_image *image,
                                                        struct weir_slice topic, int32_t partition);
/* In name order: index 0 .. count-1. */
size_t weir_image_topic_count(const struct weir_image *image);
const struct weir_image_topic *weir_image_topic_at(const struct weir_image *image, size_t index);
/* The index of the first topic whose name is >= name (count when there is none); for paging. */
size_t weir_image_topic_lower_bound(const struct weir_image *image, struct weir_slice name);
/* Of all topics together. */
int64_t weir_image_partition_count(const struct weir_image *image);

/* In id order. */
const struct weir_image_broker *weir_image_broker(const struct weir_image *image, int32_t id);
size_t weir_image_broker_count(const struct weir_image *image);
const struct weir_image_broker *weir_image_broker_at(const struct weir_image *image, size_t index);
size_t weir_image_controller_count(const struct weir_image *image);
const struct weir_image_controller *weir_image_controller_at(const struct weir_image *image,
                                                             size_t index);

/* Finalized features.  level is 0 when the feature is not there. */
int16_t weir_image_feature_level(const struct weir_image *image, const char *name);
size_t weir_image_feature_count(const struct weir_image *image);
const struct weir_image_feature *weir_image_feature_at(const struct weir_image *image,
                                                       size_t index);
/* What ApiVersions gives as FinalizedFeaturesEpoch: the image's last offset. */
int64_t weir_image_feature_epoch(const struct weir_image *image);

/* NULL when nothing was ever set.  Order of iteration: type, then name. */
const struct weir_image_config *weir_image_config(const struct weir_image *image,
                                                  enum weir_resource_type type,
                                                  struct weir_slice name);
size_t weir_image_config_count(const struct weir_image *image);
const struct weir_image_config *weir_image_config_at(const struct weir_image *image, size_t index);
/* The value set for this key, or the null slice.  config may be NULL. */
struct weir_slice weir_image_config_get(const struct weir_image_config *config,
                                        struct weir_slice key);

/* Records of one kind, in the order of their identity: [*out_first, return value). */
size_t weir_image_raw_range(const struct weir_image *image, int16_t kind, size_t *out_first);
const struct weir_image_raw *weir_image_raw_at(const struct weir_image *image, size_t index);

/* The first producer id that no block was given out of. */
int64_t weir_image_next_producer_id(const struct weir_image *image);

/* ---- Hearing of changes ---- */

struct weir_image_topic_change {
    const struct weir_image_topic *before;
    const struct weir_image_topic *after; /* the same id; partitions differ, or there are more */
};

/* What differs between two images.  A topic that was deleted and created again is in both lists. */
struct weir_image_delta {
    const struct weir_image_topic *const *created_topics;
    size_t created_topic_count;
    const struct weir_image_topic *const *deleted_topics; /* from the old image */
    size_t deleted_topic_count;
    const struct weir_image_topic_change *changed_topics;
    size_t changed_topic_count;
    /* Resources whose configs changed, as they are now; one that lost its last entry has
     * entry_count 0. */
    const struct weir_image_config *const *changed_configs;
    size_t changed_config_count;
    bool brokers_changed;
    bool features_changed;
    bool raw_changed; /* ACLs, quotas, SCRAM, tokens */
};

/* Called on the controller's thread after the records are durable and the image is current, before
 * the operation that caused it completes: when CreateTopics answers, all listeners have run.  May
 * block (it creates logs); must not submit to the controller and wait. */
struct weir_image_listener {
    struct weir_list node;
    void (*published)(struct weir_image_listener *listener, const struct weir_image *before,
                      const struct weir_image *after, const struct weir_image_delta *delta);
};

WEIR_MUST_CHECK enum weir_status weir_image_publisher_new(struct weir_image_publisher **out);
/* All references taken from it must be back. */
void weir_image_publisher_free(struct weir_image_publisher *publisher);
/* Before the controller starts; the listener outlives the publisher.  Called in the order of
 * registration; the first call has the empty image as `before`. */
void weir_image_publisher_listen(struct weir_image_publisher *publisher,
                                 struct weir_image_listener *listener);
