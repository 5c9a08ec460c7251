/* SPDX-License-Identifier: Apache-2.0 */

/* Acknowledgements, locks that run out, and how far a share partition has come; the promises are in
 * share_partition.h. */

#include "partition_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

enum weir_status weir_share_partition_new(int32_t state_epoch, int64_t start_offset,
                                          const struct weir_share_batch *batches,
                                          size_t batch_count, struct weir_share_partition **out)
{
    struct weir_share_partition *partition = weir_calloc(1, sizeof(*partition));
    if (partition == NULL)
        return WEIR_NO_MEMORY;
    partition->state_epoch = state_epoch;
    partition->start_offset = start_offset;
    partition->end_offset = start_offset;
    partition->next_deadline_ms = INT64_MAX;
    enum weir_status status = runs_reserve(partition, 2 * batch_count + 1);
    for (size_t i = 0; i < batch_count && status == WEIR_OK; i++) {
        const struct weir_share_batch *batch = &batches[i];
        bool is_known = batch->delivery_state == WEIR_SHARE_AVAILABLE ||
                        batch->delivery_state == WEIR_SHARE_ACKNOWLEDGED ||
                        batch->delivery_state == WEIR_SHARE_ARCHIVED;
        if (!is_known || batch->first_offset < partition->end_offset ||
            batch->last_offset < batch->first_offset || batch->last_offset == INT64_MAX) {
            status = WEIR_CORRUPT;
            break;
        }
        if (batch->first_offset > partition->end_offset)
            runs_append(partition, partition->end_offset, batch->first_offset - 1,
                        WEIR_SHARE_AVAILABLE, 0);
        runs_append(partition, batch->first_offset, batch->last_offset,
                    (enum weir_share_delivery_state)batch->delivery_state, batch->delivery_count);
    }
    if (status != WEIR_OK) {
        weir_share_partition_free(partition);
        return status;
    }
    runs_advance(partition);
    *out = partition;
    return WEIR_OK;
}

void weir_share_partition_free(struct weir_share_partition *partition)
{
    if (partition == NULL)
        return;
    runs_drop_front(partition, partition->run_count);
    weir_map_done(&partition->holders);
    weir_free(partition->runs);
    weir_free(partition);
}

int64_t weir_share_partition_start_offset(const struct weir_share_partition *partition)
{
    return partition->start_offset;
}

int64_t weir_share_partition_end_offset(const struct weir_share_partition *partition)
{
    return partition->end_offset;
}

/* ---- Changes ---- */

/* Fills what is to be stored of the runs that have this change under way, or (id 0) that are marked
 * fresh.  batches has room for as many as there are runs. */
static void fill_change(struct weir_share_partition *partition, int64_t id,
                        struct weir_share_batch *batches, struct weir_share_change *out)
{
    *out = (struct weir_share_change){.id = id,
                                      .batches = batches,
                                      .start_offset = partition->start_offset,
                                      .state_epoch = partition->state_epoch};
    int64_t complete = 0;
    for (size_t i = 0; i < partition->run_count; i++) {
        struct run *run = &partition->runs[i];
        int8_t state = run->change_id != 0 ? run->becoming : run->state;
        if (state == WEIR_SHARE_ACKNOWLEDGED || state == WEIR_SHARE_ARCHIVED)
            complete += run->last_offset - run->first_offset + 1;
        if (id != 0 ? run->change_id != id : !run->is_fresh)
            continue;
        run->is_fresh = false;
        struct weir_share_batch *tail =
            out->batch_count == 0 ? NULL : &batches[out->batch_count - 1];
        if (tail != NULL && tail->last_offset + 1 == run->first_offset &&
            tail->delivery_state == state && tail->delivery_count == run->delivery_count)
            tail->last_offset = run->last_offset;
        else
            batches[out->batch_count++] = (struct weir_share_batch){
                run->first_offset, run->last_offset, state, run->delivery_count};
    }
    out->delivery_complete_count = complete > INT32_MAX ? INT32_MAX : (int32_t)complete;
}

/* Not stored: held as before.  A lock that ran out meanwhile is seen by the next tick. */
static void undo_change(struct weir_share_partition *partition, int64_t id)
{
    for (size_t i = 0; i < partition->run_count; i++) {
        struct run *run = &partition->runs[i];
        if (run->change_id != id)
            continue;
        run->change_id = 0;
        if (run->lock_deadline_ms < partition->next_deadline_ms)
            partition->next_deadline_ms = run->lock_deadline_ms;
    }
}

/* What a released record becomes: after its last delivery it is given up. */
static int8_t released_state(const struct weir_share_partition_config *config,
                             const struct run *run)
{
    return run->delivery_count >= config->delivery_count_max ? WEIR_SHARE_ARCHIVED
                                                             : WEIR_SHARE_AVAILABLE;
}

static int8_t acknowledged_state(const struct weir_share_partition_config *config,
                                 const struct run *run, enum weir_share_acknowledge_type type)
{
    switch (type) {
    case WEIR_SHARE_ACCEPT:
        return WEIR_SHARE_ACKNOWLEDGED;
    case WEIR_SHARE_RELEASE:
        return released_state(config, run);
    case WEIR_SHARE_GAP:
    case WEIR_SHARE_REJECT:
        return WEIR_SHARE_ARCHIVED;
    case WEIR_SHARE_RENEW:
        break;
    }
    return WEIR_SHARE_ACQUIRED;
}

/* ---- Acknowledge ---- */

static bool types_are_known(const struct weir_share_acknowledgement *item)
{
    for (size_t i = 0; i < item->type_count; i++) {
        if (item->types[i] < WEIR_SHARE_GAP || item->types[i] > WEIR_SHARE_RENEW)
            return false;
    }
    return true;
}

static bool has_renewal(const struct weir_share_acknowledgement *item)
{
    for (size_t i = 0; i < item->type_count; i++) {
        if (item->types[i] == WEIR_SHARE_RENEW)
            return true;
    }
    return false;
}

static enum weir_status check_form(const struct weir_share_acknowledgement *items, size_t count)
{
    int64_t previous_last = -1;
    for (size_t i = 0; i < count; i++) {
        const struct weir_share_acknowledgement *item = &items[i];
        if (item->first_offset <= previous_last || item->last_offset < item->first_offset ||
            item->last_offset == INT64_MAX || item->type_count == 0 || !types_are_known(item))
            return WEIR_INVALID_REQUEST;
        uint64_t offset_count = (uint64_t)(item->last_offset - item->first_offset) + 1;
        if (item->type_count > 1 && item->type_count != offset_count)
            return WEIR_INVALID_REQUEST;
        previous_last = item->last_offset;
    }
    return WEIR_OK;
}

/* Whether this member may acknowledge all of it. */
static enum weir_status check_held(const struct weir_share_partition *partition,
                                   const struct weir_share_partition_config *config,
                                   struct weir_slice member_id,
                                   const struct weir_share_acknowledgement *item)
{
    if (item->last_offset < partition->start_offset)
        return WEIR_OK;
    if (partition->run_count == 0)
        return WEIR_INVALID_RECORD_STATE;
    if (item->last_offset >= partition->end_offset)
        return WEIR_INVALID_REQUEST;
    if (!config->is_renew_enabled && has_renewal(item))
        return WEIR_INVALID_RECORD_STATE;
    for (size_t at = runs_find(partition, item->first_offset);
         at < partition->run_count && partition->runs[at].first_offset <= item->last_offset; at++) {
        const struct run *run = &partition->runs[at];
        if (run->state != WEIR_SHARE_ACQUIRED || run->change_id != 0 ||
            !weir_slice_equal(run->holder->id, member_id))
            return WEIR_INVALID_RECORD_STATE;
    }
    return WEIR_OK;
}

struct acknowledging {
    struct weir_share_partition *partition;
    const struct weir_share_partition_config *config;
    int64_t id;
    int64_t lock_deadline_ms;
};

static void apply_type(const struct acknowledging *it, int64_t first, int64_t last,
                       enum weir_share_acknowledge_type type)
{
    struct weir_share_partition *partition = it->partition;
    if (first < partition->start_offset)
        first = partition->start_offset;
    if (first > last)
        return;
    size_t at = runs_cut(partition, first);
    (void)runs_cut(partition, last + 1);
    for (; at < partition->run_count && partition->runs[at].first_offset <= last; at++) {
        struct run *run = &partition->runs[at];
        if (type == WEIR_SHARE_RENEW) {
            run->lock_deadline_ms = it->lock_deadline_ms;
            continue;
        }
        run->becoming = acknowledged_state(it->config, run, type);
        run->change_id = it->id;
    }
}

static void apply_item(const struct acknowledging *it,
                       const struct weir_share_acknowledgement *item)
{
    if (item->type_count == 1) {
        apply_type(it, item->first_offset, item->last_offset,
                   (enum weir_share_acknowledge_type)item->types[0]);
        return;
    }
    size_t from = 0;
    for (size_t i = 1; i <= item->type_count; i++) {
        if (i < item->type_count && item->types[i] == item->types[from])
            continue;
        apply_type(it, item->first_offset + (int64_t)from, item->first_offset + (int64_t)i - 1,
                   (enum weir_share_acknowledge_type)item->types[from]);
        from = i;
    }
}

enum weir_status weir_share_partition_acknowledge(
    struct weir_share_partition *partition, const struct weir_share_partition_config *config,
    struct weir_slice member_id, const struct weir_share_acknowledgement *items, size_t count,
    int64_t now_ms, struct weir_arena *arena, struct weir_share_change *out)
{
    struct acknowledging it = {.partition = partition,
                               .config = config,
                               .id = ++partition->last_change_id,
                               .lock_deadline_ms = now_ms + config->lock_duration_ms};
    enum weir_status status = check_form(items, count);
    size_t cuts = 0;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        status = check_held(partition, config, member_id, &items[i]);
        cuts += items[i].type_count + 1;
    }
    if (status == WEIR_OK)
        status = runs_reserve(partition, cuts);
    if (status != WEIR_OK)
        return status;
    struct weir_share_batch *batches =
        weir_arena_calloc(arena, partition->run_count + cuts, sizeof(*batches));
    if (batches == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        apply_item(&it, &items[i]);
    fill_change(partition, it.id, batches, out);
    return WEIR_OK;
}

enum weir_status weir_share_partition_release_member(
    struct weir_share_partition *partition, const struct weir_share_partition_config *config,
    struct weir_slice member_id, struct weir_arena *arena, struct weir_share_change *out)
{
    int64_t id = ++partition->last_change_id;
    struct weir_share_batch *batches =
        weir_arena_calloc(arena, partition->run_count, sizeof(*batches));
    if (batches == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < partition->run_count; i++) {
        struct run *run = &partition->runs[i];
        if (run->state != WEIR_SHARE_ACQUIRED || run->change_id != 0 ||
            !weir_slice_equal(run->holder->id, member_id))
            continue;
        run->becoming = released_state(config, run);
        run->change_id = id;
    }
    fill_change(partition, id, batches, out);
    return WEIR_OK;
}

bool weir_share_partition_stored(struct weir_share_partition *partition, int64_t id,
                                 bool was_stored)
{
    bool is_worth_a_look = false;
    if (!was_stored) {
        undo_change(partition, id);
        return false;
    }
    for (size_t i = 0; i < partition->run_count; i++) {
        struct run *run = &partition->runs[i];
        if (run->change_id != id)
            continue;
        run_leave_holder(partition, run, (enum weir_share_delivery_state)run->becoming);
        if (run_is_available(run))
            is_worth_a_look = true;
    }
    int64_t before = partition->start_offset;
    runs_advance(partition);
    runs_merge_terminal(partition);
    return is_worth_a_look || partition->start_offset != before;
}

/* ---- Time and log ---- */

int64_t weir_share_partition_next_deadline_ms(const struct weir_share_partition *partition)
{
    return partition->next_deadline_ms;
}

enum weir_status weir_share_partition_tick(struct weir_share_partition *partition,
                                           const struct weir_share_partition_config *config,
                                           int64_t now_ms, struct weir_arena *arena,
                                           struct weir_share_change *out)
{
    *out = (struct weir_share_change){0};
    if (partition->next_deadline_ms > now_ms)
        return WEIR_OK;
    /* The memory first, so that nothing is released that could not be told. */
    struct weir_share_batch *batches =
        weir_arena_calloc(arena, partition->run_count, sizeof(*batches));
    if (batches == NULL)
        return WEIR_NO_MEMORY;
    int64_t next_ms = INT64_MAX;
    bool has_expired = false;
    for (size_t i = 0; i < partition->run_count; i++) {
        struct run *run = &partition->runs[i];
        if (run->state != WEIR_SHARE_ACQUIRED || run->change_id != 0)
            continue; /* undo_change sets the deadline again */
        if (run->lock_deadline_ms > now_ms) {
            if (run->lock_deadline_ms < next_ms)
                next_ms = run->lock_deadline_ms;
            continue;
        }
        run_leave_holder(partition, run,
                         (enum weir_share_delivery_state)released_state(config, run));
        run->is_fresh = true;
        has_expired = true;
    }
    partition->next_deadline_ms = next_ms;
    if (has_expired)
        fill_change(partition, 0, batches, out);
    runs_advance(partition);
    return WEIR_OK;
}

void weir_share_partition_log_start_moved(struct weir_share_partition *partition,
                                          int64_t log_start_offset)
{
    if (log_start_offset <= partition->start_offset)
        return;
    size_t gone = runs_find(partition, log_start_offset);
    runs_drop_front(partition, gone);
    if (partition->run_count > 0)
        partition->runs[0].first_offset = log_start_offset;
    if (partition->end_offset < log_start_offset)
        partition->end_offset = log_start_offset;
    partition->start_offset = log_start_offset;
}
