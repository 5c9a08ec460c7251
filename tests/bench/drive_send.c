/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include "wire.h"

#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/base/varint.h"
#include "weir/protocol/messages/produce_request.h"
#include "weir/record/batch_builder.h"

#include <errno.h>
#include <sys/socket.h>

/* Places in a batch of magic 2; the CRC covers everything from the attributes on. */
#define CRC_AT        17
#define ATTRIBUTES_AT 21
#define SEQUENCE_AT   53

#define TRAILER_BYTES  3 /* the empty tags of partition, topic and request behind the batch */
#define GATHERED_BYTES (16u << 10)
#define TIMESTAMP_MS   1700000000000

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Words out of a small vocabulary: what a codec brings down to about a third. */
static void fill_value(uint8_t *value, size_t size, uint64_t *seed)
{
    for (size_t i = 0; i < size;) {
        uint64_t word = next_random(seed) % 500;
        for (size_t k = 0; k < 7 && i < size; k++, i++)
            value[i] = k == 6 ? ' ' : (uint8_t)('a' + (word * (k + 3) * 31 + (word >> k)) % 26);
    }
}

int32_t drive_records_per_batch(const struct drive_options *options)
{
    /* 61 bytes of header; a record has some 12 besides its value. */
    if (options->batch_bytes <= 61 + options->record_bytes + 12)
        return 1;
    return (int32_t)((options->batch_bytes - 61) / (options->record_bytes + 12));
}

static void build_batch(struct weir_buf *out, const struct drive_options *options, int32_t records,
                        int64_t producer_id)
{
    struct weir_batch_builder_options builder_options = weir_batch_builder_options_default();
    struct weir_batch_builder *builder;
    uint64_t seed = 88172645463325252u;
    uint8_t *value = weir_malloc(options->record_bytes + 1);
    builder_options.codec = options->codec;
    if (options->is_idempotent) {
        builder_options.producer_id = producer_id;
        builder_options.producer_epoch = 0;
        builder_options.base_sequence = 0;
    }
    if (value == NULL || weir_batch_builder_new(&builder_options, out, &builder) != WEIR_OK)
        bench_fail("out of memory");
    for (int32_t i = 0; i < records; i++) {
        fill_value(value, options->record_bytes, &seed);
        struct weir_record_data record = {.timestamp = TIMESTAMP_MS,
                                          .value = weir_slice_of(value, options->record_bytes)};
        weir_batch_builder_add(builder, &record);
    }
    if (weir_batch_builder_finish(builder) != WEIR_OK)
        bench_fail("cannot build a batch");
    weir_batch_builder_free(builder);
    weir_free(value);
}

void drive_request_build(struct drive_request *request, const struct drive_options *options,
                         struct weir_uuid topic, int32_t records, int64_t producer_id)
{
    struct weir_produce_request message;
    struct weir_produce_request_topic_produce_data data;
    struct weir_produce_request_partition_produce_data partition;
    struct weir_buf batch = {0};
    *request = (struct drive_request){.records = records, .is_idempotent = options->is_idempotent};
    build_batch(&batch, options, records, producer_id);
    weir_produce_request_init(&message);
    weir_produce_request_topic_produce_data_init(&data);
    weir_produce_request_partition_produce_data_init(&partition);
    partition.records.bytes = weir_buf_slice(&batch);
    data.topic_id = topic;
    data.partition_data.items = &partition;
    data.partition_data.count = 1;
    message.transactional_id = WEIR_NULL_SLICE;
    message.acks = options->acks;
    message.timeout_ms = 30000;
    message.topic_data.items = &data;
    message.topic_data.count = 1;
    bench_encode(&request->frame, WEIR_API_PRODUCE, DRIVE_PRODUCE_VERSION, &message);
    request->batch_bytes = batch.size;
    request->batch_at = request->frame.size - TRAILER_BYTES - batch.size;
    request->partition_at = request->batch_at - weir_uvarint_size((uint32_t)batch.size + 1) - 4;
    weir_buf_done(&batch);
}

void drive_request_patch(struct drive_request *request, int32_t partition, int32_t *sequence)
{
    uint8_t *batch = request->frame.data + request->batch_at;
    weir_put_i32(request->frame.data + request->partition_at, partition);
    if (!request->is_idempotent)
        return;
    weir_put_i32(batch + SEQUENCE_AT, *sequence);
    weir_put_u32(batch + CRC_AT,
                 weir_crc32c(batch + ATTRIBUTES_AT, request->batch_bytes - ATTRIBUTES_AT));
    *sequence += request->records;
}

void drive_request_done(struct drive_request *request)
{
    weir_buf_done(&request->frame);
}

/* True when all of it is gone. */
static bool send_from(int fd, const struct weir_buf *bytes, size_t *sent)
{
    while (*sent < bytes->size) {
        ssize_t size =
            send(fd, bytes->data + *sent, bytes->size - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN)
            return false;
        if (size < 0)
            bench_fail("send");
        *sent += (size_t)size;
    }
    return true;
}

bool drive_flush(struct drive_sender *sender)
{
    if (sender->out.size > 0) {
        if (!send_from(sender->fd, &sender->out, &sender->out_sent))
            return false;
        weir_buf_clear(&sender->out);
        sender->out_sent = 0;
    }
    if (sender->in_place != NULL) {
        if (!send_from(sender->fd, sender->in_place, &sender->in_place_sent))
            return false;
        sender->in_place = NULL;
    }
    return true;
}

bool drive_add(struct drive_sender *sender, const struct weir_buf *frame)
{
    if (frame->size <= GATHERED_BYTES) {
        weir_buf_append(&sender->out, frame->data, frame->size);
        return sender->out.size < 4 * GATHERED_BYTES || drive_flush(sender);
    }
    sender->in_place = frame;
    sender->in_place_sent = 0;
    return drive_flush(sender);
}

void drive_sender_done(struct drive_sender *sender)
{
    weir_buf_done(&sender->out);
}

/* Behind the length: correlation id, tags; the array's length, topic id, the array's length;
 * partition, error, base offset. */
int16_t drive_produced(struct weir_slice frame, int64_t *out_base_offset)
{
    if (frame.size < 4 + 1 + 1 + 16 + 1 + 4 + 2 + 8)
        bench_fail("a produce response that cannot be read");
    *out_base_offset = weir_get_i64(frame.data + 29);
    return weir_get_i16(frame.data + 27);
}
