/* SPDX-License-Identifier: Apache-2.0 */

/* The sticky task assignor beside what Apache Kafka's own class gave for the same groups. */

#include "streams/sticky.h"

#include "weir/base/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define SUBTOPOLOGIES_MAX 16
#define MEMBERS_MAX       512
#define LINE_MAX_BYTES    262144

struct expected {
    struct sticky_result before;
    struct sticky_result after;
};

static struct weir_slice keep(struct weir_arena *arena, const char *text)
{
    return weir_arena_printf(arena, "%s", text);
}

static void parse_tasks(struct weir_arena *arena, char *text, struct sticky_task **out,
                        size_t *out_count)
{
    *out = NULL;
    *out_count = 0;
    if (strcmp(text, "-") == 0)
        return;
    size_t count = 1;
    for (const char *at = text; *at != 0; at++)
        count += *at == ',';
    *out = weir_arena_calloc(arena, count, sizeof(**out));
    char *rest;
    for (char *item = strtok_r(text, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        char *end;
        (*out)[*out_count].subtopology = (uint32_t)strtoul(item, &end, 10);
        (*out)[(*out_count)++].partition = (int32_t)strtol(end + 1, NULL, 10);
    }
}

static void check_tasks(const struct sticky_task *got, size_t got_count,
                        const struct sticky_task *wanted, size_t count, int number)
{
    cr_assert_eq(got_count, count, "case %d: %zu tasks, not %zu", number, got_count, count);
    for (size_t i = 0; i < count; i++)
        cr_assert(got[i].subtopology == wanted[i].subtopology &&
                      got[i].partition == wanted[i].partition,
                  "case %d: %u_%d, not %u_%d", number, got[i].subtopology, got[i].partition,
                  wanted[i].subtopology, wanted[i].partition);
}

static void read_member(struct weir_arena *arena, char *line, struct sticky_member *member,
                        struct expected *expected)
{
    char *field[7];
    char *rest;
    char *at = strtok_r(line, " \n", &rest);
    for (size_t i = 0; i < 7; i++, at = strtok_r(NULL, " \n", &rest)) {
        cr_assert_not_null(at);
        field[i] = at;
    }
    *member =
        (struct sticky_member){.id = keep(arena, field[1]), .process_id = keep(arena, field[2])};
    parse_tasks(arena, field[3], &expected->before.active, &expected->before.active_count);
    parse_tasks(arena, field[4], &expected->before.standby, &expected->before.standby_count);
    parse_tasks(arena, field[5], &expected->after.active, &expected->after.active_count);
    parse_tasks(arena, field[6], &expected->after.standby, &expected->after.standby_count);
    member->active = expected->before.active;
    member->active_count = expected->before.active_count;
    member->standby = expected->before.standby;
    member->standby_count = expected->before.standby_count;
}

static char *next_line(FILE *file, char *line)
{
    do {
        if (fgets(line, LINE_MAX_BYTES, file) == NULL)
            return NULL;
    } while (line[0] == '#');
    return line;
}

static void check_case(FILE *file, char *line, int number)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct sticky_subtopology subtopologies[SUBTOPOLOGIES_MAX];
    struct sticky_member *members = weir_arena_calloc(&arena, MEMBERS_MAX, sizeof(*members));
    struct expected *expected = weir_arena_calloc(&arena, MEMBERS_MAX, sizeof(*expected));
    int replicas;
    size_t subtopology_count;
    size_t member_count;
    cr_assert_eq(sscanf(line, "case %d %zu %zu", &replicas, &subtopology_count, &member_count), 3);
    cr_assert(subtopology_count <= SUBTOPOLOGIES_MAX && member_count <= MEMBERS_MAX);
    for (size_t i = 0; i < subtopology_count; i++) {
        char id[32];
        int stateful;
        cr_assert_eq(sscanf(next_line(file, line), "sub %31s %d %d", id,
                            &subtopologies[i].task_count, &stateful),
                     3);
        subtopologies[i].id = keep(&arena, id);
        subtopologies[i].is_stateful = stateful != 0;
    }
    for (size_t i = 0; i < member_count; i++)
        read_member(&arena, next_line(file, line), &members[i], &expected[i]);
    struct sticky_spec spec = {.subtopologies = subtopologies,
                               .subtopology_count = subtopology_count,
                               .members = members,
                               .member_count = member_count,
                               .standby_replicas = replicas};
    struct sticky_result *results;
    cr_assert_eq(sticky_assign(&spec, &arena, &results), WEIR_OK);
    for (size_t i = 0; i < member_count; i++) {
        const struct sticky_result *wanted = &expected[i].after;
        check_tasks(results[i].active, results[i].active_count, wanted->active,
                    wanted->active_count, number);
        check_tasks(results[i].standby, results[i].standby_count, wanted->standby,
                    wanted->standby_count, number);
    }
    weir_arena_done(&arena);
}

Test(streams_sticky, gives_what_the_assignor_of_apache_kafka_gives)
{
    const char *path = getenv("WEIR_STICKY_VECTORS"); /* a longer list, made on the spot */
    FILE *file =
        fopen(path == NULL ? WEIR_SOURCE_DIR "/tests/golden/streams/sticky.txt" : path, "r");
    cr_assert_not_null(file);
    char *line = weir_malloc(LINE_MAX_BYTES);
    int count = 0;
    while (next_line(file, line) != NULL)
        check_case(file, line, ++count);
    cr_assert(count >= 100);
    weir_free(line);
    (void)fclose(file);
}

Test(streams_sticky, needs_a_member_when_there_are_tasks)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct sticky_subtopology subtopology = {.id = WEIR_SLICE("0"), .task_count = 1};
    struct sticky_spec spec = {.subtopologies = &subtopology, .subtopology_count = 1};
    struct sticky_result *results;
    cr_assert_eq(sticky_assign(&spec, &arena, &results), WEIR_INVALID);
    weir_arena_done(&arena);
}

Test(streams_sticky, says_when_memory_is_out)
{
    struct sticky_subtopology subtopology = {
        .id = WEIR_SLICE("0"), .task_count = 300, .is_stateful = true};
    struct sticky_member members[] = {{.id = WEIR_SLICE("a"), .process_id = WEIR_SLICE("p")},
                                      {.id = WEIR_SLICE("b"), .process_id = WEIR_SLICE("p")},
                                      {.id = WEIR_SLICE("c"), .process_id = WEIR_SLICE("q")}};
    struct sticky_spec spec = {.subtopologies = &subtopology,
                               .subtopology_count = 1,
                               .members = members,
                               .member_count = 3,
                               .standby_replicas = 1};
    enum weir_status status = WEIR_NO_MEMORY;
    for (size_t limit = 64; limit < 65536 && status == WEIR_NO_MEMORY; limit += 64) {
        struct weir_arena arena;
        weir_arena_init(&arena, limit);
        struct sticky_result *results;
        status = sticky_assign(&spec, &arena, &results);
        weir_arena_done(&arena);
    }
    cr_assert_eq(status, WEIR_OK);
}
