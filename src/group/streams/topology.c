/* SPDX-License-Identifier: Apache-2.0 */

/* What a topology says of itself, without a look at the topics that exist. */

#include "streams_int.h"

#include <stdlib.h>

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

enum weir_status topology_required(const topology_value *topology, struct weir_arena *arena,
                                   struct weir_slice **out, size_t *out_count)
{
    size_t count = 0;
    for (int32_t i = 0; i < topology->subtopologies.count; i++) {
        const subtopology_value *subtopology = &topology->subtopologies.items[i];
        count += (size_t)subtopology->source_topics.count +
                 (size_t)subtopology->repartition_source_topics.count +
                 (size_t)subtopology->state_changelog_topics.count;
    }
    struct weir_slice *names = weir_arena_calloc(arena, count, sizeof(*names));
    if (names == NULL)
        return WEIR_NO_MEMORY;
    count = 0;
    for (int32_t i = 0; i < topology->subtopologies.count; i++) {
        const subtopology_value *subtopology = &topology->subtopologies.items[i];
        for (int32_t j = 0; j < subtopology->source_topics.count; j++)
            names[count++] = subtopology->source_topics.items[j];
        for (int32_t j = 0; j < subtopology->repartition_source_topics.count; j++)
            names[count++] = subtopology->repartition_source_topics.items[j].name;
        for (int32_t j = 0; j < subtopology->state_changelog_topics.count; j++)
            names[count++] = subtopology->state_changelog_topics.items[j].name;
    }
    qsort(names, count, sizeof(*names), compare_names);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !weir_slice_equal(names[i], names[kept - 1]))
            names[kept++] = names[i];
    *out = names;
    *out_count = kept;
    return WEIR_OK;
}

/* One subtopology as the bytes of a topology that has nothing else. */
static enum weir_status encode(const subtopology_value *subtopology, struct weir_buf *out)
{
    topology_value alone;
    weir_streams_group_topology_value_init(&alone);
    alone.subtopologies.items = (subtopology_value *)(uintptr_t)subtopology; /* only read */
    alone.subtopologies.count = 1;
    struct weir_writer writer;
    weir_writer_init(&writer, out);
    weir_streams_group_topology_value_write(&writer, 0, &alone);
    enum weir_status status = weir_writer_status(&writer);
    weir_writer_done(&writer);
    return status;
}

static const subtopology_value *find_subtopology(const topology_value *topology,
                                                 struct weir_slice id)
{
    for (int32_t i = 0; i < topology->subtopologies.count; i++)
        if (weir_slice_equal(topology->subtopologies.items[i].subtopology_id, id))
            return &topology->subtopologies.items[i];
    return NULL;
}

enum weir_status topology_equal(const topology_value *a, const topology_value *b, bool *out)
{
    bool is_equal = a->epoch == b->epoch && a->subtopologies.count == b->subtopologies.count;
    enum weir_status status = WEIR_OK;
    for (int32_t i = 0; i < a->subtopologies.count && is_equal && status == WEIR_OK; i++) {
        const subtopology_value *left = &a->subtopologies.items[i];
        const subtopology_value *right = find_subtopology(b, left->subtopology_id);
        struct weir_buf left_bytes = {0};
        struct weir_buf right_bytes = {0};
        is_equal = right != NULL;
        if (is_equal)
            status = encode(left, &left_bytes);
        if (is_equal && status == WEIR_OK)
            status = encode(right, &right_bytes);
        if (is_equal && status == WEIR_OK)
            is_equal = weir_slice_equal(weir_buf_slice(&left_bytes), weir_buf_slice(&right_bytes));
        weir_buf_done(&left_bytes);
        weir_buf_done(&right_bytes);
    }
    if (status == WEIR_OK)
        *out = is_equal;
    return status;
}

const subtopology_value *topology_reader(const topology_value *topology, struct weir_slice topic)
{
    for (int32_t i = 0; i < topology->subtopologies.count; i++) {
        const subtopology_value *subtopology = &topology->subtopologies.items[i];
        for (int32_t j = 0; j < subtopology->source_topics.count; j++)
            if (weir_slice_equal(subtopology->source_topics.items[j], topic))
                return subtopology;
        for (int32_t j = 0; j < subtopology->repartition_source_topics.count; j++)
            if (weir_slice_equal(subtopology->repartition_source_topics.items[j].name, topic))
                return subtopology;
    }
    return NULL;
}
