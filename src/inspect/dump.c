/* SPDX-License-Identifier: Apache-2.0 */

/* `weir dump`: which printer a file gets, and the small text files. */

#include "inspect_int.h"

#include "weir/protocol/printer.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/meta_properties.h"

#include <stdarg.h>
#include <stdio.h>

void dump_fault(struct dump *dump, uint64_t file_pos, const char *format, ...)
{
    char text[WEIR_DETAIL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    dump->report.fault_count++;
    report_line(&dump->report, "DAMAGED at byte %llu: %s", (unsigned long long)file_pos, text);
}

void dump_failed(struct dump *dump, const struct weir_detail *detail)
{
    dump->report.has_failed = true;
    report_line(&dump->report, "FAILED: %s", detail->text);
}

/* One line each as it is, escaped where needed. */
static void print_lines(struct dump *dump, struct weir_slice text)
{
    while (text.size > 0 && !dump->report.is_stopped) {
        const uint8_t *newline = memchr(text.data, '\n', text.size);
        size_t size = newline == NULL ? text.size : (size_t)(newline - text.data);
        struct weir_buf quoted = {0};
        weir_print_quoted(&quoted, weir_slice_of(text.data, size), dump->bytes_max);
        bool is_plain = quoted.size == size + 2 && memchr(text.data, '"', size) == NULL;
        struct weir_slice line = weir_buf_slice(&quoted);
        weir_buf_append_str(&dump->report.line, "  ");
        if (is_plain)
            weir_buf_append(&dump->report.line, text.data, size);
        else
            weir_buf_append_slice(&dump->report.line, line);
        report_end_line(&dump->report);
        weir_buf_done(&quoted);
        size_t taken = newline == NULL ? size : size + 1;
        text = weir_slice_of(text.data + taken, text.size - taken);
    }
}

void dump_text(struct dump *dump)
{
    struct weir_detail detail = {{0}};
    struct weir_buf text;
    weir_buf_init(&text, 0);
    enum weir_status status = weir_file_read_all(dump->options->env, dump->path,
                                                 INSPECT_TEXT_FILE_BYTES_MAX, &text, &detail);
    if (status != WEIR_OK)
        dump_failed(dump, &detail);
    else
        print_lines(dump, weir_buf_slice(&text));
    if (status == WEIR_OK && !text_file_check(dump->options->env, dump->path, &dump->name, &detail))
        dump_fault(dump, 0, "%s", detail.text);
    weir_buf_done(&text);
}

static void dump_contents(struct dump *dump)
{
    switch (dump->name.kind) {
    case FILE_LOG:
    case FILE_METADATA_SNAPSHOT:
        dump_log(dump);
        break;
    case FILE_OFFSET_INDEX:
        dump_offset_index(dump);
        break;
    case FILE_TIME_INDEX:
        dump_time_index(dump);
        break;
    case FILE_TXN_INDEX:
        dump_txn_index(dump);
        break;
    case FILE_PRODUCER_SNAPSHOT:
        dump_producer_snapshot(dump);
        break;
    case FILE_OFFSET_CHECKPOINT:
    case FILE_EPOCH_CHECKPOINT:
    case FILE_PARTITION_METADATA:
    case FILE_META_PROPERTIES:
    case FILE_QUORUM_STATE:
    case FILE_CLEAN_MARKER:
        dump_text(dump);
        break;
    case FILE_LOCK:
        break;
    case FILE_UNKNOWN:
        dump->report.has_failed = true;
        report_line(&dump->report, "FAILED: the name says no kind that is known (a name in "
                                   "log.dirs, or one that ends with .log, .index, .timeindex, "
                                   ".txnindex, .snapshot or .checkpoint)");
        break;
    }
}

static void dump_file(struct dump *dump, const char *path)
{
    dump->path = path;
    inspect_file_name_parse(inspect_base_name(path), &dump->name);
    weir_buf_append_str(&dump->report.line, "== ");
    weir_buf_append_str(&dump->report.line, path);
    weir_buf_printf(&dump->report.line, ": %s", inspect_kind_name(dump->name.kind));
    if (dump->name.has_offset)
        weir_buf_printf(&dump->report.line, ", offset %lld", (long long)dump->name.offset);
    if (dump->name.has_epoch)
        weir_buf_printf(&dump->report.line, ", epoch %d", dump->name.epoch);
    if (dump->name.leftover[0] != '\0')
        weir_buf_printf(&dump->report.line, ", left over (%s)", dump->name.leftover);
    report_end_line(&dump->report);
    dump_contents(dump);
}

enum weir_inspect_result weir_dump(const struct weir_dump_options *options)
{
    struct dump dump = {.options = options,
                        .bytes_max =
                            options->bytes_max > 0 ? options->bytes_max : WEIR_DUMP_BYTES_DEFAULT};
    report_init(&dump.report, options->write, options->write_context);
    for (size_t i = 0; i < options->file_count && !dump.report.is_stopped; i++)
        dump_file(&dump, options->files[i]);
    enum weir_inspect_result result = report_result(&dump.report);
    report_done(&dump.report);
    return result;
}
