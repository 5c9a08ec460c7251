/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/storage/file_reaper.h"

#include "weir/base/list.h"
#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"
#include "weir/runtime/lock.h"

struct reaper_item {
    struct weir_list node;
    char *path;
    bool is_directory;
    int64_t due_ms;
};

struct weir_file_reaper {
    struct weir_env *env;
    struct weir_lock lock;
    struct weir_list
        items; /* in the order they were added; delays differ little, so a walk over all is fine */
    size_t count;
};

enum weir_status weir_file_reaper_new(struct weir_env *env, struct weir_file_reaper **out)
{
    struct weir_file_reaper *reaper = weir_calloc(1, sizeof(*reaper));
    if (reaper == NULL)
        return WEIR_NO_MEMORY;
    reaper->env = env;
    weir_lock_init(&reaper->lock, WEIR_LOCK_RANK_LEAF);
    weir_list_init(&reaper->items);
    *out = reaper;
    return WEIR_OK;
}

static void free_item(struct reaper_item *item)
{
    weir_free(item->path);
    weir_free(item);
}

void weir_file_reaper_free(struct weir_file_reaper *reaper)
{
    if (reaper == NULL)
        return;
    struct weir_list *node;
    while ((node = weir_list_pop_front(&reaper->items)) != NULL)
        free_item(WEIR_LIST_ENTRY(node, struct reaper_item, node));
    weir_lock_done(&reaper->lock);
    weir_free(reaper);
}

enum weir_status weir_file_reaper_add(struct weir_file_reaper *reaper, const char *path,
                                      bool is_directory, int64_t due_ms)
{
    struct reaper_item *item = weir_calloc(1, sizeof(*item));
    if (item == NULL)
        return WEIR_NO_MEMORY;
    item->path = weir_strdup(path);
    item->is_directory = is_directory;
    item->due_ms = due_ms;
    if (item->path == NULL) {
        free_item(item);
        return WEIR_NO_MEMORY;
    }
    weir_lock_take(&reaper->lock);
    weir_list_push_back(&reaper->items, &item->node);
    reaper->count++;
    weir_lock_release(&reaper->lock);
    return WEIR_OK;
}

static struct reaper_item *take_due(struct weir_file_reaper *reaper, int64_t now_ms,
                                    bool everything)
{
    struct reaper_item *due = NULL;
    weir_lock_take(&reaper->lock);
    WEIR_LIST_FOREACH(node, &reaper->items) {
        struct reaper_item *item = WEIR_LIST_ENTRY(node, struct reaper_item, node);
        if (everything || item->due_ms <= now_ms) {
            weir_list_remove(&item->node);
            reaper->count--;
            due = item;
            break;
        }
    }
    weir_lock_release(&reaper->lock);
    return due;
}

enum weir_status weir_file_reaper_run(struct weir_file_reaper *reaper, bool everything,
                                      size_t *out_removed, struct weir_detail *detail)
{
    enum weir_status first = WEIR_OK;
    struct reaper_item *item;
    size_t removed = 0;
    int64_t now_ms = weir_env_monotonic_ms(reaper->env);
    while ((item = take_due(reaper, now_ms, everything)) != NULL) {
        struct weir_detail why;
        enum weir_status status = item->is_directory
                                      ? weir_dir_remove_all(reaper->env, item->path, &why)
                                      : weir_path_remove(reaper->env, item->path, &why);
        if (status == WEIR_OK || status == WEIR_NOT_FOUND) {
            removed++;
        } else if (first == WEIR_OK) {
            first = status;
            weir_detail_set(detail, "%s", why.text);
        }
        free_item(item);
    }
    if (out_removed != NULL)
        *out_removed = removed;
    return first;
}

int64_t weir_file_reaper_next_ms(struct weir_file_reaper *reaper)
{
    int64_t next_ms = -1;
    weir_lock_take(&reaper->lock);
    WEIR_LIST_FOREACH(node, &reaper->items) {
        const struct reaper_item *item = WEIR_LIST_ENTRY(node, struct reaper_item, node);
        if (next_ms < 0 || item->due_ms < next_ms)
            next_ms = item->due_ms;
    }
    weir_lock_release(&reaper->lock);
    return next_ms;
}

size_t weir_file_reaper_count(struct weir_file_reaper *reaper)
{
    weir_lock_take(&reaper->lock);
    size_t count = reaper->count;
    weir_lock_release(&reaper->lock);
    return count;
}
