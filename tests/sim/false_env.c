/* SPDX-License-Identifier: Apache-2.0 */
#include "false_env.h"

#include "false_disk.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Some day in 2026; tests see the same dates each time. */
#define FIRST_WALL_MS INT64_C(1780000000000)

#define PATH_BYTES 4096

struct weir_false_env {
    struct weir_env env;
    /* Not a ranked lock: calls come with any lock held, and nothing is called from inside. */
    pthread_mutex_t mutex;
    struct false_disk disk;
    struct false_random random;
    int64_t wall_ms;
    int64_t monotonic_ns;
    struct weir_false_fault fault;
    uint64_t fault_calls; /* matching calls since it was set */
    uint64_t failed;
    uint64_t called[WEIR_FALSE_CALL_COUNT];
    unsigned halt_calls; /* mask */
    uint64_t halt_in;    /* matching calls to go; 0: never */
    bool is_halted;
    uint64_t generation; /* of open files: restarts so far */
    size_t open_files;   /* of this generation */
};

struct weir_file {
    struct false_node *node;
    uint64_t generation;
    unsigned flags;
    char *path;
};

/* ---- Entering and leaving a call ---- */

static struct weir_false_env *enter(void *context)
{
    struct weir_false_env *world = context;
    (void)pthread_mutex_lock(&world->mutex); /* a plain mutex cannot fail */
    return world;
}

static void leave(struct weir_false_env *world)
{
    (void)pthread_mutex_unlock(&world->mutex); /* as above */
}

static const char *const call_names[] = {
    [WEIR_FALSE_OPEN] = "open",
    [WEIR_FALSE_READ] = "read",
    [WEIR_FALSE_WRITE] = "write",
    [WEIR_FALSE_SYNC] = "sync",
    [WEIR_FALSE_TRUNCATE] = "truncate",
    [WEIR_FALSE_RESERVE] = "reserve space for",
    [WEIR_FALSE_FILE_SIZE] = "stat",
    [WEIR_FALSE_LOCK] = "lock",
    [WEIR_FALSE_INFO] = "stat",
    [WEIR_FALSE_RENAME] = "rename",
    [WEIR_FALSE_REMOVE_FILE] = "remove",
    [WEIR_FALSE_MAKE_DIR] = "create directory",
    [WEIR_FALSE_REMOVE_DIR] = "remove directory",
    [WEIR_FALSE_SYNC_DIR] = "sync directory",
    [WEIR_FALSE_LIST_DIR] = "list",
    [WEIR_FALSE_SET_MODIFIED] = "set the time of",
    [WEIR_FALSE_SPACE] = "ask for the free space of",
};

static enum weir_status explain(enum weir_false_call call, const char *path,
                                enum weir_status status, const char *why,
                                struct weir_detail *detail)
{
    if (status != WEIR_OK)
        weir_detail_set(detail, "cannot %s %s: %s", call_names[call], path,
                        why != NULL ? why : weir_status_name(status));
    return status;
}

/* What this call fails with before it does anything. */
static enum weir_status gate(struct weir_false_env *world, enum weir_false_call call,
                             const char *path, struct weir_detail *detail)
{
    unsigned bit = WEIR_FALSE_MASK(call);
    world->called[call]++;
    if (world->halt_in > 0 && (world->halt_calls & bit) != 0 && --world->halt_in == 0)
        world->is_halted = true;
    if (world->is_halted)
        return explain(call, path, WEIR_IO_ERROR, "the machine has halted", detail);
    const struct weir_false_fault *fault = &world->fault;
    if (fault->at == 0 || (fault->calls & bit) == 0)
        return WEIR_OK;
    world->fault_calls++;
    bool hits = world->fault_calls == fault->at ||
                (fault->and_after && world->fault_calls > fault->at);
    if (!hits)
        return WEIR_OK;
    world->failed++;
    return explain(call, path, fault->status, "injected fault", detail);
}

static enum weir_status gate_file(struct weir_false_env *world, enum weir_false_call call,
                                  const struct weir_file *file, struct weir_detail *detail)
{
    enum weir_status status = gate(world, call, file->path, detail);
    if (status == WEIR_OK && file->generation != world->generation)
        return explain(call, file->path, WEIR_IO_ERROR, "opened before the restart", detail);
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
    struct weir_false_env *world = enter(env);
    int64_t now = world->wall_ms;
    leave(world);
    return now;
}

static int64_t false_monotonic_ns(void *env)
{
    struct weir_false_env *world = enter(env);
    int64_t now = world->monotonic_ns;
    leave(world);
    return now;
}

static void false_random_bytes(void *env, void *out, size_t size)
{
    struct weir_false_env *world = enter(env);
    uint8_t *at = out;
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)false_random_next(&world->random);
    leave(world);
}

/* ---- Open and close ---- */

static enum weir_status find_or_create(struct weir_false_env *world, const char *path,
                                       unsigned flags, struct false_node **out)
{
    enum weir_status status = false_disk_find(&world->disk, path, out);
    bool creates = (flags & WEIR_OPEN_CREATE) != 0;
    if (status == WEIR_NOT_FOUND && creates)
        return false_disk_create(&world->disk, path, false, world->wall_ms, out);
    if (status == WEIR_OK && creates && (flags & WEIR_OPEN_EXCLUSIVE) != 0)
        return WEIR_EXISTS;
    if (status == WEIR_OK && false_node_is_directory(*out))
        return WEIR_INVALID;
    return status;
}

static enum weir_status false_open(void *env, const char *path, unsigned flags,
                                   struct weir_file **out, struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, WEIR_FALSE_OPEN, path, detail);
    if (status != WEIR_OK)
        goto out;
    status = to_env(find_or_create(world, path, flags, &node));
    if (status == WEIR_OK && (flags & WEIR_OPEN_TRUNCATE) != 0 && false_node_size(node) > 0)
        status = false_node_truncate(&world->disk, node, 0);
    if (status != WEIR_OK) {
        (void)explain(WEIR_FALSE_OPEN, path, status, NULL, detail); /* gives the status back */
        goto out;
    }
    struct weir_file *file = false_alloc(sizeof(*file));
    size_t path_size = strlen(path) + 1;
    *file = (struct weir_file){.node = node,
                               .generation = world->generation,
                               .flags = flags,
                               .path = false_alloc(path_size)};
    memcpy(file->path, path, path_size);
    false_node_hold(node);
    world->open_files++;
    *out = file;
out:
    leave(world);
    return status;
}

static void false_close(void *env, struct weir_file *file)
{
    struct weir_false_env *world = enter(env);
    if (file->generation == world->generation) {
        void **owner = false_node_lock_owner(file->node);
        if (*owner == file)
            *owner = NULL;
        false_node_drop(&world->disk, file->node);
        world->open_files--;
    }
    leave(world);
    free(file->path);
    free(file);
}

/* ---- Bytes ---- */

static enum weir_status false_read_at(void *env, struct weir_file *file, void *into, size_t size,
                                      uint64_t file_pos, size_t *out_read,
                                      struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    enum weir_status status = gate_file(world, WEIR_FALSE_READ, file, detail);
    /* As open(2) has it: without WRITE a file is for reading. */
    if (status == WEIR_OK && (file->flags & (WEIR_OPEN_READ | WEIR_OPEN_WRITE)) == WEIR_OPEN_WRITE)
        status = explain(WEIR_FALSE_READ, file->path, WEIR_IO_ERROR, "not opened for it", detail);
    if (status == WEIR_OK)
        *out_read = false_node_read(file->node, into, size, file_pos);
    leave(world);
    return status;
}

static enum weir_status write_parts(struct weir_false_env *world, struct weir_file *file,
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
        *false_node_modified_ms(file->node) = world->wall_ms;
    }
    return status;
}

static enum weir_status false_write_at(void *env, struct weir_file *file,
                                       const struct weir_slice *parts, size_t count,
                                       uint64_t file_pos, struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    uint64_t failed = world->failed;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    enum weir_status status = gate_file(world, WEIR_FALSE_WRITE, file, detail);
    if (status == WEIR_OK && (file->flags & WEIR_OPEN_WRITE) == 0)
        status = explain(WEIR_FALSE_WRITE, file->path, WEIR_IO_ERROR, "not opened for it", detail);
    if (status == WEIR_OK) {
        status = write_parts(world, file, parts, count, size, file_pos);
        (void)explain(WEIR_FALSE_WRITE, file->path, status, NULL, detail); /* gives it back */
    } else if (world->failed != failed && world->fault.is_short_write && size > 0) {
        size_t prefix = (size_t)false_random_below(&world->random, size);
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
    struct weir_false_env *world = enter(env);
    enum weir_status status = gate_file(world, WEIR_FALSE_SYNC, file, detail);
    if (status == WEIR_OK)
        false_node_sync(file->node);
    else if (file->generation == world->generation && !world->is_halted)
        false_node_doom(file->node);
    leave(world);
    return status;
}

static enum weir_status false_truncate(void *env, struct weir_file *file, uint64_t size_bytes,
                                       struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    enum weir_status status = gate_file(world, WEIR_FALSE_TRUNCATE, file, detail);
    if (status == WEIR_OK) {
        status = false_node_truncate(&world->disk, file->node, size_bytes);
        *false_node_modified_ms(file->node) = world->wall_ms;
    }
    leave(world);
    return status;
}

static enum weir_status false_reserve(void *env, struct weir_file *file, uint64_t file_pos,
                                      uint64_t size_bytes, struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    enum weir_status status = gate_file(world, WEIR_FALSE_RESERVE, file, detail);
    if (status == WEIR_OK)
        status = explain(WEIR_FALSE_RESERVE, file->path,
                         false_node_reserve(&world->disk, file->node, file_pos + size_bytes), NULL,
                         detail);
    leave(world);
    return status;
}

static enum weir_status false_file_size(void *env, struct weir_file *file, uint64_t *out,
                                        struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    enum weir_status status = gate_file(world, WEIR_FALSE_FILE_SIZE, file, detail);
    if (status == WEIR_OK)
        *out = false_node_size(file->node);
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
    struct weir_false_env *world = enter(env);
    enum weir_status status = gate_file(world, WEIR_FALSE_LOCK, file, detail);
    if (status == WEIR_OK) {
        void **owner = false_node_lock_owner(file->node);
        if (*owner == NULL)
            *owner = file;
        if (*owner != file)
            status = explain(WEIR_FALSE_LOCK, file->path, WEIR_BUSY, NULL, detail);
    }
    leave(world);
    return status;
}

/* ---- Paths ---- */

static enum weir_status false_info(void *env, const char *path, struct weir_file_info *out,
                                   struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, WEIR_FALSE_INFO, path, detail);
    if (status == WEIR_OK)
        status = explain(WEIR_FALSE_INFO, path, to_env(false_disk_find(&world->disk, path, &node)),
                         NULL, detail);
    if (status == WEIR_OK)
        *out = (struct weir_file_info){.size_bytes = false_node_size(node),
                                       .modified_ms = *false_node_modified_ms(node),
                                       .is_directory = false_node_is_directory(node)};
    leave(world);
    return status;
}

static enum weir_status false_rename(void *env, const char *from, const char *to,
                                     struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    enum weir_status status = gate(world, WEIR_FALSE_RENAME, from, detail);
    if (status == WEIR_OK)
        status = explain(WEIR_FALSE_RENAME, from,
                         to_env(false_disk_rename(&world->disk, from, to)), NULL, detail);
    leave(world);
    return status;
}

static enum weir_status remove_path(void *env, const char *path, enum weir_false_call call,
                                    struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    enum weir_status status = gate(world, call, path, detail);
    if (status == WEIR_OK) {
        bool is_directory = call == WEIR_FALSE_REMOVE_DIR;
        status = to_env(false_disk_remove(&world->disk, path, is_directory));
        /* ENOTEMPTY is no status of its own. */
        if (status == WEIR_EXISTS)
            status = WEIR_IO_ERROR;
        (void)explain(call, path, status, NULL, detail); /* gives the status back */
    }
    leave(world);
    return status;
}

static enum weir_status false_remove_file(void *env, const char *path, struct weir_detail *detail)
{
    return remove_path(env, path, WEIR_FALSE_REMOVE_FILE, detail);
}

static enum weir_status false_remove_dir(void *env, const char *path, struct weir_detail *detail)
{
    return remove_path(env, path, WEIR_FALSE_REMOVE_DIR, detail);
}

static enum weir_status false_make_dir(void *env, const char *path, struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, WEIR_FALSE_MAKE_DIR, path, detail);
    if (status == WEIR_OK) {
        bool is_there = false_disk_find(&world->disk, path, &node) == WEIR_OK;
        status = is_there ? WEIR_EXISTS
                          : to_env(false_disk_create(&world->disk, path, true, world->wall_ms, &node));
        (void)explain(WEIR_FALSE_MAKE_DIR, path, status, NULL, detail); /* gives it back */
    }
    leave(world);
    return status;
}

static enum weir_status false_sync_dir(void *env, const char *path, struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    enum weir_status status = gate(world, WEIR_FALSE_SYNC_DIR, path, detail);
    if (status == WEIR_OK)
        status = explain(WEIR_FALSE_SYNC_DIR, path,
                         to_env(false_disk_sync_dir(&world->disk, path)), NULL, detail);
    leave(world);
    return status;
}

/* The names are copied first, for the callback may call the world again. */
static enum weir_status copy_names(struct weir_false_env *world, const char *path, char ***out,
                                   size_t *out_count)
{
    struct false_node *node = NULL;
    enum weir_status status = false_disk_find(&world->disk, path, &node);
    if (status == WEIR_OK && !false_node_is_directory(node))
        status = WEIR_INVALID;
    if (status != WEIR_OK)
        return to_env(status);
    size_t count = false_node_entry_count(node);
    char **names = false_alloc(count * sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        const char *name = false_node_entry_name(node, i);
        size_t size = strlen(name) + 1;
        names[i] = false_alloc(size);
        memcpy(names[i], name, size);
    }
    *out = names;
    *out_count = count;
    return WEIR_OK;
}

static enum weir_status false_list_dir(void *env, const char *path, weir_list_entry *entry,
                                       void *context, struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    char **names = NULL;
    size_t count = 0;
    enum weir_status status = gate(world, WEIR_FALSE_LIST_DIR, path, detail);
    if (status == WEIR_OK)
        status = explain(WEIR_FALSE_LIST_DIR, path, copy_names(world, path, &names, &count), NULL,
                         detail);
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
    struct weir_false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, WEIR_FALSE_SET_MODIFIED, path, detail);
    if (status == WEIR_OK)
        status = explain(WEIR_FALSE_SET_MODIFIED, path,
                         to_env(false_disk_find(&world->disk, path, &node)), NULL, detail);
    if (status == WEIR_OK)
        *false_node_modified_ms(node) = modified_ms;
    leave(world);
    return status;
}

static enum weir_status false_space(void *env, const char *path, uint64_t *out_total_bytes,
                                    uint64_t *out_free_bytes, struct weir_detail *detail)
{
    struct weir_false_env *world = enter(env);
    struct false_node *node = NULL;
    enum weir_status status = gate(world, WEIR_FALSE_SPACE, path, detail);
    if (status == WEIR_OK)
        status = explain(WEIR_FALSE_SPACE, path, to_env(false_disk_find(&world->disk, path, &node)),
                         NULL, detail);
    if (status == WEIR_OK) {
        uint64_t total = world->disk.capacity_bytes;
        *out_total_bytes = total;
        *out_free_bytes = total > world->disk.used_bytes ? total - world->disk.used_bytes : 0;
    }
    leave(world);
    return status;
}

static const struct weir_env_ops false_ops = {
    .wall_ms = false_wall_ms,
    .monotonic_ns = false_monotonic_ns,
    .random = false_random_bytes,
    .open = false_open,
    .close = false_close,
    .read_at = false_read_at,
    .write_at = false_write_at,
    .sync = false_sync,
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

struct weir_false_env *weir_false_env_new(uint64_t seed)
{
    struct weir_false_env *world = false_alloc(sizeof(*world));
    world->env = (struct weir_env){.ops = &false_ops, .context = world};
    (void)pthread_mutex_init(&world->mutex, NULL); /* cannot fail for a plain mutex */
    false_disk_init(&world->disk);
    world->random.state = seed;
    world->wall_ms = FIRST_WALL_MS;
    world->monotonic_ns = 1000000000;
    return world;
}

void weir_false_env_free(struct weir_false_env *world)
{
    if (world == NULL)
        return;
    if (world->open_files > 0) {
        (void)fprintf(stderr, "false env: %zu files were never closed\n", world->open_files);
        exit(1);
    }
    false_disk_done(&world->disk);
    (void)pthread_mutex_destroy(&world->mutex); /* nobody is inside */
    free(world);
}

struct weir_env *weir_false_env_of(struct weir_false_env *world)
{
    return &world->env;
}

void weir_false_env_step_ms(struct weir_false_env *world, int64_t ms)
{
    (void)enter(world);
    world->wall_ms += ms;
    world->monotonic_ns += ms * 1000000;
    leave(world);
}

void weir_false_env_set_wall_ms(struct weir_false_env *world, int64_t wall_ms)
{
    (void)enter(world);
    world->wall_ms = wall_ms;
    leave(world);
}

void weir_false_env_fail(struct weir_false_env *world, const struct weir_false_fault *fault)
{
    (void)enter(world);
    world->fault = *fault;
    world->fault_calls = 0;
    leave(world);
}

void weir_false_env_fail_off(struct weir_false_env *world)
{
    weir_false_env_fail(world, &(struct weir_false_fault){0});
}

uint64_t weir_false_env_failed(struct weir_false_env *world)
{
    (void)enter(world);
    uint64_t failed = world->failed;
    leave(world);
    return failed;
}

uint64_t weir_false_env_called(struct weir_false_env *world, unsigned calls)
{
    uint64_t sum = 0;
    (void)enter(world);
    for (unsigned i = 0; i < WEIR_FALSE_CALL_COUNT; i++) {
        if ((calls & WEIR_FALSE_MASK(i)) != 0)
            sum += world->called[i];
    }
    leave(world);
    return sum;
}

void weir_false_env_set_capacity(struct weir_false_env *world, uint64_t bytes)
{
    (void)enter(world);
    world->disk.capacity_bytes = bytes;
    leave(world);
}

uint64_t weir_false_env_used(struct weir_false_env *world)
{
    (void)enter(world);
    uint64_t used = world->disk.used_bytes;
    leave(world);
    return used;
}

void weir_false_env_set_garbling(struct weir_false_env *world, bool is_garbling)
{
    (void)enter(world);
    world->disk.is_garbling = is_garbling;
    leave(world);
}

void weir_false_env_halt(struct weir_false_env *world)
{
    (void)enter(world);
    world->is_halted = true;
    leave(world);
}

void weir_false_env_halt_at(struct weir_false_env *world, unsigned calls, uint64_t at)
{
    (void)enter(world);
    world->halt_calls = calls;
    world->halt_in = at;
    leave(world);
}

bool weir_false_env_is_halted(struct weir_false_env *world)
{
    (void)enter(world);
    bool is_halted = world->is_halted;
    leave(world);
    return is_halted;
}

static void begin_again(struct weir_false_env *world)
{
    false_disk_forget_holders(&world->disk);
    world->generation++;
    world->open_files = 0;
    world->is_halted = false;
    world->halt_in = 0;
    world->fault = (struct weir_false_fault){0};
}

void weir_false_env_restart(struct weir_false_env *world)
{
    (void)enter(world);
    begin_again(world);
    leave(world);
}

void weir_false_env_power_loss(struct weir_false_env *world)
{
    (void)enter(world);
    begin_again(world);
    false_disk_lose_power(&world->disk, &world->random);
    leave(world);
}

size_t weir_false_env_open_files(struct weir_false_env *world)
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
    for (size_t i = 0; i < false_node_entry_count(dir); i++) {
        const struct false_node *node = false_node_entry(dir, i);
        char path[PATH_BYTES], line[PATH_BYTES + 32];
        (void)snprintf(path, sizeof(path), "%s%s", prefix, false_node_entry_name(dir, i));
        if (false_node_is_directory(node))
            (void)snprintf(line, sizeof(line), "%s/\n", path);
        else
            (void)snprintf(line, sizeof(line), "%s %llu\n", path,
                           (unsigned long long)false_node_size(node));
        lines->items =
            false_grow(lines->items, &lines->capacity, lines->count + 1, sizeof(*lines->items));
        lines->items[lines->count] = false_alloc(strlen(line) + 1);
        memcpy(lines->items[lines->count++], line, strlen(line) + 1);
        if (false_node_is_directory(node)) {
            (void)snprintf(line, sizeof(line), "%s/", path);
            add_lines(lines, node, line);
        }
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *weir_false_env_tree(struct weir_false_env *world)
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
    char *text = false_alloc(size);
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
