/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tasks go, in this order, to who had them active, to who had them standby, and to the process with
 * the least load (tasks by members) and in it to the member with the fewest tasks.  A member's
 * share is the tasks by the members, rounded up, computed anew for those left whenever a member has
 * it.
 *
 * Invariants: S1  every task is active at exactly one member when the function succeeds;
 *             S2  a process has a task at most once, active or standby.
 */

#include "sticky.h"

#include "weir/base/assert.h"

#include <stdlib.h>

#define NOBODY UINT32_MAX

struct process;

struct worker { /* a member while it is given tasks */
    struct process *process;
    int32_t task_count;
    uint32_t place; /* in the order of the group's map */
};

struct process {
    double load; /* tasks by members */
    int32_t task_count;
    int32_t member_count;
    uint32_t *members; /* indexes into the spec, in the order of its map */
    uint32_t *heap;    /* members by tasks; NULL: to be built */
    int32_t heap_count;
    uint64_t *has; /* bit for each task */
};

struct previous { /* who had a task standby, in the order of the members */
    uint32_t *members;
    uint32_t count;
};

/* How many tasks the members that have not reached their share get each. */
struct quota {
    int32_t tasks;
    int32_t members;
    int32_t each;
};

struct sticky {
    const struct sticky_spec *spec;
    struct weir_arena *arena;
    bool is_out_of_memory;
    uint32_t *first_task; /* by subtopology: the number of its task 0 */
    uint32_t task_count;
    struct sticky_task *tasks; /* by number */
    uint32_t *member_order;
    struct worker *workers;
    struct process *processes; /* in the order of the map of processes */
    uint32_t process_count;
    uint32_t *previous_active; /* by task: a member or NOBODY */
    struct previous *previous_standby;
    uint32_t *active; /* by task: its member or NOBODY */
    struct previous *standby;
    struct quota active_quota;
    struct quota total_quota;
};

static void *allocate(struct sticky *sticky, size_t count, size_t size)
{
    void *memory = weir_arena_calloc(sticky->arena, count, size);
    if (memory == NULL)
        sticky->is_out_of_memory = true;
    return memory;
}

/* ---- Shares ---- */

static void quota_compute(struct quota *quota)
{
    quota->each = quota->members == 0
                      ? 0
                      : quota->tasks / quota->members + (quota->tasks % quota->members > 0 ? 1 : 0);
}

/* A member has come to task_count tasks. */
static void quota_reached(struct quota *quota, int32_t task_count)
{
    if (task_count != quota->each)
        return;
    quota->members--;
    quota->tasks -= task_count;
    quota_compute(quota);
}

/* ---- Processes ---- */

static bool process_has(const struct process *process, uint32_t task)
{
    return (process->has[task / 64] >> (task % 64) & 1) != 0;
}

static int32_t give(struct sticky *sticky, uint32_t member, uint32_t task, bool is_active)
{
    struct worker *worker = &sticky->workers[member];
    struct process *process = worker->process;
    process->has[task / 64] |= (uint64_t)1 << (task % 64);
    process->task_count++;
    process->load = (double)process->task_count / process->member_count;
    if (is_active)
        sticky->active[task] = member;
    else
        sticky->standby[task].members[sticky->standby[task].count++] = member;
    return ++worker->task_count;
}

/* To a member that was picked by name: the heap of its process no longer holds. */
static int32_t give_named(struct sticky *sticky, uint32_t member, uint32_t task, bool is_active)
{
    sticky->workers[member].process->heap = NULL;
    return give(sticky, member, task, is_active);
}

/* The two heaps follow java.util.PriorityQueue move by move, for equals come out in its order. */
static void members_up(const struct sticky *sticky, uint32_t *heap, int32_t at, uint32_t member)
{
    while (at > 0) {
        int32_t parent = (at - 1) / 2;
        if (sticky->workers[member].task_count >= sticky->workers[heap[parent]].task_count)
            break;
        heap[at] = heap[parent];
        at = parent;
    }
    heap[at] = member;
}

static uint32_t members_poll(const struct sticky *sticky, uint32_t *heap, int32_t *count)
{
    uint32_t first = heap[0];
    uint32_t last = heap[--*count];
    int32_t at = 0;
    while (at < *count / 2) {
        int32_t child = 2 * at + 1;
        if (child + 1 < *count &&
            sticky->workers[heap[child]].task_count > sticky->workers[heap[child + 1]].task_count)
            child++;
        if (sticky->workers[last].task_count <= sticky->workers[heap[child]].task_count)
            break;
        heap[at] = heap[child];
        at = child;
    }
    if (*count > 0)
        heap[at] = last;
    return first;
}

static int32_t give_least(struct sticky *sticky, struct process *process, uint32_t task,
                          bool is_active)
{
    if (process->member_count == 1)
        return give(sticky, process->members[0], task, is_active);
    if (process->heap == NULL) {
        process->heap = allocate(sticky, (size_t)process->member_count, sizeof(*process->heap));
        if (process->heap == NULL)
            return -1;
        process->heap_count = 0;
        for (int32_t i = 0; i < process->member_count; i++)
            members_up(sticky, process->heap, process->heap_count++, process->members[i]);
    }
    uint32_t member = members_poll(sticky, process->heap, &process->heap_count);
    int32_t count = give(sticky, member, task, is_active);
    members_up(sticky, process->heap, process->heap_count++, member);
    return count;
}

struct queue {
    struct process **processes;
    uint32_t count;
};

static void queue_add(struct queue *queue, struct process *process)
{
    uint32_t at = queue->count++;
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (process->load >= queue->processes[parent]->load)
            break;
        queue->processes[at] = queue->processes[parent];
        at = parent;
    }
    queue->processes[at] = process;
}

static struct process *queue_poll(struct queue *queue)
{
    if (queue->count == 0)
        return NULL;
    struct process *first = queue->processes[0];
    struct process *last = queue->processes[--queue->count];
    uint32_t at = 0;
    while (at < queue->count / 2) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < queue->count &&
            queue->processes[child]->load > queue->processes[child + 1]->load)
            child++;
        if (last->load <= queue->processes[child]->load)
            break;
        queue->processes[at] = queue->processes[child];
        at = child;
    }
    if (queue->count > 0)
        queue->processes[at] = last;
    return first;
}

static void queue_fill(struct sticky *sticky, struct queue *queue)
{
    queue->count = 0;
    queue->processes = allocate(sticky, sticky->process_count, sizeof(struct process *));
    for (uint32_t i = 0; i < sticky->process_count && queue->processes != NULL; i++)
        queue_add(queue, &sticky->processes[i]);
}

/* ---- What is there ---- */

static void lay_out_tasks(struct sticky *sticky)
{
    const struct sticky_spec *spec = sticky->spec;
    int64_t active = 0;
    int64_t total = 0;
    sticky->first_task = allocate(sticky, spec->subtopology_count, sizeof(uint32_t));
    for (size_t i = 0; i < spec->subtopology_count && !sticky->is_out_of_memory; i++) {
        const struct sticky_subtopology *subtopology = &spec->subtopologies[i];
        sticky->first_task[i] = (uint32_t)active;
        active += subtopology->task_count;
        total += subtopology->task_count;
        if (subtopology->is_stateful)
            total += (int64_t)subtopology->task_count * spec->standby_replicas;
        if (total > INT32_MAX)
            sticky->is_out_of_memory = true;
    }
    if (sticky->is_out_of_memory)
        return;
    sticky->task_count = (uint32_t)active;
    sticky->active_quota = (struct quota){(int32_t)active, (int32_t)spec->member_count, 0};
    sticky->total_quota = (struct quota){(int32_t)total, (int32_t)spec->member_count, 0};
    quota_compute(&sticky->active_quota);
    quota_compute(&sticky->total_quota);
    size_t count = sticky->task_count;
    sticky->tasks = allocate(sticky, count, sizeof(*sticky->tasks));
    sticky->previous_active = allocate(sticky, count, sizeof(uint32_t));
    sticky->previous_standby = allocate(sticky, count, sizeof(struct previous));
    sticky->active = allocate(sticky, count, sizeof(uint32_t));
    sticky->standby = allocate(sticky, count, sizeof(struct previous));
    uint32_t task = 0;
    for (size_t i = 0; i < spec->subtopology_count && !sticky->is_out_of_memory; i++)
        for (int32_t partition = 0; partition < spec->subtopologies[i].task_count; partition++) {
            sticky->tasks[task] = (struct sticky_task){(uint32_t)i, partition};
            sticky->previous_active[task] = NOBODY;
            sticky->active[task] = NOBODY;
            task++;
        }
}

/* Members grouped by process, both in the order of Apache Kafka's maps. */
static void find_processes(struct sticky *sticky)
{
    const struct sticky_spec *spec = sticky->spec;
    size_t count = spec->member_count;
    struct weir_slice *keys = allocate(sticky, count, sizeof(*keys));
    struct weir_slice *process_keys = allocate(sticky, count, sizeof(*process_keys));
    uint32_t *process_of = allocate(sticky, count, sizeof(uint32_t)); /* by member */
    sticky->workers = allocate(sticky, count, sizeof(*sticky->workers));
    if (sticky->is_out_of_memory)
        return;
    for (size_t i = 0; i < count; i++)
        keys[i] = spec->members[i].id;
    uint32_t *order;
    uint32_t found = 0;
    if (java_map_order(keys, count, 0, sticky->arena, &sticky->member_order) != WEIR_OK)
        goto no_memory;
    for (size_t i = 0; i < count; i++) {
        uint32_t member = sticky->member_order[i];
        uint32_t process = 0;
        while (process < found &&
               !weir_slice_equal(process_keys[process], spec->members[member].process_id))
            process++;
        if (process == found)
            process_keys[found++] = spec->members[member].process_id;
        process_of[member] = process;
    }
    if (java_map_order(process_keys, found, count, sticky->arena, &order) != WEIR_OK)
        goto no_memory;
    sticky->process_count = found;
    sticky->processes = allocate(sticky, found, sizeof(*sticky->processes));
    struct weir_slice *own = allocate(sticky, count, sizeof(*own));
    uint32_t *own_index = allocate(sticky, count, sizeof(*own_index));
    for (uint32_t i = 0; i < found && !sticky->is_out_of_memory; i++) {
        struct process *process = &sticky->processes[i];
        size_t own_count = 0;
        for (size_t j = 0; j < count; j++) {
            uint32_t member = sticky->member_order[j];
            if (process_of[member] != order[i])
                continue;
            sticky->workers[member].process = process;
            own[own_count] = keys[member];
            own_index[own_count++] = member;
        }
        process->has = allocate(sticky, sticky->task_count / 64 + 1, sizeof(uint64_t));
        if (java_map_order(own, own_count, 0, sticky->arena, &process->members) != WEIR_OK)
            goto no_memory;
        process->member_count = (int32_t)own_count;
        for (size_t j = 0; j < own_count; j++)
            process->members[j] = own_index[process->members[j]];
    }
    return;
no_memory:
    sticky->is_out_of_memory = true;
}

static uint32_t task_number(const struct sticky *sticky, const struct sticky_task *task)
{
    WEIR_ASSERT(task->subtopology < sticky->spec->subtopology_count && task->partition >= 0 &&
                task->partition < sticky->spec->subtopologies[task->subtopology].task_count);
    return sticky->first_task[task->subtopology] + (uint32_t)task->partition;
}

static void remember(struct sticky *sticky)
{
    const struct sticky_spec *spec = sticky->spec;
    for (size_t i = 0; i < spec->member_count; i++)
        for (size_t j = 0; j < spec->members[i].standby_count; j++)
            sticky->previous_standby[task_number(sticky, &spec->members[i].standby[j])].count++;
    uint32_t standbys_max = sticky->process_count; /* S2 */
    if (spec->standby_replicas < (int64_t)standbys_max)
        standbys_max = spec->standby_replicas < 0 ? 0 : (uint32_t)spec->standby_replicas;
    for (uint32_t task = 0; task < sticky->task_count; task++) {
        struct previous *previous = &sticky->previous_standby[task];
        if (previous->count > 0)
            previous->members = allocate(sticky, previous->count, sizeof(uint32_t));
        previous->count = 0;
        if (standbys_max > 0)
            sticky->standby[task].members = allocate(sticky, standbys_max, sizeof(uint32_t));
    }
    for (size_t i = 0; i < spec->member_count && !sticky->is_out_of_memory; i++) {
        uint32_t index = sticky->member_order[i];
        const struct sticky_member *member = &spec->members[index];
        for (size_t j = 0; j < member->active_count; j++)
            sticky->previous_active[task_number(sticky, &member->active[j])] = index;
        for (size_t j = 0; j < member->standby_count; j++) {
            struct previous *previous =
                &sticky->previous_standby[task_number(sticky, &member->standby[j])];
            previous->members[previous->count++] = index;
        }
    }
}

/* ---- Active tasks ---- */

/* The process (of the first candidate, as Apache Kafka 4.3.0 has it) must not have the task;
 * `task` NOBODY: no matter.  NOBODY when there is none. */
static uint32_t least_loaded_previous(const struct sticky *sticky, const struct previous *previous,
                                      uint32_t task)
{
    if (previous->count == 0)
        return NOBODY;
    uint32_t candidate = previous->members[0];
    const struct process *first = sticky->workers[candidate].process;
    double process_load = first->load;
    int32_t member_load = sticky->workers[candidate].task_count;
    for (uint32_t i = 1; i < previous->count; i++) {
        const struct worker *worker = &sticky->workers[previous->members[i]];
        if (worker->process->load < process_load &&
            (task == NOBODY || !process_has(worker->process, task)) &&
            worker->task_count < member_load) {
            process_load = worker->process->load;
            member_load = worker->task_count;
            candidate = previous->members[i];
        }
    }
    return task == NOBODY || !process_has(first, task) ? candidate : NOBODY;
}

static void give_active(struct sticky *sticky, uint32_t member, uint32_t task)
{
    int32_t count = give_named(sticky, member, task, true);
    quota_reached(&sticky->active_quota, count);
    quota_reached(&sticky->total_quota, count);
}

struct sorted_task {
    struct sticky_task task;
    uint32_t number;
    int32_t replicas; /* of standbys, still to be placed */
};

/* Indexes of subtopologies are in the order of their ids. */
static int by_partition(const void *a, const void *b)
{
    const struct sticky_task *left = &((const struct sorted_task *)a)->task;
    const struct sticky_task *right = &((const struct sorted_task *)b)->task;
    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    return left->subtopology < right->subtopology ? -1 : left->subtopology > right->subtopology;
}

static int by_subtopology(const void *a, const void *b)
{
    uint32_t left = ((const struct sorted_task *)a)->number;
    uint32_t right = ((const struct sorted_task *)b)->number;
    return left < right ? -1 : left > right;
}

static enum weir_status assign_active(struct sticky *sticky)
{
    struct sorted_task *sorted = allocate(sticky, sticky->task_count, sizeof(*sorted));
    struct queue queue;
    queue_fill(sticky, &queue);
    if (sticky->is_out_of_memory)
        return WEIR_NO_MEMORY;
    for (uint32_t i = 0; i < sticky->task_count; i++)
        sorted[i] = (struct sorted_task){sticky->tasks[i], i, 0};
    qsort(sorted, sticky->task_count, sizeof(*sorted), by_partition);
    for (uint32_t i = 0; i < sticky->task_count; i++) {
        uint32_t member = sticky->previous_active[sorted[i].number];
        if (member != NOBODY && sticky->workers[member].task_count < sticky->active_quota.each)
            give_active(sticky, member, sorted[i].number);
    }
    for (uint32_t i = 0; i < sticky->task_count; i++) {
        uint32_t task = sorted[i].number;
        if (sticky->active[task] != NOBODY)
            continue;
        uint32_t member = least_loaded_previous(sticky, &sticky->previous_standby[task], NOBODY);
        if (member != NOBODY && sticky->workers[member].task_count < sticky->active_quota.each)
            give_active(sticky, member, task);
    }
    queue_fill(sticky, &queue);
    for (uint32_t task = 0; task < sticky->task_count && !sticky->is_out_of_memory; task++) {
        if (sticky->active[task] != NOBODY)
            continue;
        struct process *process = queue_poll(&queue);
        if (process == NULL)
            return WEIR_INVALID;
        int32_t count = give_least(sticky, process, task, true);
        quota_reached(&sticky->active_quota, count);
        quota_reached(&sticky->total_quota, count);
        queue_add(&queue, process);
    }
    return sticky->is_out_of_memory ? WEIR_NO_MEMORY : WEIR_OK;
}

/* ---- Standbys ---- */

/* To one who had the task, active before standby.  False: nobody can take it. */
static bool give_standby_back(struct sticky *sticky, uint32_t task)
{
    uint32_t member = sticky->previous_active[task];
    if (member == NOBODY || process_has(sticky->workers[member].process, task) ||
        sticky->workers[member].task_count >= sticky->total_quota.each) {
        member = least_loaded_previous(sticky, &sticky->previous_standby[task], task);
        if (member == NOBODY || sticky->workers[member].task_count >= sticky->total_quota.each)
            return false;
    }
    quota_reached(&sticky->total_quota, give_named(sticky, member, task, false));
    return true;
}

/* The least loaded process that does not have the task.  Those that were passed over go back into
 * the queue last to first. */
static bool give_standby_least(struct sticky *sticky, struct queue *queue, struct process **passed,
                               uint32_t task)
{
    uint32_t passed_count = 0;
    bool is_given = false;
    struct process *process;
    while (!is_given && (process = queue_poll(queue)) != NULL) {
        passed[passed_count++] = process;
        if (process_has(process, task))
            continue;
        quota_reached(&sticky->total_quota, give_least(sticky, process, task, false));
        is_given = true;
    }
    while (passed_count > 0)
        queue_add(queue, passed[--passed_count]);
    return is_given;
}

static enum weir_status assign_standby(struct sticky *sticky)
{
    const struct sticky_spec *spec = sticky->spec;
    struct sorted_task *sorted = allocate(sticky, sticky->task_count, sizeof(*sorted));
    struct sorted_task *left = allocate(sticky, sticky->task_count, sizeof(*left));
    struct process **passed = allocate(sticky, sticky->process_count, sizeof(struct process *));
    if (sticky->is_out_of_memory)
        return WEIR_NO_MEMORY;
    uint32_t count = 0;
    uint32_t left_count = 0;
    for (uint32_t i = 0; i < sticky->task_count; i++)
        if (spec->subtopologies[sticky->tasks[i].subtopology].is_stateful)
            sorted[count++] = (struct sorted_task){sticky->tasks[i], i, spec->standby_replicas};
    qsort(sorted, count, sizeof(*sorted), by_partition);
    for (uint32_t i = count; i-- > 0;) { /* last to first */
        struct sorted_task *task = &sorted[i];
        while (task->replicas > 0 && give_standby_back(sticky, task->number))
            task->replicas--;
        if (task->replicas > 0)
            left[left_count++] = *task;
    }
    qsort(left, left_count, sizeof(*left), by_subtopology);
    struct queue queue;
    queue_fill(sticky, &queue);
    for (uint32_t i = left_count; i-- > 0 && !sticky->is_out_of_memory;)
        for (int32_t replica = 0; replica < left[i].replicas; replica++)
            if (!give_standby_least(sticky, &queue, passed, left[i].number))
                break;
    return sticky->is_out_of_memory ? WEIR_NO_MEMORY : WEIR_OK;
}

/* ---- The result ---- */

static enum weir_status build_result(struct sticky *sticky, struct sticky_result **out)
{
    size_t count = sticky->spec->member_count;
    struct sticky_result *results = allocate(sticky, count, sizeof(*results));
    for (uint32_t task = 0; task < sticky->task_count && !sticky->is_out_of_memory; task++) {
        results[sticky->active[task]].active_count++;
        for (uint32_t i = 0; i < sticky->standby[task].count; i++)
            results[sticky->standby[task].members[i]].standby_count++;
    }
    for (size_t i = 0; i < count && !sticky->is_out_of_memory; i++) {
        results[i].active = allocate(sticky, results[i].active_count, sizeof(struct sticky_task));
        results[i].standby = allocate(sticky, results[i].standby_count, sizeof(struct sticky_task));
        results[i].active_count = 0;
        results[i].standby_count = 0;
    }
    if (sticky->is_out_of_memory)
        return WEIR_NO_MEMORY;
    for (uint32_t task = 0; task < sticky->task_count; task++) {
        struct sticky_result *result = &results[sticky->active[task]];
        result->active[result->active_count++] = sticky->tasks[task];
        for (uint32_t i = 0; i < sticky->standby[task].count; i++) {
            result = &results[sticky->standby[task].members[i]];
            result->standby[result->standby_count++] = sticky->tasks[task];
        }
    }
    *out = results;
    return WEIR_OK;
}

enum weir_status sticky_assign(const struct sticky_spec *spec, struct weir_arena *arena,
                               struct sticky_result **out)
{
    if (spec->member_count > UINT32_MAX / 2)
        return WEIR_NO_MEMORY;
    struct sticky sticky = {.spec = spec, .arena = arena};
    lay_out_tasks(&sticky);
    if (!sticky.is_out_of_memory)
        find_processes(&sticky);
    if (!sticky.is_out_of_memory)
        remember(&sticky);
    if (sticky.is_out_of_memory)
        return WEIR_NO_MEMORY;
    enum weir_status status = assign_active(&sticky);
    if (status == WEIR_OK && spec->standby_replicas > 0)
        status = assign_standby(&sticky);
    return status == WEIR_OK ? build_result(&sticky, out) : status;
}
