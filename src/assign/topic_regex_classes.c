/* SPDX-License-Identifier: Apache-2.0 */
#include "topic_regex_int.h"

#include "weir/base/limits.h"

/* Characters and sets of characters: escapes, \d \pL \p{Greek}, [a-z[:digit:]]. */

const char *const regex_bad_class = "invalid character class range";
const char *const regex_bad_escape = "invalid escape sequence";
const char *const regex_bad_utf8 = "invalid UTF-8";
const char *const regex_trailing_backslash = "trailing backslash at end of expression";
static const char *const missing_bracket = "missing closing ]";

#define DIGITS  0x03FF000000000000U, 0
#define UPPER   0, 0x0000000007FFFFFEU
#define LOWER   0, 0x07FFFFFE00000000U
#define LETTERS 0, 0x07FFFFFE07FFFFFEU

struct named_set {
    const char *name;
    struct char_set set;
};

/* The general categories and scripts that RE2/J 1.8 knows, and their part of ASCII. */
static const struct named_set unicode_sets[] = {
    {"Any", {{UINT64_MAX, UINT64_MAX}}},
    {"C", {{0x00000000FFFFFFFFU, 0x8000000000000000U}}},
    {"Cc", {{0x00000000FFFFFFFFU, 0x8000000000000000U}}},
    {"L", {{LETTERS}}},
    {"Ll", {{LOWER}}},
    {"Lu", {{UPPER}}},
    {"N", {{DIGITS}}},
    {"Nd", {{DIGITS}}},
    {"P", {{0x8C00F7EE00000000U, 0x28000000B8000001U}}},
    {"Pc", {{0, 0x0000000080000000U}}},
    {"Pd", {{0x0000200000000000U, 0}}},
    {"Pe", {{0x0000020000000000U, 0x2000000020000000U}}},
    {"Po", {{0x8C00D4EE00000000U, 0x0000000010000001U}}},
    {"Ps", {{0x0000010000000000U, 0x0800000008000000U}}},
    {"S", {{0x7000081000000000U, 0x5000000140000000U}}},
    {"Sc", {{0x0000001000000000U, 0}}},
    {"Sk", {{0, 0x0000000140000000U}}},
    {"Sm", {{0x7000080000000000U, 0x5000000000000000U}}},
    {"Z", {{0x0000000100000000U, 0}}},
    {"Zs", {{0x0000000100000000U, 0}}},
    {"Common", {{UINT64_MAX, 0xF8000001F8000001U}}},
    {"Latin", {{LETTERS}}},
};

/* Those without an ASCII character. */
static const char *const other_unicode_sets[] = {
    "Cf",
    "Co",
    "Cs",
    "Lm",
    "Lo",
    "Lt",
    "M",
    "Mc",
    "Me",
    "Mn",
    "Nl",
    "No",
    "Pf",
    "Pi",
    "So",
    "Zl",
    "Zp",
    "Arabic",
    "Armenian",
    "Avestan",
    "Balinese",
    "Bamum",
    "Batak",
    "Bengali",
    "Bopomofo",
    "Brahmi",
    "Braille",
    "Buginese",
    "Buhid",
    "Canadian_Aboriginal",
    "Carian",
    "Cham",
    "Cherokee",
    "Coptic",
    "Cuneiform",
    "Cypriot",
    "Cyrillic",
    "Deseret",
    "Devanagari",
    "Egyptian_Hieroglyphs",
    "Ethiopic",
    "Georgian",
    "Glagolitic",
    "Gothic",
    "Greek",
    "Gujarati",
    "Gurmukhi",
    "Han",
    "Hangul",
    "Hanunoo",
    "Hebrew",
    "Hiragana",
    "Imperial_Aramaic",
    "Inherited",
    "Inscriptional_Pahlavi",
    "Inscriptional_Parthian",
    "Javanese",
    "Kaithi",
    "Kannada",
    "Katakana",
    "Kayah_Li",
    "Kharoshthi",
    "Khmer",
    "Lao",
    "Lepcha",
    "Limbu",
    "Linear_B",
    "Lisu",
    "Lycian",
    "Lydian",
    "Malayalam",
    "Mandaic",
    "Meetei_Mayek",
    "Mongolian",
    "Myanmar",
    "New_Tai_Lue",
    "Nko",
    "Ogham",
    "Ol_Chiki",
    "Old_Italic",
    "Old_Persian",
    "Old_South_Arabian",
    "Old_Turkic",
    "Oriya",
    "Osmanya",
    "Phags_Pa",
    "Phoenician",
    "Rejang",
    "Runic",
    "Samaritan",
    "Saurashtra",
    "Shavian",
    "Sinhala",
    "Sundanese",
    "Syloti_Nagri",
    "Syriac",
    "Tagalog",
    "Tagbanwa",
    "Tai_Le",
    "Tai_Tham",
    "Tai_Viet",
    "Tamil",
    "Telugu",
    "Thaana",
    "Thai",
    "Tibetan",
    "Tifinagh",
    "Ugaritic",
    "Unknown",
    "Vai",
    "Yi",
};

static const struct named_set posix_sets[] = {
    {"alnum", {{0x03FF000000000000U, 0x07FFFFFE07FFFFFEU}}},
    {"alpha", {{LETTERS}}},
    {"ascii", {{UINT64_MAX, UINT64_MAX}}},
    {"blank", {{0x0000000100000200U, 0}}},
    {"cntrl", {{0x00000000FFFFFFFFU, 0x8000000000000000U}}},
    {"digit", {{DIGITS}}},
    {"graph", {{0xFFFFFFFE00000000U, 0x7FFFFFFFFFFFFFFFU}}},
    {"lower", {{LOWER}}},
    {"print", {{0xFFFFFFFF00000000U, 0x7FFFFFFFFFFFFFFFU}}},
    {"punct", {{0xFC00FFFE00000000U, 0x78000001F8000001U}}},
    {"space", {{0x0000000100003E00U, 0}}},
    {"upper", {{UPPER}}},
    {"word", {{0x03FF000000000000U, 0x07FFFFFE87FFFFFEU}}},
    {"xdigit", {{0x03FF000000000000U, 0x0000007E0000007EU}}},
};

bool skip_over(struct reader *reader, const char *literal)
{
    size_t size = strlen(literal);
    if (reader->text.size - reader->at < size ||
        memcmp(reader->text.data + reader->at, literal, size) != 0)
        return false;
    reader->at += size;
    return true;
}

bool read_code_point(struct reader *reader, uint32_t *out)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t first = peek(reader, 0);
    size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
    if (reader_is_at_end(reader) || (first >= 0x80 && first < 0xC0) || first >= 0xF8)
        return false;
    uint32_t point = more == 0 ? first : first & (0x3FU >> more);
    for (size_t i = 1; i <= more; i++) {
        uint8_t next = peek(reader, i);
        if ((next & 0xC0) != 0x80)
            return false;
        point = point << 6 | (next & 0x3F);
    }
    if (point < least[more] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
        return false;
    reader->at += more + 1;
    *out = point;
    return true;
}

static void set_union(struct char_set *set, struct char_set other)
{
    set->bits[0] |= other.bits[0];
    set->bits[1] |= other.bits[1];
}

static struct char_set complement(struct char_set set)
{
    return (struct char_set){{~set.bits[0], ~set.bits[1]}};
}

/* Both cases of each letter. */
static struct char_set both_cases(struct char_set set)
{
    uint64_t lower = set.bits[1] & 0x07FFFFFE00000000U;
    uint64_t upper = set.bits[1] & 0x0000000007FFFFFEU;
    set.bits[1] |= lower >> 32 | upper << 32;
    return set;
}

void add_range(struct char_set *set, uint32_t low, uint32_t high, bool ignores_case)
{
    struct char_set range = {{0, 0}};
    for (uint32_t c = low; c <= high && c < ALPHABET; c++)
        set_add(&range, c);
    if (ignores_case) {
        /* The long s and the Kelvin sign are other cases of s and k. */
        if (low <= 0x17F && high >= 0x17F)
            set_add(&range, 's');
        if (low <= 0x212A && high >= 0x212A)
            set_add(&range, 'k');
        range = both_cases(range);
    }
    set_union(set, range);
}

static bool is_octal(uint8_t c)
{
    return c >= '0' && c <= '7';
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Behind \x: two digits, or any number of them in braces. */
static const char *read_hex(struct reader *reader, uint32_t *out)
{
    uint32_t value = 0;
    if (!skip_over(reader, "{")) {
        int high = hex_value(peek(reader, 0));
        int low = high < 0 ? -1 : hex_value(peek(reader, 1));
        if (low < 0)
            return regex_bad_escape;
        reader->at += 2;
        *out = (uint32_t)(high * 16 + low);
        return NULL;
    }
    size_t begin = reader->at;
    while (hex_value(peek(reader, 0)) >= 0) {
        value = value * 16 + (uint32_t)hex_value(peek(reader, 0));
        if (value > 0x10FFFF)
            return regex_bad_escape;
        reader->at++;
    }
    if (reader->at == begin || !skip_over(reader, "}"))
        return regex_bad_escape;
    *out = value;
    return NULL;
}

static bool is_alphanumeric(uint32_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

const char *read_escape(struct reader *reader, uint32_t *out)
{
    if (reader_is_at_end(reader))
        return regex_trailing_backslash;
    uint32_t c;
    if (!read_code_point(reader, &c))
        return regex_bad_utf8;
    if (c == 'x')
        return read_hex(reader, out);
    if (c == '0' || (c >= '1' && c <= '7' && is_octal(peek(reader, 0)))) {
        *out = c - '0';
        for (int i = 0; i < 2 && is_octal(peek(reader, 0)); i++)
            *out = *out * 8 + (uint32_t)(reader->text.data[reader->at++] - '0');
        return NULL;
    }
    static const char letters[] = "afnrtv";
    static const char meanings[] = "\a\f\n\r\t\v";
    const char *letter = c == 0 || c >= ALPHABET ? NULL : strchr(letters, (int)c);
    if (letter != NULL) {
        *out = (uint32_t)meanings[letter - letters];
        return NULL;
    }
    if (is_alphanumeric(c)) /* also \1 to \7, which would refer back */
        return regex_bad_escape;
    *out = c;
    return NULL;
}

static bool find_unicode_set(struct weir_slice name, struct char_set *out)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(unicode_sets); i++) {
        if (weir_slice_is(name, unicode_sets[i].name)) {
            *out = unicode_sets[i].set;
            return true;
        }
    }
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(other_unicode_sets); i++) {
        if (weir_slice_is(name, other_unicode_sets[i])) {
            *out = (struct char_set){{0, 0}};
            return true;
        }
    }
    return false;
}

/* What a class has in addition where the case does not matter.  RE2/J's tables for Ll hold K and S
 * only. */
static struct char_set other_cases(struct weir_slice name)
{
    struct char_set set = {{0, 0}};
    if (weir_slice_is(name, "Lu")) {
        set = (struct char_set){{LOWER}};
    } else if (weir_slice_is(name, "Ll")) {
        set_add(&set, 'K');
        set_add(&set, 'S');
    }
    return set;
}

/* Behind \p or \P. */
static const char *read_unicode_class(struct reader *reader, bool is_negated, bool ignores_case,
                                      struct char_set *out)
{
    size_t begin = reader->at;
    size_t size;
    uint32_t c;
    if (skip_over(reader, "{")) {
        begin = reader->at;
        const uint8_t *end = memchr(reader->text.data + begin, '}', reader->text.size - begin);
        if (end == NULL)
            return regex_bad_class;
        size = (size_t)(end - reader->text.data) - begin;
        reader->at = begin + size + 1;
        if (size > 0 && reader->text.data[begin] == '^') {
            is_negated = !is_negated;
            begin++;
            size--;
        }
    } else {
        if (!read_code_point(reader, &c))
            return regex_bad_class;
        size = reader->at - begin;
    }
    struct weir_slice name = weir_slice_of(reader->text.data + begin, size);
    struct char_set set;
    if (!find_unicode_set(name, &set))
        return regex_bad_class;
    if (ignores_case)
        set_union(&set, other_cases(name));
    set_union(out, is_negated ? complement(set) : set);
    return NULL;
}

const char *read_escaped_class(struct reader *reader, bool ignores_case, struct char_set *set,
                               bool *found)
{
    static const struct named_set perl_sets[] = {
        {"d", {{DIGITS}}},
        {"s", {{0x0000000100003600U, 0}}}, /* without the vertical tab */
        {"w", {{0x03FF000000000000U, 0x07FFFFFE87FFFFFEU}}},
    };
    *found = false;
    uint8_t letter = peek(reader, 1);
    uint8_t lower = letter | 0x20;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(perl_sets); i++) {
        if (lower == (uint8_t)perl_sets[i].name[0]) {
            reader->at += 2;
            *found = true;
            set_union(set, lower == letter ? perl_sets[i].set : complement(perl_sets[i].set));
            return NULL;
        }
    }
    if (lower != 'p')
        return NULL;
    reader->at += 2;
    *found = true;
    return read_unicode_class(reader, letter == 'P', ignores_case, set);
}

/* At "[:": a POSIX class.  Without its ":]" the bracket is a character like any other. */
static const char *read_posix_class(struct reader *reader, bool ignores_case, struct char_set *set,
                                    bool *found)
{
    *found = false;
    size_t begin = reader->at + 2;
    const uint8_t *end = reader->text.size < begin ? NULL
                                                   : memmem(reader->text.data + begin,
                                                            reader->text.size - begin, ":]", 2);
    if (end == NULL)
        return NULL;
    struct weir_slice name =
        weir_slice_of(reader->text.data + begin, (size_t)(end - reader->text.data) - begin);
    reader->at = begin + name.size + 2;
    *found = true;
    bool is_negated = name.size > 0 && name.data[0] == '^';
    if (is_negated)
        name = weir_slice_of(name.data + 1, name.size - 1);
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(posix_sets); i++) {
        if (weir_slice_is(name, posix_sets[i].name)) {
            struct char_set named = posix_sets[i].set;
            if (ignores_case)
                named = both_cases(named);
            set_union(set, is_negated ? complement(named) : named);
            return NULL;
        }
    }
    return regex_bad_class;
}

static const char *read_class_char(struct reader *reader, uint32_t *out)
{
    if (reader_is_at_end(reader))
        return missing_bracket;
    if (skip_over(reader, "\\"))
        return read_escape(reader, out);
    return read_code_point(reader, out) ? NULL : regex_bad_utf8;
}

/* A single character or a range of them. */
static const char *read_class_range(struct reader *reader, bool ignores_case, struct char_set *set)
{
    uint32_t low;
    const char *wrong = read_class_char(reader, &low);
    if (wrong != NULL)
        return wrong;
    uint32_t high = low;
    if (peek(reader, 0) == '-' && reader->text.size - reader->at >= 2 && peek(reader, 1) != ']') {
        reader->at++;
        wrong = read_class_char(reader, &high);
        if (wrong != NULL)
            return wrong;
        if (high < low)
            return regex_bad_class;
    }
    add_range(set, low, high, ignores_case);
    return NULL;
}

static const char *read_class_item(struct reader *reader, bool ignores_case, struct char_set *set)
{
    bool found = false;
    const char *wrong = NULL;
    if (peek(reader, 0) == '[' && peek(reader, 1) == ':')
        wrong = read_posix_class(reader, ignores_case, set, &found);
    else if (peek(reader, 0) == '\\')
        wrong = read_escaped_class(reader, ignores_case, set, &found);
    return wrong != NULL || found ? wrong : read_class_range(reader, ignores_case, set);
}

const char *read_bracket_class(struct reader *reader, bool ignores_case, struct char_set *out)
{
    struct char_set set = {{0, 0}};
    bool is_negated = skip_over(reader, "^");
    /* A closing bracket in the first place is a character. */
    for (bool is_first = true; is_first || peek(reader, 0) != ']'; is_first = false) {
        if (reader_is_at_end(reader))
            return missing_bracket;
        const char *wrong = read_class_item(reader, ignores_case, &set);
        if (wrong != NULL)
            return wrong;
    }
    reader->at++;
    *out = is_negated ? complement(set) : set;
    return NULL;
}
