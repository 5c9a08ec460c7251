/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/assign/topic_regex.h"
#include "topic_regex_int.h"

#include "weir/base/memory.h"

/*
 * Runs the automaton: the set of instructions that may come next, moved on by one character at a
 * time.  An instruction is in the set at most once, so that each character costs at most the length
 * of the program.
 */

enum { TOPIC_NAME_BYTES_MAX = 249 };

struct places {
    uint32_t *code; /* indexes of instructions that want a character, or of OP_MATCH */
    size_t count;
};

struct weir_topic_regex {
    struct program program;
    struct places now;
    struct places next;
    uint32_t *pending;    /* instructions whose followers are still to be found */
    uint32_t *visited_at; /* the step in which the instruction was reached */
    uint32_t step;
};

enum weir_status weir_topic_regex_new(struct weir_slice pattern, struct weir_topic_regex **out,
                                      struct weir_detail *detail)
{
    struct weir_topic_regex *regex = weir_calloc(1, sizeof(*regex));
    if (regex == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = compile_topic_regex(pattern, &regex->program, detail);
    if (status == WEIR_OK) {
        size_t count = regex->program.count;
        regex->now.code = weir_calloc(count, sizeof(uint32_t));
        regex->next.code = weir_calloc(count, sizeof(uint32_t));
        regex->pending = weir_calloc(count, sizeof(uint32_t));
        regex->visited_at = weir_calloc(count, sizeof(uint32_t));
        if (regex->now.code == NULL || regex->next.code == NULL || regex->pending == NULL ||
            regex->visited_at == NULL)
            status = WEIR_NO_MEMORY;
    }
    if (status != WEIR_OK) {
        weir_topic_regex_free(regex);
        return status;
    }
    *out = regex;
    return WEIR_OK;
}

void weir_topic_regex_free(struct weir_topic_regex *regex)
{
    if (regex == NULL)
        return;
    weir_free(regex->program.code);
    weir_free(regex->now.code);
    weir_free(regex->next.code);
    weir_free(regex->pending);
    weir_free(regex->visited_at);
    weir_free(regex);
}

static bool is_word(struct weir_slice name, size_t at)
{
    if (at >= name.size)
        return false;
    uint8_t c = name.data[at];
    return (c >= '0' && c <= '9') || c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_word_edge(struct weir_slice name, size_t at)
{
    return (at > 0 && is_word(name, at - 1)) != is_word(name, at);
}

/* A place reached once in a step is not looked at again. */
static void reach(struct weir_topic_regex *regex, size_t place, size_t *pending_count)
{
    if (regex->visited_at[place] == regex->step)
        return;
    regex->visited_at[place] = regex->step;
    regex->pending[(*pending_count)++] = (uint32_t)place;
}

static size_t away(size_t place, int32_t offset)
{
    return (size_t)((int64_t)place + offset);
}

/* Adds what can be reached from place without a character, at this point of the name. */
static void add_place(struct weir_topic_regex *regex, size_t place, struct weir_slice name,
                      size_t at, struct places *places)
{
    size_t pending_count = 0;
    reach(regex, place, &pending_count);
    while (pending_count > 0) {
        place = regex->pending[--pending_count];
        const struct instruction *instruction = &regex->program.code[place];
        bool goes_on = false;
        switch (instruction->op) {
        case OP_CHAR:
        case OP_MATCH:
            places->code[places->count++] = (uint32_t)place;
            break;
        case OP_SPLIT:
            reach(regex, away(place, instruction->offset), &pending_count);
            goes_on = true;
            break;
        case OP_JUMP:
            reach(regex, away(place, instruction->offset), &pending_count);
            break;
        case OP_BEGIN:
            goes_on = at == 0;
            break;
        case OP_END:
            goes_on = at == name.size;
            break;
        case OP_WORD_EDGE:
            goes_on = is_word_edge(name, at);
            break;
        case OP_NO_WORD_EDGE:
            goes_on = !is_word_edge(name, at);
            break;
        }
        if (goes_on)
            reach(regex, place + 1, &pending_count);
    }
}

/* Each step has its own number; before they run out, all are forgotten. */
static void begin_step(struct weir_topic_regex *regex, struct places *places)
{
    if (regex->step == UINT32_MAX) {
        memset(regex->visited_at, 0, regex->program.count * sizeof(uint32_t));
        regex->step = 0;
    }
    regex->step++;
    places->count = 0;
}

bool weir_topic_regex_matches(struct weir_topic_regex *regex, struct weir_slice name)
{
    if (name.size > TOPIC_NAME_BYTES_MAX)
        return false;
    begin_step(regex, &regex->now);
    add_place(regex, 0, name, 0, &regex->now);
    for (size_t at = 0; at < name.size && regex->now.count > 0; at++) {
        begin_step(regex, &regex->next);
        for (size_t i = 0; i < regex->now.count; i++) {
            size_t place = regex->now.code[i];
            const struct instruction *instruction = &regex->program.code[place];
            if (instruction->op == OP_CHAR && set_has(&instruction->set, name.data[at]))
                add_place(regex, place + 1, name, at + 1, &regex->next);
        }
        struct places moved = regex->now;
        regex->now = regex->next;
        regex->next = moved;
    }
    for (size_t i = 0; i < regex->now.count; i++) {
        if (regex->program.code[regex->now.code[i]].op == OP_MATCH)
            return true;
    }
    return false;
}
