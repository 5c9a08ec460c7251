/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A config loaded from text, for the tests of config*.c. */

#include "weir/broker/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loaded {
    enum weir_status status;
    struct weir_config *config; /* NULL when status is not OK */
    struct weir_config_remarks remarks;
};

/* Loads options, with text as the file unless it is NULL. */
static inline struct loaded load_with(struct weir_config_options options, const char *text)
{
    struct loaded loaded = {.config = NULL};
    char path[] = "/tmp/weir-config-XXXXXX";
    if (text != NULL) {
        int fd = mkstemp(path);
        cr_assert_geq(fd, 0);
        cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        close(fd);
        options.file = path;
    }
    options.env = weir_env_posix();
    if (options.core_count == 0)
        options.core_count = 2;
    weir_config_remarks_init(&loaded.remarks);
    loaded.status = weir_config_load(&options, &loaded.config, &loaded.remarks);
    if (text != NULL)
        unlink(path);
    return loaded;
}

static inline struct loaded load_text(const char *text)
{
    return load_with((struct weir_config_options){0}, text);
}

static inline void unload(struct loaded *loaded)
{
    weir_config_free(loaded->config);
    weir_config_remarks_done(&loaded->remarks);
}

/* The first remark of the kind that has the words, or NULL. */
static inline const char *find_remark(const struct loaded *loaded,
                                      enum weir_config_remark_kind kind, const char *words)
{
    for (size_t i = 0; i < loaded->remarks.count; i++) {
        if (loaded->remarks.items[i].kind == kind &&
            strstr(loaded->remarks.items[i].text, words) != NULL)
            return loaded->remarks.items[i].text;
    }
    return NULL;
}

static inline void dump_remarks(const struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->remarks.count; i++)
        fprintf(stderr, "remark: %s\n", loaded->remarks.items[i].text);
}

/* The text is accepted; the caller unloads. */
static inline struct loaded accept_text(const char *text)
{
    struct loaded loaded = load_text(text);
    if (loaded.status != WEIR_OK)
        dump_remarks(&loaded);
    cr_assert_eq(loaded.status, WEIR_OK);
    return loaded;
}

/* The text is refused with exactly one problem, which has the words. */
static inline void refuse_text(const char *text, const char *words)
{
    struct loaded loaded = load_text(text);
    if (loaded.remarks.problem_count != 1 ||
        find_remark(&loaded, WEIR_CONFIG_PROBLEM, words) == NULL) {
        fprintf(stderr, "for: %s\n", text);
        dump_remarks(&loaded);
    }
    cr_assert_eq(loaded.status, WEIR_INVALID_CONFIG);
    cr_assert_eq(loaded.remarks.problem_count, (size_t)1);
    cr_assert_not_null(find_remark(&loaded, WEIR_CONFIG_PROBLEM, words));
    unload(&loaded);
}

static inline const char *static_value(const struct loaded *loaded, const char *name)
{
    for (size_t i = 0; i < loaded->config->statics.count; i++) {
        if (strcmp(loaded->config->statics.entries[i].name, name) == 0)
            return loaded->config->statics.entries[i].value;
    }
    return NULL;
}
