/* SPDX-License-Identifier: Apache-2.0 */

/* Records that Apache Kafka 4.3.0 wrote for a word count: read, and written again byte for byte. */

#include "streams/streams_int.h"

#include <criterion/criterion.h>

/* Key without its type and group ("wc"), which all begin with; value. */
struct written {
    int type;
    const char *member;
    const char *value;
};

#define A "CtsGwZtFQ82IyCMCcAEnlg"
#define B "PSgUZEWBQBiq7SUpwGjQUQ"

static const struct written all[] = {
    {19, A,
     "000000004077632d35646231303031382d646332642d343238652d386563312d3131646134303062303936332d53"
     "747265616d5468726561642d312d636f6e73756d65720b2f3132372e302e302e31000493e00000000025356462"
     "31303031382d646332642d343238652d386563312d313164613430306230393633010a6c6f63616c686f737423"
     "29000100"},
    {23, NULL,
     "00000000000003023002066c696e65730101021677632d636f756e74732d7265706172746974696f6e01010002"
     "310101021477632d636f756e74732d6368616e67656c6f6700000000ffff030f636c65616e75702e706f6c6963"
     "7908636f6d7061637400176d6573736167652e74696d657374616d702e747970650b43726561746554696d6500"
     "0001021677632d636f756e74732d7265706172746974696f6e00000000ffff050f636c65616e75702e706f6c69"
     "63790764656c65746500176d6573736167652e74696d657374616d702e747970650b43726561746554696d6500"
     "0d726574656e74696f6e2e6d73032d31000e7365676d656e742e62797465730935323432383830300000010000"},
    {17, NULL,
     "00000000000289e760916f32a79801011902156e756d2e7374616e6462792e7265706c69636173023000"},
    {22, A, "000000000001000000000101010101010100"},
    {21, A, "000001010100"},
    {20, NULL, "000000000002010008000001a1fe05e8df"},
    {17, NULL,
     "000000000003e87fb206a88763be02000400000000011902156e756d2e7374616e6462792e7265706c696361730"
     "23000"},
    {21, A,
     "000003023005000000000000000100000002000000030002310500000000000000010000000200000003000101"
     "00"},
    {22, A,
     "000000000003000000020103023005000000000000000100000002000000030100110500000003000000030000"
     "000300000003023105000000000000000100000002000000030100110500000003000000030000000300000003"
     "010101010100"},
    {22, B, "000000000004000000000301010101010100"},
    {22, A,
     "000000000003000000030203023003000000000000000101000903000000030000000302310300000000000000"
     "010100090300000003000000030101030230030000000200000003010009030000000300000003023103000000"
     "0200000003010009030000000300000003010100"},
    {22, A,
     "000000000004000000030103023003000000000000000101000903000000030000000302310300000000000000"
     "01010009030000000300000003010101010100"},
};

static uint8_t digit(char at)
{
    return (uint8_t)(at <= '9' ? at - '0' : at - 'a' + 10);
}

static struct weir_slice bytes_of(struct weir_arena *arena, const char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *bytes = weir_arena_alloc(arena, size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return weir_slice_of(bytes, size);
}

static struct weir_slice key_of(struct weir_arena *arena, const struct written *record)
{
    size_t member_size = record->member == NULL ? 0 : strlen(record->member);
    uint8_t *bytes = weir_arena_calloc(arena, 1, 8 + member_size);
    memcpy(bytes, (uint8_t[]){0, (uint8_t)record->type, 0, 2, 'w', 'c'}, 6);
    if (member_size == 0)
        return weir_slice_of(bytes, 6);
    bytes[7] = (uint8_t)member_size;
    memcpy(bytes + 8, record->member, member_size);
    return weir_slice_of(bytes, 8 + member_size);
}

static void write_again(struct group_machine *machine, const struct written *record,
                        struct weir_step *step)
{
    struct weir_slice id = WEIR_SLICE("wc");
    struct weir_slice member_id = weir_slice_str(record->member);
    const struct streams_group *group = streams_group_of(machine, id);
    cr_assert_not_null(group);
    const struct streams_member *member =
        record->member == NULL ? NULL : streams_find_member(group, member_id);
    const struct streams_target *target =
        record->member == NULL ? NULL : weir_map_get(&group->targets, member_id);
    if (record->type == 17)
        record_streams_group(step, id, group->epoch, group->metadata_hash,
                             group->validated_topology_epoch, group->has_standby_replicas,
                             group->standby_replicas);
    else if (record->type == 19)
        record_streams_member(step, id, member_id, &member->metadata);
    else if (record->type == 20)
        record_streams_target_epoch(step, id, group->assignment_epoch, group->assignment_ms);
    else if (record->type == 21)
        record_streams_target(step, id, member_id, &target->tasks);
    else if (record->type == 22)
        record_streams_current(step, id, member_id, &member->current);
    else
        record_streams_topology(step, id, &group->topology);
}

Test(streams_records, what_apache_kafka_wrote_is_read_and_written_again_byte_for_byte)
{
    static struct group_context context;
    void *machine;
    cr_assert_eq(group_machine_ops.create(&context, 0, &machine), WEIR_OK);
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(all); i++) {
        struct weir_replayed record = {.offset = (int64_t)i,
                                       .producer_id = -1,
                                       .key = key_of(&arena, &all[i]),
                                       .value = bytes_of(&arena, all[i].value)};
        struct weir_detail detail = {0};
        cr_assert_eq(machine_replay(machine, &record, &detail), WEIR_OK, "%zu: %s", i, detail.text);
        struct weir_step step;
        weir_step_init(&step, 0, 0);
        write_again(machine, &all[i], &step);
        cr_assert_eq(step.status, WEIR_OK);
        cr_assert(weir_slice_equal(step.last_record->key, record.key), "key %zu", i);
        cr_assert(weir_slice_equal(step.last_record->value, record.value), "value %zu", i);
        weir_step_done(&step);
    }
    const struct streams_group *group = streams_group_of(machine, WEIR_SLICE("wc"));
    cr_assert_eq(streams_find_member(group, WEIR_SLICE(A))->current.state, STREAMS_STABLE);
    cr_assert_eq(streams_find_member(group, WEIR_SLICE(B))->current.state, STREAMS_UNRELEASED);
    weir_arena_done(&arena);
    group_machine_ops.destroy(machine);
}
