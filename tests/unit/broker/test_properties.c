/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/broker/properties.h"

#include "weir/base/buf.h"
#include "weir/base/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Entries as "line{key}{value}\n". */
static enum weir_status collect(void *context, struct weir_slice key, struct weir_slice value,
                                unsigned line)
{
    struct weir_buf *out = context;
    weir_buf_printf(out, "%u{", line);
    weir_buf_append_slice(out, key);
    weir_buf_append_str(out, "}{");
    weir_buf_append_slice(out, value);
    weir_buf_append_str(out, "}\n");
    return WEIR_OK;
}

static void expect_bytes(struct weir_slice text, const char *expected)
{
    struct weir_buf out = {0};
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_properties_parse(text, collect, &out, &detail);
    cr_assert_eq(status, WEIR_OK, "%s", detail.text);
    weir_buf_append(&out, "", 1);
    cr_expect_str_eq((const char *)out.data, expected);
    weir_buf_done(&out);
}

static void expect(const char *text, const char *expected)
{
    expect_bytes(weir_slice_str(text), expected);
}

static void expect_failure(struct weir_slice text, enum weir_status expected, const char *words)
{
    struct weir_buf out = {0};
    struct weir_detail detail = {{0}};
    cr_expect_eq(weir_properties_parse(text, collect, &out, &detail), expected);
    cr_expect(strstr(detail.text, words) != NULL, "%s", detail.text);
    weir_buf_done(&out);
}

Test(properties, key_and_value_are_separated_by_equals_colon_or_blanks)
{
    expect("a=1\nb:2\nc 3\nd\t=\t4\ne : 5\nf\f6\n",
           "1{a}{1}\n2{b}{2}\n3{c}{3}\n4{d}{4}\n5{e}{5}\n6{f}{6}\n");
}

Test(properties, only_the_first_separator_counts)
{
    expect("a==b\nc=:d\ne = = f\nlisteners=PLAINTEXT://:9092",
           "1{a}{=b}\n2{c}{:d}\n3{e}{= f}\n4{listeners}{PLAINTEXT://:9092}\n");
}

Test(properties, comments_and_empty_lines_are_no_entries)
{
    expect("# one\n! two\n\n   # three\n \t\f\na=1 # not a comment\n", "6{a}{1 # not a comment}\n");
}

Test(properties, a_key_without_value_is_empty)
{
    expect("a\nb=\nc:\n=d\n", "1{a}{}\n2{b}{}\n3{c}{}\n4{}{d}\n");
}

Test(properties, blanks_at_the_end_of_a_value_stay)
{
    expect("a=1 \t\n", "1{a}{1 \t}\n");
}

Test(properties, all_three_line_ends_count)
{
    expect("a=1\rb=2\r\nc=3\nd=4", "1{a}{1}\n2{b}{2}\n3{c}{3}\n4{d}{4}\n");
}

Test(properties, a_backslash_at_the_end_joins_lines_without_leading_blanks)
{
    expect("a=1,\\\n   2,\\\r\n\t3\nb=4\n", "1{a}{1,2,3}\n4{b}{4}\n");
}

Test(properties, a_joined_line_may_begin_like_a_comment)
{
    expect("a=1\\\n#2\n", "1{a}{1#2}\n");
    expect("\\\n#a=1\n", "1{#a}{1}\n");
}

Test(properties, a_comment_is_never_continued)
{
    expect("# one \\\na=1\n", "2{a}{1}\n");
}

Test(properties, an_even_number_of_backslashes_continues_nothing)
{
    expect("a=1\\\\\nb=2\\\\\\\n3\n", "1{a}{1\\}\n2{b}{2\\3}\n");
}

Test(properties, a_continuation_at_the_end_of_the_text_is_dropped)
{
    expect("a=1\\", "1{a}{1}\n");
    expect("\\", "");
    expect("a=1\\\n", "1{a}{1}\n");
}

Test(properties, a_joined_empty_line_ends_the_entry)
{
    expect("a=1\\\n\nb=2\n", "1{a}{1}\n3{b}{2}\n");
}

Test(properties, escapes_are_resolved)
{
    expect("a=x\\ty\\nz\\rq\\fr\\q\\\\", "1{a}{x\ty\nz\rq\frq\\}\n");
    expect("a=\\u0041\\u00e9\\u20AC", "1{a}{A\xc3\xa9\xe2\x82\xac}\n");
    expect("a=\\ud83d\\ude00", "1{a}{\xf0\x9f\x98\x80}\n");
}

Test(properties, an_escaped_separator_belongs_to_the_key)
{
    expect("a\\ b\\=c\\:d=1\n", "1{a b=c:d}{1}\n");
    expect("\\#a=1\n", "1{#a}{1}\n");
}

Test(properties, a_value_may_begin_with_an_escaped_blank)
{
    expect("a=\\ 1\n", "1{a}{ 1}\n");
}

Test(properties, utf8_is_kept_and_latin1_becomes_utf8)
{
    expect("a=\xc3\xa9\nb=\xe9\n", "1{a}{\xc3\xa9}\n2{b}{\xc3\xa9}\n");
    expect("a=\xed\xa0\x80\n", "1{a}{\xc3\xad\xc2\xa0\xc2\x80}\n"); /* a surrogate is not UTF-8 */
    expect("\xef\xbb\xbf"
           "a=1\n",
           "1{a}{1}\n");
}

Test(properties, the_same_key_is_given_twice)
{
    expect("a=1\na=2\n", "1{a}{1}\n2{a}{2}\n");
}

Test(properties, broken_unicode_escapes_are_refused_with_their_line)
{
    expect_failure(weir_slice_str("a=1\nb=\\u12"), WEIR_INVALID, "line 2");
    expect_failure(weir_slice_str("a=\\u12g4"), WEIR_INVALID, "line 1");
    expect_failure(weir_slice_str("a=\\ud83dx"), WEIR_INVALID, "line 1");
    expect_failure(weir_slice_str("a=\\ude00"), WEIR_INVALID, "line 1");
    expect_failure(weir_slice_str("\\u=1"), WEIR_INVALID, "line 1");
}

Test(properties, nul_characters_are_refused)
{
    expect_failure(weir_slice_str("a=\\u0000"), WEIR_INVALID, "NUL");
    expect_failure(weir_slice_of("a=1\0b", 5), WEIR_INVALID, "NUL");
}

Test(properties, an_empty_text_has_no_entries)
{
    expect_bytes(WEIR_EMPTY_SLICE, "");
    expect("\n\n\r\r\n", "");
}

Test(properties, a_text_that_is_too_large_is_refused)
{
    char *text = weir_calloc(WEIR_PROPERTIES_BYTES_MAX + 1, 1);
    cr_assert_not_null(text);
    expect_failure(weir_slice_of(text, WEIR_PROPERTIES_BYTES_MAX + 1), WEIR_LIMIT, "larger");
    weir_free(text);
}

static enum weir_status stop(void *context, struct weir_slice key, struct weir_slice value,
                             unsigned line)
{
    (void)key;
    (void)value;
    *(unsigned *)context = line;
    return WEIR_CLOSED;
}

Test(properties, the_receiver_can_end_the_parsing)
{
    unsigned line = 0;
    cr_expect_eq(weir_properties_parse(weir_slice_str("a=1\nb=2\n"), stop, &line, NULL),
                 WEIR_CLOSED);
    cr_expect_eq(line, 1u);
}

Test(properties, no_memory_is_told_at_each_allocation)
{
    struct weir_slice text = weir_slice_str("a=1\nb=\\u20ac\n");
    for (long i = 1; i < 20; i++) {
        struct weir_buf out = {0};
        weir_memory_fail_after(i);
        enum weir_status status = weir_properties_parse(text, collect, &out, NULL);
        weir_memory_fail_after(-1);
        cr_expect(status == WEIR_OK || status == WEIR_NO_MEMORY);
        weir_buf_done(&out);
    }
}
