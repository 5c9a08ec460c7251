/* SPDX-License-Identifier: Apache-2.0 */
#include "false_env.h"

#include "false_disk.h"

#include "weir/base/assert.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_WALL_MS      INT64_C(1700000000000)
#define FIRST_MONOTONIC_NS INT64_C(1000000000000)

#define PATH_BYTES 4096

/* Order of the bits of FALSE_CALL_*. */
static const char *const call_names[] = {
    "open",
    "read",
    "write",
    "sync",
    "truncate",
    "reserve space for",
    "stat",
    "rename",
    "remove",
    "create directory",
    "sync directory",
    "list",
    "set the time of",
    "ask for the free space of",
    "lock",
};

#define CALL_KINDS (sizeof(call_names) / sizeof(call_names[0]))
_Static_assert(FALSE_CALL_ALL == (1 << CALL_KINDS) - 1, "each call has a name");

struct false_env {
    struct weir_env env;
    /* Not a ranked lock: calls come with any lock held, and nothing is called from inside. */
    pthread_mutex_t mutex;
    struct false_disk disk;
    uint64_t seed;
    int64_t wall_ms;
    int64_t monotonic_ns;
    struct false_fault fault;
    uint64_t fault_calls; /* matching calls since it was set */
    uint64_t faults_hit;  /* since it was set */
    uint64_t called[CALL_KINDS];
    uint64_t generation; /* of open files: crashes so far */
    size_t open_files;   /* of any generation */
};

struct weir_file {
    struct false_node *node;
    uint64_t generation;
    unsigned flags;
    char *path;
};

/* ---- Entering and leaving a call ---- */

static struct false_env *enter(void *context)
{
    struct false_env *world = context;
    (void)pthread_mutex_lock(&world->mutex); /* a plain mutex cannot fail */
    return world;
}

static void leave(struct false_env *world)
{
    (void)pthread_mutex_unlock(&world->mutex); /* as above */
}

static const char *name_of(unsigned call)
{
    unsigned bit = 0;
    while ((call >> bit) > 1)
        bit++;
    return call_names[bit];
}

static enum weir_status explain(unsigned call, const char *path, enum weir_status status,
                                const char *why, struct weir_detail *detail)
{
    if (status != WEIR_OK)
        weir_detail_set(detail, "cannot %s %s: %s", name_of(call), path,
                        why != NULL ? why : weir_status_name(status));
    return status;
}

/* What this call fails with before it does anything. */
static enum weir_status gate(struct false_env *world, unsigned call, const char *path,
                             struct weir_detail *detail)
{
    const struct false_fault *fault = &world->fault;
    for (unsigned i = 0; i < CALL_KINDS; i++)
        world->called[i] += (call >> i) & 1;
    if (fault->nth == 0 || (fault->calls & call) == 0)
        return WEIR_OK;
    world->fault_calls++;
    bool hits = world->fault_calls == fault->nth ||
                (fault->and_all_after && world->fault_calls > fault->nth);
    if (!hits)
        return WEIR_OK;
    world->faults_hit++;
    return explain(call, path, fault->status, "injected fault", detail);
}

static enum weir_status gate_file(struct false_env *world, unsigned call,
                                  const struct weir_file *file, struct weir_detail *detail)
{
    enum weir_status status = gate(world, call, file->path, detail);
    if (status == WEIR_OK && file->generation != world->generation)
        return explain(call, file->path, WEIR_IO_ERROR, "opened before the crash", detail);
    return status;
}

/* INVALID of the disk is EISDIR, ENOTDIR and the like: IO_ERROR to the callers of env.h. */
static enum weir_status to_env(enum weir_status status)
{
    return status == WEIR_INVALID ? WEIR_IO_ERROR : status;
}

/* ---- Clock and randomness ---- */

static int64_t false_wall_ms(void *env)
{
    struct false_env *world = enter(env);
    int64_t now = world->wall_ms;
    leave(world);
    return now;
}

static int64_t false_monotonic_ns(void *env)
{
    struct false_env *world = enter(env);
    int64_t now = world->monotonic_ns;
    leave(world);
    return now;
}

static void false_random_fill(void *env, void *out, size_t size)
{
    struct false_env *world = enter(env);
    uint8_t *at = out;
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)false_random(&world->seed);
    leave(world);
}

/* ---- Paths to nodes.  INVALID is EISDIR, ENOTDIR and the like. ---- */

static enum weir_status path_find(struct false_disk *disk, const char *path,
                                  struct false_node **out)
{
    struct false_node *node = false_disk_find(disk, path, NULL, NULL, NULL);
    if (node == NULL)
        return WEIR_NOT_FOUND;
    *out = node;
    return WEIR_OK;
}

static enum weir_status path_create(struct false_disk *disk, const char *path, bool is_directory,
                                    int64_t now_ms, struct false_node **out)
{
    struct false_node *dir = NULL;
    const char *name = NULL;
    size_t name_size = 0;
    if (false_disk_find(disk, path, &dir, &name, &name_size) != NULL)
        return WEIR_EXISTS;
    if (dir == NULL)
        return WEIR_NOT_FOUND;
    struct false_node *node = false_disk_new_node(disk, is_directory);
    node->modified_ms = now_ms;
    false_disk_set_entry(disk, dir, name, name_size, node);
    *out = node;
    return WEIR_OK;
}

static enum weir_status path_rename(struct false_disk *disk, const char *from, const char *to)
{
    struct false_node *from_dir = NULL, *to_dir = NULL;
    const char *from_name = NULL, *to_name = NULL;
    size_t from_size = 0, to_size = 0;
    struct false_node *node = false_disk_find(disk, from, &from_dir, &from_name, &from_size);
    struct false_node *target = false_disk_find(disk, to, &to_dir, &to_name, &to_size);
    if (node == NULL || to_dir == NULL)
        return WEIR_NOT_FOUND;
    if (node == target)
        return WEIR_OK;
    if (from_dir == NULL || false_disk_contains(node, to_dir))
        return WEIR_INVALID;
    if (target != NULL &&
        (target->is_directory != node->is_directory || target->entries_now.count > 0))
        return WEIR_EXISTS;
    false_disk_rename(disk, from_dir, from_name, from_size, to_dir, to_name, to_size, node);
    return WEIR_OK;
}

static enum weir_status path_remove(struct false_disk *disk, const char *path, bool is_directory)
{
    struct false_node *dir = NULL;
    const char *name = NULL;
    size_t name_size = 0;
    struct false_node *node = false_disk_find(disk, path, &dir, &name, &name_size);
    if (node == NULL)
        return WEIR_NOT_FOUND;
    if (dir == NULL || node->is_directory != is_directory)
        return WEIR_INVALID;
    if (node->entries_now.count > 0)
        return WEIR_EXISTS;
    false_disk_set_entry(disk, dir, name, name_size, NULL);
    return WEIR_OK;
}

static enum weir_status path_sync_dir(struct false_disk *disk, const char *path)
{
    struct false_node *dir = false_disk_find(disk, path, NULL, NULL, NULL);
    if (dir == NULL)
        return WEIR_NOT_FOUND;
    if (!dir->is_directory)
        return WEIR_INVALID;
    false_disk_sync_dir(disk, dir);
    return WEIR_OK;
}

/* ---- Open and close ---- */

static enum weir_status find_or_create(struct false_env *world, const char *path, unsigned flags,
                                       struct false_node **out)
{
    enum weir_status status = path_find(&world->disk, path, out);
    bool creates = (flags & WEIR_OPEN_CREATE) != 0;
    if (status == WEIR_NOT_FOUND && creates)
        return path_create(&world->disk, path, false, world->wall_ms, out);
    if (status == WEIR_OK && creates && (flags & WEIR_OPEN_EXCLUSIVE) != 0)
        return WEIR_EXISTS;
    if (status == WEIR_OK && (*out)->is_directory)
        return WEIR_INVALID;
    return status;
}

static enum weir_status false_open(void *env, const char *path, unsigned flags,
                                   struct weir_file **out, struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, FALSE_CALL_OPEN, path, detail);
    if (status != WEIR_OK)
        goto out;
    status = to_env(find_or_create(world, path, flags, &node));
    if (status == WEIR_OK && (flags & WEIR_OPEN_TRUNCATE) != 0 && node->now.size > 0)
        false_node_truncate(&world->disk, node, 0);
    if (status != WEIR_OK) {
        (void)explain(FALSE_CALL_OPEN, path, status, NULL, detail); /* gives the status back */
        goto out;
    }
    struct weir_file *file = false_disk_alloc(sizeof(*file));
    size_t path_size = strlen(path) + 1;
    *file = (struct weir_file){.node = node,
                               .generation = world->generation,
                               .flags = flags,
                               .path = false_disk_alloc(path_size)};
    memcpy(file->path, path, path_size);
    false_disk_hold(node);
    world->open_files++;
    *out = file;
out:
    leave(world);
    return status;
}

static void false_close(void *env, struct weir_file *file)
{
    struct false_env *world = enter(env);
    if (file->node->locker == file)
        file->node->locker = NULL;
    false_disk_drop(&world->disk, file->node, file->generation != world->generation);
    world->open_files--;
    leave(world);
    free(file->path);
    free(file);
}

/* ---- Bytes ---- */

static enum weir_status false_read_at(void *env, struct weir_file *file, void *into, size_t size,
                                      uint64_t file_pos, size_t *out_read,
                                      struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    enum weir_status status = gate_file(world, FALSE_CALL_READ, file, detail);
    /* As open(2) has it: without WRITE a file is for reading. */
    if (status == WEIR_OK && (file->flags & (WEIR_OPEN_READ | WEIR_OPEN_WRITE)) == WEIR_OPEN_WRITE)
        status = explain(FALSE_CALL_READ, file->path, WEIR_IO_ERROR, "not opened for it", detail);
    if (status == WEIR_OK)
        *out_read = false_node_read(file->node, into, size, file_pos);
    leave(world);
    return status;
}

static enum weir_status write_parts(struct false_env *world, struct weir_file *file,
                                    const struct weir_slice *parts, size_t count, size_t size_max,
                                    uint64_t file_pos)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK && size_max > 0; i++) {
        struct weir_slice part = parts[i];
        if (part.size > size_max)
            part.size = size_max;
        size_max -= part.size;
        status = false_node_write(&world->disk, file->node, part, file_pos);
        file_pos += part.size;
        file->node->modified_ms = world->wall_ms;
    }
    return status;
}

static enum weir_status false_write_at(void *env, struct weir_file *file,
                                       const struct weir_slice *parts, size_t count,
                                       uint64_t file_pos, struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    uint64_t hit = world->faults_hit;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    enum weir_status status = gate_file(world, FALSE_CALL_WRITE, file, detail);
    if (status == WEIR_OK && (file->flags & WEIR_OPEN_WRITE) == 0)
        status = explain(FALSE_CALL_WRITE, file->path, WEIR_IO_ERROR, "not opened for it", detail);
    if (status == WEIR_OK) {
        status = write_parts(world, file, parts, count, size, file_pos);
        (void)explain(FALSE_CALL_WRITE, file->path, status, NULL, detail); /* gives it back */
    } else if (world->faults_hit != hit && world->fault.is_short_write && size > 0) {
        size_t prefix = (size_t)(false_random(&world->seed) % size);
        enum weir_status partly = write_parts(world, file, parts, count, prefix, file_pos);
        (void)partly; /* the call has failed either way */
    }
    leave(world);
    return status;
}

static enum weir_status false_sync(void *env, struct weir_file *file, bool with_metadata,
                                   struct weir_detail *detail)
{
    (void)with_metadata; /* fdatasync writes all that is needed to read the data back */
    struct false_env *world = enter(env);
    enum weir_status status = gate_file(world, FALSE_CALL_SYNC, file, detail);
    if (status == WEIR_OK)
        false_node_sync(file->node);
    else if (file->generation == world->generation)
        false_node_fail_sync(file->node);
    leave(world);
    return status;
}

/* A sync by its failures; what it does when it succeeds nobody may rely on. */
static enum weir_status false_write_out(void *env, struct weir_file *file, uint64_t file_pos,
                                        uint64_t size_bytes, bool forget,
                                        struct weir_detail *detail)
{
    (void)file_pos;
    (void)size_bytes;
    (void)forget;
    struct false_env *world = enter(env);
    enum weir_status status = gate_file(world, FALSE_CALL_SYNC, file, detail);
    if (status != WEIR_OK && file->generation == world->generation)
        false_node_fail_sync(file->node);
    leave(world);
    return status;
}

static enum weir_status false_truncate(void *env, struct weir_file *file, uint64_t size_bytes,
                                       struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    enum weir_status status = gate_file(world, FALSE_CALL_TRUNCATE, file, detail);
    if (status == WEIR_OK) {
        false_node_truncate(&world->disk, file->node, size_bytes);
        file->node->modified_ms = world->wall_ms;
    }
    leave(world);
    return status;
}

static enum weir_status false_reserve(void *env, struct weir_file *file, uint64_t file_pos,
                                      uint64_t size_bytes, struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    enum weir_status status = gate_file(world, FALSE_CALL_RESERVE, file, detail);
    if (status == WEIR_OK)
        status = explain(FALSE_CALL_RESERVE, file->path,
                         false_node_reserve(&world->disk, file->node, file_pos + size_bytes), NULL,
                         detail);
    leave(world);
    return status;
}

static enum weir_status false_file_size(void *env, struct weir_file *file, uint64_t *out,
                                        struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    enum weir_status status = gate_file(world, FALSE_CALL_SIZE, file, detail);
    if (status == WEIR_OK)
        *out = file->node->now.size;
    leave(world);
    return status;
}

static int false_native_fd(void *env, struct weir_file *file)
{
    (void)env;
    (void)file;
    return -1;
}

static enum weir_status false_lock(void *env, struct weir_file *file, struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    enum weir_status status = gate_file(world, FALSE_CALL_LOCK, file, detail);
    if (status == WEIR_OK) {
        if (file->node->locker == NULL)
            file->node->locker = file;
        if (file->node->locker != file)
            status = explain(FALSE_CALL_LOCK, file->path, WEIR_BUSY, NULL, detail);
    }
    leave(world);
    return status;
}

/* ---- Paths ---- */

static enum weir_status false_info(void *env, const char *path, struct weir_file_info *out,
                                   struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, FALSE_CALL_SIZE, path, detail);
    if (status == WEIR_OK)
        status = explain(FALSE_CALL_SIZE, path, to_env(path_find(&world->disk, path, &node)), NULL,
                         detail);
    if (status == WEIR_OK)
        *out = (struct weir_file_info){.size_bytes = node->now.size,
                                       .modified_ms = node->modified_ms,
                                       .is_directory = node->is_directory};
    leave(world);
    return status;
}

static enum weir_status false_rename(void *env, const char *from, const char *to,
                                     struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    enum weir_status status = gate(world, FALSE_CALL_RENAME, from, detail);
    if (status == WEIR_OK)
        status = explain(FALSE_CALL_RENAME, from, to_env(path_rename(&world->disk, from, to)), NULL,
                         detail);
    leave(world);
    return status;
}

static enum weir_status remove_path(void *env, const char *path, bool is_directory,
                                    struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    enum weir_status status = gate(world, FALSE_CALL_REMOVE, path, detail);
    if (status == WEIR_OK) {
        status = to_env(path_remove(&world->disk, path, is_directory));
        /* ENOTEMPTY is no status of its own. */
        if (status == WEIR_EXISTS)
            status = WEIR_IO_ERROR;
        (void)explain(FALSE_CALL_REMOVE, path, status, NULL, detail); /* gives it back */
    }
    leave(world);
    return status;
}

static enum weir_status false_remove_file(void *env, const char *path, struct weir_detail *detail)
{
    return remove_path(env, path, false, detail);
}

static enum weir_status false_remove_dir(void *env, const char *path, struct weir_detail *detail)
{
    return remove_path(env, path, true, detail);
}

static enum weir_status false_make_dir(void *env, const char *path, struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, FALSE_CALL_MAKE_DIR, path, detail);
    if (status == WEIR_OK) {
        bool is_there = path_find(&world->disk, path, &node) == WEIR_OK;
        status = is_there ? WEIR_EXISTS
                          : to_env(path_create(&world->disk, path, true, world->wall_ms, &node));
        (void)explain(FALSE_CALL_MAKE_DIR, path, status, NULL, detail); /* gives it back */
    }
    leave(world);
    return status;
}

static enum weir_status false_sync_dir(void *env, const char *path, struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    enum weir_status status = gate(world, FALSE_CALL_SYNC_DIR, path, detail);
    if (status == WEIR_OK)
        status = explain(FALSE_CALL_SYNC_DIR, path, to_env(path_sync_dir(&world->disk, path)), NULL,
                         detail);
    leave(world);
    return status;
}

/* The names are copied first, for the callback may call the world again. */
static enum weir_status copy_names(struct false_env *world, const char *path, char ***out,
                                   size_t *out_count)
{
    struct false_node *node = NULL;
    enum weir_status status = path_find(&world->disk, path, &node);
    if (status == WEIR_OK && !node->is_directory)
        status = WEIR_INVALID;
    if (status != WEIR_OK)
        return to_env(status);
    size_t count = node->entries_now.count;
    char **names = false_disk_alloc(count * sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        const char *name = node->entries_now.items[i].name;
        size_t size = strlen(name) + 1;
        names[i] = false_disk_alloc(size);
        memcpy(names[i], name, size);
    }
    *out = names;
    *out_count = count;
    return WEIR_OK;
}

static enum weir_status false_list_dir(void *env, const char *path, weir_list_entry *entry,
                                       void *context, struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    char **names = NULL;
    size_t count = 0;
    enum weir_status status = gate(world, FALSE_CALL_LIST, path, detail);
    if (status == WEIR_OK)
        status =
            explain(FALSE_CALL_LIST, path, copy_names(world, path, &names, &count), NULL, detail);
    leave(world);
    for (size_t i = 0; i < count; i++) {
        if (status == WEIR_OK)
            status = entry(context, names[i]);
        free(names[i]);
    }
    free(names);
    return status;
}

static enum weir_status false_set_modified(void *env, const char *path, int64_t modified_ms,
                                           struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, FALSE_CALL_SET_MODIFIED, path, detail);
    if (status == WEIR_OK)
        status = explain(FALSE_CALL_SET_MODIFIED, path,
                         to_env(path_find(&world->disk, path, &node)), NULL, detail);
    if (status == WEIR_OK)
        node->modified_ms = modified_ms;
    leave(world);
    return status;
}

static enum weir_status false_space(void *env, const char *path, uint64_t *out_total_bytes,
                                    uint64_t *out_free_bytes, struct weir_detail *detail)
{
    struct false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, FALSE_CALL_SPACE, path, detail);
    if (status == WEIR_OK)
        status = explain(FALSE_CALL_SPACE, path, to_env(path_find(&world->disk, path, &node)), NULL,
                         detail);
    if (status == WEIR_OK) {
        uint64_t total = world->disk.capacity;
        *out_total_bytes = total;
        *out_free_bytes = total > world->disk.used_bytes ? total - world->disk.used_bytes : 0;
    }
    leave(world);
    return status;
}

static const struct weir_env_ops false_ops = {
    .wall_ms = false_wall_ms,
    .monotonic_ns = false_monotonic_ns,
    .random = false_random_fill,
    .open = false_open,
    .close = false_close,
    .read_at = false_read_at,
    .write_at = false_write_at,
    .sync = false_sync,
    .write_out = false_write_out,
    .truncate = false_truncate,
    .reserve = false_reserve,
    .file_size = false_file_size,
    .native_fd = false_native_fd,
    .lock = false_lock,
    .info = false_info,
    .rename = false_rename,
    .remove_file = false_remove_file,
    .make_dir = false_make_dir,
    .remove_dir = false_remove_dir,
    .sync_dir = false_sync_dir,
    .list_dir = false_list_dir,
    .set_modified = false_set_modified,
    .space = false_space,
};

/* ---- The world ---- */

struct false_env *false_env_new(uint64_t seed)
{
    struct false_env *world = false_disk_alloc(sizeof(*world));
    world->env = (struct weir_env){.ops = &false_ops, .context = world};
    (void)pthread_mutex_init(&world->mutex, NULL); /* cannot fail for a plain mutex */
    false_disk_init(&world->disk);
    world->seed = seed;
    world->wall_ms = FIRST_WALL_MS;
    world->monotonic_ns = FIRST_MONOTONIC_NS;
    return world;
}

void false_env_free(struct false_env *world)
{
    if (world == NULL)
        return;
    WEIR_ASSERT(world->open_files == 0);
    false_disk_done(&world->disk);
    (void)pthread_mutex_destroy(&world->mutex); /* nobody is inside */
    free(world);
}

struct weir_env *false_env_env(struct false_env *world)
{
    return &world->env;
}

void false_env_step_ms(struct false_env *world, int64_t ms)
{
    (void)enter(world);
    world->wall_ms += ms;
    world->monotonic_ns += ms * 1000000;
    leave(world);
}

void false_env_set_wall_ms(struct false_env *world, int64_t wall_ms)
{
    (void)enter(world);
    world->wall_ms = wall_ms;
    leave(world);
}

void false_env_set_fault(struct false_env *world, struct false_fault fault)
{
    (void)enter(world);
    world->fault = fault;
    world->fault_calls = 0;
    world->faults_hit = 0;
    leave(world);
}

uint64_t false_env_faults_hit(struct false_env *world)
{
    (void)enter(world);
    uint64_t hit = world->faults_hit;
    leave(world);
    return hit;
}

uint64_t false_env_calls(struct false_env *world, unsigned calls)
{
    uint64_t sum = 0;
    (void)enter(world);
    for (unsigned i = 0; i < CALL_KINDS; i++)
        sum += ((calls >> i) & 1) != 0 ? world->called[i] : 0;
    leave(world);
    return sum;
}

void false_env_set_capacity(struct false_env *world, uint64_t bytes)
{
    (void)enter(world);
    world->disk.capacity = bytes;
    leave(world);
}

void false_env_set_garbling(struct false_env *world, bool is_garbling)
{
    (void)enter(world);
    world->disk.is_garbling = is_garbling;
    leave(world);
}

void false_env_crash(struct false_env *world, enum false_loss loss)
{
    (void)enter(world);
    world->generation++;
    world->fault = (struct false_fault){0};
    world->disk.capacity = UINT64_MAX;
    false_disk_crash(&world->disk, loss, &world->seed);
    leave(world);
}

bool false_env_flip(struct false_env *world, const char *path, uint64_t file_pos, uint8_t bits)
{
    (void)enter(world);
    struct false_node *node = false_disk_find(&world->disk, path, NULL, NULL, NULL);
    bool is_there = node != NULL && !node->is_directory && file_pos < node->now.size;
    if (is_there) {
        /* What was not synced goes along, or the byte could be missing from what is durable. */
        false_node_sync(node);
        node->now.data[file_pos] ^= bits;
        if (file_pos < node->durable.size)
            node->durable.data[file_pos] ^= bits;
    }
    leave(world);
    return is_there;
}

size_t false_env_open_files(struct false_env *world)
{
    (void)enter(world);
    size_t count = world->open_files;
    leave(world);
    return count;
}

/* ---- A picture of the disk ---- */

struct lines {
    char **items;
    size_t count;
    size_t capacity;
};

static void add_lines(struct lines *lines, const struct false_node *dir, const char *prefix)
{
    for (size_t i = 0; i < dir->entries_now.count; i++) {
        const struct false_node *node = dir->entries_now.items[i].target;
        char path[PATH_BYTES], line[PATH_BYTES + 32];
        (void)snprintf(path, sizeof(path), "%s%s", prefix, dir->entries_now.items[i].name);
        if (node->is_directory)
            (void)snprintf(line, sizeof(line), "%s/\n", path);
        else
            (void)snprintf(line, sizeof(line), "%s %llu\n", path,
                           (unsigned long long)node->now.size);
        lines->items = false_disk_grow(lines->items, &lines->capacity, lines->count + 1,
                                       sizeof(*lines->items));
        lines->items[lines->count] = false_disk_alloc(strlen(line) + 1);
        memcpy(lines->items[lines->count++], line, strlen(line) + 1);
        if (node->is_directory) {
            (void)snprintf(line, sizeof(line), "%s/", path);
            add_lines(lines, node, line);
        }
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *false_env_tree(struct false_env *world)
{
    struct lines lines = {0};
    size_t size = 1;
    (void)enter(world);
    add_lines(&lines, world->disk.root, "");
    leave(world);
    if (lines.count > 0)
        qsort(lines.items, lines.count, sizeof(*lines.items), compare_lines);
    for (size_t i = 0; i < lines.count; i++)
        size += strlen(lines.items[i]);
    char *text = false_disk_alloc(size);
    char *at = text;
    for (size_t i = 0; i < lines.count; i++) {
        size_t length = strlen(lines.items[i]);
        memcpy(at, lines.items[i], length);
        at += length;
        free(lines.items[i]);
    }
    free(lines.items);
    return text;
}
