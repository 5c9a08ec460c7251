/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What each message consists of, for tests that treat all of them alike; the generator writes the
 * tables.  Version ranges are those in which the field is on the wire or may be null; high < low is
 * "in none".
 */

#include "weir/protocol/arrays.h"
#include "weir/protocol/codec.h"

enum field_kind {
    FIELD_BOOL,
    FIELD_INT8,
    FIELD_INT16,
    FIELD_UINT16,
    FIELD_INT32,
    FIELD_UINT32,
    FIELD_INT64,
    FIELD_FLOAT64,
    FIELD_UUID,
    FIELD_STRING,
    FIELD_BYTES,
    FIELD_RECORDS,
    FIELD_STRUCT
};

#define NO_TAGS SIZE_MAX

struct field_info {
    const char *name;
    enum field_kind kind; /* of the elements, when it is an array */
    bool is_array;
    bool is_ignorable;
    size_t offset;
    int16_t low, high;
    int16_t null_low, null_high;
    int32_t tag; /* -1: none */
    const struct struct_info *inner;
};

struct struct_info {
    const char *name;
    const struct field_info *fields;
    size_t field_count;
    size_t size;
    size_t tags_offset; /* of unknown_tags; NO_TAGS: it has none */
    void (*init)(void *at);
};

struct message_info {
    const struct weir_message_codec *codec;
    const struct struct_info *root;
};

extern const struct message_info requests_info[];
extern const size_t requests_info_count;
extern const struct message_info responses_info[]; /* and headers */
extern const size_t responses_info_count;
extern const struct message_info records_info[];
extern const size_t records_info_count;

/* All three tables as one. */
size_t message_count(void);
const struct message_info *message_at(size_t index);

struct random {
    uint64_t state;
};

uint64_t random_next(struct random *random);
/* Below bound, which is not 0. */
uint32_t random_below(struct random *random, uint32_t bound);

/* One field to set although the version lacks it; was_set tells whether a struct that holds it came
 * up. */
struct intruder {
    const struct field_info *field;
    bool was_set;
};

/* Fills a struct with values that `version` can carry; the rest keeps its default.  Memory comes
 * from the arena, which must not run out.  intruder may be NULL. */
void fill_struct(struct random *random, struct weir_arena *arena, const struct struct_info *info,
                 int16_t version, bool is_flexible, struct intruder *intruder, void *at);

/* Whether b is a after a trip over the wire: fields of this version are equal, and the others have
 * their defaults in b.  On failure *out_field names the field. */
bool same_struct(struct weir_arena *arena, const struct struct_info *info, int16_t version,
                 const void *a, const void *b, const char **out_field);
