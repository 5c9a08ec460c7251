/* SPDX-License-Identifier: Apache-2.0 */
#include "topic_regex_int.h"

#include "weir/base/memory.h"

/*
 * From the expression's text to the automaton, in one pass without recursion.
 *
 * Invariants:
 *  C1  code is only inserted at or behind the start of the innermost group's branch; jumps inside
 *      what moves are relative, so moving keeps them right.
 *  C2  the jumps at the ends of a group's branches are chained through their offsets (0 ends the
 *      chain) until the group closes.
 *  C3  the last atom, if there is one, is the code from atom_start to the end.
 */

static const char *const nested_repetition = "invalid nested repetition operator";
static const char *const missing_argument = "missing argument to repetition operator";
static const char *const bad_repeat_count = "invalid repeat count";
static const char *const bad_perl_syntax = "invalid or unsupported Perl syntax";
static const char *const bad_named_capture = "invalid named capture";
static const char *const duplicate_name = "duplicate capture group name";
static const char *const missing_parenthesis = "missing closing )";
static const char *const unexpected_parenthesis = "unexpected )";
static const char *const too_large = "expression too large";
static const char *const out_of_memory = "out of memory";

enum { REPEAT_MAX = 1000, NO_LIMIT = -1 };

struct group {
    size_t start;
    size_t branch_start;
    size_t last_jump;  /* of C2: 1 more than the instruction's index, 0: none */
    bool ignores_case; /* what held before the group */
};

struct compiler {
    struct reader reader;
    struct program *program;
    struct group *groups; /* the first one is the whole expression */
    size_t group_count;
    size_t group_count_max;
    struct weir_slice *names; /* of groups */
    size_t name_count;
    size_t name_count_max;
    size_t atom_start; /* SIZE_MAX: nothing to repeat */
    bool ignores_case;
};

static struct group *innermost(struct compiler *compiler)
{
    return &compiler->groups[compiler->group_count - 1];
}

/* Opens a gap of count instructions. */
static const char *insert(struct program *program, size_t at, size_t count)
{
    if (count > INSTRUCTIONS_MAX - program->count)
        return too_large;
    struct instruction *code = weir_grow(program->code, &program->count_max, program->count + count,
                                         sizeof(*program->code));
    if (code == NULL)
        return out_of_memory;
    program->code = code;
    memmove(&code[at + count], &code[at], (program->count - at) * sizeof(*code));
    program->count += count;
    return NULL;
}

static const char *append(struct program *program, struct instruction instruction)
{
    const char *wrong = insert(program, program->count, 1);
    if (wrong == NULL)
        program->code[program->count - 1] = instruction;
    return wrong;
}

static const char *append_atom(struct compiler *compiler, struct instruction instruction)
{
    compiler->atom_start = compiler->program->count;
    return append(compiler->program, instruction);
}

static const char *append_char(struct compiler *compiler, uint32_t c)
{
    struct instruction instruction = {.op = OP_CHAR};
    add_range(&instruction.set, c, c, compiler->ignores_case);
    return append_atom(compiler, instruction);
}

/* ---- Groups and branches ---- */

static const char *open_group(struct compiler *compiler)
{
    struct group *groups = weir_grow(compiler->groups, &compiler->group_count_max,
                                     compiler->group_count + 1, sizeof(*groups));
    if (groups == NULL)
        return out_of_memory;
    compiler->groups = groups;
    size_t start = compiler->program->count;
    groups[compiler->group_count++] = (struct group){
        .start = start, .branch_start = start, .ignores_case = compiler->ignores_case};
    compiler->atom_start = SIZE_MAX;
    return NULL;
}

static const char *begin_branch(struct compiler *compiler)
{
    struct group *group = innermost(compiler);
    struct program *program = compiler->program;
    const char *wrong = insert(program, group->branch_start, 1);
    if (wrong == NULL)
        wrong = append(program, (struct instruction){.op = OP_JUMP});
    if (wrong != NULL)
        return wrong;
    size_t jump = program->count - 1;
    program->code[group->branch_start] = (struct instruction){
        .op = OP_SPLIT, .offset = (int32_t)(program->count - group->branch_start)};
    program->code[jump].offset = (int32_t)group->last_jump;
    group->last_jump = jump + 1;
    group->branch_start = program->count;
    compiler->atom_start = SIZE_MAX;
    return NULL;
}

static void close_group(struct compiler *compiler)
{
    struct group *group = innermost(compiler);
    struct program *program = compiler->program;
    for (size_t next = group->last_jump; next != 0;) {
        struct instruction *jump = &program->code[next - 1];
        size_t before = (size_t)jump->offset;
        jump->offset = (int32_t)(program->count - (next - 1));
        next = before;
    }
    compiler->atom_start = group->start;
    compiler->ignores_case = group->ignores_case;
    compiler->group_count--;
}

static const char *read_group_name(struct compiler *compiler)
{
    struct reader *reader = &compiler->reader;
    size_t begin = reader->at;
    while ((peek(reader, 0) >= '0' && peek(reader, 0) <= '9') || peek(reader, 0) == '_' ||
           ((peek(reader, 0) | 0x20) >= 'a' && (peek(reader, 0) | 0x20) <= 'z'))
        reader->at++;
    struct weir_slice name = weir_slice_of(reader->text.data + begin, reader->at - begin);
    if (name.size == 0 || !skip_over(reader, ">"))
        return bad_named_capture;
    for (size_t i = 0; i < compiler->name_count; i++) {
        if (weir_slice_equal(compiler->names[i], name))
            return duplicate_name;
    }
    struct weir_slice *names = weir_grow(compiler->names, &compiler->name_count_max,
                                         compiler->name_count + 1, sizeof(*names));
    if (names == NULL)
        return out_of_memory;
    compiler->names = names;
    names[compiler->name_count++] = name;
    return open_group(compiler);
}

/* Behind "(?": flags, and whether a group follows them.  Of the flags only the case matters here:
 * names have no line ends, and which of several matches is taken makes no difference. */
static const char *read_flags(struct compiler *compiler)
{
    struct reader *reader = &compiler->reader;
    bool ignores_case = compiler->ignores_case;
    bool is_negative = false;
    bool has_flag = false;
    for (;;) {
        uint8_t c = peek(reader, 0);
        reader->at += reader_is_at_end(reader) ? 0 : 1;
        switch (c) {
        case 'i':
            ignores_case = !is_negative;
            has_flag = true;
            break;
        case 'm':
        case 's':
        case 'U':
            has_flag = true;
            break;
        case '-':
            if (is_negative)
                return bad_perl_syntax;
            is_negative = true;
            has_flag = false;
            break;
        case ':':
        case ')': {
            if (is_negative && !has_flag)
                return bad_perl_syntax;
            const char *wrong = c == ':' ? open_group(compiler) : NULL;
            compiler->ignores_case = ignores_case;
            return wrong;
        }
        default:
            return bad_perl_syntax;
        }
    }
}

static const char *read_group_start(struct compiler *compiler)
{
    struct reader *reader = &compiler->reader;
    if (!skip_over(reader, "(?")) {
        reader->at++;
        return open_group(compiler);
    }
    if (skip_over(reader, "P<") || skip_over(reader, "<"))
        return read_group_name(compiler);
    return read_flags(compiler);
}

/* ---- Repetition ---- */

/* The atom, over and over or not at all. */
static const char *star_atom(struct program *program, size_t start)
{
    const char *wrong = insert(program, start, 1);
    if (wrong == NULL)
        wrong = append(program, (struct instruction){.op = OP_JUMP});
    if (wrong != NULL)
        return wrong;
    size_t jump = program->count - 1;
    program->code[jump].offset = -(int32_t)(jump - start);
    program->code[start] =
        (struct instruction){.op = OP_SPLIT, .offset = (int32_t)(program->count - start)};
    return NULL;
}

static const char *append_copy(struct program *program, size_t start, size_t size)
{
    size_t at = program->count;
    const char *wrong = insert(program, at, size);
    if (wrong == NULL && size > 0)
        memcpy(&program->code[at], &program->code[start], size * sizeof(*program->code));
    return wrong;
}

/* Behind min copies: count more, each of which may be the first that is left out. */
static const char *append_optional(struct program *program, size_t body, size_t size, int count)
{
    size_t first = program->count;
    const char *wrong = NULL;
    for (int i = 0; i < count && wrong == NULL; i++) {
        wrong = append(program, (struct instruction){.op = OP_SPLIT});
        if (wrong == NULL)
            wrong = append_copy(program, body, size);
    }
    for (size_t split = first; wrong == NULL && split < program->count; split += size + 1)
        program->code[split].offset = (int32_t)(program->count - split);
    return wrong;
}

static const char *repeat_atom(struct program *program, size_t start, int min, int max)
{
    size_t size = program->count - start;
    if (size == 0) /* nothing, however often; there may be no code at all yet */
        return NULL;
    if ((size + 1) * (size_t)(max > min ? max : min + 1) > INSTRUCTIONS_MAX)
        return too_large;
    if (min == 0 && max == NO_LIMIT)
        return star_atom(program, start);
    const char *wrong = NULL;
    if (min == 0) {
        /* The atom itself is the source of the copies and goes at the end. */
        wrong = append_optional(program, start, size, max);
        if (wrong == NULL) {
            program->count -= size;
            memmove(&program->code[start], &program->code[start + size],
                    (program->count - start) * sizeof(*program->code));
        }
        return wrong;
    }
    for (int i = 1; i < min && wrong == NULL; i++)
        wrong = append_copy(program, start, size);
    if (wrong != NULL)
        return wrong;
    if (max == NO_LIMIT) /* the last copy may come again */
        return append(program, (struct instruction){.op = OP_SPLIT, .offset = -(int32_t)size});
    return append_optional(program, start, size, max - min);
}

/* A number; one that is too large for a repetition is REPEAT_MAX + 1.  False without a digit, and
 * with a zero before others. */
static bool read_number(struct reader *reader, int *out)
{
    size_t begin = reader->at;
    int value = 0;
    for (; peek(reader, 0) >= '0' && peek(reader, 0) <= '9'; reader->at++) {
        value = value * 10 + (peek(reader, 0) - '0');
        if (value > REPEAT_MAX)
            value = REPEAT_MAX + 1;
    }
    *out = value;
    return reader->at == begin + 1 || (reader->at > begin && reader->text.data[begin] != '0');
}

/* At "{": {2}, {2,} or {2,5}.  Anything else is text, and nothing moves. */
static bool read_counts(struct reader *reader, int *min, int *max)
{
    size_t begin = reader->at++;
    bool is_sound = read_number(reader, min);
    *max = *min;
    if (is_sound && skip_over(reader, ",")) {
        *max = NO_LIMIT;
        is_sound = peek(reader, 0) == '}' || read_number(reader, max);
    }
    if (is_sound && skip_over(reader, "}"))
        return true;
    reader->at = begin;
    return false;
}

/* *, +, ? or counts; false: what is here is not one of them. */
static bool read_repetition(struct reader *reader, int *min, int *max)
{
    *min = 0;
    *max = NO_LIMIT;
    switch (peek(reader, 0)) {
    case '*':
        break;
    case '+':
        *min = 1;
        break;
    case '?':
        *max = 1;
        break;
    case '{':
        return read_counts(reader, min, max);
    default:
        return false;
    }
    reader->at++;
    return true;
}

static const char *repeat_last(struct compiler *compiler, int min, int max)
{
    struct reader *reader = &compiler->reader;
    if (min > REPEAT_MAX || max > REPEAT_MAX || (max != NO_LIMIT && max < min))
        return bad_repeat_count;
    if (compiler->atom_start == SIZE_MAX)
        return missing_argument;
    (void)skip_over(reader, "?"); /* as few as possible: the same for a whole match */
    int next_min;
    int next_max;
    if (read_repetition(reader, &next_min, &next_max))
        return nested_repetition;
    return repeat_atom(compiler->program, compiler->atom_start, min, max);
}

/* ---- Atoms ---- */

/* Behind \Q: text as it is, up to \E or the end. */
static const char *read_quoted(struct compiler *compiler)
{
    const char *wrong = NULL;
    while (wrong == NULL && !reader_is_at_end(&compiler->reader) &&
           !skip_over(&compiler->reader, "\\E")) {
        uint32_t c;
        wrong = read_code_point(&compiler->reader, &c) ? append_char(compiler, c) : regex_bad_utf8;
    }
    return wrong;
}

/* At a backslash. */
static const char *read_backslash(struct compiler *compiler)
{
    static const struct {
        const char *text;
        enum op op;
    } edges[] = {
        {"\\A", OP_BEGIN}, {"\\z", OP_END}, {"\\b", OP_WORD_EDGE}, {"\\B", OP_NO_WORD_EDGE}};
    struct reader *reader = &compiler->reader;
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        if (skip_over(reader, edges[i].text))
            return append_atom(compiler, (struct instruction){.op = edges[i].op});
    }
    if (skip_over(reader, "\\Q"))
        return read_quoted(compiler);
    struct instruction instruction = {.op = OP_CHAR};
    bool found;
    const char *wrong =
        read_escaped_class(reader, compiler->ignores_case, &instruction.set, &found);
    if (wrong != NULL)
        return wrong;
    if (found)
        return append_atom(compiler, instruction);
    reader->at++;
    uint32_t c;
    wrong = read_escape(reader, &c);
    return wrong != NULL ? wrong : append_char(compiler, c);
}

static const char *read_bracket(struct compiler *compiler)
{
    struct instruction instruction = {.op = OP_CHAR};
    compiler->reader.at++;
    const char *wrong =
        read_bracket_class(&compiler->reader, compiler->ignores_case, &instruction.set);
    return wrong != NULL ? wrong : append_atom(compiler, instruction);
}

/* A brace that begins no count.  RE2/J then takes a repetition behind it for a nested one. */
static const char *read_brace(struct compiler *compiler)
{
    int min;
    int max;
    compiler->reader.at++;
    if (read_repetition(&compiler->reader, &min, &max))
        return nested_repetition;
    return append_char(compiler, '{');
}

static const char *read_atom(struct compiler *compiler)
{
    struct reader *reader = &compiler->reader;
    uint32_t c;
    switch (peek(reader, 0)) {
    case '(':
        return read_group_start(compiler);
    case ')':
        reader->at++;
        if (compiler->group_count == 1)
            return unexpected_parenthesis;
        close_group(compiler);
        return NULL;
    case '|':
        reader->at++;
        return begin_branch(compiler);
    case '[':
        return read_bracket(compiler);
    case '{':
        return read_brace(compiler);
    case '\\':
        return read_backslash(compiler);
    case '^':
        reader->at++;
        return append_atom(compiler, (struct instruction){.op = OP_BEGIN});
    case '$':
        reader->at++;
        return append_atom(compiler, (struct instruction){.op = OP_END});
    case '.':
        reader->at++;
        return append_atom(compiler,
                           (struct instruction){.op = OP_CHAR, .set = {{UINT64_MAX, UINT64_MAX}}});
    default:
        return read_code_point(reader, &c) ? append_char(compiler, c) : regex_bad_utf8;
    }
}

static const char *compile_all(struct compiler *compiler)
{
    const char *wrong = open_group(compiler);
    while (wrong == NULL && !reader_is_at_end(&compiler->reader)) {
        int min;
        int max;
        if (read_repetition(&compiler->reader, &min, &max))
            wrong = repeat_last(compiler, min, max);
        else
            wrong = read_atom(compiler);
    }
    if (wrong != NULL)
        return wrong;
    if (compiler->group_count > 1)
        return missing_parenthesis;
    close_group(compiler);
    return append(compiler->program, (struct instruction){.op = OP_MATCH});
}

enum weir_status compile_topic_regex(struct weir_slice pattern, struct program *program,
                                     struct weir_detail *detail)
{
    if (pattern.size > WEIR_TOPIC_REGEX_BYTES_MAX) {
        weir_detail_set(detail, "%s", too_large);
        return WEIR_INVALID_REGULAR_EXPRESSION;
    }
    struct compiler compiler = {.reader = {.text = pattern}, .program = program};
    const char *wrong = compile_all(&compiler);
    weir_free(compiler.groups);
    weir_free(compiler.names);
    if (wrong == NULL)
        return WEIR_OK;
    weir_detail_set(detail, "%s", wrong);
    return wrong == out_of_memory ? WEIR_NO_MEMORY : WEIR_INVALID_REGULAR_EXPRESSION;
}
