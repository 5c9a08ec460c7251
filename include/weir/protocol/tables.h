/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The generated tables behind api_keys.h and record_types.h; others use the functions there. */

#include "weir/protocol/api_keys.h"
#include "weir/protocol/record_types.h"

extern const struct weir_api_spec weir_api_table[];
extern const size_t weir_api_table_count;
extern const struct weir_record_type weir_record_table[];
extern const size_t weir_record_table_count;
