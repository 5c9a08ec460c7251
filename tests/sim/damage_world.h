/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A log manager with one partition on the false disk, filled with every kind of data, and the truth
 * about it; then one of its files is damaged.  For damage.c.
 */

#include "sim/false_env.h"
#include "weir/storage/log_manager.h"

#define DAMAGE_BASE_OFFSET_BYTES 8

struct truth_batch {
    int64_t base_offset;
    int64_t last_offset;
    int32_t epoch;
    size_t file_pos; /* in the bytes of all segments together */
    size_t size;
    int64_t producer_id; /* -1: none */
    int32_t last_sequence;
    bool is_transactional;
    bool is_control;
};

struct truth_txn { /* aborted */
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; /* the marker's */
};

struct truth_record {
    int64_t offset;
    int64_t timestamp;
};

struct damage_world {
    struct false_env *world;
    struct weir_env *env;
    uint64_t seed;
    struct weir_log_config config;
    struct weir_log_manager *manager;
    struct weir_partition_log *log; /* NULL: it is not served */
    struct weir_log sink;
    size_t lines; /* warnings and errors since the last open */
    bool is_printing;
    bool has_gaps;
    int32_t epoch;
    int64_t now_ms;
    struct {
        int32_t next_sequence;
        int64_t txn_first_offset; /* -1: none */
    } producers[4];
    int64_t start_offset;
    int64_t end_offset;
    struct weir_buf bytes;
    struct truth_batch *batches;
    size_t batch_count;
    size_t batch_capacity;
    struct truth_txn *txns;
    size_t txn_count;
    size_t txn_capacity;
    struct truth_record *records;
    size_t record_count;
    size_t record_capacity;
};

enum damage_kind { DAMAGE_FLIP, DAMAGE_ZERO, DAMAGE_GARBLE, DAMAGE_CUT, DAMAGE_EXTEND };

struct damage {
    char path[300];
    bool is_log;
    enum damage_kind kind;
    uint64_t file_pos;
    size_t size; /* of what is damaged or added */
    uint8_t bits;
    char words[400];
};

void damage_world_init(struct damage_world *world, uint64_t seed);
void damage_world_done(struct damage_world *world);
uint64_t damage_world_random(struct damage_world *world, uint64_t below);
void damage_world_fill(struct damage_world *world);
/* Clean, or as a killed process leaves it. */
void damage_world_stop(struct damage_world *world, bool is_clean);
/* log is NULL afterwards when the partition is not served. */
void damage_world_open(struct damage_world *world);
/* The log goes on, or says why not. */
void damage_world_append(struct damage_world *world);

void damage_world_choose(struct damage_world *world, struct damage *out);
void damage_world_apply(struct damage_world *world, const struct damage *damage);
/* Whether bytes of the field at field_pos in any batch's header are damaged. */
bool damage_touches_field(const struct damage_world *world, const struct damage *damage,
                          size_t field_pos, size_t field_size);

/* The batch that holds the offset, or the next one; NULL at the end. */
const struct truth_batch *damage_world_batch(const struct damage_world *world, int64_t offset);
/* The aborted transaction that a data batch belongs to, or NULL. */
const struct truth_txn *damage_world_aborted(const struct damage_world *world,
                                             const struct truth_batch *batch);
/* Where the producer's transaction began that is open at the offset, or -1. */
int64_t damage_world_open_txn(const struct damage_world *world, int64_t producer_id, int64_t end);
/* Sets the clock to soon after the last record; no segment's last time is longer ago than this. */
int64_t damage_world_age_ms(struct damage_world *world);
/* Whether the segment that the batch was in ends before it now. */
bool damage_world_is_segment_gone(const struct damage_world *world,
                                  const struct truth_batch *batch);
size_t damage_world_producers(const struct damage_world *world);
