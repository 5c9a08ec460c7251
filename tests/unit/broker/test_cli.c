/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/broker/cli.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PARSE(out, detail, ...)                                                                    \
    parse((out), (detail), (char *[]){"weir", ##__VA_ARGS__},                                      \
          (int)COUNT(((char *[]){"weir", ##__VA_ARGS__})))

static enum weir_status parse(struct weir_cli *out, struct weir_detail *detail, char **argv,
                              int argc)
{
    *out = (struct weir_cli){0};
    *detail = (struct weir_detail){{0}};
    return weir_cli_parse(argc, argv, out, detail);
}

Test(cli, weir_alone_serves)
{
    struct weir_cli cli;
    struct weir_detail detail;
    cr_assert_eq(PARSE(&cli, &detail), WEIR_OK);
    cr_expect_eq(cli.command, WEIR_CLI_SERVE);
    cr_expect_null(cli.file);
    cr_expect_not(cli.is_ephemeral);
    weir_cli_done(&cli);
}

Test(cli, serve_takes_a_file_overrides_and_ephemeral_in_any_order)
{
    struct weir_cli cli;
    struct weir_detail detail;
    cr_assert_eq(PARSE(&cli, &detail, "serve", "--override", "a=1", "x.properties",
                       "--override=b=2", "--ephemeral"),
                 WEIR_OK);
    cr_expect_eq(cli.command, WEIR_CLI_SERVE);
    cr_expect_str_eq(cli.file, "x.properties");
    cr_assert_eq(cli.override_count, (size_t)2);
    cr_expect_str_eq(cli.overrides[0], "a=1");
    cr_expect_str_eq(cli.overrides[1], "b=2");
    cr_expect(cli.is_ephemeral);
    weir_cli_done(&cli);
}

Test(cli, options_without_a_command_are_for_serve)
{
    struct weir_cli cli;
    struct weir_detail detail;
    cr_assert_eq(PARSE(&cli, &detail, "--ephemeral", "--config", "a.properties"), WEIR_OK);
    cr_expect_eq(cli.command, WEIR_CLI_SERVE);
    cr_expect_str_eq(cli.file, "a.properties");
    weir_cli_done(&cli);
}

Test(cli, format_takes_the_options_of_kafka_storage)
{
    struct weir_cli cli;
    struct weir_detail detail;
    cr_assert_eq(PARSE(&cli, &detail, "format", "-t", "abc", "-c", "f", "-g", "--standalone",
                       "--feature", "share.version=1"),
                 WEIR_OK);
    cr_expect_eq(cli.command, WEIR_CLI_FORMAT);
    cr_expect_str_eq(cli.cluster_id, "abc");
    cr_expect_str_eq(cli.file, "f");
    cr_expect(cli.ignore_formatted);
    cr_expect(cli.is_standalone);
    cr_assert_eq(cli.feature_count, (size_t)1);
    cr_expect_str_eq(cli.features[0].name, "share.version");
    cr_expect_eq(cli.features[0].level, 1);
    weir_cli_done(&cli);
}

Test(cli, version_and_help_answer_whatever_else_is_said)
{
    struct weir_cli cli;
    struct weir_detail detail;
    cr_assert_eq(PARSE(&cli, &detail, "--version", "--nonsense"), WEIR_OK);
    cr_expect_eq(cli.command, WEIR_CLI_VERSION);
    weir_cli_done(&cli);
    cr_assert_eq(PARSE(&cli, &detail, "--help"), WEIR_OK);
    cr_expect_eq(cli.command, WEIR_CLI_HELP);
    weir_cli_done(&cli);
    cr_assert_eq(PARSE(&cli, &detail, "serve", "--help"), WEIR_OK);
    cr_expect_eq(cli.command, WEIR_CLI_HELP);
    weir_cli_done(&cli);
}

#define REFUSED(words, ...)                                                                        \
    do {                                                                                           \
        struct weir_cli cli;                                                                       \
        struct weir_detail detail;                                                                 \
        cr_expect_eq(PARSE(&cli, &detail, __VA_ARGS__), WEIR_INVALID);                             \
        cr_expect(strstr(detail.text, words) != NULL, "%s", detail.text);                          \
    } while (0)

Test(cli, an_unknown_command_is_answered_with_the_nearest)
{
    REFUSED("the nearest one is 'serve'", "server");
    REFUSED("the nearest one is 'check'", "chekc");
    REFUSED("weir --help lists them", "xyzzyxyzzy");
    REFUSED("weir serve my.properties", "my.properties");
}

Test(cli, an_unknown_option_is_answered_with_the_nearest)
{
    REFUSED("the nearest one is '--override'", "serve", "--overide", "a=b");
    REFUSED("not an option of 'check'", "check", "--ephemeral");
    REFUSED("the nearest one is '--ephemeral'", "--ephemral");
}

Test(cli, wrong_uses_of_options_are_explained)
{
    REFUSED("--override needs a value", "serve", "--override");
    REFUSED("--ephemeral takes no value", "serve", "--ephemeral=1");
    REFUSED("two files", "serve", "a.properties", "--config", "b.properties");
    REFUSED("format needs --config FILE", "format");
    REFUSED("NAME=LEVEL", "format", "-c", "f", "--feature", "x");
    REFUSED("NAME=LEVEL", "format", "-c", "f", "--feature", "x=40000");
    REFUSED("NAME=LEVEL", "format", "-c", "f", "--feature", "=1");
}

Test(cli, version_and_help_have_texts)
{
    cr_expect(strncmp(weir_cli_version(), "weir ", 5) == 0);
    cr_expect_not_null(strstr(weir_cli_version(), "4.3.0"));
    cr_expect_not_null(strstr(weir_cli_help(), "--override"));
    for (const char *line = weir_cli_help(); line != NULL && *line != '\0';) {
        size_t size = strcspn(line, "\n");
        cr_expect_leq(size, (size_t)110, "%.*s", (int)size, line);
        line += size + (line[size] == '\n');
    }
}

Test(cli, dump_takes_files_and_how_to_print_them)
{
    struct weir_cli cli;
    struct weir_detail detail;
    cr_assert_eq(PARSE(&cli, &detail, "dump", "a.log", "--records", "--topic", "t", "b.index",
                       "--max-bytes=10"),
                 WEIR_OK);
    cr_expect_eq(cli.command, WEIR_CLI_DUMP);
    cr_assert_eq(cli.input_count, (size_t)2);
    cr_expect_str_eq(cli.inputs[0], "a.log");
    cr_expect_str_eq(cli.inputs[1], "b.index");
    cr_expect_str_eq(cli.topic, "t");
    cr_expect(cli.with_records);
    cr_expect_eq(cli.text_bytes_max, (size_t)10);
    weir_cli_done(&cli);
}

Test(cli, dump_needs_a_file_and_a_number)
{
    struct weir_cli cli;
    struct weir_detail detail;
    cr_expect_eq(PARSE(&cli, &detail, "dump"), WEIR_INVALID);
    cr_expect_str_eq(detail.text, "dump needs a file");
    cr_expect_eq(PARSE(&cli, &detail, "dump", "a", "--max-bytes", "0"), WEIR_INVALID);
    cr_expect_eq(PARSE(&cli, &detail, "dump", "a", "--config", "b"), WEIR_INVALID);
}

Test(cli, verify_takes_one_directory)
{
    struct weir_cli cli;
    struct weir_detail detail;
    cr_assert_eq(PARSE(&cli, &detail, "verify", "--quiet", "data"), WEIR_OK);
    cr_expect_eq(cli.command, WEIR_CLI_VERIFY);
    cr_assert_eq(cli.input_count, (size_t)1);
    cr_expect(cli.is_quiet);
    weir_cli_done(&cli);
    cr_expect_eq(PARSE(&cli, &detail, "verify"), WEIR_INVALID);
    cr_expect_str_eq(detail.text, "verify needs a directory");
    cr_expect_eq(PARSE(&cli, &detail, "verify", "a", "b"), WEIR_INVALID);
    cr_expect_str_eq(detail.text, "two directories are given, 'a' and 'b'; there can be one");
}
