/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Small pieces of the text formats: lines and numbers out of a slice. */

#include "weir/base/slice.h"

#include <inttypes.h>

/* Takes a line (without its LF) off the front; false at the end. */
bool weir_text_take_line(struct weir_slice *rest, struct weir_slice *out);
/* Takes a word up to the next blank off the front of a line; false when there is none. */
bool weir_text_take_word(struct weir_slice *line, struct weir_slice *out);
/* The whole slice as a decimal number. */
bool weir_text_parse_i64(struct weir_slice text, int64_t *out);
/* Takes a word that is a number. */
bool weir_text_take_i64(struct weir_slice *line, int64_t *out);
