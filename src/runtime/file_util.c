/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/file_util.h"

#include "weir/base/list.h"
#include "weir/base/memory.h"

#include <stdio.h>
#include <string.h>

/* weir_dir_remove_all does not follow trees deeper than this: weir's own are three levels deep. */
#define DEPTH_MAX        16
#define READ_CHUNK_BYTES 65536

/* The caller frees it; NULL when memory is out. */
static char *join(const char *a, const char *separator, const char *b)
{
    size_t size = strlen(a) + strlen(separator) + strlen(b) + 1;
    char *joined = weir_malloc(size);
    if (joined != NULL)
        (void)snprintf(joined, size, "%s%s%s", a, separator, b); /* sized to fit */
    return joined;
}

/* "a/b" -> "a", "/a" -> "/", "a" -> "."; the caller frees it. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return weir_strdup(".");
    if (slash == path)
        return weir_strdup("/");
    return weir_slice_to_cstr(weir_slice_of(path, (size_t)(slash - path)));
}

enum weir_status weir_file_read_all(struct weir_env *env, const char *path, size_t bytes_max,
                                    struct weir_buf *out, struct weir_detail *detail)
{
    struct weir_file *file = NULL;
    enum weir_status status = weir_file_open(env, path, WEIR_OPEN_READ, &file, detail);
    if (status != WEIR_OK)
        return status;
    uint64_t size = 0;
    status = weir_file_size(env, file, &size, detail);
    if (status != WEIR_OK)
        goto out;
    if (size > bytes_max) {
        weir_detail_set(detail, "%s has %llu bytes, the limit is %zu", path,
                        (unsigned long long)size, bytes_max);
        status = WEIR_LIMIT;
        goto out;
    }
    size_t before = out->size;
    /* The file may grow while it is read; the size is only the first guess.  One byte more is asked
     * for, so that the first read sees the end. */
    for (uint64_t file_pos = 0;;) {
        size_t wanted = file_pos < size ? (size_t)(size - file_pos) + 1 : READ_CHUNK_BYTES;
        uint8_t *into = weir_buf_extend(out, wanted);
        if (into == NULL) {
            status = weir_buf_status(out);
            break;
        }
        size_t got = 0;
        status = weir_file_read_at(env, file, into, wanted, file_pos, &got, detail);
        out->size -= wanted - (status == WEIR_OK ? got : 0);
        if (status != WEIR_OK || got < wanted)
            break;
        file_pos += got;
        if (file_pos > bytes_max) {
            weir_detail_set(detail, "%s has more than %zu bytes", path, bytes_max);
            status = WEIR_LIMIT;
            break;
        }
    }
    if (status != WEIR_OK)
        out->size = before;
out:
    weir_file_close(env, file);
    return status;
}

enum weir_status weir_file_replace(struct weir_env *env, const char *path,
                                   struct weir_slice content, struct weir_detail *detail)
{
    enum weir_status status = WEIR_NO_MEMORY;
    struct weir_file *file = NULL;
    char *next = join(path, ".tmp", "");
    char *parent = parent_of(path);
    if (next == NULL || parent == NULL)
        goto out;
    status = weir_file_open(env, next, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE,
                            &file, detail);
    if (status != WEIR_OK)
        goto out;
    status = weir_file_write_at(env, file, &content, 1, 0, detail);
    if (status == WEIR_OK)
        status = weir_file_sync(env, file, true, detail);
    weir_file_close(env, file);
    if (status == WEIR_OK)
        status = weir_path_rename(env, next, path, detail);
    if (status == WEIR_OK)
        status = weir_dir_sync(env, parent, detail);
out:
    weir_free(parent);
    weir_free(next);
    return status;
}

enum weir_status weir_dir_sync_parent(struct weir_env *env, const char *path,
                                      struct weir_detail *detail)
{
    char *parent = parent_of(path);
    if (parent == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = weir_dir_sync(env, parent, detail);
    weir_free(parent);
    return status;
}

static enum weir_status make_one(struct weir_env *env, const char *path, bool is_durable,
                                 struct weir_detail *detail)
{
    struct weir_file_info info;
    enum weir_status status = weir_path_info(env, path, &info, NULL);
    if (status == WEIR_OK && info.is_directory)
        return WEIR_OK;
    status = weir_dir_make(env, path, detail);
    if (status == WEIR_OK && is_durable)
        return weir_dir_sync_parent(env, path, detail);
    if (status != WEIR_EXISTS)
        return status;
    /* Somebody may have made it meanwhile; a file in the way is an error. */
    status = weir_path_info(env, path, &info, detail);
    if (status == WEIR_OK && !info.is_directory) {
        weir_detail_set(detail, "%s is not a directory", path);
        status = WEIR_EXISTS;
    }
    return status;
}

static enum weir_status make_all(struct weir_env *env, const char *path, bool is_durable,
                                 struct weir_detail *detail)
{
    char *prefix = weir_strdup(path);
    if (prefix == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = WEIR_OK;
    for (char *at = prefix; *at != '\0' && status == WEIR_OK; at++) {
        if (*at != '/' || at == prefix)
            continue;
        *at = '\0';
        status = make_one(env, prefix, is_durable, detail);
        *at = '/';
    }
    size_t size = strlen(path);
    if (status == WEIR_OK && size > 0 && path[size - 1] != '/')
        status = make_one(env, path, is_durable, detail);
    weir_free(prefix);
    return status;
}

enum weir_status weir_dir_make_all(struct weir_env *env, const char *path,
                                   struct weir_detail *detail)
{
    return make_all(env, path, false, detail);
}

enum weir_status weir_dir_make_all_durably(struct weir_env *env, const char *path,
                                           struct weir_detail *detail)
{
    return make_all(env, path, true, detail);
}

struct listed_name {
    struct weir_list node;
    char name[];
};

static enum weir_status collect(void *context, const char *name)
{
    size_t size = strlen(name) + 1;
    struct listed_name *listed = weir_malloc(sizeof(*listed) + size);
    if (listed == NULL)
        return WEIR_NO_MEMORY;
    memcpy(listed->name, name, size);
    weir_list_push_back(context, &listed->node);
    return WEIR_OK;
}

static enum weir_status remove_tree(struct weir_env *env, const char *path, int depth,
                                    struct weir_detail *detail);

static enum weir_status remove_entry(struct weir_env *env, const char *path, int depth,
                                     struct weir_detail *detail)
{
    /* Unlinking first: a symbolic link is removed, never followed. */
    enum weir_status status = weir_path_remove(env, path, detail);
    if (status == WEIR_OK || status == WEIR_NOT_FOUND)
        return WEIR_OK;
    struct weir_file_info info;
    if (weir_path_info(env, path, &info, NULL) != WEIR_OK || !info.is_directory)
        return status;
    return remove_tree(env, path, depth, detail);
}

static enum weir_status remove_tree(struct weir_env *env, const char *path, int depth,
                                    struct weir_detail *detail)
{
    if (depth > DEPTH_MAX) {
        weir_detail_set(detail, "%s: too deep to be removed", path);
        return WEIR_LIMIT;
    }
    struct weir_list names;
    weir_list_init(&names);
    /* Listed first, removed then: a listing under change may skip entries. */
    enum weir_status status = weir_dir_list(env, path, collect, &names, detail);
    struct weir_list *node;
    while ((node = weir_list_pop_front(&names)) != NULL) {
        struct listed_name *listed = WEIR_LIST_ENTRY(node, struct listed_name, node);
        if (status == WEIR_OK) {
            char *child = join(path, "/", listed->name);
            status = child == NULL ? WEIR_NO_MEMORY : remove_entry(env, child, depth + 1, detail);
            weir_free(child);
        }
        weir_free(listed);
    }
    if (status == WEIR_OK)
        status = weir_dir_remove(env, path, detail);
    return status;
}

enum weir_status weir_dir_remove_all(struct weir_env *env, const char *path,
                                     struct weir_detail *detail)
{
    return remove_entry(env, path, 0, detail);
}
