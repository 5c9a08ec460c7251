/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Log lines as events with typed fields:
 *
 *     WEIR_LOG_WARN(log, "segment_tail_cut", WEIR_STR("dir", dir), WEIR_I64("from_bytes", from));
 *
 * gives "2026-01-31T12:00:00.000Z WARN segment_tail_cut dir=/data/t-0 from_bytes=4096".  Text from
 * outside is escaped and cut.  The sink is handed in and may be called from any thread; it takes
 * one whole line at a time.  A NULL log drops everything, so library code can be used without one.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"

#include <stdint.h>

enum weir_log_level {
    WEIR_LOG_LEVEL_ERROR,
    WEIR_LOG_LEVEL_WARN,
    WEIR_LOG_LEVEL_INFO,
    WEIR_LOG_LEVEL_DEBUG,
    WEIR_LOG_LEVEL_TRACE
};

enum weir_log_field_type { WEIR_LOG_FIELD_STR, WEIR_LOG_FIELD_I64, WEIR_LOG_FIELD_F64 };

struct weir_log_field {
    const char *name;
    enum weir_log_field_type type;
    struct weir_slice str;
    int64_t i64;
    double f64;
};

/* The line has no newline at its end. */
typedef void weir_log_sink(void *context, enum weir_log_level level, const char *line, size_t size);

struct weir_log {
    weir_log_sink *sink;
    void *context;
    int64_t (*now_ms)(void *context); /* wall clock for the stamp; NULL leaves the stamp out */
    void *clock_context;
    enum weir_log_level level; /* lines above it are dropped */
};

void weir_log_event(const struct weir_log *log, enum weir_log_level level, const char *event,
                    const struct weir_log_field *fields, size_t count);

/* "ERROR", "WARN", ...; never NULL. */
const char *weir_log_level_name(enum weir_log_level level);

#define WEIR_STR(field, text)                                                                      \
    ((struct weir_log_field){                                                                      \
        .name = (field), .type = WEIR_LOG_FIELD_STR, .str = weir_slice_str(text)})
#define WEIR_BYTES(field, slice)                                                                   \
    ((struct weir_log_field){.name = (field), .type = WEIR_LOG_FIELD_STR, .str = (slice)})
#define WEIR_I64(field, number)                                                                    \
    ((struct weir_log_field){.name = (field), .type = WEIR_LOG_FIELD_I64, .i64 = (int64_t)(number)})
#define WEIR_F64(field, number)                                                                    \
    ((struct weir_log_field){.name = (field), .type = WEIR_LOG_FIELD_F64, .f64 = (double)(number)})

#define WEIR_LOG_EVENT(log, level, event, ...)                                                     \
    weir_log_event((log), (level), (event),                                                        \
                   (const struct weir_log_field[]){{0}, ##__VA_ARGS__} + 1,                        \
                   sizeof((const struct weir_log_field[]){{0}, ##__VA_ARGS__}) /                   \
                           sizeof(struct weir_log_field) -                                         \
                       1)
#define WEIR_LOG_ERROR(log, event, ...)                                                            \
    WEIR_LOG_EVENT(log, WEIR_LOG_LEVEL_ERROR, event, ##__VA_ARGS__)
#define WEIR_LOG_WARN(log, event, ...)                                                             \
    WEIR_LOG_EVENT(log, WEIR_LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define WEIR_LOG_INFO(log, event, ...)                                                             \
    WEIR_LOG_EVENT(log, WEIR_LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define WEIR_LOG_DEBUG(log, event, ...)                                                            \
    WEIR_LOG_EVENT(log, WEIR_LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)

/* At most one line an interval: true when this one may be written; *next_ms is the caller's own
 * state, zero at first. */
bool weir_log_allow(int64_t *next_ms, int64_t now_ms, int64_t interval_ms);
