/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/crc32c.h"

#include <isa-l.h>

/* ISA-L takes an int length; longer runs are cut into pieces. */
#define PIECE_BYTES ((size_t)1 << 30)

uint32_t weir_crc32c_extend(uint32_t crc, const void *data, size_t size)
{
    /* ISA-L's prototype lacks const but the bytes are only read; it works on the inverted register.
     */
    unsigned char *at = (unsigned char *)(uintptr_t)data;
    uint32_t state = ~crc;
    while (size > 0) {
        size_t piece = size < PIECE_BYTES ? size : PIECE_BYTES;
        state = crc32_iscsi(at, (int)piece, state);
        at += piece;
        size -= piece;
    }
    return ~state;
}

uint32_t weir_crc32c(const void *data, size_t size)
{
    return weir_crc32c_extend(0, data, size);
}
