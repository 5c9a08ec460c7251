/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How records become a member's.
 *
 * First what is in flight already and available again, then records that nobody has had.  A record
 * that failed often is delivered with fewer and fewer others, and the last time alone, so that one
 * bad record does not take its whole batch along (Apache Kafka 4.3.0's throttling).
 */

#include "partition_int.h"

/* Below this many deliveries nothing is throttled. */
#define THROTTLE_DELIVERIES_MIN 2

struct taking {
    struct weir_share_partition *partition;
    const struct weir_share_partition_config *config;
    const struct weir_share_acquire *acquire;
    struct holder *holder;
    int64_t lock_deadline_ms;
    int64_t last_offset; /* no further */
    int64_t records_max;
    int64_t taken;
    bool is_done;
};

int64_t weir_share_partition_next_fetch_offset(const struct weir_share_partition *partition)
{
    for (size_t i = 0; i < partition->run_count; i++) {
        if (run_is_available(&partition->runs[i]))
            return partition->runs[i].first_offset;
    }
    return partition->end_offset;
}

bool weir_share_partition_can_acquire(const struct weir_share_partition *partition,
                                      const struct weir_share_partition_config *config)
{
    return weir_share_partition_next_fetch_offset(partition) != partition->end_offset ||
           partition->end_offset - partition->start_offset < config->record_locks_max;
}

static int16_t throttle_limit(const struct weir_share_partition_config *config)
{
    int32_t half = (config->delivery_count_max + 1) / 2;
    return (int16_t)(half > THROTTLE_DELIVERIES_MIN ? half : THROTTLE_DELIVERIES_MIN);
}

/* The runs that were one batch, from the run at `at` on: each is looked at once. */
struct group {
    int64_t batch_first_offset;
    int64_t end; /* not at or past this offset */
    int64_t taken;
    int64_t taken_max; /* -1: nothing in it is throttled */
};

static bool is_in_group(const struct taking *taking, const struct group *group, size_t at)
{
    const struct weir_share_partition *partition = taking->partition;
    return at < partition->run_count && partition->runs[at].first_offset < group->end &&
           partition->runs[at].batch_first_offset == group->batch_first_offset;
}

static bool is_throttled(const struct taking *taking, const struct group *group, size_t at)
{
    for (; is_in_group(taking, group, at); at++) {
        const struct run *run = &taking->partition->runs[at];
        if (run_is_available(run) && run->delivery_count >= throttle_limit(taking->config))
            return true;
    }
    return false;
}

/* How many records of the run come along with what was taken of the group already; 0: none, and
 * nothing behind them. */
static int64_t deliverable(const struct taking *taking, struct group *group, const struct run *run)
{
    int64_t count = run->last_offset - run->first_offset + 1;
    int32_t max = taking->config->delivery_count_max;
    int16_t limit = throttle_limit(taking->config);
    bool is_last_attempt = max > 2 && run->delivery_count >= max - 1;
    if (run->delivery_count >= limit && group->taken_max < 0) {
        int shift = run->delivery_count - limit + 1;
        int64_t fewer = shift > 30 ? 0 : run->batch_size >> shift;
        group->taken_max = fewer > 1 ? fewer : 1;
    }
    if (is_last_attempt)
        count = group->taken > 0 ? 0 : 1;
    /* When more was taken before the first one that failed often, it no longer counts. */
    int64_t left = group->taken_max - group->taken;
    if (group->taken_max >= 0 && left > 0 && count > left)
        count = left;
    left = taking->records_max - taking->taken;
    if (taking->acquire->is_record_limited && count > left)
        count = left;
    return count;
}

static bool is_enough(const struct taking *taking, const struct group *group,
                      const struct run *last)
{
    int32_t max = taking->config->delivery_count_max;
    return (max > 2 && last->delivery_count >= max) || group->taken == group->taken_max ||
           (taking->acquire->is_record_limited && taking->taken >= taking->records_max);
}

/* Takes what may be taken of the group that begins with the run at `at`.  The run behind it. */
static size_t take_group(struct taking *taking, size_t at, int64_t end)
{
    struct weir_share_partition *partition = taking->partition;
    struct group group = {
        .batch_first_offset = partition->runs[at].batch_first_offset, .end = end, .taken_max = -1};
    bool is_careful = is_throttled(taking, &group, at);
    if (is_careful && taking->taken > 0) {
        taking->is_done = true;
        return at;
    }
    bool goes_on = true;
    for (; is_in_group(taking, &group, at); at++) {
        struct run *run = &partition->runs[at];
        if (!goes_on || !run_is_available(run))
            continue;
        int64_t count = deliverable(taking, &group, run);
        goes_on = count > 0;
        if (!goes_on)
            continue;
        if (count < run->last_offset - run->first_offset + 1)
            (void)runs_cut(partition, run->first_offset + count); /* behind this one */
        run_give(run, taking->holder, taking->lock_deadline_ms);
        group.taken += count;
        taking->taken += count;
        goes_on = !is_enough(taking, &group, run);
    }
    if (is_careful && group.taken > 0)
        taking->is_done = true;
    return at;
}

static void take_again(struct taking *taking, int64_t first_offset)
{
    struct weir_share_partition *partition = taking->partition;
    int64_t end = taking->last_offset < partition->end_offset ? taking->last_offset + 1
                                                              : partition->end_offset;
    if (first_offset >= end)
        return;
    size_t at = runs_cut(partition, first_offset);
    (void)runs_cut(partition, end);
    while (at < partition->run_count && partition->runs[at].first_offset < end &&
           !taking->is_done && taking->taken < taking->records_max)
        at = take_group(taking, at, end);
}

static void append_taken(struct taking *taking, int64_t first_offset, int64_t last_offset)
{
    struct weir_share_partition *partition = taking->partition;
    runs_append(partition, first_offset, last_offset, WEIR_SHARE_AVAILABLE, 0);
    run_give(&partition->runs[partition->run_count - 1], taking->holder, taking->lock_deadline_ms);
    taking->taken += last_offset - first_offset + 1;
}

/* The last offset of the log batch that holds `offset`, not past the end of what may be taken. */
static int64_t batch_end(const struct taking *taking, int64_t offset)
{
    const struct weir_share_acquire *acquire = taking->acquire;
    for (size_t i = 0; i < acquire->log_batch_count; i++) {
        if (acquire->log_batches[i].last_offset >= offset)
            return acquire->log_batches[i].last_offset < taking->last_offset
                       ? acquire->log_batches[i].last_offset
                       : taking->last_offset;
    }
    return taking->last_offset;
}

static void take_new(struct taking *taking)
{
    struct weir_share_partition *partition = taking->partition;
    const struct weir_share_acquire *acquire = taking->acquire;
    int64_t left = taking->records_max - taking->taken;
    int64_t first = acquire->log_batches[0].first_offset;
    if (first < partition->end_offset)
        first = partition->end_offset;
    if (taking->is_done || left <= 0 || taking->last_offset < first)
        return;
    int64_t last = taking->last_offset;
    if (last - first + 1 > left)
        last = acquire->is_record_limited ? first + left - 1 : batch_end(taking, first + left - 1);
    if (partition->run_count == 0) {
        partition->start_offset = first;
        partition->end_offset = first;
    } else if (first > partition->end_offset) {
        /* Nothing was written there, or compaction took it. */
        runs_append(partition, partition->end_offset, first - 1, WEIR_SHARE_ARCHIVED, 0);
    }
    for (size_t i = 0; i < acquire->log_batch_count && !acquire->is_record_limited; i++) {
        int64_t base = acquire->log_batches[i].first_offset;
        if (base > last)
            break;
        if (base - first >= acquire->batch_size) {
            append_taken(taking, first, base - 1);
            first = base;
        }
    }
    append_taken(taking, first, last);
}

/* Records in flight that the log no longer has, as the read that began at them showed. */
static void archive_stale(struct weir_share_partition *partition, int64_t from, int64_t to)
{
    if (from < partition->start_offset)
        from = partition->start_offset;
    if (to > partition->end_offset)
        to = partition->end_offset;
    if (from >= to)
        return;
    size_t at = runs_cut(partition, from);
    (void)runs_cut(partition, to);
    for (; at < partition->run_count && partition->runs[at].first_offset < to; at++) {
        if (run_is_available(&partition->runs[at]))
            run_leave_holder(partition, &partition->runs[at], WEIR_SHARE_ARCHIVED);
    }
}

static void archive_aborted(struct taking *taking)
{
    struct weir_share_partition *partition = taking->partition;
    for (size_t i = 0; i < taking->acquire->aborted_count; i++) {
        int64_t from = taking->acquire->aborted[i].first_offset;
        int64_t to = taking->acquire->aborted[i].last_offset + 1;
        if (from < partition->start_offset)
            from = partition->start_offset;
        if (to > partition->end_offset)
            to = partition->end_offset;
        if (from >= to)
            continue;
        size_t at = runs_cut(partition, from);
        (void)runs_cut(partition, to);
        for (; at < partition->run_count && partition->runs[at].first_offset < to; at++) {
            struct run *run = &partition->runs[at];
            if (run->is_fresh) {
                run->is_fresh = false;
                run_leave_holder(partition, run, WEIR_SHARE_ARCHIVED);
            }
        }
    }
}

static size_t collect_fresh(struct weir_share_partition *partition,
                            struct weir_share_acquired *items)
{
    size_t count = 0;
    for (size_t i = 0; i < partition->run_count; i++) {
        struct run *run = &partition->runs[i];
        if (!run->is_fresh)
            continue;
        run->is_fresh = false;
        items[count++] = (struct weir_share_acquired){.first_offset = run->first_offset,
                                                      .last_offset = run->last_offset,
                                                      .delivery_count = run->delivery_count};
    }
    return count;
}

/* How far and how much.  False: nothing. */
static bool set_bounds(struct taking *taking)
{
    const struct weir_share_partition *partition = taking->partition;
    const struct weir_share_acquire *acquire = taking->acquire;
    taking->last_offset = acquire->log_batches[acquire->log_batch_count - 1].last_offset;
    if (taking->last_offset < partition->start_offset)
        return false;
    int64_t room =
        taking->config->record_locks_max - (partition->end_offset - partition->start_offset);
    taking->records_max = acquire->records_max < room ? acquire->records_max : room;
    if (taking->records_max > 0)
        return true;
    if (acquire->fetch_offset >= partition->end_offset)
        return false;
    /* Full, but within what is in flight something is available again. */
    int64_t inside = partition->end_offset - acquire->fetch_offset;
    taking->records_max = acquire->records_max < inside ? acquire->records_max : inside;
    if (taking->last_offset >= partition->end_offset)
        taking->last_offset = partition->end_offset - 1;
    return taking->records_max > 0;
}

enum weir_status weir_share_partition_acquire(struct weir_share_partition *partition,
                                              const struct weir_share_partition_config *config,
                                              const struct weir_share_acquire *acquire,
                                              int64_t now_ms, struct weir_arena *arena,
                                              const struct weir_share_acquired **out_items,
                                              size_t *out_count)
{
    struct taking taking = {.partition = partition,
                            .config = config,
                            .acquire = acquire,
                            .lock_deadline_ms = now_ms + config->lock_duration_ms};
    *out_items = NULL;
    *out_count = 0;
    if (acquire->log_batch_count == 0 || acquire->records_max <= 0 || !set_bounds(&taking))
        return WEIR_OK;
    /* Each cut, each new run; and as many results as there can be runs. */
    size_t more = 8 + acquire->log_batch_count + 2 * acquire->aborted_count;
    enum weir_status status = runs_reserve(partition, more);
    if (status != WEIR_OK)
        return status;
    struct weir_share_acquired *items =
        weir_arena_calloc(arena, partition->run_count + more, sizeof(*items));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    status = holder_get(partition, acquire->member_id, &taking.holder);
    if (status != WEIR_OK)
        return status;
    int64_t first = acquire->log_batches[0].first_offset;
    archive_stale(partition, acquire->fetch_offset, first);
    take_again(&taking, first > partition->start_offset ? first : partition->start_offset);
    take_new(&taking);
    if (taking.taken > 0 && taking.lock_deadline_ms < partition->next_deadline_ms)
        partition->next_deadline_ms = taking.lock_deadline_ms;
    taking.holder->run_count++; /* it may lose its last run in here */
    archive_aborted(&taking);
    *out_count = collect_fresh(partition, items);
    *out_items = items;
    taking.holder->run_count--;
    holder_release_unused(partition, taking.holder);
    runs_advance(partition); /* what was stale or aborted */
    return WEIR_OK;
}
