/* SPDX-License-Identifier: Apache-2.0 */

/* Lines of text on their way out. */

#include "inspect_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { LINE_BYTES_MAX = 4 << 20 };

void report_init(struct report *report, weir_inspect_write *write, void *context)
{
    *report = (struct report){.write = write, .write_context = context};
    weir_buf_init(&report->line, LINE_BYTES_MAX);
}

void report_done(struct report *report)
{
    weir_buf_done(&report->line);
}

void inspect_make_plain(uint8_t *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
    }
}

void report_end_line(struct report *report)
{
    if (weir_buf_status(&report->line) == WEIR_NO_MEMORY) {
        report->is_out_of_memory = true;
        report->is_stopped = true;
    }
    bool is_cut = weir_buf_status(&report->line) == WEIR_LIMIT;
    struct weir_slice text = weir_buf_slice(&report->line);
    inspect_make_plain(report->line.data, report->line.size);
    if (!report->is_stopped)
        report->is_stopped = !report->write(report->write_context, text) ||
                             !report->write(report->write_context,
                                            is_cut ? WEIR_SLICE(" ... (cut)\n") : WEIR_SLICE("\n"));
    weir_buf_clear(&report->line);
}

void report_line(struct report *report, const char *format, ...)
{
    char text[INSPECT_PATH_BYTES + 2 * WEIR_DETAIL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    weir_buf_append_str(&report->line, text);
    report_end_line(report);
}

enum weir_inspect_result report_result(const struct report *report)
{
    if (report->has_failed || report->is_out_of_memory)
        return WEIR_INSPECT_FAILED;
    return report->fault_count > 0 ? WEIR_INSPECT_DAMAGED : WEIR_INSPECT_SOUND;
}

const char *inspect_time_text(int64_t ms, char out[TIME_TEXT_BYTES])
{
    static const int64_t year_10000_ms = INT64_C(253402300800000);
    struct tm parts;
    time_t seconds = (time_t)(ms / 1000);
    if (ms < 0 || ms >= year_10000_ms || gmtime_r(&seconds, &parts) == NULL) {
        (void)snprintf(out, TIME_TEXT_BYTES, "%lld", (long long)ms);
        return out;
    }
    size_t size = strftime(out, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out + size, TIME_TEXT_BYTES - size, ".%03dZ", (int)(ms % 1000));
    return out;
}
