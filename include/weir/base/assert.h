/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Assertions for errors of the programmer: preconditions, postconditions, states.  They stay on in
 * release builds. Never use them on bytes from a peer, a disk or a config file.
 */

#include <assert.h>

_Noreturn void weir_assert_failed(const char *file, int line, const char *expression);

#define WEIR_ASSERT(expression)                                                                    \
    ((expression) ? (void)0 : weir_assert_failed(__FILE__, __LINE__, #expression))

/* For checks whose cost grows with the data; debug and sanitizer builds only. */
#ifdef NDEBUG
#define WEIR_SLOW_ASSERT(expression) ((void)0)
#else
#define WEIR_SLOW_ASSERT(expression) WEIR_ASSERT(expression)
#endif

#define WEIR_UNREACHABLE() weir_assert_failed(__FILE__, __LINE__, "unreachable")
