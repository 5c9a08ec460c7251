/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares with what Apache Kafka 4.3.0 answered (compat-tests/assignors/Answers.java writes these
 * files):
 *
 *     kafka_answers assignments FILE
 *     kafka_answers expressions FILE
 */
#include "weir/assign/assignor.h"
#include "weir/assign/topic_regex.h"

#include <stdio.h>
#include <stdlib.h>

enum { TOPICS_MAX = 16, MEMBERS_MAX = 64, PARTS_MAX = 64, NAMES_MAX = 64 };

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct owned_member {
    char id[32];
    char instance[32];
    uint32_t topics[TOPICS_MAX];
    struct weir_assign_partitions owned[TOPICS_MAX];
    int32_t partitions[TOPICS_MAX][PARTS_MAX];
};

struct scene {
    enum weir_assignor assignor;
    struct weir_assign_topic topics[TOPICS_MAX];
    struct weir_assign_member members[MEMBERS_MAX];
    struct owned_member texts[MEMBERS_MAX];
    struct weir_assign_spec spec;
    char results[MEMBERS_MAX][1024];
    size_t result_count;
};

static void read_topic(struct scene *scene, const char *line)
{
    struct weir_assign_topic *topic = &scene->topics[scene->spec.topic_count++];
    char id[33];
    CHECK(sscanf(line, "topic %32s %d", id, &topic->partition_count) == 2);
    for (int i = 0; i < 16; i++) {
        unsigned byte;
        CHECK(sscanf(id + (size_t)(2 * i), "%2x", &byte) == 1);
        topic->id.bytes[i] = (uint8_t)byte;
    }
}

/* "0:1,2;3:0" */
static size_t read_parts(char *text, struct owned_member *member)
{
    size_t count = 0;
    char *next = NULL;
    for (char *part = strtok_r(text, ";", &next); part != NULL && *part != '-';
         part = strtok_r(NULL, ";", &next)) {
        char *rest = NULL;
        CHECK(count < TOPICS_MAX);
        struct weir_assign_partitions *owned = &member->owned[count];
        owned->topic = (uint32_t)strtoul(part, &rest, 10);
        owned->partitions = member->partitions[count];
        owned->partition_count = 0;
        while (*rest == ':' || *rest == ',') {
            CHECK(owned->partition_count < PARTS_MAX);
            member->partitions[count][owned->partition_count++] =
                (int32_t)strtol(rest + 1, &rest, 10);
        }
        count++;
    }
    return count;
}

static void read_member(struct scene *scene, const char *line)
{
    CHECK(scene->spec.member_count < MEMBERS_MAX);
    struct owned_member *texts = &scene->texts[scene->spec.member_count];
    struct weir_assign_member *member = &scene->members[scene->spec.member_count++];
    char topics[256];
    char owned[2048];
    CHECK(sscanf(line, "member %31s %31s %255s %2047s", texts->id, texts->instance, topics,
                 owned) == 4);
    *member = (struct weir_assign_member){
        .member_id = weir_slice_str(texts->id), .topics = texts->topics, .owned = texts->owned};
    if (strcmp(texts->instance, "-") != 0)
        member->instance_id = weir_slice_str(texts->instance);
    for (char *at = topics; *at != '-' && *at != '\0'; at += *at == ',')
        texts->topics[member->topic_count++] = (uint32_t)strtoul(at, &at, 10);
    member->owned_count = read_parts(owned, texts);
}

static void print_result(const struct weir_assign_member_result *result, char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < result->topic_count; i++) {
        const struct weir_assign_partitions *part = &result->topics[i];
        for (size_t j = 0; j < part->partition_count; j++) {
            if (j == 0)
                at +=
                    (size_t)snprintf(out + at, size - at, "%s%u:", i == 0 ? "" : ";", part->topic);
            at += (size_t)snprintf(out + at, size - at, "%s%d", j == 0 ? "" : ",",
                                   part->partitions[j]);
            CHECK(at < size);
        }
    }
    if (at == 0)
        (void)snprintf(out, size, "-");
}

static bool compare_scene(const struct scene *scene, int line)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_assignment assignment;
    CHECK(weir_assign(scene->assignor, &scene->spec, &arena, &assignment) == WEIR_OK);
    CHECK(scene->result_count == assignment.member_count);
    bool is_same = true;
    for (size_t i = 0; i < assignment.member_count; i++) {
        char text[1024];
        print_result(&assignment.members[i], text, sizeof(text));
        if (strcmp(text, scene->results[i]) != 0) {
            (void)fprintf(stderr, "line %d, member %zu: Apache Kafka %s, weir %s\n", line, i,
                          scene->results[i], text);
            is_same = false;
        }
    }
    weir_arena_done(&arena);
    return is_same;
}

static int compare_assignments(FILE *file)
{
    static struct scene scene;
    static char line[4096];
    int failures = 0;
    int cases = 0;
    for (int number = 1; fgets(line, sizeof(line), file) != NULL; number++) {
        if (strncmp(line, "case ", 5) == 0) {
            memset(&scene, 0, sizeof(scene));
            scene.spec.topics = scene.topics;
            scene.spec.members = scene.members;
            scene.spec.is_heterogeneous = strstr(line, " 1") != NULL;
            scene.assignor =
                strstr(line, "range") != NULL ? WEIR_ASSIGNOR_RANGE : WEIR_ASSIGNOR_UNIFORM;
        } else if (strncmp(line, "topic ", 6) == 0) {
            read_topic(&scene, line);
        } else if (strncmp(line, "member ", 7) == 0) {
            read_member(&scene, line);
        } else if (strncmp(line, "result ", 7) == 0) {
            CHECK(sscanf(line, "result %1023s", scene.results[scene.result_count++]) == 1);
        } else {
            cases++;
            failures += compare_scene(&scene, number) ? 0 : 1;
        }
    }
    (void)printf("%d assignments, %d differ\n", cases, failures);
    return cases == 0 || failures > 0;
}

static bool compare_expression(const char *verdict, const char *pattern, const char *expected,
                               char *const *names, size_t name_count)
{
    struct weir_topic_regex *regex = NULL;
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_topic_regex_new(weir_slice_str(pattern), &regex, &detail);
    CHECK(status == WEIR_OK || status == WEIR_INVALID_REGULAR_EXPRESSION);
    bool is_valid = strcmp(verdict, "ok") == 0;
    bool is_same = (status == WEIR_OK) == is_valid;
    if (!is_same || !is_valid) {
        /* RE2/J calls an unexpected parenthesis an internal error. */
        if (is_same && strcmp(expected, detail.text) != 0 &&
            strstr(expected, "internal error") == NULL)
            is_same = false;
        if (!is_same)
            (void)fprintf(stderr, "%s: Apache Kafka: %s %s, weir: %s\n", pattern, verdict, expected,
                          status == WEIR_OK ? "ok" : detail.text);
        weir_topic_regex_free(regex);
        return is_same;
    }
    for (size_t i = 0; i < name_count; i++) {
        if (weir_topic_regex_matches(regex, weir_slice_str(names[i])) != (expected[i] == '1')) {
            (void)fprintf(stderr, "%s on %s: Apache Kafka %c\n", pattern, names[i], expected[i]);
            is_same = false;
        }
    }
    weir_topic_regex_free(regex);
    return is_same;
}

static int compare_expressions(FILE *file)
{
    static char first[4096];
    static char line[4096];
    char *names[NAMES_MAX];
    size_t name_count = 0;
    int failures = 0;
    int cases = 0;
    char *next = NULL;
    CHECK(fgets(first, sizeof(first), file) != NULL);
    for (char *name = strtok_r(first, " \n", &next); name != NULL;
         name = strtok_r(NULL, " \n", &next)) {
        CHECK(name_count < NAMES_MAX);
        names[name_count++] = name;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *pattern = strchr(line, '\t');
        char *expected = pattern == NULL ? NULL : strchr(pattern + 1, '\t');
        CHECK(expected != NULL);
        *pattern++ = '\0';
        *expected++ = '\0';
        cases++;
        failures += compare_expression(line, pattern, expected, names, name_count) ? 0 : 1;
    }
    (void)printf("%d expressions, %d differ\n", cases, failures);
    return cases == 0 || failures > 0;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    FILE *file = fopen(argv[2], "r");
    CHECK(file != NULL);
    char licence[64];
    CHECK(fgets(licence, sizeof(licence), file) != NULL);
    int failed =
        strcmp(argv[1], "assignments") == 0 ? compare_assignments(file) : compare_expressions(file);
    (void)fclose(file);
    return failed;
}
