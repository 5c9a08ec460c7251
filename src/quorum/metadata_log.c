/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver of the single voter: the only file here that touches the log.
 *
 *   OPENED --load()--> LOADED --lead()--> LEADING --failure--> FAILED
 *
 * OPENED   the log is recovered, nothing of it has been read.
 * LOADED   control says what the log's control records say; epoch is the last one used.
 * LEADING  epoch is ours, written to quorum-state before the log; append and commit are allowed.
 * FAILED   nothing but close is.
 *
 * No NoOp records are written when idle (Apache Kafka writes one each 500 ms): their use is to show
 * followers that the leader lives, and a single voter has none; without them an idle broker does
 * nothing at all.
 */

#include "control_records.h"
#include "quorum_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/partition_log.h"

#include <stdlib.h>

#define RECORDS_PER_BATCH_MAX 10000
#define BATCH_BYTES_MAX       ((size_t)8 << 20)
#define READ_BYTES            ((size_t)4 << 20)
#define SEGMENT_BYTES_DEFAULT ((uint64_t)1 << 30)
#define BYTES_BETWEEN_SNAPSHOTS                                                                    \
    ((uint64_t)20 << 20)                      /* metadata.log.max.record.bytes.between.snapshots */
#define SNAPSHOT_INTERVAL_MS (60 * 60 * 1000) /* metadata.log.max.snapshot.interval.ms */
#define RETENTION_BYTES      ((uint64_t)100 << 20)    /* metadata.max.retention.bytes */
#define RETENTION_MS         (7LL * 24 * 3600 * 1000) /* metadata.max.retention.ms */
#define CHECKPOINTS_MAX      4096

enum quorum_phase { PHASE_OPENED, PHASE_LOADED, PHASE_LEADING, PHASE_FAILED };

struct weir_quorum {
    struct weir_quorum_options options;
    char dir[WEIR_QUORUM_PATH_BYTES];
    enum quorum_phase phase;
    struct weir_partition_log *log;
    bool has_snapshot;
    struct weir_quorum_snapshot_id snapshot; /* the newest; {0, 0} without one */
    struct weir_control_state control;
    bool voters_in_log; /* or in a checkpoint of the log, not only in 0-0 */
    struct weir_quorum_state state;
    int32_t epoch;
    int64_t end_offset;
    int64_t high_watermark;
    int64_t last_snapshot_ms; /* monotonic */
    uint64_t bytes_since_snapshot;
    struct weir_buf buf;
};

struct weir_quorum_checkpoint {
    struct weir_quorum *quorum;
    struct weir_quorum_snapshot_id id;
    struct weir_checkpoint_writer writer;
};

/* ---- Opening ---- */

struct snapshot_scan {
    struct weir_quorum *quorum;
    struct weir_quorum_snapshot_id ids[CHECKPOINTS_MAX];
    size_t count;
};

static int compare_snapshots(const void *a, const void *b)
{
    const struct weir_quorum_snapshot_id *left = a;
    const struct weir_quorum_snapshot_id *right = b;
    if (left->end_offset != right->end_offset)
        return left->end_offset < right->end_offset ? -1 : 1;
    return left->epoch < right->epoch ? -1 : left->epoch > right->epoch;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

static void remove_quietly(struct weir_env *env, const char *path)
{
    enum weir_status ignored = weir_path_remove(env, path, NULL);
    (void)ignored;
}

static enum weir_status see_entry(void *context, const char *name)
{
    struct snapshot_scan *scan = context;
    struct weir_quorum_snapshot_id id;
    char path[WEIR_QUORUM_PATH_BYTES];
    if (weir_checkpoint_name_parse(name, &id)) {
        if (scan->count < CHECKPOINTS_MAX)
            scan->ids[scan->count++] = id;
    } else if (strstr(name, ".checkpoint.") != NULL &&
               (has_suffix(name, ".part") || has_suffix(name, ".deleted"))) {
        /* Left by a crash; nobody will finish it. */
        if (weir_quorum_path(path, NULL, "%s/%s", scan->quorum->dir, name) == WEIR_OK)
            remove_quietly(scan->quorum->options.env, path);
    }
    return WEIR_OK;
}

/* Checkpoints in the directory, oldest first; malloc'ed. */
static enum weir_status scan_snapshots(struct weir_quorum *quorum, struct snapshot_scan **out,
                                       struct weir_detail *detail)
{
    struct snapshot_scan *scan = weir_calloc(1, sizeof(*scan));
    if (scan == NULL)
        return WEIR_NO_MEMORY;
    scan->quorum = quorum;
    enum weir_status status =
        weir_dir_list(quorum->options.env, quorum->dir, see_entry, scan, detail);
    if (status != WEIR_OK) {
        weir_free(scan);
        return status;
    }
    if (scan->count > 1)
        qsort(scan->ids, scan->count, sizeof(scan->ids[0]), compare_snapshots);
    *out = scan;
    return WEIR_OK;
}

static enum weir_status snapshot_path(const struct weir_quorum *quorum,
                                      struct weir_quorum_snapshot_id id,
                                      char out[WEIR_QUORUM_PATH_BYTES], struct weir_detail *detail)
{
    return weir_quorum_path(out, detail, "%s/%020lld-%010d.checkpoint", quorum->dir,
                            (long long)id.end_offset, id.epoch);
}

static enum weir_status open_log(struct weir_quorum *quorum, struct weir_detail *detail)
{
    struct weir_partition_log_options options = weir_partition_log_options_default();
    options.env = quorum->options.env;
    options.dir = quorum->dir;
    enum weir_status status =
        weir_topic_partition_make(WEIR_SLICE(WEIR_METADATA_TOPIC), 0, &options.key);
    if (status != WEIR_OK)
        return status;
    options.topic_id = weir_uuid_small(1);
    uint64_t segment_bytes =
        quorum->options.segment_bytes == 0 ? SEGMENT_BYTES_DEFAULT : quorum->options.segment_bytes;
    options.config.segment_bytes = (int32_t)(segment_bytes > INT32_MAX ? INT32_MAX : segment_bytes);
    /* Time and size take nothing away from this log: what a checkpoint holds is deleted by clean(),
     * nothing else. */
    options.config.segment_ms = RETENTION_MS;
    options.config.retention_ms = -1;
    options.config.retention_bytes = -1;
    options.config.message_bytes_max = INT32_MAX;
    options.recovery_point = quorum->snapshot.end_offset;
    status = weir_partition_log_open(&options, &quorum->log, NULL, detail);
    if (status != WEIR_OK)
        return status;
    int64_t end_offset = weir_partition_log_end_offset(quorum->log);
    if (end_offset < quorum->snapshot.end_offset)
        /* The checkpoint is ahead of the log (it came from another node, or the log was lost): go
         * on behind it. */
        status =
            weir_partition_log_truncate_fully(quorum->log, quorum->snapshot.end_offset, detail);
    quorum->end_offset = weir_partition_log_end_offset(quorum->log);
    quorum->high_watermark = quorum->end_offset;
    (void)weir_partition_log_set_high_watermark(quorum->log, quorum->high_watermark);
    quorum->bytes_since_snapshot = weir_partition_log_size(quorum->log);
    return status;
}

/* A voter of a larger quorum must not lead alone. */
static enum weir_status check_alone(const struct weir_quorum *quorum, struct weir_detail *detail)
{
    const struct weir_quorum_state *state = &quorum->state;
    if (state->data_version == 0 &&
        (state->voter_count > 1 ||
         (state->voter_count == 1 && state->voter_id != quorum->options.node_id))) {
        weir_detail_set(detail,
                        "%s/quorum-state lists %zu voters, the first is node %d: this directory "
                        "belongs to another "
                        "quorum than node %d alone",
                        quorum->dir, state->voter_count, state->voter_id, quorum->options.node_id);
        return WEIR_INCONSISTENT_VOTER_SET;
    }
    return WEIR_OK;
}

enum weir_status weir_quorum_open(const struct weir_quorum_options *options,
                                  struct weir_quorum **out, struct weir_detail *detail)
{
    struct weir_quorum *quorum = weir_calloc(1, sizeof(*quorum));
    if (quorum == NULL)
        return WEIR_NO_MEMORY;
    struct snapshot_scan *scan = NULL;
    quorum->options = *options;
    quorum->state = (struct weir_quorum_state){.leader_id = -1, .voted_id = -1, .voter_id = -1};
    quorum->last_snapshot_ms = weir_env_monotonic_ms(options->env);
    weir_buf_init(&quorum->buf, 0);
    enum weir_status status =
        weir_quorum_path(quorum->dir, detail, "%s/" WEIR_METADATA_DIR, options->metadata_dir);
    if (status == WEIR_OK)
        status = weir_dir_make_all_durably(options->env, quorum->dir, detail);
    if (status == WEIR_OK)
        status = weir_quorum_state_read(options->env, quorum->dir, &quorum->state, detail);
    if (status == WEIR_NOT_FOUND)
        status = WEIR_OK;
    if (status == WEIR_OK)
        status = check_alone(quorum, detail);
    if (status == WEIR_OK)
        status = scan_snapshots(quorum, &scan, detail);
    if (status != WEIR_OK)
        goto out;
    if (scan->count > 0) {
        quorum->snapshot = scan->ids[scan->count - 1];
        quorum->has_snapshot = true;
    }
    status = open_log(quorum, detail);
out:
    weir_free(scan);
    if (status == WEIR_OK)
        *out = quorum;
    else
        weir_quorum_close(quorum);
    return status;
}

void weir_quorum_close(struct weir_quorum *quorum)
{
    if (quorum == NULL)
        return;
    if (quorum->log != NULL) {
        /* A clean close trims the index files; what was committed is durable without it, so its
         * failure costs a scan. */
        if (quorum->phase == PHASE_LEADING) {
            enum weir_status ignored = weir_partition_log_close(quorum->log, NULL);
            (void)ignored;
        }
        weir_partition_log_unref(quorum->log);
    }
    weir_buf_done(&quorum->buf);
    weir_free(quorum);
}

/* ---- Loading ---- */

static enum weir_status load_read(struct weir_quorum *quorum, const struct weir_log_read *read,
                                  weir_quorum_apply *apply, void *context, int64_t *offset,
                                  struct weir_detail *detail)
{
    weir_buf_clear(&quorum->buf);
    enum weir_status status = weir_log_read_copy(quorum->options.env, read, &quorum->buf, detail);
    struct weir_batch_iter iter;
    weir_batch_iter_init(&iter, weir_buf_slice(&quorum->buf));
    struct weir_batch batch;
    int64_t from = *offset;
    while (status == WEIR_OK && (status = weir_batch_iter_next(&iter, &batch, detail)) == WEIR_OK) {
        bool had_voters = quorum->control.has_voters;
        quorum->control.has_voters = false;
        status = weir_batch_replay(&batch, from, false, apply, context, &quorum->control, detail);
        quorum->voters_in_log = quorum->voters_in_log || quorum->control.has_voters;
        quorum->control.has_voters = quorum->control.has_voters || had_voters;
        if (batch.partition_leader_epoch > quorum->epoch)
            quorum->epoch = batch.partition_leader_epoch;
        *offset = weir_batch_next_offset(&batch);
    }
    /* TRUNCATED: the read ended inside a batch, the next one begins with it. */
    if (status == WEIR_NOT_FOUND || (status == WEIR_TRUNCATED && *offset > from))
        return WEIR_OK;
    return status == WEIR_TRUNCATED ? WEIR_CORRUPT : status;
}

static enum weir_status load_log(struct weir_quorum *quorum, weir_quorum_apply *apply,
                                 void *context, struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    int64_t offset = quorum->snapshot.end_offset;
    while (status == WEIR_OK && offset < quorum->end_offset) {
        struct weir_log_read_options options = {.offset = offset,
                                                .bytes_max = READ_BYTES,
                                                .limit = WEIR_LOG_READ_TO_LOG_END,
                                                .min_one_batch = true};
        struct weir_log_read read;
        status = weir_partition_log_read(quorum->log, &options, &read, detail);
        if (status != WEIR_OK)
            break;
        int64_t before = offset;
        if (read.range.size > 0)
            status = load_read(quorum, &read, apply, context, &offset, detail);
        weir_log_read_done(&read);
        if (status == WEIR_OK && offset == before) {
            weir_detail_set(detail, "the log ends at offset %lld, expected %lld", (long long)offset,
                            (long long)quorum->end_offset);
            status = WEIR_CORRUPT;
        }
    }
    if (status != WEIR_OK)
        weir_detail_prefix(detail, "%s", quorum->dir);
    return status;
}

enum weir_status weir_quorum_load(struct weir_quorum *quorum, weir_quorum_apply *apply,
                                  void *context, struct weir_quorum_snapshot_id *out_checkpoint,
                                  struct weir_detail *detail)
{
    WEIR_ASSERT(quorum->phase == PHASE_OPENED);
    enum weir_status status = WEIR_OK;
    if (quorum->has_snapshot) {
        char path[WEIR_QUORUM_PATH_BYTES];
        status = snapshot_path(quorum, quorum->snapshot, path, detail);
        if (status == WEIR_OK)
            status = weir_checkpoint_read(quorum->options.env, path, apply, context,
                                          &quorum->control, detail);
        quorum->voters_in_log = quorum->control.has_voters && quorum->snapshot.end_offset > 0;
        quorum->epoch = quorum->snapshot.epoch;
    }
    if (status == WEIR_OK)
        status = load_log(quorum, apply, context, detail);
    if (status == WEIR_OK && quorum->control.kraft_version > 0 &&
        (quorum->control.voter_count != 1 || quorum->control.voter_id != quorum->options.node_id ||
         !weir_uuid_equal(quorum->control.voter_directory_id, quorum->options.directory_id))) {
        weir_detail_set(
            detail,
            "%s: the voter set has %zu voters, the first is node %d; weir can lead only a quorum "
            "of this node and directory",
            quorum->dir, quorum->control.voter_count, quorum->control.voter_id);
        status = WEIR_INCONSISTENT_VOTER_SET;
    }
    if (status != WEIR_OK)
        return status;
    if (quorum->state.leader_epoch > quorum->epoch)
        quorum->epoch = quorum->state.leader_epoch;
    quorum->phase = PHASE_LOADED;
    *out_checkpoint = quorum->snapshot;
    return WEIR_OK;
}

/* ---- Leading ---- */

static enum weir_status fail(struct weir_quorum *quorum, enum weir_status status)
{
    if (status != WEIR_OK)
        quorum->phase = PHASE_FAILED;
    return status;
}

/* Writes what is in the buffer, count records at end_offset. */
static enum weir_status append_buf(struct weir_quorum *quorum, size_t count,
                                   struct weir_detail *detail)
{
    struct weir_log_append_result result;
    enum weir_status status = weir_partition_log_append_raw(
        quorum->log, weir_buf_slice(&quorum->buf), WEIR_APPEND_RAFT, &result, detail);
    if (status == WEIR_NO_SPACE || status == WEIR_NO_MEMORY)
        return status; /* nothing was written, the log goes on */
    if (status != WEIR_OK)
        return fail(quorum, status);
    quorum->end_offset += (int64_t)count;
    quorum->bytes_since_snapshot += quorum->buf.size;
    WEIR_ASSERT(weir_partition_log_end_offset(quorum->log) == quorum->end_offset);
    return WEIR_OK;
}

enum weir_status weir_quorum_lead(struct weir_quorum *quorum, struct weir_detail *detail)
{
    WEIR_ASSERT(quorum->phase == PHASE_LOADED);
    int16_t kraft_version = quorum->control.kraft_version;
    quorum->epoch++;
    quorum->state = (struct weir_quorum_state){
        .leader_id = quorum->options.node_id,
        .leader_epoch = quorum->epoch,
        .voted_id = kraft_version > 0 ? quorum->options.node_id : -1,
        .voted_directory_id = quorum->options.directory_id,
        .data_version = kraft_version > 0 ? 1 : 0,
        .voter_count = 1,
        .voter_id = quorum->options.node_id,
    };
    enum weir_status status =
        weir_quorum_state_write(quorum->options.env, quorum->dir, &quorum->state, detail); /* Q3 */
    if (status != WEIR_OK)
        return fail(quorum, status);
    quorum->phase = PHASE_LEADING;
    bool with_voters = kraft_version > 0 && !quorum->voters_in_log;
    struct weir_control_batch batch = {
        .base_offset = quorum->end_offset,
        .epoch = quorum->epoch,
        .timestamp_ms = weir_env_wall_ms(quorum->options.env),
        .leader_change = true,
        .kraft_version = with_voters,
        .voters = with_voters,
        .options = &quorum->options,
    };
    weir_buf_clear(&quorum->buf);
    int32_t count;
    status = weir_control_batch_write(&batch, &quorum->buf, &count);
    if (status == WEIR_OK)
        status = append_buf(quorum, (size_t)count, detail);
    return fail(quorum, status);
}

enum weir_status weir_quorum_append(struct weir_quorum *quorum,
                                    const struct weir_quorum_new_record *records, size_t count,
                                    struct weir_detail *detail)
{
    if (quorum->phase != PHASE_LEADING) {
        weir_detail_set(detail, "the metadata log has failed");
        return WEIR_KAFKA_STORAGE_ERROR;
    }
    WEIR_ASSERT(count > 0);
    if (count > RECORDS_PER_BATCH_MAX) {
        weir_detail_set(detail, "%zu metadata records are too many for one change", count);
        return WEIR_LIMIT;
    }
    weir_buf_clear(&quorum->buf);
    enum weir_status status =
        weir_data_batch_write(records, count, quorum->end_offset, quorum->epoch,
                              weir_env_wall_ms(quorum->options.env), &quorum->buf);
    if (status != WEIR_OK)
        return status; /* nothing was written */
    if (quorum->buf.size > BATCH_BYTES_MAX) {
        weir_detail_set(detail, "%zu bytes of metadata records are too many for one change",
                        quorum->buf.size);
        return WEIR_LIMIT;
    }
    return append_buf(quorum, count, detail);
}

enum weir_status weir_quorum_commit(struct weir_quorum *quorum, struct weir_detail *detail)
{
    if (quorum->phase != PHASE_LEADING) {
        weir_detail_set(detail, "the metadata log has failed");
        return WEIR_KAFKA_STORAGE_ERROR;
    }
    if (quorum->high_watermark == quorum->end_offset)
        return WEIR_OK;
    enum weir_status status = weir_partition_log_flush(quorum->log, true, detail);
    if (status != WEIR_OK)
        return fail(quorum, status);
    quorum->high_watermark = quorum->end_offset;
    (void)weir_partition_log_set_high_watermark(quorum->log, quorum->high_watermark);
    return WEIR_OK;
}

int64_t weir_quorum_end_offset(const struct weir_quorum *quorum)
{
    return quorum->end_offset;
}

int64_t weir_quorum_high_watermark(const struct weir_quorum *quorum)
{
    return quorum->high_watermark;
}

int32_t weir_quorum_epoch(const struct weir_quorum *quorum)
{
    return quorum->epoch;
}

int16_t weir_quorum_kraft_version(const struct weir_quorum *quorum)
{
    return quorum->control.kraft_version;
}

/* ---- Checkpoints ---- */

bool weir_quorum_snapshot_due(const struct weir_quorum *quorum)
{
    if (quorum->phase != PHASE_LEADING || quorum->high_watermark == quorum->snapshot.end_offset)
        return false;
    return quorum->bytes_since_snapshot >= BYTES_BETWEEN_SNAPSHOTS ||
           weir_env_monotonic_ms(quorum->options.env) - quorum->last_snapshot_ms >=
               SNAPSHOT_INTERVAL_MS;
}

enum weir_status weir_quorum_checkpoint_begin(struct weir_quorum *quorum, int64_t last_timestamp_ms,
                                              struct weir_quorum_checkpoint **out,
                                              struct weir_detail *detail)
{
    WEIR_ASSERT(quorum->phase == PHASE_LEADING && quorum->high_watermark == quorum->end_offset);
    struct weir_quorum_checkpoint *checkpoint = weir_calloc(1, sizeof(*checkpoint));
    if (checkpoint == NULL)
        return WEIR_NO_MEMORY;
    checkpoint->quorum = quorum;
    /* The leader's own LeaderChange is below the high watermark, so the last record has this epoch.
     */
    checkpoint->id = (struct weir_quorum_snapshot_id){.end_offset = quorum->high_watermark,
                                                      .epoch = quorum->epoch};
    char path[WEIR_QUORUM_PATH_BYTES];
    enum weir_status status = snapshot_path(quorum, checkpoint->id, path, detail);
    if (status == WEIR_OK)
        status = weir_checkpoint_writer_open(quorum->options.env, path, checkpoint->id.epoch,
                                             last_timestamp_ms, quorum->control.kraft_version > 0,
                                             &quorum->options, &checkpoint->writer, detail);
    if (status != WEIR_OK) {
        weir_free(checkpoint);
        return status;
    }
    *out = checkpoint;
    return WEIR_OK;
}

enum weir_status weir_quorum_checkpoint_add(struct weir_quorum_checkpoint *checkpoint,
                                            const struct weir_quorum_new_record *record,
                                            struct weir_detail *detail)
{
    return weir_checkpoint_writer_add(&checkpoint->writer, record, detail);
}

/* Whether the oldest checkpoint may go: log and checkpoints are too large together, or it is too
 * old.  Adds up sizes. */
static bool oldest_must_go(struct weir_quorum *quorum, const struct snapshot_scan *scan,
                           size_t oldest)
{
    char path[WEIR_QUORUM_PATH_BYTES];
    uint64_t bytes = weir_partition_log_size(quorum->log);
    int64_t oldest_modified_ms = INT64_MAX;
    for (size_t i = oldest; i < scan->count; i++) {
        struct weir_file_info info;
        if (snapshot_path(quorum, scan->ids[i], path, NULL) != WEIR_OK ||
            weir_path_info(quorum->options.env, path, &info, NULL) != WEIR_OK)
            continue;
        bytes += info.size_bytes;
        if (i == oldest)
            oldest_modified_ms = info.modified_ms;
    }
    return bytes > RETENTION_BYTES ||
           oldest_modified_ms < weir_env_wall_ms(quorum->options.env) - RETENTION_MS;
}

/* Drops old checkpoints, and the log below the oldest that stays.  The newest is durable already
 * (Q4). */
static enum weir_status clean(struct weir_quorum *quorum, struct weir_detail *detail)
{
    struct snapshot_scan *scan;
    enum weir_status status = scan_snapshots(quorum, &scan, detail);
    if (status != WEIR_OK)
        return status;
    size_t oldest = 0;
    char path[WEIR_QUORUM_PATH_BYTES];
    while (status == WEIR_OK && oldest + 1 < scan->count && oldest_must_go(quorum, scan, oldest)) {
        status = snapshot_path(quorum, scan->ids[oldest], path, detail);
        if (status == WEIR_OK)
            status = weir_path_remove(quorum->options.env, path, detail);
        oldest++;
        int64_t log_start;
        struct weir_log_retention_result result;
        if (status == WEIR_OK)
            status = weir_partition_log_delete_records(quorum->log, scan->ids[oldest].end_offset,
                                                       &log_start);
        if (status == WEIR_OK)
            status = weir_partition_log_retain(quorum->log, &result, detail);
    }
    weir_free(scan);
    return status;
}

enum weir_status weir_quorum_checkpoint_finish(struct weir_quorum_checkpoint *checkpoint,
                                               struct weir_detail *detail)
{
    struct weir_quorum *quorum = checkpoint->quorum;
    enum weir_status status = weir_checkpoint_writer_finish(&checkpoint->writer, detail);
    if (status == WEIR_OK) {
        quorum->snapshot = checkpoint->id;
        quorum->has_snapshot = true;
        quorum->bytes_since_snapshot = 0;
        status = clean(quorum, detail);
    }
    quorum->last_snapshot_ms = weir_env_monotonic_ms(quorum->options.env);
    weir_free(checkpoint);
    return status;
}

void weir_quorum_checkpoint_abandon(struct weir_quorum_checkpoint *checkpoint)
{
    weir_checkpoint_writer_abandon(&checkpoint->writer);
    checkpoint->quorum->last_snapshot_ms = weir_env_monotonic_ms(checkpoint->quorum->options.env);
    weir_free(checkpoint);
}
