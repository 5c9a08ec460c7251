/* SPDX-License-Identifier: Apache-2.0 */

/* Leader epochs; the file is "0\n<count>\n" and then "<epoch> <start offset>\n" rising.  Invariants
 * in epoch_cache.h. */

#include "weir/storage/epoch_cache.h"

#include "text_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

enum { EPOCH_FILE_BYTES_MAX = 1 << 26 };

void weir_epoch_cache_done(struct weir_epoch_cache *cache)
{
    weir_free(cache->items);
    memset(cache, 0, sizeof(*cache));
}

static enum weir_status push(struct weir_epoch_cache *cache, int32_t epoch, int64_t start_offset)
{
    struct weir_epoch_entry *items =
        weir_grow(cache->items, &cache->capacity, cache->count + 1, sizeof(cache->items[0]));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    cache->items = items;
    items[cache->count++] = (struct weir_epoch_entry){.epoch = epoch, .start_offset = start_offset};
    return WEIR_OK;
}

static enum weir_status parse(struct weir_slice text, struct weir_epoch_cache *out)
{
    struct weir_slice line;
    int64_t version;
    int64_t count;
    if (!weir_text_take_line(&text, &line))
        return WEIR_OK; /* created but never written */
    if (!weir_text_parse_i64(line, &version) || version != 0 ||
        !weir_text_take_line(&text, &line) || !weir_text_parse_i64(line, &count) || count < 0)
        return WEIR_CORRUPT;
    for (int64_t i = 0; i < count; i++) {
        int64_t epoch;
        int64_t start_offset;
        struct weir_slice extra;
        if (!weir_text_take_line(&text, &line) || !weir_text_take_i64(&line, &epoch) ||
            !weir_text_take_i64(&line, &start_offset) || weir_text_take_word(&line, &extra))
            return WEIR_CORRUPT;
        if (epoch < 0 || epoch > INT32_MAX || start_offset < 0)
            return WEIR_CORRUPT;
        const struct weir_epoch_entry *last = out->count > 0 ? &out->items[out->count - 1] : NULL;
        if (last != NULL && (epoch <= last->epoch || start_offset < last->start_offset))
            return WEIR_CORRUPT;
        enum weir_status status = push(out, (int32_t)epoch, start_offset);
        if (status != WEIR_OK)
            return status;
    }
    return weir_text_take_line(&text, &line) ? WEIR_CORRUPT : WEIR_OK;
}

enum weir_status weir_epoch_cache_read(struct weir_env *env, const char *path,
                                       struct weir_epoch_cache *out, struct weir_detail *detail)
{
    struct weir_buf text = {0};
    memset(out, 0, sizeof(*out));
    enum weir_status status = weir_file_read_all(env, path, EPOCH_FILE_BYTES_MAX, &text, detail);
    if (status == WEIR_NOT_FOUND) {
        status = WEIR_OK;
        weir_detail_set(detail, "%s", "");
    } else if (status == WEIR_OK) {
        status = parse(weir_buf_slice(&text), out);
        if (status == WEIR_CORRUPT)
            weir_detail_set(detail, "%s is no leader epoch checkpoint", path);
    }
    out->written_count = out->count;
    if (status != WEIR_OK)
        weir_epoch_cache_done(out);
    weir_buf_done(&text);
    return status;
}

enum weir_status weir_epoch_cache_write(struct weir_env *env, const char *path,
                                        struct weir_epoch_cache *cache, struct weir_detail *detail)
{
    struct weir_buf text = {0};
    weir_buf_printf(&text, "0\n%zu\n", cache->count);
    for (size_t i = 0; i < cache->count; i++)
        weir_buf_printf(&text, "%d %" PRId64 "\n", cache->items[i].epoch,
                        cache->items[i].start_offset);
    enum weir_status status = weir_buf_status(&text);
    if (status == WEIR_OK)
        status = weir_file_replace(env, path, weir_buf_slice(&text), detail);
    if (status == WEIR_OK) {
        cache->is_dirty = false;
        cache->is_stale = false;
        cache->written_count = cache->count;
    }
    weir_buf_done(&text);
    return status;
}

enum weir_status weir_epoch_cache_copy(const struct weir_epoch_cache *cache,
                                       struct weir_epoch_cache *out)
{
    struct weir_epoch_entry *items = weir_calloc(cache->count + 1, sizeof(items[0]));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    if (cache->count > 0)
        memcpy(items, cache->items, cache->count * sizeof(items[0]));
    *out = *cache;
    out->items = items;
    out->capacity = cache->count + 1;
    return WEIR_OK;
}

void weir_epoch_cache_note_written(struct weir_epoch_cache *cache,
                                   const struct weir_epoch_cache *written)
{
    size_t equal = 0;
    while (equal < cache->count && equal < written->count &&
           cache->items[equal].epoch == written->items[equal].epoch &&
           cache->items[equal].start_offset == written->items[equal].start_offset)
        equal++;
    cache->written_count = equal;
    cache->is_stale = equal < written->count;
    cache->is_dirty = cache->is_stale || equal < cache->count;
}

/* After items from the given one on were removed or changed. */
static void on_changed(struct weir_epoch_cache *cache, size_t from)
{
    cache->is_dirty = true;
    if (from < cache->written_count) {
        cache->written_count = from;
        cache->is_stale = true;
    }
}

enum weir_status weir_epoch_cache_assign(struct weir_epoch_cache *cache, int32_t epoch,
                                         int64_t start_offset)
{
    if (epoch < 0 || epoch == weir_epoch_cache_latest(cache))
        return WEIR_OK;
    size_t kept = cache->count;
    while (kept > 0 && (cache->items[kept - 1].epoch >= epoch ||
                        cache->items[kept - 1].start_offset >= start_offset))
        kept--;
    /* The new entry needs room only when none is dropped, so nothing is lost when memory is out. */
    size_t before = cache->count;
    cache->count = kept;
    enum weir_status status = push(cache, epoch, start_offset);
    if (status != WEIR_OK)
        cache->count = before;
    else
        on_changed(cache, kept);
    return status;
}

int32_t weir_epoch_cache_latest(const struct weir_epoch_cache *cache)
{
    return cache->count == 0 ? -1 : cache->items[cache->count - 1].epoch;
}

int32_t weir_epoch_cache_for_offset(const struct weir_epoch_cache *cache, int64_t offset)
{
    for (size_t i = cache->count; i > 0; i--) {
        if (cache->items[i - 1].start_offset <= offset)
            return cache->items[i - 1].epoch;
    }
    return -1;
}

void weir_epoch_cache_end_offset(const struct weir_epoch_cache *cache, int32_t epoch,
                                 int64_t log_end_offset, int32_t *out_epoch,
                                 int64_t *out_end_offset)
{
    *out_epoch = -1;
    *out_end_offset = -1;
    int32_t latest = weir_epoch_cache_latest(cache);
    if (epoch < 0 || latest < 0 || epoch > latest)
        return;
    if (epoch == latest) {
        *out_epoch = epoch;
        *out_end_offset = log_end_offset;
        return;
    }
    size_t higher = 0; /* the first entry above the epoch; there is one, since the latest is */
    while (cache->items[higher].epoch <= epoch)
        higher++;
    /* An epoch older than all that is known: it ended where the first known one began. */
    *out_epoch = higher == 0 ? epoch : cache->items[higher - 1].epoch;
    *out_end_offset = cache->items[higher].start_offset;
}

void weir_epoch_cache_truncate_from_end(struct weir_epoch_cache *cache, int64_t end_offset)
{
    while (cache->count > 0 && cache->items[cache->count - 1].start_offset >= end_offset) {
        cache->count--;
        on_changed(cache, cache->count);
    }
}

void weir_epoch_cache_truncate_from_start(struct weir_epoch_cache *cache, int64_t start_offset)
{
    size_t dropped = 0;
    /* An entry ends where the next begins. */
    while (dropped + 1 < cache->count && cache->items[dropped + 1].start_offset <= start_offset)
        dropped++;
    if (cache->count == 0 || cache->items[dropped].start_offset >= start_offset)
        start_offset = -1;
    if (dropped > 0) {
        memmove(cache->items, cache->items + dropped,
                (cache->count - dropped) * sizeof(cache->items[0]));
        cache->count -= dropped;
        on_changed(cache, 0);
    }
    if (start_offset >= 0) {
        cache->items[0].start_offset = start_offset;
        on_changed(cache, 0);
    }
}

void weir_epoch_cache_clear(struct weir_epoch_cache *cache)
{
    if (cache->count > 0)
        on_changed(cache, 0);
    cache->count = 0;
}

bool weir_epoch_cache_is_write_due(const struct weir_epoch_cache *cache, int64_t below_offset)
{
    return cache->is_stale || (cache->written_count < cache->count &&
                               cache->items[cache->written_count].start_offset < below_offset);
}
