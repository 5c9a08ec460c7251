/* SPDX-License-Identifier: Apache-2.0 */

/* Many threads that want their record durable share the syncs: while one sync is under way, all
 * that come wait for the next, which is one for all of them.  The first sync is held back until
 * every thread has appended, so exactly two are enough.  A plain program, so that it runs under
 * ThreadSanitizer. */

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/partition_log.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 16 };

static struct weir_env_ops ops;
static struct weir_env env = {.ops = &ops};
static atomic_int appended;
static atomic_int syncs;
static atomic_int under_way;
static struct weir_partition_log *the_log;

static void check(enum weir_status status, const char *what)
{
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, weir_status_name(status));
        abort();
    }
}

static enum weir_status hold_first_sync(void *context, struct weir_file *file, bool with_metadata,
                                        struct weir_detail *detail)
{
    WEIR_ASSERT(atomic_fetch_add(&under_way, 1) == 0);
    if (atomic_fetch_add(&syncs, 1) == 0) {
        while (atomic_load(&appended) < THREADS + 1)
            (void)sched_yield();
    }
    enum weir_status status = weir_env_posix()->ops->sync(context, file, with_metadata, detail);
    atomic_fetch_sub(&under_way, 1);
    return status;
}

static int64_t append_one(void)
{
    struct weir_buf bytes = {0};
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_checked_batch checked;
    struct weir_log_append_options append = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    struct weir_record_data record = {.timestamp = 1, .value = WEIR_SLICE("value")};
    check(weir_batch_builder_new(&options, &bytes, &builder), "builder");
    weir_batch_builder_add(builder, &record);
    check(weir_batch_builder_finish(builder), "finish");
    check(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, NULL), "own");
    check(weir_partition_log_append(the_log, &checked, &append, &result, NULL), "append");
    WEIR_ASSERT(result.is_flush_due);
    weir_batch_builder_free(builder);
    weir_buf_done(&bytes);
    atomic_fetch_add(&appended, 1);
    return result.last_offset;
}

static void *append_and_flush(void *context)
{
    (void)context;
    int64_t last_offset = append_one();
    check(weir_partition_log_flush(the_log, true, NULL), "flush");
    WEIR_ASSERT(weir_partition_log_synced_offset(the_log) > last_offset);
    WEIR_ASSERT(weir_partition_log_recovery_point(the_log) > last_offset);
    return NULL;
}

int main(void)
{
    char dir[] = "/tmp/weir-group-commit-XXXXXX";
    char log_dir[64];
    pthread_t threads[THREADS + 1];
    struct weir_partition_log_options options = weir_partition_log_options_default();
    if (mkdtemp(dir) == NULL)
        return 1;
    (void)snprintf(log_dir, sizeof(log_dir), "%s/t-0", dir);
    ops = *weir_env_posix()->ops;
    env.context = weir_env_posix()->context;
    options.env = &env;
    options.dir = log_dir;
    options.config.flush_messages = 1;
    check(weir_topic_partition_make(WEIR_SLICE("t"), 0, &options.key), "name");
    check(weir_partition_log_open(&options, &the_log, NULL, NULL), "open");
    ops.sync = hold_first_sync;
    for (int i = 0; i <= THREADS; i++)
        (void)pthread_create(&threads[i], NULL, append_and_flush, NULL);
    for (int i = 0; i <= THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    (void)printf("%d flushes, %d syncs\n", THREADS + 1, atomic_load(&syncs));
    WEIR_ASSERT(atomic_load(&syncs) <= 2);
    WEIR_ASSERT(!weir_partition_log_awaits_flush(the_log));
    weir_partition_log_unref(the_log);
    check(weir_dir_remove_all(weir_env_posix(), dir, NULL), "remove");
    return 0;
}
