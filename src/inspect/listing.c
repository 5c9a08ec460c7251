/* SPDX-License-Identifier: Apache-2.0 */

/* The names in a directory, in an order that does not depend on the file system. */

#include "verify_int.h"

#include "weir/base/memory.h"

#include <stdlib.h>

static enum weir_status add_name(void *context, const char *name)
{
    struct listing *listing = context;
    struct listed *items =
        weir_grow(listing->items, &listing->capacity, listing->count + 1, sizeof(items[0]));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    listing->items = items;
    char *text = weir_strdup(name);
    if (text == NULL)
        return WEIR_NO_MEMORY;
    struct listed *file = &items[listing->count++];
    file->text = text;
    inspect_file_name_parse(text, &file->name);
    return WEIR_OK;
}

static int compare(const void *a, const void *b)
{
    const struct listed *left = a;
    const struct listed *right = b;
    int64_t left_offset = left->name.has_offset ? left->name.offset : -1;
    int64_t right_offset = right->name.has_offset ? right->name.offset : -1;
    if (left_offset != right_offset)
        return left_offset < right_offset ? -1 : 1;
    return strcmp(left->text, right->text);
}

enum weir_status listing_read(struct weir_env *env, const char *dir, struct listing *out,
                              struct weir_detail *detail)
{
    struct listing listing = {0};
    enum weir_status status = weir_dir_list(env, dir, add_name, &listing, detail);
    if (status != WEIR_OK) {
        listing_done(&listing);
        return status;
    }
    if (listing.count > 1)
        qsort(listing.items, listing.count, sizeof(listing.items[0]), compare);
    *out = listing;
    return WEIR_OK;
}

void listing_done(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        weir_free(listing->items[i].text);
    weir_free(listing->items);
    *listing = (struct listing){0};
}
