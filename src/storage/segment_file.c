/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A segment's .log file: open while somebody uses it, and as long after as the cache allows.
 *
 * file_pins counts who uses it; -1 is "not open".  Only the cache moves it between 0 and -1.
 */

#include "weir/storage/segment.h"

#include "segment_cache_int.h"

#include "weir/base/assert.h"

/* So many idle files are closed when the process has no descriptor left, and so often. */
enum { MAKE_ROOM_FILES = 8, MAKE_ROOM_TRIES = 4 };

void weir_segment_use_cache(struct weir_segment *segment, struct weir_segment_cache *cache)
{
    WEIR_ASSERT(segment->cache == NULL);
    segment->cache = cache;
    weir_segment_cache_add_file(cache, segment);
}

static bool pin_open(struct weir_segment *segment)
{
    int pins = atomic_load_explicit(&segment->file_pins, memory_order_relaxed);
    while (pins >= 0) {
        /* acquire: sees the file that weir_segment_cache_publish_file stored before. */
        if (!atomic_compare_exchange_weak_explicit(&segment->file_pins, &pins, pins + 1,
                                                   memory_order_acquire, memory_order_relaxed))
            continue;
        if (!atomic_load_explicit(&segment->file_was_used, memory_order_relaxed))
            atomic_store_explicit(&segment->file_was_used, true, memory_order_relaxed);
        return true;
    }
    return false;
}

static enum weir_status open_file(struct weir_segment *segment, struct weir_file **out,
                                  struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    enum weir_status status = WEIR_LIMIT;
    bool is_detached = atomic_load(&segment->is_detached);
    weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_LOG, path);
    for (int i = 0; i < MAKE_ROOM_TRIES && status == WEIR_LIMIT && !is_detached; i++) {
        status = weir_file_open(segment->env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, out, detail);
        if (status == WEIR_LIMIT &&
            !weir_segment_cache_evict_files(segment->cache, MAKE_ROOM_FILES))
            return status;
        /* Whoever takes the name away says so before; so this file is the right one unless that
         * was said by now. */
        is_detached = atomic_load(&segment->is_detached);
    }
    if (!is_detached)
        return status;
    if (status == WEIR_OK)
        weir_file_close(segment->env, *out);
    weir_detail_set(detail, "%s was deleted", path);
    return WEIR_CLOSED;
}

enum weir_status weir_segment_pin(struct weir_segment *segment, struct weir_file **out,
                                  struct weir_detail *detail)
{
    while (!pin_open(segment)) {
        struct weir_file *file = NULL;
        enum weir_status status = open_file(segment, &file, detail);
        if (status != WEIR_OK) {
            /* Its keeper may have opened it meanwhile. */
            if (status == WEIR_CLOSED && pin_open(segment))
                break;
            return status;
        }
        if (weir_segment_cache_publish_file(segment->cache, segment, file))
            break;
        weir_file_close(segment->env, file);
    }
    *out = segment->file;
    return WEIR_OK;
}

void weir_segment_unpin(struct weir_segment *segment)
{
    /* release: what was done with the file is over before the cache may close it. */
    int before = atomic_fetch_sub_explicit(&segment->file_pins, 1, memory_order_release);
    WEIR_ASSERT(before > 0);
}

void weir_segment_detach(struct weir_segment *segment, bool keep_file)
{
    struct weir_file *file;
    /* The pin is never given back, and the indexes stay.  Where that cannot be had, readers of an
     * old view are told that the log is closed. */
    if (keep_file && segment->cache != NULL && !atomic_load(&segment->is_detached)) {
        weir_segment_set_sealed(segment, false);
        (void)(weir_segment_load_indexes(segment, NULL) == WEIR_OK &&
               weir_segment_pin(segment, &file, NULL) == WEIR_OK);
    }
    atomic_store(&segment->is_detached, true);
}

void weir_segment_attach(struct weir_segment *segment)
{
    atomic_store(&segment->is_detached, false);
}

enum weir_status weir_segment_read_at(struct weir_segment *segment, void *into, size_t size,
                                      uint64_t file_pos, size_t *out_read,
                                      struct weir_detail *detail)
{
    struct weir_file *file = NULL;
    enum weir_status status = weir_segment_pin(segment, &file, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_file_read_at(segment->env, file, into, size, file_pos, out_read, detail);
    weir_segment_unpin(segment);
    return status;
}

enum weir_status weir_segment_write_at(struct weir_segment *segment, const struct weir_slice *parts,
                                       size_t count, uint64_t file_pos, struct weir_detail *detail)
{
    struct weir_file *file = NULL;
    enum weir_status status = weir_segment_pin(segment, &file, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_file_write_at(segment->env, file, parts, count, file_pos, detail);
    weir_segment_unpin(segment);
    return status;
}

enum weir_status weir_segment_sync(struct weir_segment *segment, bool with_metadata,
                                   struct weir_detail *detail)
{
    struct weir_file *file = NULL;
    enum weir_status status = weir_segment_pin(segment, &file, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_file_sync(segment->env, file, with_metadata, detail);
    weir_segment_unpin(segment);
    return status;
}

enum weir_status weir_segment_write_out(struct weir_segment *segment, uint64_t file_pos,
                                        uint64_t size_bytes, bool forget,
                                        struct weir_detail *detail)
{
    struct weir_file *file = NULL;
    enum weir_status status = weir_segment_pin(segment, &file, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_file_write_out(segment->env, file, file_pos, size_bytes, forget, detail);
    weir_segment_unpin(segment);
    return status;
}

enum weir_status weir_segment_truncate_file(struct weir_segment *segment, uint64_t size_bytes,
                                            struct weir_detail *detail)
{
    struct weir_file *file = NULL;
    enum weir_status status = weir_segment_pin(segment, &file, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_file_truncate(segment->env, file, size_bytes, detail);
    weir_segment_unpin(segment);
    return status;
}

enum weir_status weir_segment_file_size(struct weir_segment *segment, uint64_t *out,
                                        struct weir_detail *detail)
{
    struct weir_file *file = NULL;
    enum weir_status status = weir_segment_pin(segment, &file, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_file_size(segment->env, file, out, detail);
    weir_segment_unpin(segment);
    return status;
}
