/* SPDX-License-Identifier: Apache-2.0 */

/* The program: what was asked for, the settings, the broker, and the way out. */

#include "weir/base/memory.h"
#include "weir/broker/broker.h"
#include "weir/broker/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Below this a busy broker soon runs out: each segment is two open files, each client one. */
#define OPEN_FILES_LOW 4096

struct program {
    struct weir_env *env;
    int64_t started_ns;
    int parent_pid;
    struct weir_cli cli;
    struct weir_log_output output;
    struct weir_log log;
    struct weir_config_remarks remarks;
    struct weir_config *config;
    struct weir_ephemeral *ephemeral;
};

static void fill_options(struct program *program, struct weir_config_options *out)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *out = (struct weir_config_options){
        .env = program->env,
        .file = program->cli.file,
        .overrides = program->cli.overrides,
        .override_count = program->cli.override_count,
        .environment = (const char *const *)environ,
        .ephemeral_dir = program->ephemeral == NULL ? NULL : weir_ephemeral_dir(program->ephemeral),
        .core_count = cores > 0 ? (unsigned)cores : 1,
    };
}

/* systemd names the journal's socket as device:inode; a variable inherited past a redirection means
 * nothing. */
static bool is_journal(int fd)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in weir changes the environment */
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat there;
    char expected[64];
    if (stream == NULL || fstat(fd, &there) != 0)
        return false;
    (void)snprintf(expected, sizeof(expected), "%llu:%llu", (unsigned long long)there.st_dev,
                   (unsigned long long)there.st_ino);
    return strcmp(stream, expected) == 0;
}

/* The broker waits for these signals itself; until it does, they must not end the process beside
 * its clean-up. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* fails only for a wrong argument */
    (void)signal(SIGPIPE, SIG_IGN);
}

static int make_ephemeral(struct program *program)
{
    struct weir_detail detail = {{0}};
    if (!weir_ephemeral_follow_parent(program->parent_pid)) {
        WEIR_LOG_INFO(&program->log, "parent_is_gone");
        return WEIR_EXIT_FAILURE;
    }
    if (weir_ephemeral_new(program->env, NULL, &program->ephemeral, &detail) != WEIR_OK) {
        WEIR_LOG_ERROR(&program->log, "ephemeral_failed", WEIR_STR("why", detail.text));
        return WEIR_EXIT_FAILURE;
    }
    return WEIR_EXIT_OK;
}

static int load_config(struct program *program)
{
    struct weir_config_options options;
    fill_options(program, &options);
    enum weir_status status = weir_config_load(&options, &program->config, &program->remarks);
    for (size_t i = 0; status != WEIR_OK && i < program->remarks.count; i++) {
        if (program->remarks.items[i].kind == WEIR_CONFIG_PROBLEM)
            (void)fprintf(stderr, "weir: %s\n", program->remarks.items[i].text);
    }
    if (status == WEIR_INVALID_CONFIG)
        return WEIR_EXIT_USAGE;
    if (status != WEIR_OK) {
        WEIR_LOG_ERROR(&program->log, "config_failed", WEIR_STR("why", weir_status_name(status)));
        return WEIR_EXIT_FAILURE;
    }
    program->log.level = program->config->log_level;
    weir_config_log_remarks(&program->log, &program->remarks);
    return WEIR_EXIT_OK;
}

static void raise_open_files(struct program *program)
{
    uint64_t files = 0;
    struct weir_open_files share;
    bool is_raised = weir_open_files_raise(&files);
    weir_open_files_share((size_t)program->config->open_segment_files_max,
                          program->config->connections_max, &share);
    if (!is_raised || files < OPEN_FILES_LOW)
        WEIR_LOG_WARN(
            &program->log, "open_files_limit_low", WEIR_I64("limit", files),
            WEIR_I64("segments", share.segments), WEIR_I64("connections", share.connections),
            WEIR_STR(
                "advice",
                "raise the hard limit (ulimit -Hn, LimitNOFILE=) for many partitions or clients"));
}

static int run_broker(struct program *program)
{
    struct weir_broker *broker = NULL;
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_broker_new(program->env, program->config, &program->log,
                                              program->started_ns, &broker, &detail);
    const char *event = "start_failed";
    if (status == WEIR_OK) {
        event = "broker_failed";
        status = weir_broker_run(broker, &detail);
        weir_broker_free(broker);
    }
    if (status == WEIR_OK)
        return WEIR_EXIT_OK;
    WEIR_LOG_ERROR(&program->log, event, WEIR_STR("status", weir_status_name(status)),
                   WEIR_STR("why", detail.text));
    return status == WEIR_INVALID_CONFIG ? WEIR_EXIT_USAGE : WEIR_EXIT_FAILURE;
}

static int serve(struct program *program)
{
    int code = WEIR_EXIT_OK;
    block_signals();
    weir_config_remarks_init(&program->remarks);
    if (program->cli.is_ephemeral)
        code = make_ephemeral(program);
    if (code == WEIR_EXIT_OK)
        code = load_config(program);
    if (code == WEIR_EXIT_OK) {
        raise_open_files(program);
        code = run_broker(program);
    }
    weir_config_free(program->config);
    weir_ephemeral_free(program->ephemeral);
    weir_config_remarks_done(&program->remarks);
    return code;
}

static int print(FILE *to, const struct weir_buf *text, int code)
{
    if (text->size > 0 && fwrite(text->data, 1, text->size, to) != text->size &&
        code == WEIR_EXIT_OK)
        return WEIR_EXIT_FAILURE;
    return fflush(to) == 0 ? code : WEIR_EXIT_FAILURE;
}

static int run_command(struct program *program)
{
    struct weir_config_options options;
    struct weir_buf text = {0};
    int code = WEIR_EXIT_OK;
    fill_options(program, &options);
    switch (program->cli.command) {
    case WEIR_CLI_SERVE:
        return serve(program);
    case WEIR_CLI_FORMAT:
        code = weir_format_run(&program->cli, &options, &text);
        break;
    case WEIR_CLI_CHECK:
        code = weir_check_run(&options, &text);
        break;
    case WEIR_CLI_DUMP:
        return weir_dump_run(&program->cli, program->env);
    case WEIR_CLI_VERIFY:
        return weir_verify_run(&program->cli, program->env);
    case WEIR_CLI_VERSION:
        weir_buf_printf(&text, "%s\n", weir_cli_version());
        break;
    case WEIR_CLI_HELP:
        weir_buf_append_str(&text, weir_cli_help());
        break;
    }
    code = print(code == WEIR_EXIT_OK ? stdout : stderr, &text, code);
    weir_buf_done(&text);
    return code;
}

int main(int argc, char **argv)
{
    struct program program = {.env = weir_env_posix(), .parent_pid = getppid()};
    struct weir_detail detail = {{0}};
    program.started_ns = weir_env_monotonic_ns(program.env);
    program.output = (struct weir_log_output){
        .fd = STDERR_FILENO, .for_journal = is_journal(STDERR_FILENO), .env = program.env};
    program.log = weir_log_to(&program.output, WEIR_LOG_LEVEL_INFO);
    enum weir_status status = weir_cli_parse(argc, argv, &program.cli, &detail);
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "weir: %s.\n",
                      status == WEIR_INVALID ? detail.text : weir_status_name(status));
        return WEIR_EXIT_USAGE;
    }
    int code = run_command(&program);
    weir_cli_done(&program.cli);
    return code;
}
