/* SPDX-License-Identifier: Apache-2.0 */

/* What the process itself needs: open files, its log, and the end of its parent. */

#include "weir/broker/cli.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define WATCHER_STACK_BYTES ((size_t)256 << 10) /* room for sanitizers too */

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

/* What is open for a moment only: each thread has a few. */
#define OTHER_FILES       128
#define SEGMENT_FILES_MIN 32
#define CONNECTIONS_MIN   32

void weir_open_files_share(size_t segments_wanted, int32_t connections_wanted,
                           struct weir_open_files *out)
{
    struct rlimit limit;
    rlim_t files = (rlim_t)INT32_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < files)
        files = limit.rlim_cur;
    rlim_t segments = segments_wanted > 0 ? (rlim_t)segments_wanted : files / 2;
    if (segments < SEGMENT_FILES_MIN)
        segments = SEGMENT_FILES_MIN;
    rlim_t connections = CONNECTIONS_MIN;
    if (files > segments + OTHER_FILES + CONNECTIONS_MIN)
        connections = files - segments - OTHER_FILES;
    if (connections > (rlim_t)connections_wanted)
        connections = (rlim_t)connections_wanted;
    *out =
        (struct weir_open_files){.segments = (size_t)segments, .connections = (int32_t)connections};
}

/* Waits for the end of the process behind the descriptor, which it owns. */
static void *watch_parent(void *argument)
{
    struct pollfd ended = {.fd = (int)(intptr_t)argument, .events = POLLIN};
    int count;
    do
        count = poll(&ended, 1, -1);
    while (count < 0 && errno == EINTR);
    close(ended.fd);
    (void)kill(getpid(), SIGTERM); /* a signal to oneself cannot fail */
    return NULL;
}

/* A thread that takes no signals and is never joined: it ends with the process, or ends it. */
static bool start_watching(int fd)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigfillset(&all);
    bool is_started = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                      pthread_attr_setstacksize(&attributes, WATCHER_STACK_BYTES) == 0 &&
                      pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    if (is_started) {
        is_started = pthread_create(&thread, &attributes, watch_parent, (void *)(intptr_t)fd) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* fails only for a wrong argument */
    }
    pthread_attr_destroy(&attributes);
    return is_started;
}

/* PR_SET_PDEATHSIG would be simpler, but it counts the end of the parent's *thread* that started
 * us: a test framework whose worker thread ends would lose its broker.  It is the fallback for
 * kernels before 5.3, and for a parent outside of our pid namespace. */
bool weir_ephemeral_follow_parent(int parent_pid)
{
    int fd = (int)syscall(SYS_pidfd_open, parent_pid, 0);
    /* The number may be another process's already; only while it is our parent's do we know whom we
     * hold. */
    bool is_parent = fd >= 0 && getppid() == parent_pid;
    bool is_watched = is_parent && start_watching(fd);
    if (fd >= 0 && !is_watched)
        close(fd);
    if (!is_watched && prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        return false;
    /* A parent that ended before the calls above sends nothing; the new parent's number tells. */
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
