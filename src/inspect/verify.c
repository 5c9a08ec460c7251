/* SPDX-License-Identifier: Apache-2.0 */

/* `weir verify`: a log directory, or one partition of it. */

#include "verify_int.h"

#include "weir/base/memory.h"
#include "weir/protocol/printer.h"
#include "weir/storage/meta_properties.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void say(struct verify *verify, const char *kind, const char *path, const char *text)
{
    weir_buf_printf(&verify->report.line, "%s %s: %s", kind, path, text);
    report_end_line(&verify->report);
}

static void fault(struct verify *verify, const char *path, const char *text)
{
    verify->report.fault_count++;
    say(verify, "FAULT", path, text);
}

static void note(struct verify *verify, const char *path, const char *text)
{
    if (!verify->options->is_quiet)
        say(verify, "NOTE", path, text);
}

/* Who holds the POSIX lock of <dir>/.lock; 0: nobody.  Asking takes nothing. */
static int lock_holder(struct verify *verify, const char *dir)
{
    char path[INSPECT_PATH_BYTES];
    struct weir_file *file = NULL;
    struct weir_env *env = verify->options->env;
    int holder = 0;
    if (!inspect_join(path, dir, ".lock") ||
        weir_file_open(env, path, WEIR_OPEN_READ, &file, NULL) != WEIR_OK)
        return 0;
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    int fd = weir_file_native_fd(env, file);
    if (fd >= 0 && fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
        holder = whole.l_pid > 0 ? (int)whole.l_pid : -1; /* -1: of another machine or container */
    weir_file_close(env, file);
    return holder;
}

/* dir: the log directory. */
static void find_state(struct verify *verify, const char *dir)
{
    int64_t epoch;
    int holder = lock_holder(verify, dir);
    verify->state = DIR_UNCLEAN;
    if (holder != 0) {
        char text[64];
        verify->state = DIR_IN_USE;
        if (holder > 0)
            (void)snprintf(text, sizeof(text), "in use by process %d", holder);
        else
            (void)snprintf(text, sizeof(text), "in use");
        note(verify, dir, text);
    } else if (weir_clean_marker_read(verify->options->env, dir, &epoch, NULL) == WEIR_OK) {
        verify->state = DIR_CLEAN;
        if (epoch < 0)
            note(verify, dir, ".kafka_cleanshutdown names no broker epoch");
    } else {
        note(verify, dir, "was not stopped cleanly; the next start recovers it");
    }
}

static void read_checkpoint(struct verify *verify, const char *dir, const char *name,
                            struct weir_offset_checkpoint *out)
{
    char path[INSPECT_PATH_BYTES];
    struct weir_detail detail = {{0}};
    if (!inspect_join(path, dir, name))
        return;
    enum weir_status status = weir_offset_checkpoint_read(verify->options->env, path, out, &detail);
    if (status == WEIR_OK)
        weir_offset_checkpoint_sort(out);
    else if (status == WEIR_CORRUPT)
        fault(verify, path, detail.text);
    else if (status != WEIR_NOT_FOUND) {
        verify->report.has_failed = true;
        say(verify, "FAILED", path, detail.text);
    }
}

static void read_checkpoints(struct verify *verify, const char *dir)
{
    read_checkpoint(verify, dir, "recovery-point-offset-checkpoint", &verify->recovery_points);
    read_checkpoint(verify, dir, "log-start-offset-checkpoint", &verify->log_starts);
    read_checkpoint(verify, dir, "replication-offset-checkpoint", &verify->high_watermarks);
}

/* The files beside the partitions; the three checkpoints above were read already. */
static void check_file(struct verify *verify, const char *path, const struct listed *file)
{
    struct weir_detail detail = {{0}};
    if (file->name.kind == FILE_UNKNOWN) {
        note(verify, path, "is no file of Kafka's");
    } else if (file->name.leftover[0] != '\0') {
        note(verify, path, "is a left-over");
    } else if (file->name.kind == FILE_METADATA_SNAPSHOT) {
        struct partition alone = {
            .verify = verify, .is_metadata = true, .dir = verify->options->dir};
        weir_buf_init(&alone.lines, 0);
        record_words_init(&alone.words, WEIR_SLICE("__cluster_metadata"), 1);
        verify_metadata_snapshot(&alone, file);
        weir_buf_append_slice(&verify->report.line, weir_buf_slice(&alone.lines));
        verify->report.fault_count += alone.fault_count;
        verify->report.has_failed = verify->report.has_failed || alone.has_failed;
        if (alone.lines.size > 0) {
            verify->report.line.size--; /* the newline comes with the end of the line */
            report_end_line(&verify->report);
        }
        record_words_done(&alone.words);
        weir_buf_done(&alone.lines);
    } else if ((file->name.kind != FILE_OFFSET_CHECKPOINT ||
                strcmp(file->text, "cleaner-offset-checkpoint") == 0) &&
               !text_file_check(verify->options->env, path, &file->name, &detail)) {
        fault(verify, path, detail.text);
    }
}

static void check_directory(struct verify *verify, const char *path, const char *name)
{
    struct weir_topic_partition key;
    enum weir_partition_dir_kind kind = WEIR_PARTITION_DIR_CURRENT;
    if (strcmp(name, "remote-log-index-cache") == 0)
        return; /* of tiered storage; no log */
    if (weir_partition_dir_parse(weir_slice_str(name), &key, &kind) != WEIR_OK) {
        note(verify, path, "is no partition's directory; Apache Kafka does not start beside it");
        return;
    }
    switch (kind) {
    case WEIR_PARTITION_DIR_CURRENT:
        verify_partition(verify, path);
        break;
    case WEIR_PARTITION_DIR_DELETE:
        note(verify, path, "is being deleted");
        break;
    case WEIR_PARTITION_DIR_FUTURE:
        note(verify, path, "is a move to this directory that is not complete");
        break;
    case WEIR_PARTITION_DIR_STRAY:
        note(verify, path, "was set aside: the metadata did not know it");
        break;
    }
}

static void verify_log_dir(struct verify *verify, const struct listing *names)
{
    const char *dir = verify->options->dir;
    bool has_properties = false;
    find_state(verify, dir);
    read_checkpoints(verify, dir);
    for (size_t i = 0; i < names->count && !verify->report.is_stopped; i++) {
        const struct listed *file = &names->items[i];
        char path[INSPECT_PATH_BYTES];
        struct weir_file_info info;
        if (!inspect_join(path, dir, file->text))
            continue;
        if (weir_path_info(verify->options->env, path, &info, NULL) != WEIR_OK)
            continue; /* it went meanwhile */
        if (info.is_directory)
            check_directory(verify, path, file->text);
        else
            check_file(verify, path, file);
        has_properties = has_properties || file->name.kind == FILE_META_PROPERTIES;
    }
    if (!has_properties)
        fault(verify, dir, "has no meta.properties, so it is no log directory of a broker");
}

/* A partition's directory has segments, and no meta.properties. */
static bool looks_like_partition(const struct listing *names)
{
    bool has_segment = false;
    for (size_t i = 0; i < names->count; i++) {
        enum file_kind kind = names->items[i].name.kind;
        if (kind == FILE_META_PROPERTIES)
            return false;
        has_segment = has_segment || kind == FILE_LOG || kind == FILE_PARTITION_METADATA;
    }
    return has_segment;
}

static void verify_one_partition(struct verify *verify, const char *dir)
{
    char parent[INSPECT_PATH_BYTES];
    if (inspect_join(parent, dir, "..")) {
        find_state(verify, parent);
        read_checkpoints(verify, parent);
    }
    verify_partition(verify, dir);
}

static void summarize(struct verify *verify)
{
    if (verify->options->is_quiet || verify->report.is_stopped)
        return;
    report_line(
        &verify->report, "%llu partitions, %llu segments, %llu batches, %llu bytes: %llu faults",
        (unsigned long long)verify->partition_count, (unsigned long long)verify->segment_count,
        (unsigned long long)verify->batch_count, (unsigned long long)verify->byte_count,
        (unsigned long long)verify->report.fault_count);
}

enum weir_inspect_result weir_verify(const struct weir_verify_options *options)
{
    char dir[INSPECT_PATH_BYTES];
    struct weir_verify_options plain = *options;
    struct verify verify = {.options = &plain};
    struct weir_detail detail = {{0}};
    struct listing names = {0};
    size_t size = strlen(options->dir);
    report_init(&verify.report, options->write, options->write_context);
    enum weir_status status = WEIR_LIMIT;
    if (size < sizeof(dir)) {
        memcpy(dir, options->dir, size + 1);
        while (size > 1 && dir[size - 1] == '/')
            dir[--size] = '\0';
        plain.dir = dir;
        status = listing_read(options->env, dir, &names, &detail);
    }
    if (status != WEIR_OK) {
        verify.report.has_failed = true;
        say(&verify, "FAILED", options->dir,
            detail.text[0] != '\0' ? detail.text : weir_status_name(status));
    } else if (looks_like_partition(&names)) {
        verify_one_partition(&verify, dir);
    } else {
        verify_log_dir(&verify, &names);
    }
    if (status == WEIR_OK)
        summarize(&verify);
    listing_done(&names);
    weir_offset_checkpoint_done(&verify.recovery_points);
    weir_offset_checkpoint_done(&verify.log_starts);
    weir_offset_checkpoint_done(&verify.high_watermarks);
    enum weir_inspect_result result = report_result(&verify.report);
    report_done(&verify.report);
    return result;
}
