/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/coordinator/java_hash.h"

#include <criterion/criterion.h>

Test(java_hash, equals_javas_hash_of_the_same_string)
{
    cr_assert_eq(weir_java_hash(WEIR_SLICE("")), 0);
    cr_assert_eq(weir_java_hash(WEIR_SLICE("hello")), 99162322);
    cr_assert_eq(weir_java_hash(WEIR_SLICE("\xc3\xa9")), 0xe9);
    cr_assert_eq(weir_java_hash(WEIR_SLICE("\xf0\x9f\x98\x80")), 1772899); /* a surrogate pair */
}

Test(java_hash, wraps_like_an_int)
{
    cr_assert_eq(weir_java_hash(WEIR_SLICE("polygenelubricants")), INT32_MIN);
    cr_assert_eq(weir_key_partition(WEIR_SLICE("polygenelubricants"), 50), 0);
}

Test(java_hash, puts_a_group_where_apache_kafka_puts_it)
{
    cr_assert_eq(weir_key_partition(WEIR_SLICE("g-c"), 5), 2);
}

Test(java_hash, takes_each_broken_sequence_for_one_replacement_character)
{
    cr_assert_eq(weir_java_hash(WEIR_SLICE("\xff")), 0xfffd);
    cr_assert_eq(weir_java_hash(WEIR_SLICE("\xe2\x82")), 0xfffd);     /* breaks off: one */
    cr_assert_eq(weir_java_hash(WEIR_SLICE("\xc0\x80")), 31 * 0xfffd + 0xfffd); /* overlong: two */
    cr_assert_eq(weir_java_length(WEIR_SLICE("\xed\xa0\x80")), 3);    /* a surrogate: three */
}

Test(java_hash, counts_utf16_units)
{
    cr_assert_eq(weir_java_length(WEIR_SLICE("ab\xc3\xa9\xf0\x9f\x98\x80")), 5);
}
