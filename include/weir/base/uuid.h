/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* 16 random bytes and Kafka's text for them: 22 characters of URL-safe base64 without padding.
 * Value type. */

#include "weir/base/slice.h"

struct weir_uuid {
    uint8_t bytes[16];
};

#define WEIR_UUID_TEXT_BYTES 23 /* with the NUL */

static inline bool weir_uuid_equal(struct weir_uuid a, struct weir_uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static inline bool weir_uuid_is_zero(struct weir_uuid id)
{
    return weir_uuid_equal(id, (struct weir_uuid){{0}});
}

/* The id with this value in its low 64 bits: 1 is the topic id of the metadata log, and 0 to 99 are
 * reserved. */
struct weir_uuid weir_uuid_small(uint8_t value);

/* Makes 16 random bytes a version-4 id.  Kafka never uses one whose text begins with '-' (tools
 * take it for an option); false says so, and the caller draws again. */
bool weir_uuid_from_random(const uint8_t random[16], struct weir_uuid *out);

void weir_uuid_format(struct weir_uuid id, char out[WEIR_UUID_TEXT_BYTES]);

/* False when it is not 22 characters of the alphabet; *out is then untouched. */
bool weir_uuid_parse(struct weir_slice text, struct weir_uuid *out);

/* The other text form, 8-4-4-4-12 hexadecimal, as Java's UUID prints it (member ids end with one).
 */
#define WEIR_UUID_HEX_BYTES 37
void weir_uuid_format_hex(struct weir_uuid id, char out[WEIR_UUID_HEX_BYTES]);
