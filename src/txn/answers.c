/* SPDX-License-Identifier: Apache-2.0 */

/* How operations end: their results, and their completion in the step. */

#include "txn_int.h"

#include "weir/base/assert.h"

void answer_init(struct weir_txn_init *init, enum weir_status status, int64_t producer_id,
                 int16_t epoch, struct weir_step *step)
{
    init->op.status = status;
    init->producer_id = status == WEIR_OK ? producer_id : NO_PRODUCER_ID;
    init->producer_epoch = status == WEIR_OK ? epoch : NO_PRODUCER_EPOCH;
    weir_step_complete(step, &init->op.completion);
}

void answer_add(struct weir_txn_add *add, enum weir_status status, struct weir_step *step)
{
    add->op.status = status;
    for (size_t i = 0; i < add->partition_count; i++)
        add->partitions[i].status = status;
    weir_step_complete(step, &add->op.completion);
}

void answer_end(struct weir_txn_end *end, enum weir_status status, int64_t producer_id,
                int16_t epoch, struct weir_step *step)
{
    end->op.status = status;
    end->new_producer_id = status == WEIR_OK ? producer_id : NO_PRODUCER_ID;
    end->new_producer_epoch = status == WEIR_OK ? epoch : NO_PRODUCER_EPOCH;
    weir_step_complete(step, &end->op.completion);
}

/* The producer goes on with what the transaction will have been completed to. */
static void answer_prepared(struct weir_txn_end *end, enum weir_status status,
                            const struct txn_meta *meta, struct weir_step *step)
{
    if (status != WEIR_OK) {
        answer_end(end, status, NO_PRODUCER_ID, NO_PRODUCER_EPOCH, step);
        return;
    }
    struct txn_meta complete = txn_meta_complete(meta, step->wall_ms);
    answer_end(end, WEIR_OK, complete.producer_id, complete.epoch, step);
    txn_meta_done(&complete);
}

void answer_change(enum answer_kind answer, struct weir_txn_op *op, enum weir_status status,
                   const struct txn_meta *meta, struct weir_step *step)
{
    switch (answer) {
    case ANSWER_NOBODY:
        return;
    case ANSWER_INIT:
        answer_init(WEIR_CONTAINER_OF(op, struct weir_txn_init, op), status, meta->producer_id,
                    meta->epoch, step);
        return;
    case ANSWER_ADD:
        answer_add(WEIR_CONTAINER_OF(op, struct weir_txn_add, op), status, step);
        return;
    case ANSWER_END:
        answer_prepared(WEIR_CONTAINER_OF(op, struct weir_txn_end, op), status, meta, step);
        return;
    case ANSWER_FENCED:
        answer_init(WEIR_CONTAINER_OF(op, struct weir_txn_init, op),
                    status == WEIR_OK ? WEIR_CONCURRENT_TRANSACTIONS : status, NO_PRODUCER_ID,
                    NO_PRODUCER_EPOCH, step);
        return;
    }
    WEIR_UNREACHABLE();
}
