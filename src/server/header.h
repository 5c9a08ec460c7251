/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Request headers, versions 1 and 2. */

#include "weir/protocol/api_keys.h"
#include "weir/server/request.h"

struct request_head {
    struct weir_request_header header;
    const struct weir_api_spec *api;
    struct weir_slice body;
};

/* NULL when *out is filled; otherwise a literal that says what is wrong with it, and then only the
 * fields of header that could be read are set (the others are 0).  Slices point into frame. */
const char *request_head_parse(struct weir_slice frame, struct request_head *out);
