/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records of __transaction_state, as Apache Kafka 4.3.0 writes them: value version 1 when the feature
 * transaction.version is at least 1, else 0.
 *
 *   key    0, transactional id
 *   value  version, producer id, epoch, timeout, status, partitions (null exactly for Empty), time of
 *          the last update, time of the start; version 1 has tags for the previous (0) and the next
 *          (1) producer id and the client's transaction version (2)
 *
 * They come from disk, too, and Apache Kafka serves what it could read of a partition that holds a
 * malformed one.  Here such a record fails the load: half a state would commit half a transaction.
 */

#include "txn_int.h"

#include "weir/protocol/record_types.h"
#include "weir/protocol/records/transaction_log_key.h"
#include "weir/protocol/records/transaction_log_value.h"

#define VALUE_VERSION_MAX 1

/* One element for each topic; the set is sorted. */
static enum weir_status fill_partitions(const struct partition_set *set, struct weir_arena *arena,
                                        struct weir_transaction_log_value *value)
{
    size_t count = partition_set_count(set);
    struct weir_transaction_log_value_partitions_schema *topics =
        weir_arena_calloc(arena, count + 1, sizeof(*topics));
    int32_t *partitions = weir_arena_calloc(arena, count + 1, sizeof(*partitions));
    if (topics == NULL || partitions == NULL)
        return WEIR_NO_MEMORY;
    int32_t topic_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct partition_id *item = &set->items[i];
        if (i == 0 || !weir_slice_equal(item->topic, set->items[i - 1].topic)) {
            weir_transaction_log_value_partitions_schema_init(&topics[topic_count]);
            topics[topic_count].topic = item->topic;
            topics[topic_count].partition_ids.items = partitions + i;
            topic_count++;
        }
        partitions[i] = item->partition;
        topics[topic_count - 1].partition_ids.count++;
    }
    value->transaction_partitions.items = topics;
    value->transaction_partitions.count = topic_count;
    return WEIR_OK;
}

static enum weir_status fill_value(const struct txn_meta *meta, int16_t version,
                                   struct weir_arena *arena, struct weir_transaction_log_value *out)
{
    weir_transaction_log_value_init(out);
    out->producer_id = meta->producer_id;
    out->producer_epoch = meta->epoch;
    out->transaction_timeout_ms = meta->timeout_ms;
    out->transaction_status = (int8_t)meta->state;
    out->transaction_last_update_timestamp_ms = meta->update_ms;
    out->transaction_start_timestamp_ms = meta->start_ms;
    out->transaction_partitions.count = -1; /* null */
    if (version >= 1) {
        out->previous_producer_id = meta->previous_producer_id;
        out->next_producer_id = meta->next_producer_id;
        out->client_transaction_version = meta->client_version;
    }
    return meta->state == TXN_EMPTY ? WEIR_OK : fill_partitions(meta->partitions, arena, out);
}

void txn_record_write(struct weir_step *step, struct weir_slice transactional_id,
                      const struct txn_meta *meta, int16_t transaction_version)
{
    struct weir_transaction_log_key key = {.transactional_id = transactional_id};
    struct weir_transaction_log_value value;
    int16_t version = transaction_version >= 1 ? 1 : 0;
    if (meta != NULL && fill_value(meta, version, &step->arena, &value) != WEIR_OK) {
        step->status = WEIR_NO_MEMORY;
        return;
    }
    /* The machine changes itself when the record is committed. */
    step->must_replay = false;
    weir_step_typed_record(step, WEIR_RECORD_SET_TXN, WEIR_TXN_RECORD_TRANSACTION_LOG, &key,
                           version, meta == NULL ? NULL : &value);
    step->must_replay = true;
}

/* ---- Reading ---- */

static enum weir_status read_partitions(const struct weir_transaction_log_value *value,
                                        struct weir_arena *arena, struct partition_set **out)
{
    size_t count = 0;
    for (int32_t i = 0; i < value->transaction_partitions.count; i++)
        count += (size_t)value->transaction_partitions.items[i].partition_ids.count;
    struct partition_id *items = weir_arena_calloc(arena, count + 1, sizeof(*items));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    count = 0;
    for (int32_t i = 0; i < value->transaction_partitions.count; i++) {
        const struct weir_transaction_log_value_partitions_schema *topic =
            &value->transaction_partitions.items[i];
        for (int32_t j = 0; j < topic->partition_ids.count; j++)
            items[count++] = (struct partition_id){.topic = topic->topic,
                                                   .partition = topic->partition_ids.items[j]};
    }
    return partition_set_new(items, count, out);
}

static enum weir_status read_value(struct weir_reader *reader, int16_t version,
                                   struct txn_meta *out, struct weir_arena *arena)
{
    struct weir_transaction_log_value value;
    weir_transaction_log_value_read(reader, version, &value);
    if (weir_reader_status(reader) != WEIR_OK)
        return weir_reader_status(reader);
    bool has_partitions = value.transaction_partitions.count >= 0;
    if (value.transaction_status < TXN_EMPTY || value.transaction_status > TXN_COMPLETE_ABORT ||
        (value.transaction_status != TXN_EMPTY && !has_partitions) || value.producer_id < 0 ||
        value.producer_epoch < 0)
        return WEIR_INVALID;
    *out = (struct txn_meta){.producer_id = value.producer_id,
                             .previous_producer_id = value.previous_producer_id,
                             .next_producer_id = value.next_producer_id,
                             .epoch = value.producer_epoch,
                             .last_epoch = NO_PRODUCER_EPOCH,
                             .client_version = value.client_transaction_version,
                             .timeout_ms = value.transaction_timeout_ms,
                             .state = (enum txn_state)value.transaction_status,
                             .update_ms = value.transaction_last_update_timestamp_ms,
                             .start_ms = value.transaction_start_timestamp_ms};
    if (out->state == TXN_EMPTY)
        return WEIR_OK;
    return read_partitions(&value, arena, &out->partitions);
}

enum weir_status txn_record_read(const struct weir_replayed *record, enum txn_record_kind *out_kind,
                                 struct weir_slice *out_id, struct txn_meta *out_meta,
                                 struct weir_arena *arena)
{
    if (weir_slice_is_null(record->key))
        return WEIR_INVALID;
    struct weir_reader reader;
    weir_reader_init(&reader, record->key, arena);
    *out_kind = TXN_RECORD_UNKNOWN;
    int16_t type = weir_coordinator_prefix_read(&reader);
    if (weir_reader_status(&reader) != WEIR_OK)
        return weir_reader_status(&reader);
    if (type != WEIR_TXN_RECORD_TRANSACTION_LOG)
        return WEIR_OK;
    struct weir_transaction_log_key key;
    weir_transaction_log_key_read(&reader, 0, &key);
    if (weir_reader_status(&reader) != WEIR_OK)
        return weir_reader_status(&reader);
    *out_id = key.transactional_id;
    if (weir_slice_is_null(record->value)) {
        *out_kind = TXN_RECORD_TOMBSTONE;
        return WEIR_OK;
    }
    weir_reader_init(&reader, record->value, arena);
    int16_t version = weir_coordinator_prefix_read(&reader);
    if (weir_reader_status(&reader) != WEIR_OK)
        return weir_reader_status(&reader);
    if (version > VALUE_VERSION_MAX)
        return WEIR_OK;
    *out_kind = TXN_RECORD_STATE;
    return read_value(&reader, version, out_meta, arena);
}
