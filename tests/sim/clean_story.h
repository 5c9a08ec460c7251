/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A compacted log in the false world, with the truth kept beside it: every record in the order of
 * its offset, with its key, its transaction and how that ended.  After anything that happens the
 * log must hold the last committed record of each key below its end, and nothing that was not
 * written.
 */

#include "false_env.h"

#include "weir/storage/cleaner.h"
#include "weir/storage/log_manager.h"

enum clean_what { CLEAN_DATA, CLEAN_COMMIT, CLEAN_ABORT };

struct clean_record {
    enum clean_what what;
    int key; /* of CLEAN_DATA; -1: none */
    bool is_tombstone;
    int producer; /* -1: none */
    bool is_txn;
    int64_t timestamp;
    uint32_t value;
};

enum { CLEAN_KEYS = 7, CLEAN_PRODUCERS = 2 };

struct clean_story {
    uint64_t seed;
    struct false_env *world;
    struct weir_env *env;
    struct weir_log_config config;
    struct weir_log_manager *manager;
    struct weir_partition_log *log;
    struct weir_cleaner *cleaner;
    struct clean_record *told; /* by offset */
    size_t count;
    size_t capacity;
    size_t acknowledged;           /* survive a dead process */
    size_t flushed;                /* survive power loss */
    bool is_open[CLEAN_PRODUCERS]; /* its transaction */
    struct weir_detail detail;
    uint64_t cleanings;
};

uint64_t clean_story_random(struct clean_story *story, uint64_t below);
void clean_story_init(struct clean_story *story, uint64_t seed);
void clean_story_done(struct clean_story *story);
enum weir_status clean_story_open(struct clean_story *story);
/* Steps.  OK and NO_SPACE leave the log as told. */
enum weir_status clean_story_append(struct clean_story *story);
enum weir_status clean_story_end_txn(struct clean_story *story, int producer, bool is_commit);
enum weir_status clean_story_roll(struct clean_story *story);
enum weir_status clean_story_flush(struct clean_story *story);
/* Whether something was cleaned. */
bool clean_story_clean(struct clean_story *story);
/* Any step by chance. */
enum weir_status clean_story_step(struct clean_story *story);
enum weir_status clean_story_close(struct clean_story *story);
void clean_story_crash(struct clean_story *story, enum false_loss loss);
/* After opening: what is there becomes the truth. */
void clean_story_verify_opened(struct clean_story *story, enum false_loss loss);
/* The content against the truth, any time. */
void clean_story_verify(struct clean_story *story);
