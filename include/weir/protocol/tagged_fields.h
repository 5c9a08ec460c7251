/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The section of tagged fields at the end of each struct of a flexible message (KIP-482): a count,
 * then per field its tag, its size and its bytes, in strictly rising order of tag.  Generated
 * codecs are the only users.
 */

#include "weir/protocol/arrays.h"

struct weir_tag_reader {
    uint32_t tag;         /* of the field the cursor stands on */
    uint32_t fields_left; /* behind this one */
    bool is_first;
    const uint8_t *end; /* of the input, while the reader is confined to one field */
    bool is_inside;
};

/* Reads the count. */
void weir_tag_reader_begin(struct weir_tag_reader *tags, struct weir_reader *reader);

/* Goes to the next field and confines the reader to its bytes; false at the end or after a failure.
 * A field that was not consumed whole, or whose tag does not rise, makes the reader fail (INVALID).
 */
bool weir_tag_reader_next(struct weir_tag_reader *tags, struct weir_reader *reader);

/* Takes the bytes of the current field as they are. */
void weir_tag_reader_keep(struct weir_tag_reader *tags, struct weir_reader *reader,
                          struct weir_tags *into);

/* Writes the unknown fields below `tag` that have not been written yet; *next counts them.  INVALID
 * when one has the tag itself, or when they do not rise. */
void weir_write_tags_below(struct weir_writer *writer, const struct weir_tags *tags, int32_t *next,
                           uint32_t tag);
/* The same for all that are left. */
void weir_write_tags_rest(struct weir_writer *writer, const struct weir_tags *tags, int32_t *next);

/* Between begin and end the bytes of one known field are written; end puts their size in front. */
size_t weir_write_tag_begin(struct weir_writer *writer, uint32_t tag);
void weir_write_tag_end(struct weir_writer *writer, size_t begin);
