/* SPDX-License-Identifier: Apache-2.0 */
#include "texts.h"

#include <criterion/criterion.h>

static struct weir_arena arena;

static void done(void)
{
    weir_arena_done(&arena);
}

static void expect_problem(struct weir_slice name, const char *text)
{
    const struct weir_slice problem = weir_topic_name_problem(&arena, name);
    cr_expect(weir_slice_is(problem, text), "%.*s", WEIR_SLICE_ARGS(problem));
}

static struct weir_slice letters(size_t count)
{
    static char text[40000];
    memset(text, 'x', sizeof(text));
    return weir_slice_of(text, count);
}

Test(texts, legal_topic_names_have_no_problem, .fini = done)
{
    cr_expect(weir_slice_is_null(weir_topic_name_problem(&arena, WEIR_SLICE("a.B_9-z"))));
    cr_expect(weir_slice_is_null(weir_topic_name_problem(&arena, WEIR_SLICE("..."))));
    cr_expect(weir_slice_is_null(weir_topic_name_problem(&arena, letters(249))));
}

Test(texts, illegal_topic_names_are_refused_in_kafkas_words, .fini = done)
{
    expect_problem(WEIR_SLICE(""), "Topic name is invalid: the empty string is not allowed");
    expect_problem(WEIR_SLICE("."), "Topic name is invalid: '.' is not allowed");
    expect_problem(WEIR_SLICE(".."), "Topic name is invalid: '..' is not allowed");
    expect_problem(WEIR_SLICE("a/b"),
                   "Topic name is invalid: 'a/b' contains one or more characters "
                   "other than ASCII alphanumerics, '.', '_' and '-'");
}

Test(texts, a_topic_name_of_250_characters_is_too_long, .fini = done)
{
    const struct weir_slice problem = weir_topic_name_problem(&arena, letters(250));
    const struct weir_slice end = WEIR_SLICE("' is longer than the max allowed length 249");
    cr_assert_gt(problem.size, end.size);
    cr_expect(
        weir_slice_equal(weir_slice_of(problem.data + problem.size - end.size, end.size), end));
}

Test(texts, a_topic_name_is_measured_in_utf16_units, .fini = done)
{
    /* 125 characters of two bytes: short enough, but not ASCII. */
    uint8_t name[250];
    for (size_t i = 0; i < sizeof(name); i += 2)
        memcpy(name + i, "\xc3\xbc", 2);
    const struct weir_slice problem =
        weir_topic_name_problem(&arena, weir_slice_of(name, sizeof(name)));
    const struct weir_slice end = WEIR_SLICE("'.', '_' and '-'");
    cr_expect(
        weir_slice_equal(weir_slice_of(problem.data + problem.size - end.size, end.size), end));
}

Test(texts, quoted_text_fits_into_a_string_of_the_wire, .fini = done)
{
    const struct weir_slice quoted = weir_text_quoted(letters(40000));
    cr_expect_eq(quoted.size, (size_t)WEIR_TEXT_QUOTED_BYTES_MAX);
    cr_expect_lt(weir_topic_name_problem(&arena, letters(40000)).size, (size_t)INT16_MAX);
}

Test(texts, quoted_text_is_not_cut_inside_a_character)
{
    static uint8_t text[WEIR_TEXT_QUOTED_BYTES_MAX + 1];
    memset(text, 'x', sizeof(text));
    memcpy(text + WEIR_TEXT_QUOTED_BYTES_MAX - 1, "\xc3\xbc", 2);
    cr_expect_eq(weir_text_quoted(weir_slice_of(text, sizeof(text))).size,
                 (size_t)WEIR_TEXT_QUOTED_BYTES_MAX - 1);
}

Test(texts, node_ids_are_decimal_int32_with_an_optional_sign)
{
    int32_t id = 0;
    cr_expect(weir_node_id_parse(WEIR_SLICE("2147483647"), &id) && id == INT32_MAX);
    cr_expect(weir_node_id_parse(WEIR_SLICE("-2147483648"), &id) && id == INT32_MIN);
    cr_expect(weir_node_id_parse(WEIR_SLICE("+1"), &id) && id == 1);
}

Test(texts, what_is_no_node_id_is_refused)
{
    int32_t id = 7;
    const char *bad[] = {
        "", "-", "+", " 1", "1 ", "0x1", "2147483648", "-2147483649", "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(weir_node_id_parse(weir_slice_str(bad[i]), &id), "%s", bad[i]);
    cr_expect_eq(id, 7);
}
