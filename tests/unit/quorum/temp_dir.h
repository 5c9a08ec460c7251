/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A directory of its own for one test, removed with all in it afterwards. */

#include "weir/runtime/file_util.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct temp_dir {
    char path[256];
};

static inline void temp_dir_init(struct temp_dir *dir)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(dir->path, sizeof(dir->path), "%s/weir-test-XXXXXX",
                   base == NULL ? "/tmp" : base);
    cr_assert_not_null(mkdtemp(dir->path));
}

static inline void temp_dir_done(struct temp_dir *dir)
{
    struct weir_detail detail = {0};
    cr_assert_eq(weir_dir_remove_all(weir_env_posix(), dir->path, &detail), WEIR_OK, "%s",
                 detail.text);
}

/* "<dir>/<name>", valid until the next call with the same buffer. */
static inline const char *temp_path(const struct temp_dir *dir, const char *name, char into[512])
{
    (void)snprintf(into, 512, "%s/%s", dir->path, name);
    return into;
}
