/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One partition's directory: its names, its segments in order, and what checkpoints say of it.
 *
 * A broker that runs may delete, roll or compact while we look.  What is found in a directory in
 * use is said only when it is found again in a second and a third look.
 */

#include "verify_int.h"

#include "weir/protocol/printer.h"
#include "weir/storage/partition_metadata.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINES_MAX = 1000, LINES_BYTES_MAX = 4 << 20, LOOKS_MAX = 3 };

/* Names come from the disk: what a terminal might obey is escaped. */
static void append_path(struct partition *partition, const char *name)
{
    struct weir_buf quoted = {0};
    weir_buf_append_str(&partition->lines, partition->dir);
    if (name == NULL)
        return;
    weir_print_quoted(&quoted, weir_slice_str(name), 0);
    weir_buf_append_str(&partition->lines, "/");
    if (weir_buf_status(&quoted) == WEIR_OK && quoted.size >= 2)
        weir_buf_append(&partition->lines, quoted.data + 1, quoted.size - 2);
    weir_buf_done(&quoted);
}

WEIR_PRINTF(5, 0)
static void add_line(struct partition *partition, const char *kind, const char *name,
                     const char *place, const char *format, va_list arguments)
{
    char text[2 * WEIR_DETAIL_BYTES];
    if (partition->line_count++ >= LINES_MAX)
        return;
    (void)vsnprintf(text, sizeof(text), format, arguments);
    inspect_make_plain((uint8_t *)text, strlen(text)); /* a line is one line */
    weir_buf_printf(&partition->lines, "%s ", kind);
    append_path(partition, name);
    weir_buf_printf(&partition->lines, "%s: %s\n", place, text);
}

void partition_fault(struct partition *partition, const char *name, const char *format, ...)
{
    va_list arguments;
    partition->fault_count++;
    va_start(arguments, format);
    add_line(partition, "FAULT", name, "", format, arguments);
    va_end(arguments);
}

void partition_fault_at(struct partition *partition, const char *name, uint64_t file_pos,
                        const char *format, ...)
{
    char place[48];
    va_list arguments;
    partition->fault_count++;
    (void)snprintf(place, sizeof(place), " at byte %llu", (unsigned long long)file_pos);
    va_start(arguments, format);
    add_line(partition, "FAULT", name, place, format, arguments);
    va_end(arguments);
}

void partition_fault_offset(struct partition *partition, const char *name, int64_t offset,
                            const char *format, ...)
{
    char place[48];
    va_list arguments;
    partition->fault_count++;
    (void)snprintf(place, sizeof(place), " at offset %lld", (long long)offset);
    va_start(arguments, format);
    add_line(partition, "FAULT", name, place, format, arguments);
    va_end(arguments);
}

void partition_note(struct partition *partition, const char *name, const char *format, ...)
{
    va_list arguments;
    if (partition->verify->options->is_quiet)
        return;
    va_start(arguments, format);
    add_line(partition, "NOTE", name, "", format, arguments);
    va_end(arguments);
}

void partition_failed(struct partition *partition, enum weir_status status,
                      const struct weir_detail *detail)
{
    if (status == WEIR_NOT_FOUND && partition->verify->state == DIR_IN_USE)
        return;
    partition->has_failed = true;
    if (partition->line_count++ < LINES_MAX) {
        weir_buf_append_str(&partition->lines, "FAILED ");
        append_path(partition, NULL);
        struct weir_detail plain = *detail;
        inspect_make_plain((uint8_t *)plain.text, strlen(plain.text));
        weir_buf_printf(&partition->lines, ": %s\n",
                        plain.text[0] != '\0' ? plain.text : weir_status_name(status));
    }
}

static bool is_segment(const struct listed *file)
{
    return file->name.kind == FILE_LOG && file->name.has_offset && file->name.leftover[0] == '\0';
}

static bool has_segment(const struct partition *partition, int64_t offset)
{
    for (size_t i = 0; i < partition->files.count; i++) {
        if (is_segment(&partition->files.items[i]) &&
            partition->files.items[i].name.offset == offset)
            return true;
    }
    return false;
}

static void check_index_name(struct partition *partition, const struct listed *file)
{
    if (!file->name.has_offset)
        partition_note(partition, file->text, "is not named by an offset");
    else if (!has_segment(partition, file->name.offset) && partition->verify->state != DIR_IN_USE)
        partition_fault(partition, file->text, "belongs to no segment");
}

static void check_name(struct partition *partition, const struct listed *file)
{
    struct weir_detail detail = {{0}};
    char path[INSPECT_PATH_BYTES];
    if (file->name.leftover[0] != '\0') {
        if (partition->verify->state != DIR_IN_USE)
            partition_note(partition, file->text, "is a left-over; the next start finishes it");
        return;
    }
    switch (file->name.kind) {
    case FILE_LOG:
        if (!file->name.has_offset)
            partition_fault(partition, file->text,
                            "is not named by an offset; no broker starts with it");
        break;
    case FILE_OFFSET_INDEX:
    case FILE_TIME_INDEX:
    case FILE_TXN_INDEX:
        check_index_name(partition, file);
        break;
    case FILE_PRODUCER_SNAPSHOT:
        if (!file->name.has_offset)
            partition_note(partition, file->text, "is not named by an offset");
        break;
    case FILE_METADATA_SNAPSHOT:
        if (partition->is_metadata)
            verify_metadata_snapshot(partition, file);
        else
            partition_note(partition, file->text, "is no file of a partition");
        break;
    case FILE_PARTITION_METADATA:
    case FILE_QUORUM_STATE:
        if (inspect_join(path, partition->dir, file->text) &&
            !text_file_check(partition->verify->options->env, path, &file->name, &detail))
            partition_fault(partition, file->text, "%s", detail.text);
        break;
    case FILE_EPOCH_CHECKPOINT:
        break; /* read already */
    case FILE_OFFSET_CHECKPOINT:
    case FILE_META_PROPERTIES:
    case FILE_CLEAN_MARKER:
    case FILE_LOCK:
    case FILE_UNKNOWN:
        partition_note(partition, file->text, "is no file of a partition");
        break;
    }
}

static void check_epoch_file(struct partition *partition)
{
    char path[INSPECT_PATH_BYTES];
    struct weir_detail detail = {{0}};
    struct weir_file_info info;
    if (!inspect_join(path, partition->dir, "leader-epoch-checkpoint"))
        return;
    struct weir_env *env = partition->verify->options->env;
    enum weir_status status = weir_epoch_cache_read(env, path, &partition->epochs, &detail);
    if (status == WEIR_CORRUPT)
        partition_fault(partition, "leader-epoch-checkpoint", "%s", detail.text);
    else if (status != WEIR_OK)
        partition_failed(partition, status, &detail);
    partition->has_epochs = status == WEIR_OK;
    if (status == WEIR_OK && partition->verify->state == DIR_CLEAN &&
        weir_path_info(env, path, &info, NULL) == WEIR_NOT_FOUND) {
        partition->has_epochs = false;
        partition_note(partition, "leader-epoch-checkpoint", "is missing");
    }
}

/* Without its topic id a partition is set aside as a stray one by Apache Kafka. */
static void check_topic_id(struct partition *partition)
{
    struct verify *verify = partition->verify;
    struct weir_uuid id;
    enum weir_status status =
        weir_partition_metadata_read(verify->options->env, partition->dir, &id, NULL);
    if (status == WEIR_NOT_FOUND && partition->end_offset > partition->start_offset) {
        if (verify->state == DIR_CLEAN)
            partition_fault(partition, "partition.metadata",
                            "is missing: Apache Kafka sets the partition aside");
        else
            partition_note(partition, "partition.metadata", "is missing");
    }
    if (status != WEIR_OK || !partition->has_key)
        return;
    if (strcmp(verify->last_key.topic, partition->key.topic) == 0 &&
        !weir_uuid_equal(verify->last_topic_id, id))
        partition_fault(partition, "partition.metadata",
                        "has another topic id than partition %d of the topic",
                        (int)verify->last_key.partition);
    verify->last_key = partition->key;
    verify->last_topic_id = id;
}

static void check_point(struct partition *partition, const struct weir_offset_checkpoint *points,
                        const char *name)
{
    int64_t point = 0;
    if (!partition->has_key || !weir_offset_checkpoint_find(points, &partition->key, &point))
        return;
    if (point < 0 || point > partition->end_offset)
        partition_fault(partition, NULL, "%s says %lld, and the log ends at %lld", name,
                        (long long)point, (long long)partition->end_offset);
}

static void check_points(struct partition *partition)
{
    const struct verify *verify = partition->verify;
    int64_t point = 0;
    check_point(partition, &verify->recovery_points, "recovery-point-offset-checkpoint");
    if (verify->state == DIR_CLEAN && partition->has_key &&
        weir_offset_checkpoint_find(&verify->recovery_points, &partition->key, &point) &&
        point < partition->end_offset)
        partition_fault(partition, NULL,
                        "recovery-point-offset-checkpoint says %lld, and the log ends at %lld, "
                        "though it was stopped cleanly",
                        (long long)point, (long long)partition->end_offset);
    check_point(partition, &verify->log_starts, "log-start-offset-checkpoint");
    check_point(partition, &verify->high_watermarks, "replication-offset-checkpoint");
    if (!partition->has_epochs || verify->state != DIR_CLEAN || partition->epochs.count == 0)
        return;
    const struct weir_epoch_entry *last = &partition->epochs.items[partition->epochs.count - 1];
    if (last->start_offset > partition->end_offset)
        partition_fault(partition, "leader-epoch-checkpoint",
                        "epoch %d begins at offset %lld, and the log ends at %lld",
                        (int)last->epoch, (long long)last->start_offset,
                        (long long)partition->end_offset);
}

/* Where the log begins, and from where on a recovery will look. */
static void find_bounds(struct partition *partition)
{
    const struct verify *verify = partition->verify;
    int64_t point = 0;
    for (size_t i = 0; i < partition->files.count; i++) {
        if (is_segment(&partition->files.items[i])) {
            partition->start_offset = partition->files.items[i].name.offset;
            break;
        }
    }
    partition->end_offset = partition->start_offset;
    partition->log_start_offset = partition->start_offset;
    if (partition->has_key &&
        weir_offset_checkpoint_find(&verify->log_starts, &partition->key, &point) &&
        point > partition->log_start_offset)
        partition->log_start_offset = point;
    partition->strict_below = 0;
    if (verify->state == DIR_CLEAN)
        partition->strict_below = INT64_MAX;
    else if (partition->has_key &&
             weir_offset_checkpoint_find(&verify->recovery_points, &partition->key, &point))
        partition->strict_below = point;
}

static void check_segments(struct partition *partition)
{
    for (size_t i = 0; i < partition->files.count; i++) {
        if (!is_segment(&partition->files.items[i]))
            continue;
        int64_t next_base = INT64_MAX;
        for (size_t j = i + 1; j < partition->files.count && next_base == INT64_MAX; j++) {
            if (is_segment(&partition->files.items[j]))
                next_base = partition->files.items[j].name.offset;
        }
        verify_segment(partition, i, next_base);
    }
}

static void look(struct partition *partition)
{
    struct weir_detail detail = {{0}};
    enum weir_status status =
        listing_read(partition->verify->options->env, partition->dir, &partition->files, &detail);
    if (status == WEIR_OK)
        status = weir_producer_state_new(&partition->producers);
    if (status != WEIR_OK) {
        partition_failed(partition, status, &detail);
        return;
    }
    find_bounds(partition);
    producers_begin(partition);
    check_epoch_file(partition);
    for (size_t i = 0; i < partition->files.count; i++)
        check_name(partition, &partition->files.items[i]);
    check_segments(partition);
    producers_end(partition);
    check_topic_id(partition);
    check_points(partition);
}

static void begin(struct partition *partition, struct verify *verify, const char *dir)
{
    enum weir_partition_dir_kind kind;
    *partition = (struct partition){.verify = verify, .dir = dir};
    weir_buf_init(&partition->lines, LINES_BYTES_MAX);
    partition->has_key = weir_partition_dir_parse(weir_slice_str(inspect_base_name(dir)),
                                                  &partition->key, &kind) == WEIR_OK &&
                         kind == WEIR_PARTITION_DIR_CURRENT;
    partition->is_metadata =
        partition->has_key && strcmp(partition->key.topic, "__cluster_metadata") == 0;
    record_words_init(&partition->words,
                      weir_slice_str(partition->has_key ? partition->key.topic : ""), 1);
}

static void end(struct partition *partition)
{
    producers_done(partition);
    listing_done(&partition->files);
    weir_epoch_cache_done(&partition->epochs);
    record_words_done(&partition->words);
    weir_buf_done(&partition->lines);
}

static void publish(struct partition *partition)
{
    struct report *report = &partition->verify->report;
    report->fault_count += partition->fault_count;
    report->has_failed = report->has_failed || partition->has_failed;
    struct weir_slice rest = weir_buf_slice(&partition->lines);
    while (rest.size > 0 && !report->is_stopped) {
        const uint8_t *newline = memchr(rest.data, '\n', rest.size);
        size_t size = newline == NULL ? rest.size : (size_t)(newline - rest.data);
        weir_buf_append(&report->line, rest.data, size);
        report_end_line(report);
        size_t taken = newline == NULL ? size : size + 1;
        rest = weir_slice_of(rest.data + taken, rest.size - taken);
    }
    if (partition->line_count > LINES_MAX)
        report_line(report, "NOTE %s: %llu more lines are not printed", partition->dir,
                    (unsigned long long)(partition->line_count - LINES_MAX));
}

void verify_partition(struct verify *verify, const char *dir)
{
    struct verify before = *verify; /* the counts of a look that does not count */
    int looks = verify->state == DIR_IN_USE ? LOOKS_MAX : 1;
    for (int i = 0; i < looks; i++) {
        struct partition partition;
        verify->segment_count = before.segment_count;
        verify->batch_count = before.batch_count;
        verify->byte_count = before.byte_count;
        begin(&partition, verify, dir);
        look(&partition);
        bool is_final = i == looks - 1 || (partition.fault_count == 0 && !partition.has_failed);
        if (is_final)
            publish(&partition);
        end(&partition);
        if (is_final)
            break;
    }
    verify->partition_count++;
}
