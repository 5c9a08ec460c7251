/* SPDX-License-Identifier: Apache-2.0 */

/* Records in words. */

#include "weir/protocol/printer.h"

/* Bytes of the well-formed UTF-8 character (RFC 3629, not ASCII) that begins here; 0: none does. */
static size_t utf8_size(const uint8_t *at, size_t left)
{
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    bool is_overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool is_surrogate = at[0] == 0xed && at[1] > 0x9f;
    bool is_too_large = at[0] == 0xf4 && at[1] > 0x8f;
    bool is_control = at[0] == 0xc2 && at[1] < 0xa0; /* C1: a terminal may obey it */
    return is_overlong || is_surrogate || is_too_large || is_control ? 0 : size;
}

static void print_escaped(struct weir_buf *out, uint8_t byte)
{
    switch (byte) {
    case '\n':
        weir_buf_append_str(out, "\\n");
        break;
    case '\r':
        weir_buf_append_str(out, "\\r");
        break;
    case '\t':
        weir_buf_append_str(out, "\\t");
        break;
    case '"':
        weir_buf_append_str(out, "\\\"");
        break;
    case '\\':
        weir_buf_append_str(out, "\\\\");
        break;
    default:
        weir_buf_printf(out, "\\x%02x", byte);
    }
}

void weir_print_quoted(struct weir_buf *out, struct weir_slice text, size_t bytes_max)
{
    if (weir_slice_is_null(text)) {
        weir_buf_append_str(out, "null");
        return;
    }
    size_t end = bytes_max > 0 && text.size > bytes_max ? bytes_max : text.size;
    size_t at = 0;
    weir_buf_append_str(out, "\"");
    while (at < end && weir_buf_status(out) == WEIR_OK) {
        size_t plain = at;
        while (plain < end && text.data[plain] >= ' ' && text.data[plain] < 0x7f &&
               text.data[plain] != '"' && text.data[plain] != '\\')
            plain++;
        size_t size = plain - at;
        if (size == 0 && text.data[at] > 0x7f)
            size = utf8_size(text.data + at, end - at);
        if (size > 0) {
            weir_buf_append(out, text.data + at, size);
            at += size;
        } else {
            print_escaped(out, text.data[at++]);
        }
    }
    weir_buf_append_str(out, "\"");
    if (end < text.size)
        weir_buf_printf(out, "... (%zu bytes)", text.size);
}

/* Before each value that is not behind a name. */
static void separate(struct weir_printer *printer)
{
    if (printer->is_behind_value)
        weir_buf_append_str(printer->out, ", ");
    printer->is_behind_value = true;
}

void weir_print_begin(struct weir_printer *printer, enum weir_print_kind kind)
{
    separate(printer);
    printer->is_behind_value = false;
    switch (kind) {
    case WEIR_PRINT_STRUCT:
        weir_buf_append_str(printer->out, "{");
        break;
    case WEIR_PRINT_ARRAY:
        weir_buf_append_str(printer->out, "[");
        break;
    case WEIR_PRINT_NULL:
        weir_buf_append_str(printer->out, "null");
        break;
    }
}

void weir_print_end(struct weir_printer *printer, enum weir_print_kind kind)
{
    printer->is_behind_value = true;
    switch (kind) {
    case WEIR_PRINT_STRUCT:
        weir_buf_append_str(printer->out, "}");
        break;
    case WEIR_PRINT_ARRAY:
        weir_buf_append_str(printer->out, "]");
        break;
    case WEIR_PRINT_NULL:
        break;
    }
}

void weir_print_name(struct weir_printer *printer, const char *name)
{
    separate(printer);
    printer->is_behind_value = false;
    printer->name = name;
    weir_buf_printf(printer->out, "%s: ", name);
}

void weir_print_word(struct weir_printer *printer, const char *text)
{
    separate(printer);
    weir_buf_append_str(printer->out, text);
}

void weir_print_null(struct weir_printer *printer)
{
    weir_print_word(printer, "null");
}

void weir_print_bool(struct weir_printer *printer, bool value)
{
    weir_print_word(printer, value ? "true" : "false");
}

void weir_print_integer(struct weir_printer *printer, int64_t value)
{
    separate(printer);
    weir_buf_printf(printer->out, "%lld", (long long)value);
}

void weir_print_f64(struct weir_printer *printer, double value)
{
    separate(printer);
    weir_buf_printf(printer->out, "%.17g", value);
}

void weir_print_uuid(struct weir_printer *printer, struct weir_uuid value)
{
    char text[WEIR_UUID_TEXT_BYTES];
    weir_uuid_format(value, text);
    weir_print_word(printer, text);
}

void weir_print_string(struct weir_printer *printer, struct weir_slice value)
{
    separate(printer);
    weir_print_quoted(printer->out, value, printer->bytes_max);
}

void weir_print_bytes(struct weir_printer *printer, struct weir_slice value)
{
    if (printer->bytes_hook != NULL && !weir_slice_is_null(value) && printer->name != NULL &&
        printer->bytes_hook(printer->hook_context, printer, printer->name, value))
        return;
    weir_print_string(printer, value);
}

/* One function per simple array. */
#define PRINT_ARRAY(which, print_item)                                                             \
    void weir_print_##which##_array(struct weir_printer *printer,                                  \
                                    struct weir_##which##_array value)                             \
    {                                                                                              \
        enum weir_print_kind kind = value.count < 0 ? WEIR_PRINT_NULL : WEIR_PRINT_ARRAY;          \
        weir_print_begin(printer, kind);                                                           \
        for (int32_t i = 0; i < value.count; i++)                                                  \
            print_item(printer, value.items[i]);                                                   \
        weir_print_end(printer, kind);                                                             \
    }

PRINT_ARRAY(i8, weir_print_integer)
PRINT_ARRAY(i16, weir_print_integer)
PRINT_ARRAY(i32, weir_print_integer)
PRINT_ARRAY(i64, weir_print_integer)
PRINT_ARRAY(uuid, weir_print_uuid)
PRINT_ARRAY(string, weir_print_string)
PRINT_ARRAY(bytes, weir_print_bytes)

void weir_print_tags(struct weir_printer *printer, const struct weir_tags *tags)
{
    for (int32_t i = 0; i < tags->count; i++) {
        separate(printer);
        weir_buf_printf(printer->out, "tag %u: ", tags->items[i].tag);
        weir_print_quoted(printer->out, tags->items[i].bytes, printer->bytes_max);
    }
}
