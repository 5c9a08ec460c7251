/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/uuid.h"

#include <criterion/criterion.h>

Test(uuid, text_is_kafkas)
{
    char text[WEIR_UUID_TEXT_BYTES];
    weir_uuid_format(weir_uuid_small(1), text);
    cr_assert_str_eq(text, "AAAAAAAAAAAAAAAAAAAAAQ");
    struct weir_uuid id;
    cr_assert(weir_uuid_parse(WEIR_SLICE("V75ybwxFT3u9PGzu-uhuZQ"), &id));
    weir_uuid_format(id, text);
    cr_assert_str_eq(text, "V75ybwxFT3u9PGzu-uhuZQ");
    char hex[WEIR_UUID_HEX_BYTES];
    weir_uuid_format_hex(id, hex);
    cr_assert_str_eq(hex, "57be726f-0c45-4f7b-bd3c-6ceefae86e65");
}

Test(uuid, bad_text_is_refused)
{
    struct weir_uuid id = weir_uuid_small(9);
    cr_assert_not(weir_uuid_parse(WEIR_SLICE("V75ybwxFT3u9PGzu-uhuZ"), &id));
    cr_assert_not(weir_uuid_parse(WEIR_SLICE("V75ybwxFT3u9PGzu-uhuZ+"), &id));
    cr_assert_not(weir_uuid_parse(WEIR_SLICE("V75ybwxFT3u9PGzu-uhuZR"), &id));
    cr_assert_not(weir_uuid_parse(WEIR_NULL_SLICE, &id));
    cr_assert(weir_uuid_equal(id, weir_uuid_small(9)));
}

Test(uuid, random_ids_never_begin_with_a_dash)
{
    uint8_t random[16] = {0};
    for (int first = 0; first < 256; first++) {
        random[0] = (uint8_t)first;
        struct weir_uuid id;
        cr_assert_eq(weir_uuid_from_random(random, &id), first < 0xf8 || first > 0xfb);
    }
}
