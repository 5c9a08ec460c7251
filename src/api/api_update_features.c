/* SPDX-License-Identifier: Apache-2.0 */

/* UpdateFeatures: the controller decides on all of them together. */

#include "api_int.h"

#include "weir/protocol/messages/update_features_request.h"
#include "weir/protocol/messages/update_features_response.h"

typedef struct weir_update_features_request request_t;
typedef struct weir_update_features_response_updatable_feature_result result_t;

enum { UPGRADE = 1, SAFE_DOWNGRADE = 2 };

static void respond(struct weir_call *call, struct weir_controller_op *op)
{
    const struct weir_update_features_op *decided = &op->update_features;
    struct weir_update_features_response response;
    weir_update_features_response_init(&response);
    response.error_code = weir_code(op->result.status);
    response.error_message = op->result.message;
    if (weir_update_features_response_has_results(call->version) && op->result.status == WEIR_OK) {
        response.results.items = WEIR_CALL_ALLOC(call, result_t, decided->update_count);
        if (response.results.items == NULL) {
            weir_call_close(call);
            return;
        }
        response.results.count = (int32_t)decided->update_count;
        for (size_t i = 0; i < decided->update_count; i++) {
            result_t *result = &response.results.items[i];
            weir_update_features_response_updatable_feature_result_init(result);
            result->feature = decided->updates[i].name;
            result->error_code = weir_code(decided->updates[i].result.status);
            result->error_message = decided->updates[i].result.message;
        }
    }
    weir_call_respond(call, &response);
}

void weir_api_update_features(struct weir_call *call)
{
    const request_t *request = call->body;
    struct weir_controller_op *op = WEIR_CALL_ALLOC(call, struct weir_controller_op, 1);
    struct weir_feature_update *updates =
        WEIR_CALL_ALLOC(call, struct weir_feature_update, request->feature_updates.count);
    if (op == NULL || updates == NULL) {
        weir_call_close(call);
        return;
    }
    const bool has_type =
        weir_update_features_request_feature_update_key_has_upgrade_type(call->version);
    for (int32_t i = 0; i < request->feature_updates.count; i++) {
        const struct weir_update_features_request_feature_update_key *asked =
            &request->feature_updates.items[i];
        updates[i].name = asked->feature;
        updates[i].level = asked->max_version_level;
        updates[i].upgrade_type = has_type                 ? asked->upgrade_type
                                  : asked->allow_downgrade ? SAFE_DOWNGRADE
                                                           : UPGRADE;
    }
    op->kind = WEIR_CONTROLLER_UPDATE_FEATURES;
    op->update_features.updates = updates;
    op->update_features.update_count = (size_t)request->feature_updates.count;
    op->update_features.validate_only = request->validate_only;
    weir_call_control(call, op, respond);
}
