/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For test programs with their own main(): a claim that does not hold ends the program with a
 * message.  (Criterion forks for each test; what runs here has threads, sanitizers or thousands of
 * rounds.) */

#include "weir/base/status.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(claim, ...)                                                                          \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            (void)fprintf(stderr, "%s:%d: %s does not hold: ", __FILE__, __LINE__, #claim);        \
            (void)fprintf(stderr, " " __VA_ARGS__);                                                \
            (void)fprintf(stderr, "\n");                                                           \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The status is OK, or the program ends with its name and the detail's words. */
#define CHECK_OK(expression, detail)                                                               \
    do {                                                                                           \
        enum weir_status check_status = (expression);                                              \
        CHECK(check_status == WEIR_OK, "%s gave %s (%s)", #expression,                             \
              weir_status_name(check_status), (detail).text);                                      \
    } while (0)

/* One claim: says its name, so that a failure is found. */
#define RUN(claim)                                                                                 \
    do {                                                                                           \
        (void)fprintf(stderr, "%s\n", #claim);                                                     \
        claim();                                                                                   \
    } while (0)
