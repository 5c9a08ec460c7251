/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which of several known words somebody may have meant.  Value type; pure. */

#include "weir/base/slice.h"

#define NEAREST_BYTES_MAX 96 /* longer than any key, command or option */

struct nearest {
    uint8_t name[NEAREST_BYTES_MAX]; /* in small letters, '.' between the words */
    size_t size;
    const char *best;  /* NULL: none is near enough */
    size_t best_score; /* less is nearer */
};

/* A third of the letters may differ, else a suggestion would puzzle more than help. */
void nearest_init(struct nearest *nearest, struct weir_slice name);
/* candidate must live as long as nearest->best is used. */
void nearest_try(struct nearest *nearest, const char *candidate);
