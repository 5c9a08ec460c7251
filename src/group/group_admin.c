/* SPDX-License-Identifier: Apache-2.0 */

/* DeleteGroups, DescribeGroups, ListGroups. */

#include "group_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

void group_admin_delete(struct group_machine *machine, struct weir_slice group_id,
                        struct weir_group_op *op, struct weir_step *step)
{
    struct group *group = machine_group(machine, group_id);
    enum weir_status status = group == NULL ? WEIR_GROUP_ID_NOT_FOUND : group_check_delete(group);
    if (status != WEIR_OK) {
        op_complete(op, status, step);
        return;
    }
    if (group->ops->begin_delete != NULL && group->ops->begin_delete(group, op, step))
        return;
    WEIR_STEP_INFO(step, "group_deleted", WEIR_BYTES("group", group_id),
                   WEIR_STR("reason", "DeleteGroups"));
    /* Offsets first: should only a part of it be written, the group is still there. */
    step->is_atomic = false;
    offsets_forget_group(machine, group_id, step);
    group->ops->write_tombstones(group, step);
    op->status = WEIR_OK;
    op_wait_committed(op, step);
}

static void describe_missing(struct weir_group_describe *describe, const char *format,
                             struct weir_slice group_id)
{
    describe->op.status = WEIR_GROUP_ID_NOT_FOUND;
    describe->state = WEIR_SLICE("Dead");
    describe->message =
        weir_arena_printf(&describe->op.arena, "Group %.*s %s", WEIR_SLICE_ARGS(group_id), format);
}

void group_admin_describe(struct group_machine *machine, struct weir_slice group_id,
                          struct weir_group_describe *describe)
{
    const struct group *group = machine_group(machine, group_id);
    if (group == NULL) {
        describe_missing(describe, "not found.", group_id);
        return;
    }
    if (group->ops->describe == NULL) {
        describe_missing(describe, "is not a classic group.", group_id);
        return;
    }
    describe->op.status = group->ops->describe(group, describe);
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Without regard to case and to blanks around the filter. */
static bool matches(struct weir_slice filter, const char *name)
{
    while (filter.size > 0 && filter.data[0] <= ' ') {
        filter.data++;
        filter.size--;
    }
    while (filter.size > 0 && filter.data[filter.size - 1] <= ' ')
        filter.size--;
    if (filter.size != strlen(name))
        return false;
    for (size_t i = 0; i < filter.size; i++) {
        if (to_lower((char)filter.data[i]) != to_lower(name[i]))
            return false;
    }
    return true;
}

static bool matches_any(const struct weir_slice *filters, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (matches(filters[i], name))
            return true;
    }
    return count == 0;
}

static enum weir_status list_one(const struct group *group, struct list_collector *collector)
{
    const char *type = group->ops->type_name;
    const char *state = group->ops->state_name(group);
    const struct weir_group_list_request *request = collector->request;
    if (!matches_any(request->states, request->state_count, state) ||
        !matches_any(request->types, request->type_count, type))
        return WEIR_OK;
    void *grown = weir_grow(collector->groups, &collector->capacity, collector->count + 1,
                            sizeof(collector->groups[0]));
    if (grown == NULL)
        return WEIR_NO_MEMORY;
    collector->groups = grown;
    struct weir_group_listing *out = &collector->groups[collector->count];
    *out =
        (struct weir_group_listing){.state = weir_slice_str(state), .type = weir_slice_str(type)};
    struct weir_arena *arena = &collector->list->op.arena;
    enum weir_status status = weir_arena_copy(arena, group->id, &out->group_id);
    if (status == WEIR_OK)
        status = weir_arena_copy(arena, group->ops->protocol_type(group), &out->protocol_type);
    if (status == WEIR_OK)
        collector->count++;
    return status;
}

void group_admin_list(struct group_machine *machine, struct list_collector *collector)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->groups, &cursor)) != NULL) {
        if (list_one(entry->value, collector) != WEIR_OK)
            collector->list->op.status = WEIR_UNKNOWN_SERVER_ERROR;
    }
}
