/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How share groups reach the share coordinator of this broker. */

#include "weir/group/share_groups.h"

/* Its context is the struct weir_broker. */
extern const struct weir_group_share_port weir_share_port_of_groups;
