/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/crc32c.h"

#include <criterion/criterion.h>
#include <string.h>

/* The definition, bit by bit: reflected polynomial 0x82f63b78. */
static uint32_t slow_crc32c(const uint8_t *data, size_t size)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t cpu_crc32c(const uint8_t *data, size_t size)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++)
        crc = __builtin_ia32_crc32qi(crc, data[i]);
    return ~crc;
}
#endif

Test(crc32c, matches_the_published_check_value)
{
    cr_assert_eq(weir_crc32c("123456789", 9), 0xe3069283u);
}

Test(crc32c, agrees_with_the_definition_and_the_cpu_at_every_length)
{
    uint8_t data[700];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 131 + 7);
    for (size_t size = 0; size < sizeof(data); size++) {
        uint32_t crc = weir_crc32c(data, size);
        cr_assert_eq(crc, slow_crc32c(data, size));
#ifdef __x86_64__
        if (__builtin_cpu_supports("sse4.2"))
            cr_assert_eq(crc, cpu_crc32c(data, size));
#endif
        cr_assert_eq(
            weir_crc32c_extend(weir_crc32c(data, size / 3), data + size / 3, size - size / 3), crc);
    }
}
