/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/record_types.h"

#include "weir/base/assert.h"
#include "weir/protocol/tables.h"

enum { FRAME_VERSION = 1 };

const struct weir_record_type *weir_record_type_find(enum weir_record_set set, int16_t type)
{
    for (size_t i = 0; i < weir_record_table_count; i++)
        if (weir_record_table[i].set == set && weir_record_table[i].type == type)
            return &weir_record_table[i];
    return NULL;
}

size_t weir_record_type_count(void)
{
    return weir_record_table_count;
}

const struct weir_record_type *weir_record_type_at(size_t index)
{
    WEIR_ASSERT(index < weir_record_table_count);
    return &weir_record_table[index];
}

void weir_record_frame_read(struct weir_reader *reader, struct weir_record_frame *out)
{
    *out = (struct weir_record_frame){0, 0};
    const uint32_t frame_version = weir_read_uvarint(reader);
    if (weir_reader_status(reader) == WEIR_OK && frame_version != FRAME_VERSION)
        weir_reader_fail(reader, WEIR_UNSUPPORTED);
    const uint32_t type = weir_read_uvarint(reader);
    const uint32_t version = weir_read_uvarint(reader);
    if (type > INT16_MAX || version > INT16_MAX)
        weir_reader_fail(reader, WEIR_INVALID);
    if (weir_reader_status(reader) == WEIR_OK)
        *out = (struct weir_record_frame){(int16_t)type, (int16_t)version};
}

void weir_record_frame_write(struct weir_writer *writer, struct weir_record_frame frame)
{
    WEIR_ASSERT(frame.type >= 0 && frame.version >= 0);
    weir_write_uvarint(writer, FRAME_VERSION);
    weir_write_uvarint(writer, (uint32_t)frame.type);
    weir_write_uvarint(writer, (uint32_t)frame.version);
}

void weir_metadata_record_write(struct weir_writer *writer, enum weir_metadata_record_type type,
                                int16_t version, const void *record)
{
    const struct weir_record_type *found =
        weir_record_type_find(WEIR_RECORD_SET_METADATA, (int16_t)type);
    if (found == NULL) {
        weir_writer_fail(writer, WEIR_UNSUPPORTED);
        return;
    }
    weir_record_frame_write(writer, (struct weir_record_frame){(int16_t)type, version});
    found->value->write(writer, version, record);
}

void weir_coordinator_key_write(struct weir_writer *writer, enum weir_record_set set, int16_t type,
                                const void *key)
{
    const struct weir_record_type *found = weir_record_type_find(set, type);
    if (found == NULL || found->key == NULL) {
        weir_writer_fail(writer, WEIR_UNSUPPORTED);
        return;
    }
    weir_write_i16(writer, type);
    found->key->write(writer, found->key->version_max, key);
}

void weir_coordinator_value_write(struct weir_writer *writer, enum weir_record_set set,
                                  int16_t type, int16_t version, const void *value)
{
    const struct weir_record_type *found = weir_record_type_find(set, type);
    if (found == NULL || found->key == NULL) {
        weir_writer_fail(writer, WEIR_UNSUPPORTED);
        return;
    }
    weir_write_i16(writer, version);
    found->value->write(writer, version, value);
}

int16_t weir_coordinator_prefix_read(struct weir_reader *reader)
{
    const int16_t number = weir_read_i16(reader);
    if (number < 0)
        weir_reader_fail(reader, WEIR_INVALID);
    return number < 0 ? 0 : number;
}
