/* SPDX-License-Identifier: Apache-2.0 */

/* What lies beside the partitions, and that looking changes nothing. */

#include "good_dir.h"

#include "weir/quorum/metadata_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

TestSuite(verify_dir, .init = good_init, .fini = good_done);

static void write_top(const char *name, const char *content)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", world.dir, name);
    write_path(path, content, strlen(content));
}

static void make_top_dir(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", world.dir, name);
    cr_assert_eq(weir_dir_make(&world.env, path, NULL), WEIR_OK);
}

Test(verify_dir, directories_that_are_no_partitions_are_notes)
{
    make_top_dir("stranger");
    make_top_dir("topic-1.0123456789abcdef0123456789abcdef-delete");
    make_top_dir("topic-2.0123456789abcdef0123456789abcdef-stray");
    make_top_dir("topic-3.0123456789abcdef0123456789abcdef-future");
    expect_note("/stranger:", "is no partition's directory");
    expect_note("-delete:", "is being deleted");
    expect_note("-stray:", "was set aside");
    expect_note("-future:", "is not complete");
}

Test(verify_dir, checkpoints_that_are_malformed_are_found)
{
    write_top("recovery-point-offset-checkpoint", "0\n2\ntopic 0 1\n");
    expect_fault("recovery-point-offset-checkpoint", "");
}

Test(verify_dir, the_cleaners_checkpoint_is_read_too)
{
    write_top("cleaner-offset-checkpoint", "0\nx\n");
    expect_fault("cleaner-offset-checkpoint", "");
}

Test(verify_dir, points_behind_the_log_are_found)
{
    good_checkpoint("recovery-point-offset-checkpoint", 31);
    expect_fault("topic-0:", "recovery-point-offset-checkpoint says 31, and the log ends at 30");
    good_checkpoint("recovery-point-offset-checkpoint", 30);
    good_checkpoint("replication-offset-checkpoint", 99);
    expect_fault("topic-0:", "replication-offset-checkpoint says 99");
    good_checkpoint("replication-offset-checkpoint", 30);
    good_checkpoint("log-start-offset-checkpoint", 31);
    expect_fault("topic-0:", "log-start-offset-checkpoint says 31");
}

Test(verify_dir, a_recovery_point_below_the_end_is_a_fault_after_a_clean_stop_only)
{
    good_checkpoint("recovery-point-offset-checkpoint", 29);
    expect_fault("topic-0:", "says 29, and the log ends at 30, though it was stopped cleanly");
    remove_marker();
    expect_sound();
}

Test(verify_dir, a_marker_that_cannot_be_read_is_a_note)
{
    write_top(".kafka_cleanshutdown", "{");
    expect_note(world.dir, "names no broker epoch");
}

Test(verify_dir, meta_properties_that_are_malformed_are_found)
{
    write_top("meta.properties", "version=1\n");
    expect_fault("meta.properties", "cluster.id");
}

Test(verify_dir, two_ids_of_one_topic_are_found)
{
    char path[512];
    make_top_dir("topic-1");
    (void)snprintf(path, sizeof(path), "%s/topic-1", world.dir);
    cr_assert_eq(
        weir_partition_metadata_write(&world.env, path, weir_random_uuid(&world.env), NULL),
        WEIR_OK);
    expect_fault("topic-1/partition.metadata", "another topic id than partition 0");
}

Test(verify_dir, a_directory_that_is_not_there_fails)
{
    verify_dir("/nonexistent/weir");
    cr_expect_eq(result, WEIR_INSPECT_FAILED);
    cr_expect(has_line("FAILED ", "/nonexistent/weir", ""), "%s", good_text());
}

Test(verify_dir, a_metadata_snapshot_is_checked)
{
    char path[512];
    struct weir_quorum_options options = {.env = &world.env,
                                          .cluster_id = "c",
                                          .metadata_dir = world.dir,
                                          .node_id = 1,
                                          .endpoint = {"CONTROLLER", "localhost", 9093}};
    make_top_dir("__cluster_metadata-0");
    cr_assert_eq(weir_quorum_write_first_voters(&options, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    expect_sound();
    (void)snprintf(path, sizeof(path), "%s/__cluster_metadata-0/%s", world.dir,
                   "00000000000000000000-0000000000.checkpoint");
    struct weir_buf bytes = {0};
    cr_assert_eq(weir_file_read_all(&world.env, path, 1 << 20, &bytes, NULL), WEIR_OK);
    bytes.data[bytes.size - 1] ^= 1;
    write_path(path, bytes.data, bytes.size);
    expect_fault("-0000000000.checkpoint", "");
    bytes.data[bytes.size - 1] ^= 1;
    size_t first = 0;
    cr_assert_eq(weir_batch_peek_size(weir_buf_slice(&bytes), &first, NULL), WEIR_OK);
    if (first < bytes.size) {
        write_path(path, bytes.data, first);
        expect_fault("-0000000000.checkpoint", "does not end with a SnapshotFooter");
    }
    weir_buf_done(&bytes);
}

Test(verify_dir, a_quorum_state_that_is_malformed_is_found)
{
    make_top_dir("__cluster_metadata-0");
    write_top("__cluster_metadata-0/quorum-state", "{");
    expect_fault("quorum-state", "");
}

/* A process of its own holds the lock, for one's own locks are not seen. */
static pid_t hold_lock(const char *path)
{
    int ready[2];
    char byte;
    cr_assert_eq(pipe(ready), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        bool is_locked = fd >= 0 && fcntl(fd, F_SETLK, &whole) == 0;
        (void)close(ready[0]);
        (void)!write(ready[1], is_locked ? "y" : "n", 1);
        for (;;)
            (void)pause();
    }
    (void)close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(byte, 'y');
    (void)close(ready[0]);
    return child;
}

Test(verify_dir, a_torn_end_is_no_fault_while_a_broker_holds_the_lock)
{
    char path[512];
    static const uint8_t zeros[800];
    (void)snprintf(path, sizeof(path), "%s/.lock", world.dir);
    good_checkpoint("recovery-point-offset-checkpoint", 20);
    good_checkpoint("replication-offset-checkpoint", 20);
    remove_marker();
    pid_t child = hold_lock(path);
    cut(last_file(".log"), 5);
    add(last_file(".index"), zeros, sizeof(zeros));
    expect_note(world.dir, "in use by process");
    flip(FIRST ".log", 70, 1);
    expect_fault(FIRST ".log", "");
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

struct seen {
    uint64_t count;
    uint64_t sum; /* of names, sizes and times */
};

static enum weir_status see(void *context, const char *name)
{
    struct seen *seen = context;
    struct stat info;
    char path[512];
    path_of(name, path);
    cr_assert_eq(stat(path, &info), 0);
    seen->count++;
    seen->sum += weir_slice_hash(weir_slice_str(name)) * 31 + (uint64_t)info.st_size * 17 +
                 (uint64_t)info.st_mtim.tv_nsec + (uint64_t)info.st_mtim.tv_sec * 3;
    return WEIR_OK;
}

Test(verify_dir, looking_changes_nothing)
{
    struct seen before = {0};
    struct seen after = {0};
    cr_assert_eq(weir_dir_list(&world.env, world.log_dir, see, &before, NULL), WEIR_OK);
    expect_sound();
    verify_dir(world.log_dir);
    cr_assert_eq(weir_dir_list(&world.env, world.log_dir, see, &after, NULL), WEIR_OK);
    cr_expect_eq(before.count, after.count);
    cr_expect_eq(before.sum, after.sum);
}

/* Missing memory is said as a failure, or was not needed; never a fault of the directory. */
Test(verify_dir, any_allocation_may_fail)
{
    struct weir_dump_options dump = {
        .env = &world.env, .file_count = 1, .with_records = true, .write = good_write};
    char path[512];
    const char *file = path;
    path_of(FIRST ".log", path);
    dump.files = &file;
    weir_buf_extend(&text, 1 << 20); /* so that good_write needs none */
    bool is_done = false;
    for (long n = 0; !is_done; n++) {
        cr_assert_lt(n, 100000L);
        weir_buf_clear(&text);
        weir_memory_fail_after(n);
        struct weir_verify_options options = {
            .env = &world.env, .dir = world.dir, .write = good_write};
        enum weir_inspect_result verified = weir_verify(&options);
        weir_memory_fail_after(n);
        enum weir_inspect_result dumped = weir_dump(&dump);
        weir_memory_fail_after(-1);
        cr_expect_neq(verified, WEIR_INSPECT_DAMAGED, "allocation %ld: %s", n, good_text());
        is_done = verified == WEIR_INSPECT_SOUND && dumped == WEIR_INSPECT_SOUND &&
                  strstr(good_text(), ": 0 faults\n") != NULL;
    }
}
