/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Decoded records in words, on one line:
 *
 *     {Offset: 12, LeaderEpoch: 3, Metadata: "a\n", Voters: [{VoterId: 1}], TopicId: null}
 *
 * Generated codecs (weir_message_codec.print) call these in the order of the schema; names are
 * Kafka's.  Text is escaped and cut, so whatever the bytes were, the line is safe for a terminal.
 * One thread at a time; the buffer's own limit bounds what a record may become.
 */

#include "weir/base/buf.h"
#include "weir/protocol/arrays.h"

#include <stdint.h>

enum weir_print_kind {
    WEIR_PRINT_STRUCT,
    WEIR_PRINT_ARRAY,
    WEIR_PRINT_NULL /* an array that is null */
};

struct weir_printer;

/* Asked for each field of type bytes: true when it has printed the value itself (taken apart, or
 * hidden). */
typedef bool weir_print_bytes_hook(void *context, struct weir_printer *printer, const char *name,
                                   struct weir_slice bytes);

/* Zero but for out is valid: nothing is cut. */
struct weir_printer {
    struct weir_buf *out;
    size_t bytes_max; /* strings and bytes are cut there; 0: never */
    weir_print_bytes_hook *bytes_hook;
    void *hook_context;
    const char *name;     /* of the field whose value comes next */
    bool is_behind_value; /* a comma is due */
};

/* A quoted string, with what is not printable ASCII or well-formed UTF-8 as \n, \t, \\, \" or \xNN;
 * behind bytes_max (0: none) it is cut and the size said.  The null slice is null. */
void weir_print_quoted(struct weir_buf *out, struct weir_slice text, size_t bytes_max);

void weir_print_begin(struct weir_printer *printer, enum weir_print_kind kind);
void weir_print_end(struct weir_printer *printer, enum weir_print_kind kind);
/* name lives as long as the printer. */
void weir_print_name(struct weir_printer *printer, const char *name);

void weir_print_null(struct weir_printer *printer);
void weir_print_bool(struct weir_printer *printer, bool value);
void weir_print_integer(struct weir_printer *printer, int64_t value);
void weir_print_f64(struct weir_printer *printer, double value);
void weir_print_uuid(struct weir_printer *printer, struct weir_uuid value);
void weir_print_string(struct weir_printer *printer, struct weir_slice value);
void weir_print_bytes(struct weir_printer *printer, struct weir_slice value);
/* Text as it is, for hooks: no quotes, no escapes. */
void weir_print_word(struct weir_printer *printer, const char *text);

void weir_print_i8_array(struct weir_printer *printer, struct weir_i8_array value);
void weir_print_i16_array(struct weir_printer *printer, struct weir_i16_array value);
void weir_print_i32_array(struct weir_printer *printer, struct weir_i32_array value);
void weir_print_i64_array(struct weir_printer *printer, struct weir_i64_array value);
void weir_print_uuid_array(struct weir_printer *printer, struct weir_uuid_array value);
void weir_print_string_array(struct weir_printer *printer, struct weir_string_array value);
void weir_print_bytes_array(struct weir_printer *printer, struct weir_bytes_array value);
/* Tagged fields the schema does not name; nothing when there are none. */
void weir_print_tags(struct weir_printer *printer, const struct weir_tags *tags);
