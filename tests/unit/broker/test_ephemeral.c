/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/broker/cli.h"
#include "weir/runtime/file_util.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char parent[32];

static void make_parent(void)
{
    strcpy(parent, "/tmp/weir-test-XXXXXX");
    cr_assert_not_null(mkdtemp(parent));
}

static void remove_parent(void)
{
    cr_expect_eq(weir_dir_remove_all(weir_env_posix(), parent, NULL), WEIR_OK);
}

TestSuite(ephemeral, .init = make_parent, .fini = remove_parent);

static enum weir_status count_entry(void *context, const char *name)
{
    (void)name;
    (*(size_t *)context)++;
    return WEIR_OK;
}

static size_t entry_count(void)
{
    size_t count = 0;
    cr_assert_eq(weir_dir_list(weir_env_posix(), parent, count_entry, &count, NULL), WEIR_OK);
    return count;
}

static struct weir_ephemeral *make(void)
{
    struct weir_ephemeral *ephemeral = NULL;
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_ephemeral_new(weir_env_posix(), parent, &ephemeral, &detail);
    cr_assert_eq(status, WEIR_OK, "%s", detail.text);
    return ephemeral;
}

static void put_file(const char *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fclose(file);
}

Test(ephemeral, the_directory_goes_with_its_owner)
{
    struct weir_ephemeral *ephemeral = make();
    struct stat info;
    cr_assert_eq(stat(weir_ephemeral_dir(ephemeral), &info), 0);
    cr_expect_eq(info.st_mode & 0777u, 0700u);
    put_file(weir_ephemeral_dir(ephemeral), "file");
    weir_ephemeral_free(ephemeral);
    cr_expect_eq(entry_count(), (size_t)0);
}

Test(ephemeral, two_brokers_have_two_directories)
{
    struct weir_ephemeral *first = make();
    struct weir_ephemeral *second = make();
    cr_expect_str_neq(weir_ephemeral_dir(first), weir_ephemeral_dir(second));
    cr_expect_eq(access(weir_ephemeral_dir(first), F_OK), 0);
    weir_ephemeral_free(first);
    cr_expect_eq(access(weir_ephemeral_dir(second), F_OK), 0);
    weir_ephemeral_free(second);
    cr_expect_eq(entry_count(), (size_t)0);
}

/* A process that makes a directory and ends without clearing up, as after kill -9. */
static void leave_directory(void)
{
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct weir_ephemeral *ephemeral = NULL;
        if (weir_ephemeral_new(weir_env_posix(), parent, &ephemeral, NULL) == WEIR_OK)
            put_file(weir_ephemeral_dir(ephemeral), "left");
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
}

Test(ephemeral, what_a_killed_broker_left_is_removed_by_the_next_start)
{
    leave_directory();
    cr_assert_eq(entry_count(), (size_t)2);
    struct weir_ephemeral *ephemeral = make();
    cr_expect_eq(entry_count(), (size_t)2);
    weir_ephemeral_free(ephemeral);
    cr_expect_eq(entry_count(), (size_t)0);
}

Test(ephemeral, a_lock_without_a_directory_is_cleared_up)
{
    put_file(parent, "weir-ephemeral-0123.lock");
    weir_ephemeral_free(make());
    cr_expect_eq(entry_count(), (size_t)0);
}

Test(ephemeral, what_is_not_weirs_stays)
{
    put_file(parent, "weir-ephemeral-notes");
    put_file(parent, "other.lock");
    put_file(parent, "weir-ephemeral-.txt");
    weir_ephemeral_free(make());
    cr_expect_eq(entry_count(), (size_t)3);
}

Test(ephemeral, a_parent_directory_that_is_not_there_is_named)
{
    struct weir_ephemeral *ephemeral = NULL;
    struct weir_detail detail = {{0}};
    cr_expect_neq(weir_ephemeral_new(weir_env_posix(), "/nonexistent", &ephemeral, &detail),
                  WEIR_OK);
    cr_expect_not_null(strstr(detail.text, "/nonexistent"));
}

Test(ephemeral, a_parent_that_is_gone_is_noticed)
{
    cr_expect(weir_ephemeral_follow_parent(getppid()));
    cr_expect_not(weir_ephemeral_follow_parent(getppid() + 1));
    cr_assert_eq(prctl(PR_SET_PDEATHSIG, 0), 0);
}

Test(ephemeral, the_end_of_the_parent_is_a_sigterm)
{
    int ready[2], ended[2];
    char byte = 0;
    cr_assert_eq(pipe(ready), 0);
    cr_assert_eq(pipe(ended), 0);
    pid_t middle = fork();
    cr_assert_geq(middle, 0);
    if (middle == 0) {
        pid_t self = getpid();
        pid_t child = fork();
        if (child == 0) {
            sigset_t set;
            int number = 0;
            sigemptyset(&set);
            sigaddset(&set, SIGTERM);
            sigprocmask(SIG_BLOCK, &set, NULL);
            bool is_followed = weir_ephemeral_follow_parent(self);
            char go = 1;
            if (!is_followed || write(ready[1], &go, 1) != 1 || sigwait(&set, &number) != 0)
                _exit(1);
            char told = number == SIGTERM ? 'T' : 'x';
            _exit(write(ended[1], &told, 1) == 1 ? 0 : 1);
        }
        (void)!read(ready[0], &byte, 1); /* the child follows us now */
        _exit(0);
    }
    close(ended[1]);
    int status;
    cr_assert_eq(waitpid(middle, &status, 0), middle);
    cr_assert_eq(read(ended[0], &byte, 1), 1);
    cr_expect_eq(byte, 'T');
}

struct starter {
    int ready[2];
    int question[2];
    int answer[2];
};

/* Child: follows the process, and tells on demand whether a SIGTERM came. */
static void follow_and_tell(const struct starter *starter, pid_t parent_pid)
{
    sigset_t set, pending;
    char byte = 'r';
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (!weir_ephemeral_follow_parent(parent_pid) || write(starter->ready[1], &byte, 1) != 1 ||
        read(starter->question[0], &byte, 1) != 1 || sigpending(&pending) != 0)
        _exit(1);
    byte = sigismember(&pending, SIGTERM) ? 'T' : '-';
    _exit(write(starter->answer[1], &byte, 1) == 1 ? 0 : 1);
}

/* Thread: starts the child and ends. */
static void *start_child(void *argument)
{
    struct starter *starter = argument;
    pid_t self = getpid();
    char byte;
    if (fork() == 0)
        follow_and_tell(starter, self);
    return read(starter->ready[0], &byte, 1) == 1 ? argument : NULL;
}

Test(ephemeral, the_end_of_the_thread_that_started_it_is_no_reason_to_stop)
{
    struct starter starter;
    pthread_t thread;
    void *result = NULL;
    char byte = '?';
    cr_assert_eq(pipe(starter.ready), 0);
    cr_assert_eq(pipe(starter.question), 0);
    cr_assert_eq(pipe(starter.answer), 0);
    cr_assert_eq(pthread_create(&thread, NULL, start_child, &starter), 0);
    cr_assert_eq(pthread_join(thread, &result), 0);
    cr_assert_not_null(result);
    cr_assert_eq(write(starter.question[1], &byte, 1), 1);
    cr_assert_eq(read(starter.answer[0], &byte, 1), 1);
    cr_expect_eq(byte, '-');
    (void)wait(NULL);
}

Test(ephemeral, the_limit_of_open_files_is_raised_to_the_hard_one)
{
    uint64_t files = 0;
    cr_expect(weir_open_files_raise(&files));
    cr_expect_gt(files, (uint64_t)0);
}

Test(ephemeral, open_files_are_shared_by_segments_clients_and_what_is_open_for_a_moment)
{
    struct rlimit before;
    struct weir_open_files share;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit limit = before;
    limit.rlim_cur = 1000;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    weir_open_files_share(0, INT32_MAX, &share);
    cr_expect_eq(share.segments, (size_t)500);
    cr_expect_eq(share.connections, 1000 - 500 - 128);
    weir_open_files_share(100, 50, &share);
    cr_expect_eq(share.segments, (size_t)100);
    cr_expect_eq(share.connections, 50);
    limit.rlim_cur = 20; /* some are needed whatever the limit */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    weir_open_files_share(0, INT32_MAX, &share);
    cr_expect_eq(share.segments, (size_t)32);
    cr_expect_eq(share.connections, 32);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

Test(ephemeral, log_lines_are_whole_lines)
{
    int ends[2];
    char text[256] = "";
    cr_assert_eq(pipe(ends), 0);
    struct weir_log_output output = {.fd = ends[1], .for_journal = true, .env = weir_env_posix()};
    struct weir_log log = weir_log_to(&output, WEIR_LOG_LEVEL_INFO);
    WEIR_LOG_WARN(&log, "something", WEIR_I64("n", 1));
    WEIR_LOG_DEBUG(&log, "hidden");
    ssize_t size = read(ends[0], text, sizeof(text) - 1);
    cr_assert_gt(size, 0);
    cr_expect_str_eq(text, "<4>WARN something n=1\n");
    output.for_journal = false;
    log = weir_log_to(&output, WEIR_LOG_LEVEL_INFO);
    WEIR_LOG_INFO(&log, "other");
    size = read(ends[0], text, sizeof(text) - 1);
    cr_assert_gt(size, 0);
    text[size] = '\0';
    cr_expect_not_null(strstr(text, "Z INFO other\n"));
}
