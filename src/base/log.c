/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES_MAX  2048u
#define VALUE_BYTES_MAX 512u

struct line {
    char text[LINE_BYTES_MAX];
    size_t size;
};

static void add(struct line *line, const char *data, size_t size)
{
    size_t room = sizeof(line->text) - line->size;
    if (size > room)
        size = room;
    memcpy(line->text + line->size, data, size);
    line->size += size;
}

static void add_text(struct line *line, const char *text)
{
    add(line, text, strlen(text));
}

static void add_stamp(struct line *line, int64_t now_ms)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    char text[40];
    if (gmtime_r(&seconds, &parts) == NULL)
        return;
    size_t size = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    int more = snprintf(text + size, sizeof(text) - size, ".%03dZ ", (int)(now_ms % 1000));
    if (more > 0)
        add(line, text, size + (size_t)more);
}

/* Quoted when it holds anything but visible ASCII without quotes; control bytes and non-ASCII
 * become \xNN, so that no client can forge a line or confuse a terminal. */
static void add_value(struct line *line, struct weir_slice value)
{
    static const char digits[] = "0123456789abcdef";
    bool needs_quotes = value.size == 0;
    size_t shown = value.size < VALUE_BYTES_MAX ? value.size : VALUE_BYTES_MAX;
    for (size_t i = 0; i < shown && !needs_quotes; i++)
        needs_quotes = value.data[i] <= ' ' || value.data[i] > '~' || value.data[i] == '"' ||
                       value.data[i] == '=';
    if (needs_quotes)
        add(line, "\"", 1);
    for (size_t i = 0; i < shown; i++) {
        uint8_t byte = value.data[i];
        if (byte == '"' || byte == '\\') {
            add(line, (const char[]){'\\', (char)byte}, 2);
        } else if (byte < ' ' || byte > '~') {
            add(line, (const char[]){'\\', 'x', digits[byte >> 4], digits[byte & 0x0f]}, 4);
        } else {
            add(line, (const char[]){(char)byte}, 1);
        }
    }
    if (shown < value.size)
        add_text(line, "...");
    if (needs_quotes)
        add(line, "\"", 1);
}

static void add_field(struct line *line, const struct weir_log_field *field)
{
    char number[40];
    add(line, " ", 1);
    add_text(line, field->name);
    add(line, "=", 1);
    switch (field->type) {
    case WEIR_LOG_FIELD_STR:
        if (weir_slice_is_null(field->str))
            add_text(line, "null");
        else
            add_value(line, field->str);
        break;
    case WEIR_LOG_FIELD_I64:
        (void)snprintf(number, sizeof(number), "%" PRId64, field->i64);
        add_text(line, number);
        break;
    case WEIR_LOG_FIELD_F64:
        (void)snprintf(number, sizeof(number), "%.6g", field->f64);
        add_text(line, number);
        break;
    }
}

const char *weir_log_level_name(enum weir_log_level level)
{
    switch (level) {
    case WEIR_LOG_LEVEL_ERROR:
        return "ERROR";
    case WEIR_LOG_LEVEL_WARN:
        return "WARN";
    case WEIR_LOG_LEVEL_INFO:
        return "INFO";
    case WEIR_LOG_LEVEL_DEBUG:
        return "DEBUG";
    case WEIR_LOG_LEVEL_TRACE:
        return "TRACE";
    }
    return "UNKNOWN";
}

void weir_log_event(const struct weir_log *log, enum weir_log_level level, const char *event,
                    const struct weir_log_field *fields, size_t count)
{
    if (log == NULL || log->sink == NULL || level > log->level)
        return;
    struct line line;
    line.size = 0;
    if (log->now_ms != NULL)
        add_stamp(&line, log->now_ms(log->clock_context));
    add_text(&line, weir_log_level_name(level));
    add(&line, " ", 1);
    add_text(&line, event);
    for (size_t i = 0; i < count; i++)
        add_field(&line, &fields[i]);
    log->sink(log->context, level, line.text, line.size);
}

bool weir_log_allow(int64_t *next_ms, int64_t now_ms, int64_t interval_ms)
{
    if (now_ms < *next_ms)
        return false;
    *next_ms = now_ms + interval_ms;
    return true;
}
