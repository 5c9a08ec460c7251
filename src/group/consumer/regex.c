/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Regular expressions are matched against all topic names on a task thread: when a new one comes,
 * when there are new topics, and now and then; never more often than every ten seconds for one
 * group.  What comes back is an event like any other.
 */

#include "consumer_int.h"

#include "weir/base/memory.h"

#define REFRESH_INTERVAL_MS_MIN     10000
#define REFRESH_INTERVAL_MS_DEFAULT 600000

static int64_t refresh_interval_ms(const struct group_machine *machine)
{
    struct weir_slice text = weir_static_config_get(
        machine->context->statics, WEIR_SLICE("group.consumer.regex.refresh.interval.ms"));
    int64_t interval_ms;
    if (!weir_config_parse_i64(text, &interval_ms) || interval_ms < REFRESH_INTERVAL_MS_MIN)
        return REFRESH_INTERVAL_MS_DEFAULT;
    return interval_ms;
}

/* The texts the group subscribes to once `changed` is in it, each once. */
static enum weir_status collect(const struct consumer_group *group,
                                const struct member_data *changed, struct weir_arena *arena,
                                struct weir_slice **out, size_t *out_count)
{
    struct weir_slice *texts = weir_arena_calloc(arena, group->members.count + 1, sizeof(*texts));
    if (texts == NULL)
        return WEIR_NO_MEMORY;
    struct weir_map seen = {0};
    enum weir_status status = WEIR_OK;
    size_t count = 0;
    size_t cursor = 0;
    const struct weir_map_entry *entry = NULL;
    struct weir_slice text = changed->regex;
    do {
        if (text.size > 0 && weir_map_get(&seen, text) == NULL) {
            texts[count] = text;
            status = weir_map_put(&seen, text, &texts[count], NULL);
            count++;
        }
        entry = weir_map_next(&group->members, &cursor);
        if (entry != NULL) {
            const struct consumer_member *member = entry->value;
            bool is_it = weir_slice_equal(member->data.id, changed->id);
            text = is_it ? WEIR_EMPTY_SLICE : member->data.regex;
        }
    } while (entry != NULL && status == WEIR_OK);
    weir_map_done(&seen);
    *out = texts;
    *out_count = count;
    return status;
}

static bool is_due(const struct consumer_group *group, size_t text_count, bool is_new,
                   const struct weir_step *step)
{
    const struct group_machine *machine = group->base.machine;
    if (text_count == 0 || group->is_resolving)
        return false;
    if (group->regexes.count == 0)
        return true;
    if (step->wall_ms <= group->resolved_wall_ms + REFRESH_INTERVAL_MS_MIN)
        return false;
    return is_new || text_count != group->regexes.count ||
           group->resolved_version < machine->new_topics_version ||
           step->wall_ms > group->resolved_wall_ms + refresh_interval_ms(machine);
}

void consumer_take_regex_job(struct consumer_group *group, const struct member_data *changed,
                             bool is_new, struct regex_job_request *out, struct weir_step *step)
{
    if (changed->regex.size == 0 && group->regexes.count == 0)
        return; /* the common case */
    struct weir_slice *texts;
    size_t count;
    if (collect(group, changed, &step->arena, &texts, &count) != WEIR_OK ||
        !is_due(group, count, is_new, step))
        return; /* without memory: the next heartbeat */
    out->texts = weir_calloc(count, sizeof(*out->texts));
    if (out->texts == NULL || text_dup(group->base.id, &out->group_id) != WEIR_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        if (text_dup(texts[i], &out->texts[out->count]) == WEIR_OK)
            out->count++;
    }
    out->image = weir_image_ref(group->base.machine->image);
    group->is_resolving = true;
}

/* ---- The result ---- */

static bool topics_equal(const struct resolved_regex *a, const struct resolved_regex *b)
{
    size_t a_count = a == NULL ? 0 : a->topic_count;
    if (a_count != b->topic_count)
        return false;
    for (size_t i = 0; i < a_count; i++) {
        if (!weir_slice_equal(a->topics[i], b->topics[i]))
            return false;
    }
    return true;
}

void consumer_regexes_resolved(struct group_machine *machine, struct weir_slice group_id,
                               const struct resolved_regex *resolved, size_t count,
                               struct weir_step *step)
{
    machine->now_ms = step->now_ms;
    struct consumer_group *group = consumer_group_of(machine, group_id);
    if (group == NULL)
        return;
    group->is_resolving = false;
    bool has_changed = false;
    for (size_t i = 0; i < count; i++) {
        if (consumer_regex_users(group, resolved[i].text) == 0)
            continue;
        has_changed |= !topics_equal(consumer_regex(group, resolved[i].text), &resolved[i]);
        record_consumer_regex(step, group_id, &resolved[i]);
    }
    const struct group_draft draft = {
        .group = group, .step = step, .resolved = resolved, .resolved_count = count};
    int64_t hash;
    enum weir_status status = draft_hash(&draft, &hash);
    if (status != WEIR_OK) {
        step->status = status;
        return;
    }
    if (!has_changed && hash == group->metadata_hash)
        return;
    record_consumer_epoch(step, group_id, group->epoch + 1, hash);
    group_rebalanced(&group->base, group->epoch + 1, group->members.count,
                     WEIR_SLICE("regular expressions match other topics"), step);
}
