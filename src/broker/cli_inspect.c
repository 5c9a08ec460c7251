/* SPDX-License-Identifier: Apache-2.0 */

/* `weir dump` and `weir verify`, to standard output. */

#include "weir/broker/cli.h"
#include "weir/inspect/inspect.h"

#include <stdio.h>

static bool write_stdout(void *context, struct weir_slice text)
{
    (void)context;
    return fwrite(text.data, 1, text.size, stdout) == text.size;
}

/* What could not be written was not said. */
static int finish(enum weir_inspect_result result)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? (int)result : (int)WEIR_INSPECT_FAILED;
}

int weir_dump_run(const struct weir_cli *cli, struct weir_env *env)
{
    struct weir_dump_options options = {.env = env,
                                        .files = cli->inputs,
                                        .file_count = cli->input_count,
                                        .topic = cli->topic,
                                        .with_records = cli->with_records,
                                        .bytes_max = cli->text_bytes_max,
                                        .write = write_stdout};
    return finish(weir_dump(&options));
}

int weir_verify_run(const struct weir_cli *cli, struct weir_env *env)
{
    struct weir_verify_options options = {
        .env = env, .dir = cli->inputs[0], .is_quiet = cli->is_quiet, .write = write_stdout};
    return finish(weir_verify(&options));
}
