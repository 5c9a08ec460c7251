/* SPDX-License-Identifier: Apache-2.0 */

/* What the process itself needs: open files, its log, and the end of its parent. */

#include "weir/broker/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

bool weir_open_files_raise(uint64_t *out_soft)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    *out_soft = limit.rlim_cur;
    if (limit.rlim_cur >= limit.rlim_max)
        return true;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    *out_soft = limit.rlim_cur;
    return true;
}

bool weir_ephemeral_follow_parent(int parent_pid)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        return false;
    /* A parent that ended before the call above sends nothing; the new parent's number tells. */
    return getppid() == parent_pid;
}

/* syslog's numbers, which the journal reads from "<n>" at the start of a line. */
static int journal_priority(enum weir_log_level level)
{
    switch (level) {
    case WEIR_LOG_LEVEL_ERROR:
        return 3;
    case WEIR_LOG_LEVEL_WARN:
        return 4;
    case WEIR_LOG_LEVEL_INFO:
        return 6;
    case WEIR_LOG_LEVEL_DEBUG:
    case WEIR_LOG_LEVEL_TRACE:
        return 7;
    }
    return 6;
}

/* One writev for each line, so that lines of several threads do not mix.  A log that cannot be
 * written is nobody's to repair; the broker goes on. */
static void write_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    const struct weir_log_output *output = context;
    char prefix[8] = "";
    int prefix_size = 0;
    if (output->for_journal)
        prefix_size = snprintf(prefix, sizeof(prefix), "<%d>", journal_priority(level));
    char end[] = "\n";
    char *text = (char *)(uintptr_t)line; /* writev does not write to it */
    struct iovec parts[] = {
        {prefix, prefix_size > 0 ? (size_t)prefix_size : 0}, {text, size}, {end, 1}};
    ssize_t written;
    do
        written = writev(output->fd, parts, 3);
    while (written < 0 && errno == EINTR);
}

static int64_t wall_ms(void *context)
{
    const struct weir_log_output *output = context;
    return weir_env_wall_ms(output->env);
}

struct weir_log weir_log_to(struct weir_log_output *output, enum weir_log_level level)
{
    return (struct weir_log){
        .sink = write_line,
        .context = output,
        .now_ms = output->for_journal ? NULL : wall_ms,
        .clock_context = output,
        .level = level,
    };
}
