/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

static struct weir_config_resolver resolver_of(struct cluster *cluster,
                                               const struct weir_image *image)
{
    return (struct weir_config_resolver){
        .image = image, .statics = &cluster->statics, .broker_id = NODE_ID};
}

static const struct weir_config_view *view_of(const struct weir_config_view_list *list,
                                              const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (weir_slice_is(list->items[i].name, name))
            return &list->items[i];
    }
    cr_assert_fail("no %s", name);
    return NULL;
}

static void set(struct cluster *cluster, int8_t type, const char *resource, const char *key,
                const char *value)
{
    assert_result(cluster_alter(cluster, type, resource, key, WEIR_CONFIG_SET, value), WEIR_OK,
                  NULL);
}

Test(config_resolve, each_place_hides_the_ones_behind_it)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    static const struct weir_static_config statics[] = {{"log.segment.bytes", "2000000"}};
    static const int64_t expected[] = {1073741824, 2000000, 3000000, 4000000, 5000000};
    for (int step = 0; step < 5; step++) {
        if (step == 1)
            cluster.statics = (struct weir_static_configs){.entries = statics, .count = 1};
        if (step == 2)
            set(&cluster, WEIR_RESOURCE_BROKER, "", "log.segment.bytes", "3000000");
        if (step == 3)
            set(&cluster, WEIR_RESOURCE_BROKER, "1", "log.segment.bytes", "4000000");
        if (step == 4)
            set(&cluster, WEIR_RESOURCE_TOPIC, "t", "segment.bytes", "5000000");
        const struct weir_image *image = weir_image_ref_current(cluster.publisher);
        struct weir_config_resolver resolver = resolver_of(&cluster, image);
        cr_assert_eq(weir_config_topic_i64(&resolver, WEIR_SLICE("t"), "segment.bytes"),
                     expected[step]);
        if (step == 4) {
            struct weir_config_view_list list;
            cr_assert_eq(weir_config_describe(&resolver, WEIR_RESOURCE_TOPIC, WEIR_SLICE("t"),
                                              &cluster.arena, &list),
                         WEIR_OK);
            const struct weir_config_view *view = view_of(&list, "segment.bytes");
            cr_assert_eq(view->synonym_count, 5);
            static const enum weir_config_source order[] = {
                WEIR_CONFIG_SOURCE_TOPIC, WEIR_CONFIG_SOURCE_DYNAMIC_BROKER,
                WEIR_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER, WEIR_CONFIG_SOURCE_STATIC_BROKER,
                WEIR_CONFIG_SOURCE_DEFAULT};
            for (size_t i = 0; i < 5; i++)
                cr_assert_eq(view->synonyms[i].source, order[i]);
            cr_assert(weir_slice_is(view->synonyms[1].name, "log.segment.bytes"));
            cr_assert(weir_slice_is(view->synonyms[4].value, "1073741824"));
        }
        weir_image_unref(image);
    }
    cluster_done(&cluster);
}

Test(config_resolve, hours_and_minutes_stand_behind_milliseconds)
{
    struct cluster cluster;
    cluster_init(&cluster);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    struct weir_config_resolver resolver = resolver_of(&cluster, image);
    cr_assert_eq(weir_config_broker_i64(&resolver, "log.retention.ms"), 168LL * 3600000);
    cr_assert_eq(weir_config_topic_i64(&resolver, WEIR_SLICE("t"), "retention.ms"),
                 168LL * 3600000);
    cr_assert_eq(weir_config_topic_i64(&resolver, WEIR_SLICE("t"), "segment.ms"), 168LL * 3600000);
    cr_assert_eq(weir_config_topic_i64(&resolver, WEIR_SLICE("t"), "flush.ms"), INT64_MAX);
    static const struct weir_static_config statics[] = {{"log.retention.hours", "2"},
                                                        {"log.retention.minutes", "3"}};
    cluster.statics = (struct weir_static_configs){.entries = statics, .count = 1};
    cr_assert_eq(weir_config_broker_i64(&resolver, "log.retention.ms"), 7200000);
    cluster.statics.count = 2;
    cr_assert_eq(weir_config_broker_i64(&resolver, "log.retention.ms"), 180000);
    struct weir_config_view_list list;
    cr_assert_eq(weir_config_describe(&resolver, WEIR_RESOURCE_TOPIC, WEIR_SLICE("t"),
                                      &cluster.arena, &list),
                 WEIR_OK);
    const struct weir_config_view *view = view_of(&list, "retention.ms");
    cr_assert(weir_slice_is(view->value, "180000"));
    cr_assert_eq(view->synonym_count, 0); /* as Kafka: only what follows log.retention.ms itself */
    cr_assert_eq(view->source, WEIR_CONFIG_SOURCE_DEFAULT);
    cr_assert_eq(weir_config_describe_new_topic(&resolver, NULL, 0, &cluster.arena, &list),
                 WEIR_OK);
    cr_assert_eq(view_of(&list, "retention.ms")->source, WEIR_CONFIG_SOURCE_STATIC_BROKER);
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(config_resolve, broker_is_described_with_static_values_and_hidden_secrets)
{
    struct cluster cluster;
    cluster_init(&cluster);
    static const struct weir_static_config statics[] = {{"num.partitions", "4"},
                                                        {"ssl.key.password", "hunter2"}};
    cluster.statics = (struct weir_static_configs){.entries = statics, .count = 2};
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    struct weir_config_resolver resolver = resolver_of(&cluster, image);
    struct weir_config_view_list list;
    cr_assert_eq(weir_config_describe(&resolver, WEIR_RESOURCE_BROKER, WEIR_SLICE("1"),
                                      &cluster.arena, &list),
                 WEIR_OK);
    cr_assert_eq(list.count, 340);
    const struct weir_config_view *view = view_of(&list, "num.partitions");
    cr_assert(weir_slice_is(view->value, "4"));
    cr_assert(view->is_read_only);
    cr_assert_eq(view->source, WEIR_CONFIG_SOURCE_STATIC_BROKER);
    cr_assert_eq(view->synonym_count, 2);
    view = view_of(&list, "ssl.key.password");
    cr_assert(view->is_sensitive);
    cr_assert(weir_slice_is_null(view->value));
    cr_assert(weir_slice_is_null(view->synonyms[0].value));
    view = view_of(&list, "log.retention.ms");
    cr_assert(weir_slice_is_null(view->value));
    cr_assert_eq(view->source, WEIR_CONFIG_SOURCE_DEFAULT);
    /* The default of all brokers: only what is set there. */
    cr_assert_eq(weir_config_describe(&resolver, WEIR_RESOURCE_BROKER, WEIR_EMPTY_SLICE,
                                      &cluster.arena, &list),
                 WEIR_OK);
    cr_assert_eq(list.count, 1);
    cr_assert(weir_slice_is(list.items[0].name, "min.insync.replicas"));
    cr_assert_eq(list.items[0].synonym_count, 1);
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(config_resolve, groups_and_client_metrics_are_described)
{
    struct cluster cluster;
    cluster_init(&cluster);
    set(&cluster, WEIR_RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "50000");
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    struct weir_config_resolver resolver = resolver_of(&cluster, image);
    cr_assert_eq(weir_config_group_i64(&resolver, WEIR_SLICE("g"), "consumer.session.timeout.ms"),
                 50000);
    cr_assert_eq(weir_config_group_i64(&resolver, WEIR_SLICE("h"), "consumer.session.timeout.ms"),
                 45000);
    struct weir_config_view_list list;
    cr_assert_eq(weir_config_describe(&resolver, WEIR_RESOURCE_GROUP, WEIR_SLICE("g"),
                                      &cluster.arena, &list),
                 WEIR_OK);
    cr_assert_eq(list.count, 17);
    cr_assert_eq(view_of(&list, "consumer.session.timeout.ms")->source, WEIR_CONFIG_SOURCE_GROUP);
    const struct weir_config_view *view = view_of(&list, "consumer.heartbeat.interval.ms");
    cr_assert_eq(view->synonym_count, 1);
    cr_assert(weir_slice_is(view->synonyms[0].name, "group.consumer.heartbeat.interval.ms"));
    view = view_of(&list, "share.isolation.level");
    cr_assert(weir_slice_is(view->synonyms[0].name, "share.isolation.level"));
    cr_assert_eq(weir_config_describe(&resolver, WEIR_RESOURCE_CLIENT_METRICS, WEIR_SLICE("m"),
                                      &cluster.arena, &list),
                 WEIR_OK);
    cr_assert_eq(list.count, 3);
    cr_assert_eq(view_of(&list, "interval.ms")->synonym_count, 0);
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(config_resolve, stored_junk_falls_back_to_the_next_place)
{
    struct cluster cluster;
    cluster_init(&cluster);
    static const struct weir_static_config statics[] = {{"log.segment.bytes", "junk"}};
    cluster.statics = (struct weir_static_configs){.entries = statics, .count = 1};
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    struct weir_config_resolver resolver = resolver_of(&cluster, image);
    cr_assert_eq(weir_config_topic_i64(&resolver, WEIR_SLICE("t"), "segment.bytes"), 1073741824);
    cr_assert(weir_config_broker_bool(&resolver, "auto.create.topics.enable"));
    cr_assert_float_eq(
        weir_config_topic_f64(&resolver, WEIR_SLICE("t"), "min.cleanable.dirty.ratio"), 0.5, 1e-9);
    cr_assert(weir_slice_is(weir_config_topic_str(&resolver, WEIR_SLICE("t"), "cleanup.policy"),
                            "delete"));
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(config_resolve, broker_keys_in_no_table_are_described_and_rates_are_numbers)
{
    static const char rate[] = "replica.alter.log.dirs.io.max.bytes.per.second";
    struct cluster cluster;
    cluster_init(&cluster);
    set(&cluster, WEIR_RESOURCE_BROKER, "", rate, "30000");
    set(&cluster, WEIR_RESOURCE_BROKER, "", "foo.bar", "7");
    set(&cluster, WEIR_RESOURCE_BROKER, "1", rate, "20000");
    assert_result(
        cluster_alter(&cluster, WEIR_RESOURCE_BROKER, "1", rate, WEIR_CONFIG_SET, "soon"),
        WEIR_INVALID_REQUEST,
        "Invalid value soon for configuration replica.alter.log.dirs.io.max.bytes.per.second: Not "
        "a number of type LONG");
    assert_result(cluster_alter(&cluster, WEIR_RESOURCE_BROKER, "1", rate, WEIR_CONFIG_SET, "-1"),
                  WEIR_INVALID_REQUEST,
                  "Invalid value -1 for configuration "
                  "replica.alter.log.dirs.io.max.bytes.per.second: Value must be at least 0");
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    struct weir_config_resolver resolver = resolver_of(&cluster, image);
    struct weir_config_view_list list;
    cr_assert_eq(weir_config_describe(&resolver, WEIR_RESOURCE_BROKER, weir_slice_str("1"),
                                      &cluster.arena, &list),
                 WEIR_OK);
    const struct weir_config_view *view = view_of(&list, rate);
    cr_expect(weir_slice_is(view->value, "20000"));
    cr_expect_eq(view->source, WEIR_CONFIG_SOURCE_DYNAMIC_BROKER);
    cr_expect_eq(view->synonym_count, 2);
    cr_expect_not(view->is_sensitive);
    view = view_of(&list, "foo.bar");
    cr_expect(view->is_sensitive);
    cr_expect(weir_slice_is_null(view->value));
    weir_image_unref(image);
    cluster_done(&cluster);
}
