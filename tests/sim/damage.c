/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A directory is filled, stopped or killed, and one of its files damaged: a bit flipped, bytes
 * zeroed or garbled, the file cut or longer.  Then it is opened and everything is asked that a
 * client or another broker may ask.
 *
 *  D1  Every byte that is served is the one that was written there; every offset, time, epoch,
 *      aborted transaction and producer that is told is the true one; or the answer is refused.
 *  D2  When anything is refused or missing, a line of the log has said why.
 *  D3  Nothing ends the process, and the directory can be opened once more.
 *
 * What cannot be known is left out, and only that; docs/damage.md has the list.
 *
 * usage: damage [--full] [SEED [ROUNDS]]     a failing round names its seed: damage SEED 1
 */

#include "damage_world.h"

#include "check.h"

#include "weir/base/memory.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS      400
#define ROUNDS_FULL 10000
#define READ_BYTES  1500

struct tally {
    uint64_t refused;
    uint64_t shorter;
    uint64_t repaired;
    uint64_t unharmed;
    uint64_t unknowable;
};

/* Why the outcome of this damage cannot be judged in full; NULL: it can. */
static const char *unknowable(const struct damage_world *world, const struct damage *damage)
{
    if (strstr(damage->path, "log-start-offset-checkpoint") != NULL)
        return "a log start offset stands in one place only";
    if (world->has_gaps && damage->is_log &&
        damage_touches_field(world, damage, 0, DAMAGE_BASE_OFFSET_BYTES))
        return "compaction's gaps leave an offset without a neighbour to vouch for it";
    return NULL;
}

static void check_bytes(const struct damage_world *world, const struct truth_batch *batch,
                        struct weir_slice got)
{
    CHECK(batch->file_pos + got.size <= world->bytes.size, "more was served than was written");
    for (size_t i = 0; i < got.size; i++)
        CHECK(world->bytes.data[batch->file_pos + i] == got.data[i],
              "byte %zu behind the start of the batch at %lld is wrong", i,
              (long long)batch->base_offset);
}

/* Whether the entry is that transaction, which may be told to begin with its first batch that is
 * still there. */
static bool is_of(const struct damage_world *world, const struct weir_aborted_txn *told,
                  const struct truth_txn *txn, int64_t start)
{
    if (told->producer_id != txn->producer_id || told->first_offset < txn->first_offset ||
        told->first_offset > txn->last_offset)
        return false;
    for (size_t i = 0; i < world->batch_count; i++) {
        const struct truth_batch *batch = &world->batches[i];
        if (batch->last_offset >= start && batch->base_offset < told->first_offset &&
            damage_world_aborted(world, batch) == txn)
            return false;
    }
    return true;
}

/* Each aborted transaction with data among the served batches is told, and no other than true ones.
 */
static void check_aborted(const struct damage_world *world, const struct truth_batch *first,
                          size_t size, const struct weir_log_read *read)
{
    int64_t start = read->offsets.log_start_offset;
    for (size_t i = 0; i < read->aborted_count; i++) {
        bool is_true = false;
        for (size_t t = 0; t < world->txn_count; t++)
            is_true = is_true || is_of(world, &read->aborted[i], &world->txns[t], start);
        CHECK(is_true, "producer %lld aborted nothing at %lld",
              (long long)read->aborted[i].producer_id, (long long)read->aborted[i].first_offset);
    }
    for (const struct truth_batch *batch = first;
         batch < world->batches + world->batch_count && batch->file_pos < first->file_pos + size;
         batch++) {
        const struct truth_txn *txn = damage_world_aborted(world, batch);
        bool is_told = txn == NULL;
        for (size_t i = 0; i < read->aborted_count && !is_told; i++)
            is_told = is_of(world, &read->aborted[i], txn, start);
        CHECK(is_told, "the batch at %lld was aborted and nobody says so",
              (long long)batch->base_offset);
    }
}

/* A segment that is gone leaves a hole, which was said at the start; what is served then begins
 * behind it. */
static const struct truth_batch *behind_hole(const struct damage_world *world,
                                             const struct truth_batch *batch, struct weir_slice got)
{
    struct weir_batch first;
    if (world->lines == 0 || weir_batch_parse(got, &first, NULL) != WEIR_OK)
        return batch;
    const struct truth_batch *there = damage_world_batch(world, first.base_offset);
    bool is_begin = there != NULL && there->base_offset == first.base_offset;
    return is_begin && there > batch && damage_world_is_segment_gone(world, batch) ? there : batch;
}

/* Returns where to go on. */
static int64_t check_read(struct damage_world *world, int64_t offset, bool committed,
                          bool *out_refused)
{
    struct weir_buf bytes = {0};
    struct weir_log_read read;
    struct weir_log_read_options options = {
        .offset = offset,
        .bytes_max = READ_BYTES,
        .limit = committed ? WEIR_LOG_READ_TO_LAST_STABLE : WEIR_LOG_READ_TO_HIGH_WATERMARK,
        .min_one_batch = true,
        .with_aborted_txns = committed,
    };
    const struct truth_batch *batch = damage_world_batch(world, offset);
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_partition_log_read(world->log, &options, &read, &detail);
    if (status == WEIR_CORRUPT) {
        CHECK(detail.text[0] != '\0', "a refusal without words");
        *out_refused = true;
        return batch == NULL ? INT64_MAX : batch->last_offset + 1;
    }
    CHECK_OK(status, detail);
    int64_t next = INT64_MAX;
    if (read.range.size > 0) {
        CHECK_OK(weir_log_read_copy(world->env, &read, &bytes, &detail), detail);
        CHECK(batch != NULL, "something is served at %lld", (long long)offset);
        batch = behind_hole(world, batch, weir_buf_slice(&bytes));
        check_bytes(world, batch, weir_buf_slice(&bytes));
        if (committed)
            check_aborted(world, batch, bytes.size, &read);
        const struct truth_batch *end = world->batches + world->batch_count;
        for (const struct truth_batch *at = batch;
             at < end && at->file_pos + at->size <= batch->file_pos + bytes.size; at++)
            next = at->last_offset + 1;
        CHECK(next != INT64_MAX, "no whole batch at %lld", (long long)offset);
    } else {
        int64_t limit = committed ? read.offsets.last_stable_offset : read.offsets.high_watermark;
        CHECK(batch == NULL || batch->base_offset >= limit ||
                  (world->lines > 0 && damage_world_is_segment_gone(world, batch)),
              "nothing is served at %lld, below %lld", (long long)offset, (long long)limit);
    }
    weir_log_read_done(&read);
    weir_buf_done(&bytes);
    return next;
}

static void check_reads(struct damage_world *world, int64_t start, int64_t end, bool *out_refused)
{
    for (int committed = 0; committed < 2; committed++) {
        int64_t limit = committed ? weir_partition_log_last_stable_offset(world->log) : end;
        for (int64_t offset = start; offset < limit;)
            offset = check_read(world, offset, committed != 0, out_refused);
        for (int i = 0; i < 8 && limit > start; i++)
            (void)check_read(world,
                             start + (int64_t)damage_world_random(world, (uint64_t)(limit - start)),
                             committed != 0, out_refused);
    }
}

/* The first record at or behind the time, as the truth has it. */
static int64_t true_offset_of(const struct damage_world *world, int64_t time, int64_t start,
                              int64_t end)
{
    for (size_t i = 0; i < world->record_count; i++) {
        const struct truth_record *record = &world->records[i];
        if (record->offset >= start && record->offset < end && record->timestamp >= time)
            return record->offset;
    }
    return -1;
}

static void check_times(struct damage_world *world, int64_t start, int64_t end, bool *out_refused)
{
    for (int i = 0; i < 10 && world->record_count > 0; i++) {
        const struct truth_record *record =
            &world->records[damage_world_random(world, world->record_count)];
        int64_t time = record->timestamp - (int64_t)damage_world_random(world, 3);
        int64_t wanted = true_offset_of(world, time, start, end);
        struct weir_offset_and_time found;
        struct weir_detail detail = {{0}};
        enum weir_status status =
            weir_partition_log_offset_for_timestamp(world->log, time, &found, &detail);
        if (status == WEIR_CORRUPT) {
            CHECK(detail.text[0] != '\0', "a refusal without words");
            *out_refused = true;
            continue;
        }
        if (status == WEIR_NOT_FOUND) {
            CHECK(wanted < 0 || (world->lines > 0 && damage_world_is_segment_gone(
                                                         world, damage_world_batch(world, wanted))),
                  "time %lld is at %lld and was not found", (long long)time, (long long)wanted);
            continue;
        }
        CHECK_OK(status, detail);
        bool is_hole = world->lines > 0 && wanted >= 0 && found.offset > wanted &&
                       damage_world_is_segment_gone(world, damage_world_batch(world, wanted));
        CHECK(found.offset == wanted || is_hole, "time %lld leads to %lld, not %lld",
              (long long)time, (long long)found.offset, (long long)wanted);
    }
}

static bool is_refused(struct damage_world *world, int64_t offset)
{
    bool has_refused = false;
    (void)check_read(world, offset, false, &has_refused);
    return has_refused;
}

static void check_epochs(struct damage_world *world, int64_t start, int64_t end)
{
    for (size_t i = 0; i < world->batch_count; i++) {
        const struct truth_batch *batch = &world->batches[i];
        if (batch->base_offset < start || batch->base_offset >= end)
            continue;
        int32_t epoch = weir_partition_log_epoch_for_offset(world->log, batch->base_offset);
        if (epoch != batch->epoch && is_refused(world, batch->base_offset))
            continue; /* file and batch disagree and nobody else knows */
        CHECK(epoch == batch->epoch, "offset %lld is of epoch %d, not %d",
              (long long)batch->base_offset, epoch, batch->epoch);
    }
}

static void check_producers(struct damage_world *world, int64_t end)
{
    struct weir_producer_info *producers = NULL;
    size_t count = 0;
    CHECK(weir_partition_log_producers(world->log, &producers, &count) == WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        const struct weir_producer_info *producer = &producers[i];
        const struct truth_batch *last = NULL;
        for (size_t k = 0; k < world->batch_count; k++) {
            const struct truth_batch *batch = &world->batches[k];
            if (batch->producer_id == producer->producer_id && !batch->is_control &&
                batch->base_offset < end)
                last = batch;
        }
        CHECK(last != NULL, "nobody knows producer %lld", (long long)producer->producer_id);
        /* Without the snapshot a producer may be known from a marker alone. */
        CHECK(producer->last_sequence == last->last_sequence ||
                  (producer->last_sequence < 0 && world->lines > 0),
              "producer %lld is at %d, not %d", (long long)producer->producer_id,
              producer->last_sequence, last->last_sequence);
        int64_t open = damage_world_open_txn(world, producer->producer_id, end);
        CHECK(producer->txn_first_offset == open,
              "producer %lld has a transaction open since %lld, not %lld",
              (long long)producer->producer_id, (long long)producer->txn_first_offset,
              (long long)open);
    }
    /* Those whose batches are before the log's start are known from snapshots only. */
    CHECK(world->lines > 0 || count == damage_world_producers(world), "%zu producers are known",
          count);
    weir_free(producers);
}

/* No record is older than retention.ms, whatever a time index says. */
static void check_retention(struct damage_world *world)
{
    struct weir_log_retention_result result;
    struct weir_detail detail = {{0}};
    int64_t start = weir_partition_log_start_offset(world->log);
    world->config.retention_ms = damage_world_age_ms(world);
    world->config.cleanup_delete = true;
    weir_partition_log_set_config(world->log, &world->config);
    CHECK_OK(weir_partition_log_retain(world->log, &result, &detail), detail);
    CHECK(weir_partition_log_start_offset(world->log) == start,
          "records from %lld to %lld were deleted as too old", (long long)start,
          (long long)weir_partition_log_start_offset(world->log));
}

/* False when the partition is not served at all. */
static bool judge(struct damage_world *world, const char *why_unknowable, struct tally *tally)
{
    bool has_refused = false;
    if (world->log == NULL) {
        CHECK(world->lines > 0, "the partition is not served, and nobody says why");
        tally->refused++;
        return false;
    }
    int64_t start = weir_partition_log_start_offset(world->log);
    int64_t end = weir_partition_log_end_offset(world->log);
    if (why_unknowable != NULL) {
        tally->unknowable++;
        return true;
    }
    CHECK(end <= world->end_offset, "the log ends at %lld, not %lld", (long long)end,
          (long long)world->end_offset);
    bool is_shorter = end != world->end_offset || start != world->start_offset;
    CHECK(!is_shorter || world->lines > 0,
          "the log is %lld to %lld, not %lld to %lld, and nobody says why", (long long)start,
          (long long)end, (long long)world->start_offset, (long long)world->end_offset);
    check_reads(world, start, end, &has_refused);
    check_times(world, start, end, &has_refused);
    check_epochs(world, start, end);
    check_producers(world, end);
    CHECK(!has_refused || world->lines > 0, "something was refused, and no line says so");
    tally->refused += has_refused ? 1 : 0;
    tally->shorter += is_shorter && !has_refused ? 1 : 0;
    tally->repaired += !is_shorter && !has_refused && world->lines > 0 ? 1 : 0;
    tally->unharmed += !is_shorter && !has_refused && world->lines == 0 ? 1 : 0;
    return true;
}

static void round_of(uint64_t seed, bool is_told, struct tally *tally)
{
    struct damage_world world;
    struct damage damage;
    struct tally quiet = {0};
    damage_world_init(&world, seed);
    damage_world_fill(&world);
    bool is_clean = damage_world_random(&world, 2) == 0;
    damage_world_stop(&world, is_clean);
    /* Without damage there is nothing to say. */
    if (seed % 16 == 0) {
        damage_world_open(&world);
        CHECK(judge(&world, NULL, &quiet) && quiet.unharmed == (is_clean ? 1 : quiet.unharmed),
              "an undamaged directory is complained about");
        damage_world_stop(&world, is_clean);
    }
    damage_world_choose(&world, &damage);
    /* Or the disk lies later, when the start has looked. */
    bool is_late = damage_world_random(&world, 4) == 0;
    if (is_told)
        (void)fprintf(stderr, "%s stop, %s%s\n", is_clean ? "clean" : "unclean", damage.words,
                      is_late ? ", once it is open" : "");
    world.is_printing = is_told;
    if (is_late)
        damage_world_open(&world);
    damage_world_apply(&world, &damage);
    if (!is_late)
        damage_world_open(&world);
    if (judge(&world, unknowable(&world, &damage), tally)) {
        if (!damage.is_log)
            check_retention(&world);
        damage_world_append(&world);
    }
    damage_world_stop(&world, true);
    damage_world_open(&world);
    damage_world_done(&world);
}

int main(int argc, char **argv)
{
    struct tally tally = {0};
    bool is_full = argc > 1 && strcmp(argv[1], "--full") == 0;
    int first = is_full ? 2 : 1;
    uint64_t seed = argc > first ? strtoull(argv[first], NULL, 10) : 1;
    uint64_t rounds = argc > first + 1 ? strtoull(argv[first + 1], NULL, 10)
                      : is_full        ? ROUNDS_FULL
                                       : ROUNDS;
    for (uint64_t i = 0; i < rounds; i++) {
        (void)fprintf(stderr, "\rseed %llu ", (unsigned long long)(seed + i));
        round_of(seed + i, rounds == 1, &tally);
    }
    (void)fprintf(
        stderr,
        "\r%llu damaged directories: %llu refused something, %llu were shorter, %llu were "
        "repaired, %llu took no harm, %llu cannot be judged\n",
        (unsigned long long)rounds, (unsigned long long)tally.refused,
        (unsigned long long)tally.shorter, (unsigned long long)tally.repaired,
        (unsigned long long)tally.unharmed, (unsigned long long)tally.unknowable);
    return 0;
}
