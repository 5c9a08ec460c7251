/* SPDX-License-Identifier: Apache-2.0 */

/* Threads that ask for the same new partition at once get one log, and one that is deleted
 * meanwhile is gone or new, never a mixture.  A plain program, so that it runs under
 * ThreadSanitizer. */

#include "weir/base/assert.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/log_manager.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTITIONS = 60, THREADS = 4 };

struct shared {
    struct weir_log_manager *manager;
    pthread_barrier_t barrier;
    struct weir_partition_log *got[THREADS];
};

struct worker {
    struct shared *shared;
    int index;
    pthread_t thread;
};

static void check(enum weir_status status, const struct weir_detail *detail)
{
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s: %s\n", weir_status_name(status), detail->text);
        abort();
    }
}

static struct weir_topic_partition key_of(int32_t partition)
{
    struct weir_topic_partition key;
    struct weir_detail detail = {{0}};
    check(weir_topic_partition_make(WEIR_SLICE("t"), partition, &key), &detail);
    return key;
}

static void create_together(const struct worker *worker)
{
    struct shared *shared = worker->shared;
    struct weir_detail detail = {{0}};
    for (int i = 0; i < PARTITIONS; i++) {
        struct weir_topic_partition key = key_of(i);
        (void)pthread_barrier_wait(&shared->barrier);
        check(weir_log_manager_create(shared->manager, &key, weir_uuid_small(7), NULL,
                                      &shared->got[worker->index], &detail),
              &detail);
        (void)pthread_barrier_wait(&shared->barrier);
        for (int j = 0; worker->index == 0 && j < THREADS; j++)
            WEIR_ASSERT(shared->got[j] == shared->got[0]);
        (void)pthread_barrier_wait(&shared->barrier);
        weir_partition_log_unref(shared->got[worker->index]);
    }
}

/* Each with an id of its own: the log that comes back has it, or the call says that another's is
 * there. */
static void create_and_delete(const struct worker *worker)
{
    struct shared *shared = worker->shared;
    struct weir_topic_partition key = key_of(PARTITIONS);
    struct weir_uuid id = weir_uuid_small((uint8_t)(10 + worker->index));
    struct weir_detail detail = {{0}};
    for (int i = 0; i < PARTITIONS; i++) {
        struct weir_partition_log *log = NULL;
        enum weir_status status =
            weir_log_manager_create(shared->manager, &key, id, NULL, &log, &detail);
        if (status == WEIR_OK) {
            WEIR_ASSERT(weir_uuid_equal(weir_partition_log_topic_id(log), id));
            weir_partition_log_unref(log);
        } else if (status != WEIR_INCONSISTENT_TOPIC_ID) {
            check(status, &detail);
        }
        status = weir_log_manager_delete(shared->manager, &key, &detail);
        if (status != WEIR_NOT_FOUND)
            check(status, &detail);
    }
}

static void *work(void *context)
{
    const struct worker *worker = context;
    create_together(worker);
    create_and_delete(worker);
    return NULL;
}

int main(void)
{
    char dir[] = "/tmp/weir-create-XXXXXX";
    char log_dir[64];
    const char *const dirs[] = {log_dir};
    struct weir_detail detail = {{0}};
    struct shared shared = {0};
    struct worker workers[THREADS];
    struct weir_log_manager_options options = {
        .env = weir_env_posix(), .dirs = dirs, .dir_count = 1, .node_id = 1};
    struct weir_log_manager_load_options load = {0};
    struct weir_log_manager_load_result loaded;
    WEIR_ASSERT(mkdtemp(dir) != NULL);
    (void)snprintf(log_dir, sizeof(log_dir), "%s/a", dir);
    options.defaults = weir_log_config_default();
    check(weir_log_manager_open(&options, &shared.manager, &detail), &detail);
    check(weir_log_manager_load(shared.manager, &load, &loaded, &detail), &detail);
    WEIR_ASSERT(pthread_barrier_init(&shared.barrier, NULL, THREADS) == 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.shared = &shared, .index = i};
        WEIR_ASSERT(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(workers[i].thread, NULL);
    WEIR_ASSERT(weir_log_manager_count(shared.manager) == PARTITIONS);
    check(weir_log_manager_close(shared.manager, 1, true, &detail), &detail);
    weir_log_manager_free(shared.manager);
    (void)pthread_barrier_destroy(&shared.barrier);
    check(weir_dir_remove_all(weir_env_posix(), dir, &detail), &detail);
    return 0;
}
