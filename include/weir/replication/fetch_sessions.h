/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Incremental fetch sessions (KIP-227): the broker remembers which partitions a client fetches, the
 * client sends only what changed, and the answer holds only partitions that have something new.
 *
 * A fetch begins (weir_fetch_sessions_begin: checks session id and epoch, applies the request,
 * gives the list of partitions to read) and ends (weir_fetch_session_filter for each partition that
 * was read).  The list is a copy in the request's arena, so a fetch that waits holds nothing and
 * several connections cannot disturb each other. Any thread; one short lock (rank FETCH_SESSIONS).
 * The cache has a maximum of sessions; when it is full of sessions that are in use, the client gets
 * session id 0 and sends whole requests.
 */

#include "weir/base/arena.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"
#include "weir/runtime/env.h"

struct weir_fetch_sessions;

struct weir_fetch_partition {
    struct weir_slice topic;   /* null when the client names topics by id */
    struct weir_uuid topic_id; /* zero when it names them by name */
    int32_t partition;
    int32_t current_leader_epoch; /* -1: not said */
    int64_t fetch_offset;
    int32_t last_fetched_epoch; /* -1: not said */
    int64_t log_start_offset;   /* of the follower, -1 for a consumer */
    int32_t bytes_max;
};

struct weir_fetch_session_request {
    int32_t session_id;
    int32_t session_epoch;
    bool uses_topic_ids; /* version 13 and later; may not change within a session */
    bool is_follower;    /* a follower's session may push a consumer's out of a full cache */
    const struct weir_fetch_partition *partitions; /* to add or change */
    size_t partition_count;
    const struct weir_fetch_partition *forgotten; /* only topic and partition are looked at */
    size_t forgotten_count;
};

struct weir_fetch_session_list {
    int32_t session_id;  /* what the answer says: 0 without a session */
    bool is_incremental; /* the answer may leave out partitions without news */
    struct weir_fetch_partition *partitions;
    size_t count;
};

struct weir_fetch_sessions_options {
    struct weir_env *env;
    size_t slots;          /* max.incremental.fetch.session.cache.slots */
    int64_t eviction_ms;   /* a session unused for so long gives way to a new one (Kafka: 120000) */
    size_t partitions_max; /* in all sessions together; weir's own limit, a whole answer is given
                              above it */
};

WEIR_MUST_CHECK enum weir_status
weir_fetch_sessions_new(const struct weir_fetch_sessions_options *options,
                        struct weir_fetch_sessions **out);
void weir_fetch_sessions_free(struct weir_fetch_sessions *sessions);

/* FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR or
 * NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status
weir_fetch_sessions_begin(struct weir_fetch_sessions *sessions,
                          const struct weir_fetch_session_request *request,
                          struct weir_arena *arena, struct weir_fetch_session_list *out);

/* What was read of one partition. */
struct weir_fetch_session_news {
    bool has_error;
    bool has_records;
    bool has_diverging_epoch;
    int64_t high_watermark;
    int64_t log_start_offset;
};

/* Whether partition `index` of the list belongs into the answer; remembers what the client knows
 * from now on. Always true when the list is not incremental.  Partitions with records go to the end
 * of the session's order, so that all get their turn under a limit of bytes. */
bool weir_fetch_session_filter(struct weir_fetch_sessions *sessions,
                               const struct weir_fetch_session_list *list, size_t index,
                               const struct weir_fetch_session_news *news);

/* Sessions in the cache, for metrics. */
size_t weir_fetch_sessions_count(struct weir_fetch_sessions *sessions);
