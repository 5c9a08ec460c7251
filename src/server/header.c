/* SPDX-License-Identifier: Apache-2.0 */

/*
 *   int16   api key
 *   int16   api version
 *   int32   correlation id
 *   int16   length of the client id, negative for null, then its bytes (never compact, KIP-482)
 *   tagged fields, from the api's first flexible version on; none has a meaning yet
 *
 * Apache Kafka 4.3.0 takes any negative length for null, text that is no UTF-8, and tags twice or
 * unordered; so do we.
 */
#include "header.h"

#include "weir/protocol/wire_reader.h"

enum { FLEXIBLE_HEADER_VERSION = 2 };

static void skip_tagged_fields(struct weir_reader *reader)
{
    uint32_t count = weir_read_uvarint(reader);
    for (uint32_t i = 0; i < count && weir_reader_status(reader) == WEIR_OK; i++) {
        (void)weir_read_uvarint(reader); /* the tag */
        uint32_t size = weir_read_uvarint(reader);
        (void)weir_read_raw(reader, size);
    }
}

const char *request_head_parse(struct weir_slice frame, struct request_head *out)
{
    struct weir_reader reader;
    weir_reader_init(&reader, frame, NULL);
    *out = (struct request_head){.header.client_id = WEIR_NULL_SLICE};
    out->header.api_key = weir_read_i16(&reader);
    out->header.api_version = weir_read_i16(&reader);
    out->header.correlation_id = weir_read_i32(&reader);
    if (weir_reader_status(&reader) != WEIR_OK)
        return "the frame is shorter than a request header";
    out->api = weir_api_find(out->header.api_key);
    if (out->api == NULL)
        return "there is no such API";
    int16_t client_id_bytes = weir_read_i16(&reader);
    if (client_id_bytes >= 0)
        out->header.client_id = weir_read_raw(&reader, (size_t)client_id_bytes);
    if (weir_api_request_header_version(out->api, out->header.api_version) >=
        FLEXIBLE_HEADER_VERSION)
        skip_tagged_fields(&reader);
    if (weir_reader_status(&reader) != WEIR_OK)
        return "the request header is cut short";
    out->body = weir_slice_of(reader.at, weir_reader_left(&reader));
    return NULL;
}
