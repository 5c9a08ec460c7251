/* SPDX-License-Identifier: Apache-2.0 */

/* How operations end; invariant A1 is in classic/answers.c. */

#include "group_int.h"

#include "weir/base/assert.h"

#include <stdarg.h>
#include <stdio.h>

void op_complete(struct weir_group_op *op, enum weir_status status, struct weir_step *step)
{
    WEIR_ASSERT(op->waiting_in == NULL); /* A1 */
    op->status = status;
    weir_step_complete(step, &op->completion);
}

static void op_written(struct weir_write *write, void *machine, enum weir_write_outcome outcome,
                       enum weir_status status, struct weir_step *step)
{
    (void)machine;
    struct weir_group_op *op = WEIR_CONTAINER_OF(write, struct weir_group_op, write);
    op_complete(op, outcome == WEIR_WRITE_COMMITTED ? op->status : status, step);
}

void op_wait_committed(struct weir_group_op *op, struct weir_step *step)
{
    op->write.result = op_written;
    weir_step_write(step, &op->write);
}

void step_forget_records(struct weir_step *step)
{
    step->first_record = NULL;
    step->last_record = NULL;
    step->record_count = 0;
    step->status = WEIR_OK;
}

void group_reason(struct weir_step *step, struct weir_slice *out, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* cut is fine: a log line */
    va_end(arguments);
    if (weir_arena_copy(&step->arena, weir_slice_str(text), out) != WEIR_OK)
        *out = WEIR_EMPTY_SLICE;
}
