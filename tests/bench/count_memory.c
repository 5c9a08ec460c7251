/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts allocations of a process it is preloaded into (LD_PRELOAD), in a file that BENCH_COUNTS
 * names and that others may read while the process runs: three 64-bit counters, of allocations, of
 * frees, of bytes asked for.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct counts {
    uint64_t allocations, frees, bytes;
};

/* glibc's own names: looking them up would allocate. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *pointer);

static struct counts *the_counts;

__attribute__((constructor)) static void open_counts(void)
{
    const char *path = getenv("BENCH_COUNTS");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct counts)) != 0)
        return;
    void *mapped = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    the_counts = mapped == MAP_FAILED ? NULL : mapped;
    close(fd);
}

static void count(size_t bytes)
{
    if (the_counts == NULL)
        return;
    (void)__atomic_fetch_add(&the_counts->allocations, 1, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&the_counts->bytes, bytes, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *pointer, size_t size)
{
    count(size);
    return __libc_realloc(pointer, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    count(size);
    *out = __libc_memalign(alignment, size);
    return *out == NULL ? 12 : 0;
}

void free(void *pointer)
{
    if (pointer != NULL && the_counts != NULL)
        (void)__atomic_fetch_add(&the_counts->frees, 1, __ATOMIC_RELAXED);
    __libc_free(pointer);
}
