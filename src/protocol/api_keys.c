/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/api_keys.h"

#include "weir/base/assert.h"
#include "weir/protocol/tables.h"

const struct weir_api_spec *weir_api_find(int16_t key)
{
    /* The table is sorted and nearly dense: a key is at its own index or before it. */
    if (key < 0 || weir_api_table_count == 0)
        return NULL;
    size_t index = (size_t)key < weir_api_table_count ? (size_t)key : weir_api_table_count - 1;
    while (index > 0 && (int16_t)weir_api_table[index].key > key)
        index--;
    return (int16_t)weir_api_table[index].key == key ? &weir_api_table[index] : NULL;
}

size_t weir_api_count(void)
{
    return weir_api_table_count;
}

const struct weir_api_spec *weir_api_at(size_t index)
{
    WEIR_ASSERT(index < weir_api_table_count);
    return &weir_api_table[index];
}

bool weir_api_serves(const struct weir_api_spec *api, int16_t version)
{
    return version >= api->version_min && version <= api->version_max &&
           version >= api->advertised_min && version <= api->advertised_max;
}

int16_t weir_api_request_header_version(const struct weir_api_spec *api, int16_t version)
{
    return version >= api->flexible_from ? 2 : 1;
}

int16_t weir_api_response_header_version(const struct weir_api_spec *api, int16_t version)
{
    if (api->key == WEIR_API_API_VERSIONS)
        return 0;
    return version >= api->flexible_from ? 1 : 0;
}
