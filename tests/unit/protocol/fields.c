/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"

size_t message_count(void)
{
    return requests_info_count + responses_info_count + records_info_count;
}

const struct message_info *message_at(size_t index)
{
    if (index < requests_info_count)
        return &requests_info[index];
    index -= requests_info_count;
    if (index < responses_info_count)
        return &responses_info[index];
    return &records_info[index - responses_info_count];
}

uint64_t random_next(struct random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t value = random->state;
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint32_t random_below(struct random *random, uint32_t bound)
{
    return (uint32_t)(random_next(random) % bound);
}

static bool in_range(int16_t low, int16_t high, int16_t version)
{
    return version >= low && version <= high;
}

static size_t kind_size(const struct field_info *field)
{
    switch (field->kind) {
    case FIELD_BOOL:
        return sizeof(bool);
    case FIELD_INT8:
        return 1;
    case FIELD_INT16:
    case FIELD_UINT16:
        return 2;
    case FIELD_INT32:
    case FIELD_UINT32:
        return 4;
    case FIELD_INT64:
    case FIELD_FLOAT64:
        return 8;
    case FIELD_UUID:
        return sizeof(struct weir_uuid);
    case FIELD_STRING:
    case FIELD_BYTES:
        return sizeof(struct weir_slice);
    case FIELD_RECORDS:
        return sizeof(struct weir_records);
    case FIELD_STRUCT:
        return field->inner->size;
    }
    return 0;
}

static void *take(struct weir_arena *arena, size_t count, size_t size)
{
    void *memory = weir_arena_calloc(arena, count, size);
    WEIR_ASSERT(memory != NULL);
    return memory;
}

static struct weir_slice random_bytes(struct random *random, struct weir_arena *arena)
{
    static const uint16_t sizes[] = {0, 1, 3, 11, 126, 127, 128, 300};
    /* Long ones are rare, or messages of many strings get huge. */
    const size_t size = sizes[random_below(random, random_below(random, 12) == 0 ? 8 : 4)];
    uint8_t *data = take(arena, size + 1, 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)random_next(random);
    return weir_slice_of(data, size);
}

static uint64_t random_integer(struct random *random)
{
    static const uint64_t edges[] = {
        0,          1,         UINT64_MAX,         0x7f, 0x80, 0x7fff, 0x8000, 0x7fffffff,
        0x80000000, INT64_MAX, (uint64_t)INT64_MIN};
    if (random_below(random, 2) == 0)
        return edges[random_below(random, (uint32_t)WEIR_ARRAY_COUNT(edges))];
    return random_next(random);
}

struct filling {
    struct random *random;
    struct weir_arena *arena;
    int16_t version;
    bool is_flexible;
    struct intruder *intruder;
};

static void fill_element(const struct filling *filling, const struct field_info *field, void *at)
{
    struct random *random = filling->random;
    const uint64_t integer = random_integer(random);
    const double number = (double)(int32_t)integer / 8;
    switch (field->kind) {
    case FIELD_BOOL:
        *(bool *)at = (integer & 1) != 0;
        break;
    case FIELD_INT8:
    case FIELD_INT16:
    case FIELD_UINT16:
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_INT64:
        memcpy(at, &integer, kind_size(field));
        break;
    case FIELD_FLOAT64:
        memcpy(at, &number, sizeof(number));
        break;
    case FIELD_UUID:
        for (size_t i = 0; i < sizeof(struct weir_uuid); i++)
            ((struct weir_uuid *)at)->bytes[i] = (uint8_t)random_next(random);
        break;
    case FIELD_STRING:
    case FIELD_BYTES:
        *(struct weir_slice *)at = random_bytes(random, filling->arena);
        break;
    case FIELD_RECORDS:
        *(struct weir_records *)at =
            (struct weir_records){.bytes = random_bytes(random, filling->arena)};
        break;
    case FIELD_STRUCT:
        fill_struct(random, filling->arena, field->inner, filling->version, filling->is_flexible,
                    filling->intruder, at);
        break;
    }
}

static void make_null(const struct field_info *field, void *at)
{
    if (field->is_array)
        *(struct weir_i8_array *)at = (struct weir_i8_array){NULL, -1};
    else if (field->kind == FIELD_STRUCT)
        *(const void **)at = NULL;
    else if (field->kind == FIELD_RECORDS)
        *(struct weir_records *)at = (struct weir_records){.bytes = WEIR_NULL_SLICE};
    else
        *(struct weir_slice *)at = WEIR_NULL_SLICE;
}

static void fill_field(const struct filling *filling, const struct field_info *field, void *at)
{
    struct random *random = filling->random;
    if (in_range(field->null_low, field->null_high, filling->version) &&
        random_below(random, 5) == 0) {
        make_null(field, at);
    } else if (field->is_array) {
        const int32_t count = (int32_t)random_below(random, field->kind == FIELD_STRUCT ? 3 : 5);
        uint8_t *items = take(filling->arena, (size_t)count + 1, kind_size(field));
        for (int32_t i = 0; i < count; i++)
            fill_element(filling, field, items + (size_t)i * kind_size(field));
        /* All array structs have this shape. */
        *(struct weir_i8_array *)at = (struct weir_i8_array){(int8_t *)items, count};
    } else if (field->kind == FIELD_STRUCT && field->null_high >= field->null_low) {
        void *inner = take(filling->arena, 1, field->inner->size);
        fill_element(filling, field, inner);
        *(const void **)at = inner;
    } else {
        fill_element(filling, field, at);
    }
}

/* A value that is no default: not null, not empty, not zero, and no number a schema has for one. */
static void fill_intruder(const struct filling *filling, const struct field_info *field, void *at)
{
    const uint64_t odd = 0x5b;
    if (field->is_array) {
        uint8_t *items = take(filling->arena, 1, kind_size(field));
        if (field->kind == FIELD_STRUCT)
            field->inner->init(items);
        *(struct weir_i8_array *)at = (struct weir_i8_array){(int8_t *)items, 1};
        return;
    }
    switch (field->kind) {
    case FIELD_BOOL:
        *(bool *)at = !*(bool *)at;
        break;
    case FIELD_INT8:
    case FIELD_INT16:
    case FIELD_UINT16:
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_INT64:
    case FIELD_FLOAT64:
        memcpy(at, &odd, kind_size(field));
        break;
    case FIELD_UUID:
        ((struct weir_uuid *)at)->bytes[7] = 1;
        break;
    case FIELD_STRING:
    case FIELD_BYTES:
        *(struct weir_slice *)at = WEIR_SLICE("set");
        break;
    case FIELD_RECORDS:
        *(struct weir_records *)at = (struct weir_records){.bytes = WEIR_SLICE("set")};
        break;
    case FIELD_STRUCT:
        if (field->null_high >= field->null_low) {
            void *inner = take(filling->arena, 1, field->inner->size);
            field->inner->init(inner);
            *(const void **)at = inner;
            at = inner;
        }
        fill_intruder(filling, &field->inner->fields[0],
                      (uint8_t *)at + field->inner->fields[0].offset);
        break;
    }
}

void fill_struct(struct random *random, struct weir_arena *arena, const struct struct_info *info,
                 int16_t version, bool is_flexible, struct intruder *intruder, void *at)
{
    const struct filling filling = {random, arena, version, is_flexible, intruder};
    info->init(at);
    for (size_t i = 0; i < info->field_count; i++) {
        const struct field_info *field = &info->fields[i];
        void *place = (uint8_t *)at + field->offset;
        if (intruder != NULL && intruder->field == field) {
            fill_intruder(&filling, field, place);
            intruder->was_set = true;
            continue;
        }
        if (!in_range(field->low, field->high, version) ||
            (field->tag >= 0 && random_below(random, 2) == 0))
            continue;
        fill_field(&filling, field, place);
    }
    if (info->tags_offset == NO_TAGS || !is_flexible || random_below(random, 6) != 0)
        return;
    struct weir_tags *tags = (struct weir_tags *)(void *)((uint8_t *)at + info->tags_offset);
    tags->count = (int32_t)random_below(random, 3);
    tags->items = take(arena, (size_t)tags->count + 1, sizeof(*tags->items));
    uint32_t tag = 100;
    for (int32_t i = 0; i < tags->count; i++) {
        tag += random_below(random, 5000) + 1;
        tags->items[i] = (struct weir_tag){tag, random_bytes(random, arena)};
    }
}

static bool same_slice(struct weir_slice a, struct weir_slice b)
{
    return weir_slice_is_null(a) == weir_slice_is_null(b) && weir_slice_equal(a, b);
}

static bool same_element(struct weir_arena *arena, const struct field_info *field, int16_t version,
                         const void *a, const void *b, const char **out_field)
{
    switch (field->kind) {
    case FIELD_BOOL:
    case FIELD_INT8:
    case FIELD_INT16:
    case FIELD_UINT16:
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_INT64:
    case FIELD_FLOAT64:
    case FIELD_UUID:
        return memcmp(a, b, kind_size(field)) == 0;
    case FIELD_STRING:
    case FIELD_BYTES:
        return same_slice(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
    case FIELD_RECORDS:
        return same_slice(((const struct weir_records *)a)->bytes,
                          ((const struct weir_records *)b)->bytes);
    case FIELD_STRUCT:
        return same_struct(arena, field->inner, version, a, b, out_field);
    }
    return false;
}

static bool same_field(struct weir_arena *arena, const struct field_info *field, int16_t version,
                       const void *a, const void *b, const char **out_field)
{
    if (field->is_array) {
        const struct weir_i8_array *x = a, *y = b;
        bool same = x->count == y->count;
        for (int32_t i = 0; same && i < x->count; i++)
            same = same_element(arena, field, version, x->items + (size_t)i * kind_size(field),
                                y->items + (size_t)i * kind_size(field), out_field);
        return same;
    }
    if (field->kind == FIELD_STRUCT && field->null_high >= field->null_low) {
        const void *x = *(const void *const *)a, *y = *(const void *const *)b;
        if (x == NULL || y == NULL)
            return x == y;
        return same_struct(arena, field->inner, version, x, y, out_field);
    }
    return same_element(arena, field, version, a, b, out_field);
}

static bool same_tags(const struct weir_tags *a, const struct weir_tags *b)
{
    bool same = a->count == b->count;
    for (int32_t i = 0; same && i < a->count; i++)
        same = a->items[i].tag == b->items[i].tag &&
               weir_slice_equal(a->items[i].bytes, b->items[i].bytes);
    return same;
}

bool same_struct(struct weir_arena *arena, const struct struct_info *info, int16_t version,
                 const void *a, const void *b, const char **out_field)
{
    void *defaults = take(arena, 1, info->size);
    info->init(defaults);
    for (size_t i = 0; i < info->field_count; i++) {
        const struct field_info *field = &info->fields[i];
        const bool is_sent = in_range(field->low, field->high, version);
        const uint8_t *expected = (const uint8_t *)(is_sent ? a : defaults) + field->offset;
        *out_field = field->name;
        if (!same_field(arena, field, version, expected, (const uint8_t *)b + field->offset,
                        out_field))
            return false;
    }
    *out_field = "unknown_tags";
    return info->tags_offset == NO_TAGS ||
           same_tags((const void *)((const uint8_t *)a + info->tags_offset),
                     (const void *)((const uint8_t *)b + info->tags_offset));
}
