/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/log.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void keep(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)level;
    (void)snprintf(context, 4096, "%.*s", (int)size, line);
}

static int64_t fixed_time(void *context)
{
    (void)context;
    return 1700000000123;
}

Test(log, a_line_is_an_event_with_typed_fields)
{
    char line[4096] = "";
    struct weir_log log = {
        .sink = keep, .context = line, .now_ms = fixed_time, .level = WEIR_LOG_LEVEL_INFO};
    WEIR_LOG_WARN(&log, "segment_tail_cut", WEIR_STR("dir", "/data/t-0"),
                  WEIR_I64("from_bytes", -4));
    cr_assert_str_eq(line,
                     "2023-11-14T22:13:20.123Z WARN segment_tail_cut dir=/data/t-0 from_bytes=-4");
    WEIR_LOG_INFO(&log, "plain");
    cr_assert_str_eq(line, "2023-11-14T22:13:20.123Z INFO plain");
    WEIR_LOG_DEBUG(&log, "dropped");
    cr_assert_str_eq(line, "2023-11-14T22:13:20.123Z INFO plain");
}

Test(log, text_from_outside_cannot_forge_a_line)
{
    char line[4096] = "";
    struct weir_log log = {.sink = keep, .context = line, .level = WEIR_LOG_LEVEL_INFO};
    WEIR_LOG_INFO(&log, "client", WEIR_STR("id", "a b\n\"\x1b"),
                  WEIR_BYTES("none", WEIR_NULL_SLICE), WEIR_STR("empty", ""));
    cr_assert_str_eq(line, "INFO client id=\"a b\\x0a\\\"\\x1b\" none=null empty=\"\"");
}

Test(log, rate_limit_allows_one_line_an_interval)
{
    int64_t next = 0;
    cr_assert(weir_log_allow(&next, 1000, 500));
    cr_assert_not(weir_log_allow(&next, 1499, 500));
    cr_assert(weir_log_allow(&next, 1500, 500));
}
