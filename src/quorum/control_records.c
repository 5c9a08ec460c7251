/* SPDX-License-Identifier: Apache-2.0 */

#include "control_records.h"

#include "weir/protocol/records/kraft_version_record.h"
#include "weir/protocol/records/leader_change_message.h"
#include "weir/protocol/records/snapshot_footer_record.h"
#include "weir/protocol/records/snapshot_header_record.h"
#include "weir/protocol/records/voters_record.h"
#include "weir/record/batch_builder.h"

/* The range of kraft.version this program can live with. */
#define KRAFT_VERSION_MAX 1

struct writing {
    struct weir_batch_builder *builder;
    const struct weir_control_batch *batch;
    int32_t count;
    enum weir_status status;
};

typedef void write_value(struct weir_writer *writer, const struct weir_control_batch *batch);

static void write_leader_change(struct weir_writer *writer, const struct weir_control_batch *batch)
{
    struct weir_leader_change_message_voter voter;
    weir_leader_change_message_voter_init(&voter);
    voter.voter_id = batch->options->node_id;
    struct weir_leader_change_message message;
    weir_leader_change_message_init(&message);
    message.leader_id = batch->options->node_id;
    message.voters.items = &voter;
    message.voters.count = 1;
    message.granting_voters.items = &voter;
    message.granting_voters.count = 1;
    /* Version 1 has the voters' directories, but Apache Kafka 4.3.0 reads every LeaderChange as
     * version 0, also in a dynamic quorum, and does not start on another. */
    weir_leader_change_message_write(writer, 0, &message);
}

static void write_snapshot_header(struct weir_writer *writer,
                                  const struct weir_control_batch *batch)
{
    struct weir_snapshot_header_record record;
    weir_snapshot_header_record_init(&record);
    record.last_contained_log_timestamp = batch->last_contained_ms;
    weir_snapshot_header_record_write(writer, 0, &record);
}

static void write_kraft_version(struct weir_writer *writer, const struct weir_control_batch *batch)
{
    (void)batch;
    struct weir_kraft_version_record record;
    weir_kraft_version_record_init(&record);
    record.kraft_version = KRAFT_VERSION_MAX;
    weir_kraft_version_record_write(writer, 0, &record);
}

static void write_voters(struct weir_writer *writer, const struct weir_control_batch *batch)
{
    const struct weir_quorum_options *options = batch->options;
    struct weir_voters_record_endpoint endpoint;
    weir_voters_record_endpoint_init(&endpoint);
    endpoint.name = weir_slice_str(options->endpoint.name);
    endpoint.host = weir_slice_str(options->endpoint.host);
    endpoint.port = options->endpoint.port;
    struct weir_voters_record_voter voter;
    weir_voters_record_voter_init(&voter);
    voter.voter_id = options->node_id;
    voter.voter_directory_id = options->directory_id;
    voter.endpoints.items = &endpoint;
    voter.endpoints.count = 1;
    voter.kraft_version_feature.min_supported_version = 0;
    voter.kraft_version_feature.max_supported_version = KRAFT_VERSION_MAX;
    struct weir_voters_record record;
    weir_voters_record_init(&record);
    record.voters.items = &voter;
    record.voters.count = 1;
    weir_voters_record_write(writer, 0, &record);
}

static void write_snapshot_footer(struct weir_writer *writer,
                                  const struct weir_control_batch *batch)
{
    (void)batch;
    struct weir_snapshot_footer_record record;
    weir_snapshot_footer_record_init(&record);
    weir_snapshot_footer_record_write(writer, 0, &record);
}

static void add(struct writing *writing, bool is_wanted, enum weir_control_type type,
                write_value *write)
{
    if (!is_wanted || writing->status != WEIR_OK)
        return;
    struct weir_buf value;
    weir_buf_init(&value, 0);
    struct weir_writer writer;
    weir_writer_init(&writer, &value);
    write(&writer, writing->batch);
    writing->status = weir_writer_status(&writer);
    weir_writer_done(&writer);
    if (writing->status == WEIR_OK) {
        uint8_t key[WEIR_CONTROL_KEY_BYTES];
        weir_control_key_write(key, type);
        struct weir_record_data data = {.timestamp = writing->batch->timestamp_ms,
                                        .key = weir_slice_of(key, sizeof(key)),
                                        .value = weir_buf_slice(&value)};
        weir_batch_builder_add(writing->builder, &data);
        writing->count++;
    }
    weir_buf_done(&value);
}

enum weir_status weir_control_batch_write(const struct weir_control_batch *batch,
                                          struct weir_buf *out, int32_t *out_count)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.base_offset = batch->base_offset;
    options.partition_leader_epoch = batch->epoch;
    options.is_control = true;
    struct writing writing = {.batch = batch};
    enum weir_status status = weir_batch_builder_new(&options, out, &writing.builder);
    if (status != WEIR_OK)
        return status;
    add(&writing, batch->leader_change, WEIR_CONTROL_LEADER_CHANGE, write_leader_change);
    add(&writing, batch->snapshot_header, WEIR_CONTROL_SNAPSHOT_HEADER, write_snapshot_header);
    add(&writing, batch->kraft_version, WEIR_CONTROL_KRAFT_VERSION, write_kraft_version);
    add(&writing, batch->voters, WEIR_CONTROL_KRAFT_VOTERS, write_voters);
    add(&writing, batch->snapshot_footer, WEIR_CONTROL_SNAPSHOT_FOOTER, write_snapshot_footer);
    status =
        writing.status == WEIR_OK ? weir_batch_builder_finish(writing.builder) : writing.status;
    weir_batch_builder_free(writing.builder);
    *out_count = writing.count;
    return status;
}

static enum weir_status read_voters(struct weir_reader *reader, struct weir_control_state *state)
{
    struct weir_voters_record record;
    weir_voters_record_init(&record);
    weir_voters_record_read(reader, 0, &record);
    if (weir_reader_status(reader) != WEIR_OK)
        return weir_reader_status(reader);
    state->has_voters = true;
    state->voter_count = (size_t)record.voters.count;
    if (record.voters.count > 0) {
        state->voter_id = record.voters.items[0].voter_id;
        state->voter_directory_id = record.voters.items[0].voter_directory_id;
    }
    return WEIR_OK;
}

static enum weir_status read_value(enum weir_control_type type, struct weir_reader *reader,
                                   struct weir_control_state *state, struct weir_detail *detail)
{
    struct weir_snapshot_header_record header;
    struct weir_kraft_version_record kraft;
    switch (type) {
    case WEIR_CONTROL_LEADER_CHANGE:
        return WEIR_OK; /* who led in the past decides nothing here */
    case WEIR_CONTROL_SNAPSHOT_HEADER:
        weir_snapshot_header_record_init(&header);
        weir_snapshot_header_record_read(reader, 0, &header);
        state->seen_header = true;
        state->header_last_contained_ms = header.last_contained_log_timestamp;
        return weir_reader_status(reader);
    case WEIR_CONTROL_SNAPSHOT_FOOTER:
        state->seen_footer = true;
        return WEIR_OK;
    case WEIR_CONTROL_KRAFT_VERSION:
        weir_kraft_version_record_init(&kraft);
        weir_kraft_version_record_read(reader, 0, &kraft);
        if (weir_reader_status(reader) != WEIR_OK)
            return weir_reader_status(reader);
        if (kraft.kraft_version < 0 || kraft.kraft_version > KRAFT_VERSION_MAX) {
            weir_detail_set(detail, "kraft.version is %d, this version of weir knows 0 to %d",
                            kraft.kraft_version, KRAFT_VERSION_MAX);
            return WEIR_UNSUPPORTED;
        }
        state->kraft_version = kraft.kraft_version;
        return WEIR_OK;
    case WEIR_CONTROL_KRAFT_VOTERS:
        return read_voters(reader, state);
    case WEIR_CONTROL_ABORT:
    case WEIR_CONTROL_COMMIT:
        weir_detail_set(detail, "a transaction marker in the metadata log");
        return WEIR_CORRUPT;
    }
    return WEIR_OK;
}

enum weir_status weir_control_record_read(const struct weir_record *record,
                                          struct weir_control_state *state,
                                          struct weir_detail *detail)
{
    enum weir_control_type type;
    enum weir_status status = weir_control_key_parse(record->key, &type);
    if (status != WEIR_OK) {
        weir_detail_set(detail, "unknown control record at offset %lld", (long long)record->offset);
        return WEIR_UNSUPPORTED;
    }
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_reader reader;
    weir_reader_init(&reader, record->value, &arena);
    status = read_value(type, &reader, state, detail);
    weir_arena_done(&arena);
    if (status == WEIR_TRUNCATED || status == WEIR_INVALID) {
        weir_detail_set(detail, "control record at offset %lld cannot be decoded",
                        (long long)record->offset);
        status = WEIR_CORRUPT;
    }
    return status;
}
