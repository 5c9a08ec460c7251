/* SPDX-License-Identifier: Apache-2.0 */

/* The machine over one partition of __share_group_state: its keys, and how a shard drives it.  It
 * has no timers of its own; its service's task comes by (share_coordinator.c). */

#include "state_int.h"

#include "weir/base/memory.h"

#include <stdio.h>

struct weir_slice share_key_text(struct weir_arena *arena, const struct weir_share_key *key)
{
    char tail[WEIR_UUID_TEXT_BYTES + 16];
    char topic_id[WEIR_UUID_TEXT_BYTES];
    weir_uuid_format(key->topic_id, topic_id);
    size_t tail_bytes =
        (size_t)snprintf(tail, sizeof(tail), ":%s:%d", topic_id, (int)key->partition);
    uint8_t *text = weir_arena_alloc(arena, key->group_id.size + tail_bytes);
    if (text == NULL)
        return WEIR_NULL_SLICE;
    if (key->group_id.size > 0)
        memcpy(text, key->group_id.data, key->group_id.size);
    memcpy(text + key->group_id.size, tail, tail_bytes);
    return weir_slice_of(text, key->group_id.size + tail_bytes);
}

struct weir_share_key state_key(const struct share_state *state)
{
    return (struct weir_share_key){
        .group_id = state->group_id, .topic_id = state->topic_id, .partition = state->partition};
}

enum weir_status machine_find(const struct share_machine *machine, const struct weir_share_key *key,
                              struct share_state **out)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_slice text = share_key_text(&arena, key);
    bool has_text = !weir_slice_is_null(text);
    if (has_text)
        *out = weir_map_get(&machine->states, text);
    weir_arena_done(&arena);
    return has_text ? WEIR_OK : WEIR_NO_MEMORY;
}

static void free_state(struct share_state *state)
{
    weir_free(state->batches.items);
    weir_free(state);
}

enum weir_status machine_add(struct share_machine *machine, const struct weir_share_key *key,
                             struct share_state **out)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_slice text = share_key_text(&arena, key);
    struct share_state *state =
        weir_slice_is_null(text) ? NULL : weir_calloc(1, sizeof(*state) + text.size);
    enum weir_status status = WEIR_NO_MEMORY;
    if (state != NULL) {
        uint8_t *bytes = (uint8_t *)(state + 1);
        memcpy(bytes, text.data, text.size);
        state->map_key = weir_slice_of(bytes, text.size);
        state->group_id = weir_slice_of(bytes, key->group_id.size); /* the text begins with it */
        state->topic_id = key->topic_id;
        state->partition = key->partition;
        state->delivery_complete_count = -1;
        state->start_offset = -1;
        state->snapshot_offset = -1;
        status = weir_map_put(&machine->states, state->map_key, state, NULL);
    }
    weir_arena_done(&arena);
    if (status != WEIR_OK) {
        weir_free(state);
        return status;
    }
    *out = state;
    return WEIR_OK;
}

void machine_remove(struct share_machine *machine, struct share_state *state)
{
    (void)weir_map_remove(&machine->states, state->map_key); /* it is `state` */
    free_state(state);
}

static enum weir_status create(void *context, int32_t partition, void **out_machine)
{
    struct share_machine *machine = weir_calloc(1, sizeof(*machine));
    if (machine == NULL)
        return WEIR_NO_MEMORY;
    machine->config = context;
    machine->partition = partition;
    machine->tombstone_offset = -1;
    machine->pruned_offset = -1;
    *out_machine = machine;
    return WEIR_OK;
}

static void destroy(void *context)
{
    struct share_machine *machine = context;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->states, &cursor)) != NULL)
        free_state(entry->value);
    weir_map_done(&machine->states);
    weir_free(machine);
}

static enum weir_status end_txn(void *machine, int64_t producer_id, bool is_commit)
{
    (void)machine; /* no transaction ever writes here */
    (void)producer_id;
    (void)is_commit;
    return WEIR_OK;
}

static void loaded(void *machine, struct weir_step *step)
{
    (void)machine;
    (void)step;
}

static void unloaded(void *machine, struct weir_step *step)
{
    (void)machine; /* who waits, waits in a write: the shard tells them */
    (void)step;
}

static int64_t next_deadline_ms(const void *machine)
{
    (void)machine;
    return INT64_MAX;
}

static void tick(void *machine, struct weir_step *step)
{
    (void)machine;
    (void)step;
}

const struct weir_machine_ops share_machine_ops = {.create = create,
                                                   .destroy = destroy,
                                                   .replay = state_replay,
                                                   .end_txn = end_txn,
                                                   .loaded = loaded,
                                                   .unloaded = unloaded,
                                                   .next_deadline_ms = next_deadline_ms,
                                                   .tick = tick};
