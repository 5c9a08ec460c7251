/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Share sessions (KIP-932): which partitions a member of a share group fetches, so that requests
 * need only say what changed.  There is one for each group and member; its epoch rises with each
 * request, and a request with another epoch is refused, so that none is done twice.
 *
 * One registry for the broker; a lock (rank FETCH_SESSIONS) around each call, nothing else is
 * called under it.  Any thread.
 */

#include "weir/base/arena.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"

#include <stdbool.h>

struct weir_share_sessions;

#define WEIR_SHARE_SESSION_INITIAL_EPOCH 0
#define WEIR_SHARE_SESSION_FINAL_EPOCH   (-1)

struct weir_share_session_partition {
    struct weir_uuid topic_id;
    int32_t partition;
};

struct weir_share_session_request {
    struct weir_slice group_id;
    struct weir_slice member_id;
    int32_t epoch;
    uint64_t connection_id; /* its end ends the session */
    bool has_acknowledgements;
    const struct weir_share_session_partition *wanted; /* added, or the first list */
    size_t wanted_count;
    const struct weir_share_session_partition *forgotten;
    size_t forgotten_count;
};

/* slots: group.share.max.share.sessions; partitions_max bounds what all of them remember. */
WEIR_MUST_CHECK enum weir_status weir_share_sessions_new(size_t slots, size_t partitions_max,
                                                         struct weir_share_sessions **out);
void weir_share_sessions_free(struct weir_share_sessions *sessions);

/* A ShareFetch.  Epoch 0 begins a session (and ends the member's former one); -1 is the last
 * request of one that is still there until weir_share_sessions_close; any other continues it.
 * SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED,
 * INVALID_REQUEST (a first request with acknowledgements), NO_MEMORY: the session is as it was.  On
 * OK *out_items are the session's partitions, in the arena: those that gave records last come last,
 * see weir_share_sessions_served; none for the last request. */
WEIR_MUST_CHECK enum weir_status
weir_share_sessions_fetch(struct weir_share_sessions *sessions,
                          const struct weir_share_session_request *request,
                          struct weir_arena *arena,
                          const struct weir_share_session_partition **out_items, size_t *out_count);
/* A ShareAcknowledge: checks the epoch and raises it.  It cannot begin a session: epoch 0 is
 * INVALID_SHARE_SESSION_EPOCH. */
WEIR_MUST_CHECK enum weir_status
weir_share_sessions_acknowledge(struct weir_share_sessions *sessions,
                                const struct weir_share_session_request *request);

/* The partition gave records: it comes last from now on, so that every one has its turn. */
void weir_share_sessions_served(struct weir_share_sessions *sessions, struct weir_slice group_id,
                                struct weir_slice member_id,
                                const struct weir_share_session_partition *partition);

/* Ends the session.  *out_items, in the arena, are the partitions where the member may still hold
 * records.  False, with none, when there was no session or memory is out (then it stays). */
bool weir_share_sessions_close(struct weir_share_sessions *sessions, struct weir_slice group_id,
                               struct weir_slice member_id, struct weir_arena *arena,
                               const struct weir_share_session_partition **out_items,
                               size_t *out_count);
/* The connection ended: finds a session that was begun on it (or continues on it); false when there
 * is none left.  group and member lie in the arena; close it, and ask again. */
bool weir_share_sessions_of_connection(struct weir_share_sessions *sessions, uint64_t connection_id,
                                       struct weir_arena *arena, struct weir_slice *out_group_id,
                                       struct weir_slice *out_member_id);

bool weir_share_sessions_has_group(struct weir_share_sessions *sessions,
                                   struct weir_slice group_id);
size_t weir_share_sessions_count(struct weir_share_sessions *sessions);
