/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The APIs of Apache Kafka 4.3.0: key, name, versions, who may be asked, and what weir advertises.
 * enum weir_api_key holds the numbers (WEIR_API_FETCH, ...).  Constants; any thread.
 */

#include "weir/protocol/api_key_enum.h"
#include "weir/protocol/codec.h"

enum { WEIR_LISTENER_BROKER = 1, WEIR_LISTENER_CONTROLLER = 2 };

struct weir_api_spec {
    enum weir_api_key key;
    const char *name; /* as Kafka's tools print it, "Fetch" */
    /* What the codec knows.  version_max -1: the API is gone since Apache Kafka 4.0. */
    int16_t version_min;
    int16_t version_max;
    int16_t flexible_from; /* WEIR_NEVER_FLEXIBLE: none */
    bool latest_is_unstable;
    unsigned listeners; /* mask of WEIR_LISTENER_* that Apache Kafka answers it on */
    /* What weir tells clients (protocol/advertised.txt).  advertised_max -1: it is not served.
     * advertised_min may lie below version_min (Produce): such versions get UNSUPPORTED_VERSION. */
    int16_t advertised_min;
    int16_t advertised_max;
    const struct weir_message_codec *request; /* NULL when the API is gone */
    const struct weir_message_codec *response;
};

/* NULL when there is no such key. */
const struct weir_api_spec *weir_api_find(int16_t key);

/* All APIs in rising order of key; index < weir_api_count(). */
size_t weir_api_count(void);
const struct weir_api_spec *weir_api_at(size_t index);

/* Whether requests of this version are served: advertised, and known to the codec. */
bool weir_api_serves(const struct weir_api_spec *api, int16_t version);

/* 1, or 2 when the version is flexible.  It is asked for versions that nobody knows yet too: an
 * ApiVersions request from the future must still have its header read (KIP-511). */
int16_t weir_api_request_header_version(const struct weir_api_spec *api, int16_t version);

/* 0, or 1 when the version is flexible; always 0 for ApiVersions, whose answer an older client must
 * be able to read (KIP-511). */
int16_t weir_api_response_header_version(const struct weir_api_spec *api, int16_t version);
