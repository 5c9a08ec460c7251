/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The records Kafka keeps in its own topics, and how their bytes begin.
 *
 * Metadata records (and those of remote storage) are a value only, framed as
 *     frame version (uvarint, 1), type (uvarint), version (uvarint), body.
 * Coordinator records have a key of  type (int16), body  and a value of  version (int16), body;  a
 * key's own version is its schema's only one, 0, and does not appear: its type stands in its place.
 * Constants and pure functions; any thread.
 */

#include "weir/protocol/codec.h"
#include "weir/protocol/record_type_enums.h"

enum weir_record_set {
    WEIR_RECORD_SET_METADATA, /* __cluster_metadata; enum weir_metadata_record_type */
    WEIR_RECORD_SET_GROUP,    /* __consumer_offsets; enum weir_group_record_type */
    WEIR_RECORD_SET_TXN,      /* __transaction_state; enum weir_txn_record_type */
    WEIR_RECORD_SET_SHARE,    /* __share_group_state; enum weir_share_record_type */
    WEIR_RECORD_SET_REMOTE,   /* __remote_log_metadata; enum weir_remote_record_type */
    WEIR_RECORD_SET_DATA      /* no frame of its own, no type: control records, principals, ... */
};

struct weir_record_type {
    enum weir_record_set set;
    int16_t type; /* -1 in WEIR_RECORD_SET_DATA */
    const char *name;
    const struct weir_message_codec *key; /* NULL when such records have none */
    const struct weir_message_codec *value;
};

/* NULL when the set has no such type. */
const struct weir_record_type *weir_record_type_find(enum weir_record_set set, int16_t type);

size_t weir_record_type_count(void);
const struct weir_record_type *weir_record_type_at(size_t index);

struct weir_record_frame {
    int16_t type;
    int16_t version;
};

/* Reads the frame of a metadata record; the body follows in the reader.  A frame version other than
 * 1 is UNSUPPORTED. */
void weir_record_frame_read(struct weir_reader *reader, struct weir_record_frame *out);
void weir_record_frame_write(struct weir_writer *writer, struct weir_record_frame frame);

/* Writes frame and body of a metadata record. */
void weir_metadata_record_write(struct weir_writer *writer, enum weir_metadata_record_type type,
                                int16_t version, const void *record);

/* Writes a coordinator record's key (type, then body) or value (version, then body).  UNSUPPORTED
 * when the set has no such type. */
void weir_coordinator_key_write(struct weir_writer *writer, enum weir_record_set set, int16_t type,
                                const void *key);
void weir_coordinator_value_write(struct weir_writer *writer, enum weir_record_set set,
                                  int16_t type, int16_t version, const void *value);

/* Reads the number in front of a coordinator key (its type) or value (its version).  A negative one
 * is INVALID. */
int16_t weir_coordinator_prefix_read(struct weir_reader *reader);
