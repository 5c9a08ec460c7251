/* SPDX-License-Identifier: Apache-2.0 */

/* The bytes of __transaction_state beside what Apache Kafka 4.3.0 writes for the same state, and what
 * becomes of bytes that nobody should have written. */

#include "txn_int.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define START_MS  0x1a1fbfb0c40
#define UPDATE_MS 0x1a1fbfb0c41

/* Written by TransactionLog of Apache Kafka 4.3.0. */
static const char *const key_hex = "0000000474696431";
struct golden {
    const char *name;
    const char *hex;
    int16_t transaction_version;
    struct txn_meta meta;
    const char *topic; /* "ty", or NULL */
    int32_t partitions[2];
    size_t partition_count;
};
static const struct golden goldens[] = {
    {"Empty", "0001000000000000000100000000ea600000000001a1fbf8f545ffffffffffffffff0100080000000000000001",
     2,
     {.producer_id = 1, .previous_producer_id = 1, .next_producer_id = -1, .timeout_ms = 60000,
      .state = TXN_EMPTY, .update_ms = 0x1a1fbf8f545, .start_ms = -1}, NULL, {0}, 0},
    {"Ongoing",
     "0001000000000000000300010000ea600102037479020000000000000001a1fbfb0c40000001a1fbfb0c400200080000"
     "00000000000302020002",
     2,
     {.producer_id = 3, .previous_producer_id = 3, .next_producer_id = -1, .epoch = 1,
      .timeout_ms = 60000, .state = TXN_ONGOING, .update_ms = START_MS, .start_ms = START_MS,
      .client_version = 2}, "ty", {0}, 1},
    {"Ongoing with two partitions",
     "0001000000000000000300010000ea60010203747903000000020000000000000001a1fbfb0c40000001a1fbfb0c4002"
     "0008000000000000000302020002",
     2,
     {.producer_id = 3, .previous_producer_id = 3, .next_producer_id = -1, .epoch = 1,
      .timeout_ms = 60000, .state = TXN_ONGOING, .update_ms = START_MS, .start_ms = START_MS,
      .client_version = 2}, "ty", {2, 0}, 2},
    {"PrepareCommit at the last epoch",
     "000100000000000000037fff0000ea600202037479020000000000000001a1fbfb0c41000001a1fbfb0c400300080000"
     "0000000000030108000000000000000902020002",
     2,
     {.producer_id = 3, .previous_producer_id = 3, .next_producer_id = 9, .epoch = INT16_MAX,
      .timeout_ms = 60000, .state = TXN_PREPARE_COMMIT, .update_ms = UPDATE_MS,
      .start_ms = START_MS, .client_version = 2}, "ty", {0}, 1},
    {"CompleteCommit with a new producer id",
     "0001000000000000000900000000ea600401000001a1fbfb0c41000001a1fbfb0c400200080000000000000003020200"
     "02",
     2,
     {.producer_id = 9, .previous_producer_id = 3, .next_producer_id = -1, .timeout_ms = 60000,
      .state = TXN_COMPLETE_COMMIT, .update_ms = UPDATE_MS, .start_ms = START_MS,
      .client_version = 2}, NULL, {0}, 0},
    {"PrepareAbort of a client of version 1",
     "0001000000000000000300010000ea600302037479020000000000000001a1fbfb0c41000001a1fbfb0c400200080000"
     "00000000000302020001",
     1,
     {.producer_id = 3, .previous_producer_id = 3, .next_producer_id = -1, .epoch = 1,
      .timeout_ms = 60000, .state = TXN_PREPARE_ABORT, .update_ms = UPDATE_MS,
      .start_ms = START_MS, .client_version = 1}, "ty", {0}, 1},
    {"Ongoing in version 0",
     "0000000000000000000300010000ea600100000001000274790000000100000000000001a1fbfb0c40000001a1fbfb0c"
     "40",
     0,
     {.producer_id = 3, .previous_producer_id = 3, .next_producer_id = -1, .epoch = 1,
      .timeout_ms = 60000, .state = TXN_ONGOING, .update_ms = START_MS, .start_ms = START_MS}, "ty",
     {0}, 1},
    {"Empty in version 0",
     "0000000000000000000300010000ea6000ffffffff000001a1fbfb0c40ffffffffffffffff", 0,
     {.producer_id = 3, .previous_producer_id = 3, .next_producer_id = -1, .epoch = 1,
      .timeout_ms = 60000, .state = TXN_EMPTY, .update_ms = START_MS, .start_ms = -1}, NULL, {0},
     0},
    {"CompleteAbort in version 0",
     "0000000000000000000300010000ea600500000000000001a1fbfb0c41000001a1fbfb0c40", 0,
     {.producer_id = 3, .previous_producer_id = 3, .next_producer_id = -1, .epoch = 1,
      .timeout_ms = 60000, .state = TXN_COMPLETE_ABORT, .update_ms = UPDATE_MS,
      .start_ms = START_MS}, NULL, {0}, 0},
};

static struct weir_slice from_hex(const char *hex, uint8_t *out)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return weir_slice_of(out, size);
}

static struct txn_meta meta_of(const struct golden *golden)
{
    struct txn_meta meta = golden->meta;
    struct partition_id items[2];
    for (size_t i = 0; i < golden->partition_count; i++)
        items[i] = (struct partition_id){.topic = weir_slice_str(golden->topic),
                                         .partition = golden->partitions[i]};
    cr_assert_eq(partition_set_new(items, golden->partition_count, &meta.partitions), WEIR_OK);
    return meta;
}

Test(records, bytes_are_apache_kafkas)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(goldens); i++) {
        const struct golden *golden = &goldens[i];
        if (strcmp(golden->name, "Ongoing with two partitions") == 0)
            continue; /* Java's hash table has another order */
        uint8_t key[64];
        uint8_t value[256];
        struct weir_step step;
        weir_step_init(&step, 0, 0);
        struct txn_meta meta = meta_of(golden);
        txn_record_write(&step, WEIR_SLICE("tid1"), &meta, golden->transaction_version);
        cr_assert_eq(step.status, WEIR_OK);
        cr_assert_eq(step.record_count, 1);
        cr_assert(weir_slice_equal(step.first_record->key, from_hex(key_hex, key)));
        cr_assert(weir_slice_equal(step.first_record->value, from_hex(golden->hex, value)), "%s",
                  golden->name);
        txn_meta_done(&meta);
        weir_step_done(&step);
    }
}

static enum weir_status read_hex(const char *hex, enum txn_record_kind *kind, struct txn_meta *meta,
                                 struct weir_arena *arena)
{
    uint8_t *key = weir_arena_alloc(arena, 64);
    uint8_t *value = weir_arena_alloc(arena, 512);
    struct weir_replayed record = {.key = from_hex(key_hex, key)};
    if (hex != NULL)
        record.value = from_hex(hex, value);
    struct weir_slice id;
    enum weir_status status = txn_record_read(&record, kind, &id, meta, arena);
    if (status == WEIR_OK)
        cr_assert(weir_slice_is(id, "tid1"));
    return status;
}

static void assert_same(const struct txn_meta *left, const struct txn_meta *right, const char *name)
{
    cr_assert_eq(left->producer_id, right->producer_id, "%s", name);
    cr_assert_eq(left->next_producer_id, right->next_producer_id, "%s", name);
    cr_assert_eq(left->epoch, right->epoch, "%s", name);
    cr_assert_eq(left->client_version, right->client_version, "%s", name);
    cr_assert_eq(left->timeout_ms, right->timeout_ms, "%s", name);
    cr_assert_eq(left->state, right->state, "%s", name);
    cr_assert_eq(left->update_ms, right->update_ms, "%s", name);
    cr_assert_eq(left->start_ms, right->start_ms, "%s", name);
    cr_assert_eq(partition_set_count(left->partitions), partition_set_count(right->partitions));
    for (size_t i = 0; i < partition_set_count(left->partitions); i++)
        cr_assert(partition_set_has(right->partitions, left->partitions->items[i].topic,
                                    left->partitions->items[i].partition));
}

Test(records, what_apache_kafka_wrote_is_read)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(goldens); i++) {
        const struct golden *golden = &goldens[i];
        struct weir_arena arena;
        weir_arena_init(&arena, 0);
        enum txn_record_kind kind;
        struct txn_meta read;
        cr_assert_eq(read_hex(golden->hex, &kind, &read, &arena), WEIR_OK, "%s", golden->name);
        cr_assert_eq(kind, TXN_RECORD_STATE);
        struct txn_meta meta = meta_of(golden);
        assert_same(&read, &meta, golden->name);
        cr_assert_eq(read.last_epoch, -1);
        if (golden->transaction_version >= 1)
            cr_assert_eq(read.previous_producer_id, meta.previous_producer_id);
        txn_meta_done(&read);
        txn_meta_done(&meta);
        weir_arena_done(&arena);
    }
}

Test(records, a_record_that_is_cut_off_is_refused)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(goldens); i++) {
        char hex[512];
        size_t size = strlen(goldens[i].hex);
        for (size_t cut = 0; cut < size; cut += 2) {
            memcpy(hex, goldens[i].hex, cut);
            hex[cut] = '\0';
            struct weir_arena arena;
            weir_arena_init(&arena, 0);
            enum txn_record_kind kind;
            struct txn_meta meta;
            cr_assert_neq(read_hex(hex, &kind, &meta, &arena), WEIR_OK, "%zu bytes of %s", cut / 2,
                          goldens[i].name);
            weir_arena_done(&arena);
        }
    }
}

static enum weir_status read_status(const char *hex, enum txn_record_kind *kind)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct txn_meta meta = {0};
    enum weir_status status = read_hex(hex, kind, &meta, &arena);
    if (status == WEIR_OK && *kind == TXN_RECORD_STATE)
        txn_meta_done(&meta);
    weir_arena_done(&arena);
    return status;
}

Test(records, a_tombstone_and_a_newer_value_are_told_from_a_state)
{
    enum txn_record_kind kind;
    cr_assert_eq(read_status(NULL, &kind), WEIR_OK);
    cr_assert_eq(kind, TXN_RECORD_TOMBSTONE);
    cr_assert_eq(read_status("0002ffff", &kind), WEIR_OK);
    cr_assert_eq(kind, TXN_RECORD_UNKNOWN);
}

Test(records, a_state_that_contradicts_itself_is_refused)
{
    enum txn_record_kind kind;
    /* Ongoing without partitions; a status that is never written; epoch -1 */
    cr_assert_eq(read_status("0000000000000000000300010000ea6001ffffffff000001a1fbfb0c40000001a1fbfb0c40",
                             &kind),
                 WEIR_INVALID);
    cr_assert_eq(read_status("0000000000000000000300010000ea600600000000000001a1fbfb0c40000001a1fbfb0c40",
                             &kind),
                 WEIR_INVALID);
    cr_assert_eq(read_status("00000000000000000003ffff0000ea6000ffffffff000001a1fbfb0c40ffffffffffffffff",
                             &kind),
                 WEIR_INVALID);
}

Test(records, a_key_of_an_unknown_type_is_told)
{
    uint8_t key[] = {0, 7, 0, 1, 'x'};
    struct weir_replayed record = {.key = weir_slice_of(key, sizeof(key))};
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    enum txn_record_kind kind;
    struct weir_slice id;
    struct txn_meta meta;
    cr_assert_eq(txn_record_read(&record, &kind, &id, &meta, &arena), WEIR_OK);
    cr_assert_eq(kind, TXN_RECORD_UNKNOWN);
    record.key = WEIR_NULL_SLICE;
    cr_assert_eq(txn_record_read(&record, &kind, &id, &meta, &arena), WEIR_INVALID);
    weir_arena_done(&arena);
}

Test(states, exactly_the_legal_moves_are_in_the_table)
{
    static const char *const legal[] = {
        "Empty Empty", "Empty Ongoing", "Empty PrepareAbort", "Empty Dead", "Ongoing Ongoing",
        "Ongoing PrepareCommit", "Ongoing PrepareAbort", "PrepareCommit CompleteCommit",
        "PrepareAbort CompleteAbort", "CompleteCommit Empty", "CompleteCommit Ongoing",
        "CompleteCommit PrepareAbort", "CompleteCommit Dead", "CompleteAbort Empty",
        "CompleteAbort Ongoing", "CompleteAbort PrepareAbort", "CompleteAbort Dead"};
    size_t count = 0;
    for (int from = 0; from < TXN_STATE_COUNT; from++) {
        for (int to = 0; to < TXN_STATE_COUNT; to++) {
            char move[64];
            (void)snprintf(move, sizeof(move), "%.*s %.*s",
                           WEIR_SLICE_ARGS(txn_state_name((enum txn_state)from)),
                           WEIR_SLICE_ARGS(txn_state_name((enum txn_state)to)));
            bool is_listed = false;
            for (size_t i = 0; i < WEIR_ARRAY_COUNT(legal); i++)
                is_listed = is_listed || strcmp(move, legal[i]) == 0;
            cr_assert_eq(txn_state_may_follow((enum txn_state)from, (enum txn_state)to), is_listed,
                         "%s", move);
            count += is_listed;
        }
    }
    cr_assert_eq(count, WEIR_ARRAY_COUNT(legal));
}
