/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Share groups.  Who has what is a table of bits: one row for each member, one column for each
 * partition of all topics.
 *
 * A share-out is over some columns and the members who may have them:  every partition is to have
 * `sharing` owners, every member `quota` partitions; their totals are equal.  First what is too
 * much is taken away, from members and then from partitions; then what is missing is dealt out in
 * turn to those who have room.  A partition that none of them can take once more stays with fewer
 * owners.
 */

#include "weir/assign/simple_assignor.h"

#include "assign_int.h"

#include "weir/base/limits.h"

#define WORD_BITS 64

struct table {
    const struct weir_assign_spec *spec;
    struct weir_arena *arena;
    size_t *first; /* column of each topic, and one more: the number of columns */
    size_t column_count;
    size_t row_words;
    uint64_t *bits;
};

/* The columns from..to of a table, and who may have them. */
struct share_out {
    struct table *table;
    size_t from;
    size_t to; /* exclusive */
    const uint32_t *members;
    size_t member_count;
    size_t sharing;
    size_t *counts;    /* of each member's partitions */
    size_t *owners;    /* of each column */
    uint32_t *waiting; /* members with room, by index into members */
    size_t waiting_count;
};

static bool has(const struct table *table, uint32_t member, size_t column)
{
    return (table->bits[member * table->row_words + column / WORD_BITS] >> (column % WORD_BITS)) &
           1u;
}

static void flip(struct table *table, uint32_t member, size_t column)
{
    table->bits[member * table->row_words + column / WORD_BITS] ^= UINT64_C(1)
                                                                   << (column % WORD_BITS);
}

static bool spec_is_sound(const struct weir_assign_spec *spec)
{
    for (size_t t = 0; t < spec->topic_count; t++) {
        if (spec->topics[t].partition_count < 0)
            return false;
    }
    for (size_t m = 0; m < spec->member_count; m++) {
        const struct weir_assign_member *member = &spec->members[m];
        for (size_t i = 0; i < member->topic_count; i++) {
            if (member->topics[i] >= spec->topic_count ||
                (i > 0 && member->topics[i] <= member->topics[i - 1]))
                return false;
        }
        for (size_t i = 0; i < member->owned_count; i++) {
            if (member->owned[i].topic >= spec->topic_count ||
                (i > 0 && member->owned[i].topic <= member->owned[i - 1].topic))
                return false;
        }
    }
    return spec->member_count < UINT32_MAX;
}

static enum weir_status make_table(struct table *table)
{
    const struct weir_assign_spec *spec = table->spec;
    size_t word_count;
    table->first = weir_arena_calloc(table->arena, spec->topic_count + 1, sizeof(size_t));
    if (table->first == NULL)
        return WEIR_NO_MEMORY;
    for (size_t t = 0; t < spec->topic_count; t++)
        table->first[t + 1] = table->first[t] + (size_t)spec->topics[t].partition_count;
    table->column_count = table->first[spec->topic_count];
    table->row_words = (table->column_count + WORD_BITS - 1) / WORD_BITS;
    if (!weir_mul_size(table->row_words, spec->member_count, &word_count))
        return WEIR_NO_MEMORY;
    table->bits = weir_arena_calloc(table->arena, word_count, sizeof(uint64_t));
    return table->bits == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

/* What they have already and may keep. */
static void fill_owned(struct table *table)
{
    const struct weir_assign_spec *spec = table->spec;
    for (size_t m = 0; m < spec->member_count; m++) {
        const struct weir_assign_member *member = &spec->members[m];
        for (size_t i = 0; i < member->owned_count; i++) {
            const struct weir_assign_partitions *owned = &member->owned[i];
            if (!subscribes_to(member, owned->topic))
                continue;
            for (size_t p = 0; p < owned->partition_count; p++) {
                int32_t partition = owned->partitions[p];
                size_t column = table->first[owned->topic] + (size_t)partition;
                if (partition >= 0 && partition < spec->topics[owned->topic].partition_count &&
                    !has(table, (uint32_t)m, column))
                    flip(table, (uint32_t)m, column);
            }
        }
    }
}

/* How many partitions the i-th member is to have: the whole total, spread evenly. */
static size_t quota(const struct share_out *it, size_t i)
{
    size_t total = it->sharing * (it->to - it->from);
    size_t count = it->member_count;
    return (total * (i + 1) + count - 1) / count - (total * i + count - 1) / count;
}

static void count_all(struct share_out *it)
{
    for (size_t i = 0; i < it->member_count; i++) {
        it->counts[i] = 0;
        for (size_t column = it->from; column < it->to; column++) {
            if (!has(it->table, it->members[i], column))
                continue;
            it->counts[i]++;
            it->owners[column - it->from]++;
        }
    }
}

static void take(struct share_out *it, size_t i, size_t column)
{
    flip(it->table, it->members[i], column);
    it->counts[i]--;
    it->owners[column - it->from]--;
}

static void take_too_much(struct share_out *it)
{
    for (size_t i = 0; i < it->member_count; i++) {
        size_t wanted = quota(it, i);
        for (size_t column = it->from; column < it->to && it->counts[i] > wanted; column++) {
            if (has(it->table, it->members[i], column))
                take(it, i, column);
        }
    }
    for (size_t column = it->from; column < it->to; column++) {
        for (size_t i = 0; i < it->member_count && it->owners[column - it->from] > it->sharing;
             i++) {
            if (has(it->table, it->members[i], column))
                take(it, i, column);
        }
    }
}

/* Gives the column to the next in turn who does not have it.  False: there is none. */
static bool deal(struct share_out *it, size_t column, size_t *turn)
{
    for (size_t tried = 0; tried < it->waiting_count; tried++) {
        size_t at = (*turn + tried) % it->waiting_count;
        uint32_t i = it->waiting[at];
        if (has(it->table, it->members[i], column))
            continue;
        flip(it->table, it->members[i], column);
        it->counts[i]++;
        it->owners[column - it->from]++;
        *turn = at + 1;
        if (it->counts[i] >= quota(it, i)) {
            memmove(&it->waiting[at], &it->waiting[at + 1],
                    (it->waiting_count - at - 1) * sizeof(it->waiting[0]));
            it->waiting_count--;
            *turn = at;
        }
        return true;
    }
    return false;
}

static enum weir_status share_out(struct table *table, size_t from, size_t to,
                                  const uint32_t *members, size_t member_count)
{
    struct share_out it = {
        .table = table, .from = from, .to = to, .members = members, .member_count = member_count};
    if (from == to || member_count == 0)
        return WEIR_OK;
    it.sharing = (member_count + (to - from) - 1) / (to - from);
    it.counts = weir_arena_calloc(table->arena, member_count, sizeof(size_t));
    it.owners = weir_arena_calloc(table->arena, to - from, sizeof(size_t));
    it.waiting = weir_arena_calloc(table->arena, member_count, sizeof(uint32_t));
    if (it.counts == NULL || it.owners == NULL || it.waiting == NULL)
        return WEIR_NO_MEMORY;
    count_all(&it);
    take_too_much(&it);
    for (size_t i = 0; i < member_count; i++) {
        if (it.counts[i] < quota(&it, i))
            it.waiting[it.waiting_count++] = (uint32_t)i;
    }
    size_t turn = 0;
    for (size_t column = from; column < to; column++) {
        while (it.waiting_count > 0 && it.owners[column - from] < it.sharing &&
               deal(&it, column, &turn))
            continue;
    }
    return WEIR_OK;
}

static bool subscriptions_are_equal(const struct weir_assign_spec *spec)
{
    for (size_t m = 1; m < spec->member_count; m++) {
        const struct weir_assign_member *one = &spec->members[0];
        const struct weir_assign_member *other = &spec->members[m];
        if (one->topic_count != other->topic_count ||
            (one->topic_count > 0 &&
             memcmp(one->topics, other->topics, one->topic_count * sizeof(one->topics[0])) != 0))
            return false;
    }
    return !spec->is_heterogeneous;
}

/* Topics that nobody subscribes to are no one's columns: only when all subscribe to all of them may
 * they be shared out at once. */
static bool is_one_share_out(const struct weir_assign_spec *spec)
{
    return spec->member_count > 0 && spec->members[0].topic_count == spec->topic_count &&
           subscriptions_are_equal(spec);
}

static enum weir_status fill_member(const struct table *table, uint32_t m,
                                    struct weir_assign_member_result *out)
{
    const struct weir_assign_spec *spec = table->spec;
    struct weir_assign_partitions *topics =
        weir_arena_calloc(table->arena, spec->members[m].topic_count, sizeof(*topics));
    if (topics == NULL)
        return WEIR_NO_MEMORY;
    *out = (struct weir_assign_member_result){.topics = topics};
    for (uint32_t t = 0; t < spec->topic_count; t++) {
        size_t count = 0;
        for (size_t column = table->first[t]; column < table->first[t + 1]; column++)
            count += has(table, m, column);
        if (count == 0)
            continue;
        int32_t *partitions = weir_arena_calloc(table->arena, count, sizeof(*partitions));
        if (partitions == NULL)
            return WEIR_NO_MEMORY;
        topics[out->topic_count++] = (struct weir_assign_partitions){
            .topic = t, .partitions = partitions, .partition_count = count};
        out->partition_count += count;
        for (size_t column = table->first[t]; column < table->first[t + 1]; column++) {
            if (has(table, m, column))
                *partitions++ = (int32_t)(column - table->first[t]);
        }
    }
    return WEIR_OK;
}

/* All at once when everybody has the same topics, else topic by topic. */
static enum weir_status run(struct table *table)
{
    const struct weir_assign_spec *spec = table->spec;
    uint32_t *members = weir_arena_calloc(table->arena, spec->member_count, sizeof(*members));
    if (members == NULL)
        return WEIR_NO_MEMORY;
    bool is_one = is_one_share_out(spec);
    for (uint32_t t = 0; t < (is_one ? 1 : spec->topic_count); t++) {
        size_t count = 0;
        for (uint32_t m = 0; m < spec->member_count; m++) {
            if (is_one || subscribes_to(&spec->members[m], t))
                members[count++] = m;
        }
        enum weir_status status =
            share_out(table, table->first[t], is_one ? table->column_count : table->first[t + 1],
                      members, count);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

enum weir_status weir_assign_simple(const struct weir_assign_spec *spec, struct weir_arena *arena,
                                    struct weir_assignment *out)
{
    struct table table = {.spec = spec, .arena = arena};
    if (!spec_is_sound(spec))
        return WEIR_INVALID;
    struct weir_assignment result = {.member_count = spec->member_count};
    result.members = weir_arena_calloc(arena, spec->member_count, sizeof(*result.members));
    enum weir_status status = result.members == NULL ? WEIR_NO_MEMORY : make_table(&table);
    if (status != WEIR_OK)
        return status;
    fill_owned(&table);
    status = run(&table);
    for (uint32_t m = 0; m < spec->member_count && status == WEIR_OK; m++)
        status = fill_member(&table, m, &result.members[m]);
    if (status == WEIR_OK)
        *out = result;
    return status;
}
