/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The caps on open segment files and on indexes in memory.  Both lists are walked from the front
 * like a clock's hand: whoever was used since the last pass goes to the back, the others go.
 *
 * I1  a segment is in `files` exactly while it has a file: file_pins >= 0.
 * I2  file_pins goes from 0 to -1 and back only with the lock held, so what is -1 stays so.
 */

#include "segment_cache_int.h"

#include "weir/base/assert.h"
#include "weir/base/list.h"
#include "weir/base/memory.h"
#include "weir/runtime/lock.h"
#include "weir/storage/segment.h"

/* One call closes at most so many, and looks at so many more. */
enum { VICTIMS_MAX = 8, STEPS_MAX = 64 };

struct weir_segment_cache {
    size_t files_max;
    size_t index_bytes_max;
    struct weir_lock lock;
    struct weir_list files; /* struct weir_segment file_node */
    size_t file_count;
    struct weir_list indexes; /* struct weir_segment index_node */
    size_t index_bytes;
};

enum weir_status weir_segment_cache_new(size_t files_max, size_t index_bytes_max,
                                        struct weir_segment_cache **out)
{
    struct weir_segment_cache *cache = weir_calloc(1, sizeof(*cache));
    if (cache == NULL)
        return WEIR_NO_MEMORY;
    cache->files_max = files_max == 0 ? WEIR_SEGMENT_CACHE_FILES_DEFAULT : files_max;
    cache->index_bytes_max =
        index_bytes_max == 0 ? WEIR_SEGMENT_CACHE_INDEX_BYTES_DEFAULT : index_bytes_max;
    weir_lock_init(&cache->lock, WEIR_LOCK_RANK_LEAF);
    weir_list_init(&cache->files);
    weir_list_init(&cache->indexes);
    *out = cache;
    return WEIR_OK;
}

void weir_segment_cache_free(struct weir_segment_cache *cache)
{
    if (cache == NULL)
        return;
    WEIR_ASSERT(cache->file_count == 0 && weir_list_is_empty(&cache->indexes));
    weir_lock_done(&cache->lock);
    weir_free(cache);
}

void weir_segment_cache_facts(struct weir_segment_cache *cache,
                              struct weir_segment_cache_facts *out)
{
    weir_lock_take(&cache->lock);
    *out = (struct weir_segment_cache_facts){.files = cache->file_count,
                                             .files_max = cache->files_max,
                                             .index_bytes = cache->index_bytes,
                                             .index_bytes_max = cache->index_bytes_max};
    weir_lock_release(&cache->lock);
}

/* --- Files. --- */

struct victims {
    struct weir_env *env[VICTIMS_MAX];
    struct weir_file *file[VICTIMS_MAX];
    size_t count;
};

/* Takes idle files out until at most `most` are left.  The lock is held. */
static void choose_victims(struct weir_segment_cache *cache, size_t most, struct victims *out)
{
    for (size_t steps = 0;
         cache->file_count > most && out->count < VICTIMS_MAX && steps < STEPS_MAX; steps++) {
        struct weir_segment *segment =
            WEIR_LIST_ENTRY(weir_list_pop_front(&cache->files), struct weir_segment, file_node);
        int idle = 0;
        /* The exchange fails for a pinned one.  acquire: what its last user did with the file is
         * over before it is closed. */
        if (atomic_exchange_explicit(&segment->file_was_used, false, memory_order_relaxed) ||
            !atomic_compare_exchange_strong_explicit(&segment->file_pins, &idle, -1,
                                                     memory_order_acquire, memory_order_relaxed)) {
            weir_list_push_back(&cache->files, &segment->file_node);
            continue;
        }
        out->env[out->count] = segment->env;
        out->file[out->count++] = segment->file;
        segment->file = NULL;
        cache->file_count--;
    }
}

static void close_victims(const struct victims *victims)
{
    for (size_t i = 0; i < victims->count; i++)
        weir_file_close(victims->env[i], victims->file[i]);
}

static void link_file(struct weir_segment_cache *cache, struct weir_segment *segment,
                      struct victims *out)
{
    weir_list_push_back(&cache->files, &segment->file_node);
    cache->file_count++;
    choose_victims(cache, cache->files_max, out);
}

void weir_segment_cache_add_file(struct weir_segment_cache *cache, struct weir_segment *segment)
{
    struct victims victims = {.count = 0};
    if (cache == NULL)
        return;
    weir_lock_take(&cache->lock);
    link_file(cache, segment, &victims);
    weir_lock_release(&cache->lock);
    close_victims(&victims);
}

bool weir_segment_cache_publish_file(struct weir_segment_cache *cache, struct weir_segment *segment,
                                     struct weir_file *file)
{
    struct victims victims = {.count = 0};
    weir_lock_take(&cache->lock);
    bool is_first = atomic_load_explicit(&segment->file_pins, memory_order_relaxed) < 0; /* I2 */
    if (is_first) {
        segment->file = file;
        /* release: whoever pins sees the file. */
        atomic_store_explicit(&segment->file_pins, 1, memory_order_release);
        link_file(cache, segment, &victims);
    }
    weir_lock_release(&cache->lock);
    close_victims(&victims);
    return is_first;
}

bool weir_segment_cache_evict_files(struct weir_segment_cache *cache, size_t count)
{
    struct victims victims = {.count = 0};
    if (cache == NULL)
        return false;
    weir_lock_take(&cache->lock);
    size_t most = cache->file_count > count ? cache->file_count - count : 0;
    /* Twice, since a first pass may do no more than take their second chance from them. */
    choose_victims(cache, most, &victims);
    choose_victims(cache, most, &victims);
    weir_lock_release(&cache->lock);
    close_victims(&victims);
    return victims.count > 0;
}

/* --- Indexes. --- */

/* Drops others until the cap holds.  The cache's lock is held, and that of `held`. */
static void drop_indexes(struct weir_segment_cache *cache, const struct weir_segment *held)
{
    for (size_t steps = 0; cache->index_bytes > cache->index_bytes_max && steps < STEPS_MAX;
         steps++) {
        struct weir_list *node = weir_list_pop_front(&cache->indexes);
        if (node == NULL)
            return;
        struct weir_segment *segment = WEIR_LIST_ENTRY(node, struct weir_segment, index_node);
        bool is_kept =
            segment == held ||
            atomic_exchange_explicit(&segment->indexes_were_used, false, memory_order_relaxed) ||
            !weir_lock_try(&segment->lock); /* somebody reads them */
        if (!is_kept) {
            is_kept = !weir_segment_forget_indexes_locked(segment);
            weir_lock_release(&segment->lock);
        }
        if (is_kept) {
            weir_list_push_back(&cache->indexes, node);
        } else {
            cache->index_bytes -= segment->cached_index_bytes;
            segment->cached_index_bytes = 0;
        }
    }
}

static void unlink_indexes(struct weir_segment_cache *cache, struct weir_segment *segment)
{
    weir_list_remove(&segment->index_node);
    cache->index_bytes -= segment->cached_index_bytes;
    segment->cached_index_bytes = 0;
}

void weir_segment_cache_add_indexes(struct weir_segment_cache *cache, struct weir_segment *segment,
                                    size_t bytes)
{
    if (cache == NULL)
        return;
    weir_lock_take(&cache->lock);
    unlink_indexes(cache, segment);
    segment->cached_index_bytes = bytes;
    cache->index_bytes += bytes;
    weir_list_push_back(&cache->indexes, &segment->index_node);
    drop_indexes(cache, segment);
    weir_lock_release(&cache->lock);
}

void weir_segment_cache_remove_indexes(struct weir_segment_cache *cache,
                                       struct weir_segment *segment)
{
    if (cache == NULL)
        return;
    weir_lock_take(&cache->lock);
    unlink_indexes(cache, segment);
    weir_lock_release(&cache->lock);
}

void weir_segment_cache_forget(struct weir_segment_cache *cache, struct weir_segment *segment)
{
    if (cache == NULL)
        return;
    weir_lock_take(&cache->lock);
    unlink_indexes(cache, segment);
    if (segment->file_node.next != NULL) {
        weir_list_remove(&segment->file_node);
        cache->file_count--;
    }
    weir_lock_release(&cache->lock);
}
