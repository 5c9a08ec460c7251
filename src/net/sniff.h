/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a connection's first bytes say about who is calling.  Pure. */

#include "weir/base/slice.h"

enum weir_sniffed { WEIR_SNIFFED_KAFKA, WEIR_SNIFFED_HTTP, WEIR_SNIFFED_TLS };

/* KAFKA when in doubt.  first holds at least the four bytes where a Kafka frame has its length;
 * is_too_large says that as a length they are over the limit. */
enum weir_sniffed weir_sniff(struct weir_slice first, bool is_too_large);
