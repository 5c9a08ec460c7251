/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An image as records: those of a checkpoint, in Apache Kafka's order, in the versions its
 * metadata.version asks for. */

#include "image_int.h"
#include "record_list.h"

/* Called with a few records at a time; anything but OK ends the writing. */
typedef enum weir_status weir_image_emit(void *context, const struct weir_quorum_new_record *record,
                                         struct weir_detail *detail);

WEIR_MUST_CHECK enum weir_status weir_image_write(const struct weir_image *image,
                                                  weir_image_emit *emit, void *context,
                                                  struct weir_detail *detail);

/* Record versions by metadata.version (kraft.md 3.1). */
int16_t weir_register_broker_version(const struct weir_image *image);
int16_t weir_partition_version(const struct weir_image *image);

#define WEIR_METADATA_VERSION_FEATURE "metadata.version"
#define WEIR_ELR_FEATURE              "eligible.leader.replicas.version"

/* Adding one thing of an image to a list. */
void weir_record_add_partition(struct weir_record_list *list, struct weir_uuid topic_id,
                               const struct weir_image_partition *partition, int16_t version);
void weir_record_add_config(struct weir_record_list *list, enum weir_resource_type type,
                            struct weir_slice resource, struct weir_slice name,
                            struct weir_slice value);
void weir_record_add_broker(struct weir_record_list *list, const struct weir_image_broker *broker,
                            int16_t version);
void weir_record_add_controller(struct weir_record_list *list,
                                const struct weir_image_controller *controller);
void weir_record_add_feature(struct weir_record_list *list, struct weir_slice name, int16_t level);
