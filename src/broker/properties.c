/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Java's rules for a .properties text, in the order they are applied here:
 *
 *  1. natural lines end at \n, \r or \r\n; blanks (space, tab, form feed) at their start do not
 * count
 *  2. an empty natural line, or one that begins with '#' or '!', is no entry; a comment is never
 * continued
 *  3. an odd number of backslashes at the end joins the next natural line, without its leading
 * blanks, whatever it begins with; at the end of the text that backslash is dropped
 *  4. the key ends at the first '=', ':' or blank that has no backslash before it; blanks, one '='
 * or ':', and blanks again stand between key and value
 *  5. escapes are resolved last, so an escaped separator belongs to the key
 */

#include "weir/broker/properties.h"

#include "weir/base/buf.h"
#include "weir/base/memory.h"

struct parser {
    struct weir_slice text;
    size_t pos;
    unsigned line; /* of pos */
    struct weir_buf logical;
    struct weir_buf key;
    struct weir_buf value;
    struct weir_detail *detail;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

/* Length of the UTF-8 sequence at the start of text, 0 when it is none (overlong, surrogate, cut,
 * out of range). */
static size_t utf8_length(struct weir_slice text)
{
    static const struct {
        uint8_t mask, lead, count;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 1, 0},
                 {0xe0, 0xc0, 2, 0x80},
                 {0xf0, 0xe0, 3, 0x800},
                 {0xf8, 0xf0, 4, 0x10000}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if ((text.data[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (forms[i].count > text.size)
            return 0;
        uint32_t point = text.data[0] & (uint8_t)~forms[i].mask;
        for (size_t at = 1; at < forms[i].count; at++) {
            if ((text.data[at] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (text.data[at] & 0x3f);
        }
        bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
        return point < forms[i].least || point > 0x10ffff || is_surrogate ? 0 : forms[i].count;
    }
    return 0;
}

static bool is_utf8(struct weir_slice text)
{
    while (text.size > 0) {
        size_t size = utf8_length(text);
        if (size == 0)
            return false;
        text.data += size;
        text.size -= size;
    }
    return true;
}

static void append_code_point(struct weir_buf *out, uint32_t point)
{
    uint8_t bytes[4];
    size_t size;
    if (point < 0x80) {
        bytes[0] = (uint8_t)point;
        size = 1;
    } else if (point < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | point >> 6);
        bytes[1] = (uint8_t)(0x80 | (point & 0x3f));
        size = 2;
    } else if (point < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | point >> 12);
        bytes[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (point & 0x3f));
        size = 3;
    } else {
        bytes[0] = (uint8_t)(0xf0 | point >> 18);
        bytes[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        bytes[3] = (uint8_t)(0x80 | (point & 0x3f));
        size = 4;
    }
    weir_buf_append(out, bytes, size);
}

/* The next natural line without its end and its leading blanks; false at the end of the text. */
static bool next_natural_line(struct parser *parser, struct weir_slice *out)
{
    const uint8_t *data = parser->text.data;
    size_t size = parser->text.size;
    size_t pos = parser->pos;
    if (pos >= size)
        return false;
    size_t end = pos;
    while (end < size && data[end] != '\n' && data[end] != '\r')
        end++;
    size_t next = end;
    if (next < size && data[next] == '\r')
        next++;
    if (next < size && data[next] == '\n')
        next++;
    while (pos < end && is_blank(data[pos]))
        pos++;
    *out = weir_slice_of(data + pos, end - pos);
    parser->pos = next;
    parser->line++;
    return true;
}

static bool ends_with_continuation(struct weir_slice line)
{
    size_t backslashes = 0;
    while (backslashes < line.size && line.data[line.size - 1 - backslashes] == '\\')
        backslashes++;
    return backslashes % 2 == 1;
}

static void append_natural_line(struct weir_buf *logical, struct weir_slice line)
{
    if (is_utf8(line)) {
        weir_buf_append_slice(logical, line);
        return;
    }
    for (size_t i = 0; i < line.size; i++)
        append_code_point(logical, line.data[i]);
}

/* Joins continued lines into parser->logical; false when there is no further entry. */
static bool next_logical_line(struct parser *parser, unsigned *out_line)
{
    struct weir_slice line;
    bool is_joined = false; /* the line before ended in a continuation */
    weir_buf_clear(&parser->logical);
    while (next_natural_line(parser, &line)) {
        bool is_comment = line.size > 0 && (line.data[0] == '#' || line.data[0] == '!');
        if (!is_joined && (is_comment || line.size == 0))
            continue;
        if (!is_joined)
            *out_line = parser->line;
        is_joined = ends_with_continuation(line);
        if (is_joined)
            line.size--;
        append_natural_line(&parser->logical, line);
        if (!is_joined && parser->logical.size > 0)
            return true;
    }
    return parser->logical.size > 0;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Four hexadecimal digits at pos. */
static bool hex4(struct weir_slice text, size_t pos, uint32_t *out)
{
    if (text.size < 4 || pos > text.size - 4)
        return false;
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(text.data[pos + i]);
        if (digit < 0)
            return false;
        value = value << 4 | (uint32_t)digit;
    }
    *out = value;
    return true;
}

/* The escape \uXXXX whose digits begin at *pos; two of them make one character beyond the basic
 * plane. */
static bool unescape_unicode(struct weir_slice text, size_t *pos, struct weir_buf *out)
{
    uint32_t point;
    if (!hex4(text, *pos, &point))
        return false;
    *pos += 4;
    if (point >= 0xd800 && point <= 0xdbff) {
        uint32_t low;
        bool has_low = *pos + 1 < text.size && text.data[*pos] == '\\' &&
                       text.data[*pos + 1] == 'u' && hex4(text, *pos + 2, &low) && low >= 0xdc00 &&
                       low <= 0xdfff;
        if (!has_low)
            return false;
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        *pos += 6;
    } else if (point >= 0xdc00 && point <= 0xdfff) {
        return false;
    }
    append_code_point(out, point);
    return true;
}

static bool unescape(struct weir_slice text, struct weir_buf *out)
{
    weir_buf_clear(out);
    size_t pos = 0;
    while (pos < text.size) {
        uint8_t c = text.data[pos++];
        if (c != '\\') {
            weir_buf_append(out, &c, 1);
            continue;
        }
        if (pos == text.size)
            break;
        c = text.data[pos++];
        if (c == 'u') {
            if (!unescape_unicode(text, &pos, out))
                return false;
            continue;
        }
        if (c == 't')
            c = '\t';
        else if (c == 'n')
            c = '\n';
        else if (c == 'r')
            c = '\r';
        else if (c == 'f')
            c = '\f';
        weir_buf_append(out, &c, 1);
    }
    return true;
}

static void split(struct weir_slice line, struct weir_slice *out_key, struct weir_slice *out_value)
{
    size_t pos = 0;
    while (pos < line.size) {
        uint8_t c = line.data[pos];
        if (c == '=' || c == ':' || is_blank(c))
            break;
        pos += c == '\\' && pos + 1 < line.size ? 2 : 1;
    }
    *out_key = weir_slice_of(line.data, pos);
    while (pos < line.size && is_blank(line.data[pos]))
        pos++;
    if (pos < line.size && (line.data[pos] == '=' || line.data[pos] == ':'))
        pos++;
    while (pos < line.size && is_blank(line.data[pos]))
        pos++;
    *out_value = weir_slice_of(line.data + pos, line.size - pos);
}

static bool has_nul(const struct weir_buf *buf)
{
    return buf->size > 0 && memchr(buf->data, 0, buf->size) != NULL;
}

static enum weir_status give_entry(struct parser *parser, unsigned line,
                                   weir_properties_entry *entry, void *context)
{
    struct weir_slice key, value;
    split(weir_buf_slice(&parser->logical), &key, &value);
    if (!unescape(key, &parser->key) || !unescape(value, &parser->value)) {
        weir_detail_set(parser->detail,
                        "line %u: \\u must be followed by four hexadecimal digits of a character",
                        line);
        return WEIR_INVALID;
    }
    if (weir_buf_status(&parser->key) != WEIR_OK || weir_buf_status(&parser->value) != WEIR_OK)
        return WEIR_NO_MEMORY;
    if (has_nul(&parser->key) || has_nul(&parser->value)) {
        weir_detail_set(parser->detail, "line %u: a NUL character", line);
        return WEIR_INVALID;
    }
    return entry(context, weir_buf_slice(&parser->key), weir_buf_slice(&parser->value), line);
}

enum weir_status weir_properties_parse(struct weir_slice text, weir_properties_entry *entry,
                                       void *context, struct weir_detail *detail)
{
    if (text.size > WEIR_PROPERTIES_BYTES_MAX) {
        weir_detail_set(detail, "the text is larger than %zu bytes", WEIR_PROPERTIES_BYTES_MAX);
        return WEIR_LIMIT;
    }
    struct parser parser = {.text = text, .detail = detail};
    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        parser.pos = 3; /* an editor's byte order mark */
    enum weir_status status = WEIR_OK;
    unsigned line = 0;
    while (status == WEIR_OK && next_logical_line(&parser, &line)) {
        if (weir_buf_status(&parser.logical) != WEIR_OK)
            status = WEIR_NO_MEMORY;
        else
            status = give_entry(&parser, line, entry, context);
    }
    if (weir_buf_status(&parser.logical) != WEIR_OK)
        status = WEIR_NO_MEMORY;
    weir_buf_done(&parser.logical);
    weir_buf_done(&parser.key);
    weir_buf_done(&parser.value);
    return status;
}
