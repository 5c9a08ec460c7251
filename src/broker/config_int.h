/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to config*.c: a config while it is being read.  Everything the finished config points to
 * is taken from the arena.  Out of memory is sticky (is_out_of_memory), so that the steps need not
 * pass it on one by one.
 */

#include "weir/base/arena.h"
#include "weir/broker/config.h"

/* Where a value comes from; later ones are stronger. */
enum setting_origin { ORIGIN_WEIR, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_OVERRIDE };

struct setting {
    const char *name;
    const char *value;
    enum setting_origin origin;
    const struct weir_config_def *def; /* NULL: not one of the keys with a type */
    bool is_valid;                     /* the value has the key's type and range */
    bool is_dropped;                   /* not part of the finished config */
};

struct config_object {
    struct weir_config config;
    struct weir_arena arena;
};

struct config_loader {
    const struct weir_config_options *options;
    struct weir_config_remarks *remarks;
    struct config_object *object;
    struct setting *settings;
    size_t count;
    size_t capacity;
    bool is_out_of_memory;
    bool is_full; /* more keys than anybody needs */
};

/* ---- config_remarks.c ---- */

/* Adds a sentence; beyond a fixed number further ones are only counted. */
void config_remark(struct config_loader *loader, enum weir_config_remark_kind kind,
                   const char *format, ...) WEIR_PRINTF(3, 4);

/* ---- config.c ---- */

/* NULL when it is not set. */
struct setting *config_find(const struct config_loader *loader, const char *name);
/* Sets or replaces.  Text is copied. */
void config_put(struct config_loader *loader, struct weir_slice name, struct weir_slice value,
                enum setting_origin origin);
/* Sets it when nobody else did. */
void config_put_default(struct config_loader *loader, const char *name, const char *value);
/* True when the operator set it, with any value. */
bool config_is_set(const struct config_loader *loader, const char *name);

/* The value in force: what is set, else Kafka's default; the null slice when there is none or it is
 * not valid. */
struct weir_slice config_text(const struct config_loader *loader, const char *name);
/* False when it is null or not valid. */
bool config_i64(const struct config_loader *loader, const char *name, int64_t *out);
bool config_bool(const struct config_loader *loader, const char *name, bool *out);

/* Copies from the arena; NULL (and the sticky mark) when memory is out. */
const char *config_copy(struct config_loader *loader, struct weir_slice text);
void *config_alloc(struct config_loader *loader, size_t count, size_t size);

/* ---- config_keys.c ---- */

/* Kafka's documented broker keys, the few undocumented ones that people use, and weir's own. */
const struct weir_config_def *config_def_find(struct weir_slice name);
/* Looks at every key: unknown ones, misplaced ones, those without effect, those weir must refuse.
 * Sets def. */
void config_check_keys(struct config_loader *loader);

/* ---- config_listeners.c ---- */
void config_fill_listeners(struct config_loader *loader);
/* After listeners and values: says, never silently, that a limit which is asked for is not kept. */
void config_tell_creation_rates(struct config_loader *loader);

/* ---- config_quorum.c ---- */
void config_check_quorum(struct config_loader *loader);

/* ---- config_values.c ---- */
void config_put_defaults(struct config_loader *loader);
void config_check_relations(struct config_loader *loader);
void config_fill_values(struct config_loader *loader);
