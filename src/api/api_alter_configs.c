/* SPDX-License-Identifier: Apache-2.0 */

/* AlterConfigs: sets what is named and unsets everything else; kept for old clients (KIP-339). */

#include "config_changes.h"

#include "weir/protocol/messages/alter_configs_request.h"
#include "weir/protocol/messages/alter_configs_response.h"

typedef struct weir_alter_configs_request request_t;
typedef struct weir_alter_configs_request_alter_configs_resource asked_t;
typedef struct weir_alter_configs_response_alter_configs_resource_response result_t;

static void respond(struct weir_call *call, const struct weir_config_changes *changes)
{
    struct weir_alter_configs_response response;
    weir_alter_configs_response_init(&response);
    response.responses.items = WEIR_CALL_ALLOC(call, result_t, changes->target_count);
    if (response.responses.items == NULL) {
        weir_call_close(call);
        return;
    }
    response.responses.count = (int32_t)changes->target_count;
    for (size_t i = 0; i < changes->target_count; i++) {
        const struct weir_config_target *target = &changes->targets[i];
        result_t *result = &response.responses.items[i];
        weir_alter_configs_response_alter_configs_resource_response_init(result);
        result->error_code = (int16_t)target->code;
        result->error_message = target->message;
        result->resource_type = target->type;
        result->resource_name = target->name;
    }
    weir_call_respond(call, &response);
}

static enum weir_status fill_target(struct weir_call *call, const asked_t *asked,
                                    struct weir_config_target *out)
{
    struct weir_config_change *changes =
        WEIR_CALL_ALLOC(call, struct weir_config_change, asked->configs.count);
    if (changes == NULL)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < asked->configs.count; i++) {
        changes[i].name = asked->configs.items[i].name;
        changes[i].op = WEIR_CONFIG_SET;
        changes[i].value = asked->configs.items[i].value;
    }
    out->type = asked->resource_type;
    out->name = asked->resource_name;
    out->changes = changes;
    out->change_count = (size_t)asked->configs.count;
    return WEIR_OK;
}

void weir_api_alter_configs(struct weir_call *call)
{
    const request_t *request = call->body;
    struct weir_config_changes *changes = WEIR_CALL_ALLOC(call, struct weir_config_changes, 1);
    struct weir_config_target *targets =
        WEIR_CALL_ALLOC(call, struct weir_config_target, request->resources.count);
    bool has_memory = changes != NULL && targets != NULL;
    for (int32_t i = 0; has_memory && i < request->resources.count; i++)
        has_memory = fill_target(call, &request->resources.items[i], &targets[i]) == WEIR_OK;
    if (!has_memory) {
        weir_call_close(call);
        return;
    }
    changes->targets = targets;
    changes->target_count = (size_t)request->resources.count;
    changes->validate_only = request->validate_only;
    changes->replace_all = true;
    changes->respond = respond;
    weir_config_changes_run(call, changes);
}
