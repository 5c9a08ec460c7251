/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Java's .properties text: '#' and '!' comments, '=', ':' or blanks between key and value, lines
 * continued by a backslash, the escapes \t \n \r \f and \uXXXX.  Lines that are UTF-8 are taken as
 * such; any other line is read as Latin-1, as Java does.  Pure; any thread.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"

/* Larger texts are refused: a server.properties is some kilobytes. */
#define WEIR_PROPERTIES_BYTES_MAX ((size_t)4 << 20)

/* key and value are UTF-8 without NUL bytes and live during the call only; line is where the entry
 * begins, from 1. Anything but OK ends the parsing with that status. */
typedef enum weir_status weir_properties_entry(void *context, struct weir_slice key,
                                               struct weir_slice value, unsigned line);

/* Calls entry for each key in the order of the text; a key that stands there twice is given twice
 * (Java keeps the last). INVALID with the line in detail for a broken \u escape or a NUL, LIMIT for
 * a text that is too large, NO_MEMORY; entries before the bad line have been given then. */
WEIR_MUST_CHECK enum weir_status weir_properties_parse(struct weir_slice text,
                                                       weir_properties_entry *entry, void *context,
                                                       struct weir_detail *detail);
