/* SPDX-License-Identifier: Apache-2.0 */
/* links: assign base */

/* Any bytes as a subscription by expression: it is refused with a reason, or matches in bounded
 * time and the same way twice. */

#include "weir/assign/topic_regex.h"
#include "weir/base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The first line is the name, the rest the expression. */
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t name_size = end == NULL ? 0 : (size_t)(end - data) + 1;
    struct weir_slice name =
        end == NULL ? WEIR_SLICE("orders-1") : weir_slice_of(data, name_size - 1);
    struct weir_topic_regex *regex = NULL;
    struct weir_detail detail = {{0}};
    enum weir_status status =
        weir_topic_regex_new(weir_slice_of(data + name_size, size - name_size), &regex, &detail);
    if (status != WEIR_OK) {
        WEIR_ASSERT(status == WEIR_INVALID_REGULAR_EXPRESSION && detail.text[0] != '\0');
        return 0;
    }
    bool matches = weir_topic_regex_matches(regex, name);
    WEIR_ASSERT(weir_topic_regex_matches(regex, name) == matches);
    weir_topic_regex_free(regex);
    return 0;
}
