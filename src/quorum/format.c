/* SPDX-License-Identifier: Apache-2.0 */

/* Formatting directories, and checking at a start that they belong together. */

#include "weir/quorum/format.h"

#include "quorum_int.h"

#include "weir/base/limits.h"
#include "weir/base/memory.h"
#include "weir/protocol/record_types.h"
#include "weir/protocol/records/feature_level_record.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/meta_properties.h"

/* kraft.md 7.  kraft.version is no record of the metadata log but a control record, so its level is
 * not formatted. */
static const struct weir_supported_feature supported[] = {
    {"eligible.leader.replicas.version", 0, 1, 1},
    {"group.version", 0, 1, 1},
    {"kraft.version", 0, 1, 0},
    {"metadata.version", 7, 30, 30},
    {"share.version", 0, 1, 1},
    {"streams.version", 0, 1, 1},
    {"transaction.version", 0, 2, 2},
};

const struct weir_supported_feature *weir_supported_features(size_t *out_count)
{
    *out_count = WEIR_ARRAY_COUNT(supported);
    return supported;
}

static int16_t wanted_level(const struct weir_format_options *options,
                            const struct weir_supported_feature *feature)
{
    for (size_t i = 0; i < options->feature_count; i++) {
        if (strcmp(options->features[i].name, feature->name) == 0)
            return options->features[i].level;
    }
    return feature->default_level;
}

static enum weir_status check_levels(const struct weir_format_options *options,
                                     struct weir_detail *detail)
{
    for (size_t i = 0; i < options->feature_count; i++) {
        const struct weir_format_feature *asked = &options->features[i];
        const struct weir_supported_feature *found = NULL;
        for (size_t j = 0; j < WEIR_ARRAY_COUNT(supported); j++) {
            if (strcmp(supported[j].name, asked->name) == 0)
                found = &supported[j];
        }
        if (found == NULL) {
            weir_detail_set(detail, "Unsupported feature: %s.", asked->name);
            return WEIR_INVALID;
        }
        if (asked->level < found->min || asked->level > found->max) {
            weir_detail_set(detail, "Feature %s has no level %d; it has %d to %d", asked->name,
                            asked->level, found->min, found->max);
            return WEIR_INVALID;
        }
    }
    return WEIR_OK;
}

/* One FeatureLevelRecord; metadata.version comes first, as Apache Kafka has it, the others by name.
 */
static enum weir_status add_feature(const struct weir_format_options *options,
                                    const struct weir_supported_feature *feature,
                                    struct weir_buf *bodies, struct weir_quorum_new_record *records,
                                    size_t *count)
{
    int16_t level = wanted_level(options, feature);
    if (level == 0 || strcmp(feature->name, "kraft.version") == 0)
        return WEIR_OK;
    struct weir_feature_level_record record;
    weir_feature_level_record_init(&record);
    record.name = weir_slice_str(feature->name);
    record.feature_level = level;
    size_t before = bodies->size;
    struct weir_writer writer;
    weir_writer_init(&writer, bodies);
    weir_feature_level_record_write(&writer, 0, &record);
    enum weir_status status = weir_writer_status(&writer);
    weir_writer_done(&writer);
    /* The buffer may still move: offsets now, pointers when all are there. */
    records[*count] = (struct weir_quorum_new_record){
        .kind = WEIR_METADATA_RECORD_FEATURE_LEVEL,
        .body = {.data = NULL, .size = bodies->size - before},
    };
    (*count)++;
    return status;
}

static enum weir_status write_bootstrap(struct weir_env *env,
                                        const struct weir_format_options *options, const char *dir,
                                        struct weir_detail *detail)
{
    struct weir_quorum_new_record records[WEIR_ARRAY_COUNT(supported)];
    size_t count = 0;
    struct weir_buf bodies;
    weir_buf_init(&bodies, 0);
    enum weir_status status = WEIR_OK;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < WEIR_ARRAY_COUNT(supported) && status == WEIR_OK; i++) {
            bool is_first = strcmp(supported[i].name, "metadata.version") == 0;
            if (is_first == (round == 0))
                status = add_feature(options, &supported[i], &bodies, records, &count);
        }
    }
    size_t at = 0;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        records[i].body.data = bodies.data + at;
        at += records[i].body.size;
    }
    char path[WEIR_QUORUM_PATH_BYTES];
    if (status == WEIR_OK)
        status = weir_quorum_path(path, detail, "%s/bootstrap.checkpoint", dir);
    if (status == WEIR_OK)
        status = weir_quorum_write_bootstrap(env, path, records, count, detail);
    weir_buf_done(&bodies);
    return status;
}

/* Whether the trouble is the disk's and not a contradiction. */
static bool is_broken(enum weir_status status)
{
    return status == WEIR_IO_ERROR || status == WEIR_NO_SPACE || status == WEIR_EXISTS;
}

static bool may_skip(const struct weir_format_options *options, const char *dir,
                     enum weir_status status)
{
    const char *metadata_dir =
        options->metadata_dir != NULL ? options->metadata_dir : options->log_dirs[0];
    return options->skip_unusable && is_broken(status) && strcmp(dir, metadata_dir) != 0;
}

static enum weir_status copy_cluster_id(char out[64], const char *from, struct weir_detail *detail)
{
    size_t size = strlen(from);
    if (size == 0 || size >= 64 || strpbrk(from, " \t\r\n") != NULL) {
        weir_detail_set(detail, "'%s' cannot be a cluster id", from);
        return WEIR_INVALID;
    }
    memcpy(out, from, size + 1);
    return WEIR_OK;
}

static void random_cluster_id(struct weir_env *env, char out[64])
{
    char text[WEIR_UUID_TEXT_BYTES];
    weir_uuid_format(weir_random_uuid(env), text);
    memcpy(out, text, sizeof(text));
}

static enum weir_status format_dir(struct weir_env *env, const struct weir_format_options *options,
                                   const char *dir, const char *cluster_id,
                                   struct weir_uuid *out_directory_id, struct weir_detail *detail)
{
    struct weir_meta_properties properties;
    enum weir_status status = weir_meta_properties_read(env, dir, &properties, detail);
    if (status == WEIR_OK) {
        if (!options->ignore_formatted) {
            weir_detail_set(
                detail,
                "Log directory %s is already formatted. Use --ignore-formatted to ignore this "
                "directory and format the others.",
                dir);
            return WEIR_EXISTS;
        }
        *out_directory_id = properties.directory_id;
        return WEIR_OK;
    }
    if (status != WEIR_NOT_FOUND)
        return status;
    status = weir_dir_make_all_durably(env, dir, detail);
    if (status != WEIR_OK)
        return status;
    properties = (struct weir_meta_properties){.node_id = options->node_id,
                                               .directory_id = weir_random_uuid(env)};
    memcpy(properties.cluster_id, cluster_id, strlen(cluster_id) + 1);
    *out_directory_id = properties.directory_id;
    return weir_meta_properties_write(env, dir, &properties, detail);
}

static enum weir_status format_metadata_dir(struct weir_env *env,
                                            const struct weir_format_options *options,
                                            const char *dir, const char *cluster_id,
                                            struct weir_uuid directory_id,
                                            struct weir_detail *detail)
{
    char path[WEIR_QUORUM_PATH_BYTES];
    enum weir_status status = weir_quorum_path(path, detail, "%s/bootstrap.checkpoint", dir);
    struct weir_file_info info;
    if (status != WEIR_OK || weir_path_info(env, path, &info, NULL) == WEIR_OK)
        return status;
    status = write_bootstrap(env, options, dir, detail);
    if (status != WEIR_OK || options->controller_listener == NULL)
        return status;
    struct weir_quorum_options voter = {
        .env = env,
        .metadata_dir = dir,
        .cluster_id = cluster_id,
        .node_id = options->node_id,
        .directory_id = directory_id,
        .endpoint = {.name = options->controller_listener,
                     .host = options->controller_host,
                     .port = options->controller_port},
    };
    return weir_quorum_write_first_voters(&voter, detail);
}

/* The cluster id the formatted directories among them agree on, checked against options; empty when
 * none is. */
static enum weir_status existing_cluster_id(struct weir_env *env,
                                            const struct weir_format_options *options, char out[64],
                                            struct weir_detail *detail)
{
    out[0] = '\0';
    for (size_t i = 0; i < options->log_dir_count; i++) {
        struct weir_meta_properties properties;
        enum weir_status status =
            weir_meta_properties_read(env, options->log_dirs[i], &properties, detail);
        if (status == WEIR_NOT_FOUND || may_skip(options, options->log_dirs[i], status))
            continue;
        if (status != WEIR_OK)
            return status;
        if (properties.node_id != options->node_id ||
            (options->cluster_id != NULL &&
             strcmp(options->cluster_id, properties.cluster_id) != 0) ||
            (out[0] != '\0' && strcmp(out, properties.cluster_id) != 0)) {
            weir_detail_set(detail, "Log directory %s was formatted for node %d of cluster %s",
                            options->log_dirs[i], properties.node_id, properties.cluster_id);
            return WEIR_INVALID;
        }
        memcpy(out, properties.cluster_id, sizeof(properties.cluster_id));
    }
    return WEIR_OK;
}

enum weir_status weir_format(struct weir_env *env, const struct weir_format_options *options,
                             char out_cluster_id[64], struct weir_detail *detail)
{
    if (options->log_dir_count == 0) {
        weir_detail_set(detail, "No log directories found in the configuration.");
        return WEIR_INVALID;
    }
    char cluster_id[64];
    enum weir_status status = check_levels(options, detail);
    if (status == WEIR_OK)
        status = existing_cluster_id(env, options, cluster_id, detail);
    if (status == WEIR_OK && cluster_id[0] == '\0') {
        if (options->cluster_id != NULL)
            status = copy_cluster_id(cluster_id, options->cluster_id, detail);
        else
            random_cluster_id(env, cluster_id);
    }
    const char *metadata_dir =
        options->metadata_dir != NULL ? options->metadata_dir : options->log_dirs[0];
    struct weir_uuid metadata_id = {{0}};
    bool metadata_is_log_dir = false;
    for (size_t i = 0; i < options->log_dir_count && status == WEIR_OK; i++) {
        struct weir_uuid id;
        status = format_dir(env, options, options->log_dirs[i], cluster_id, &id, detail);
        if (may_skip(options, options->log_dirs[i], status)) {
            status = WEIR_OK;
            continue;
        }
        if (status == WEIR_OK && strcmp(options->log_dirs[i], metadata_dir) == 0) {
            metadata_id = id;
            metadata_is_log_dir = true;
        }
    }
    if (status == WEIR_OK && !metadata_is_log_dir)
        status = format_dir(env, options, metadata_dir, cluster_id, &metadata_id, detail);
    if (status == WEIR_OK)
        status = format_metadata_dir(env, options, metadata_dir, cluster_id, metadata_id, detail);
    if (status == WEIR_OK && out_cluster_id != NULL)
        memcpy(out_cluster_id, cluster_id, strlen(cluster_id) + 1);
    return status;
}

/* ---- The check of a start ---- */

struct dir_check {
    const struct weir_dirs_options *options;
    char cluster_id[64];
    struct weir_uuid *ids; /* of all directories seen */
    size_t count;
};

static enum weir_status check_dir(struct weir_env *env, struct dir_check *check, const char *dir,
                                  struct weir_detail *detail)
{
    struct weir_meta_properties properties;
    enum weir_status status = weir_meta_properties_read(env, dir, &properties, detail);
    if (status != WEIR_OK) {
        if (status == WEIR_NOT_FOUND)
            weir_detail_set(detail,
                            "No `meta.properties` found in %s (have you run `weir format`?)", dir);
        return status;
    }
    if (properties.node_id != check->options->node_id) {
        weir_detail_set(detail,
                        "Stored node id %d doesn't match expected node id %d in %s/meta.properties",
                        properties.node_id, check->options->node_id, dir);
        return WEIR_INVALID;
    }
    if (check->cluster_id[0] != '\0' && strcmp(check->cluster_id, properties.cluster_id) != 0) {
        weir_detail_set(
            detail,
            "Stored cluster id %s doesn't match expected cluster id %s in %s/meta.properties",
            properties.cluster_id, check->cluster_id, dir);
        return WEIR_INCONSISTENT_CLUSTER_ID;
    }
    memcpy(check->cluster_id, properties.cluster_id, sizeof(properties.cluster_id));
    if (weir_uuid_is_zero(properties.directory_id)) {
        /* Written by a version without directory ids: it gets one now, as Apache Kafka does. */
        properties.directory_id = weir_random_uuid(env);
        status = weir_meta_properties_write(env, dir, &properties, detail);
        if (status != WEIR_OK)
            return status;
    }
    for (size_t i = 0; i < check->count; i++) {
        if (weir_uuid_equal(check->ids[i], properties.directory_id)) {
            weir_detail_set(
                detail, "%s has the directory id of another log directory: was it copied?", dir);
            return WEIR_INVALID;
        }
    }
    check->ids[check->count++] = properties.directory_id;
    return WEIR_OK;
}

enum weir_status weir_dirs_check(struct weir_env *env, const struct weir_dirs_options *options,
                                 char out_cluster_id[64], struct weir_uuid *out_directory_ids,
                                 struct weir_uuid *out_metadata_directory_id,
                                 struct weir_detail *detail)
{
    enum weir_status status;
    if (options->allow_format) {
        struct weir_format_options format = {
            .log_dirs = options->log_dirs,
            .log_dir_count = options->log_dir_count,
            .metadata_dir = options->metadata_dir,
            .node_id = options->node_id,
            .cluster_id = options->expected_cluster_id,
            .ignore_formatted = true,
            .skip_unusable = true,
        };
        status = weir_format(env, &format, NULL, detail);
        if (status != WEIR_OK)
            return status;
    }
    struct dir_check check = {.options = options};
    if (options->expected_cluster_id != NULL) {
        status = copy_cluster_id(check.cluster_id, options->expected_cluster_id, detail);
        if (status != WEIR_OK)
            return status;
    }
    check.ids = weir_calloc(options->log_dir_count + 1, sizeof(check.ids[0]));
    if (check.ids == NULL)
        return WEIR_NO_MEMORY;
    const char *metadata_dir =
        options->metadata_dir != NULL ? options->metadata_dir : options->log_dirs[0];
    size_t metadata_index = options->log_dir_count;
    status = WEIR_OK;
    for (size_t i = 0; i < options->log_dir_count && status == WEIR_OK; i++) {
        status = check_dir(env, &check, options->log_dirs[i], detail);
        if ((is_broken(status) || (status == WEIR_NOT_FOUND && options->allow_format)) &&
            strcmp(options->log_dirs[i], metadata_dir) != 0) {
            status = WEIR_OK;
            check.ids[check.count++] = (struct weir_uuid){{0}};
            continue;
        }
        if (strcmp(options->log_dirs[i], metadata_dir) == 0)
            metadata_index = i;
    }
    if (status == WEIR_OK && metadata_index == options->log_dir_count)
        status = check_dir(env, &check, metadata_dir, detail);
    if (status == WEIR_OK) {
        memcpy(out_cluster_id, check.cluster_id, sizeof(check.cluster_id));
        memcpy(out_directory_ids, check.ids, options->log_dir_count * sizeof(check.ids[0]));
        *out_metadata_directory_id = check.ids[metadata_index];
    }
    weir_free(check.ids);
    return status;
}
