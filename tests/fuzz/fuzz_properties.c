/* SPDX-License-Identifier: Apache-2.0 */
/* links: broker base */

/* Any bytes as a .properties text: no crash, no NUL, nothing but UTF-8 that fits in what was read. */

#include "weir/base/assert.h"
#include "weir/broker/properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t bytes;
    unsigned line;
};

static enum weir_status see(void *context, struct weir_slice key, struct weir_slice value, unsigned line)
{
    struct seen *seen = context;
    seen->bytes += key.size + value.size;
    WEIR_ASSERT(line > seen->line);
    seen->line = line;
    WEIR_ASSERT(memchr(key.data, 0, key.size) == NULL && memchr(value.data, 0, value.size) == NULL);
    return WEIR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = {0};
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_properties_parse(weir_slice_of(data, size), see, &seen, &detail);
    WEIR_ASSERT(status == WEIR_OK || detail.text[0] != '\0');
    WEIR_ASSERT(seen.bytes <= 2 * size); /* a Latin-1 byte becomes two */
    return 0;
}
