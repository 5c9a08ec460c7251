/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Metadata records on their way to the log: what an operation decided, encoded, in order.  Sticky:
 * after a failure nothing more is added, and status says why.  Zero-initialised is empty.
 */

#include "weir/base/buf.h"
#include "weir/protocol/record_types.h"
#include "weir/quorum/metadata_log.h"

struct weir_record_list {
    struct weir_quorum_new_record *items; /* bodies are valid after weir_record_list_seal */
    size_t count;
    size_t capacity;
    struct weir_buf bodies;
    enum weir_status status;
};

void weir_record_list_done(struct weir_record_list *list);
void weir_record_list_clear(struct weir_record_list *list);

/* record is the generated struct of that type. */
void weir_record_list_add(struct weir_record_list *list, enum weir_metadata_record_type type,
                          int16_t version, const void *record);
void weir_record_list_add_raw(struct weir_record_list *list, int16_t kind, int16_t version,
                              struct weir_slice body);

/* Lets the items point at their bodies; nothing may be added afterwards. */
WEIR_MUST_CHECK enum weir_status weir_record_list_seal(struct weir_record_list *list);
