/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records in words.  Those of the broker's own topics are taken apart by the schemas of protocol/;
 * what they lack is printed as bytes.  Secrets (SCRAM) are not printed.
 */

#include "inspect_int.h"

#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/protocol/printer.h"
#include "weir/protocol/records/consumer_protocol_assignment.h"
#include "weir/protocol/records/consumer_protocol_subscription.h"
#include "weir/protocol/records/end_txn_marker.h"
#include "weir/protocol/records/kraft_version_record.h"
#include "weir/protocol/records/leader_change_message.h"
#include "weir/protocol/records/snapshot_footer_record.h"
#include "weir/protocol/records/snapshot_header_record.h"
#include "weir/protocol/records/voters_record.h"

#include <strings.h>

enum { RECORD_TEXT_BYTES_MAX = 1 << 20, DECODE_BYTES_MAX = 64 << 20 };

static const struct {
    const char *topic;
    enum weir_record_set set;
} topics[] = {
    {"__cluster_metadata", WEIR_RECORD_SET_METADATA},
    {"__consumer_offsets", WEIR_RECORD_SET_GROUP},
    {"__transaction_state", WEIR_RECORD_SET_TXN},
    {"__share_group_state", WEIR_RECORD_SET_SHARE},
    {"__remote_log_metadata", WEIR_RECORD_SET_REMOTE},
};

bool inspect_record_set(struct weir_slice topic, enum weir_record_set *out)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(topics); i++) {
        if (weir_slice_is(topic, topics[i].topic)) {
            *out = topics[i].set;
            return true;
        }
    }
    return false;
}

void record_words_init(struct record_words *words, struct weir_slice topic, size_t bytes_max)
{
    memset(words, 0, sizeof(*words));
    words->is_decoded = inspect_record_set(topic, &words->set);
    words->bytes_max = bytes_max;
    weir_arena_init(&words->arena, DECODE_BYTES_MAX);
    weir_buf_init(&words->text, RECORD_TEXT_BYTES_MAX);
}

void record_words_done(struct record_words *words)
{
    weir_arena_done(&words->arena);
    weir_buf_done(&words->text);
}

static bool print_bytes(void *context, struct weir_printer *printer, const char *name,
                        struct weir_slice bytes);

/* Reads the message to the end of the input and prints it; nothing is printed when it fails. */
static enum weir_status print_message(struct record_words *words,
                                      const struct weir_message_codec *codec, int16_t version,
                                      struct weir_reader *reader, struct weir_printer *printer)
{
    void *message = weir_arena_calloc(&words->arena, 1, codec->size);
    if (message == NULL)
        return WEIR_NO_MEMORY;
    codec->init(message);
    codec->read(reader, version, message);
    weir_reader_finish(reader);
    if (weir_reader_status(reader) == WEIR_OK)
        codec->print(printer, version, message);
    return weir_reader_status(reader);
}

static struct weir_printer printer_of(struct record_words *words)
{
    return (struct weir_printer){.out = &words->text,
                                 .bytes_max = words->bytes_max,
                                 .bytes_hook = print_bytes,
                                 .hook_context = words};
}

/* What members of classic groups hand to each other: version, then the body.  Later versions only
 * add to the end, so a version we do not know is read as the last we do. */
static bool print_embedded(struct record_words *words, struct weir_printer *printer,
                           const struct weir_message_codec *codec, struct weir_slice bytes)
{
    struct weir_reader reader;
    weir_reader_init(&reader, bytes, &words->arena);
    int16_t version = weir_read_i16(&reader);
    void *message = weir_arena_calloc(&words->arena, 1, codec->size);
    if (message == NULL || version < codec->version_min)
        return false;
    if (version > codec->version_max)
        version = codec->version_max;
    codec->read(&reader, version, message);
    if (weir_reader_status(&reader) != WEIR_OK)
        return false;
    codec->print(printer, version, message);
    return true;
}

static bool print_bytes(void *context, struct weir_printer *printer, const char *name,
                        struct weir_slice bytes)
{
    static const char *const secrets[] = {"Salt", "StoredKey", "ServerKey"};
    struct record_words *words = context;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(secrets); i++) {
        if (strcmp(name, secrets[i]) == 0) {
            weir_print_word(printer, "(hidden)");
            return true;
        }
    }
    if (words->set != WEIR_RECORD_SET_GROUP || !words->is_consumer_group || bytes.size == 0)
        return false;
    if (strcmp(name, "subscription") == 0)
        return print_embedded(words, printer, &weir_consumer_protocol_subscription_codec, bytes);
    if (strcmp(name, "assignment") == 0)
        return print_embedded(words, printer, &weir_consumer_protocol_assignment_codec, bytes);
    return false;
}

static enum weir_status cannot_decode(enum weir_status status, const char *what, int version,
                                      struct weir_detail *detail)
{
    if (status == WEIR_UNSUPPORTED)
        weir_detail_set(detail, "%s has version %d, which is not known", what, version);
    else if (status == WEIR_NO_MEMORY)
        weir_detail_set(detail, "%s is too large to be taken apart", what);
    else
        weir_detail_set(detail, "%s of version %d cannot be decoded: %s", what, version,
                        weir_status_name(status));
    return status == WEIR_NO_MEMORY ? WEIR_OK : WEIR_INVALID;
}

static void print_raw(struct record_words *words, const struct weir_record *record)
{
    weir_buf_append_str(&words->text, "key ");
    weir_print_quoted(&words->text, record->key, words->bytes_max);
    weir_buf_append_str(&words->text, ", value ");
    weir_print_quoted(&words->text, record->value, words->bytes_max);
}

/* type (int16), key; version (int16), value. */
static enum weir_status print_coordinator(struct record_words *words,
                                          const struct weir_record *record,
                                          struct weir_detail *detail)
{
    struct weir_reader reader;
    struct weir_printer printer = printer_of(words);
    weir_reader_init(&reader, record->key, &words->arena);
    int16_t kind = weir_coordinator_prefix_read(&reader);
    if (weir_reader_status(&reader) != WEIR_OK) {
        weir_detail_set(detail, "the key has no type");
        return WEIR_INVALID;
    }
    const struct weir_record_type *type = weir_record_type_find(words->set, kind);
    if (type == NULL || type->key == NULL) {
        weir_buf_printf(&words->text, "unknown type %d, ", kind);
        print_raw(words, record);
        return WEIR_OK;
    }
    weir_buf_printf(&words->text, "%s ", type->name);
    enum weir_status status = print_message(words, type->key, 0, &reader, &printer);
    if (status != WEIR_OK)
        return cannot_decode(status, type->key->name, 0, detail);
    if (weir_slice_is_null(record->value)) {
        weir_buf_append_str(&words->text, " removed");
        return WEIR_OK;
    }
    weir_buf_append_str(&words->text, " = ");
    weir_reader_init(&reader, record->value, &words->arena);
    int16_t version = weir_coordinator_prefix_read(&reader);
    if (weir_reader_status(&reader) != WEIR_OK || type->value == NULL) {
        weir_detail_set(detail, "the value has no version");
        return WEIR_INVALID;
    }
    /* protocolType is the first field of a classic group. */
    struct weir_reader peek = reader;
    words->is_consumer_group =
        words->set == WEIR_RECORD_SET_GROUP && kind == WEIR_GROUP_RECORD_GROUP_METADATA &&
        weir_slice_is(weir_read_string(&peek, version >= type->value->flexible_from, false),
                      "consumer");
    printer = printer_of(words);
    status = print_message(words, type->value, version, &reader, &printer);
    if (status != WEIR_OK)
        return cannot_decode(status, type->value->name, version, detail);
    weir_buf_printf(&words->text, " (version %d)", version);
    return WEIR_OK;
}

/* A value with a frame, no key. */
static enum weir_status print_framed(struct record_words *words, const struct weir_record *record,
                                     struct weir_detail *detail)
{
    struct weir_reader reader;
    struct weir_record_frame frame = {0};
    struct weir_printer printer = printer_of(words);
    weir_reader_init(&reader, record->value, &words->arena);
    weir_record_frame_read(&reader, &frame);
    if (weir_reader_status(&reader) != WEIR_OK) {
        weir_detail_set(detail, "the value has no frame of a known version");
        return WEIR_INVALID;
    }
    const struct weir_record_type *type = weir_record_type_find(words->set, frame.type);
    if (type == NULL || type->value == NULL) {
        weir_buf_printf(&words->text, "unknown type %d, version %d, ", frame.type, frame.version);
        print_raw(words, record);
        return WEIR_OK;
    }
    weir_buf_printf(&words->text, "%s ", type->name);
    enum weir_status status = print_message(words, type->value, frame.version, &reader, &printer);
    if (status != WEIR_OK)
        return cannot_decode(status, type->value->name, frame.version, detail);
    weir_buf_printf(&words->text, " (version %d)", frame.version);
    return WEIR_OK;
}

/* The codec of a control record's value, and what to call it. */
static const struct weir_message_codec *control_codec(enum weir_control_type type,
                                                      const char **out_name)
{
    switch (type) {
    case WEIR_CONTROL_ABORT:
        *out_name = "ABORT";
        return &weir_end_txn_marker_codec;
    case WEIR_CONTROL_COMMIT:
        *out_name = "COMMIT";
        return &weir_end_txn_marker_codec;
    case WEIR_CONTROL_LEADER_CHANGE:
        *out_name = "LeaderChange";
        return &weir_leader_change_message_codec;
    case WEIR_CONTROL_SNAPSHOT_HEADER:
        *out_name = "SnapshotHeader";
        return &weir_snapshot_header_record_codec;
    case WEIR_CONTROL_SNAPSHOT_FOOTER:
        *out_name = "SnapshotFooter";
        return &weir_snapshot_footer_record_codec;
    case WEIR_CONTROL_KRAFT_VERSION:
        *out_name = "KRaftVersion";
        return &weir_kraft_version_record_codec;
    case WEIR_CONTROL_KRAFT_VOTERS:
        *out_name = "KRaftVoters";
        return &weir_voters_record_codec;
    }
    return NULL;
}

/* A transaction marker's value is version (int16) and body; the quorum's records carry their
 * version as their first field. */
static enum weir_status print_control(struct record_words *words, const struct weir_record *record,
                                      struct weir_detail *detail)
{
    enum weir_control_type type;
    const char *name = "";
    if (weir_control_key_parse(record->key, &type) != WEIR_OK) {
        weir_buf_append_str(&words->text, "unknown control record, ");
        print_raw(words, record);
        return WEIR_OK;
    }
    const struct weir_message_codec *codec = control_codec(type, &name);
    struct weir_reader reader;
    struct weir_printer printer = printer_of(words);
    weir_reader_init(&reader, record->value, &words->arena);
    int16_t version = weir_read_i16(&reader);
    if (codec != &weir_end_txn_marker_codec) {
        weir_reader_init(&reader, record->value, &words->arena);
    } else if (weir_reader_status(&reader) == WEIR_OK && version > codec->version_max) {
        version = codec->version_max;
    }
    weir_buf_printf(&words->text, "%s ", name);
    enum weir_status status = print_message(words, codec, version, &reader, &printer);
    if (status != WEIR_OK)
        return cannot_decode(status, codec->name, version, detail);
    return WEIR_OK;
}

static void print_headers(struct record_words *words, const struct weir_record *record)
{
    struct weir_slice rest = record->headers;
    struct weir_record_header header;
    const char *between = ", headers {";
    while (weir_record_headers_next(&rest, &header) == WEIR_OK &&
           weir_buf_status(&words->text) == WEIR_OK) {
        weir_buf_append_str(&words->text, between);
        weir_print_quoted(&words->text, header.key, words->bytes_max);
        weir_buf_append_str(&words->text, ": ");
        weir_print_quoted(&words->text, header.value, words->bytes_max);
        between = ", ";
    }
    if (record->header_count > 0)
        weir_buf_append_str(&words->text, "}");
}

enum weir_status record_words_print(struct record_words *words, const struct weir_batch *batch,
                                    const struct weir_record *record, struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    weir_arena_reset(&words->arena);
    weir_buf_clear(&words->text);
    words->is_consumer_group = false;
    if (weir_batch_is_control(batch))
        status = print_control(words, record, detail);
    else if (!words->is_decoded)
        print_raw(words, record);
    else if (words->set == WEIR_RECORD_SET_METADATA || words->set == WEIR_RECORD_SET_REMOTE)
        status = print_framed(words, record, detail);
    else
        status = print_coordinator(words, record, detail);
    if (status != WEIR_OK) {
        weir_buf_append_str(&words->text, " ");
        print_raw(words, record);
    }
    print_headers(words, record);
    return status;
}
