/* SPDX-License-Identifier: Apache-2.0 */
#include "false_disk.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <string.h>

enum { SECTOR_BYTES = 512 };

/* splitmix64 */
uint64_t false_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void false_bytes_resize(struct false_bytes *bytes, size_t size)
{
    if (size > bytes->capacity) {
        uint8_t *grown = weir_grow(bytes->data, &bytes->capacity, size, 1);
        WEIR_ASSERT(grown != NULL);
        bytes->data = grown;
    }
    if (size > bytes->size)
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

void false_bytes_copy(struct false_bytes *to, const struct false_bytes *from)
{
    false_bytes_resize(to, from->size);
    if (from->size > 0)
        memcpy(to->data, from->data, from->size);
}

/* ---- Nodes and entries ---- */

struct false_node *false_disk_new_node(struct false_disk *disk, bool is_directory)
{
    struct false_node *node = weir_calloc(1, sizeof(*node));
    WEIR_ASSERT(node != NULL);
    node->is_directory = is_directory;
    weir_list_push_back(&disk->nodes, &node->all_node);
    return node;
}

void false_disk_ref(struct false_node *node)
{
    node->refs++;
}

static void free_entries(struct false_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        weir_free(entries->items[i].name);
    weir_free(entries->items);
    *entries = (struct false_entries){0};
}

static void free_node(struct false_node *node)
{
    weir_list_remove(&node->all_node);
    weir_free(node->now.data);
    weir_free(node->durable.data);
    free_entries(&node->entries_now);
    free_entries(&node->entries_durable);
    weir_free(node);
}

void false_disk_unref(struct false_disk *disk, struct false_node *node)
{
    WEIR_ASSERT(node->refs > 0);
    if (--node->refs > 0)
        return;
    /* Directories are empty when their last name goes, but for names that are durable only. */
    for (size_t i = 0; i < node->entries_now.count; i++)
        false_disk_unref(disk, node->entries_now.items[i].target);
    for (size_t i = 0; i < node->entries_durable.count; i++)
        false_disk_unref(disk, node->entries_durable.items[i].target);
    free_node(node);
}

static char *copy_name(const char *name, size_t size)
{
    char *copy = weir_calloc(1, size + 1);
    WEIR_ASSERT(copy != NULL);
    memcpy(copy, name, size);
    return copy;
}

static size_t find_entry(const struct false_entries *entries, const char *name, size_t size)
{
    size_t i = 0;
    while (i < entries->count && (strlen(entries->items[i].name) != size ||
                                  memcmp(entries->items[i].name, name, size) != 0))
        i++;
    return i;
}

/* target NULL removes. */
static void put_entry(struct false_disk *disk, struct false_entries *entries, const char *name,
                      size_t size, struct false_node *target)
{
    size_t i = find_entry(entries, name, size);
    if (target != NULL)
        false_disk_ref(target);
    if (i < entries->count) {
        struct false_node *old = entries->items[i].target;
        if (target != NULL) {
            entries->items[i].target = target;
        } else {
            weir_free(entries->items[i].name);
            memmove(&entries->items[i], &entries->items[i + 1],
                    (entries->count - i - 1) * sizeof(entries->items[0]));
            entries->count--;
        }
        false_disk_unref(disk, old);
    } else if (target != NULL) {
        struct false_entry *grown = weir_grow(entries->items, &entries->capacity,
                                              entries->count + 1, sizeof(*entries->items));
        WEIR_ASSERT(grown != NULL);
        entries->items = grown;
        entries->items[entries->count++] =
            (struct false_entry){.name = copy_name(name, size), .target = target};
    }
}

struct false_node *false_disk_find(struct false_disk *disk, const char *path,
                                   struct false_node **out_dir, const char **out_name,
                                   size_t *out_name_size)
{
    struct false_node *at = disk->root;
    struct false_node *dir = NULL;
    const char *name = "";
    size_t name_size = 0;
    while (*path != '\0') {
        size_t size = strcspn(path, "/");
        bool is_here = size == 0 || (size == 1 && path[0] == '.');
        if (!is_here) {
            dir = at != NULL && at->is_directory ? at : NULL;
            name = path;
            name_size = size;
            at = NULL;
            if (dir != NULL) {
                size_t i = find_entry(&dir->entries_now, path, size);
                at = i < dir->entries_now.count ? dir->entries_now.items[i].target : NULL;
            }
        }
        path += size;
        path += *path == '/' ? 1 : 0;
    }
    if (out_dir != NULL) {
        *out_dir = dir;
        *out_name = name;
        *out_name_size = name_size;
    }
    return at;
}

/* ---- Changes of names ---- */

static void add_set(struct false_change *change, struct false_node *dir, const char *name,
                    size_t name_size, struct false_node *target)
{
    change->sets[change->set_count++] =
        (struct false_entry_set){.dir = dir, .name = copy_name(name, name_size), .target = target};
    false_disk_ref(dir);
    if (target != NULL)
        false_disk_ref(target);
}

static void apply(struct false_disk *disk, const struct false_change *change, bool durably)
{
    for (size_t i = 0; i < change->set_count; i++) {
        const struct false_entry_set *set = &change->sets[i];
        put_entry(disk, durably ? &set->dir->entries_durable : &set->dir->entries_now, set->name,
                  strlen(set->name), set->target);
    }
}

static void free_change(struct false_disk *disk, struct false_change *change)
{
    weir_list_remove(&change->node);
    for (size_t i = 0; i < change->set_count; i++) {
        weir_free(change->sets[i].name);
        if (change->sets[i].target != NULL)
            false_disk_unref(disk, change->sets[i].target);
        false_disk_unref(disk, change->sets[i].dir);
    }
    weir_free(change);
}

static struct false_change *new_change(void)
{
    struct false_change *change = weir_calloc(1, sizeof(*change));
    WEIR_ASSERT(change != NULL);
    return change;
}

void false_disk_set_entry(struct false_disk *disk, struct false_node *dir, const char *name,
                          size_t name_size, struct false_node *target)
{
    struct false_change *change = new_change();
    add_set(change, dir, name, name_size, target);
    weir_list_push_back(&disk->changes, &change->node);
    apply(disk, change, false);
}

void false_disk_rename(struct false_disk *disk, struct false_node *from_dir, const char *from,
                       size_t from_size, struct false_node *to_dir, const char *to, size_t to_size,
                       struct false_node *target)
{
    struct false_change *change = new_change();
    add_set(change, to_dir, to, to_size, target);
    add_set(change, from_dir, from, from_size, NULL);
    weir_list_push_back(&disk->changes, &change->node);
    apply(disk, change, false);
}

static bool concerns(const struct false_change *change, const struct false_node *dir)
{
    for (size_t i = 0; i < change->set_count; i++) {
        if (change->sets[i].dir == dir)
            return true;
    }
    return false;
}

void false_disk_sync_dir(struct false_disk *disk, struct false_node *dir)
{
    struct weir_list *next;
    for (struct weir_list *node = disk->changes.next; node != &disk->changes; node = next) {
        struct false_change *change = WEIR_LIST_ENTRY(node, struct false_change, node);
        next = node->next;
        if (concerns(change, dir)) {
            apply(disk, change, true);
            free_change(disk, change);
        }
    }
}

/* ---- Bad days ---- */

static void tear(struct false_node *node, uint64_t *seed)
{
    struct false_bytes *now = &node->now;
    const struct false_bytes *old = &node->durable;
    struct false_bytes torn = {0};
    size_t low = now->size < old->size ? now->size : old->size;
    size_t high = now->size < old->size ? old->size : now->size;
    false_bytes_resize(&torn, low + false_random(seed) % (high - low + 1));
    for (size_t at = 0; at < torn.size; at += SECTOR_BYTES) {
        const struct false_bytes *from = false_random(seed) % 2 == 0 ? now : old;
        size_t size = torn.size - at < SECTOR_BYTES ? torn.size - at : SECTOR_BYTES;
        if (at < from->size)
            memcpy(torn.data + at, from->data + at,
                   size < from->size - at ? size : from->size - at);
    }
    weir_free(now->data);
    *now = torn;
}

static void copy_entries(struct false_disk *disk, struct false_entries *to,
                         const struct false_entries *from)
{
    struct false_entries copy = {0};
    for (size_t i = 0; i < from->count; i++)
        put_entry(disk, &copy, from->items[i].name, strlen(from->items[i].name),
                  from->items[i].target);
    for (size_t i = 0; i < to->count; i++)
        false_disk_unref(disk, to->items[i].target);
    free_entries(to);
    *to = copy;
}

static void lose_names(struct false_disk *disk, enum false_loss loss, uint64_t *seed)
{
    size_t count = 0;
    WEIR_LIST_FOREACH(node, &disk->changes) {
        count++;
    }
    size_t kept = 0;
    if (loss == FALSE_LOSS_PROCESS)
        kept = count;
    else if (loss == FALSE_LOSS_TORN)
        kept = false_random(seed) % (count + 1);
    while (!weir_list_is_empty(&disk->changes)) {
        struct false_change *change =
            WEIR_LIST_ENTRY(disk->changes.next, struct false_change, node);
        if (kept > 0) {
            apply(disk, change, true);
            kept--;
        }
        free_change(disk, change);
    }
}

void false_disk_crash(struct false_disk *disk, enum false_loss loss, uint64_t *seed)
{
    if (loss == FALSE_LOSS_PROCESS) {
        WEIR_LIST_FOREACH(node, &disk->nodes) {
            WEIR_LIST_ENTRY(node, struct false_node, all_node)->locker = NULL;
        }
        return;
    }
    WEIR_LIST_FOREACH(node, &disk->nodes) {
        struct false_node *file = WEIR_LIST_ENTRY(node, struct false_node, all_node);
        file->locker = NULL;
        file->has_failed_sync = false;
        if (file->is_directory)
            continue;
        if (loss == FALSE_LOSS_TORN)
            tear(file, seed);
        else
            false_bytes_copy(&file->now, &file->durable);
        false_bytes_copy(&file->durable, &file->now);
    }
    lose_names(disk, loss, seed);
    /* From the root down, so that a directory that is lost takes its content with it.  Each copy
     * may free nodes, hence the list is walked anew by reachability. */
    struct false_node *stack[64];
    size_t depth = 0;
    stack[depth++] = disk->root;
    while (depth > 0) {
        struct false_node *dir = stack[--depth];
        copy_entries(disk, &dir->entries_now, &dir->entries_durable);
        for (size_t i = 0; i < dir->entries_now.count; i++) {
            if (!dir->entries_now.items[i].target->is_directory)
                continue;
            WEIR_ASSERT(depth < sizeof(stack) / sizeof(stack[0]));
            stack[depth++] = dir->entries_now.items[i].target;
        }
    }
}

uint64_t false_disk_used(const struct false_disk *disk)
{
    uint64_t used = 0;
    WEIR_LIST_FOREACH(node, &disk->nodes) {
        used += WEIR_LIST_ENTRY(node, struct false_node, all_node)->now.size;
    }
    return used;
}

void false_disk_init(struct false_disk *disk)
{
    *disk = (struct false_disk){.capacity = UINT64_MAX};
    weir_list_init(&disk->nodes);
    weir_list_init(&disk->changes);
    disk->root = false_disk_new_node(disk, true);
    false_disk_ref(disk->root);
}

void false_disk_done(struct false_disk *disk)
{
    while (!weir_list_is_empty(&disk->changes))
        free_change(disk, WEIR_LIST_ENTRY(disk->changes.next, struct false_change, node));
    false_disk_unref(disk, disk->root);
    WEIR_ASSERT(weir_list_is_empty(&disk->nodes));
}
