/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A run of bytes inside an open file that is to be sent as it is (sendfile).  The range keeps the
 * file open through its owner until release is called, once, from whichever thread sent or dropped
 * the last byte.  Public value struct.
 */

#include "weir/runtime/env.h"

struct weir_file_range {
    struct weir_file *file;
    uint64_t file_pos;
    size_t size;
    void (*release)(void *owner); /* may be NULL */
    void *owner;
};
