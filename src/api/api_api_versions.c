/* SPDX-License-Identifier: Apache-2.0 */
/* ApiVersions (key 18, KIP-35, KIP-511, KIP-584): what this broker serves and which features the
 * cluster has. */
#include "api_int.h"

#include "weir/protocol/api_keys.h"
#include "weir/protocol/messages/api_versions_request.h"
#include "weir/protocol/messages/api_versions_response.h"
#include "weir/quorum/format.h"
#include "weir/server/request.h"

#include <stdio.h>

static bool is_alphanumeric(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* KIP-511: letters and digits, with dots and dashes inside. */
static bool is_software_name(struct weir_slice name)
{
    if (name.size == 0 || !is_alphanumeric(name.data[0]) ||
        !is_alphanumeric(name.data[name.size - 1]))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        if (!is_alphanumeric(name.data[i]) && name.data[i] != '.' && name.data[i] != '-')
            return false;
    }
    return true;
}

static bool fill_apis(struct weir_call *call, struct weir_api_versions_response *response)
{
    struct weir_api_versions_response_api_version *items =
        WEIR_CALL_ALLOC(call, struct weir_api_versions_response_api_version, weir_api_count());
    if (items == NULL)
        return false;
    response->api_keys.items = items;
    for (size_t i = 0; i < weir_api_count(); i++) {
        const struct weir_api_spec *api = weir_api_at(i);
        if (api->advertised_max < 0)
            continue;
        struct weir_api_versions_response_api_version *out = &items[response->api_keys.count++];
        weir_api_versions_response_api_version_init(out);
        out->api_key = (int16_t)api->key;
        out->min_version = api->advertised_min;
        out->max_version = api->advertised_max;
    }
    return true;
}

/* Before version 4 a feature whose range begins at 0 cannot be told (KAFKA-17011). */
static bool fill_supported(struct weir_call *call, struct weir_api_versions_response *response)
{
    size_t count;
    const struct weir_supported_feature *features = weir_supported_features(&count);
    struct weir_api_versions_response_supported_feature_key *items =
        WEIR_CALL_ALLOC(call, struct weir_api_versions_response_supported_feature_key, count);
    if (items == NULL)
        return false;
    response->supported_features.items = items;
    for (size_t i = 0; i < count; i++) {
        if (call->version < 4 && features[i].min == 0)
            continue;
        struct weir_api_versions_response_supported_feature_key *out =
            &items[response->supported_features.count++];
        weir_api_versions_response_supported_feature_key_init(out);
        out->name = weir_slice_str(features[i].name);
        out->min_version = features[i].min;
        out->max_version = features[i].max;
    }
    return true;
}

static void add_finalized(struct weir_api_versions_response *response,
                          struct weir_api_versions_response_finalized_feature_key *items,
                          struct weir_slice name, int16_t level)
{
    struct weir_api_versions_response_finalized_feature_key *out =
        &items[response->finalized_features.count++];
    weir_api_versions_response_finalized_feature_key_init(out);
    out->name = name;
    out->max_version_level = level;
    out->min_version_level = level;
}

/* kraft.version is no record of the image but of the log's voters; told when it is not 0. */
static bool fill_finalized(struct weir_call *call, struct weir_api_versions_response *response)
{
    struct weir_controller_quorum_info quorum;
    weir_controller_quorum_info(call->api->options.controller, &quorum);
    size_t count = weir_image_feature_count(call->image);
    struct weir_api_versions_response_finalized_feature_key *items =
        WEIR_CALL_ALLOC(call, struct weir_api_versions_response_finalized_feature_key, count + 1);
    if (items == NULL)
        return false;
    response->finalized_features.items = items;
    response->finalized_features_epoch = weir_image_feature_epoch(call->image);
    for (size_t i = 0; i < count; i++) {
        const struct weir_image_feature *feature = weir_image_feature_at(call->image, i);
        add_finalized(response, items, feature->name, feature->level);
    }
    if (quorum.kraft_version > 0)
        add_finalized(response, items, weir_slice_str("kraft.version"), quorum.kraft_version);
    return true;
}

void weir_api_refuse_api_versions(struct weir_call *call)
{
    const struct weir_api_spec *api = weir_api_find(WEIR_API_API_VERSIONS);
    struct weir_api_versions_response_api_version own;
    struct weir_api_versions_response response;
    weir_api_versions_response_api_version_init(&own);
    own.api_key = WEIR_API_API_VERSIONS;
    own.min_version = api->advertised_min;
    own.max_version = api->advertised_max;
    weir_api_versions_response_init(&response);
    response.error_code = weir_code(WEIR_UNSUPPORTED_VERSION);
    response.api_keys.items = &own;
    response.api_keys.count = 1;
    weir_call_respond(call, &response);
}

static void remember_software(struct weir_call *call,
                              const struct weir_api_versions_request *request)
{
    struct weir_session *session = call->request->session;
    (void)snprintf(session->software_name, sizeof(session->software_name), "%.*s",
                   WEIR_SLICE_ARGS(request->client_software_name));
    (void)snprintf(session->software_version, sizeof(session->software_version), "%.*s",
                   WEIR_SLICE_ARGS(request->client_software_version));
}

void weir_api_api_versions(struct weir_call *call)
{
    const struct weir_api_versions_request *request = call->body;
    struct weir_api_versions_response response;
    weir_api_versions_response_init(&response);
    if (weir_api_versions_request_has_client_software_name(call->version) &&
        (!is_software_name(request->client_software_name) ||
         !is_software_name(request->client_software_version))) {
        response.error_code = weir_code(WEIR_INVALID_REQUEST);
        weir_call_respond(call, &response);
        return;
    }
    if (weir_api_versions_request_has_client_software_name(call->version))
        remember_software(call, request);
    bool has_features = weir_api_versions_response_has_supported_features(call->version);
    if (!fill_apis(call, &response) ||
        (has_features && (!fill_supported(call, &response) || !fill_finalized(call, &response)))) {
        weir_call_close(call);
        return;
    }
    weir_call_respond(call, &response);
}
