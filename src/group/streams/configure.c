/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The topology beside the topics that exist: how many partitions each internal topic is to have,
 * how many tasks each subtopology, and what is missing or wrong.
 *
 *   1  every source topic exists
 *   2  repartition topics: as given, otherwise the most partitions among the inputs of a
 *      subtopology that writes to them, again and again until all are known
 *   3  topics that are read together (copartition groups) have the same count; repartition topics
 *      without a count of their own are brought to it
 *   4  changelogs: as many as the subtopology has tasks
 *   5  internal topics that exist have that count; the others are missing
 *
 * A topic that exists has the count it has, whatever was decided.
 */

#include "sticky.h"
#include "streams_int.h"

#include "weir/base/memory.h"

#include <stdlib.h>

struct decided {
    int32_t count;
};

struct work {
    struct streams_configured *out;
    topology_value *topology; /* the copy in out's arena, by subtopology id */
    const struct streams_topics *topics;
    struct weir_detail *detail;
    bool is_wrong; /* out->status says what; the rest is left alone */
};

static enum weir_status say_wrong(struct work *work, enum weir_streams_status_code code,
                                  struct weir_slice text)
{
    if (weir_slice_is_null(text))
        return WEIR_NO_MEMORY;
    work->is_wrong = true;
    work->out->status = (struct weir_streams_status){.code = code, .detail = text};
    return WEIR_OK;
}

static enum weir_status decide(struct work *work, struct weir_slice name, int32_t count)
{
    struct decided *decided = weir_map_get(&work->out->decided, name);
    if (decided == NULL) {
        decided = weir_arena_calloc(&work->out->arena, 1, sizeof(*decided));
        if (decided == NULL || weir_map_put(&work->out->decided, name, decided, NULL) != WEIR_OK)
            return WEIR_NO_MEMORY;
    }
    decided->count = count;
    return WEIR_OK;
}

static int32_t decided_of(const struct work *work, struct weir_slice name)
{
    const struct decided *decided = weir_map_get(&work->out->decided, name);
    return decided == NULL ? -1 : decided->count;
}

/* -1: it is not known. */
static int32_t count_of(const struct work *work, struct weir_slice name)
{
    int32_t count = work->topics->partition_count(work->topics, name);
    return count >= 0 ? count : decided_of(work, name);
}

/* "a, b, c and 2 additional topics" */
static struct weir_slice summary(struct weir_arena *arena, const struct weir_slice *names,
                                 size_t count)
{
    struct weir_slice text = WEIR_EMPTY_SLICE;
    for (size_t i = 0; i < count && i < 3; i++)
        text = weir_arena_printf(arena, "%.*s%s%.*s", WEIR_SLICE_ARGS(text), i == 0 ? "" : ", ",
                                 WEIR_SLICE_ARGS(names[i]));
    if (count > 3)
        text = weir_arena_printf(arena, "%.*s and %zu additional topics", WEIR_SLICE_ARGS(text),
                                 count - 3);
    return text;
}

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

/* ---- 1 ---- */

static enum weir_status check_sources(struct work *work)
{
    size_t count = 0;
    for (int32_t i = 0; i < work->topology->subtopologies.count; i++)
        count += (size_t)work->topology->subtopologies.items[i].source_topics.count;
    struct weir_slice *names = weir_arena_calloc(&work->out->arena, count, sizeof(*names));
    if (names == NULL)
        return WEIR_NO_MEMORY;
    count = 0;
    for (int32_t i = 0; i < work->topology->subtopologies.count; i++) {
        const subtopology_value *subtopology = &work->topology->subtopologies.items[i];
        for (int32_t j = 0; j < subtopology->source_topics.count; j++)
            if (work->topics->partition_count(work->topics, subtopology->source_topics.items[j]) <
                0)
                names[count++] = subtopology->source_topics.items[j];
    }
    if (count == 0)
        return WEIR_OK;
    qsort(names, count, sizeof(*names), compare_names);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (!weir_slice_equal(names[i], names[kept - 1]))
            names[kept++] = names[i];
    struct weir_slice text = summary(&work->out->arena, names, kept);
    return say_wrong(work, WEIR_STREAMS_MISSING_SOURCE_TOPICS,
                     weir_arena_printf(&work->out->arena, "Source topics %.*s are missing.",
                                       WEIR_SLICE_ARGS(text)));
}

/* ---- 2 ---- */

/* The most partitions among what it reads; -1 when none is known yet. */
static int32_t inputs_max(const struct work *work, const subtopology_value *subtopology)
{
    int32_t most = -1;
    for (int32_t i = 0; i < subtopology->repartition_source_topics.count; i++) {
        int32_t count = decided_of(work, subtopology->repartition_source_topics.items[i].name);
        most = count > most ? count : most;
    }
    for (int32_t i = 0; i < subtopology->source_topics.count; i++) {
        int32_t count =
            work->topics->partition_count(work->topics, subtopology->source_topics.items[i]);
        most = count > most ? count : most;
    }
    return most;
}

static enum weir_status decide_repartition(struct work *work)
{
    enum weir_status status = WEIR_OK;
    const topology_value *topology = work->topology;
    for (int32_t i = 0; i < topology->subtopologies.count; i++) {
        const subtopology_value *subtopology = &topology->subtopologies.items[i];
        for (int32_t j = 0; j < subtopology->repartition_source_topics.count; j++) {
            const topic_value *topic = &subtopology->repartition_source_topics.items[j];
            if (topic->partitions != 0 && status == WEIR_OK)
                status = decide(work, topic->name, topic->partitions);
        }
    }
    bool is_more_needed = true;
    while (is_more_needed && status == WEIR_OK) {
        bool has_progress = false;
        is_more_needed = false;
        for (int32_t i = 0; i < topology->subtopologies.count; i++) {
            const subtopology_value *subtopology = &topology->subtopologies.items[i];
            for (int32_t j = 0; j < subtopology->repartition_sink_topics.count; j++) {
                struct weir_slice sink = subtopology->repartition_sink_topics.items[j];
                if (decided_of(work, sink) >= 0)
                    continue;
                int32_t count = inputs_max(work, subtopology);
                if (count < 0) {
                    is_more_needed = true;
                    continue;
                }
                has_progress = true;
                if (status == WEIR_OK)
                    status = decide(work, sink, count);
            }
        }
        if (is_more_needed && !has_progress && status == WEIR_OK) {
            weir_detail_set(work->detail,
                            "Failed to compute number of partitions for all repartition topics. "
                            "There may be loops in the topology that cannot be resolved.");
            return WEIR_STREAMS_INVALID_TOPOLOGY;
        }
    }
    for (int32_t i = 0; i < topology->subtopologies.count && status == WEIR_OK; i++) {
        const subtopology_value *subtopology = &topology->subtopologies.items[i];
        for (int32_t j = 0; j < subtopology->repartition_source_topics.count; j++)
            if (decided_of(work, subtopology->repartition_source_topics.items[j].name) < 0) {
                weir_detail_set(work->detail,
                                "Failed to compute number of partitions for all repartition "
                                "topics, because a repartition source topic is never used as a "
                                "sink topic.");
                return WEIR_STREAMS_INVALID_TOPOLOGY;
            }
    }
    return status;
}

/* ---- 3 ---- */

enum repartition_kind { NOT_REPARTITION, FIXED, FLEXIBLE };

/* A topic that is both, in different subtopologies, is fixed. */
static enum repartition_kind kind_of(const struct work *work, struct weir_slice name)
{
    enum repartition_kind kind = NOT_REPARTITION;
    for (int32_t i = 0; i < work->topology->subtopologies.count; i++) {
        const subtopology_value *subtopology = &work->topology->subtopologies.items[i];
        for (int32_t j = 0; j < subtopology->repartition_source_topics.count; j++) {
            const topic_value *topic = &subtopology->repartition_source_topics.items[j];
            if (weir_slice_equal(topic->name, name) && kind != FIXED)
                kind = topic->partitions != 0 ? FIXED : FLEXIBLE;
        }
    }
    return kind;
}

/* "{a=1, b=2}" of the topics (of one sort when only_external). */
static struct weir_slice counts_text(const struct work *work, struct weir_slice *names,
                                     size_t count, bool only_external)
{
    struct weir_arena *arena = &work->out->arena;
    qsort(names, count, sizeof(*names), compare_names);
    struct weir_slice text = WEIR_EMPTY_SLICE;
    bool is_first = true;
    for (size_t i = 0; i < count; i++) {
        if (only_external && kind_of(work, names[i]) != NOT_REPARTITION)
            continue;
        text =
            weir_arena_printf(arena, "%.*s%s%.*s=%d", WEIR_SLICE_ARGS(text), is_first ? "" : ", ",
                              WEIR_SLICE_ARGS(names[i]), count_of(work, names[i]));
        is_first = false;
    }
    return weir_arena_printf(arena,
                             "Following topics do not have the same number of partitions: [{%.*s}]",
                             WEIR_SLICE_ARGS(text));
}

/* All fixed repartition topics of the whole topology must agree, as in Apache Kafka 4.3.0, when a
 * copartition group has repartition topics only.  0: there are none. */
static int32_t fixed_count(const struct work *work, bool *out_differ)
{
    int32_t first = 0;
    *out_differ = false;
    for (int32_t i = 0; i < work->topology->subtopologies.count; i++) {
        const subtopology_value *subtopology = &work->topology->subtopologies.items[i];
        for (int32_t j = 0; j < subtopology->repartition_source_topics.count; j++) {
            const topic_value *topic = &subtopology->repartition_source_topics.items[j];
            if (topic->partitions == 0)
                continue;
            int32_t count = count_of(work, topic->name);
            *out_differ |= first != 0 && count != first;
            first = first == 0 ? count : first;
        }
    }
    return first;
}

/* The count for the repartition topics of a group; work->is_wrong when there is none. */
static enum weir_status common_count(struct work *work, struct weir_slice *names, size_t count,
                                     int32_t *out)
{
    int32_t external = -1;
    int32_t most = 0;
    bool differ = false;
    for (size_t i = 0; i < count; i++) {
        int32_t partitions = count_of(work, names[i]);
        if (kind_of(work, names[i]) == NOT_REPARTITION) {
            differ |= external >= 0 && partitions != external;
            external = external < 0 ? partitions : external;
        }
        most = partitions > most ? partitions : most;
    }
    if (external >= 0) {
        *out = external;
    } else {
        int32_t fixed = fixed_count(work, &differ);
        *out = fixed != 0 ? fixed : most;
        if (*out == 0) {
            weir_detail_set(work->detail, "All topics in the copartition group had undefined "
                                          "partition number");
            return WEIR_STREAMS_INVALID_TOPOLOGY;
        }
    }
    return differ ? say_wrong(work, WEIR_STREAMS_INCORRECTLY_PARTITIONED_TOPICS,
                              counts_text(work, names, count, external >= 0))
                  : WEIR_OK;
}

static enum weir_status enforce(struct work *work, struct weir_slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (count_of(work, names[i]) < 0) {
            weir_detail_set(work->detail, "Number of partitions is not set for topic: %.*s",
                            WEIR_SLICE_ARGS(names[i]));
            return WEIR_UNKNOWN_SERVER_ERROR;
        }
    int32_t wanted = 0;
    enum weir_status status = common_count(work, names, count, &wanted);
    for (size_t i = 0; i < count && status == WEIR_OK && !work->is_wrong; i++) {
        enum repartition_kind kind = kind_of(work, names[i]);
        int32_t partitions = count_of(work, names[i]);
        if (kind == FIXED && partitions != wanted)
            status = say_wrong(
                work, WEIR_STREAMS_INCORRECTLY_PARTITIONED_TOPICS,
                weir_arena_printf(&work->out->arena,
                                  "Number of partitions [%d] of repartition topic [%.*s] doesn't "
                                  "match number of partitions [%d] of the source topic.",
                                  partitions, WEIR_SLICE_ARGS(names[i]), wanted));
        else if (kind != NOT_REPARTITION)
            status = decide(work, names[i], wanted);
    }
    return status;
}

static enum weir_status
enforce_group(struct work *work, const subtopology_value *subtopology,
              const struct weir_streams_group_topology_value_copartition_group *group)
{
    size_t count =
        (size_t)group->source_topics.count + (size_t)group->repartition_source_topics.count;
    struct weir_slice *names = weir_arena_calloc(&work->out->arena, count, sizeof(*names));
    if (names == NULL)
        return WEIR_NO_MEMORY;
    size_t used = 0;
    for (int32_t i = 0; i < group->source_topics.count; i++) {
        int16_t index = group->source_topics.items[i];
        if (index < 0 || index >= subtopology->source_topics.count)
            goto out_of_range;
        names[used++] = subtopology->source_topics.items[index];
    }
    for (int32_t i = 0; i < group->repartition_source_topics.count; i++) {
        int16_t index = group->repartition_source_topics.items[i];
        if (index < 0 || index >= subtopology->repartition_source_topics.count)
            goto out_of_range;
        names[used++] = subtopology->repartition_source_topics.items[index].name;
    }
    return used == 0 ? WEIR_OK : enforce(work, names, used);
out_of_range:
    weir_detail_set(work->detail, "A copartition group names a topic that is not there.");
    return WEIR_UNKNOWN_SERVER_ERROR;
}

static enum weir_status enforce_copartitioning(struct work *work)
{
    enum weir_status status = WEIR_OK;
    for (int32_t i = 0; i < work->topology->subtopologies.count; i++) {
        const subtopology_value *subtopology = &work->topology->subtopologies.items[i];
        for (int32_t j = 0;
             j < subtopology->copartition_groups.count && status == WEIR_OK && !work->is_wrong; j++)
            status = enforce_group(work, subtopology, &subtopology->copartition_groups.items[j]);
    }
    return status;
}

/* ---- 4 ---- */

/* 0: it reads nothing, or a topic without a count. */
static int32_t task_count(const struct work *work, const subtopology_value *subtopology)
{
    int32_t most = 0;
    for (int32_t i = 0; i < subtopology->source_topics.count; i++) {
        int32_t count = count_of(work, subtopology->source_topics.items[i]);
        most = count > most ? count : most;
    }
    for (int32_t i = 0; i < subtopology->repartition_source_topics.count; i++) {
        int32_t count = count_of(work, subtopology->repartition_source_topics.items[i].name);
        most = count > most ? count : most;
    }
    return most;
}

static enum weir_status decide_tasks(struct work *work)
{
    size_t count = (size_t)work->topology->subtopologies.count;
    struct streams_configured_subtopology *subtopologies =
        weir_arena_calloc(&work->out->arena, count, sizeof(*subtopologies));
    if (subtopologies == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        const subtopology_value *value = &work->topology->subtopologies.items[i];
        subtopologies[i] = (struct streams_configured_subtopology){
            .value = value, .task_count = task_count(work, value)};
        if (subtopologies[i].task_count <= 0) {
            weir_detail_set(work->detail, "No source topics found for subtopology %.*s",
                            WEIR_SLICE_ARGS(value->subtopology_id));
            return WEIR_STREAMS_INVALID_TOPOLOGY;
        }
        for (int32_t j = 0; j < value->state_changelog_topics.count && status == WEIR_OK; j++)
            status = decide(work, value->state_changelog_topics.items[j].name,
                            subtopologies[i].task_count);
    }
    work->out->subtopologies = subtopologies;
    work->out->subtopology_count = count;
    return status;
}

/* ---- 5 ---- */

static int compare_missing(const void *a, const void *b)
{
    return weir_slice_compare(((const struct weir_streams_missing_topic *)a)->name,
                              ((const struct weir_streams_missing_topic *)b)->name);
}

static enum weir_status check_internal(struct work *work, const topic_value *topic)
{
    int32_t wanted = streams_decided_count(work->out, topic);
    int32_t found = work->topics->partition_count(work->topics, topic->name);
    if (found < 0) {
        work->out->missing[work->out->missing_count++] = (struct weir_streams_missing_topic){
            .name = topic->name,
            .partition_count = wanted,
            .replication_factor = topic->replication_factor == 0 ? -1 : topic->replication_factor,
            .configs = topic->topic_configs.items,
            .config_count = (size_t)topic->topic_configs.count};
        return WEIR_OK;
    }
    return found == wanted
               ? WEIR_OK
               : say_wrong(work, WEIR_STREAMS_INCORRECTLY_PARTITIONED_TOPICS,
                           weir_arena_printf(&work->out->arena,
                                             "Existing topic %.*s has different number "
                                             "of partitions: expected %d, found %d",
                                             WEIR_SLICE_ARGS(topic->name), wanted, found));
}

/* Names them in the order of Apache Kafka, which keeps them in a hash table. */
static enum weir_status say_missing(struct streams_configured *out)
{
    const size_t count = out->missing_count;
    struct weir_slice *names = weir_arena_calloc(&out->arena, 2 * count, sizeof(*names));
    uint32_t *order;
    if (names == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        names[i] = out->missing[i].name;
    if (java_map_order(names, count, 0, &out->arena, &order) != WEIR_OK)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        names[count + i] = names[order[i]];
    struct weir_slice text = summary(&out->arena, names + count, count);
    out->status = (struct weir_streams_status){
        .code = WEIR_STREAMS_MISSING_INTERNAL_TOPICS,
        .detail = weir_arena_printf(&out->arena, "Internal topics are missing: %.*s",
                                    WEIR_SLICE_ARGS(text))};
    return weir_slice_is_null(out->status.detail) ? WEIR_NO_MEMORY : WEIR_OK;
}

static enum weir_status find_missing(struct work *work)
{
    struct streams_configured *out = work->out;
    size_t count = 0;
    for (size_t i = 0; i < out->subtopology_count; i++)
        count += (size_t)out->subtopologies[i].value->repartition_source_topics.count +
                 (size_t)out->subtopologies[i].value->state_changelog_topics.count;
    out->missing = weir_arena_calloc(&out->arena, count, sizeof(*out->missing));
    if (out->missing == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < out->subtopology_count; i++) {
        const subtopology_value *value = out->subtopologies[i].value;
        for (int32_t j = 0; j < value->repartition_source_topics.count; j++)
            if (status == WEIR_OK && !work->is_wrong)
                status = check_internal(work, &value->repartition_source_topics.items[j]);
        for (int32_t j = 0; j < value->state_changelog_topics.count; j++)
            if (status == WEIR_OK && !work->is_wrong)
                status = check_internal(work, &value->state_changelog_topics.items[j]);
    }
    if (status != WEIR_OK || work->is_wrong || out->missing_count == 0)
        return status;
    qsort(out->missing, out->missing_count, sizeof(*out->missing), compare_missing);
    size_t kept = 1;
    for (size_t i = 1; i < out->missing_count; i++)
        if (!weir_slice_equal(out->missing[i].name, out->missing[kept - 1].name))
            out->missing[kept++] = out->missing[i];
    out->missing_count = kept;
    return say_missing(out);
}

/* ---- All of it ---- */

static int compare_subtopologies(const void *a, const void *b)
{
    return weir_slice_compare(((const subtopology_value *)a)->subtopology_id,
                              ((const subtopology_value *)b)->subtopology_id);
}

static enum weir_status copy_topology(struct work *work, const topology_value *from)
{
    struct weir_buf bytes = {0};
    struct weir_writer writer;
    weir_writer_init(&writer, &bytes);
    weir_streams_group_topology_value_write(&writer, 0, from);
    enum weir_status status = weir_writer_status(&writer);
    weir_writer_done(&writer);
    struct weir_arena *arena = &work->out->arena;
    struct weir_slice kept;
    if (status == WEIR_OK)
        status = weir_arena_copy(arena, weir_buf_slice(&bytes), &kept);
    weir_buf_done(&bytes);
    work->topology = weir_arena_calloc(arena, 1, sizeof(*work->topology));
    if (status != WEIR_OK || work->topology == NULL)
        return WEIR_NO_MEMORY;
    struct weir_reader reader;
    weir_reader_init(&reader, kept, arena);
    weir_streams_group_topology_value_read(&reader, 0, work->topology);
    const size_t count = (size_t)work->topology->subtopologies.count;
    if (count > 1)
        qsort(work->topology->subtopologies.items, count, sizeof(subtopology_value),
              compare_subtopologies);
    return weir_reader_status(&reader);
}

static enum weir_status configure(struct work *work)
{
    enum weir_status status = check_sources(work);
    if (status == WEIR_OK && !work->is_wrong)
        status = decide_repartition(work);
    if (status == WEIR_OK && !work->is_wrong)
        status = enforce_copartitioning(work);
    if (status == WEIR_OK && !work->is_wrong)
        status = decide_tasks(work);
    if (status == WEIR_OK && !work->is_wrong)
        status = find_missing(work);
    if (work->is_wrong) {
        work->out->subtopology_count = 0;
        work->out->missing_count = 0;
    }
    work->out->is_ready = status == WEIR_OK && !work->is_wrong && work->out->missing_count == 0;
    return status;
}

enum weir_status streams_configure(const topology_value *topology,
                                   const struct streams_topics *topics,
                                   struct streams_configured **out, struct weir_detail *detail)
{
    struct work work = {
        .out = weir_calloc(1, sizeof(*work.out)), .topics = topics, .detail = detail};
    if (work.out == NULL)
        return WEIR_NO_MEMORY;
    weir_arena_init(&work.out->arena, 0);
    work.out->topology_epoch = topology->epoch;
    enum weir_status status = copy_topology(&work, topology);
    if (status == WEIR_OK)
        status = configure(&work);
    if (status != WEIR_OK) {
        streams_configured_free(work.out);
        return status;
    }
    *out = work.out;
    return WEIR_OK;
}

void streams_configured_free(struct streams_configured *configured)
{
    if (configured == NULL)
        return;
    weir_map_done(&configured->decided);
    weir_arena_done(&configured->arena);
    weir_free(configured);
}

int32_t streams_decided_count(const struct streams_configured *configured, const topic_value *topic)
{
    if (topic->partitions != 0)
        return topic->partitions;
    const struct decided *decided = weir_map_get(&configured->decided, topic->name);
    return decided == NULL ? 0 : decided->count;
}

const struct streams_configured_subtopology *
streams_configured_find(const struct streams_configured *configured, struct weir_slice id)
{
    for (size_t i = 0; i < configured->subtopology_count; i++)
        if (weir_slice_equal(configured->subtopologies[i].value->subtopology_id, id))
            return &configured->subtopologies[i];
    return NULL;
}
