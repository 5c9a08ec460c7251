/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/coordinator/step.h"

#include "weir/base/assert.h"
#include "weir/base/buf.h"
#include "weir/protocol/wire_writer.h"

/* A line that waits until the lock is free.  It lives in the step's arena. */
struct step_line {
    struct weir_list node;
    enum weir_log_level level;
    const char *event;
    size_t field_count;
    struct weir_log_field fields[];
};

void weir_step_init(struct weir_step *step, int64_t now_ms, int64_t wall_ms)
{
    *step = (struct weir_step){.now_ms = now_ms, .wall_ms = wall_ms};
    step->is_atomic = true;
    step->must_replay = true;
    step->txn = (struct weir_step_txn){.producer_id = -1, .producer_epoch = -1};
    weir_arena_init(&step->arena, 0);
    weir_list_init(&step->writes);
    weir_list_init(&step->completions);
    weir_list_init(&step->lines);
}

void weir_step_done(struct weir_step *step)
{
    WEIR_ASSERT(weir_list_is_empty(&step->writes));
    weir_arena_done(&step->arena);
}

void weir_step_record(struct weir_step *step, struct weir_slice key, struct weir_slice value)
{
    struct weir_step_record *record = weir_arena_calloc(&step->arena, 1, sizeof(*record));
    if (record == NULL || weir_arena_copy(&step->arena, key, &record->key) != WEIR_OK ||
        weir_arena_copy(&step->arena, value, &record->value) != WEIR_OK) {
        step->status = WEIR_NO_MEMORY;
        return;
    }
    record->must_replay = step->must_replay;
    if (step->last_record == NULL)
        step->first_record = record;
    else
        step->last_record->next = record;
    step->last_record = record;
    step->record_count++;
}

void weir_step_typed_record(struct weir_step *step, enum weir_record_set set, int16_t type,
                            const void *key, int16_t value_version, const void *value)
{
    struct weir_buf key_buf = {0};
    struct weir_buf value_buf = {0};
    struct weir_writer writer;
    weir_writer_init(&writer, &key_buf);
    weir_coordinator_key_write(&writer, set, type, key);
    enum weir_status status = weir_writer_status(&writer);
    weir_writer_done(&writer);
    if (status == WEIR_OK && value != NULL) {
        weir_writer_init(&writer, &value_buf);
        weir_coordinator_value_write(&writer, set, type, value_version, value);
        status = weir_writer_status(&writer);
        weir_writer_done(&writer);
    }
    if (status == WEIR_OK)
        weir_step_record(step, weir_buf_slice(&key_buf),
                         value == NULL ? WEIR_NULL_SLICE : weir_buf_slice(&value_buf));
    else
        step->status = status;
    weir_buf_done(&key_buf);
    weir_buf_done(&value_buf);
}

void weir_step_set_txn(struct weir_step *step, const struct weir_step_txn *txn)
{
    WEIR_ASSERT(step->is_atomic);
    step->txn = *txn;
}

void weir_step_write(struct weir_step *step, struct weir_write *write)
{
    weir_list_push_back(&step->writes, &write->node);
}

void weir_step_complete(struct weir_step *step, struct weir_completion *completion)
{
    weir_list_push_back(&step->completions, &completion->node);
}

void weir_step_log(struct weir_step *step, enum weir_log_level level, const char *event,
                   const struct weir_log_field *fields, size_t count)
{
    struct step_line *line =
        weir_arena_calloc(&step->arena, 1, sizeof(*line) + count * sizeof(line->fields[0]));
    if (line == NULL)
        return;
    line->level = level;
    line->event = event;
    line->field_count = count;
    for (size_t i = 0; i < count; i++) {
        line->fields[i] = fields[i];
        if (fields[i].type == WEIR_LOG_FIELD_STR &&
            weir_arena_copy(&step->arena, fields[i].str, &line->fields[i].str) != WEIR_OK)
            return;
    }
    weir_list_push_back(&step->lines, &line->node);
}

void weir_step_publish(struct weir_step *step, const struct weir_log *log)
{
    for (struct weir_list *node = weir_list_pop_front(&step->lines); node != NULL;
         node = weir_list_pop_front(&step->lines)) {
        struct step_line *line = WEIR_LIST_ENTRY(node, struct step_line, node);
        weir_log_event(log, line->level, line->event, line->fields, line->field_count);
    }
    for (struct weir_list *node = weir_list_pop_front(&step->completions); node != NULL;
         node = weir_list_pop_front(&step->completions)) {
        struct weir_completion *completion = WEIR_LIST_ENTRY(node, struct weir_completion, node);
        completion->run(completion); /* it may be gone afterwards */
    }
}
