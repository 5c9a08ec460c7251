/* SPDX-License-Identifier: Apache-2.0 */
#include "false_disk.h"

#include "weir/base/assert.h"

#include <stdio.h>
#include <stdlib.h>
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

static void *must(void *memory)
{
    if (memory == NULL) {
        (void)fputs("false disk: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void *false_disk_alloc(size_t size)
{
    return must(calloc(1, size == 0 ? 1 : size));
}

void *false_disk_grow(void *array, size_t *capacity, size_t needed, size_t element_bytes)
{
    if (needed <= *capacity)
        return array;
    size_t bigger = *capacity == 0 ? 8 : *capacity;
    while (bigger < needed)
        bigger *= 2;
    array = must(realloc(array, bigger * element_bytes));
    *capacity = bigger;
    return array;
}

/* New bytes are zeros. */
static void resize(struct false_bytes *bytes, size_t size)
{
    bytes->data = false_disk_grow(bytes->data, &bytes->capacity, size, 1);
    if (size > bytes->size)
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

static void put_bytes(struct false_bytes *bytes, uint64_t pos, const void *data, size_t size)
{
    if (size == 0)
        return;
    if (pos + size > bytes->size)
        resize(bytes, (size_t)pos + size);
    memcpy(bytes->data + pos, data, size);
}

static void copy_bytes(struct false_bytes *to, const struct false_bytes *from)
{
    resize(to, 0);
    put_bytes(to, 0, from->data, from->size);
}

/* ---- Files ---- */

static uint64_t bytes_of(const struct false_node *node)
{
    return node->reserved_bytes > node->now.size ? node->reserved_bytes : node->now.size;
}

static void recount(struct false_disk *disk, const struct false_node *node, uint64_t before)
{
    disk->used_bytes = disk->used_bytes - before + bytes_of(node);
}

static void clear_edits(struct false_node *node)
{
    for (size_t i = 0; i < node->edit_count; i++)
        free(node->edits[i].data);
    node->edit_count = 0;
}

static void add_edit(struct false_node *node, uint64_t file_pos, const void *data, size_t size)
{
    node->edits = false_disk_grow(node->edits, &node->edit_capacity, node->edit_count + 1,
                                  sizeof(*node->edits));
    struct false_edit *edit = &node->edits[node->edit_count++];
    *edit = (struct false_edit){.file_pos = file_pos, .size = size};
    if (data != NULL) {
        edit->data = false_disk_alloc(size);
        memcpy(edit->data, data, size);
    }
}

size_t false_node_read(const struct false_node *node, void *into, size_t size, uint64_t file_pos)
{
    if (file_pos >= node->now.size)
        return 0;
    size_t left = node->now.size - (size_t)file_pos;
    size_t count = size < left ? size : left;
    if (count > 0)
        memcpy(into, node->now.data + file_pos, count);
    return count;
}

enum weir_status false_node_write(struct false_disk *disk, struct false_node *node,
                                  struct weir_slice bytes, uint64_t file_pos)
{
    uint64_t before = bytes_of(node);
    uint64_t room = disk->capacity > disk->used_bytes ? disk->capacity - disk->used_bytes : 0;
    uint64_t end_max = room > UINT64_MAX - before ? UINT64_MAX : before + room;
    size_t size = bytes.size;
    if (file_pos + size > end_max)
        size = file_pos < end_max ? (size_t)(end_max - file_pos) : 0;
    if (size > 0) {
        add_edit(node, file_pos, bytes.data, size);
        put_bytes(&node->now, file_pos, bytes.data, size);
        recount(disk, node, before);
    }
    return size == bytes.size ? WEIR_OK : WEIR_NO_SPACE;
}

void false_node_truncate(struct false_disk *disk, struct false_node *node, uint64_t size_bytes)
{
    uint64_t before = bytes_of(node);
    add_edit(node, size_bytes, NULL, 0);
    resize(&node->now, (size_t)size_bytes);
    node->reserved_bytes = 0;
    recount(disk, node, before);
}

enum weir_status false_node_reserve(struct false_disk *disk, struct false_node *node,
                                    uint64_t end_pos)
{
    uint64_t before = bytes_of(node);
    if (end_pos <= before)
        return WEIR_OK;
    if (disk->used_bytes > disk->capacity || end_pos - before > disk->capacity - disk->used_bytes)
        return WEIR_NO_SPACE;
    node->reserved_bytes = end_pos;
    recount(disk, node, before);
    return WEIR_OK;
}

void false_node_sync(struct false_node *node)
{
    for (size_t i = 0; i < node->edit_count; i++) {
        const struct false_edit *edit = &node->edits[i];
        if (edit->data == NULL)
            resize(&node->durable, (size_t)edit->file_pos);
        else
            put_bytes(&node->durable, edit->file_pos, edit->data, edit->size);
    }
    clear_edits(node);
}

void false_node_fail_sync(struct false_node *node)
{
    clear_edits(node);
}

/* ---- Nodes and entries ---- */

struct false_node *false_disk_new_node(struct false_disk *disk, bool is_directory)
{
    struct false_node *node = false_disk_alloc(sizeof(*node));
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
        free(entries->items[i].name);
    free(entries->items);
    *entries = (struct false_entries){0};
}

static void free_node(struct false_node *node)
{
    weir_list_remove(&node->all_node);
    clear_edits(node);
    free(node->edits);
    free(node->now.data);
    free(node->durable.data);
    free_entries(&node->entries_now);
    free_entries(&node->entries_durable);
    free(node);
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

static void live_ref(struct false_node *node)
{
    node->live_refs++;
}

static void live_unref(struct false_disk *disk, struct false_node *node)
{
    WEIR_ASSERT(node->live_refs > 0);
    if (--node->live_refs > 0)
        return;
    disk->used_bytes -= bytes_of(node);
    node->reserved_bytes = 0;
    resize(&node->now, 0);
}

void false_disk_hold(struct false_node *node)
{
    false_disk_ref(node);
    live_ref(node);
}

void false_disk_drop(struct false_disk *disk, struct false_node *node, bool is_from_before_crash)
{
    if (!is_from_before_crash)
        live_unref(disk, node);
    false_disk_unref(disk, node);
}

static char *copy_name(const char *name, size_t size)
{
    char *copy = false_disk_alloc(size + 1);
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
            free(entries->items[i].name);
            memmove(&entries->items[i], &entries->items[i + 1],
                    (entries->count - i - 1) * sizeof(entries->items[0]));
            entries->count--;
        }
        false_disk_unref(disk, old);
    } else if (target != NULL) {
        entries->items = false_disk_grow(entries->items, &entries->capacity, entries->count + 1,
                                         sizeof(*entries->items));
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
        size_t size = strlen(set->name);
        if (durably) {
            put_entry(disk, &set->dir->entries_durable, set->name, size, set->target);
            continue;
        }
        struct false_entries *entries = &set->dir->entries_now;
        size_t found = find_entry(entries, set->name, size);
        struct false_node *old = found < entries->count ? entries->items[found].target : NULL;
        if (set->target != NULL)
            live_ref(set->target);
        if (old != NULL)
            live_unref(disk, old);
        put_entry(disk, entries, set->name, size, set->target);
    }
}

static void free_change(struct false_disk *disk, struct false_change *change)
{
    weir_list_remove(&change->node);
    for (size_t i = 0; i < change->set_count; i++) {
        free(change->sets[i].name);
        if (change->sets[i].target != NULL)
            false_disk_unref(disk, change->sets[i].target);
        false_disk_unref(disk, change->sets[i].dir);
    }
    free(change);
}

static struct false_change *new_change(void)
{
    return false_disk_alloc(sizeof(struct false_change));
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

/* A rename between two directories binds their journals: what came before it in the other one goes
 * along. */
void false_disk_sync_dir(struct false_disk *disk, struct false_node *dir)
{
    WEIR_LIST_FOREACH(node, &disk->nodes) {
        WEIR_LIST_ENTRY(node, struct false_node, all_node)->is_syncing = false;
    }
    dir->is_syncing = true;
    for (struct weir_list *node = disk->changes.prev; node != &disk->changes; node = node->prev) {
        struct false_change *change = WEIR_LIST_ENTRY(node, struct false_change, node);
        bool is_due = false;
        for (size_t i = 0; i < change->set_count; i++)
            is_due = is_due || change->sets[i].dir->is_syncing;
        for (size_t i = 0; is_due && i < change->set_count; i++)
            change->sets[i].dir->is_syncing = true;
        change->is_due = is_due;
    }
    struct weir_list *next;
    for (struct weir_list *node = disk->changes.next; node != &disk->changes; node = next) {
        struct false_change *change = WEIR_LIST_ENTRY(node, struct false_change, node);
        next = node->next;
        if (change->is_due) {
            apply(disk, change, true);
            free_change(disk, change);
        }
    }
}

bool false_disk_contains(const struct false_node *dir, const struct false_node *node)
{
    if (dir == node)
        return true;
    for (size_t i = 0; i < dir->entries_now.count; i++) {
        if (false_disk_contains(dir->entries_now.items[i].target, node))
            return true;
    }
    return false;
}

/* ---- Bad days ---- */

/* How many of count things happened: often all or none, for these are the ends of the story. */
static size_t random_prefix(uint64_t *seed, size_t count)
{
    uint64_t kind = false_random(seed) % 4;
    if (kind == 0)
        return 0;
    if (kind == 1)
        return count;
    return (size_t)(false_random(seed) % (count + 1));
}

/* The part of a write that falls into one sector. */
static void apply_to_sector(struct false_bytes *bytes, const struct false_edit *edit,
                            uint64_t sector)
{
    uint64_t from = sector * SECTOR_BYTES;
    uint64_t to = from + SECTOR_BYTES;
    uint64_t edit_end = edit->file_pos + edit->size;
    if (edit->file_pos > from)
        from = edit->file_pos;
    if (edit_end < to)
        to = edit_end;
    put_bytes(bytes, from, edit->data + (from - edit->file_pos), (size_t)(to - from));
}

static uint64_t torn_size(const struct false_node *node, size_t cut)
{
    uint64_t size = node->durable.size;
    for (size_t i = 0; i < cut; i++) {
        const struct false_edit *edit = &node->edits[i];
        if (edit->data == NULL)
            size = edit->file_pos;
        else if (edit->file_pos + edit->size > size)
            size = edit->file_pos + edit->size;
    }
    return size;
}

static void tear_edit(struct false_bytes *torn, const struct false_node *node, size_t i,
                      size_t size_cut, uint64_t base)
{
    const struct false_edit *edit = &node->edits[i];
    if (edit->data == NULL) {
        size_t was = torn->size;
        if (i < size_cut && edit->file_pos < was) {
            resize(torn, (size_t)edit->file_pos);
            resize(torn, was);
        }
        return;
    }
    uint64_t last = (edit->file_pos + edit->size - 1) / SECTOR_BYTES;
    for (uint64_t sector = edit->file_pos / SECTOR_BYTES; sector <= last; sector++) {
        /* The same number for each edit of this sector: it has seen the first so many. */
        uint64_t seed = base ^ (sector * 0x2545f4914f6cdd1du);
        if (i < random_prefix(&seed, node->edit_count))
            apply_to_sector(torn, edit, sector);
    }
}

/* Leaves in durable what the disk holds. */
static void tear(struct false_node *node, bool is_garbling, uint64_t *seed)
{
    struct false_bytes *torn = &node->durable;
    size_t size_cut = random_prefix(seed, node->edit_count);
    uint64_t size = torn_size(node, size_cut);
    uint64_t base = false_random(seed);
    size_t grown_from = torn->size;
    if (size > torn->size)
        resize(torn, (size_t)size);
    for (size_t at = grown_from; is_garbling && at < torn->size; at++)
        torn->data[at] = (uint8_t)false_random(seed);
    for (size_t i = 0; i < node->edit_count; i++)
        tear_edit(torn, node, i, size_cut, base);
    resize(torn, (size_t)size);
    clear_edits(node);
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

/* Either one journal holds the changes of all directories, as in most file systems, or each has its
 * own. */
static void choose_cuts(struct false_disk *disk, enum false_loss loss, uint64_t *seed)
{
    size_t count = 0;
    WEIR_LIST_FOREACH(node, &disk->changes) {
        count++;
    }
    bool is_one_journal = false_random(seed) % 2 == 0;
    size_t cut = random_prefix(seed, count);
    WEIR_LIST_FOREACH(node, &disk->nodes) {
        struct false_node *dir = WEIR_LIST_ENTRY(node, struct false_node, all_node);
        dir->cut = is_one_journal ? cut : random_prefix(seed, count);
        if (loss == FALSE_LOSS_ALL)
            dir->cut = 0;
    }
}

static void lose_names(struct false_disk *disk, enum false_loss loss, uint64_t *seed)
{
    choose_cuts(disk, loss, seed);
    for (size_t i = 0; !weir_list_is_empty(&disk->changes); i++) {
        struct false_change *change =
            WEIR_LIST_ENTRY(disk->changes.next, struct false_change, node);
        bool has_happened = true;
        for (size_t j = 0; j < change->set_count; j++)
            has_happened = has_happened && i < change->sets[j].dir->cut;
        if (has_happened)
            apply(disk, change, true);
        free_change(disk, change);
    }
}

/* From the root down, so that a directory that is lost takes its content with it. */
static void come_back(struct false_disk *disk, struct false_node *dir)
{
    copy_entries(disk, &dir->entries_now, &dir->entries_durable);
    for (size_t i = 0; i < dir->entries_now.count; i++) {
        if (dir->entries_now.items[i].target->is_directory)
            come_back(disk, dir->entries_now.items[i].target);
    }
}

static void count_names(struct false_disk *disk, struct false_node *dir)
{
    for (size_t i = 0; i < dir->entries_now.count; i++) {
        struct false_node *node = dir->entries_now.items[i].target;
        if (node->live_refs++ == 0)
            disk->used_bytes += bytes_of(node);
        if (node->is_directory)
            count_names(disk, node);
    }
}

void false_disk_crash(struct false_disk *disk, enum false_loss loss, uint64_t *seed)
{
    WEIR_LIST_FOREACH(node, &disk->nodes) {
        struct false_node *file = WEIR_LIST_ENTRY(node, struct false_node, all_node);
        file->locker = NULL;
        file->live_refs = 0;
        if (loss == FALSE_LOSS_PROCESS || file->is_directory)
            continue;
        if (loss == FALSE_LOSS_TORN)
            tear(file, disk->is_garbling, seed);
        clear_edits(file);
        copy_bytes(&file->now, &file->durable);
        file->reserved_bytes = 0;
    }
    if (loss != FALSE_LOSS_PROCESS) {
        lose_names(disk, loss, seed);
        come_back(disk, disk->root);
    }
    disk->used_bytes = 0;
    count_names(disk, disk->root);
}

void false_disk_init(struct false_disk *disk)
{
    *disk = (struct false_disk){.capacity = UINT64_MAX};
    weir_list_init(&disk->nodes);
    weir_list_init(&disk->changes);
    disk->root = false_disk_new_node(disk, true);
    false_disk_ref(disk->root);
    disk->root->live_refs = 1;
}

void false_disk_done(struct false_disk *disk)
{
    while (!weir_list_is_empty(&disk->changes))
        free_change(disk, WEIR_LIST_ENTRY(disk->changes.next, struct false_change, node));
    false_disk_unref(disk, disk->root);
    WEIR_ASSERT(weir_list_is_empty(&disk->nodes));
}
