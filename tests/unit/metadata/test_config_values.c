/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/metadata/config_defs.h"

#include <criterion/criterion.h>

/* The words are what Apache Kafka 4.3.0 answered to the same values. */

static const struct weir_config_def *topic_def(const char *name)
{
    const struct weir_config_def *def =
        weir_config_def_find(WEIR_CONFIG_TOPIC, weir_slice_str(name));
    cr_assert_not_null(def, "%s", name);
    return def;
}

Test(config_values, tables_are_sorted_and_complete)
{
    static const size_t counts[WEIR_CONFIG_SCOPE_COUNT] = {33, 340, 17, 3};
    for (int scope = 0; scope < WEIR_CONFIG_SCOPE_COUNT; scope++) {
        size_t count = weir_config_def_count((enum weir_config_scope)scope);
        cr_assert_eq(count, counts[scope]);
        for (size_t i = 0; i < count; i++) {
            const struct weir_config_def *def =
                weir_config_def_at((enum weir_config_scope)scope, i);
            cr_assert_eq(def, weir_config_def_find((enum weir_config_scope)scope,
                                                   weir_slice_str(def->name)));
            if (i > 0)
                cr_assert_lt(strcmp(weir_config_def_at((enum weir_config_scope)scope, i - 1)->name,
                                    def->name),
                             0);
        }
    }
    cr_assert_null(weir_config_def_find(WEIR_CONFIG_TOPIC, WEIR_SLICE("no.such")));
    cr_assert_null(weir_config_def_find(WEIR_CONFIG_GROUP, WEIR_SLICE("retention.ms")));
}

Test(config_values, every_default_is_allowed)
{
    for (int scope = 0; scope < WEIR_CONFIG_SCOPE_COUNT; scope++) {
        for (size_t i = 0; i < weir_config_def_count((enum weir_config_scope)scope); i++) {
            const struct weir_config_def *def =
                weir_config_def_at((enum weir_config_scope)scope, i);
            /* Kafka's own default for these is one a file could not give. */
            if (def->default_text == NULL || strcmp(def->valid, "non-empty list") == 0)
                continue;
            struct weir_detail detail = {{0}};
            cr_assert_eq(weir_config_validate(def, weir_slice_str(def->default_text), &detail),
                         WEIR_OK, "%s", detail.text);
        }
    }
}

Test(config_values, refusals_have_kafkas_words)
{
    static const struct {
        const char *key;
        const char *value;
        const char *words;
    } cases[] = {
        {"retention.ms", "x",
         "Invalid value x for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", "",
         "Invalid value  for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", "-2",
         "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
        {"max.message.bytes", "99999999999",
         "Invalid value 99999999999 for configuration max.message.bytes: Not a number of type INT"},
        {"segment.bytes", "10",
         "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576"},
        {"min.cleanable.dirty.ratio", "2",
         "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more "
         "than "
         "1"},
        {"min.cleanable.dirty.ratio", "x",
         "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type "
         "DOUBLE"},
        {"compression.gzip.level", "11",
         "Invalid value 11 for configuration compression.gzip.level: Value must be between 1 and 9 "
         "or equal to -1"},
        {"compression.gzip.level", "0",
         "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 "
         "or "
         "equal to -1"},
        {"compression.type", "foo",
         "Invalid value foo for configuration compression.type: String must be one of: "
         "uncompressed, "
         "zstd, lz4, snappy, gzip, producer"},
        {"preallocate", "maybe",
         "Invalid value maybe for configuration preallocate: Expected value to be either true or "
         "false"},
        {"cleanup.policy", "shred",
         "Invalid value shred for configuration cleanup.policy: String must be one of: compact, "
         "delete"},
        {"cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty."},
        {"leader.replication.throttled.replicas", "foo",
         "Invalid value [foo] for configuration leader.replication.throttled.replicas: "
         "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in "
         "the "
         "following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_detail detail = {{0}};
        cr_assert_eq(
            weir_config_validate(topic_def(cases[i].key), weir_slice_str(cases[i].value), &detail),
            WEIR_INVALID_CONFIG);
        cr_assert_str_eq(detail.text, cases[i].words);
    }
    struct weir_detail detail = {{0}};
    const struct weir_config_def *reset =
        weir_config_def_find(WEIR_CONFIG_GROUP, WEIR_SLICE("share.auto.offset.reset"));
    cr_assert_eq(weir_config_validate(reset, WEIR_SLICE("foo"), &detail), WEIR_INVALID_CONFIG);
    cr_assert_str_eq(detail.text,
                     "Invalid value foo for configuration share.auto.offset.reset: Invalid value "
                     "`foo` for configuration share.auto.offset.reset. The value must be either "
                     "'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.");
    cr_assert_eq(weir_config_validate(reset, WEIR_SLICE("by_duration:P1DT2H"), &detail), WEIR_OK);
    cr_assert_neq(weir_config_validate(reset, WEIR_SLICE("by_duration:P"), &detail), WEIR_OK);
    cr_assert_neq(weir_config_validate(reset, WEIR_SLICE("by_duration:PT1M1H"), &detail), WEIR_OK);
}

Test(config_values, what_kafka_allows_is_allowed)
{
    static const char *const cases[][2] = {
        {"cleanup.policy", ""},
        {"cleanup.policy", "delete,delete"},
        {"cleanup.policy", " compact , delete"},
        {"retention.ms", " 5 "},
        {"retention.ms", "+5"},
        {"retention.ms", "9223372036854775807"},
        {"compression.gzip.level", "-1"},
        {"leader.replication.throttled.replicas", "0:1,1:1"},
        {"leader.replication.throttled.replicas", "*"},
        {"preallocate", "TRUE"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_detail detail = {{0}};
        cr_assert_eq(
            weir_config_validate(topic_def(cases[i][0]), weir_slice_str(cases[i][1]), &detail),
            WEIR_OK, "%s", detail.text);
    }
}

Test(config_values, secrets_are_never_in_a_message)
{
    struct weir_config_def def = {
        .name = "secret", .type = WEIR_CONFIG_TYPE_INT, .is_sensitive = true, .valid = ""};
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_config_validate(&def, WEIR_SLICE("hunter2"), &detail), WEIR_INVALID_CONFIG);
    cr_assert_null(strstr(detail.text, "hunter2"));
}

Test(config_values, canonical_form_is_javas)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    static const char *const cases[][3] = {
        {"min.cleanable.dirty.ratio", "0.50", "0.5"},
        {"min.cleanable.dirty.ratio", "1", "1.0"},
        {"min.cleanable.dirty.ratio", "1e-5", "1.0E-5"},
        {"retention.ms", " +07 ", "7"},
        {"cleanup.policy", " compact , delete", "compact,delete"},
        {"cleanup.policy", "delete,delete", "delete"},
        {"cleanup.policy", "", ""},
        {"preallocate", " True", "true"},
        {"compression.type", " zstd ", "zstd"},
        {"retention.ms", "junk", "junk"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_slice got =
            weir_config_canonical(topic_def(cases[i][0]), weir_slice_str(cases[i][1]), &arena);
        cr_assert(weir_slice_is(got, cases[i][2]), "%.*s", WEIR_SLICE_ARGS(got));
    }
    weir_arena_done(&arena);
}

Test(config_values, numbers_at_the_edges_parse_exactly)
{
    int64_t number;
    cr_assert(weir_config_parse_i64(WEIR_SLICE("-9223372036854775808"), &number));
    cr_assert_eq(number, INT64_MIN);
    cr_assert_not(weir_config_parse_i64(WEIR_SLICE("9223372036854775808"), &number));
    cr_assert_not(weir_config_parse_i64(WEIR_SLICE("-"), &number));
    cr_assert_not(weir_config_parse_i64(WEIR_SLICE("1 2"), &number));
    cr_assert_not(weir_config_parse_i64(WEIR_NULL_SLICE, &number));
    double real;
    cr_assert_not(weir_config_parse_f64(WEIR_SLICE("nan"), &real));
    cr_assert_not(weir_config_parse_f64(WEIR_SLICE("0x1p3"), &real));
    cr_assert(weir_config_parse_f64(WEIR_SLICE("1.7976931348623157E308"), &real));
}
