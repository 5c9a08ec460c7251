/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/quorum/format.h"
#include "weir/quorum/metadata_log.h"
#include "weir/storage/meta_properties.h"

#include "temp_dir.h"

struct dirs {
    struct temp_dir temp;
    char one[512];
    char two[512];
    const char *list[2];
};

static void dirs_init(struct dirs *dirs)
{
    temp_dir_init(&dirs->temp);
    dirs->list[0] = temp_path(&dirs->temp, "one", dirs->one);
    dirs->list[1] = temp_path(&dirs->temp, "two", dirs->two);
}

static enum weir_status count(void *context, const struct weir_quorum_record *record,
                              struct weir_detail *detail)
{
    (void)detail;
    cr_assert_eq(record->kind, 12);
    (*(size_t *)context)++;
    return WEIR_OK;
}

static size_t features_in(const char *dir)
{
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/bootstrap.checkpoint", dir);
    size_t features = 0;
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_quorum_read_checkpoint(weir_env_posix(), path, count, &features, &detail),
                 WEIR_OK, "%s", detail.text);
    return features;
}

Test(format, formatted_directories_hold_what_kafka_storage_writes)
{
    struct dirs dirs;
    dirs_init(&dirs);
    struct weir_env *env = weir_env_posix();
    struct weir_format_options options = {
        .log_dirs = dirs.list, .log_dir_count = 2, .node_id = 3, .cluster_id = "my-cluster"};
    struct weir_detail detail = {{0}};
    char cluster_id[64];
    cr_assert_eq(weir_format(env, &options, cluster_id, &detail), WEIR_OK, "%s", detail.text);
    cr_assert_str_eq(cluster_id, "my-cluster");
    struct weir_meta_properties one;
    struct weir_meta_properties two;
    cr_assert_eq(weir_meta_properties_read(env, dirs.one, &one, NULL), WEIR_OK);
    cr_assert_eq(weir_meta_properties_read(env, dirs.two, &two, NULL), WEIR_OK);
    cr_assert_str_eq(one.cluster_id, "my-cluster");
    cr_assert_eq(two.node_id, 3);
    cr_assert_not(weir_uuid_equal(one.directory_id, two.directory_id));
    cr_assert_eq(features_in(dirs.one), 6);
    struct weir_file_info info;
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/bootstrap.checkpoint", dirs.two);
    cr_assert_eq(weir_path_info(env, path, &info, NULL), WEIR_NOT_FOUND);
    cr_assert_eq(weir_format(env, &options, NULL, &detail), WEIR_EXISTS);
    cr_assert_not_null(strstr(detail.text, "already formatted"));
    options.ignore_formatted = true;
    cr_assert_eq(weir_format(env, &options, NULL, &detail), WEIR_OK);
    options.cluster_id = "other";
    cr_assert_eq(weir_format(env, &options, NULL, &detail), WEIR_INVALID);
    temp_dir_done(&dirs.temp);
}

Test(format, feature_levels_can_be_chosen_within_their_range)
{
    struct dirs dirs;
    dirs_init(&dirs);
    struct weir_env *env = weir_env_posix();
    struct weir_format_feature feature = {"share.version", 0};
    struct weir_format_options options = {.log_dirs = dirs.list,
                                          .log_dir_count = 1,
                                          .node_id = 1,
                                          .features = &feature,
                                          .feature_count = 1};
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_format(env, &options, NULL, &detail), WEIR_OK);
    cr_assert_eq(features_in(dirs.one), 5);
    options.log_dirs = dirs.list + 1;
    feature = (struct weir_format_feature){"share.version", 2};
    cr_assert_eq(weir_format(env, &options, NULL, &detail), WEIR_INVALID);
    feature = (struct weir_format_feature){"nope", 1};
    cr_assert_eq(weir_format(env, &options, NULL, &detail), WEIR_INVALID);
    temp_dir_done(&dirs.temp);
}

static enum weir_status check(const struct dirs *dirs, int32_t node_id, bool allow_format,
                              struct weir_detail *detail)
{
    struct weir_dirs_options options = {.log_dirs = dirs->list,
                                        .log_dir_count = 2,
                                        .node_id = node_id,
                                        .allow_format = allow_format};
    char cluster_id[64];
    struct weir_uuid ids[2];
    struct weir_uuid metadata_id;
    enum weir_status status =
        weir_dirs_check(weir_env_posix(), &options, cluster_id, ids, &metadata_id, detail);
    if (status == WEIR_OK)
        cr_assert(weir_uuid_equal(ids[0], metadata_id));
    return status;
}

Test(format, start_formats_what_is_fresh_and_refuses_what_contradicts)
{
    struct dirs dirs;
    dirs_init(&dirs);
    struct weir_detail detail = {{0}};
    cr_assert_eq(check(&dirs, 1, false, &detail), WEIR_NOT_FOUND);
    cr_assert_eq(check(&dirs, 1, true, &detail), WEIR_OK, "%s", detail.text);
    cr_assert_eq(check(&dirs, 1, false, &detail), WEIR_OK, "%s", detail.text);
    cr_assert_eq(check(&dirs, 2, false, &detail), WEIR_INVALID);
    cr_assert_not_null(strstr(detail.text, "node id 1"));
    struct weir_env *env = weir_env_posix();
    struct weir_meta_properties properties;
    struct weir_meta_properties copy;
    cr_assert_eq(weir_meta_properties_read(env, dirs.one, &properties, NULL), WEIR_OK);
    copy = properties;
    cr_assert_eq(weir_meta_properties_write(env, dirs.two, &copy, NULL), WEIR_OK);
    cr_assert_eq(check(&dirs, 1, false, &detail), WEIR_INVALID);
    cr_assert_not_null(strstr(detail.text, "was it copied"));
    copy.directory_id = weir_uuid_small(222);
    (void)snprintf(copy.cluster_id, sizeof(copy.cluster_id), "another");
    cr_assert_eq(weir_meta_properties_write(env, dirs.two, &copy, NULL), WEIR_OK);
    cr_assert_eq(check(&dirs, 1, false, &detail), WEIR_INCONSISTENT_CLUSTER_ID);
    temp_dir_done(&dirs.temp);
}
