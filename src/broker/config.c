/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading the settings: file, then environment, then overrides; then weir's own defaults for what
 * nobody set; then the checks, which all run even when one has failed, so that the operator sees
 * everything at once.
 *
 * I1  A setting's def is found before anybody reads its value, and config_text() and its sisters
 * give nothing for a value that is not valid: no check is told about the same mistake twice. I2
 * Nothing here looks at the world but the file and the environment it was given.
 */

#include "config_int.h"

#include "weir/base/limits.h"
#include "weir/base/memory.h"
#include "weir/broker/properties.h"
#include "weir/runtime/file_util.h"

#include <stdlib.h>

/* Kafka has some 340 keys; the rest is room for listener.name.* and the like. */
#define SETTINGS_MAX    4096
#define ARENA_BYTES_MAX ((size_t)16 << 20)

/* ---- Settings ---- */

struct setting *config_find(const struct config_loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->count; i++) {
        if (!loader->settings[i].is_dropped && strcmp(loader->settings[i].name, name) == 0)
            return &loader->settings[i];
    }
    return NULL;
}

const char *config_copy(struct config_loader *loader, struct weir_slice text)
{
    char *copy = config_alloc(loader, text.size + 1, 1);
    if (copy == NULL)
        return NULL;
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

void *config_alloc(struct config_loader *loader, size_t count, size_t size)
{
    void *memory = weir_arena_calloc(&loader->object->arena, count, size);
    if (memory == NULL)
        loader->is_out_of_memory = true;
    return memory;
}

static struct setting *add_setting(struct config_loader *loader, const char *name)
{
    if (loader->count == SETTINGS_MAX) {
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "More than %d keys are set; '%s' is one too many.", SETTINGS_MAX, name);
        loader->is_full = true;
        return NULL;
    }
    struct setting *settings = weir_grow(loader->settings, &loader->capacity, loader->count + 1,
                                         sizeof(*loader->settings));
    if (settings == NULL) {
        loader->is_out_of_memory = true;
        return NULL;
    }
    loader->settings = settings;
    struct setting *setting = &settings[loader->count++];
    *setting = (struct setting){.name = name};
    return setting;
}

void config_put(struct config_loader *loader, struct weir_slice name, struct weir_slice value,
                enum setting_origin origin)
{
    const char *name_copy = config_copy(loader, name);
    const char *value_copy = config_copy(loader, value);
    if (name_copy == NULL || value_copy == NULL)
        return;
    struct setting *setting = config_find(loader, name_copy);
    if (setting == NULL)
        setting = add_setting(loader, name_copy);
    if (setting == NULL)
        return;
    setting->value = value_copy;
    setting->origin = origin;
}

void config_put_default(struct config_loader *loader, const char *name, const char *value)
{
    if (config_find(loader, name) == NULL)
        config_put(loader, weir_slice_str(name), weir_slice_str(value), ORIGIN_WEIR);
}

bool config_is_set(const struct config_loader *loader, const char *name)
{
    const struct setting *setting = config_find(loader, name);
    return setting != NULL && setting->origin != ORIGIN_WEIR;
}

struct weir_slice config_text(const struct config_loader *loader, const char *name)
{
    const struct setting *setting = config_find(loader, name);
    if (setting != NULL)
        return setting->is_valid ? weir_slice_str(setting->value) : WEIR_NULL_SLICE;
    const struct weir_config_def *def = config_def_find(weir_slice_str(name));
    return def == NULL ? WEIR_NULL_SLICE : weir_slice_str(def->default_text);
}

bool config_i64(const struct config_loader *loader, const char *name, int64_t *out)
{
    struct weir_slice text = config_text(loader, name);
    return !weir_slice_is_null(text) && weir_config_parse_i64(text, out);
}

bool config_bool(const struct config_loader *loader, const char *name, bool *out)
{
    struct weir_slice text = config_text(loader, name);
    return !weir_slice_is_null(text) && weir_config_parse_bool(text, out);
}

/* ---- The three places settings come from ---- */

static enum weir_status put_from_file(void *context, struct weir_slice key, struct weir_slice value,
                                      unsigned line)
{
    struct config_loader *loader = context;
    const char *name = config_copy(loader, key);
    if (name == NULL)
        return WEIR_NO_MEMORY;
    const struct setting *before = config_find(loader, name);
    if (before != NULL && !weir_slice_is(value, before->value))
        config_remark(loader, WEIR_CONFIG_WARNING,
                      "'%s' is set more than once in %s; line %u counts.", name,
                      loader->options->file, line);
    config_put(loader, key, value, ORIGIN_FILE);
    if (loader->is_out_of_memory)
        return WEIR_NO_MEMORY;
    return loader->is_full ? WEIR_LIMIT : WEIR_OK;
}

static void read_file(struct config_loader *loader)
{
    const char *path = loader->options->file;
    if (path == NULL)
        return;
    struct weir_detail detail = {{0}};
    struct weir_buf text;
    weir_buf_init(&text, 0);
    enum weir_status status =
        weir_file_read_all(loader->options->env, path, WEIR_PROPERTIES_BYTES_MAX, &text, &detail);
    if (status != WEIR_OK) {
        config_remark(loader, WEIR_CONFIG_PROBLEM, "The file %s cannot be read: %s.", path,
                      detail.text);
        goto out;
    }
    size_t problems = loader->remarks->problem_count;
    status = weir_properties_parse(weir_buf_slice(&text), put_from_file, loader, &detail);
    if (status != WEIR_OK && !loader->is_out_of_memory &&
        loader->remarks->problem_count == problems)
        config_remark(loader, WEIR_CONFIG_PROBLEM, "%s, %s.", path, detail.text);
out:
    weir_buf_done(&text);
}

bool weir_config_key_of_variable(struct weir_slice variable, char *out, size_t out_bytes)
{
    static const char marks[] = {'\0', '.', '_', '-'};
    size_t size = 0;
    for (size_t at = 0; at < variable.size;) {
        uint8_t c = variable.data[at];
        size_t run = 0;
        while (at + run < variable.size && variable.data[at + run] == '_' && run < 3)
            run++;
        bool is_capital = c >= 'A' && c <= 'Z';
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (size + 1 >= out_bytes || (run == 0 && !is_capital && !is_plain))
            return false;
        if (run > 0)
            out[size++] = marks[run];
        else
            out[size++] = (char)(is_capital ? c - 'A' + 'a' : c);
        at += run > 0 ? run : 1;
    }
    if (size == 0)
        return false;
    out[size] = '\0';
    return true;
}

/* Kubernetes gives every container WEIR_PORT=tcp://..., WEIR_SERVICE_HOST=... and more when there
 * is a service called weir; these are nobody's settings. */
static bool is_service_variable(struct weir_slice name)
{
    static const char service[] = "SERVICE_";
    static const char port[] = "PORT_";
    size_t port_size = sizeof(port) - 1;
    if (weir_slice_is(name, "PORT"))
        return true;
    if (name.size > sizeof(service) - 1 && memcmp(name.data, service, sizeof(service) - 1) == 0)
        return true;
    return name.size > port_size && memcmp(name.data, port, port_size) == 0 &&
           name.data[port_size] >= '0' && name.data[port_size] <= '9';
}

static void put_from_variable(struct config_loader *loader, struct weir_slice name,
                              struct weir_slice value)
{
    char key[256] = "weir.";
    const size_t own = sizeof("weir.") - 1;
    if (is_service_variable(name))
        return;
    if (!weir_config_key_of_variable(name, key + own, sizeof(key) - own)) {
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "The environment variable WEIR_%.*s does not spell a key.",
                      name.size > 200 ? 200 : (int)name.size, (const char *)name.data);
        return;
    }
    /* WEIR_PORT_FILE is short for WEIR_WEIR_PORT_FILE. */
    bool is_own = config_def_find(weir_slice_str(key + own)) == NULL &&
                  config_def_find(weir_slice_str(key)) != NULL;
    config_put(loader, weir_slice_str(is_own ? key : key + own), value, ORIGIN_ENVIRONMENT);
}

static void read_environment(struct config_loader *loader)
{
    static const char prefix[] = "WEIR_";
    const size_t prefix_size = sizeof(prefix) - 1;
    if (loader->options->environment == NULL)
        return;
    for (const char *const *at = loader->options->environment; *at != NULL; at++) {
        const char *equals = strchr(*at, '=');
        if (equals == NULL || strncmp(*at, prefix, prefix_size) != 0)
            continue;
        const char *name = *at + prefix_size;
        put_from_variable(loader, weir_slice_of(name, (size_t)(equals - name)),
                          weir_slice_str(equals + 1));
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void read_overrides(struct config_loader *loader)
{
    for (size_t i = 0; i < loader->options->override_count; i++) {
        const char *text = loader->options->overrides[i];
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals == text) {
            config_remark(loader, WEIR_CONFIG_PROBLEM, "--override needs key=value, not '%s'.",
                          text);
            continue;
        }
        const char *end = equals;
        while (end > text && is_blank(end[-1]))
            end--;
        config_put(loader, weir_slice_of(text, (size_t)(end - text)), weir_slice_str(equals + 1),
                   ORIGIN_OVERRIDE);
    }
}

/* The directory and, when nobody chose another, the listener of a broker that leaves nothing
 * behind. */
static void apply_ephemeral(struct config_loader *loader)
{
    static const char *const replaced[] = {"log.dirs", "log.dir", "metadata.log.dir"};
    const char *dir = loader->options->ephemeral_dir;
    if (dir == NULL)
        return;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(replaced); i++) {
        struct setting *setting = config_find(loader, replaced[i]);
        if (setting == NULL)
            continue;
        if (setting->origin == ORIGIN_OVERRIDE)
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'%s' cannot be set together with --ephemeral, which chooses a directory "
                          "of its own.",
                          replaced[i]);
        setting->is_dropped = true;
    }
    config_put(loader, WEIR_SLICE("log.dirs"), weir_slice_str(dir), ORIGIN_WEIR);
    config_put_default(loader, "listeners", "PLAINTEXT://127.0.0.1:0");
}

/* ---- The whole ---- */

static void validate_settings(struct config_loader *loader)
{
    for (size_t i = 0; i < loader->count; i++) {
        struct setting *setting = &loader->settings[i];
        struct weir_detail detail = {{0}};
        setting->is_valid = true;
        if (setting->def == NULL || setting->is_dropped)
            continue;
        if (weir_config_validate(setting->def, weir_slice_str(setting->value), &detail) == WEIR_OK)
            continue;
        setting->is_valid = false;
        size_t size = strlen(detail.text);
        bool has_stop = size > 0 && detail.text[size - 1] == '.';
        config_remark(loader, WEIR_CONFIG_PROBLEM, "%s%s", detail.text, has_stop ? "" : ".");
    }
}

static int compare_statics(const void *a, const void *b)
{
    const struct weir_static_config *left = a;
    const struct weir_static_config *right = b;
    return strcmp(left->name, right->name);
}

static void fill_statics(struct config_loader *loader)
{
    struct weir_static_config *entries = config_alloc(loader, loader->count + 1, sizeof(*entries));
    size_t count = 0;
    if (entries == NULL)
        return;
    for (size_t i = 0; i < loader->count; i++) {
        if (!loader->settings[i].is_dropped)
            entries[count++] =
                (struct weir_static_config){loader->settings[i].name, loader->settings[i].value};
    }
    qsort(entries, count, sizeof(*entries), compare_statics);
    loader->object->config.statics = (struct weir_static_configs){entries, count};
}

static void load(struct config_loader *loader)
{
    read_file(loader);
    read_environment(loader);
    read_overrides(loader);
    apply_ephemeral(loader);
    config_put_defaults(loader);
    config_check_keys(loader);
    validate_settings(loader);
    config_fill_listeners(loader);
    config_check_quorum(loader);
    config_check_relations(loader);
    config_fill_values(loader);
    config_tell_creation_rates(loader);
    fill_statics(loader);
}

enum weir_status weir_config_load(const struct weir_config_options *options,
                                  struct weir_config **out, struct weir_config_remarks *remarks)
{
    struct config_object *object = weir_calloc(1, sizeof(*object));
    if (object == NULL)
        return WEIR_NO_MEMORY;
    weir_arena_init(&object->arena, ARENA_BYTES_MAX);
    struct config_loader loader = {.options = options, .remarks = remarks, .object = object};
    load(&loader);
    weir_free(loader.settings);
    enum weir_status status = WEIR_OK;
    if (loader.is_out_of_memory)
        status = WEIR_NO_MEMORY;
    else if (remarks->problem_count > 0)
        status = WEIR_INVALID_CONFIG;
    if (status == WEIR_OK)
        *out = &object->config;
    else
        weir_config_free(&object->config);
    return status;
}

void weir_config_free(struct weir_config *config)
{
    if (config == NULL)
        return;
    struct config_object *object = WEIR_CONTAINER_OF(config, struct config_object, config);
    weir_arena_done(&object->arena);
    weir_free(object);
}
