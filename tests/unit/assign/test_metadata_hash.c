/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/assign/metadata_hash.h"

#include <criterion/criterion.h>

/* What Apache Kafka 4.3.0 wrote for this topic and its group. */
Test(metadata_hash, is_that_of_apache_kafka)
{
    struct weir_hash_topic topic = {.name = WEIR_SLICE("t2"), .partition_count = 1};
    cr_assert(weir_uuid_parse(WEIR_SLICE("V75ybwxFT3u9PGzu-uhuZQ"), &topic.id));
    int64_t hash = weir_topic_hash(&topic);
    cr_assert_eq(hash, 7502395372650090894);
    struct weir_named_topic_hash named = {.name = topic.name, .hash = hash};
    cr_assert_eq(weir_group_hash(&named, 1), -6444975561149129621);
}

Test(metadata_hash, of_a_group_without_topics_is_zero)
{
    cr_assert_eq(weir_group_hash(NULL, 0), 0);
}

Test(metadata_hash, does_not_hang_on_the_order_of_topics_or_racks)
{
    struct weir_named_topic_hash one[] = {{WEIR_SLICE("a"), 1}, {WEIR_SLICE("b"), 2}};
    struct weir_named_topic_hash other[] = {{WEIR_SLICE("b"), 2}, {WEIR_SLICE("a"), 1}};
    cr_assert_eq(weir_group_hash(one, 2), weir_group_hash(other, 2));

    const struct weir_slice racks[] = {WEIR_SLICE("r1"), WEIR_SLICE("r2")};
    const struct weir_slice reversed[] = {WEIR_SLICE("r2"), WEIR_SLICE("r1")};
    const struct weir_hash_partition left = {racks, 2};
    const struct weir_hash_partition right = {reversed, 2};
    struct weir_hash_topic topic = {
        {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}, WEIR_SLICE("t"), 1, &left};
    int64_t hash = weir_topic_hash(&topic);
    topic.partitions = &right;
    cr_assert_eq(weir_topic_hash(&topic), hash);
    topic.partitions = NULL;
    cr_assert_neq(weir_topic_hash(&topic), hash);
}

Test(metadata_hash, counts_utf16_units_of_a_rack)
{
    /* One code point above 0xFFFF is two units in Java's strings. */
    const struct weir_slice rack = WEIR_SLICE("\xF0\x9F\x98\x80");
    const struct weir_hash_partition partition = {&rack, 1};
    const struct weir_hash_topic topic = {
        {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}, WEIR_SLICE("t"), 1, &partition};
    cr_assert_eq(weir_topic_hash(&topic), 4408711963720387053);
}
