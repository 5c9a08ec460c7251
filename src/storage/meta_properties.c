/* SPDX-License-Identifier: Apache-2.0 */

/*
 * meta.properties: Java properties, "#" comments, "key=value" lines in any order:
 *   version=1, cluster.id, node.id, directory.id
 * .kafka_cleanshutdown: {"version":0,"brokerEpoch":12}
 */

#include "weir/storage/meta_properties.h"

#include "text_int.h"

#include "weir/runtime/file_util.h"

#include <stdio.h>

enum { PATH_BYTES = 4096, FILE_BYTES_MAX = 65536 };

static void path_of(const char *dir, const char *name, char out[PATH_BYTES])
{
    (void)snprintf(out, PATH_BYTES, "%s/%s", dir, name);
}

static struct weir_slice trim(struct weir_slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* The value of a key; false when it is not there. */
static bool find_property(struct weir_slice text, const char *key, struct weir_slice *out)
{
    struct weir_slice line;
    while (weir_text_take_line(&text, &line)) {
        line = trim(line);
        if (line.size == 0 || line.data[0] == '#' || line.data[0] == '!')
            continue;
        size_t at = 0;
        while (at < line.size && line.data[at] != '=' && line.data[at] != ':')
            at++;
        if (at == line.size || !weir_slice_is(trim(weir_slice_of(line.data, at)), key))
            continue;
        *out = trim(weir_slice_of(line.data + at + 1, line.size - at - 1));
        return true;
    }
    return false;
}

static enum weir_status parse_properties(struct weir_slice text, const char *path,
                                         struct weir_meta_properties *out,
                                         struct weir_detail *detail)
{
    struct weir_slice value;
    int64_t number;
    memset(out, 0, sizeof(*out));
    if (!find_property(text, "version", &value) || !weir_text_parse_i64(value, &number)) {
        weir_detail_set(detail, "%s has no version", path);
        return WEIR_CORRUPT;
    }
    if (number != 1) {
        weir_detail_set(detail, "%s has version %lld; only 1 is known", path, (long long)number);
        return WEIR_UNSUPPORTED;
    }
    if (!find_property(text, "cluster.id", &value) || value.size == 0 ||
        value.size >= WEIR_CLUSTER_ID_BYTES) {
        weir_detail_set(detail, "%s has no cluster.id", path);
        return WEIR_CORRUPT;
    }
    memcpy(out->cluster_id, value.data, value.size);
    if (!find_property(text, "node.id", &value) || !weir_text_parse_i64(value, &number) ||
        number < 0 || number > INT32_MAX) {
        weir_detail_set(detail, "%s has no node.id", path);
        return WEIR_CORRUPT;
    }
    out->node_id = (int32_t)number;
    if (find_property(text, "directory.id", &value) &&
        !weir_uuid_parse(value, &out->directory_id)) {
        weir_detail_set(detail, "%s has a malformed directory.id", path);
        return WEIR_CORRUPT;
    }
    return WEIR_OK;
}

enum weir_status weir_meta_properties_read(struct weir_env *env, const char *dir,
                                           struct weir_meta_properties *out,
                                           struct weir_detail *detail)
{
    char path[PATH_BYTES];
    struct weir_buf bytes = {0};
    struct weir_meta_properties properties;
    path_of(dir, "meta.properties", path);
    enum weir_status status = weir_file_read_all(env, path, FILE_BYTES_MAX, &bytes, detail);
    if (status == WEIR_OK)
        status = parse_properties(weir_buf_slice(&bytes), path, &properties, detail);
    if (status == WEIR_OK)
        *out = properties;
    weir_buf_done(&bytes);
    return status;
}

enum weir_status weir_meta_properties_write(struct weir_env *env, const char *dir,
                                            const struct weir_meta_properties *properties,
                                            struct weir_detail *detail)
{
    char path[PATH_BYTES];
    char id[WEIR_UUID_TEXT_BYTES];
    struct weir_buf text = {0};
    path_of(dir, "meta.properties", path);
    weir_buf_printf(&text, "#\nversion=1\ncluster.id=%s\nnode.id=%d\n", properties->cluster_id,
                    properties->node_id);
    if (!weir_uuid_is_zero(properties->directory_id)) {
        weir_uuid_format(properties->directory_id, id);
        weir_buf_printf(&text, "directory.id=%s\n", id);
    }
    enum weir_status status = weir_buf_status(&text);
    if (status == WEIR_OK)
        status = weir_file_replace(env, path, weir_buf_slice(&text), detail);
    weir_buf_done(&text);
    return status;
}

struct weir_uuid weir_random_uuid(struct weir_env *env)
{
    struct weir_uuid id;
    uint8_t random[16];
    do {
        weir_env_random(env, random, sizeof(random));
    } while (!weir_uuid_from_random(random, &id));
    return id;
}

/* Not a JSON parser: the file is one object of numbers, and anything else only means "epoch
 * unknown". */
static int64_t parse_broker_epoch(struct weir_slice text)
{
    static const char key[] = "\"brokerEpoch\"";
    const uint8_t *at = memmem(text.data, text.size, key, sizeof(key) - 1);
    if (at == NULL)
        return -1;
    struct weir_slice rest = weir_slice_of(
        at + sizeof(key) - 1, text.size - (size_t)(at - text.data) - (sizeof(key) - 1));
    while (rest.size > 0 && (rest.data[0] == ' ' || rest.data[0] == ':')) {
        rest.data++;
        rest.size--;
    }
    size_t size = 0;
    while (size < rest.size &&
           (rest.data[size] == '-' || (rest.data[size] >= '0' && rest.data[size] <= '9')))
        size++;
    int64_t epoch;
    return weir_text_parse_i64(weir_slice_of(rest.data, size), &epoch) ? epoch : -1;
}

enum weir_status weir_clean_marker_read(struct weir_env *env, const char *dir,
                                        int64_t *out_broker_epoch, struct weir_detail *detail)
{
    char path[PATH_BYTES];
    struct weir_buf bytes = {0};
    path_of(dir, ".kafka_cleanshutdown", path);
    enum weir_status status = weir_file_read_all(env, path, FILE_BYTES_MAX, &bytes, detail);
    if (status == WEIR_OK)
        *out_broker_epoch = parse_broker_epoch(weir_buf_slice(&bytes));
    weir_buf_done(&bytes);
    return status;
}

enum weir_status weir_clean_marker_remove(struct weir_env *env, const char *dir,
                                          struct weir_detail *detail)
{
    char path[PATH_BYTES];
    path_of(dir, ".kafka_cleanshutdown", path);
    enum weir_status status = weir_path_remove(env, path, detail);
    if (status == WEIR_NOT_FOUND) {
        weir_detail_set(detail, "%s", "");
        return WEIR_OK;
    }
    return status == WEIR_OK ? weir_dir_sync(env, dir, detail) : status;
}

enum weir_status weir_clean_marker_write(struct weir_env *env, const char *dir,
                                         int64_t broker_epoch, struct weir_detail *detail)
{
    char path[PATH_BYTES];
    char text[64];
    path_of(dir, ".kafka_cleanshutdown", path);
    (void)snprintf(text, sizeof(text), "{\"version\":0,\"brokerEpoch\":%lld}",
                   (long long)broker_epoch);
    return weir_file_replace(env, path, weir_slice_str(text), detail);
}
