/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A compiled expression is a list of instructions of a non-deterministic automaton.  Topic names
 * are ASCII, so that a set of characters is 128 bits; everything else an expression may speak of
 * simply never occurs.
 */

#include "weir/assign/topic_regex.h"

enum {
    ALPHABET = 128,
    INSTRUCTIONS_MAX = 32768, /* with repetitions written out */
};

struct char_set {
    uint64_t bits[2];
};

static inline void set_add(struct char_set *set, uint32_t c)
{
    if (c < ALPHABET)
        set->bits[c / 64] |= (uint64_t)1 << (c % 64);
}

static inline bool set_has(const struct char_set *set, uint32_t c)
{
    return c < ALPHABET && (set->bits[c / 64] >> (c % 64) & 1) != 0;
}

enum op {
    OP_CHAR,  /* one character of set, then the next instruction */
    OP_SPLIT, /* the next instruction, or the one offset away */
    OP_JUMP,  /* the one offset away */
    OP_BEGIN, /* only before the first character */
    OP_END,   /* only behind the last one */
    OP_WORD_EDGE,
    OP_NO_WORD_EDGE,
    OP_MATCH,
};

struct instruction {
    enum op op;
    int32_t offset; /* relative, so that code can be copied and moved */
    struct char_set set;
};

struct program {
    struct instruction *code;
    size_t count;
    size_t count_max;
};

/* Text that is read, code point by code point. */
struct reader {
    struct weir_slice text;
    size_t at;
};

static inline bool reader_is_at_end(const struct reader *reader)
{
    return reader->at >= reader->text.size;
}

/* The byte so many places ahead; 0 behind the end. */
static inline uint8_t peek(const struct reader *reader, size_t ahead)
{
    return ahead < reader->text.size - reader->at ? reader->text.data[reader->at + ahead] : 0;
}

/* Moves over the literal if it is next. */
bool skip_over(struct reader *reader, const char *literal);

/* The next code point; false when the bytes are no sound UTF-8. */
bool read_code_point(struct reader *reader, uint32_t *out);

/* NULL, or what is wrong in RE2's words. */
extern const char *const regex_bad_class;
extern const char *const regex_bad_escape;
extern const char *const regex_bad_utf8;
extern const char *const regex_trailing_backslash;

/* After the backslash: a single character.  Advances. */
const char *read_escape(struct reader *reader, uint32_t *out);

/* At a backslash: a class like \d or \pL is added to *set and *found set; otherwise nothing moves.
 */
const char *read_escaped_class(struct reader *reader, bool ignores_case, struct char_set *set,
                               bool *found);

/* Behind the opening bracket: up to and with the closing one. */
const char *read_bracket_class(struct reader *reader, bool ignores_case, struct char_set *out);

void add_range(struct char_set *set, uint32_t low, uint32_t high, bool ignores_case);

/* Fills program.  INVALID_REGULAR_EXPRESSION with detail, NO_MEMORY; the code is the caller's to
 * free in either case. */
WEIR_MUST_CHECK enum weir_status
compile_topic_regex(struct weir_slice pattern, struct program *program, struct weir_detail *detail);
