/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/env.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Parts handed to one pwritev; the kernel's own limit (IOV_MAX) is 1024. */
#define PARTS_MAX 64

struct weir_file {
    int fd;
    char path[]; /* for the words of a failure */
};

static int64_t posix_wall_ms(void *env)
{
    (void)env;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t posix_monotonic_ns(void *env)
{
    (void)env;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void posix_random(void *env, void *out, size_t size)
{
    (void)env;
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        /* getrandom fails only on a kernel without it; going on with guessable ids is no choice. */
        WEIR_ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
}

static enum weir_status posix_open(void *env, const char *path, unsigned flags,
                                   struct weir_file **out, struct weir_detail *detail)
{
    (void)env;
    int mode = O_CLOEXEC;
    if ((flags & WEIR_OPEN_WRITE) != 0)
        mode |= (flags & WEIR_OPEN_READ) != 0 ? O_RDWR : O_WRONLY;
    if ((flags & WEIR_OPEN_CREATE) != 0)
        mode |= O_CREAT;
    if ((flags & WEIR_OPEN_EXCLUSIVE) != 0)
        mode |= O_EXCL;
    if ((flags & WEIR_OPEN_TRUNCATE) != 0)
        mode |= O_TRUNC;
    size_t path_size = strlen(path) + 1;
    struct weir_file *file = weir_malloc(sizeof(*file) + path_size);
    if (file == NULL)
        return WEIR_NO_MEMORY;
    memcpy(file->path, path, path_size);
    do
        file->fd = open(path, mode, 0644);
    while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        int saved_errno = errno;
        weir_free(file);
        return weir_detail_errno(detail, saved_errno, "cannot open %s", path);
    }
    *out = file;
    return WEIR_OK;
}

static void posix_close(void *env, struct weir_file *file)
{
    (void)env;
    /* Errors of close() say nothing that sync has not said; the descriptor is gone either way. */
    (void)close(file->fd);
    weir_free(file);
}

static enum weir_status posix_read_at(void *env, struct weir_file *file, void *into, size_t size,
                                      uint64_t file_pos, size_t *out_read,
                                      struct weir_detail *detail)
{
    (void)env;
    size_t done = 0;
    while (done < size) {
        ssize_t got =
            pread(file->fd, (uint8_t *)into + done, size - done, (off_t)(file_pos + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return weir_detail_errno(detail, errno, "cannot read %s", file->path);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *out_read = done;
    return WEIR_OK;
}

/* The bytes of parts from skip on, as many as fit; returns how many entries were filled. */
static int fill_iovec(const struct weir_slice *parts, size_t count, size_t skip,
                      struct iovec out[PARTS_MAX])
{
    int filled = 0;
    for (size_t i = 0; i < count && filled < PARTS_MAX; i++) {
        if (skip >= parts[i].size) {
            skip -= parts[i].size;
            continue;
        }
        out[filled].iov_base = (void *)(uintptr_t)(parts[i].data + skip);
        out[filled].iov_len = parts[i].size - skip;
        filled++;
        skip = 0;
    }
    return filled;
}

static enum weir_status posix_write_at(void *env, struct weir_file *file,
                                       const struct weir_slice *parts, size_t count,
                                       uint64_t file_pos, struct weir_detail *detail)
{
    (void)env;
    size_t skip = 0;
    while (count > 0) {
        if (skip >= parts->size) {
            skip -= parts->size;
            parts++;
            count--;
            continue;
        }
        struct iovec vec[PARTS_MAX];
        int filled = fill_iovec(parts, count, skip, vec);
        ssize_t put = pwritev(file->fd, vec, filled, (off_t)file_pos);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return weir_detail_errno(detail, errno, "cannot write %s", file->path);
        file_pos += (uint64_t)put;
        skip += (size_t)put;
    }
    return WEIR_OK;
}

static enum weir_status posix_sync(void *env, struct weir_file *file, bool with_metadata,
                                   struct weir_detail *detail)
{
    (void)env;
    int result;
    do
        result = with_metadata ? fsync(file->fd) : fdatasync(file->fd);
    while (result != 0 && errno == EINTR);
    if (result != 0)
        return weir_detail_errno(detail, errno, "cannot sync %s", file->path);
    return WEIR_OK;
}

static enum weir_status posix_write_out(void *env, struct weir_file *file, uint64_t file_pos,
                                        uint64_t size_bytes, bool forget,
                                        struct weir_detail *detail)
{
    (void)env;
    unsigned waits = forget ? SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER : 0;
    int result;
    do
        result = sync_file_range(file->fd, (off_t)file_pos, (off_t)size_bytes,
                                 SYNC_FILE_RANGE_WRITE | waits);
    while (result != 0 && errno == EINTR);
    /* Where a file system or a sandbox has no such call, the sync does it all. */
    if (result != 0 && errno != ENOSYS && errno != EOPNOTSUPP && errno != ESPIPE)
        return weir_detail_errno(detail, errno, "cannot write out %s", file->path);
    if (result == 0 && forget)
        (void)posix_fadvise(file->fd, (off_t)file_pos, (off_t)size_bytes, POSIX_FADV_DONTNEED);
    return WEIR_OK;
}

static enum weir_status posix_truncate(void *env, struct weir_file *file, uint64_t size_bytes,
                                       struct weir_detail *detail)
{
    (void)env;
    int result;
    do
        result = ftruncate(file->fd, (off_t)size_bytes);
    while (result != 0 && errno == EINTR);
    if (result != 0)
        return weir_detail_errno(detail, errno, "cannot truncate %s", file->path);
    return WEIR_OK;
}

static enum weir_status posix_reserve(void *env, struct weir_file *file, uint64_t file_pos,
                                      uint64_t size_bytes, struct weir_detail *detail)
{
    (void)env;
    int result;
    do
        result = fallocate(file->fd, FALLOC_FL_KEEP_SIZE, (off_t)file_pos, (off_t)size_bytes);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return WEIR_OK;
    int saved_errno = errno;
    enum weir_status status =
        weir_detail_errno(detail, saved_errno, "cannot reserve space for %s", file->path);
    return saved_errno == EOPNOTSUPP || saved_errno == ENOSYS ? WEIR_UNSUPPORTED : status;
}

static enum weir_status posix_file_size(void *env, struct weir_file *file, uint64_t *out,
                                        struct weir_detail *detail)
{
    (void)env;
    struct stat stat_of;
    if (fstat(file->fd, &stat_of) != 0)
        return weir_detail_errno(detail, errno, "cannot stat %s", file->path);
    *out = (uint64_t)stat_of.st_size;
    return WEIR_OK;
}

static int posix_native_fd(void *env, struct weir_file *file)
{
    (void)env;
    return file->fd;
}

static enum weir_status posix_lock(void *env, struct weir_file *file, struct weir_detail *detail)
{
    (void)env;
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    if (fcntl(file->fd, F_SETLK, &whole) == 0)
        return WEIR_OK;
    int saved_errno = errno;
    enum weir_status status = weir_detail_errno(detail, saved_errno, "cannot lock %s", file->path);
    return saved_errno == EACCES || saved_errno == EAGAIN ? WEIR_BUSY : status;
}

static enum weir_status posix_info(void *env, const char *path, struct weir_file_info *out,
                                   struct weir_detail *detail)
{
    (void)env;
    struct stat stat_of;
    if (stat(path, &stat_of) != 0)
        return weir_detail_errno(detail, errno, "cannot stat %s", path);
    *out = (struct weir_file_info){
        .size_bytes = (uint64_t)stat_of.st_size,
        .modified_ms = (int64_t)stat_of.st_mtim.tv_sec * 1000 + stat_of.st_mtim.tv_nsec / 1000000,
        .is_directory = S_ISDIR(stat_of.st_mode),
    };
    return WEIR_OK;
}

static enum weir_status posix_rename(void *env, const char *from, const char *to,
                                     struct weir_detail *detail)
{
    (void)env;
    if (rename(from, to) != 0)
        return weir_detail_errno(detail, errno, "cannot rename %s to %s", from, to);
    return WEIR_OK;
}

static enum weir_status posix_remove_file(void *env, const char *path, struct weir_detail *detail)
{
    (void)env;
    if (unlink(path) != 0)
        return weir_detail_errno(detail, errno, "cannot remove %s", path);
    return WEIR_OK;
}

static enum weir_status posix_make_dir(void *env, const char *path, struct weir_detail *detail)
{
    (void)env;
    if (mkdir(path, 0755) != 0)
        return weir_detail_errno(detail, errno, "cannot create directory %s", path);
    return WEIR_OK;
}

static enum weir_status posix_remove_dir(void *env, const char *path, struct weir_detail *detail)
{
    (void)env;
    if (rmdir(path) != 0)
        return weir_detail_errno(detail, errno, "cannot remove directory %s", path);
    return WEIR_OK;
}

static enum weir_status posix_sync_dir(void *env, const char *path, struct weir_detail *detail)
{
    (void)env;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return weir_detail_errno(detail, errno, "cannot open directory %s", path);
    enum weir_status status = WEIR_OK;
    if (fsync(fd) != 0)
        status = weir_detail_errno(detail, errno, "cannot sync directory %s", path);
    (void)close(fd); /* opened for reading: nothing to lose */
    return status;
}

static enum weir_status posix_list_dir(void *env, const char *path, weir_list_entry *entry,
                                       void *context, struct weir_detail *detail)
{
    (void)env;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return weir_detail_errno(detail, errno, "cannot list %s", path);
    enum weir_status status = WEIR_OK;
    while (status == WEIR_OK) {
        errno = 0;
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream belongs to this call */
        struct dirent *found = readdir(dir);
        if (found == NULL) {
            if (errno != 0)
                status = weir_detail_errno(detail, errno, "cannot list %s", path);
            break;
        }
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
            status = entry(context, found->d_name);
    }
    (void)closedir(dir); /* read-only stream */
    return status;
}

static enum weir_status posix_set_modified(void *env, const char *path, int64_t modified_ms,
                                           struct weir_detail *detail)
{
    (void)env;
    int64_t sec = modified_ms / 1000;
    int64_t ms = modified_ms % 1000;
    if (ms < 0) {
        sec--;
        ms += 1000;
    }
    struct timespec times[2] = {
        {.tv_sec = 0, .tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)sec, .tv_nsec = (long)(ms * 1000000)},
    };
    if (utimensat(AT_FDCWD, path, times, 0) != 0)
        return weir_detail_errno(detail, errno, "cannot set the time of %s", path);
    return WEIR_OK;
}

static enum weir_status posix_space(void *env, const char *path, uint64_t *out_total_bytes,
                                    uint64_t *out_free_bytes, struct weir_detail *detail)
{
    (void)env;
    struct statvfs fs;
    if (statvfs(path, &fs) != 0)
        return weir_detail_errno(detail, errno, "cannot ask for the free space of %s", path);
    *out_total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    *out_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return WEIR_OK;
}

static const struct weir_env_ops posix_ops = {
    .wall_ms = posix_wall_ms,
    .monotonic_ns = posix_monotonic_ns,
    .random = posix_random,
    .open = posix_open,
    .close = posix_close,
    .read_at = posix_read_at,
    .write_at = posix_write_at,
    .sync = posix_sync,
    .write_out = posix_write_out,
    .truncate = posix_truncate,
    .reserve = posix_reserve,
    .file_size = posix_file_size,
    .native_fd = posix_native_fd,
    .lock = posix_lock,
    .info = posix_info,
    .rename = posix_rename,
    .remove_file = posix_remove_file,
    .make_dir = posix_make_dir,
    .remove_dir = posix_remove_dir,
    .sync_dir = posix_sync_dir,
    .list_dir = posix_list_dir,
    .set_modified = posix_set_modified,
    .space = posix_space,
};

static const struct weir_env posix_env = {.ops = &posix_ops};

struct weir_env *weir_env_posix(void)
{
    /* The type is mutable for the tests' sake; nobody writes to this one. */
    return (struct weir_env *)(uintptr_t)&posix_env;
}
