/* SPDX-License-Identifier: Apache-2.0 */

/* What is asked of the share coordinator: it begins when the records of its step are committed, and
 * ends as an event of the group's shard.  A job that nobody can begin or end completes its
 * operation. */

#include "../service_int.h"
#include "share_int.h"

#include "weir/base/memory.h"

uint64_t share_job_next(struct group_machine *machine)
{
    return atomic_fetch_add_explicit(&machine->context->share_jobs, 1, memory_order_relaxed) + 1;
}

enum weir_status share_job_new(struct group_machine *machine, struct weir_slice group_id,
                               enum share_job_kind kind, struct weir_group_op *op,
                               struct share_job **out)
{
    struct share_job *job = weir_calloc(1, sizeof(*job));
    if (job == NULL)
        return WEIR_NO_MEMORY;
    job->context = machine->context;
    job->number = share_job_next(machine);
    machine->share_job = job->number;
    job->kind = kind;
    job->op = op;
    if (text_dup(group_id, &job->group_id) != WEIR_OK) {
        weir_free(job);
        return WEIR_NO_MEMORY;
    }
    job->call.group_id = job->group_id;
    *out = job;
    return WEIR_OK;
}

void share_job_free(struct share_job *job)
{
    if (job == NULL)
        return;
    weir_free(job->call.items);
    text_drop(&job->group_id);
    weir_free(job);
}

enum weir_status share_job_add(struct share_job *job, struct weir_uuid topic_id, int32_t partition,
                               int64_t start_offset)
{
    void *grown = weir_grow(job->call.items, &job->capacity, job->call.item_count + 1,
                            sizeof(*job->call.items));
    if (grown == NULL)
        return WEIR_NO_MEMORY;
    job->call.items = grown;
    job->call.items[job->call.item_count++] = (struct weir_group_share_item){
        .topic_id = topic_id, .partition = partition, .start_offset = start_offset};
    return WEIR_OK;
}

enum weir_status share_job_add_topic(struct share_job *job, const struct share_topic *topic)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < topic->count && status == WEIR_OK; i++)
        status = share_job_add(job, topic->id, topic->partitions[i], -1);
    return status;
}

/* ---- The end ---- */

struct end_event {
    struct weir_shard_event event;
    const struct share_job *job;
};

static void apply_end(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    share_job_ended(machine, WEIR_CONTAINER_OF(event, struct end_event, event)->job, step);
}

void share_job_ended(struct group_machine *machine, const struct share_job *job,
                     struct weir_step *step)
{
    machine->now_ms = step->now_ms;
    switch (job->kind) {
    case SHARE_JOB_INITIALIZE:
        share_initialize_ended(machine, job, step);
        return;
    case SHARE_JOB_ALTER:
        share_alter_ended(machine, job, step);
        return;
    case SHARE_JOB_DELETE_TOPICS:
        share_delete_topics_ended(machine, job, step);
        return;
    case SHARE_JOB_DELETE_GROUP:
        share_delete_group_ended(machine, job, step);
        return;
    }
}

static void on_done(struct weir_group_share_call *call)
{
    struct share_job *job = WEIR_CONTAINER_OF(call, struct share_job, call);
    struct end_event event = {.event = {apply_end}, .job = job};
    enum weir_status status = service_run(job->context->service, job->group_id, NULL, &event.event);
    if (status != WEIR_OK && job->op != NULL) {
        job->op->status = status;
        job->op->done(job->op);
    }
    share_job_free(job);
}

/* ---- The beginning ---- */

static void run(struct weir_completion *completion)
{
    struct share_job *job = WEIR_CONTAINER_OF(completion, struct share_job, start);
    const struct weir_group_share_port *port = job->context->share_port;
    job->call.done = on_done;
    if (port == NULL) {
        for (size_t i = 0; i < job->call.item_count; i++)
            job->call.items[i].status = WEIR_COORDINATOR_NOT_AVAILABLE;
        on_done(&job->call);
        return;
    }
    if (job->kind == SHARE_JOB_INITIALIZE || job->kind == SHARE_JOB_ALTER)
        port->initialize(job->context->share_port_context, &job->call);
    else
        port->remove(job->context->share_port_context, &job->call);
}

static void written(struct weir_write *write, void *machine, enum weir_write_outcome outcome,
                    enum weir_status status, struct weir_step *step)
{
    struct share_job *job = WEIR_CONTAINER_OF(write, struct share_job, written);
    if (outcome == WEIR_WRITE_COMMITTED) {
        job->start.run = run;
        weir_step_complete(step, &job->start);
        return;
    }
    if (job->kind == SHARE_JOB_INITIALIZE)
        share_initialize_refused(machine, job, step);
    if (job->op != NULL)
        op_complete(job->op, status, step);
    share_job_free(job);
}

void share_job_start(struct share_job *take, struct weir_step *step)
{
    take->written.result = written;
    weir_step_write(step, &take->written);
}
