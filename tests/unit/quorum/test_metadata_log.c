/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/quorum/format.h"
#include "weir/quorum/metadata_log.h"
#include "weir/storage/meta_properties.h"

#include "quorum_int.h"
#include "temp_dir.h"

struct seen {
    size_t count;
    int64_t last_offset;
    int32_t last_epoch;
    enum weir_status answer;
};

static enum weir_status see(void *context, const struct weir_quorum_record *record,
                            struct weir_detail *detail)
{
    struct seen *seen = context;
    if (seen->answer != WEIR_OK)
        weir_detail_set(detail, "refused");
    seen->count++;
    seen->last_offset = record->offset;
    seen->last_epoch = record->epoch;
    return seen->answer;
}

static struct weir_quorum_options options_of(const struct temp_dir *dir)
{
    return (struct weir_quorum_options){
        .env = weir_env_posix(),
        .metadata_dir = dir->path,
        .cluster_id = "c",
        .node_id = 1,
        .directory_id = weir_uuid_small(200),
        .endpoint = {.name = "CONTROLLER", .host = "localhost", .port = 9093},
    };
}

static struct weir_quorum *open_and_load(const struct temp_dir *dir, struct seen *seen,
                                         struct weir_quorum_snapshot_id *id)
{
    struct weir_quorum_options options = options_of(dir);
    struct weir_quorum *quorum;
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_quorum_open(&options, &quorum, &detail), WEIR_OK, "%s", detail.text);
    *seen = (struct seen){.last_offset = -1};
    cr_assert_eq(weir_quorum_load(quorum, see, seen, id, &detail), WEIR_OK, "%s", detail.text);
    return quorum;
}

static void append(struct weir_quorum *quorum, size_t count)
{
    struct weir_quorum_new_record records[16];
    cr_assert_leq(count, 16);
    for (size_t i = 0; i < count; i++)
        records[i] =
            (struct weir_quorum_new_record){.kind = 20, .version = 0, .body = WEIR_SLICE("\0")};
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_quorum_append(quorum, records, count, &detail), WEIR_OK, "%s", detail.text);
    cr_assert_eq(weir_quorum_commit(quorum, &detail), WEIR_OK, "%s", detail.text);
}

Test(metadata_log, each_start_leads_in_a_new_epoch_and_finds_all_records)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    struct seen seen;
    struct weir_quorum_snapshot_id id;
    for (int start = 0; start < 3; start++) {
        struct weir_quorum *quorum = open_and_load(&dir, &seen, &id);
        cr_assert_eq(seen.count, (size_t)start * 5);
        cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
        cr_assert_eq(weir_quorum_epoch(quorum), start + 1);
        append(quorum, 2);
        append(quorum, 3);
        cr_assert_eq(weir_quorum_high_watermark(quorum), (start + 1) * 6);
        weir_quorum_close(quorum);
    }
    temp_dir_done(&dir);
}

Test(metadata_log, torn_tail_is_cut_and_the_log_goes_on)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    struct seen seen;
    struct weir_quorum_snapshot_id id;
    struct weir_quorum *quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
    append(quorum, 2);
    append(quorum, 2);
    weir_quorum_close(quorum);
    char path[512];
    (void)temp_path(&dir, "__cluster_metadata-0/00000000000000000000.log", path);
    struct weir_env *env = weir_env_posix();
    struct weir_file *file;
    uint64_t size;
    cr_assert_eq(weir_file_open(env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, NULL), WEIR_OK);
    cr_assert_eq(weir_file_size(env, file, &size, NULL), WEIR_OK);
    cr_assert_eq(weir_file_truncate(env, file, size - 3, NULL), WEIR_OK);
    weir_file_close(env, file);
    quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(seen.count, 2); /* the second batch went as a whole (Q2) */
    cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
    append(quorum, 1);
    weir_quorum_close(quorum);
    weir_quorum_close(open_and_load(&dir, &seen, &id));
    cr_assert_eq(seen.count, 3);
    cr_assert_eq(seen.last_epoch, 2);
    temp_dir_done(&dir);
}

Test(metadata_log, what_the_reader_refuses_ends_the_load)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    struct seen seen;
    struct weir_quorum_snapshot_id id;
    struct weir_quorum *quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
    append(quorum, 1);
    weir_quorum_close(quorum);
    struct weir_quorum_options options = options_of(&dir);
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_quorum_open(&options, &quorum, &detail), WEIR_OK);
    seen = (struct seen){.answer = WEIR_UNSUPPORTED};
    cr_assert_eq(weir_quorum_load(quorum, see, &seen, &id, &detail), WEIR_UNSUPPORTED);
    cr_assert_not_null(strstr(detail.text, "record at offset 1: refused"));
    weir_quorum_close(quorum);
    temp_dir_done(&dir);
}

Test(metadata_log, too_many_records_are_refused_and_nothing_is_written)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    struct seen seen;
    struct weir_quorum_snapshot_id id;
    struct weir_quorum *quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
    static struct weir_quorum_new_record many[10001];
    for (size_t i = 0; i < 10001; i++)
        many[i] = (struct weir_quorum_new_record){.kind = 20, .body = WEIR_SLICE("\0")};
    struct weir_detail detail;
    cr_assert_eq(weir_quorum_append(quorum, many, 10001, &detail), WEIR_LIMIT);
    cr_assert_eq(weir_quorum_end_offset(quorum), 1);
    cr_assert_eq(weir_quorum_append(quorum, many, 10000, &detail), WEIR_OK);
    weir_quorum_close(quorum);
    temp_dir_done(&dir);
}

static void take_checkpoint(struct weir_quorum *quorum, size_t count)
{
    struct weir_quorum_checkpoint *checkpoint;
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_quorum_checkpoint_begin(quorum, 5, &checkpoint, &detail), WEIR_OK);
    struct weir_quorum_new_record record = {.kind = 20, .body = WEIR_SLICE("\0")};
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(weir_quorum_checkpoint_add(checkpoint, &record, &detail), WEIR_OK);
    cr_assert_eq(weir_quorum_checkpoint_finish(checkpoint, &detail), WEIR_OK, "%s", detail.text);
}

Test(metadata_log, load_begins_with_the_newest_checkpoint)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    struct seen seen;
    struct weir_quorum_snapshot_id id;
    struct weir_quorum *quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
    append(quorum, 4);
    take_checkpoint(quorum, 2500); /* several batches */
    append(quorum, 3);
    weir_quorum_close(quorum);
    quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(id.end_offset, 5);
    cr_assert_eq(id.epoch, 1);
    cr_assert_eq(seen.count, 2503);
    cr_assert_eq(seen.last_offset, 7);
    weir_quorum_close(quorum);
    temp_dir_done(&dir);
}

Test(metadata_log, damaged_checkpoint_is_refused_and_a_part_file_is_swept)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    struct seen seen;
    struct weir_quorum_snapshot_id id;
    struct weir_quorum *quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
    append(quorum, 4);
    take_checkpoint(quorum, 5);
    weir_quorum_close(quorum);
    struct weir_env *env = weir_env_posix();
    char path[512];
    char part[512];
    (void)temp_path(&dir, "__cluster_metadata-0/00000000000000000009-0000000001.checkpoint.part",
                    part);
    cr_assert_eq(weir_file_replace(env, part, WEIR_SLICE("half"), NULL), WEIR_OK);
    (void)temp_path(&dir, "__cluster_metadata-0/00000000000000000005-0000000001.checkpoint", path);
    struct weir_buf buf = {0};
    cr_assert_eq(weir_file_read_all(env, path, 1 << 20, &buf, NULL), WEIR_OK);
    struct weir_quorum_options options = options_of(&dir);
    for (size_t size = 0; size < buf.size; size += 7) {
        cr_assert_eq(weir_file_replace(env, path, weir_slice_of(buf.data, size), NULL), WEIR_OK);
        struct weir_detail detail = {{0}};
        cr_assert_eq(weir_quorum_open(&options, &quorum, &detail), WEIR_OK);
        cr_assert_eq(weir_quorum_load(quorum, see, &seen, &id, &detail), WEIR_CORRUPT);
        weir_quorum_close(quorum);
    }
    struct weir_file_info info;
    cr_assert_eq(weir_path_info(env, part, &info, NULL), WEIR_NOT_FOUND);
    weir_buf_done(&buf);
    temp_dir_done(&dir);
}

Test(metadata_log, dynamic_quorum_writes_its_voters_once_and_checks_them)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    struct weir_quorum_options options = options_of(&dir);
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_quorum_write_first_voters(&options, &detail), WEIR_OK, "%s", detail.text);
    struct seen seen;
    struct weir_quorum_snapshot_id id;
    struct weir_quorum *quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(weir_quorum_kraft_version(quorum), 1);
    cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
    cr_assert_eq(weir_quorum_end_offset(quorum), 3); /* LeaderChange, KRaftVersion, Voters */
    append(quorum, 1);
    take_checkpoint(quorum, 1);
    weir_quorum_close(quorum);
    quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(weir_quorum_kraft_version(quorum), 1);
    cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
    cr_assert_eq(weir_quorum_end_offset(quorum), 5);
    weir_quorum_close(quorum);
    options.directory_id = weir_uuid_small(201);
    cr_assert_eq(weir_quorum_open(&options, &quorum, &detail), WEIR_OK);
    cr_assert_eq(weir_quorum_load(quorum, see, &seen, &id, &detail), WEIR_INCONSISTENT_VOTER_SET);
    weir_quorum_close(quorum);
    temp_dir_done(&dir);
}

static void write_state(const struct temp_dir *dir, const char *text)
{
    char path[512];
    cr_assert_eq(
        weir_dir_make_all(weir_env_posix(), temp_path(dir, "__cluster_metadata-0", path), NULL),
        WEIR_OK);
    (void)temp_path(dir, "__cluster_metadata-0/quorum-state", path);
    cr_assert_eq(weir_file_replace(weir_env_posix(), path, weir_slice_str(text), NULL), WEIR_OK);
}

Test(metadata_log, epoch_of_quorum_state_is_never_used_again)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    write_state(&dir,
                "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":41,\"votedId\":-1,"
                "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}");
    struct seen seen;
    struct weir_quorum_snapshot_id id;
    struct weir_quorum *quorum = open_and_load(&dir, &seen, &id);
    cr_assert_eq(weir_quorum_lead(quorum, NULL), WEIR_OK);
    cr_assert_eq(weir_quorum_epoch(quorum), 42);
    weir_quorum_close(quorum);
    struct weir_quorum_state state;
    char path[512];
    cr_assert_eq(weir_quorum_state_read(
                     weir_env_posix(), temp_path(&dir, "__cluster_metadata-0", path), &state, NULL),
                 WEIR_OK);
    cr_assert_eq(state.leader_epoch, 42);
    cr_assert_eq(state.leader_id, 1);
    cr_assert_eq(state.voter_count, 1);
    temp_dir_done(&dir);
}

Test(metadata_log, voter_of_another_quorum_and_broken_state_files_are_refused)
{
    static const struct {
        const char *text;
        enum weir_status status;
    } cases[] = {
        {"{\"leaderId\":1,\"leaderEpoch\":1,\"currentVoters\":[{\"voterId\":1},{\"voterId\":2}],"
         "\"data_version\":0}",
         WEIR_INCONSISTENT_VOTER_SET},
        {"{\"leaderId\":7,\"leaderEpoch\":1,\"currentVoters\":[{\"voterId\":7}],\"data_version\":"
         "0}",
         WEIR_INCONSISTENT_VOTER_SET},
        {"{\"leaderId\":1,\"leaderEpoch\":1,\"data_version\":2}", WEIR_UNSUPPORTED},
        {"{\"leaderId\":1,\"leaderEpoch\":-1,\"data_version\":1}", WEIR_CORRUPT},
        {"{\"leaderId\":1}", WEIR_CORRUPT},
        {"{\"leaderId\":\"x\",\"leaderEpoch\":1,\"data_version\":1}", WEIR_CORRUPT},
        {"{\"leaderEpoch\":1,\"votedDirectoryId\":\"x\",\"data_version\":1}", WEIR_CORRUPT},
        {"{", WEIR_CORRUPT},
        {"", WEIR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct temp_dir dir;
        temp_dir_init(&dir);
        write_state(&dir, cases[i].text);
        struct weir_quorum_options options = options_of(&dir);
        struct weir_quorum *quorum;
        struct weir_detail detail = {{0}};
        cr_assert_eq(weir_quorum_open(&options, &quorum, &detail), cases[i].status, "%zu: %s", i,
                     detail.text);
        temp_dir_done(&dir);
    }
}

Test(metadata_log, names_of_checkpoints_are_exact)
{
    struct weir_quorum_snapshot_id id;
    cr_assert(weir_checkpoint_name_parse("00000000000000002800-0000000007.checkpoint", &id));
    cr_assert_eq(id.end_offset, 2800);
    cr_assert_eq(id.epoch, 7);
    static const char *const bad[] = {"0000000000000002800-0000000007.checkpoint",
                                      "00000000000000002800-0000000007.checkpoint.part",
                                      "0000000000000000280x-0000000007.checkpoint",
                                      "99999999999999999999-0000000007.checkpoint",
                                      "00000000000000002800-9999999999.checkpoint",
                                      "quorum-state"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_not(weir_checkpoint_name_parse(bad[i], &id));
}
