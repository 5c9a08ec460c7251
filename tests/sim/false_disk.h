/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files and directories of a false_env; its lock is held by the caller.  Memory failures end
 * the test. */

#include "false_env.h"

#include "weir/base/list.h"

struct false_node;

/* One change of names: up to two entries set (node) or removed (NULL), together or not at all. */
struct false_change {
    struct weir_list node;
    struct false_entry_set {
        struct false_node *dir;
        char *name;
        struct false_node *target;
    } sets[2];
    size_t set_count;
    bool is_due; /* while its directory is synced */
};

struct false_bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

struct false_entry {
    char *name;
    struct false_node *target;
};

struct false_entries {
    struct false_entry *items;
    size_t count;
    size_t capacity;
};

/* A write that is not durable yet, or with data == NULL a truncation to file_pos. */
struct false_edit {
    uint64_t file_pos;
    size_t size;
    uint8_t *data;
};

struct false_node {
    struct weir_list all_node;
    size_t refs;      /* entries (now and durable), changes, open files */
    size_t live_refs; /* entries now, files open since the last crash: without any, a file's bytes
                         are free again */
    bool is_directory;
    bool is_syncing;
    struct weir_file *locker;
    int64_t modified_ms;
    struct false_bytes now;
    struct false_bytes durable;
    struct false_edit *edits; /* durable and all of them, in order, make now, but for what failed
                                 syncs have dropped */
    size_t edit_count;
    size_t edit_capacity;
    uint64_t reserved_bytes;
    size_t cut; /* names, at a power loss: changes from this one on did not happen here */
    struct false_entries entries_now;
    struct false_entries entries_durable;
};

struct false_disk {
    struct weir_list nodes;
    struct weir_list changes; /* names not durable yet, in order */
    struct false_node *root;
    uint64_t capacity;
    uint64_t used_bytes; /* the larger of size and reservation of each file with live_refs */
    bool is_garbling;
};

void false_disk_init(struct false_disk *disk);
void false_disk_done(struct false_disk *disk);
void false_disk_crash(struct false_disk *disk, enum false_loss loss, uint64_t *seed);

/* The node at path, or NULL.  With out_dir and out_name: the directory that holds it (NULL when
 * that is absent) and the last part of the path, which points into it. */
struct false_node *false_disk_find(struct false_disk *disk, const char *path,
                                   struct false_node **out_dir, const char **out_name,
                                   size_t *out_name_size);
/* A new node without a name, refs 0. */
struct false_node *false_disk_new_node(struct false_disk *disk, bool is_directory);
void false_disk_ref(struct false_node *node);
/* An open file. */
void false_disk_hold(struct false_node *node);
void false_disk_drop(struct false_disk *disk, struct false_node *node, bool is_from_before_crash);
void false_disk_unref(struct false_disk *disk, struct false_node *node);

/* Names change at once and are noted as not durable.  rename passes both sets. */
void false_disk_set_entry(struct false_disk *disk, struct false_node *dir, const char *name,
                          size_t name_size, struct false_node *target);
void false_disk_rename(struct false_disk *disk, struct false_node *from_dir, const char *from,
                       size_t from_size, struct false_node *to_dir, const char *to, size_t to_size,
                       struct false_node *target);
void false_disk_sync_dir(struct false_disk *disk, struct false_node *dir);

/* Whether node is dir or somewhere below it. */
bool false_disk_contains(const struct false_node *dir, const struct false_node *node);

size_t false_node_read(const struct false_node *node, void *into, size_t size, uint64_t file_pos);
/* Writes as much as there is room for; NO_SPACE when that was not all. */
enum weir_status false_node_write(struct false_disk *disk, struct false_node *node,
                                  struct weir_slice bytes, uint64_t file_pos);
void false_node_truncate(struct false_disk *disk, struct false_node *node, uint64_t size_bytes);
enum weir_status false_node_reserve(struct false_disk *disk, struct false_node *node,
                                    uint64_t end_pos);
void false_node_sync(struct false_node *node);
/* A sync that failed: what was waiting never becomes durable. */
void false_node_fail_sync(struct false_node *node);

/* The C library's own memory, zeroed; ends the test when it is out. */
void *false_disk_alloc(size_t size);
void *false_disk_grow(void *array, size_t *capacity, size_t needed, size_t element_bytes);

uint64_t false_random(uint64_t *seed);
