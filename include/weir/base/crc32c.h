/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli) as record batches carry it.  Pure; any thread. */
uint32_t weir_crc32c(const void *data, size_t size);

/* Continues a checksum over the next bytes: weir_crc32c_extend(weir_crc32c(a), b) ==
 * weir_crc32c(ab). */
uint32_t weir_crc32c_extend(uint32_t crc, const void *data, size_t size);
