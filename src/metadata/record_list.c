/* SPDX-License-Identifier: Apache-2.0 */

#include "record_list.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

void weir_record_list_done(struct weir_record_list *list)
{
    weir_free(list->items);
    weir_buf_done(&list->bodies);
    *list = (struct weir_record_list){0};
}

void weir_record_list_clear(struct weir_record_list *list)
{
    list->count = 0;
    list->status = WEIR_OK;
    weir_buf_clear(&list->bodies);
}

static bool add_item(struct weir_record_list *list, int16_t kind, int16_t version,
                     size_t body_bytes)
{
    struct weir_quorum_new_record *grown =
        weir_grow(list->items, &list->capacity, list->count + 1, sizeof(list->items[0]));
    if (grown == NULL) {
        list->status = WEIR_NO_MEMORY;
        return false;
    }
    list->items = grown;
    list->items[list->count++] = (struct weir_quorum_new_record){
        .kind = kind, .version = version, .body = {.data = NULL, .size = body_bytes}};
    return true;
}

void weir_record_list_add(struct weir_record_list *list, enum weir_metadata_record_type type,
                          int16_t version, const void *record)
{
    if (list->status != WEIR_OK)
        return;
    const struct weir_record_type *found =
        weir_record_type_find(WEIR_RECORD_SET_METADATA, (int16_t)type);
    WEIR_ASSERT(found != NULL);
    size_t before = list->bodies.size;
    struct weir_writer writer;
    weir_writer_init(&writer, &list->bodies);
    found->value->write(&writer, version, record);
    list->status = weir_writer_status(&writer);
    weir_writer_done(&writer);
    if (list->status == WEIR_OK)
        (void)add_item(list, (int16_t)type, version, list->bodies.size - before);
}

void weir_record_list_add_raw(struct weir_record_list *list, int16_t kind, int16_t version,
                              struct weir_slice body)
{
    if (list->status != WEIR_OK)
        return;
    weir_buf_append_slice(&list->bodies, body);
    list->status = weir_buf_status(&list->bodies);
    if (list->status == WEIR_OK)
        (void)add_item(list, kind, version, body.size);
}

enum weir_status weir_record_list_seal(struct weir_record_list *list)
{
    size_t at = 0;
    for (size_t i = 0; i < list->count && list->status == WEIR_OK; i++) {
        /* An empty body in an empty buffer must not be the null slice. */
        list->items[i].body.data =
            list->bodies.data == NULL ? (const uint8_t *)"" : list->bodies.data + at;
        at += list->items[i].body.size;
    }
    return list->status;
}
