/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

#include "weir/broker/cli.h"
#include "weir/runtime/file_util.h"

struct result {
    int code;
    struct weir_buf text; /* with a NUL */
};

static struct result check(const char *const *overrides, size_t count)
{
    struct result result = {0};
    struct weir_config_options options = {
        .env = weir_env_posix(), .overrides = overrides, .override_count = count, .core_count = 2};
    result.code = weir_check_run(&options, &result.text);
    weir_buf_append(&result.text, "", 1);
    return result;
}

Test(check, good_settings_are_ok)
{
    struct result result = check(NULL, 0);
    cr_expect_eq(result.code, WEIR_EXIT_OK);
    cr_expect_str_eq((const char *)result.text.data, "ok\n");
    weir_buf_done(&result.text);
}

Test(check, each_problem_is_one_line_and_the_exit_code_is_2)
{
    const char *const overrides[] = {"num.partitions=0", "log.retention.our=1"};
    struct result result = check(overrides, 2);
    cr_expect_eq(result.code, WEIR_EXIT_USAGE);
    cr_expect_str_eq(
        (const char *)result.text.data,
        "'log.retention.our' is not a known key; the nearest one is 'log.retention.hours'.\n"
        "Invalid value 0 for configuration num.partitions: Value must be at least 1.\n");
    weir_buf_done(&result.text);
}

Test(check, warnings_do_not_change_the_exit_code)
{
    const char *const overrides[] = {"zookeeper.connect=a"};
    struct result result = check(overrides, 1);
    cr_expect_eq(result.code, WEIR_EXIT_OK);
    cr_expect(strncmp((const char *)result.text.data, "Warning: 'zookeeper.connect'", 27) == 0);
    cr_expect_not_null(strstr((const char *)result.text.data, "\nok\n"));
    weir_buf_done(&result.text);
}

static struct result format(const struct weir_cli *cli)
{
    struct result result = {0};
    struct weir_config_options options = {.env = weir_env_posix(),
                                          .overrides = cli->overrides,
                                          .override_count = cli->override_count,
                                          .core_count = 2};
    result.code = weir_format_run(cli, &options, &result.text);
    weir_buf_append(&result.text, "", 1);
    return result;
}

Test(check, format_formats_once)
{
    char parent[] = "/tmp/weir-format-XXXXXX";
    char log_dirs[64];
    cr_assert_not_null(mkdtemp(parent));
    snprintf(log_dirs, sizeof(log_dirs), "log.dirs=%s/d", parent);
    const char *overrides[] = {log_dirs};
    struct weir_cli cli = {.command = WEIR_CLI_FORMAT,
                           .overrides = overrides,
                           .override_count = 1,
                           .cluster_id = "my-cluster"};
    struct result result = format(&cli);
    cr_expect_eq(result.code, WEIR_EXIT_OK, "%s", (const char *)result.text.data);
    cr_expect_not_null(strstr((const char *)result.text.data, "my-cluster"));
    weir_buf_done(&result.text);
    result = format(&cli);
    cr_expect_eq(result.code, WEIR_EXIT_FAILURE);
    weir_buf_done(&result.text);
    cli.ignore_formatted = true;
    result = format(&cli);
    cr_expect_eq(result.code, WEIR_EXIT_OK, "%s", (const char *)result.text.data);
    weir_buf_done(&result.text);
    cr_expect_eq(weir_dir_remove_all(weir_env_posix(), parent, NULL), WEIR_OK);
}

Test(check, a_standalone_format_needs_a_controller_listener)
{
    const char *overrides[] = {"log.dirs=/nonexistent/d"};
    struct weir_cli cli = {.command = WEIR_CLI_FORMAT,
                           .overrides = overrides,
                           .override_count = 1,
                           .is_standalone = true};
    struct result result = format(&cli);
    cr_expect_eq(result.code, WEIR_EXIT_FAILURE);
    cr_expect_not_null(strstr((const char *)result.text.data, "controller listener"));
    weir_buf_done(&result.text);
}

Test(check, format_with_wrong_settings_says_so_and_does_nothing)
{
    const char *overrides[] = {"log.dirs=/nonexistent/d", "x.y=1"};
    struct weir_cli cli = {.command = WEIR_CLI_FORMAT, .overrides = overrides, .override_count = 2};
    struct result result = format(&cli);
    cr_expect_eq(result.code, WEIR_EXIT_USAGE);
    weir_buf_done(&result.text);
}
