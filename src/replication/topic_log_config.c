/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/replication/topic_log_config.h"

/* compression.type names a codec, "producer" (keep what came) or "uncompressed". */
static void set_codec(struct weir_log_config *config, struct weir_slice type)
{
    config->keep_codec = false;
    config->codec = WEIR_CODEC_NONE;
    if (weir_slice_is(type, "producer")) {
        config->keep_codec = true;
        return;
    }
    for (int bits = WEIR_CODEC_GZIP; bits <= WEIR_CODEC_ZSTD; bits++) {
        enum weir_codec codec;
        if (weir_codec_from_bits(bits, &codec) && weir_slice_is(type, weir_codec_name(codec)))
            config->codec = codec;
    }
}

static void set_cleanup(struct weir_log_config *config, struct weir_slice policies)
{
    struct weir_slice policy;
    config->cleanup_delete = false;
    config->cleanup_compact = false;
    while (weir_config_list_next(&policies, &policy)) {
        if (weir_slice_is(policy, "delete"))
            config->cleanup_delete = true;
        else if (weir_slice_is(policy, "compact"))
            config->cleanup_compact = true;
    }
}

void weir_topic_log_config(const struct weir_config_resolver *resolver, struct weir_slice topic,
                           struct weir_log_config *out)
{
    struct weir_log_config config = {0};
    config.segment_bytes = (int32_t)weir_config_topic_i64(resolver, topic, "segment.bytes");
    config.segment_ms = weir_config_topic_i64(resolver, topic, "segment.ms");
    config.segment_jitter_ms = weir_config_topic_i64(resolver, topic, "segment.jitter.ms");
    config.segment_index_bytes =
        (int32_t)weir_config_topic_i64(resolver, topic, "segment.index.bytes");
    config.index_interval_bytes =
        (int32_t)weir_config_topic_i64(resolver, topic, "index.interval.bytes");
    config.retention_bytes = weir_config_topic_i64(resolver, topic, "retention.bytes");
    config.retention_ms = weir_config_topic_i64(resolver, topic, "retention.ms");
    config.message_bytes_max = (int32_t)weir_config_topic_i64(resolver, topic, "max.message.bytes");
    config.log_append_time = weir_slice_is(
        weir_config_topic_str(resolver, topic, "message.timestamp.type"), "LogAppendTime");
    config.message_timestamp_before_max_ms =
        weir_config_topic_i64(resolver, topic, "message.timestamp.before.max.ms");
    config.message_timestamp_after_max_ms =
        weir_config_topic_i64(resolver, topic, "message.timestamp.after.max.ms");
    set_codec(&config, weir_config_topic_str(resolver, topic, "compression.type"));
    config.gzip_level = (int32_t)weir_config_topic_i64(resolver, topic, "compression.gzip.level");
    config.lz4_level = (int32_t)weir_config_topic_i64(resolver, topic, "compression.lz4.level");
    config.zstd_level = (int32_t)weir_config_topic_i64(resolver, topic, "compression.zstd.level");
    config.flush_messages = weir_config_topic_i64(resolver, topic, "flush.messages");
    config.flush_ms = weir_config_topic_i64(resolver, topic, "flush.ms");
    config.file_delete_delay_ms = weir_config_topic_i64(resolver, topic, "file.delete.delay.ms");
    set_cleanup(&config, weir_config_topic_str(resolver, topic, "cleanup.policy"));
    config.preallocate = weir_config_topic_bool(resolver, topic, "preallocate");
    config.min_compaction_lag_ms = weir_config_topic_i64(resolver, topic, "min.compaction.lag.ms");
    config.max_compaction_lag_ms = weir_config_topic_i64(resolver, topic, "max.compaction.lag.ms");
    config.delete_retention_ms = weir_config_topic_i64(resolver, topic, "delete.retention.ms");
    config.min_cleanable_dirty_ratio =
        weir_config_topic_f64(resolver, topic, "min.cleanable.dirty.ratio");
    config.producer_id_expiration_ms =
        weir_config_broker_i64(resolver, "producer.id.expiration.ms");
    *out = config;
}
