/* SPDX-License-Identifier: Apache-2.0 */

/* The runs of a share partition; their rules are in partition_int.h. */

#include "partition_int.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

bool run_is_terminal(const struct run *run)
{
    return run->state == WEIR_SHARE_ACKNOWLEDGED || run->state == WEIR_SHARE_ARCHIVED;
}

bool run_is_available(const struct run *run)
{
    return run->state == WEIR_SHARE_AVAILABLE;
}

enum weir_status runs_reserve(struct weir_share_partition *partition, size_t more)
{
    size_t needed;
    if (!weir_add_size(partition->run_count, more, &needed))
        return WEIR_NO_MEMORY;
    if (needed <= partition->run_count_max)
        return WEIR_OK;
    struct run *runs =
        weir_grow(partition->runs, &partition->run_count_max, needed, sizeof(partition->runs[0]));
    if (runs == NULL)
        return WEIR_NO_MEMORY;
    partition->runs = runs;
    return WEIR_OK;
}

size_t runs_find(const struct weir_share_partition *partition, int64_t offset)
{
    size_t low = 0;
    size_t high = partition->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (partition->runs[middle].last_offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t runs_cut(struct weir_share_partition *partition, int64_t offset)
{
    size_t at = runs_find(partition, offset);
    if (at == partition->run_count || partition->runs[at].first_offset >= offset)
        return at;
    WEIR_ASSERT(partition->run_count < partition->run_count_max);
    struct run *run = &partition->runs[at];
    memmove(run + 1, run, (partition->run_count - at) * sizeof(*run));
    partition->run_count++;
    run[0].last_offset = offset - 1;
    run[1].first_offset = offset;
    if (run->holder != NULL)
        run->holder->run_count++;
    return at + 1;
}

void runs_append(struct weir_share_partition *partition, int64_t first_offset, int64_t last_offset,
                 enum weir_share_delivery_state state, int16_t delivery_count)
{
    WEIR_ASSERT(partition->run_count < partition->run_count_max);
    WEIR_ASSERT(first_offset == partition->end_offset && last_offset >= first_offset);
    partition->runs[partition->run_count++] =
        (struct run){.first_offset = first_offset,
                     .last_offset = last_offset,
                     .lock_deadline_ms = INT64_MAX,
                     .batch_first_offset = first_offset,
                     .batch_size = last_offset - first_offset + 1,
                     .delivery_count = delivery_count,
                     .state = (int8_t)state};
    partition->end_offset = last_offset + 1;
}

void runs_drop_front(struct weir_share_partition *partition, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_leave_holder(partition, &partition->runs[i], WEIR_SHARE_ARCHIVED);
    partition->run_count -= count;
    if (partition->run_count > 0)
        memmove(partition->runs, partition->runs + count,
                partition->run_count * sizeof(partition->runs[0]));
    partition->start_offset =
        partition->run_count > 0 ? partition->runs[0].first_offset : partition->end_offset;
}

void runs_advance(struct weir_share_partition *partition)
{
    size_t done = 0;
    while (done < partition->run_count && run_is_terminal(&partition->runs[done]))
        done++;
    runs_drop_front(partition, done);
}

void runs_merge_terminal(struct weir_share_partition *partition)
{
    size_t kept = 0;
    for (size_t i = 0; i < partition->run_count; i++) {
        struct run *run = &partition->runs[i];
        struct run *tail = kept == 0 ? NULL : &partition->runs[kept - 1];
        if (tail != NULL && run_is_terminal(tail) && tail->state == run->state &&
            tail->delivery_count == run->delivery_count)
            tail->last_offset = run->last_offset;
        else
            partition->runs[kept++] = *run;
    }
    partition->run_count = kept;
}

void run_leave_holder(struct weir_share_partition *partition, struct run *run,
                      enum weir_share_delivery_state state)
{
    struct holder *holder = run->holder;
    run->holder = NULL;
    run->state = (int8_t)state;
    run->change_id = 0;
    run->lock_deadline_ms = INT64_MAX;
    if (holder == NULL)
        return;
    holder->run_count--;
    holder_release_unused(partition, holder);
}

void run_give(struct run *run, struct holder *holder, int64_t lock_deadline_ms)
{
    run->state = WEIR_SHARE_ACQUIRED;
    run->delivery_count++;
    run->holder = holder;
    run->lock_deadline_ms = lock_deadline_ms;
    run->is_fresh = true;
    holder->run_count++;
}

enum weir_status holder_get(struct weir_share_partition *partition, struct weir_slice member_id,
                            struct holder **out)
{
    struct holder *holder = weir_map_get(&partition->holders, member_id);
    if (holder == NULL) {
        holder = weir_calloc(1, sizeof(*holder) + member_id.size);
        if (holder == NULL)
            return WEIR_NO_MEMORY;
        if (member_id.size > 0)
            memcpy(holder + 1, member_id.data, member_id.size);
        holder->id = weir_slice_of(holder + 1, member_id.size);
        enum weir_status status = weir_map_put(&partition->holders, holder->id, holder, NULL);
        if (status != WEIR_OK) {
            weir_free(holder);
            return status;
        }
    }
    *out = holder;
    return WEIR_OK;
}

void holder_release_unused(struct weir_share_partition *partition, struct holder *holder)
{
    if (holder->run_count > 0)
        return;
    (void)weir_map_remove(&partition->holders, holder->id); /* it is `holder` */
    weir_free(holder);
}
