/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One message or record as a value: what the tests, the fuzzers and the readers of metadata and
 * coordinator logs use when the type is known only at run time.  The generator writes one constant
 * per message; any thread.
 */

#include "weir/protocol/wire_reader.h"
#include "weir/protocol/wire_writer.h"

#define WEIR_NEVER_FLEXIBLE INT16_MAX

struct weir_printer;

struct weir_message_codec {
    const char *name; /* as Kafka names it: "FetchRequest" */
    int16_t version_min;
    int16_t version_max;
    int16_t flexible_from; /* WEIR_NEVER_FLEXIBLE: none */
    size_t size;           /* of the struct; its alignment is at most 16 */
    void (*init)(void *message);
    void (*read)(struct weir_reader *reader, int16_t version, void *out);
    void (*write)(struct weir_writer *writer, int16_t version, const void *message);
    /* In words, see printer.h.  Records only: NULL for requests, responses and headers. */
    void (*print)(struct weir_printer *printer, int16_t version, const void *message);
};
