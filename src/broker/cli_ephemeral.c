/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Directories of ephemeral brokers.
 *
 * I1  The lock file is made and locked before its directory is, and removed after it: a directory
 * without a lock file belongs to nobody. I2  Whoever removes a lock file holds its lock.  Whoever
 * made one looks, once it has the lock, whether the file is still the one at its path, for another
 * process may have taken it for a dead owner's in between. I3  Only files of the same user are
 * touched.
 */

#include "weir/broker/cli.h"

#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_PREFIX  "weir-ephemeral-"
#define LOCK_SUFFIX  ".lock"
#define PATH_BYTES   1024
#define RANDOM_BYTES 6
#define ATTEMPTS_MAX 100

struct weir_ephemeral {
    struct weir_env *env;
    int lock_fd;
    char dir[PATH_BYTES];
    char lock_path[PATH_BYTES + sizeof(LOCK_SUFFIX)];
};

/* ---- Making ---- */

/* True when the descriptor's file is the one at path, and ours. */
static bool is_same_file(int fd, const char *path)
{
    struct stat opened, there;
    return fstat(fd, &opened) == 0 && lstat(path, &there) == 0 && opened.st_ino == there.st_ino &&
           opened.st_dev == there.st_dev && S_ISREG(there.st_mode) && there.st_uid == geteuid();
}

/* EXISTS when the name is taken or was lost in the race of I2: try the next one. */
static enum weir_status make_lock(struct weir_ephemeral *ephemeral, struct weir_detail *detail)
{
    int fd = open(ephemeral->lock_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return weir_detail_errno(detail, errno, "cannot create %s", ephemeral->lock_path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || !is_same_file(fd, ephemeral->lock_path)) {
        close(fd);
        return WEIR_EXISTS;
    }
    ephemeral->lock_fd = fd;
    return WEIR_OK;
}

static enum weir_status set_names(struct weir_ephemeral *ephemeral, const char *parent_dir,
                                  struct weir_detail *detail)
{
    uint8_t random[RANDOM_BYTES];
    char hex[2 * RANDOM_BYTES + 1];
    weir_env_random(ephemeral->env, random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", random[i]);
    int size =
        snprintf(ephemeral->dir, sizeof(ephemeral->dir), "%s/" NAME_PREFIX "%s", parent_dir, hex);
    if (size < 0 || (size_t)size >= sizeof(ephemeral->dir)) {
        weir_detail_set(detail, "the path of the temporary directory is too long");
        return WEIR_INVALID;
    }
    (void)snprintf(ephemeral->lock_path, sizeof(ephemeral->lock_path), "%s" LOCK_SUFFIX,
                   ephemeral->dir);
    return WEIR_OK;
}

static void drop_lock(struct weir_ephemeral *ephemeral)
{
    if (ephemeral->lock_fd < 0)
        return;
    (void)unlink(ephemeral->lock_path); /* what stays is cleared up by the next start */
    close(ephemeral->lock_fd);
    ephemeral->lock_fd = -1;
}

static enum weir_status make(struct weir_ephemeral *ephemeral, const char *parent_dir,
                             struct weir_detail *detail)
{
    enum weir_status status = WEIR_EXISTS;
    for (int attempt = 0; status == WEIR_EXISTS && attempt < ATTEMPTS_MAX; attempt++) {
        status = set_names(ephemeral, parent_dir, detail);
        if (status == WEIR_OK)
            status = make_lock(ephemeral, detail);
        if (status != WEIR_OK)
            continue;
        if (mkdir(ephemeral->dir, 0700) != 0) {
            status = weir_detail_errno(detail, errno, "cannot create %s", ephemeral->dir);
            drop_lock(ephemeral);
        }
    }
    return status;
}

/* ---- Clearing up after the dead ---- */

static bool is_lock_name(const char *name)
{
    size_t size = strlen(name);
    size_t least = sizeof(NAME_PREFIX) - 1 + sizeof(LOCK_SUFFIX) - 1;
    return size > least && strncmp(name, NAME_PREFIX, sizeof(NAME_PREFIX) - 1) == 0 &&
           strcmp(name + size - (sizeof(LOCK_SUFFIX) - 1), LOCK_SUFFIX) == 0;
}

struct clearing {
    struct weir_env *env;
    const char *parent_dir;
};

/* Nothing that fails here concerns the broker that is starting. */
static enum weir_status clear_one(void *context, const char *name)
{
    const struct clearing *clearing = context;
    char path[PATH_BYTES];
    if (!is_lock_name(name))
        return WEIR_OK;
    int size = snprintf(path, sizeof(path), "%s/%s", clearing->parent_dir, name);
    if (size < 0 || (size_t)size >= sizeof(path))
        return WEIR_OK;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return WEIR_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_same_file(fd, path)) {
        char dir[PATH_BYTES];
        (void)snprintf(dir, sizeof(dir), "%.*s", size - (int)(sizeof(LOCK_SUFFIX) - 1), path);
        struct stat there;
        bool is_gone = lstat(dir, &there) != 0 && errno == ENOENT;
        bool is_ours = !is_gone && S_ISDIR(there.st_mode) && there.st_uid == geteuid();
        if (is_ours)
            is_gone = weir_dir_remove_all(clearing->env, dir, NULL) == WEIR_OK;
        if (is_gone)
            (void)unlink(path);
    }
    close(fd);
    return WEIR_OK;
}

enum weir_status weir_ephemeral_new(struct weir_env *env, const char *parent_dir,
                                    struct weir_ephemeral **out, struct weir_detail *detail)
{
    if (parent_dir == NULL)
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in weir changes the environment */
        parent_dir = getenv("TMPDIR");
    if (parent_dir == NULL || parent_dir[0] == '\0')
        parent_dir = "/tmp";
    struct weir_ephemeral *ephemeral = weir_calloc(1, sizeof(*ephemeral));
    if (ephemeral == NULL)
        return WEIR_NO_MEMORY;
    ephemeral->env = env;
    ephemeral->lock_fd = -1;
    struct clearing clearing = {env, parent_dir};
    enum weir_status unlisted = weir_dir_list(env, parent_dir, clear_one, &clearing, NULL);
    (void)unlisted; /* make() says what is wrong with parent_dir */
    enum weir_status status = make(ephemeral, parent_dir, detail);
    if (status != WEIR_OK) {
        weir_free(ephemeral);
        return status;
    }
    *out = ephemeral;
    return WEIR_OK;
}

const char *weir_ephemeral_dir(const struct weir_ephemeral *ephemeral)
{
    return ephemeral->dir;
}

void weir_ephemeral_free(struct weir_ephemeral *ephemeral)
{
    if (ephemeral == NULL)
        return;
    if (weir_dir_remove_all(ephemeral->env, ephemeral->dir, NULL) == WEIR_OK)
        drop_lock(ephemeral);
    else if (ephemeral->lock_fd >= 0)
        close(ephemeral->lock_fd); /* the lock file stays, so that a later start tries again */
    weir_free(ephemeral);
}
