/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_world.h"

#include "weir/record/batch_builder.h"

#include <criterion/criterion.h>

/* A machine that counts: each record adds its value's length to a sum; the key "bad" cannot be
 * replayed.  A tick at deadline_ms notes that it came. */
struct counter {
    int64_t sum;
    int64_t record_count;
    int64_t last_offset;
    int64_t last_producer_id;
    int64_t committed_txns;
    int64_t aborted_txns;
    int64_t deadline_ms;
    int64_t ticked_ms;
    bool was_loaded;
};

struct waiter {
    struct weir_write write;
    struct weir_completion completion;
    int results;
    int completions;
    enum weir_write_outcome outcome;
    enum weir_status status;
};

static struct fake_world world;
static struct weir_coordinator *coordinator;
static int live_machines;
static bool refuses_bad; /* replay of own records with the key "bad" */

static enum weir_status counter_create(void *context, int32_t partition, void **out)
{
    (void)context;
    (void)partition;
    struct counter *counter = weir_calloc(1, sizeof(*counter));
    counter->deadline_ms = INT64_MAX;
    *out = counter;
    live_machines++;
    return WEIR_OK;
}

static void counter_destroy(void *machine)
{
    weir_free(machine);
    live_machines--;
}

static enum weir_status counter_replay(void *machine, const struct weir_replayed *record,
                                       struct weir_detail *detail)
{
    struct counter *counter = machine;
    if (refuses_bad && weir_slice_is(record->key, "bad")) {
        weir_detail_set(detail, "a bad record");
        return WEIR_CORRUPT;
    }
    counter->sum += (int64_t)record->value.size;
    counter->record_count++;
    counter->last_offset = record->offset;
    counter->last_producer_id = record->producer_id;
    return WEIR_OK;
}

static enum weir_status counter_end_txn(void *machine, int64_t producer_id, bool is_commit)
{
    (void)producer_id;
    struct counter *counter = machine;
    if (is_commit)
        counter->committed_txns++;
    else
        counter->aborted_txns++;
    return WEIR_OK;
}

static void counter_loaded(void *machine, struct weir_step *step)
{
    (void)step;
    ((struct counter *)machine)->was_loaded = true;
}

static void counter_unloaded(void *machine, struct weir_step *step)
{
    (void)machine;
    (void)step;
}

static int64_t counter_deadline(const void *machine)
{
    return ((const struct counter *)machine)->deadline_ms;
}

static void counter_tick(void *machine, struct weir_step *step)
{
    struct counter *counter = machine;
    if (counter->deadline_ms > step->now_ms)
        return;
    counter->deadline_ms = INT64_MAX;
    counter->ticked_ms = step->now_ms;
}

static const struct weir_machine_ops counter_ops = {.create = counter_create,
                                                    .destroy = counter_destroy,
                                                    .replay = counter_replay,
                                                    .end_txn = counter_end_txn,
                                                    .loaded = counter_loaded,
                                                    .unloaded = counter_unloaded,
                                                    .next_deadline_ms = counter_deadline,
                                                    .tick = counter_tick};

static void start(void)
{
    refuses_bad = true;
    fake_world_init(&world);
    struct weir_coordinator_options options = {.env = &world.env,
                                               .pool = world.pool,
                                               .topic = "__test",
                                               .port = &fake_port,
                                               .port_context = &world,
                                               .ops = &counter_ops,
                                               .commit_timeout_ms = 5000,
                                               .load_buffer_bytes = 100};
    cr_assert_eq(weir_coordinator_new(&options, &coordinator), WEIR_OK);
    weir_coordinator_set_partition_count(coordinator, FAKE_PARTITIONS);
}

static void stop(void)
{
    weir_coordinator_stop(coordinator);
    fake_world_done(&world);
    weir_coordinator_free(coordinator);
    cr_assert_eq(live_machines, 0);
}

static void elect(int32_t partition, int32_t epoch)
{
    cr_assert_eq(weir_coordinator_elected(coordinator, partition, epoch), WEIR_OK);
}

static void waiter_completed(struct weir_completion *completion)
{
    WEIR_CONTAINER_OF(completion, struct waiter, completion)->completions++;
}

static void waiter_result(struct weir_write *write, void *machine, enum weir_write_outcome outcome,
                          enum weir_status status, struct weir_step *step)
{
    cr_assert_not_null(machine);
    struct waiter *waiter = WEIR_CONTAINER_OF(write, struct waiter, write);
    waiter->results++;
    waiter->outcome = outcome;
    waiter->status = status;
    waiter->completion.run = waiter_completed;
    weir_step_complete(step, &waiter->completion);
}

/* Adds `count` records of this key and value, and waits with `waiter` (may be NULL). */
struct add {
    struct weir_shard_event event;
    const char *key;
    const char *value;
    int count;
    bool is_split;
    struct waiter *waiter;
    int64_t sum_before;
    struct counter *machine;
    int64_t deadline_ms;
    struct weir_step_txn txn; /* looked at when is_in_txn */
    bool is_in_txn;
};

static void apply_add(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct add *add = WEIR_CONTAINER_OF(event, struct add, event);
    add->machine = machine;
    add->sum_before = add->machine->sum;
    if (add->deadline_ms != 0)
        add->machine->deadline_ms = add->deadline_ms;
    step->is_atomic = !add->is_split;
    if (add->is_in_txn)
        weir_step_set_txn(step, &add->txn);
    for (int i = 0; i < add->count; i++)
        weir_step_record(step, weir_slice_str(add->key), weir_slice_str(add->value));
    if (add->waiter != NULL) {
        add->waiter->write.result = waiter_result;
        weir_step_write(step, &add->waiter->write);
    }
}

static enum weir_status run(int32_t partition, struct add *add)
{
    add->event.apply = apply_add;
    struct weir_shard *shard = weir_coordinator_find(coordinator, partition);
    if (shard == NULL)
        return WEIR_NOT_COORDINATOR;
    enum weir_status status = weir_shard_run(shard, &add->event);
    weir_shard_unref(shard);
    return status;
}

static int64_t sum_of(int32_t partition)
{
    struct add look = {.count = 0};
    cr_assert_eq(run(partition, &look), WEIR_OK);
    return look.sum_before;
}

TestSuite(shard, .init = start, .fini = stop);

Test(shard, answers_not_coordinator_before_election_and_loading_until_the_log_is_read)
{
    struct add add = {.count = 0};
    cr_assert_eq(run(1, &add), WEIR_NOT_COORDINATOR);
    elect(1, 0);
    cr_assert_eq(run(1, &add), WEIR_COORDINATOR_LOAD_IN_PROGRESS);
    fake_world_run(&world);
    cr_assert_eq(run(1, &add), WEIR_OK);
    cr_assert(add.machine->was_loaded);
}

Test(shard, appends_what_a_step_brought_and_replays_it)
{
    elect(0, 7);
    fake_world_run(&world);
    struct waiter waiter = {0};
    struct add add = {.key = "k", .value = "four", .count = 3, .waiter = &waiter};
    cr_assert_eq(run(0, &add), WEIR_OK);
    cr_assert_eq(sum_of(0), 12);
    cr_assert_eq(add.machine->last_offset, 2);
    cr_assert_eq(waiter.completions, 1);
    cr_assert_eq(waiter.outcome, WEIR_WRITE_COMMITTED);
    cr_assert_eq(waiter.status, WEIR_OK);
}

Test(shard, writes_batches_as_apache_kafka_does)
{
    elect(0, 7);
    fake_world_run(&world);
    struct add add = {.key = "k", .value = "v", .count = 2};
    cr_assert_eq(run(0, &add), WEIR_OK);
    struct weir_batch batch;
    cr_assert_eq(weir_batch_parse(world.last_batch, &batch, NULL), WEIR_OK);
    cr_assert_eq(batch.magic, 2);
    cr_assert_eq(batch.attributes, 0);
    cr_assert_eq(batch.producer_id, -1);
    cr_assert_eq(batch.producer_epoch, -1);
    cr_assert_eq(batch.base_sequence, 0);
    cr_assert_eq(batch.partition_leader_epoch, 7);
    cr_assert_eq(batch.base_timestamp, FAKE_WALL_MS + 1000);
    cr_assert_eq(batch.max_timestamp, FAKE_WALL_MS + 1000);
    cr_assert_eq(batch.record_count, 2);
}

Test(shard, gives_the_result_when_the_high_watermark_passes)
{
    elect(0, 0);
    fake_world_run(&world);
    world.commits_at_once = false;
    struct waiter waiter = {0};
    struct add add = {.key = "k", .value = "v", .count = 1, .waiter = &waiter};
    cr_assert_eq(run(0, &add), WEIR_OK);
    fake_world_run(&world);
    cr_assert_eq(waiter.results, 0);
    fake_world_commit(&world, 0);
    cr_assert_eq(waiter.completions, 1);
    cr_assert_eq(waiter.status, WEIR_OK);
}

Test(shard, a_write_without_records_waits_for_those_before_it)
{
    elect(0, 0);
    fake_world_run(&world);
    world.commits_at_once = false;
    struct waiter first = {0};
    struct waiter second = {0};
    struct add add = {.key = "k", .value = "v", .count = 1, .waiter = &first};
    cr_assert_eq(run(0, &add), WEIR_OK);
    struct add look = {.waiter = &second};
    cr_assert_eq(run(0, &look), WEIR_OK);
    cr_assert_eq(second.results, 0);
    fake_world_commit(&world, 0);
    cr_assert_eq(first.completions + second.completions, 2);
}

Test(shard, a_write_without_records_is_at_once_when_all_is_committed)
{
    elect(0, 0);
    fake_world_run(&world);
    struct waiter waiter = {0};
    struct add look = {.waiter = &waiter};
    cr_assert_eq(run(0, &look), WEIR_OK);
    cr_assert_eq(waiter.completions, 1);
}

Test(shard, refused_records_leave_nothing_behind)
{
    elect(0, 0);
    fake_world_run(&world);
    world.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    struct waiter waiter = {0};
    struct add add = {.key = "k", .value = "v", .count = 1, .waiter = &waiter};
    cr_assert_eq(run(0, &add), WEIR_OK);
    cr_assert_eq(waiter.completions, 1);
    cr_assert_eq(waiter.outcome, WEIR_WRITE_REFUSED);
    cr_assert_eq(waiter.status, WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(sum_of(0), 0);
}

Test(shard, a_write_that_is_not_committed_in_time_is_abandoned)
{
    elect(0, 0);
    fake_world_run(&world);
    world.commits_at_once = false;
    struct waiter waiter = {0};
    struct add add = {.key = "k", .value = "v", .count = 1, .waiter = &waiter};
    cr_assert_eq(run(0, &add), WEIR_OK);
    fake_world_advance(&world, 4990);
    cr_assert_eq(waiter.results, 0);
    fake_world_advance(&world, 20);
    cr_assert_eq(waiter.outcome, WEIR_WRITE_ABANDONED);
    cr_assert_eq(waiter.status, WEIR_COORDINATOR_NOT_AVAILABLE);
    fake_world_commit(&world, 0);
    cr_assert_eq(waiter.results, 1);
}

Test(shard, an_atomic_step_above_the_batch_limit_is_refused_whole)
{
    elect(0, 0);
    fake_world_run(&world);
    world.batch_bytes_max = 200;
    struct waiter waiter = {0};
    struct add add = {.key = "k", .value = "0123456789", .count = 30, .waiter = &waiter};
    cr_assert_eq(run(0, &add), WEIR_OK);
    cr_assert_eq(waiter.status, WEIR_UNKNOWN_SERVER_ERROR);
    cr_assert_eq(world.append_count, 0);
}

Test(shard, a_step_that_is_not_atomic_is_split_at_the_batch_limit)
{
    elect(0, 0);
    fake_world_run(&world);
    world.batch_bytes_max = 200;
    struct waiter waiter = {0};
    struct add add = {
        .key = "k", .value = "0123456789", .count = 30, .is_split = true, .waiter = &waiter};
    cr_assert_eq(run(0, &add), WEIR_OK);
    cr_assert_eq(waiter.outcome, WEIR_WRITE_COMMITTED);
    cr_assert_gt(world.append_count, 1);
    cr_assert_eq(sum_of(0), 300);
    cr_assert_eq(add.machine->last_offset, 29);
}

Test(shard, resigning_abandons_what_waits)
{
    elect(0, 3);
    fake_world_run(&world);
    world.commits_at_once = false;
    struct waiter waiter = {0};
    struct add add = {.key = "k", .value = "v", .count = 1, .waiter = &waiter};
    cr_assert_eq(run(0, &add), WEIR_OK);
    weir_coordinator_resigned(coordinator, 0, 2);
    cr_assert_eq(waiter.results, 0, "an older epoch is old news");
    weir_coordinator_resigned(coordinator, 0, 4);
    cr_assert_eq(waiter.completions, 1);
    cr_assert_eq(waiter.outcome, WEIR_WRITE_ABANDONED);
    cr_assert_eq(waiter.status, WEIR_NOT_COORDINATOR);
    cr_assert_eq(run(0, &add), WEIR_NOT_COORDINATOR);
    cr_assert_null(world.logs[0].watch);
}

Test(shard, resigning_during_the_load_leaves_nothing)
{
    elect(0, 0);
    weir_coordinator_resigned(coordinator, 0, 0);
    fake_world_run(&world);
    cr_assert_eq(live_machines, 0);
    elect(0, 1);
    fake_world_run(&world);
    cr_assert_eq(sum_of(0), 0);
}

Test(shard, finds_its_state_again_after_a_new_election)
{
    elect(0, 0);
    fake_world_run(&world);
    for (int i = 0; i < 7; i++) {
        struct add add = {.key = "k", .value = "abc", .count = 1};
        cr_assert_eq(run(0, &add), WEIR_OK);
    }
    weir_coordinator_resigned(coordinator, 0, 1);
    elect(0, 2);
    fake_world_run(&world);
    cr_assert_eq(sum_of(0), 21);
}

Test(shard, an_active_shard_goes_on_in_a_newer_epoch)
{
    elect(0, 0);
    fake_world_run(&world);
    struct add add = {.key = "k", .value = "abc", .count = 1};
    cr_assert_eq(run(0, &add), WEIR_OK);
    elect(0, 5);
    cr_assert_eq(run(0, &add), WEIR_OK);
    struct weir_batch batch;
    cr_assert_eq(weir_batch_parse(world.last_batch, &batch, NULL), WEIR_OK);
    cr_assert_eq(batch.partition_leader_epoch, 5);
    cr_assert_eq(sum_of(0), 6);
}

Test(shard, a_log_that_cannot_be_replayed_serves_nothing_until_the_next_election)
{
    elect(0, 0);
    fake_world_run(&world);
    refuses_bad = false;
    struct add add = {.key = "bad", .value = "v", .count = 1};
    cr_assert_eq(run(0, &add), WEIR_OK);
    weir_coordinator_resigned(coordinator, 0, 0);
    refuses_bad = true;
    elect(0, 1);
    fake_world_run(&world);
    struct add look = {.count = 0};
    cr_assert_eq(run(0, &look), WEIR_NOT_COORDINATOR);
    refuses_bad = false;
    elect(0, 2);
    fake_world_run(&world);
    cr_assert_eq(run(0, &look), WEIR_OK);
}

Test(shard, a_machine_that_cannot_follow_its_own_log_is_loaded_again)
{
    elect(0, 0);
    fake_world_run(&world);
    struct waiter waiter = {0};
    struct add add = {.key = "bad", .value = "v", .count = 1, .waiter = &waiter};
    cr_assert_eq(run(0, &add), WEIR_OK);
    cr_assert_eq(waiter.completions, 1);
    refuses_bad = false;
    fake_world_run(&world);
    cr_assert_eq(sum_of(0), 1);
}

static void append_raw(int32_t partition, struct weir_slice bytes)
{
    struct weir_log_appended appended;
    cr_assert_eq(fake_append(&world, partition, bytes, 0, &appended, NULL), WEIR_OK);
}

Test(shard, hands_producer_ids_and_markers_to_the_machine)
{
    struct weir_buf buf = {0};
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.is_transactional = true;
    options.producer_id = 42;
    options.producer_epoch = 1;
    options.base_sequence = 0;
    struct weir_batch_builder *builder;
    cr_assert_eq(weir_batch_builder_new(&options, &buf, &builder), WEIR_OK);
    struct weir_record_data data = {.key = WEIR_SLICE("k"), .value = WEIR_SLICE("v")};
    weir_batch_builder_add(builder, &data);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    append_raw(0, weir_buf_slice(&buf));
    weir_buf_done(&buf);
    for (int i = 0; i < 3; i++) {
        uint8_t marker[WEIR_TXN_MARKER_BYTES];
        struct weir_txn_marker what = {
            .producer_id = 42, .producer_epoch = 1, .is_commit = i > 0, .coordinator_epoch = 0};
        weir_txn_marker_write(marker, &what, 1);
        append_raw(0, weir_slice_of(marker, sizeof(marker)));
    }
    elect(0, 0);
    fake_world_run(&world);
    struct add look = {.count = 0};
    cr_assert_eq(run(0, &look), WEIR_OK);
    cr_assert_eq(look.machine->last_producer_id, 42);
    cr_assert_eq(look.machine->committed_txns, 2);
    cr_assert_eq(look.machine->aborted_txns, 1);
}

Test(shard, ticks_a_machine_at_its_deadline_and_not_before)
{
    elect(0, 0);
    elect(1, 0);
    fake_world_run(&world);
    struct add late = {.deadline_ms = world.now_ms + 900};
    struct add early = {.deadline_ms = world.now_ms + 300};
    cr_assert_eq(run(0, &late), WEIR_OK);
    cr_assert_eq(run(1, &early), WEIR_OK);
    int64_t start_ms = world.now_ms;
    fake_world_advance(&world, 2000);
    cr_assert_geq(early.machine->ticked_ms, start_ms + 300);
    cr_assert_leq(early.machine->ticked_ms, start_ms + 310);
    cr_assert_geq(late.machine->ticked_ms, start_ms + 900);
    cr_assert_leq(late.machine->ticked_ms, start_ms + 910);
}

Test(shard, run_all_sees_every_shard_and_can_insist_on_loaded_ones)
{
    elect(0, 0);
    fake_world_run(&world);
    elect(1, 0);
    struct add add = {.key = "k", .value = "v", .count = 1, .event = {apply_add}};
    cr_assert_eq(weir_coordinator_run_all(coordinator, &add.event, true),
                 WEIR_COORDINATOR_LOAD_IN_PROGRESS);
    fake_world_run(&world);
    cr_assert_eq(weir_coordinator_run_all(coordinator, &add.event, true), WEIR_OK);
    cr_assert_eq(sum_of(1), 1);
}

Test(shard, tells_clients_what_apache_kafka_tells_them)
{
    cr_assert_eq(weir_coordinator_append_status(WEIR_NOT_ENOUGH_REPLICAS),
                 WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(weir_coordinator_append_status(WEIR_UNKNOWN_TOPIC_OR_PARTITION),
                 WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(weir_coordinator_append_status(WEIR_REQUEST_TIMED_OUT),
                 WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(weir_coordinator_append_status(WEIR_NOT_LEADER_OR_FOLLOWER),
                 WEIR_NOT_COORDINATOR);
    cr_assert_eq(weir_coordinator_append_status(WEIR_KAFKA_STORAGE_ERROR), WEIR_NOT_COORDINATOR);
    cr_assert_eq(weir_coordinator_append_status(WEIR_MESSAGE_TOO_LARGE),
                 WEIR_UNKNOWN_SERVER_ERROR);
    cr_assert_eq(weir_coordinator_append_status(WEIR_RECORD_LIST_TOO_LARGE),
                 WEIR_UNKNOWN_SERVER_ERROR);
}

Test(shard, records_of_a_transaction_are_one_transactional_batch_and_replayed_as_such)
{
    elect(0, 7);
    fake_world_run(&world);
    world.guard = 5;
    struct waiter waiter = {0};
    struct add add = {.key = "k",
                      .value = "v",
                      .count = 2,
                      .waiter = &waiter,
                      .is_in_txn = true,
                      .txn = {.producer_id = 9, .producer_epoch = 3, .verification_guard = 5}};
    cr_assert_eq(run(0, &add), WEIR_OK);
    cr_assert_eq(waiter.status, WEIR_OK);
    cr_assert_eq(add.machine->last_producer_id, 9);
    struct weir_batch batch;
    cr_assert_eq(weir_batch_parse(world.last_batch, &batch, NULL), WEIR_OK);
    cr_assert(weir_batch_is_transactional(&batch));
    cr_assert_eq(batch.producer_id, 9);
    cr_assert_eq(batch.producer_epoch, 3);
    cr_assert_eq(batch.base_sequence, 0);
    struct add plain = {.key = "k", .value = "v", .count = 1};
    cr_assert_eq(run(0, &plain), WEIR_OK);
    cr_assert_eq(plain.machine->last_producer_id, -1);
}

Test(shard, records_of_a_transaction_without_its_guard_are_refused)
{
    elect(0, 7);
    fake_world_run(&world);
    world.guard = 5;
    struct waiter waiter = {0};
    struct add add = {.key = "k",
                      .value = "v",
                      .count = 1,
                      .waiter = &waiter,
                      .is_in_txn = true,
                      .txn = {.producer_id = 9, .producer_epoch = 3, .verification_guard = 4}};
    cr_assert_eq(run(0, &add), WEIR_OK);
    cr_assert_eq(waiter.outcome, WEIR_WRITE_REFUSED);
    cr_assert_eq(waiter.status, WEIR_INVALID_TXN_STATE);
    cr_assert_eq(sum_of(0), 0);
}

struct marking {
    struct weir_shard_marker marker;
    int done;
};

static void marking_done(struct weir_shard_marker *marker)
{
    WEIR_CONTAINER_OF(marker, struct marking, marker)->done++;
}

static enum weir_status end_txn(struct marking *marking, bool is_commit)
{
    struct weir_txn_marker marker = {.producer_id = 9, .producer_epoch = 3, .is_commit = is_commit};
    struct weir_shard *shard = weir_coordinator_find(coordinator, 0);
    cr_assert_not_null(shard);
    marking->marker.done = marking_done;
    enum weir_status status = weir_shard_end_txn(shard, &marker, 2, &marking->marker);
    weir_shard_unref(shard);
    return status;
}

Test(shard, a_marker_is_appended_and_done_when_the_high_watermark_passes)
{
    struct marking marking = {.done = 0};
    elect(0, 7);
    cr_assert_eq(end_txn(&marking, true), WEIR_COORDINATOR_LOAD_IN_PROGRESS);
    fake_world_run(&world);
    world.commits_at_once = false;
    cr_assert_eq(end_txn(&marking, true), WEIR_OK);
    cr_assert_eq(marking.done, 0);
    struct add look = {.count = 0};
    cr_assert_eq(run(0, &look), WEIR_OK);
    cr_assert_eq(look.machine->committed_txns, 1);
    struct weir_batch batch;
    struct weir_txn_marker marker;
    cr_assert_eq(weir_batch_parse(world.last_batch, &batch, NULL), WEIR_OK);
    cr_assert_eq(weir_txn_marker_parse(&batch, &marker, NULL), WEIR_OK);
    cr_assert(marker.is_commit);
    fake_world_commit(&world, 0);
    cr_assert_eq(marking.done, 1);
    cr_assert_eq(marking.marker.status, WEIR_OK);
}

Test(shard, a_refused_marker_changes_nothing)
{
    struct marking marking = {.done = 0};
    elect(0, 7);
    fake_world_run(&world);
    world.append_status = WEIR_TRANSACTION_COORDINATOR_FENCED;
    cr_assert_eq(end_txn(&marking, false), WEIR_TRANSACTION_COORDINATOR_FENCED);
    world.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    cr_assert_eq(end_txn(&marking, false), WEIR_COORDINATOR_NOT_AVAILABLE);
    struct add look = {.count = 0};
    cr_assert_eq(run(0, &look), WEIR_OK);
    cr_assert_eq(look.machine->aborted_txns, 0);
    cr_assert_eq(marking.done, 0);
}

Test(shard, a_marker_of_a_shard_that_goes_away_is_told_so)
{
    struct marking marking = {.done = 0};
    elect(0, 7);
    fake_world_run(&world);
    world.commits_at_once = false;
    cr_assert_eq(end_txn(&marking, false), WEIR_OK);
    weir_coordinator_resigned(coordinator, 0, 8);
    cr_assert_eq(marking.done, 1);
    cr_assert_eq(marking.marker.status, WEIR_NOT_COORDINATOR);
}
