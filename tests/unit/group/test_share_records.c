/* SPDX-License-Identifier: Apache-2.0 */

/* Records that Apache Kafka 4.3.0 wrote for a share group: read, and written again byte for byte.
 */

#include "share/share_int.h"

#include <criterion/criterion.h>

/* Key without its type and group ("g1"), which all begin with; value. */
struct written {
    int type;
    const char *member;
    const char *value;
};

#define B "AAAAAAAAAAAAAAAAAAAABA"
#define C "AAAAAAAAAAAAAAAAAAAACA"

static const struct written all[] = {
    {10, B,
     "00000372310964696666746573740b2f3132372e302e302e3104076e6f737563680870617263656c73047a7a7a"
     "00"},
    {11, NULL, "000000000002ae661d52445197f900"},
    {13, B, "00000100"},
    {12, NULL, "000000000002010008000001a1febee1ec"},
    {14, B, "00000000000200000000000100"},
    {15, NULL,
     "000002f2edd573f75c4951a3af58ca83a51ec20870617263656c730400000000000000010000000200010100"},
    {15, NULL,
     "00000102f2edd573f75c4951a3af58ca83a51ec20870617263656c7304000000000000000100000002000100"},
    {11, NULL, "000000000003ae661d52445197f900"},
    {13, B,
     "00000383ecb58ebfe74863a157982d9ed70b33020000000000f2edd573f75c4951a3af58ca83a51ec204000000"
     "0000000001000000020000"},
    {12, NULL, "000000000003010008000001a1febeefa8"},
    {14, B,
     "00000000000300000002000383ecb58ebfe74863a157982d9ed70b33020000000000f2edd573f75c4951a3af58"
     "ca83a51ec2040000000000000001000000020000"},
    {10, B, "00000372310964696666746573740b2f3132372e302e302e310100"},
    {10, C, "0000000964696666746573740b2f3132372e302e302e3103066f746865720870617263656c7300"},
    {15, NULL, "000001010283ecb58ebfe74863a157982d9ed70b33047a7a7a0000"},
    {15, NULL, "000001010100"},
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
    memcpy(bytes, (uint8_t[]){0, (uint8_t)record->type, 0, 2, 'g', '1'}, 6);
    if (member_size == 0)
        return weir_slice_of(bytes, 6);
    bytes[7] = (uint8_t)member_size;
    memcpy(bytes + 8, record->member, member_size);
    return weir_slice_of(bytes, 8 + member_size);
}

static void write_again(struct group_machine *machine, const struct written *record,
                        struct weir_step *step)
{
    struct weir_slice id = WEIR_SLICE("g1");
    struct weir_slice member_id = weir_slice_str(record->member);
    const struct share_group *group = share_group_of(machine, id);
    cr_assert_not_null(group);
    const struct share_member *member =
        record->member == NULL ? NULL : share_find_member(group, member_id);
    if (record->type == 10) {
        record_share_member(step, id, member_id, &member->metadata);
    } else if (record->type == 11) {
        record_share_group(step, id, group->epoch, group->metadata_hash);
    } else if (record->type == 12) {
        record_share_target_epoch(step, id, group->assignment_epoch, group->assignment_ms);
    } else if (record->type == 13) {
        struct partition_set target = share_target_of(group, member_id);
        record_share_target(step, id, member_id, &target);
    } else if (record->type == 14) {
        record_share_current(step, id, member_id, member->epoch, member->previous_epoch,
                             &member->assigned);
    } else {
        record_share_state(step, id, &group->state);
    }
}

Test(share_records, what_apache_kafka_wrote_is_read_and_written_again_byte_for_byte)
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
    const struct share_group *group = share_group_of(machine, WEIR_SLICE("g1"));
    cr_assert_eq(group->members.count, 2);
    cr_assert_eq(share_find_member(group, WEIR_SLICE(B))->assigned.count, 4);
    weir_arena_done(&arena);
    group_machine_ops.destroy(machine);
}

/* A record without its value leaves nothing; one of nothing is passed over. */
Test(share_records, tombstones_take_everything_away)
{
    static const int types[] = {14, 13, 10, 12, 15, 11};
    static struct group_context context;
    void *machine;
    cr_assert_eq(group_machine_ops.create(&context, 0, &machine), WEIR_OK);
    struct weir_arena arena;
    struct weir_detail detail = {0};
    weir_arena_init(&arena, 0);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < WEIR_ARRAY_COUNT(all) && round == 0; i++) {
            struct weir_replayed record = {.producer_id = -1,
                                           .key = key_of(&arena, &all[i]),
                                           .value = bytes_of(&arena, all[i].value)};
            cr_assert_eq(machine_replay(machine, &record, &detail), WEIR_OK);
        }
        for (size_t i = 0; i < WEIR_ARRAY_COUNT(types); i++) {
            struct written gone = {.type = types[i]};
            for (int member = 0; member < 2; member++) {
                if (types[i] == 10 || types[i] == 13 || types[i] == 14)
                    gone.member = member == 0 ? B : C;
                struct weir_replayed record = {
                    .producer_id = -1, .key = key_of(&arena, &gone), .value = WEIR_NULL_SLICE};
                cr_assert_eq(machine_replay(machine, &record, &detail), WEIR_OK);
            }
        }
        cr_assert_null(machine_group(machine, WEIR_SLICE("g1")));
    }
    weir_arena_done(&arena);
    group_machine_ops.destroy(machine);
}
