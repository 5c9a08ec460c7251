/* SPDX-License-Identifier: Apache-2.0 */

/* What is decided about internal topics, and what is said when it cannot be. */

#include "streams/streams_int.h"

#include <criterion/criterion.h>

#define TOPICS_MAX 8

struct known {
    const char *name;
    int32_t count;
};

static struct known known[TOPICS_MAX];
static size_t known_count;

static int32_t partition_count(const struct streams_topics *topics, struct weir_slice name)
{
    (void)topics;
    for (size_t i = 0; i < known_count; i++)
        if (weir_slice_is(name, known[i].name))
            return known[i].count;
    return -1;
}

static const struct streams_topics topics = {.partition_count = partition_count};

static void exists(const char *name, int32_t count)
{
    known[known_count++] = (struct known){name, count};
}

/* Up to four subtopologies "0" to "3", each with at most two of everything. */
struct sub {
    struct weir_slice sources[2];
    struct weir_slice sinks[2];
    topic_value repartitions[2];
    topic_value changelogs[2];
    int16_t source_indexes[2];
    int16_t repartition_indexes[2];
    struct weir_streams_group_topology_value_copartition_group copartition;
};

static struct sub subs[4];
static subtopology_value values[4];
static topology_value topology;
static struct streams_configured *configured;
static struct weir_detail detail;

static void setup(void)
{
    static const char *const ids[] = {"0", "1", "2", "3"};
    weir_streams_group_topology_value_init(&topology);
    topology.subtopologies.items = values;
    for (size_t i = 0; i < 4; i++) {
        weir_streams_group_topology_value_subtopology_init(&values[i]);
        values[i].subtopology_id = weir_slice_str(ids[i]);
        values[i].source_topics.items = subs[i].sources;
        values[i].repartition_sink_topics.items = subs[i].sinks;
        values[i].repartition_source_topics.items = subs[i].repartitions;
        values[i].state_changelog_topics.items = subs[i].changelogs;
    }
}

static void teardown(void)
{
    streams_configured_free(configured);
}

TestSuite(streams_topology, .init = setup, .fini = teardown);

static void reads(int sub, const char *topic)
{
    subs[sub].sources[values[sub].source_topics.count++] = weir_slice_str(topic);
    if (topology.subtopologies.count <= sub)
        topology.subtopologies.count = sub + 1;
}

static void writes(int sub, const char *topic)
{
    subs[sub].sinks[values[sub].repartition_sink_topics.count++] = weir_slice_str(topic);
}

static void add(topic_value *at, const char *topic, int32_t partitions)
{
    weir_streams_group_topology_value_topic_info_init(at);
    at->name = weir_slice_str(topic);
    at->partitions = partitions;
}

static void reads_repartition(int sub, const char *topic, int32_t partitions)
{
    add(&subs[sub].repartitions[values[sub].repartition_source_topics.count++], topic, partitions);
    if (topology.subtopologies.count <= sub)
        topology.subtopologies.count = sub + 1;
}

static void has_changelog(int sub, const char *topic)
{
    add(&subs[sub].changelogs[values[sub].state_changelog_topics.count++], topic, 0);
}

/* All that the subtopology reads, together. */
static void reads_together(int sub)
{
    struct sub *at = &subs[sub];
    weir_streams_group_topology_value_copartition_group_init(&at->copartition);
    for (int16_t i = 0; i < 2; i++) {
        at->source_indexes[i] = i;
        at->repartition_indexes[i] = i;
    }
    at->copartition.source_topics =
        (struct weir_i16_array){at->source_indexes, values[sub].source_topics.count};
    at->copartition.repartition_source_topics = (struct weir_i16_array){
        at->repartition_indexes, values[sub].repartition_source_topics.count};
    values[sub].copartition_groups.items = &at->copartition;
    values[sub].copartition_groups.count = 1;
}

static enum weir_status configure(void)
{
    return streams_configure(&topology, &topics, &configured, &detail);
}

static int32_t missing_count(const char *name)
{
    for (size_t i = 0; i < configured->missing_count; i++)
        if (weir_slice_is(configured->missing[i].name, name))
            return configured->missing[i].partition_count;
    return -1;
}

static void check_status(enum weir_streams_status_code code, const char *text)
{
    cr_assert_eq(configured->status.code, code);
    cr_assert(weir_slice_is(configured->status.detail, text), "%.*s",
              WEIR_SLICE_ARGS(configured->status.detail));
    cr_assert_not(configured->is_ready);
}

Test(streams_topology, a_repartition_topic_has_the_most_partitions_of_what_flows_into_it)
{
    exists("a", 3);
    exists("b", 5);
    reads(0, "a");
    reads(0, "b");
    writes(0, "r1");
    reads_repartition(1, "r1", 0);
    writes(1, "r2");
    reads_repartition(2, "r2", 0);
    has_changelog(2, "log");
    cr_assert_eq(configure(), WEIR_OK);
    cr_assert_eq(missing_count("r1"), 5);
    cr_assert_eq(missing_count("r2"), 5);
    cr_assert_eq(missing_count("log"), 5);
    cr_assert_eq(configured->subtopology_count, 3);
    cr_assert_eq(configured->subtopologies[2].task_count, 5);
    check_status(WEIR_STREAMS_MISSING_INTERNAL_TOPICS, "Internal topics are missing: r2, log, r1");
}

Test(streams_topology, one_without_subtopologies_is_ready)
{
    cr_assert_eq(configure(), WEIR_OK);
    cr_assert_eq(configured->subtopology_count, 0);
    cr_assert_eq(configured->missing_count, 0);
    cr_assert(configured->is_ready);
}

Test(streams_topology, a_count_that_was_given_holds)
{
    exists("a", 3);
    reads(0, "a");
    writes(0, "r");
    reads_repartition(1, "r", 7);
    cr_assert_eq(configure(), WEIR_OK);
    cr_assert_eq(missing_count("r"), 7);
    cr_assert_eq(configured->subtopologies[1].task_count, 7);
}

Test(streams_topology, a_repartition_topic_follows_the_topic_it_is_read_with)
{
    exists("a", 3);
    exists("b", 8);
    reads(0, "a");
    writes(0, "r");
    reads(1, "b");
    reads_repartition(1, "r", 0);
    reads_together(1);
    cr_assert_eq(configure(), WEIR_OK);
    cr_assert_eq(missing_count("r"), 8);
}

Test(streams_topology, topics_that_are_read_together_must_be_alike)
{
    exists("a", 3);
    exists("b", 4);
    reads(0, "b");
    reads(0, "a");
    reads_together(0);
    cr_assert_eq(configure(), WEIR_OK);
    check_status(WEIR_STREAMS_INCORRECTLY_PARTITIONED_TOPICS,
                 "Following topics do not have the same number of partitions: [{a=3, b=4}]");
}

Test(streams_topology, a_given_count_must_be_that_of_the_topic_it_is_read_with)
{
    exists("a", 3);
    exists("b", 8);
    reads(0, "a");
    writes(0, "r");
    reads(1, "b");
    reads_repartition(1, "r", 4);
    reads_together(1);
    cr_assert_eq(configure(), WEIR_OK);
    check_status(WEIR_STREAMS_INCORRECTLY_PARTITIONED_TOPICS,
                 "Number of partitions [4] of repartition topic [r] doesn't match number of "
                 "partitions [8] of the source topic.");
}

Test(streams_topology, an_internal_topic_that_exists_must_have_its_count)
{
    exists("a", 3);
    exists("log", 2);
    reads(0, "a");
    has_changelog(0, "log");
    cr_assert_eq(configure(), WEIR_OK);
    check_status(WEIR_STREAMS_INCORRECTLY_PARTITIONED_TOPICS,
                 "Existing topic log has different number of partitions: expected 3, found 2");
}

Test(streams_topology, names_at_most_three_topics_that_are_missing)
{
    reads(0, "e");
    reads(0, "d");
    reads(1, "c");
    reads(1, "b");
    reads(2, "b");
    reads(2, "a");
    cr_assert_eq(configure(), WEIR_OK);
    check_status(WEIR_STREAMS_MISSING_SOURCE_TOPICS,
                 "Source topics a, b, c and 2 additional topics are missing.");
    cr_assert_eq(configured->subtopology_count, 0);
}

Test(streams_topology, a_loop_without_a_count_is_no_topology)
{
    reads_repartition(0, "r1", 0);
    writes(0, "r2");
    reads_repartition(1, "r2", 0);
    writes(1, "r1");
    cr_assert_eq(configure(), WEIR_STREAMS_INVALID_TOPOLOGY);
    cr_assert_str_eq(detail.text, "Failed to compute number of partitions for all repartition "
                                  "topics. There may be loops in the topology that cannot be "
                                  "resolved.");
}

Test(streams_topology, nobody_writes_what_is_read_is_no_topology)
{
    exists("a", 3);
    reads(0, "a");
    reads_repartition(0, "r", 0);
    cr_assert_eq(configure(), WEIR_STREAMS_INVALID_TOPOLOGY);
}

Test(streams_topology, an_index_out_of_range_is_refused)
{
    exists("a", 3);
    reads(0, "a");
    reads_together(0);
    subs[0].source_indexes[0] = 1;
    cr_assert_eq(configure(), WEIR_UNKNOWN_SERVER_ERROR);
}

Test(streams_topology, is_ready_when_everything_is_there)
{
    exists("a", 3);
    exists("r", 3);
    exists("log", 3);
    reads(0, "a");
    writes(0, "r");
    reads_repartition(1, "r", 0);
    has_changelog(1, "log");
    cr_assert_eq(configure(), WEIR_OK);
    cr_assert(configured->is_ready);
    cr_assert_eq(configured->missing_count, 0);
}

Test(streams_topology, topologies_are_equal_in_any_order)
{
    topology_value other = topology;
    subtopology_value turned[2];
    bool is_equal = false;
    reads(0, "a");
    reads(1, "b");
    turned[0] = values[1];
    turned[1] = values[0];
    other.subtopologies.items = turned;
    other.subtopologies.count = 2;
    cr_assert_eq(topology_equal(&topology, &other, &is_equal), WEIR_OK);
    cr_assert(is_equal);
    turned[0].subtopology_id = WEIR_SLICE("9");
    cr_assert_eq(topology_equal(&topology, &other, &is_equal), WEIR_OK);
    cr_assert_not(is_equal);
}
