/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Rules about the configs of a resource as a whole: which keys may be there, and values that must
 * fit together. */

#include "controller_int.h"

/* Names and values of the resource when entries are what is set. */
struct weir_controller_result weir_check_resource(struct weir_decision *decision,
                                                  const struct weir_config_request *request,
                                                  const struct weir_image_config_entry *entries,
                                                  size_t count);

/* What the broker that takes the request checks about a change to a broker's configs. */
struct weir_controller_result weir_check_broker_request(struct weir_decision *decision,
                                                        const struct weir_config_request *request);
