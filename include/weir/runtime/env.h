/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The seam to the world: clock, randomness and files as a table of functions.  env_posix.c is the
 * real one; the tests' one has a clock that is stepped, and a disk that can fail any call, run full
 * and lose what was not synced.  Code above this folder never calls the C library for these things.
 * (Sockets, the fourth part of the seam, are in socket.h.)
 *
 * The table is immutable after start and may be used from any thread.  A struct weir_file may be
 * read from any thread at once; writes to one file are serialised by its owner.  Paths are
 * NUL-terminated, relative ones are relative to the process.  File calls block: no event loop may
 * call sync, open, unlink or rename (DESIGN.md, "The way of one request").
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct weir_file;

enum weir_open {
    WEIR_OPEN_READ = 1,
    WEIR_OPEN_WRITE = 2,
    WEIR_OPEN_CREATE = 4,    /* created when absent */
    WEIR_OPEN_EXCLUSIVE = 8, /* with CREATE: EXISTS when present */
    WEIR_OPEN_TRUNCATE = 16
};

struct weir_file_info {
    uint64_t size_bytes;
    int64_t modified_ms;
    bool is_directory;
};

/* Called for each entry but "." and ".."; the name lives during the call only.  Anything but OK
 * ends the listing. */
typedef enum weir_status weir_list_entry(void *context, const char *name);

struct weir_env_ops {
    int64_t (*wall_ms)(void *env);                     /* Unix time, may jump */
    int64_t (*monotonic_ns)(void *env);                /* never goes back */
    void (*random)(void *env, void *out, size_t size); /* fit for keys and ids */

    enum weir_status (*open)(void *env, const char *path, unsigned flags, struct weir_file **out,
                             struct weir_detail *detail);
    void (*close)(void *env, struct weir_file *file);
    enum weir_status (*read_at)(void *env, struct weir_file *file, void *into, size_t size,
                                uint64_t file_pos, size_t *out_read, struct weir_detail *detail);
    enum weir_status (*write_at)(void *env, struct weir_file *file, const struct weir_slice *parts,
                                 size_t count, uint64_t file_pos, struct weir_detail *detail);
    enum weir_status (*sync)(void *env, struct weir_file *file, bool with_metadata,
                             struct weir_detail *detail);
    enum weir_status (*write_out)(void *env, struct weir_file *file, uint64_t file_pos,
                                  uint64_t size_bytes, bool forget, struct weir_detail *detail);
    enum weir_status (*truncate)(void *env, struct weir_file *file, uint64_t size_bytes,
                                 struct weir_detail *detail);
    enum weir_status (*reserve)(void *env, struct weir_file *file, uint64_t file_pos,
                                uint64_t size_bytes, struct weir_detail *detail);
    enum weir_status (*file_size)(void *env, struct weir_file *file, uint64_t *out,
                                  struct weir_detail *detail);
    int (*native_fd)(void *env, struct weir_file *file);
    enum weir_status (*lock)(void *env, struct weir_file *file, struct weir_detail *detail);

    enum weir_status (*info)(void *env, const char *path, struct weir_file_info *out,
                             struct weir_detail *detail);
    enum weir_status (*rename)(void *env, const char *from, const char *to,
                               struct weir_detail *detail);
    enum weir_status (*remove_file)(void *env, const char *path, struct weir_detail *detail);
    enum weir_status (*make_dir)(void *env, const char *path, struct weir_detail *detail);
    enum weir_status (*remove_dir)(void *env, const char *path, struct weir_detail *detail);
    enum weir_status (*sync_dir)(void *env, const char *path, struct weir_detail *detail);
    enum weir_status (*list_dir)(void *env, const char *path, weir_list_entry *entry, void *context,
                                 struct weir_detail *detail);
    enum weir_status (*set_modified)(void *env, const char *path, int64_t modified_ms,
                                     struct weir_detail *detail);
    enum weir_status (*space)(void *env, const char *path, uint64_t *out_total_bytes,
                              uint64_t *out_free_bytes, struct weir_detail *detail);
};

struct weir_env {
    const struct weir_env_ops *ops;
    void *context; /* passed to every function */
};

/* The real world.  One for the process; never freed. */
struct weir_env *weir_env_posix(void);

static inline int64_t weir_env_wall_ms(struct weir_env *env)
{
    return env->ops->wall_ms(env->context);
}

static inline int64_t weir_env_monotonic_ns(struct weir_env *env)
{
    return env->ops->monotonic_ns(env->context);
}

static inline int64_t weir_env_monotonic_ms(struct weir_env *env)
{
    return env->ops->monotonic_ns(env->context) / 1000000;
}

static inline void weir_env_random(struct weir_env *env, void *out, size_t size)
{
    env->ops->random(env->context, out, size);
}

/* NOT_FOUND, EXISTS, NO_SPACE or IO_ERROR. The caller closes *out. */
WEIR_MUST_CHECK static inline enum weir_status weir_file_open(struct weir_env *env,
                                                              const char *path, unsigned flags,
                                                              struct weir_file **out,
                                                              struct weir_detail *detail)
{
    return env->ops->open(env->context, path, flags, out, detail);
}

/* NULL is allowed.  Closing does not sync. */
static inline void weir_file_close(struct weir_env *env, struct weir_file *file)
{
    if (file != NULL)
        env->ops->close(env->context, file);
}

/* Reads up to size bytes; fewer only at the end of the file. */
WEIR_MUST_CHECK static inline enum weir_status
weir_file_read_at(struct weir_env *env, struct weir_file *file, void *into, size_t size,
                  uint64_t file_pos, size_t *out_read, struct weir_detail *detail)
{
    return env->ops->read_at(env->context, file, into, size, file_pos, out_read, detail);
}

/* Writes all parts one behind the other, or fails; after a failure the file may hold any prefix of
 * them. */
WEIR_MUST_CHECK static inline enum weir_status
weir_file_write_at(struct weir_env *env, struct weir_file *file, const struct weir_slice *parts,
                   size_t count, uint64_t file_pos, struct weir_detail *detail)
{
    return env->ops->write_at(env->context, file, parts, count, file_pos, detail);
}

/* fdatasync, or fsync when with_metadata.  A failure is final: never sync the same file again as if
 * it had worked. */
WEIR_MUST_CHECK static inline enum weir_status weir_file_sync(struct weir_env *env,
                                                              struct weir_file *file,
                                                              bool with_metadata,
                                                              struct weir_detail *detail)
{
    return env->ops->sync(env->context, file, with_metadata, detail);
}

/* Hands a range to the disk ahead of a sync, which then finds little to do.  With forget, waits
 * until it is there and takes it out of the system's memory: for bulk that would push out what
 * others use.  Promises nothing of durability; a failure is as final as that of a sync. */
WEIR_MUST_CHECK static inline enum weir_status
weir_file_write_out(struct weir_env *env, struct weir_file *file, uint64_t file_pos,
                    uint64_t size_bytes, bool forget, struct weir_detail *detail)
{
    return env->ops->write_out(env->context, file, file_pos, size_bytes, forget, detail);
}

WEIR_MUST_CHECK static inline enum weir_status weir_file_truncate(struct weir_env *env,
                                                                  struct weir_file *file,
                                                                  uint64_t size_bytes,
                                                                  struct weir_detail *detail)
{
    return env->ops->truncate(env->context, file, size_bytes, detail);
}

/* Asks for disk space ahead of the end without changing the file's length (FALLOC_FL_KEEP_SIZE).
 * UNSUPPORTED is harmless. */
WEIR_MUST_CHECK static inline enum weir_status
weir_file_reserve(struct weir_env *env, struct weir_file *file, uint64_t file_pos,
                  uint64_t size_bytes, struct weir_detail *detail)
{
    return env->ops->reserve(env->context, file, file_pos, size_bytes, detail);
}

WEIR_MUST_CHECK static inline enum weir_status weir_file_size(struct weir_env *env,
                                                              struct weir_file *file, uint64_t *out,
                                                              struct weir_detail *detail)
{
    return env->ops->file_size(env->context, file, out, detail);
}

/* The descriptor for sendfile and mmap, or -1 when there is none (the tests' disk). */
static inline int weir_file_native_fd(struct weir_env *env, struct weir_file *file)
{
    return env->ops->native_fd(env->context, file);
}

/* POSIX write lock over the whole file, which Java's FileChannel.lock honours; BUSY when another
 * process has it. Held until the file is closed. */
WEIR_MUST_CHECK static inline enum weir_status
weir_file_lock(struct weir_env *env, struct weir_file *file, struct weir_detail *detail)
{
    return env->ops->lock(env->context, file, detail);
}

WEIR_MUST_CHECK static inline enum weir_status weir_path_info(struct weir_env *env,
                                                              const char *path,
                                                              struct weir_file_info *out,
                                                              struct weir_detail *detail)
{
    return env->ops->info(env->context, path, out, detail);
}

/* Replaces the target.  Durable only after weir_dir_sync on the parent. */
WEIR_MUST_CHECK static inline enum weir_status
weir_path_rename(struct weir_env *env, const char *from, const char *to, struct weir_detail *detail)
{
    return env->ops->rename(env->context, from, to, detail);
}

WEIR_MUST_CHECK static inline enum weir_status
weir_path_remove(struct weir_env *env, const char *path, struct weir_detail *detail)
{
    return env->ops->remove_file(env->context, path, detail);
}

/* EXISTS when it is there. */
WEIR_MUST_CHECK static inline enum weir_status weir_dir_make(struct weir_env *env, const char *path,
                                                             struct weir_detail *detail)
{
    return env->ops->make_dir(env->context, path, detail);
}

/* The directory must be empty. */
WEIR_MUST_CHECK static inline enum weir_status
weir_dir_remove(struct weir_env *env, const char *path, struct weir_detail *detail)
{
    return env->ops->remove_dir(env->context, path, detail);
}

WEIR_MUST_CHECK static inline enum weir_status weir_dir_sync(struct weir_env *env, const char *path,
                                                             struct weir_detail *detail)
{
    return env->ops->sync_dir(env->context, path, detail);
}

WEIR_MUST_CHECK static inline enum weir_status weir_dir_list(struct weir_env *env, const char *path,
                                                             weir_list_entry *entry, void *context,
                                                             struct weir_detail *detail)
{
    return env->ops->list_dir(env->context, path, entry, context, detail);
}

WEIR_MUST_CHECK static inline enum weir_status weir_path_set_modified(struct weir_env *env,
                                                                      const char *path,
                                                                      int64_t modified_ms,
                                                                      struct weir_detail *detail)
{
    return env->ops->set_modified(env->context, path, modified_ms, detail);
}

/* Size of, and free bytes for this user on, the file system that holds path. */
WEIR_MUST_CHECK static inline enum weir_status
weir_path_space(struct weir_env *env, const char *path, uint64_t *out_total_bytes,
                uint64_t *out_free_bytes, struct weir_detail *detail)
{
    return env->ops->space(env->context, path, out_total_bytes, out_free_bytes, detail);
}
