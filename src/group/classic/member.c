/* SPDX-License-Identifier: Apache-2.0 */
#include "classic_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

void protocols_drop(struct weir_group_protocol *protocols, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        text_drop(&protocols[i].name);
        text_drop(&protocols[i].metadata);
    }
    weir_free(protocols);
}

/* A name that comes twice counts once, as it was said first: two votes for it would be one too
 * many. */
enum weir_status protocols_dup(const struct weir_group_protocol *from, size_t count,
                               struct weir_group_protocol **out, size_t *out_count)
{
    struct weir_group_protocol *copy = weir_calloc(count + 1, sizeof(*copy));
    if (copy == NULL)
        return WEIR_NO_MEMORY;
    struct weir_map names = {0};
    size_t kept = 0;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        if (weir_map_get(&names, from[i].name) != NULL)
            continue;
        status = text_dup(from[i].name, &copy[kept].name);
        if (status == WEIR_OK)
            status =
                text_dup(weir_slice_is_null(from[i].metadata) ? WEIR_EMPTY_SLICE : from[i].metadata,
                         &copy[kept].metadata);
        if (status == WEIR_OK)
            status = weir_map_put(&names, copy[kept].name, &copy[kept], NULL);
        kept++;
    }
    weir_map_done(&names);
    if (status != WEIR_OK) {
        protocols_drop(copy, kept);
        return status;
    }
    *out = copy;
    *out_count = kept;
    return WEIR_OK;
}

enum weir_status classic_member_new(struct classic_group *group,
                                    const struct classic_member_setup *setup,
                                    struct classic_member **out)
{
    struct classic_member *member = weir_calloc(1, sizeof(*member));
    if (member == NULL)
        return WEIR_NO_MEMORY;
    member->group = group;
    member->rebalance_timeout_ms = setup->rebalance_timeout_ms;
    member->session_timeout_ms = setup->session_timeout_ms;
    bool has_assignment = !weir_slice_is_null(setup->assignment);
    enum weir_status status = timer_init(group->base.machine, &member->session, session_expired);
    if (status == WEIR_OK)
        status = text_dup(setup->id, &member->id);
    if (status == WEIR_OK)
        status = text_dup(setup->instance_id, &member->instance_id);
    if (status == WEIR_OK)
        status = text_dup(setup->client_id, &member->client_id);
    if (status == WEIR_OK)
        status = text_dup(setup->client_host, &member->client_host);
    if (status == WEIR_OK)
        status =
            text_dup(has_assignment ? setup->assignment : WEIR_EMPTY_SLICE, &member->assignment);
    if (status == WEIR_OK)
        status = protocols_dup(setup->protocols, setup->protocol_count, &member->protocols,
                               &member->protocol_count);
    if (status != WEIR_OK) {
        classic_member_free(member);
        return status;
    }
    *out = member;
    return WEIR_OK;
}

void classic_member_free(struct classic_member *member)
{
    if (member == NULL)
        return;
    WEIR_ASSERT(member->join == NULL && member->sync == NULL);
    timer_done(member->group->base.machine, &member->session);
    text_drop(&member->id);
    text_drop(&member->instance_id);
    text_drop(&member->client_id);
    text_drop(&member->client_host);
    text_drop(&member->assignment);
    protocols_drop(member->protocols, member->protocol_count);
    weir_free(member);
}

bool classic_member_is_static(const struct classic_member *member)
{
    return !weir_slice_is_null(member->instance_id);
}

struct weir_slice classic_member_metadata(const struct classic_member *member,
                                          struct weir_slice protocol)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        if (weir_slice_equal(member->protocols[i].name, protocol))
            return member->protocols[i].metadata;
    }
    return WEIR_EMPTY_SLICE;
}

bool classic_member_has_protocols(const struct classic_member *member,
                                  const struct weir_group_protocol *protocols, size_t count)
{
    if (member->protocol_count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!weir_slice_equal(member->protocols[i].name, protocols[i].name) ||
            !weir_slice_equal(member->protocols[i].metadata, protocols[i].metadata))
            return false;
    }
    return true;
}
