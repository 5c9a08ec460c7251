/* SPDX-License-Identifier: Apache-2.0 */
#include "group_features.h"

bool weir_group_protocol_is_enabled(const struct weir_call *call, const char *feature,
                                    const char *protocol)
{
    if (weir_image_feature_level(call->image, feature) <= 0)
        return false;
    const struct weir_config_resolver resolver = weir_call_resolver(call);
    struct weir_slice rest =
        weir_config_broker_str(&resolver, "group.coordinator.rebalance.protocols");
    struct weir_slice name;
    while (weir_config_list_next(&rest, &name)) {
        if (weir_slice_is(name, protocol))
            return true;
    }
    return false;
}
