/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The command line: what was asked for, and the commands that need no running broker.  Used by
 * main.c and by tests; one thread, before any loop runs.
 */

#include "weir/base/buf.h"
#include "weir/broker/config.h"

enum weir_cli_command {
    WEIR_CLI_SERVE,
    WEIR_CLI_FORMAT,
    WEIR_CLI_CHECK,
    WEIR_CLI_DUMP,
    WEIR_CLI_VERIFY,
    WEIR_CLI_VERSION,
    WEIR_CLI_HELP
};

/* Exit codes of the program. */
enum { WEIR_EXIT_OK = 0, WEIR_EXIT_FAILURE = 1, WEIR_EXIT_USAGE = 2 };

struct weir_cli_feature {
    char name[64];
    int16_t level;
};

/* Text is borrowed from argv. */
struct weir_cli {
    enum weir_cli_command command;
    const char *file;       /* server.properties, or NULL */
    const char **overrides; /* "key=value" */
    size_t override_count;
    bool is_ephemeral;                 /* serve */
    const char *cluster_id;            /* format; NULL: a random one */
    bool ignore_formatted;             /* format */
    bool is_standalone;                /* format: a dynamic quorum whose only voter is this node */
    struct weir_cli_feature *features; /* format */
    size_t feature_count;
    const char **inputs; /* dump: files; verify: one directory */
    size_t input_count;
    const char *topic;     /* dump; NULL: from the directory's name */
    bool with_records;     /* dump */
    size_t text_bytes_max; /* dump; 0: the default */
    bool is_quiet;         /* verify */
};

/* INVALID with a sentence (and the nearest command or option) for what cannot be understood;
 * NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status weir_cli_parse(int argc, char *const *argv, struct weir_cli *out,
                                                struct weir_detail *detail);
/* Also valid on a zeroed one. */
void weir_cli_done(struct weir_cli *cli);

/* The text of --help, and "weir 0.1.0 (Apache Kafka 4.3.0)". */
const char *weir_cli_help(void);
const char *weir_cli_version(void);

/* `weir check`: appends "ok" or a sentence per problem to out, each on its line, and returns the
 * exit code. */
int weir_check_run(const struct weir_config_options *options, struct weir_buf *out);

/* `weir format`: what kafka-storage.sh format does.  Appends what was done, or what is wrong, to
 * out; the exit code. */
int weir_format_run(const struct weir_cli *cli, const struct weir_config_options *options,
                    struct weir_buf *out);

/* `weir dump` and `weir verify`: write to stdout as they go; the exit code. */
int weir_dump_run(const struct weir_cli *cli, struct weir_env *env);
int weir_verify_run(const struct weir_cli *cli, struct weir_env *env);

/*
 * The directory of a broker that leaves nothing behind: $TMPDIR/weir-ephemeral-XXXXXX beside a lock
 * file of the same name with ".lock".  The lock (flock) is held as long as the process lives, so
 * whoever gets it knows that the owner is gone, even after kill -9, and clears up.
 */
struct weir_ephemeral;

/* Removes what dead owners left, then makes a directory.  parent_dir NULL: $TMPDIR, else /tmp. */
WEIR_MUST_CHECK enum weir_status weir_ephemeral_new(struct weir_env *env, const char *parent_dir,
                                                    struct weir_ephemeral **out,
                                                    struct weir_detail *detail);
const char *weir_ephemeral_dir(const struct weir_ephemeral *ephemeral);
/* Removes the directory with all in it.  NULL is allowed. */
void weir_ephemeral_free(struct weir_ephemeral *ephemeral);

/* From here on this process gets SIGTERM when its parent process ends (all of it, not only the
 * thread that started us). parent_pid is what getppid() said when main began; false when that
 * parent is gone already. */
bool weir_ephemeral_follow_parent(int parent_pid);

/* Raises the soft limit of open files to the hard one; says so in out_soft.  False when the system
 * refused. */
bool weir_open_files_raise(uint64_t *out_soft);

/* How the open files of the process are shared out. */
struct weir_open_files {
    size_t segments;     /* open segment files */
    int32_t connections; /* clients, at most */
};
/* By the limit there is now.  segments_wanted: 0 for half of it; connections_wanted is never
 * exceeded.  Some are left for indexes, snapshots, checkpoints and listeners. */
void weir_open_files_share(size_t segments_wanted, int32_t connections_wanted,
                           struct weir_open_files *out);

/* A log that writes whole lines to the descriptor, stamped with env's clock.  Under systemd
 * (for_journal) lines carry the journal's priority prefix and no stamp, for the journal has its
 * own. */
struct weir_log_output {
    int fd;
    bool for_journal;
    struct weir_env *env;
};
struct weir_log weir_log_to(struct weir_log_output *output, enum weir_log_level level);
