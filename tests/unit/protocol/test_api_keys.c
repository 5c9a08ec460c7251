/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/api_keys.h"
#include "weir/protocol/errors.h"

#include <criterion/criterion.h>

Test(api_keys, each_api_is_found_by_its_key_and_no_other)
{
    size_t found = 0;
    for (int key = INT16_MIN; key <= INT16_MAX; key++) {
        const struct weir_api_spec *api = weir_api_find((int16_t)key);
        if (api == NULL)
            continue;
        cr_assert_eq((int)api->key, key);
        cr_assert_eq(api, weir_api_at(found));
        found++;
    }
    cr_assert_eq(found, weir_api_count());
    cr_assert_eq(found, 93);
}

Test(api_keys, request_and_response_agree_with_the_api)
{
    for (size_t i = 0; i < weir_api_count(); i++) {
        const struct weir_api_spec *api = weir_api_at(i);
        cr_assert_eq(api->request == NULL, api->version_max < 0);
        cr_assert_eq(api->response == NULL, api->version_max < 0);
        if (api->request == NULL)
            continue;
        cr_assert_eq(api->request->version_min, api->version_min);
        cr_assert_eq(api->request->version_max, api->version_max);
        cr_assert_eq(api->response->version_min, api->version_min);
        cr_assert_eq(api->response->version_max, api->version_max);
        cr_assert_eq(api->request->flexible_from, api->response->flexible_from, "%s", api->name);
    }
}

Test(api_keys, what_apache_kafka_removed_has_no_versions)
{
    const int16_t gone[] = {4, 5, 6, 7};
    for (size_t i = 0; i < 4; i++) {
        const struct weir_api_spec *api = weir_api_find(gone[i]);
        cr_assert_eq(api->version_max, -1);
        cr_assert_not(weir_api_serves(api, 0));
    }
}

Test(api_keys, headers_follow_the_flexible_version)
{
    const struct weir_api_spec *fetch = weir_api_find(WEIR_API_FETCH);
    cr_assert_str_eq(fetch->name, "Fetch");
    cr_assert_eq(weir_api_request_header_version(fetch, 11), 1);
    cr_assert_eq(weir_api_request_header_version(fetch, 12), 2);
    cr_assert_eq(weir_api_response_header_version(fetch, 11), 0);
    cr_assert_eq(weir_api_response_header_version(fetch, 12), 1);
    const struct weir_api_spec *handshake = weir_api_find(WEIR_API_SASL_HANDSHAKE);
    cr_assert_eq(weir_api_request_header_version(handshake, 1), 1);
}

Test(api_keys, the_answer_to_api_versions_always_has_the_oldest_header)
{
    const struct weir_api_spec *api = weir_api_find(WEIR_API_API_VERSIONS);
    cr_assert_eq(weir_api_request_header_version(api, 99), 2);
    cr_assert_eq(weir_api_response_header_version(api, 0), 0);
    cr_assert_eq(weir_api_response_header_version(api, 4), 0);
}

Test(api_keys, only_versions_that_are_advertised_and_known_are_served)
{
    const struct weir_api_spec *produce = weir_api_find(WEIR_API_PRODUCE);
    cr_assert_eq(produce->advertised_min, 0);
    cr_assert_not(weir_api_serves(produce, 2));
    cr_assert(weir_api_serves(produce, 3));
    cr_assert(weir_api_serves(produce, produce->version_max));
    cr_assert_not(weir_api_serves(produce, (int16_t)(produce->version_max + 1)));
    const struct weir_api_spec *vote = weir_api_find(WEIR_API_VOTE);
    cr_assert_eq(vote->advertised_max, -1);
    cr_assert_not(weir_api_serves(vote, 0));
}

Test(api_keys, listeners_say_who_is_asked)
{
    cr_assert_eq(weir_api_find(WEIR_API_PRODUCE)->listeners, WEIR_LISTENER_BROKER);
    cr_assert_eq(weir_api_find(WEIR_API_BROKER_HEARTBEAT)->listeners, WEIR_LISTENER_CONTROLLER);
    cr_assert_eq(weir_api_find(WEIR_API_API_VERSIONS)->listeners,
                 WEIR_LISTENER_BROKER | WEIR_LISTENER_CONTROLLER);
}

Test(api_keys, error_codes_have_their_names)
{
    cr_assert_eq(WEIR_ERROR_NONE, 0);
    cr_assert_eq(WEIR_ERROR_UNKNOWN_SERVER_ERROR, -1);
    cr_assert_str_eq(weir_error_name(6), "NOT_LEADER_OR_FOLLOWER");
    cr_assert(weir_error_is_retriable(WEIR_ERROR_NOT_LEADER_OR_FOLLOWER));
    cr_assert_not(weir_error_is_retriable(WEIR_ERROR_INVALID_TOPIC_EXCEPTION));
    cr_assert_null(weir_error_name(9999));
    cr_assert_not(weir_error_is_retriable(-2));
}
