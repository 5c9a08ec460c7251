/* SPDX-License-Identifier: Apache-2.0 */
/* links: protocol base */
/*
 * Any bytes as any message.  The first byte says what they are, then key and version (int16 each)
 * say which; the rest is decoded.  A request has its header in front of its body.  What is accepted
 * must be writable, and what was written must be read and written the same way again.
 */

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/protocol/api_keys.h"
#include "weir/protocol/record_types.h"

#include "weir/protocol/messages/request_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUEST, RESPONSE, FIRST_RECORD_SET };

static const struct weir_message_codec *choose(uint8_t what, int16_t key)
{
    if (what == RESPONSE) {
        const struct weir_api_spec *api = weir_api_find(key);
        return api == NULL ? NULL : api->response;
    }
    /* Records: even ones are values, odd ones keys; those without a type go by their index. */
    const unsigned place = (unsigned)(what - FIRST_RECORD_SET);
    const unsigned set = place / 2;
    const struct weir_record_type *type = NULL;
    if (set == WEIR_RECORD_SET_DATA) {
        if (key >= 0 && (size_t)key < weir_record_type_count())
            type = weir_record_type_at((size_t)key);
    } else if (set < WEIR_RECORD_SET_DATA) {
        type = weir_record_type_find((enum weir_record_set)set, key);
    }
    return type == NULL ? NULL : place % 2 == 0 ? type->value : type->key;
}

static enum weir_status decode(const struct weir_message_codec *codec, int16_t version,
                               struct weir_slice bytes, struct weir_arena *arena, void **out)
{
    struct weir_reader reader;
    *out = weir_arena_calloc(arena, 1, codec->size);
    if (*out == NULL)
        return WEIR_NO_MEMORY;
    weir_reader_init(&reader, bytes, arena);
    codec->read(&reader, version, *out);
    weir_reader_finish(&reader);
    return weir_reader_status(&reader);
}

static void encode(const struct weir_message_codec *codec, int16_t version, const void *message,
                   struct weir_buf *out)
{
    struct weir_writer writer;
    weir_writer_init(&writer, out);
    codec->write(&writer, version, message);
    WEIR_ASSERT(weir_writer_status(&writer) == WEIR_OK);
    weir_writer_done(&writer);
}

static void check(const struct weir_message_codec *codec, int16_t version, struct weir_slice bytes)
{
    struct weir_arena arena;
    struct weir_buf first = {0}, second = {0};
    void *message, *again;
    weir_arena_init(&arena, (size_t)64 << 20);
    if (decode(codec, version, bytes, &arena, &message) == WEIR_OK) {
        encode(codec, version, message, &first);
        WEIR_ASSERT(decode(codec, version, weir_buf_slice(&first), &arena, &again) == WEIR_OK);
        encode(codec, version, again, &second);
        WEIR_ASSERT(weir_slice_equal(weir_buf_slice(&first), weir_buf_slice(&second)));
    }
    weir_buf_done(&first);
    weir_buf_done(&second);
    weir_arena_done(&arena);
}

/* The header of a request, then its body behind it. */
static void check_request(struct weir_slice frame)
{
    const int16_t key = weir_get_i16(frame.data), version = weir_get_i16(frame.data + 2);
    const struct weir_api_spec *api = weir_api_find(key);
    if (api == NULL)
        return;
    struct weir_arena arena;
    struct weir_reader reader;
    struct weir_request_header header;
    weir_arena_init(&arena, (size_t)64 << 20);
    weir_reader_init(&reader, frame, &arena);
    const int16_t header_version = weir_api_request_header_version(api, version);
    weir_request_header_read(&reader, header_version, &header);
    const size_t body_bytes = weir_reader_left(&reader);
    if (weir_reader_status(&reader) == WEIR_OK) {
        check(&weir_request_header_codec, header_version,
              weir_slice_of(frame.data, frame.size - body_bytes));
        if (api->request != NULL)
            check(api->request, version, weir_slice_of(reader.at, body_bytes));
    }
    weir_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5)
        return 0;
    if (data[0] == REQUEST) {
        check_request(weir_slice_of(data + 1, size - 1));
        return 0;
    }
    const struct weir_message_codec *codec = choose(data[0], weir_get_i16(data + 1));
    if (codec != NULL)
        check(codec, weir_get_i16(data + 3), weir_slice_of(data + 5, size - 5));
    return 0;
}
