/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How much space the file systems of the log directories have left.
 *
 * S1  below the watermark producers are refused, nobody else: what gives space back (deletion,
 *     retention, compaction) and what keeps a node working (offset commits, metadata) goes on with
 *     what the watermark keeps for it.
 * S2  it ends a fifth above the watermark (at least one percent of the disk), so that a disk at the
 *     limit does not change its mind with each record.
 * S3  each change is said once.
 */

#include "log_manager_int.h"

/* How often to look, and how often when the space falls so fast that the next look could be late.
 */
enum { LOOK_MS = 1000, LOOK_SOON_MS = 100, AHEAD_MS = 3 * LOOK_MS };

/* percent of total; total is far from overflowing when it is divided first. */
static uint64_t share(uint64_t total_bytes, unsigned percent)
{
    return total_bytes / 100 * percent + total_bytes % 100 * percent / 100;
}

static void tell(const struct log_dir *dir, bool is_nearly_full, uint64_t total_bytes,
                 uint64_t free_bytes)
{
    const struct weir_log *log = dir->manager->log;
    if (is_nearly_full)
        WEIR_LOG_WARN(log, "log_dir_nearly_full", WEIR_STR("dir", dir->path),
                      WEIR_I64("free_bytes", (int64_t)free_bytes),
                      WEIR_I64("total_bytes", (int64_t)total_bytes),
                      WEIR_STR("next", "producers are refused until there is more space (see "
                                       "weir.log.dir.free.percent.min); everything else goes on"));
    else
        WEIR_LOG_INFO(log, "log_dir_has_space_again", WEIR_STR("dir", dir->path),
                      WEIR_I64("free_bytes", (int64_t)free_bytes),
                      WEIR_I64("total_bytes", (int64_t)total_bytes));
}

/* Whether the next look has to come soon. */
static bool look_at(struct log_dir *dir, unsigned percent_min, int64_t now_ms)
{
    uint64_t total_bytes = 0;
    uint64_t free_bytes = 0;
    struct log_dir_space *space = &dir->space;
    if (weir_path_space(dir->manager->env, dir->path, &total_bytes, &free_bytes, NULL) != WEIR_OK)
        return false; /* a directory that is gone fails at its next write */
    unsigned margin = percent_min / 5 > 1 ? percent_min / 5 : 1;
    bool was_nearly_full = atomic_load_explicit(&space->is_nearly_full, memory_order_relaxed);
    uint64_t wanted_bytes =
        share(total_bytes, was_nearly_full ? percent_min + margin : percent_min);
    bool is_nearly_full = free_bytes < wanted_bytes;
    if (is_nearly_full != was_nearly_full) {
        atomic_store_explicit(&space->is_nearly_full, is_nearly_full, memory_order_relaxed);
        tell(dir, is_nearly_full, total_bytes, free_bytes);
    }
    bool must_hurry = false;
    int64_t passed_ms = now_ms - space->looked_ms;
    if (space->free_bytes > free_bytes && passed_ms > 0 && !is_nearly_full) {
        uint64_t fallen_bytes = space->free_bytes - free_bytes;
        must_hurry = (double)fallen_bytes / (double)passed_ms * AHEAD_MS >
                     (double)(free_bytes - wanted_bytes);
    }
    space->free_bytes = free_bytes;
    space->looked_ms = now_ms;
    return must_hurry;
}

int64_t weir_log_manager_check_space(struct weir_log_manager *manager)
{
    int64_t now_ms = weir_env_monotonic_ms(manager->env);
    bool must_hurry = false;
    if (manager->free_percent_min == 0)
        return LOOK_MS;
    for (size_t i = 0; i < manager->dir_count; i++) {
        struct log_dir *dir = &manager->dirs[i];
        if (!atomic_load_explicit(&dir->is_offline, memory_order_relaxed))
            must_hurry = look_at(dir, manager->free_percent_min, now_ms) || must_hurry;
    }
    return must_hurry ? LOOK_SOON_MS : LOOK_MS;
}

bool weir_log_manager_is_nearly_full(const struct weir_log_manager *manager, size_t index)
{
    return atomic_load_explicit(&manager->dirs[index].space.is_nearly_full, memory_order_relaxed);
}
