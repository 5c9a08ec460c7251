/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The one place where a status becomes the number on the wire. */

#include "weir/base/status.h"
#include "weir/protocol/errors.h"

/* Never fails: each status has a row. */
enum weir_error_code weir_error_of_status(enum weir_status status);
