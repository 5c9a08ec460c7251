/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/varint.h"

#include <criterion/criterion.h>

Test(varint, round_trips_at_the_edges)
{
    const uint64_t values[] = {
        0, 1, 127, 128, 300, 16383, 16384, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        uint8_t bytes[WEIR_VARINT64_BYTES_MAX];
        uint64_t back = 0;
        size_t size = weir_uvarint64_put(bytes, values[i]);
        cr_assert_eq(size, weir_uvarint64_size(values[i]));
        cr_assert_eq(weir_uvarint64_get(bytes, size, &back), size);
        cr_assert_eq(back, values[i]);
        for (size_t cut = 0; cut < size; cut++)
            cr_assert_eq(weir_uvarint64_get(bytes, cut, &back), 0);
    }
}

Test(varint, too_large_for_the_type_is_refused)
{
    const uint8_t over32[] = {0xff, 0xff, 0xff, 0xff, 0x1f};
    const uint8_t over64[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    const uint8_t endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
    uint32_t small;
    uint64_t large;
    cr_assert_eq(weir_uvarint_get(over32, sizeof(over32), &small), 0);
    cr_assert_eq(weir_uvarint64_get(over64, sizeof(over64), &large), 0);
    cr_assert_eq(weir_uvarint_get(endless, sizeof(endless), &small), 0);
    cr_assert_eq(weir_uvarint64_get(endless, sizeof(endless), &large), 0);
}

Test(varint, zigzag_maps_small_magnitudes_to_small_numbers)
{
    cr_assert_eq(weir_zigzag32(-1), 1);
    cr_assert_eq(weir_zigzag32(1), 2);
    cr_assert_eq(weir_unzigzag32(weir_zigzag32(INT32_MIN)), INT32_MIN);
    cr_assert_eq(weir_unzigzag64(weir_zigzag64(INT64_MIN)), INT64_MIN);
    cr_assert_eq(weir_unzigzag64(weir_zigzag64(INT64_MAX)), INT64_MAX);
}
