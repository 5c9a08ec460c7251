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

struct false_node {
    struct weir_list all_node;
    size_t refs; /* entries (now and durable), changes, open files */
    bool is_directory;
    bool has_failed_sync;
    struct weir_file *locker;
    int64_t modified_ms;
    struct false_bytes now;
    struct false_bytes durable;
    struct false_entries entries_now;
    struct false_entries entries_durable;
};

struct false_disk {
    struct weir_list nodes;
    struct weir_list changes; /* names not durable yet, in order */
    struct false_node *root;
    uint64_t capacity;
};

void false_disk_init(struct false_disk *disk);
void false_disk_done(struct false_disk *disk);
void false_disk_crash(struct false_disk *disk, enum false_loss loss, uint64_t *seed);
uint64_t false_disk_used(const struct false_disk *disk);

/* The node at path, or NULL.  With out_dir and out_name: the directory that holds it (NULL when
 * that is absent) and the last part of the path, which points into it. */
struct false_node *false_disk_find(struct false_disk *disk, const char *path,
                                   struct false_node **out_dir, const char **out_name,
                                   size_t *out_name_size);
/* A new node without a name, refs 0. */
struct false_node *false_disk_new_node(struct false_disk *disk, bool is_directory);
void false_disk_ref(struct false_node *node);
void false_disk_unref(struct false_disk *disk, struct false_node *node);

/* Names change at once and are noted as not durable.  rename passes both sets. */
void false_disk_set_entry(struct false_disk *disk, struct false_node *dir, const char *name,
                          size_t name_size, struct false_node *target);
void false_disk_rename(struct false_disk *disk, struct false_node *from_dir, const char *from,
                       size_t from_size, struct false_node *to_dir, const char *to, size_t to_size,
                       struct false_node *target);
void false_disk_sync_dir(struct false_disk *disk, struct false_node *dir);

void false_bytes_resize(struct false_bytes *bytes, size_t size);
void false_bytes_copy(struct false_bytes *to, const struct false_bytes *from);

uint64_t false_random(uint64_t *seed);
