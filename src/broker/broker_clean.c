/* SPDX-License-Identifier: Apache-2.0 */

/* The log cleaner takes its keys from the metadata image each time it looks for a log, so that all
 * of them may be changed while it runs, as in Apache Kafka. */

#include "broker_int.h"

#include "weir/metadata/config_resolve.h"

static void config_in_force(void *context, struct weir_cleaner_config *out)
{
    struct weir_broker *broker = context;
    const struct weir_image *image = weir_image_ref_current(broker->publisher);
    struct weir_config_resolver resolver = {
        .image = image, .statics = &broker->config->statics, .broker_id = broker->config->node_id};
    out->threads = (int32_t)weir_config_broker_i64(&resolver, "log.cleaner.threads");
    out->map_bytes = weir_config_broker_i64(&resolver, "log.cleaner.dedupe.buffer.size");
    out->map_load_factor = weir_config_broker_f64(&resolver, "log.cleaner.io.buffer.load.factor");
    out->buffer_bytes = weir_config_broker_i64(&resolver, "log.cleaner.io.buffer.size");
    out->bytes_per_second_max =
        weir_config_broker_f64(&resolver, "log.cleaner.io.max.bytes.per.second");
    out->backoff_ms = weir_config_broker_i64(&resolver, "log.cleaner.backoff.ms");
    weir_image_unref(image);
}

enum weir_status weir_broker_start_cleaner(struct weir_broker *broker, struct weir_detail *detail)
{
    struct weir_cleaner_options options = {.env = broker->env,
                                           .logs = broker->logs,
                                           .log = broker->log,
                                           .config = config_in_force,
                                           .context = broker};
    enum weir_status status = weir_cleaner_new(&options, &broker->cleaner);
    return status == WEIR_OK ? weir_cleaner_start(broker->cleaner, detail) : status;
}
