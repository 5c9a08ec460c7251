/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A subscription by regular expression (KIP-848): the syntax of RE2/J, a whole topic name must
 * match, and matching takes time proportional to the expression times the name (no backtracking).
 * Written here because the kept libraries with a C interface backtrack, and because a topic's name
 * is ASCII: an automaton over 128 characters is small.  A compiled expression belongs to one thread
 * at a time; compiling may be done on any thread.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"

struct weir_topic_regex;

#define WEIR_TOPIC_REGEX_BYTES_MAX 8192

/* INVALID_REGULAR_EXPRESSION when the text is not of that syntax, or is too large: longer than
 * WEIR_TOPIC_REGEX_BYTES_MAX, or of more than 32,768 steps once its repetitions are written out.
 * detail then says why in RE2/J's words ("missing closing ]"), for the answer's error message.
 * NO_MEMORY.  pattern is only read during the call.  *out is the caller's to free. */
WEIR_MUST_CHECK enum weir_status weir_topic_regex_new(struct weir_slice pattern,
                                                      struct weir_topic_regex **out,
                                                      struct weir_detail *detail);
void weir_topic_regex_free(struct weir_topic_regex *regex);

/* True when the whole name matches.  Names longer than 249 bytes match nothing: no topic has one.
 */
bool weir_topic_regex_matches(struct weir_topic_regex *regex, struct weir_slice name);
