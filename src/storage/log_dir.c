/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What lies in a partition directory.  Files are named <20 digits><suffix>; ".deleted", ".cleaned"
 * and ".swap" behind that say how far a deletion or a compaction had come when the process ended
 * (reference A.6, steps 1 and 2): .deleted  given up: remove .cleaned  a compaction's output that
 * was not complete: remove, with every .swap at or above it .swap     complete output: the files it
 * replaces go, and it takes their name
 */

#include "log_int.h"

#include "weir/base/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { OFFSET_DIGITS = 20, SCAN_BYTES = 65536 };

void weir_log_dir_listing_done(struct log_dir_listing *listing)
{
    weir_free(listing->items);
    memset(listing, 0, sizeof(*listing));
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t text_bytes = strlen(text);
    size_t suffix_bytes = strlen(suffix);
    return text_bytes >= suffix_bytes && strcmp(text + text_bytes - suffix_bytes, suffix) == 0;
}

static bool parse_name(const char *name, struct log_dir_entry *out)
{
    int64_t offset = 0;
    for (int i = 0; i < OFFSET_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9' || __builtin_mul_overflow(offset, 10, &offset) ||
            __builtin_add_overflow(offset, name[i] - '0', &offset))
            return false;
    }
    const char *suffix = name + OFFSET_DIGITS;
    if (suffix[0] != '.' || strlen(suffix) >= sizeof(out->suffix))
        return false;
    out->offset = offset;
    memcpy(out->suffix, suffix, strlen(suffix) + 1);
    return true;
}

struct list_context {
    struct weir_env *env;
    const char *dir;
    struct log_dir_listing *listing;
    struct weir_detail *detail;
};

static enum weir_status on_entry(void *context, const char *name)
{
    struct list_context *list = context;
    struct log_dir_entry entry;
    if (!parse_name(name, &entry)) {
        /* Apache Kafka does not survive such a name; it would be lost data if it were skipped. */
        if (!ends_with(name, WEIR_SEGMENT_SUFFIX_LOG))
            return WEIR_OK;
        weir_detail_set(list->detail, "%s/%s is not named by an offset", list->dir, name);
        return WEIR_CORRUPT;
    }
    struct log_dir_listing *listing = list->listing;
    struct log_dir_entry *items = weir_grow(listing->items, &listing->capacity, listing->count + 1,
                                            sizeof(listing->items[0]));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    listing->items = items;
    items[listing->count++] = entry;
    return WEIR_OK;
}

static int compare_entries(const void *a, const void *b)
{
    const struct log_dir_entry *left = a;
    const struct log_dir_entry *right = b;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return strcmp(left->suffix, right->suffix);
}

enum weir_status weir_log_dir_list(struct weir_env *env, const char *dir,
                                   struct log_dir_listing *out, struct weir_detail *detail)
{
    struct log_dir_listing listing = {0};
    struct list_context context = {.env = env, .dir = dir, .listing = &listing, .detail = detail};
    enum weir_status status = weir_dir_list(env, dir, on_entry, &context, detail);
    if (status != WEIR_OK) {
        weir_log_dir_listing_done(&listing);
        return status;
    }
    if (listing.count > 1)
        qsort(listing.items, listing.count, sizeof(listing.items[0]), compare_entries);
    *out = listing;
    return WEIR_OK;
}

uint64_t weir_log_dir_bytes_from(struct weir_env *env, const char *dir, int64_t recovery_point)
{
    struct log_dir_listing listing = {0};
    uint64_t bytes = 0;
    if (weir_log_dir_list(env, dir, &listing, NULL) != WEIR_OK)
        return 0;
    int64_t next_base = INT64_MAX;
    for (size_t i = listing.count; i > 0; i--) {
        const struct log_dir_entry *entry = &listing.items[i - 1];
        char path[WEIR_SEGMENT_PATH_BYTES];
        struct weir_file_info info;
        if (strcmp(entry->suffix, WEIR_SEGMENT_SUFFIX_LOG) != 0)
            continue;
        if (next_base <= recovery_point)
            break;
        weir_offset_file_path(dir, entry->offset, entry->suffix, path);
        if (weir_path_info(env, path, &info, NULL) == WEIR_OK)
            bytes += info.size_bytes;
        next_base = entry->offset;
    }
    weir_log_dir_listing_done(&listing);
    return bytes;
}

static enum weir_status remove_entry(struct weir_env *env, const char *dir,
                                     const struct log_dir_entry *entry, struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    weir_offset_file_path(dir, entry->offset, entry->suffix, path);
    enum weir_status status = weir_path_remove(env, path, detail);
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}

/* The offset behind the last batch of a <base>.log.swap. */
static enum weir_status swap_end_offset(struct weir_env *env, const char *dir, int64_t base_offset,
                                        int64_t *out, struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_segment segment = {.env = env, .base_offset = base_offset, .path = path};
    uint64_t size = 0;
    uint8_t *buffer = weir_malloc(SCAN_BYTES);
    if (buffer == NULL)
        return WEIR_NO_MEMORY;
    weir_offset_file_path(dir, base_offset, ".log.swap", path);
    enum weir_status status = weir_file_open(env, path, WEIR_OPEN_READ, &segment.file, detail);
    if (status == WEIR_OK)
        status = weir_file_size(env, segment.file, &size, detail);
    if (status == WEIR_OK) {
        struct weir_segment_scan scan;
        struct weir_batch_place place;
        *out = base_offset;
        weir_segment_scan_init(&scan, &segment, 0, size, buffer, SCAN_BYTES);
        while ((status = weir_segment_scan_next(&scan, false, &place, detail)) == WEIR_OK)
            *out = place.batch.last_offset + 1;
        if (status == WEIR_NOT_FOUND)
            status = WEIR_OK;
    }
    weir_file_close(env, segment.file);
    weir_free(buffer);
    return status;
}

/* Removes what the surviving swap logs replace. */
static enum weir_status remove_replaced(struct weir_env *env, const char *dir,
                                        const struct log_dir_listing *listing,
                                        struct weir_detail *detail)
{
    int64_t from = INT64_MAX;
    int64_t to = -1;
    for (size_t i = 0; i < listing->count; i++) {
        const struct log_dir_entry *entry = &listing->items[i];
        if (strcmp(entry->suffix, ".log.swap") != 0)
            continue;
        int64_t end = 0;
        enum weir_status status = swap_end_offset(env, dir, entry->offset, &end, detail);
        if (status != WEIR_OK)
            return status;
        if (entry->offset < from)
            from = entry->offset;
        if (end <= entry->offset)
            end = entry->offset + 1; /* nothing was kept; it still replaces its namesake */
        if (end > to)
            to = end;
    }
    for (size_t i = 0; i < listing->count; i++) {
        const struct log_dir_entry *entry = &listing->items[i];
        if (ends_with(entry->suffix, ".swap") || entry->offset < from || entry->offset >= to)
            continue;
        enum weir_status status = remove_entry(env, dir, entry, detail);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static enum weir_status rename_swaps(struct weir_env *env, const char *dir,
                                     const struct log_dir_listing *listing,
                                     struct weir_detail *detail)
{
    for (size_t i = 0; i < listing->count; i++) {
        const struct log_dir_entry *entry = &listing->items[i];
        char from[WEIR_SEGMENT_PATH_BYTES];
        char to[WEIR_SEGMENT_PATH_BYTES];
        if (!ends_with(entry->suffix, ".swap"))
            continue;
        weir_offset_file_path(dir, entry->offset, entry->suffix, from);
        memcpy(to, from, sizeof(to));
        to[strlen(to) - strlen(".swap")] = '\0';
        enum weir_status status = weir_path_rename(env, from, to, detail);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

/* Steps 1: what was given up, and compactions that had not finished writing. */
static enum weir_status remove_unfinished(struct weir_env *env, const char *dir,
                                          const struct log_dir_listing *listing,
                                          int32_t *io_removed, struct weir_detail *detail)
{
    int64_t least_cleaned = INT64_MAX;
    for (size_t i = listing->count; i > 0; i--) {
        if (ends_with(listing->items[i - 1].suffix, ".cleaned"))
            least_cleaned = listing->items[i - 1].offset;
    }
    for (size_t i = 0; i < listing->count; i++) {
        const struct log_dir_entry *entry = &listing->items[i];
        bool is_unfinished = ends_with(entry->suffix, ".deleted") ||
                             ends_with(entry->suffix, ".cleaned") ||
                             (ends_with(entry->suffix, ".swap") && entry->offset >= least_cleaned);
        if (!is_unfinished)
            continue;
        (*io_removed)++;
        enum weir_status status = remove_entry(env, dir, entry, detail);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static int32_t count_suffix(const struct log_dir_listing *listing, const char *suffix)
{
    int32_t count = 0;
    for (size_t i = 0; i < listing->count; i++)
        count += ends_with(listing->items[i].suffix, suffix);
    return count;
}

static enum weir_status relist(struct weir_env *env, const char *dir,
                               struct log_dir_listing *listing, struct weir_detail *detail)
{
    weir_log_dir_listing_done(listing);
    return weir_log_dir_list(env, dir, listing, detail);
}

/* Indexes whose log is gone. */
static enum weir_status remove_orphans(struct weir_env *env, const char *dir,
                                       const struct log_dir_listing *listing, bool *out_changed,
                                       struct weir_detail *detail)
{
    int64_t log_offset = -1;
    /* ".index" sorts before ".log", so the log of this offset is looked for ahead. */
    for (size_t i = 0; i < listing->count; i++) {
        const struct log_dir_entry *entry = &listing->items[i];
        for (size_t j = i; j < listing->count && listing->items[j].offset == entry->offset; j++) {
            if (strcmp(listing->items[j].suffix, WEIR_SEGMENT_SUFFIX_LOG) == 0)
                log_offset = entry->offset;
        }
        bool is_index = strcmp(entry->suffix, WEIR_SEGMENT_SUFFIX_INDEX) == 0 ||
                        strcmp(entry->suffix, WEIR_SEGMENT_SUFFIX_TIME_INDEX) == 0 ||
                        strcmp(entry->suffix, WEIR_SEGMENT_SUFFIX_TXN_INDEX) == 0;
        if (!is_index || log_offset == entry->offset)
            continue;
        *out_changed = true;
        enum weir_status status = remove_entry(env, dir, entry, detail);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static enum weir_status copy_leftovers(const struct log_dir_listing *listing,
                                       struct log_dir_listing *out)
{
    for (size_t i = 0; i < listing->count; i++) {
        const struct log_dir_entry *entry = &listing->items[i];
        if (!ends_with(entry->suffix, ".deleted") && !ends_with(entry->suffix, ".cleaned") &&
            !ends_with(entry->suffix, ".swap"))
            continue;
        struct log_dir_entry *items =
            weir_grow(out->items, &out->capacity, out->count + 1, sizeof(out->items[0]));
        if (items == NULL)
            return WEIR_NO_MEMORY;
        out->items = items;
        items[out->count++] = *entry;
    }
    return WEIR_OK;
}

enum weir_status weir_log_dir_tidy(struct weir_env *env, const char *dir,
                                   struct log_dir_listing *out,
                                   struct log_dir_listing *out_leftovers,
                                   struct weir_partition_log_recovery *recovery,
                                   struct weir_detail *detail)
{
    struct log_dir_listing listing = {0};
    int32_t *leftovers = &recovery->leftover_files;
    enum weir_status status = weir_log_dir_list(env, dir, &listing, detail);
    if (status == WEIR_OK)
        status = copy_leftovers(&listing, out_leftovers);
    if (status == WEIR_OK)
        status = remove_unfinished(env, dir, &listing, leftovers, detail);
    if (status == WEIR_OK && *leftovers > 0)
        status = relist(env, dir, &listing, detail);
    int32_t swaps = status == WEIR_OK ? count_suffix(&listing, ".swap") : 0;
    if (swaps > 0) {
        *leftovers += swaps;
        recovery->finished_compaction = true;
        status = remove_replaced(env, dir, &listing, detail);
        /* Never the new one's name and an old one's: their offsets overlap. */
        if (status == WEIR_OK)
            status = weir_dir_sync(env, dir, detail);
        if (status == WEIR_OK)
            status = rename_swaps(env, dir, &listing, detail);
        if (status == WEIR_OK)
            status = relist(env, dir, &listing, detail);
    }
    bool has_orphans = false;
    if (status == WEIR_OK)
        status = remove_orphans(env, dir, &listing, &has_orphans, detail);
    if (status == WEIR_OK && has_orphans)
        status = relist(env, dir, &listing, detail);
    if (status == WEIR_OK && (*leftovers > 0 || has_orphans))
        status = weir_dir_sync(env, dir, detail);
    if (status != WEIR_OK) {
        weir_log_dir_listing_done(&listing);
        return status;
    }
    *out = listing;
    return WEIR_OK;
}
