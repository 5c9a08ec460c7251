/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/share/share_sessions.h"

#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/base/list.h"
#include "weir/base/map.h"
#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

#include <assert.h>

/* Partitions are few and come in the order of their turns: a list, and a map for all else. */
struct cached {
    struct weir_list node;
    struct weir_share_session_partition partition; /* the map's key: no padding inside */
};

static_assert(sizeof(struct weir_share_session_partition) == 16 + sizeof(int32_t),
              "its bytes are a key");

struct session {
    struct weir_slice key; /* the length of the group's id, the id, the member's */
    struct weir_slice group_id;
    struct weir_slice member_id;
    int32_t epoch; /* that of the next request */
    uint64_t connection_id;
    struct weir_map by_partition; /* struct cached */
    struct weir_list turns;
};

struct weir_share_sessions {
    struct weir_lock lock;
    struct weir_map sessions;
    size_t slots;
    size_t partitions_max;
    size_t partition_count;
};

enum weir_status weir_share_sessions_new(size_t slots, size_t partitions_max,
                                         struct weir_share_sessions **out)
{
    struct weir_share_sessions *sessions = weir_calloc(1, sizeof(*sessions));
    if (sessions == NULL)
        return WEIR_NO_MEMORY;
    weir_lock_init(&sessions->lock, WEIR_LOCK_RANK_FETCH_SESSIONS);
    sessions->slots = slots;
    sessions->partitions_max = partitions_max;
    *out = sessions;
    return WEIR_OK;
}

static void forget(struct weir_share_sessions *sessions, struct session *session,
                   struct cached *cached)
{
    (void)weir_map_remove(&session->by_partition, WEIR_KEY(cached->partition)); /* it is `cached` */
    weir_list_remove(&cached->node);
    weir_free(cached);
    sessions->partition_count--;
}

static void free_session(struct weir_share_sessions *sessions, struct session *session)
{
    WEIR_LIST_FOREACH(node, &session->turns)
        forget(sessions, session, WEIR_LIST_ENTRY(node, struct cached, node));
    weir_map_done(&session->by_partition);
    weir_free(session);
}

void weir_share_sessions_free(struct weir_share_sessions *sessions)
{
    if (sessions == NULL)
        return;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&sessions->sessions, &cursor)) != NULL)
        free_session(sessions, entry->value);
    weir_map_done(&sessions->sessions);
    weir_lock_done(&sessions->lock);
    weir_free(sessions);
}

/* The key's bytes, into `out`, which has room for them. */
static struct weir_slice write_key(uint8_t *out, struct weir_slice group_id,
                                   struct weir_slice member_id)
{
    weir_put_i32(out, (int32_t)group_id.size);
    if (group_id.size > 0)
        memcpy(out + 4, group_id.data, group_id.size);
    if (member_id.size > 0)
        memcpy(out + 4 + group_id.size, member_id.data, member_id.size);
    return weir_slice_of(out, 4 + group_id.size + member_id.size);
}

/* NO_MEMORY, or *out, which is NULL when there is none.  Lock held. */
static enum weir_status find(const struct weir_share_sessions *sessions, struct weir_slice group_id,
                             struct weir_slice member_id, struct session **out)
{
    uint8_t *bytes = weir_malloc(4 + group_id.size + member_id.size);
    if (bytes == NULL)
        return WEIR_NO_MEMORY;
    *out = weir_map_get(&sessions->sessions, write_key(bytes, group_id, member_id));
    weir_free(bytes);
    return WEIR_OK;
}

static enum weir_status add(struct weir_share_sessions *sessions, struct session *session,
                            const struct weir_share_session_partition *partition)
{
    if (weir_map_get(&session->by_partition, WEIR_KEY(*partition)) != NULL)
        return WEIR_OK;
    if (sessions->partition_count >= sessions->partitions_max)
        return WEIR_SHARE_SESSION_LIMIT_REACHED;
    struct cached *cached = weir_calloc(1, sizeof(*cached));
    if (cached == NULL)
        return WEIR_NO_MEMORY;
    cached->partition = *partition;
    enum weir_status status =
        weir_map_put(&session->by_partition, WEIR_KEY(cached->partition), cached, NULL);
    if (status != WEIR_OK) {
        weir_free(cached);
        return status;
    }
    weir_list_push_back(&session->turns, &cached->node);
    sessions->partition_count++;
    return WEIR_OK;
}

static enum weir_status begin(struct weir_share_sessions *sessions,
                              const struct weir_share_session_request *request,
                              struct session **out)
{
    struct session *former;
    if (request->has_acknowledgements)
        return WEIR_INVALID_REQUEST;
    enum weir_status status = find(sessions, request->group_id, request->member_id, &former);
    if (status != WEIR_OK)
        return status;
    if (former == NULL && sessions->sessions.count >= sessions->slots)
        return WEIR_SHARE_SESSION_LIMIT_REACHED;
    struct session *session =
        weir_calloc(1, sizeof(*session) + 4 + request->group_id.size + request->member_id.size);
    if (session == NULL)
        return WEIR_NO_MEMORY;
    uint8_t *bytes = (uint8_t *)(session + 1);
    session->key = write_key(bytes, request->group_id, request->member_id);
    session->group_id = weir_slice_of(bytes + 4, request->group_id.size);
    session->member_id = weir_slice_of(bytes + 4 + request->group_id.size, request->member_id.size);
    session->epoch = 1;
    session->connection_id = request->connection_id;
    weir_list_init(&session->turns);
    for (size_t i = 0; i < request->wanted_count && status == WEIR_OK; i++)
        status = add(sessions, session, &request->wanted[i]);
    /* Replaces the former one, whose key it does not borrow any more. */
    if (status == WEIR_OK && former != NULL)
        (void)weir_map_remove(&sessions->sessions, former->key); /* it is `former` */
    if (status == WEIR_OK)
        status = weir_map_put(&sessions->sessions, session->key, session, NULL);
    if (former != NULL &&
        (status == WEIR_OK || weir_map_get(&sessions->sessions, former->key) == NULL))
        free_session(sessions, former);
    if (status != WEIR_OK) {
        free_session(sessions, session);
        return status;
    }
    *out = session;
    return WEIR_OK;
}

/* The session of a later request, with the right epoch. */
static enum weir_status find_current(const struct weir_share_sessions *sessions,
                                     const struct weir_share_session_request *request,
                                     struct session **out)
{
    struct session *session;
    enum weir_status status = find(sessions, request->group_id, request->member_id, &session);
    if (status != WEIR_OK)
        return status;
    if (session == NULL)
        return WEIR_SHARE_SESSION_NOT_FOUND;
    if (request->epoch != WEIR_SHARE_SESSION_FINAL_EPOCH && session->epoch != request->epoch)
        return WEIR_INVALID_SHARE_SESSION_EPOCH;
    *out = session;
    return WEIR_OK;
}

/* After the highest comes 1: 0 begins a session. */
static void raise_epoch(struct session *session)
{
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
}

static enum weir_status change(struct weir_share_sessions *sessions, struct session *session,
                               const struct weir_share_session_request *request)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < request->wanted_count && status == WEIR_OK; i++)
        status = add(sessions, session, &request->wanted[i]);
    if (status != WEIR_OK)
        return status; /* what was added does no harm: the same request adds it again */
    for (size_t i = 0; i < request->forgotten_count; i++) {
        struct cached *cached =
            weir_map_get(&session->by_partition, WEIR_KEY(request->forgotten[i]));
        if (cached != NULL)
            forget(sessions, session, cached);
    }
    return WEIR_OK;
}

static enum weir_status copy_partitions(const struct session *session, struct weir_arena *arena,
                                        const struct weir_share_session_partition **out_items,
                                        size_t *out_count)
{
    struct weir_share_session_partition *items =
        weir_arena_calloc(arena, session->by_partition.count, sizeof(*items));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    WEIR_LIST_FOREACH(node, &session->turns)
        items[count++] = WEIR_LIST_ENTRY(node, struct cached, node)->partition;
    *out_items = items;
    *out_count = count;
    return WEIR_OK;
}

enum weir_status weir_share_sessions_fetch(struct weir_share_sessions *sessions,
                                           const struct weir_share_session_request *request,
                                           struct weir_arena *arena,
                                           const struct weir_share_session_partition **out_items,
                                           size_t *out_count)
{
    struct session *session = NULL;
    bool is_first = request->epoch == WEIR_SHARE_SESSION_INITIAL_EPOCH;
    bool is_last = request->epoch == WEIR_SHARE_SESSION_FINAL_EPOCH;
    *out_items = NULL;
    *out_count = 0;
    weir_lock_take(&sessions->lock);
    enum weir_status status =
        is_first ? begin(sessions, request, &session) : find_current(sessions, request, &session);
    if (status == WEIR_OK && !is_first && !is_last)
        status = change(sessions, session, request);
    if (status == WEIR_OK && !is_last)
        status = copy_partitions(session, arena, out_items, out_count);
    if (status == WEIR_OK && !is_first && !is_last)
        raise_epoch(session);
    weir_lock_release(&sessions->lock);
    return status;
}

enum weir_status weir_share_sessions_acknowledge(struct weir_share_sessions *sessions,
                                                 const struct weir_share_session_request *request)
{
    struct session *session = NULL;
    if (request->epoch == WEIR_SHARE_SESSION_INITIAL_EPOCH)
        return WEIR_INVALID_SHARE_SESSION_EPOCH;
    weir_lock_take(&sessions->lock);
    enum weir_status status = find_current(sessions, request, &session);
    if (status == WEIR_OK && request->epoch != WEIR_SHARE_SESSION_FINAL_EPOCH)
        raise_epoch(session);
    weir_lock_release(&sessions->lock);
    return status;
}

void weir_share_sessions_served(struct weir_share_sessions *sessions, struct weir_slice group_id,
                                struct weir_slice member_id,
                                const struct weir_share_session_partition *partition)
{
    struct session *session = NULL;
    weir_lock_take(&sessions->lock);
    /* Without memory for the look-up its turn stays where it is. */
    if (find(sessions, group_id, member_id, &session) == WEIR_OK && session != NULL) {
        struct cached *cached = weir_map_get(&session->by_partition, WEIR_KEY(*partition));
        if (cached != NULL) {
            weir_list_remove(&cached->node);
            weir_list_push_back(&session->turns, &cached->node);
        }
    }
    weir_lock_release(&sessions->lock);
}

bool weir_share_sessions_close(struct weir_share_sessions *sessions, struct weir_slice group_id,
                               struct weir_slice member_id, struct weir_arena *arena,
                               const struct weir_share_session_partition **out_items,
                               size_t *out_count)
{
    struct session *session = NULL;
    bool is_closed = false;
    *out_items = NULL;
    *out_count = 0;
    weir_lock_take(&sessions->lock);
    if (find(sessions, group_id, member_id, &session) == WEIR_OK && session != NULL &&
        copy_partitions(session, arena, out_items, out_count) == WEIR_OK) {
        (void)weir_map_remove(&sessions->sessions, session->key); /* it is `session` */
        free_session(sessions, session);
        is_closed = true;
    }
    weir_lock_release(&sessions->lock);
    return is_closed;
}

bool weir_share_sessions_of_connection(struct weir_share_sessions *sessions, uint64_t connection_id,
                                       struct weir_arena *arena, struct weir_slice *out_group_id,
                                       struct weir_slice *out_member_id)
{
    bool is_found = false;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    weir_lock_take(&sessions->lock);
    while (!is_found && (entry = weir_map_next(&sessions->sessions, &cursor)) != NULL) {
        const struct session *session = entry->value;
        is_found = session->connection_id == connection_id &&
                   weir_arena_copy(arena, session->group_id, out_group_id) == WEIR_OK &&
                   weir_arena_copy(arena, session->member_id, out_member_id) == WEIR_OK;
    }
    weir_lock_release(&sessions->lock);
    return is_found;
}

bool weir_share_sessions_has_group(struct weir_share_sessions *sessions, struct weir_slice group_id)
{
    bool is_found = false;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    weir_lock_take(&sessions->lock);
    while (!is_found && (entry = weir_map_next(&sessions->sessions, &cursor)) != NULL)
        is_found = weir_slice_equal(((const struct session *)entry->value)->group_id, group_id);
    weir_lock_release(&sessions->lock);
    return is_found;
}

size_t weir_share_sessions_count(struct weir_share_sessions *sessions)
{
    weir_lock_take(&sessions->lock);
    size_t count = sessions->sessions.count;
    weir_lock_release(&sessions->lock);
    return count;
}
