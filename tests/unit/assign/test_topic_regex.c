/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/assign/topic_regex.h"
#include "weir/base/memory.h"

#include <criterion/criterion.h>

static struct weir_topic_regex *compile(const char *pattern)
{
    struct weir_topic_regex *regex = NULL;
    cr_assert_eq(weir_topic_regex_new(weir_slice_str(pattern), &regex, NULL), WEIR_OK);
    return regex;
}

static void refuses(struct weir_slice pattern, const char *reason)
{
    struct weir_topic_regex *regex = NULL;
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_topic_regex_new(pattern, &regex, &detail), WEIR_INVALID_REGULAR_EXPRESSION);
    cr_assert_null(regex);
    cr_assert_str_eq(detail.text, reason);
}

Test(topic_regex, matches_whole_names_only)
{
    struct weir_topic_regex *regex = compile("orders|order");
    cr_assert(weir_topic_regex_matches(regex, WEIR_SLICE("orders")));
    cr_assert_not(weir_topic_regex_matches(regex, WEIR_SLICE("orders2")));
    cr_assert_not(weir_topic_regex_matches(regex, WEIR_SLICE("my-orders")));
    weir_topic_regex_free(regex);
}

Test(topic_regex, takes_linear_time_where_backtracking_takes_for_ever)
{
    struct weir_topic_regex *regex = compile("(a*)*(a|aa)*(a+)+b");
    char name[249];
    memset(name, 'a', sizeof(name));
    cr_assert_not(weir_topic_regex_matches(regex, weir_slice_of(name, sizeof(name))));
    name[248] = 'b';
    cr_assert(weir_topic_regex_matches(regex, weir_slice_of(name, sizeof(name))));
    cr_assert_not(weir_topic_regex_matches(regex, WEIR_EMPTY_SLICE));
    weir_topic_regex_free(regex);
}

Test(topic_regex, refuses_what_grows_too_large)
{
    refuses(WEIR_SLICE("((a{100}){100}){100}"), "expression too large");
    refuses(WEIR_SLICE("(((a{0,1000}){0,1000}){0,1000})*"), "expression too large");
    static char text[WEIR_TOPIC_REGEX_BYTES_MAX + 1];
    memset(text, 'a', sizeof(text));
    refuses(weir_slice_of(text, sizeof(text)), "expression too large");
    memset(text, '(', sizeof(text));
    refuses(weir_slice_of(text, sizeof(text) - 1), "missing closing )");
}

Test(topic_regex, empty_repetitions_end)
{
    struct weir_topic_regex *regex = compile("(((){1000})*)*(|a)+x{0}");
    cr_assert(weir_topic_regex_matches(regex, WEIR_SLICE("aa")));
    cr_assert(weir_topic_regex_matches(regex, WEIR_EMPTY_SLICE));
    weir_topic_regex_free(regex);
    regex = compile("(){0}"); /* found by the fuzzer: there is no code to repeat */
    cr_assert(weir_topic_regex_matches(regex, WEIR_EMPTY_SLICE));
    weir_topic_regex_free(regex);
}

Test(topic_regex, refuses_bytes_that_are_no_utf8)
{
    refuses(WEIR_SLICE("a\x80"), "invalid UTF-8");
    refuses(WEIR_SLICE("[\xC0\x80]"), "invalid UTF-8");
    refuses(WEIR_SLICE("\xED\xA0\x80"), "invalid UTF-8");
    refuses(WEIR_SLICE("\\\xF8"), "invalid UTF-8");
}

Test(topic_regex, every_failed_allocation_is_an_answer)
{
    for (long n = 0;; n++) {
        struct weir_topic_regex *regex = NULL;
        weir_memory_fail_after(n);
        enum weir_status status =
            weir_topic_regex_new(WEIR_SLICE("(?P<n>a(b|c)){3}"), &regex, NULL);
        weir_memory_fail_after(-1);
        weir_topic_regex_free(regex);
        if (status == WEIR_OK)
            break;
        cr_assert_eq(status, WEIR_NO_MEMORY);
        cr_assert_lt(n, 100);
    }
}
