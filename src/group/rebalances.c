/* SPDX-License-Identifier: Apache-2.0 */

/* The last rebalances of each group, for people who ask why.  They stay when a group changes from
 * one protocol to another, and go when it is gone. */

#include "group_int.h"

#include "weir/base/memory.h"

#define REASON_BYTES_MAX 160

struct rebalance_entry {
    int64_t wall_ms;
    int32_t epoch;
    int64_t member_count;
    struct weir_slice reason; /* owned */
};

struct rebalance_log {
    struct weir_slice group_id;
    int64_t total;
    struct rebalance_entry entries[WEIR_GROUP_REBALANCES_KEPT]; /* total % KEPT is the next */
};

static void log_free(struct rebalance_log *log)
{
    if (log == NULL)
        return;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(log->entries); i++)
        text_drop(&log->entries[i].reason);
    text_drop(&log->group_id);
    weir_free(log);
}

static struct rebalance_log *ensure_log(struct group_machine *machine, struct weir_slice group_id)
{
    struct rebalance_log *log = weir_map_get(&machine->rebalances, group_id);
    if (log != NULL)
        return log;
    log = weir_calloc(1, sizeof(*log));
    if (log == NULL)
        return NULL;
    if (text_dup(group_id, &log->group_id) != WEIR_OK ||
        weir_map_put(&machine->rebalances, log->group_id, log, NULL) != WEIR_OK) {
        log_free(log);
        return NULL;
    }
    return log;
}

void group_rebalanced(struct group *group, int32_t epoch, size_t member_count,
                      struct weir_slice reason, struct weir_step *step)
{
    WEIR_STEP_INFO(step, "group_rebalance", WEIR_BYTES("group", group->id),
                   WEIR_STR("type", group->ops->type_name), WEIR_I64("epoch", epoch),
                   WEIR_I64("members", member_count), WEIR_BYTES("reason", reason));
    struct rebalance_log *log = ensure_log(group->machine, group->id);
    if (log == NULL)
        return;
    struct rebalance_entry *entry = &log->entries[log->total % WEIR_GROUP_REBALANCES_KEPT];
    if (reason.size > REASON_BYTES_MAX)
        reason.size = REASON_BYTES_MAX;
    if (text_set(&entry->reason, reason) != WEIR_OK)
        return;
    entry->wall_ms = step->wall_ms;
    entry->epoch = epoch;
    entry->member_count = (int64_t)member_count;
    log->total++;
}

void rebalances_list(const struct group_machine *machine, struct weir_slice group_id,
                     struct weir_group_rebalances *out)
{
    if (machine_group(machine, group_id) == NULL) {
        out->op.status = WEIR_GROUP_ID_NOT_FOUND;
        return;
    }
    const struct rebalance_log *log = weir_map_get(&machine->rebalances, group_id);
    if (log == NULL)
        return;
    out->total = log->total;
    size_t count =
        log->total < WEIR_GROUP_REBALANCES_KEPT ? (size_t)log->total : WEIR_GROUP_REBALANCES_KEPT;
    out->items = weir_arena_calloc(&out->op.arena, count + 1, sizeof(*out->items));
    if (out->items == NULL) {
        out->op.status = WEIR_UNKNOWN_SERVER_ERROR;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t number = log->total - (int64_t)count + (int64_t)i;
        const struct rebalance_entry *entry = &log->entries[number % WEIR_GROUP_REBALANCES_KEPT];
        struct weir_group_rebalance *item = &out->items[out->count++];
        *item = (struct weir_group_rebalance){
            .wall_ms = entry->wall_ms, .epoch = entry->epoch, .member_count = entry->member_count};
        if (weir_arena_copy(&out->op.arena, entry->reason, &item->reason) != WEIR_OK)
            out->op.status = WEIR_UNKNOWN_SERVER_ERROR;
    }
}

void rebalances_sweep(struct group_machine *machine)
{
    struct weir_map kept = {0};
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->rebalances, &cursor)) != NULL) {
        struct rebalance_log *log = entry->value;
        if (machine_group(machine, log->group_id) == NULL ||
            weir_map_put(&kept, log->group_id, log, NULL) != WEIR_OK)
            log_free(log);
    }
    weir_map_done(&machine->rebalances);
    machine->rebalances = kept;
}

void rebalances_done(struct group_machine *machine)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->rebalances, &cursor)) != NULL)
        log_free(entry->value);
    weir_map_done(&machine->rebalances);
}
