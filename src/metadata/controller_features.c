/* SPDX-License-Identifier: Apache-2.0 */

/* UpdateFeatures: all updates or none; the answer names the first that is wrong. */

#include "controller_int.h"

#include "weir/quorum/format.h"

#include <inttypes.h>

enum { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 };

/* Features whose levels the metadata of brokers must support as well. */
static const struct weir_supported_feature *find_supported(struct weir_slice name)
{
    size_t count;
    const struct weir_supported_feature *supported = weir_supported_features(&count);
    for (size_t i = 0; i < count; i++) {
        if (weir_slice_is(name, supported[i].name))
            return &supported[i];
    }
    return NULL;
}

static struct weir_slice why_invalid(struct weir_decision *decision,
                                     const struct weir_feature_update *update)
{
    struct weir_arena *arena = decision->arena;
    if (update->name.size == 0 && update->upgrade_type >= UPGRADE &&
        update->upgrade_type <= UNSAFE_DOWNGRADE)
        return weir_arena_printf(arena, "Feature  not found.");
    if (update->upgrade_type < UPGRADE || update->upgrade_type > UNSAFE_DOWNGRADE)
        return weir_arena_printf(arena, "The controller does not support the given upgrade type.");
    int32_t node_id = decision->controller->options.node_id;
    const struct weir_supported_feature *supported = find_supported(update->name);
    if (supported == NULL)
        return weir_arena_printf(arena, "Local controller %d does not support this feature.",
                                 node_id);
    if (update->level < supported->min || update->level > supported->max)
        return weir_arena_printf(arena, "Local controller %d only supports versions %d-%d", node_id,
                                 supported->min, supported->max);
    for (size_t i = 0; i < weir_image_broker_count(decision->image); i++) {
        const struct weir_image_broker *broker = weir_image_broker_at(decision->image, i);
        for (size_t j = 0; j < broker->feature_count; j++) {
            const struct weir_image_feature_range *range = &broker->features[j];
            if (weir_slice_equal(range->name, update->name) &&
                (update->level < range->min || update->level > range->max))
                return weir_arena_printf(arena, "Broker %d only supports versions %d-%d",
                                         broker->id, range->min, range->max);
        }
    }
    int16_t now = weir_image_feature_level(decision->image, supported->name);
    if (update->level < now && update->upgrade_type == UPGRADE)
        return weir_arena_printf(
            arena, "Can't downgrade the version of this feature without setting the upgrade type "
                   "to either safe or unsafe downgrade.");
    if (update->level > now && update->upgrade_type != UPGRADE)
        return weir_arena_printf(arena, "Can't downgrade to a newer version.");
    if (strcmp(supported->name, "kraft.version") == 0 && update->level != now)
        return weir_arena_printf(arena, "The voter set of this quorum cannot change its version.");
    return WEIR_NULL_SLICE;
}

/* What is wrong with an update, as Apache Kafka puts it; null when nothing is. */
static struct weir_slice why_not(struct weir_decision *decision,
                                 const struct weir_feature_update *update)
{
    struct weir_slice why = why_invalid(decision, update);
    if (!weir_slice_is_null(why))
        return weir_arena_printf(decision->arena,
                                 "Invalid update version %d for feature %.*s. %.*s", update->level,
                                 WEIR_SLICE_ARGS(update->name), WEIR_SLICE_ARGS(why));
    int16_t now = weir_image_feature_level(decision->image, WEIR_METADATA_VERSION_FEATURE);
    if (weir_slice_is(update->name, WEIR_METADATA_VERSION_FEATURE) && update->level < now)
        return weir_arena_printf(
            decision->arena,
            "Unsupported metadata.version downgrade from %d to %d. %s", now, update->level,
            update->upgrade_type == UNSAFE_DOWNGRADE
                ? "Unsafe metadata downgrade is not supported in this version."
                : "Refusing to perform the requested downgrade because it might delete metadata "
                  "information.");
    return WEIR_NULL_SLICE;
}

void weir_decide_update_features(struct weir_decision *decision)
{
    struct weir_update_features_op *op = &decision->op->update_features;
    for (size_t i = 0; i < op->update_count; i++) {
        struct weir_slice why = why_not(decision, &op->updates[i]);
        op->updates[i].result = weir_result_ok();
        if (weir_slice_is_null(why))
            continue;
        decision->op->result = weir_result_of(
            decision, WEIR_INVALID_UPDATE_VERSION,
            "The update failed for all features since the following feature had an error: %.*s",
            WEIR_SLICE_ARGS(why));
        op->updates[i].result = decision->op->result;
        return;
    }
    for (size_t i = 0; i < op->update_count && !op->validate_only; i++) {
        int16_t now =
            weir_image_feature_level(decision->image, find_supported(op->updates[i].name)->name);
        if (now != op->updates[i].level)
            weir_record_add_feature(decision->records, op->updates[i].name, op->updates[i].level);
    }
}
