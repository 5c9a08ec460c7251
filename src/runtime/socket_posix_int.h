/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "weir/runtime/socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* "unknown" for families other than IPv4, IPv6 and local ones. */
void weir_address_from_sockaddr(const struct sockaddr_storage *from, struct weir_address *out);
