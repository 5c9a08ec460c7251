/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants, all under the lock:
 *  I1  a session is in `by_id` and in `by_use`, which is ordered by last use, oldest first.
 *  I2  an entry of a session is in its map and in its order list.
 *  I3  partition_count is the number of entries of all sessions.
 */
#include "weir/replication/fetch_sessions.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/list.h"
#include "weir/base/map.h"
#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

#define FINAL_EPOCH    (-1)
#define INITIAL_EPOCH  0
#define UNKNOWN        (-1)
#define KEY_HEAD_BYTES 20

struct session_entry {
    struct weir_list node;              /* in session.order */
    struct weir_fetch_partition wanted; /* topic points into this entry's key */
    int64_t sent_high_watermark;
    int64_t sent_log_start_offset;
    size_t key_bytes;
    uint8_t key[]; /* partition, topic id, topic name */
};

struct session {
    struct weir_list node; /* in by_use */
    int32_t id;
    int32_t epoch; /* the one the next request must have */
    bool uses_topic_ids;
    bool is_follower;
    int64_t used_ms;
    struct weir_map entries;
    struct weir_list order;
};

struct weir_fetch_sessions {
    struct weir_fetch_sessions_options options;
    struct weir_lock lock;
    struct weir_map by_id;
    struct weir_list by_use;
    size_t partition_count;
};

enum weir_status weir_fetch_sessions_new(const struct weir_fetch_sessions_options *options,
                                         struct weir_fetch_sessions **out)
{
    struct weir_fetch_sessions *sessions = weir_calloc(1, sizeof(*sessions));
    if (sessions == NULL)
        return WEIR_NO_MEMORY;
    sessions->options = *options;
    weir_lock_init(&sessions->lock, WEIR_LOCK_RANK_FETCH_SESSIONS);
    weir_list_init(&sessions->by_use);
    *out = sessions;
    return WEIR_OK;
}

static void remove_entry(struct weir_fetch_sessions *sessions, struct session *session,
                         struct session_entry *entry)
{
    (void)weir_map_remove(&session->entries,
                          weir_slice_of(entry->key, entry->key_bytes)); /* it is entry itself */
    weir_list_remove(&entry->node);
    weir_free(entry);
    sessions->partition_count--;
}

static void drop_session(struct weir_fetch_sessions *sessions, struct session *session)
{
    WEIR_LIST_FOREACH(node, &session->order)
        remove_entry(sessions, session, WEIR_LIST_ENTRY(node, struct session_entry, node));
    weir_map_done(&session->entries);
    (void)weir_map_remove(&sessions->by_id,
                          WEIR_KEY(session->id)); /* it is session itself, or was never put in */
    weir_list_remove(&session->node);
    weir_free(session);
}

void weir_fetch_sessions_free(struct weir_fetch_sessions *sessions)
{
    if (sessions == NULL)
        return;
    WEIR_LIST_FOREACH(node, &sessions->by_use)
        drop_session(sessions, WEIR_LIST_ENTRY(node, struct session, node));
    weir_map_done(&sessions->by_id);
    weir_lock_done(&sessions->lock);
    weir_free(sessions);
}

static size_t key_bytes(const struct weir_fetch_partition *partition)
{
    return KEY_HEAD_BYTES + partition->topic.size;
}

static void write_key(const struct weir_fetch_partition *partition, uint8_t *key)
{
    weir_put_i32(key, partition->partition);
    memcpy(key + 4, partition->topic_id.bytes, sizeof(partition->topic_id.bytes));
    if (partition->topic.size > 0)
        memcpy(key + KEY_HEAD_BYTES, partition->topic.data, partition->topic.size);
}

/* Topic names are at most 249 bytes where they exist, but a client may send up to 32767: then there
 * is no such entry. */
static struct session_entry *find_entry(const struct session *session,
                                        const struct weir_fetch_partition *partition)
{
    uint8_t key[KEY_HEAD_BYTES + 1024];
    if (key_bytes(partition) > sizeof(key))
        return NULL;
    write_key(partition, key);
    return weir_map_get(&session->entries, weir_slice_of(key, key_bytes(partition)));
}

static void take_wanted(struct session_entry *entry, const struct weir_fetch_partition *partition)
{
    struct weir_slice topic = entry->wanted.topic;
    entry->wanted = *partition;
    entry->wanted.topic = topic;
}

static enum weir_status add_entry(struct weir_fetch_sessions *sessions, struct session *session,
                                  const struct weir_fetch_partition *partition)
{
    struct session_entry *entry = find_entry(session, partition);
    if (entry != NULL) {
        take_wanted(entry, partition);
        return WEIR_OK;
    }
    if (sessions->partition_count >= sessions->options.partitions_max ||
        key_bytes(partition) > KEY_HEAD_BYTES + 1024)
        return WEIR_LIMIT;
    entry = weir_malloc(sizeof(*entry) + key_bytes(partition));
    if (entry == NULL)
        return WEIR_NO_MEMORY;
    *entry = (struct session_entry){.key_bytes = key_bytes(partition),
                                    .sent_high_watermark = UNKNOWN,
                                    .sent_log_start_offset = UNKNOWN};
    write_key(partition, entry->key);
    if (!weir_slice_is_null(partition->topic))
        entry->wanted.topic = weir_slice_of(entry->key + KEY_HEAD_BYTES, partition->topic.size);
    take_wanted(entry, partition);
    enum weir_status status =
        weir_map_put(&session->entries, weir_slice_of(entry->key, entry->key_bytes), entry, NULL);
    if (status != WEIR_OK) {
        weir_free(entry);
        return status;
    }
    weir_list_push_back(&session->order, &entry->node);
    sessions->partition_count++;
    return WEIR_OK;
}

static struct session *find_session(const struct weir_fetch_sessions *sessions, int32_t id)
{
    return weir_map_get(&sessions->by_id, WEIR_KEY(id));
}

/* Frees a slot when the cache is full: the oldest session goes if it was not used for the eviction
 * time, or if a follower wants a consumer's place. */
static bool make_room(struct weir_fetch_sessions *sessions, bool is_follower, int64_t now_ms)
{
    if (sessions->by_id.count < sessions->options.slots)
        return true;
    WEIR_LIST_FOREACH(node, &sessions->by_use) {
        struct session *oldest = WEIR_LIST_ENTRY(node, struct session, node);
        bool is_stale = now_ms - oldest->used_ms >= sessions->options.eviction_ms;
        if (!is_stale && !(is_follower && !oldest->is_follower)) {
            if (!is_follower)
                return false; /* the others are younger still */
            continue;
        }
        drop_session(sessions, oldest);
        return true;
    }
    return false;
}

static int32_t new_session_id(struct weir_fetch_sessions *sessions)
{
    for (;;) {
        uint32_t random;
        weir_env_random(sessions->options.env, &random, sizeof(random));
        int32_t id = (int32_t)(random & 0x7fffffffu);
        if (id != 0 && find_session(sessions, id) == NULL)
            return id;
    }
}

/* NULL when there is no room or no memory: the client then gets whole answers. */
static struct session *create_session(struct weir_fetch_sessions *sessions,
                                      const struct weir_fetch_session_request *request,
                                      int64_t now_ms)
{
    if (!make_room(sessions, request->is_follower, now_ms))
        return NULL;
    struct session *session = weir_calloc(1, sizeof(*session));
    if (session == NULL)
        return NULL;
    session->id = new_session_id(sessions);
    session->epoch = INITIAL_EPOCH + 1;
    session->uses_topic_ids = request->uses_topic_ids;
    session->is_follower = request->is_follower;
    session->used_ms = now_ms;
    weir_list_init(&session->order);
    if (weir_map_put(&sessions->by_id, WEIR_KEY(session->id), session, NULL) != WEIR_OK) {
        weir_free(session);
        return NULL;
    }
    weir_list_push_back(&sessions->by_use, &session->node);
    for (size_t i = 0; i < request->partition_count; i++) {
        if (add_entry(sessions, session, &request->partitions[i]) != WEIR_OK) {
            drop_session(sessions, session);
            return NULL;
        }
    }
    return session;
}

static enum weir_status copy_request(const struct weir_fetch_session_request *request,
                                     struct weir_arena *arena, struct weir_fetch_session_list *out)
{
    struct weir_fetch_partition *copy =
        weir_arena_calloc(arena, request->partition_count, sizeof(*request->partitions));
    if (copy == NULL)
        return WEIR_NO_MEMORY;
    if (request->partition_count > 0)
        memcpy(copy, request->partitions, request->partition_count * sizeof(*copy));
    out->partitions = copy;
    out->count = request->partition_count;
    return WEIR_OK;
}

static enum weir_status copy_session(const struct session *session, struct weir_arena *arena,
                                     struct weir_fetch_session_list *out)
{
    struct weir_fetch_partition *copy =
        weir_arena_calloc(arena, session->entries.count, sizeof(*copy));
    if (copy == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    WEIR_LIST_FOREACH(node, &session->order) {
        copy[count] = WEIR_LIST_ENTRY(node, struct session_entry, node)->wanted;
        enum weir_status status = weir_arena_copy(arena, copy[count].topic, &copy[count].topic);
        if (status != WEIR_OK)
            return status;
        count++;
    }
    WEIR_ASSERT(count == session->entries.count);
    out->partitions = copy;
    out->count = count;
    return WEIR_OK;
}

static enum weir_status continue_session(struct weir_fetch_sessions *sessions,
                                         const struct weir_fetch_session_request *request,
                                         struct weir_arena *arena,
                                         struct weir_fetch_session_list *out)
{
    struct session *session = find_session(sessions, request->session_id);
    if (session == NULL)
        return WEIR_FETCH_SESSION_ID_NOT_FOUND;
    if (session->epoch != request->session_epoch)
        return WEIR_INVALID_FETCH_SESSION_EPOCH;
    if (session->uses_topic_ids != request->uses_topic_ids)
        return WEIR_FETCH_SESSION_TOPIC_ID_ERROR;
    for (size_t i = 0; i < request->partition_count; i++) {
        enum weir_status status = add_entry(sessions, session, &request->partitions[i]);
        if (status != WEIR_OK) {
            /* Half a change would make client and broker disagree: the client begins anew. */
            drop_session(sessions, session);
            return WEIR_FETCH_SESSION_ID_NOT_FOUND;
        }
    }
    for (size_t i = 0; i < request->forgotten_count; i++) {
        struct session_entry *entry = find_entry(session, &request->forgotten[i]);
        if (entry != NULL)
            remove_entry(sessions, session, entry);
    }
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->used_ms = weir_env_monotonic_ms(sessions->options.env);
    weir_list_remove(&session->node);
    weir_list_push_back(&sessions->by_use, &session->node);
    out->session_id = session->id;
    out->is_incremental = true;
    return copy_session(session, arena, out);
}

enum weir_status weir_fetch_sessions_begin(struct weir_fetch_sessions *sessions,
                                           const struct weir_fetch_session_request *request,
                                           struct weir_arena *arena,
                                           struct weir_fetch_session_list *out)
{
    *out = (struct weir_fetch_session_list){0};
    if (request->session_epoch > INITIAL_EPOCH || request->session_epoch < FINAL_EPOCH) {
        weir_lock_take(&sessions->lock);
        enum weir_status status = continue_session(sessions, request, arena, out);
        weir_lock_release(&sessions->lock);
        return status;
    }
    /* A whole request.  It ends the session it names; with epoch 0 a new one begins, unless there
     * is nothing in it. */
    weir_lock_take(&sessions->lock);
    struct session *old = find_session(sessions, request->session_id);
    if (old != NULL)
        drop_session(sessions, old);
    if (request->session_epoch == INITIAL_EPOCH && request->partition_count > 0) {
        struct session *session =
            create_session(sessions, request, weir_env_monotonic_ms(sessions->options.env));
        out->session_id = session == NULL ? 0 : session->id;
    }
    weir_lock_release(&sessions->lock);
    return copy_request(request, arena, out);
}

bool weir_fetch_session_filter(struct weir_fetch_sessions *sessions,
                               const struct weir_fetch_session_list *list, size_t index,
                               const struct weir_fetch_session_news *news)
{
    if (list->session_id == 0)
        return true;
    bool belongs = !list->is_incremental;
    weir_lock_take(&sessions->lock);
    struct session *session = find_session(sessions, list->session_id);
    struct session_entry *entry =
        session == NULL ? NULL : find_entry(session, &list->partitions[index]);
    if (entry == NULL) {
        weir_lock_release(&sessions->lock);
        return true; /* forgotten or evicted meanwhile: saying more than needed is harmless */
    }
    if (news->has_records || news->has_error || news->has_diverging_epoch ||
        news->high_watermark != entry->sent_high_watermark ||
        news->log_start_offset != entry->sent_log_start_offset)
        belongs = true;
    /* After an error the next good answer is news again. */
    entry->sent_high_watermark = news->has_error ? UNKNOWN : news->high_watermark;
    entry->sent_log_start_offset = news->has_error ? UNKNOWN : news->log_start_offset;
    if (news->has_records && list->is_incremental) {
        weir_list_remove(&entry->node);
        weir_list_push_back(&session->order, &entry->node);
    }
    weir_lock_release(&sessions->lock);
    return belongs;
}

size_t weir_fetch_sessions_count(struct weir_fetch_sessions *sessions)
{
    weir_lock_take(&sessions->lock);
    size_t count = sessions->by_id.count;
    weir_lock_release(&sessions->lock);
    return count;
}
