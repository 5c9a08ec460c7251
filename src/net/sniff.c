/* SPDX-License-Identifier: Apache-2.0 */
#include "sniff.h"

#include "weir/base/limits.h"

/* A TLS record: type 0x16 (handshake), version 3.x, two bytes of length, handshake type 1 (client
 * hello). */
enum { TLS_HANDSHAKE = 0x16, TLS_MAJOR = 3, TLS_MINOR_MAX = 4, TLS_CLIENT_HELLO = 1 };
enum { TLS_TYPE_AT = 0, TLS_MAJOR_AT = 1, TLS_MINOR_AT = 2, TLS_HELLO_AT = 5 };

static bool is_tls(struct weir_slice first, bool is_too_large)
{
    if (first.data[TLS_TYPE_AT] != TLS_HANDSHAKE || first.data[TLS_MAJOR_AT] != TLS_MAJOR ||
        first.data[TLS_MINOR_AT] > TLS_MINOR_MAX)
        return false;
    return is_too_large ||
           (first.size > TLS_HELLO_AT && first.data[TLS_HELLO_AT] == TLS_CLIENT_HELLO);
}

static bool is_http(struct weir_slice first)
{
    /* The first four letters of each method, and of the preface of HTTP/2.  As lengths they are all
     * over 1.1 GB, so nothing of Kafka's is taken for them. */
    static const char methods[][5] = {"GET ", "POST", "HEAD", "PUT ", "OPTI",
                                      "DELE", "PATC", "CONN", "TRAC", "PRI "};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(methods); i++) {
        if (memcmp(first.data, methods[i], 4) == 0)
            return true;
    }
    return false;
}

enum weir_sniffed weir_sniff(struct weir_slice first, bool is_too_large)
{
    if (is_http(first))
        return WEIR_SNIFFED_HTTP;
    return is_tls(first, is_too_large) ? WEIR_SNIFFED_TLS : WEIR_SNIFFED_KAFKA;
}
