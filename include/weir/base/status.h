/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Results of everything in weir that can fail, and the text that goes with them.
 *
 * enum weir_status says what happened, struct weir_detail says it in words for a person.  Zero is
 * success.  The second half of the list are Kafka's own conditions, named as Kafka names them;
 * which number goes on the wire is chosen in api/errors.c and nowhere else.  Value types; usable
 * from any thread.
 */

#include <stddef.h>

#define WEIR_MUST_CHECK __attribute__((warn_unused_result))
#define WEIR_PRINTF(format_index, first_index)                                                     \
    __attribute__((format(printf, format_index, first_index)))

#define WEIR_STATUS_LIST(X)                                                                        \
    /* weir's own */                                                                               \
    X(OK)                                                                                          \
    X(NO_MEMORY) /* the allocation failed, or a limit on memory was reached */                     \
    X(INVALID)   /* the caller's bytes or arguments are not what the rule asks for */              \
    X(CORRUPT)   /* stored or received bytes contradict themselves (CRC, lengths) */               \
    X(TRUNCATED) /* the bytes end before the thing they hold */                                    \
    X(IO_ERROR)  /* the operating system refused a read, write or sync */                          \
    X(NO_SPACE)  /* ENOSPC or EDQUOT */                                                            \
    X(NOT_FOUND)                                                                                   \
    X(EXISTS)                                                                                      \
    X(BUSY)   /* somebody else holds it */                                                         \
    X(LIMIT)  /* a configured maximum was reached */                                               \
    X(CLOSED) /* the object is shut or shutting down */                                            \
    X(UNSUPPORTED)                                                                                 \
    X(WOULD_BLOCK) /* nothing was done: it takes a thread that may wait for files */               \
    X(PENDING) /* accepted; the result comes later through a callback */                           \
    X(TIMED_OUT)                                                                                   \
    /* Kafka's conditions */                                                                       \
    X(UNKNOWN_SERVER_ERROR)                                                                        \
    X(OFFSET_OUT_OF_RANGE)                                                                         \
    X(CORRUPT_MESSAGE)                                                                             \
    X(UNKNOWN_TOPIC_OR_PARTITION)                                                                  \
    X(INVALID_FETCH_SIZE)                                                                          \
    X(LEADER_NOT_AVAILABLE)                                                                        \
    X(NOT_LEADER_OR_FOLLOWER)                                                                      \
    X(REQUEST_TIMED_OUT)                                                                           \
    X(BROKER_NOT_AVAILABLE)                                                                        \
    X(REPLICA_NOT_AVAILABLE)                                                                       \
    X(MESSAGE_TOO_LARGE)                                                                           \
    X(OFFSET_METADATA_TOO_LARGE)                                                                   \
    X(NETWORK_EXCEPTION)                                                                           \
    X(COORDINATOR_LOAD_IN_PROGRESS)                                                                \
    X(COORDINATOR_NOT_AVAILABLE)                                                                   \
    X(NOT_COORDINATOR)                                                                             \
    X(INVALID_TOPIC_EXCEPTION)                                                                     \
    X(RECORD_LIST_TOO_LARGE)                                                                       \
    X(NOT_ENOUGH_REPLICAS)                                                                         \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND)                                                            \
    X(INVALID_REQUIRED_ACKS)                                                                       \
    X(ILLEGAL_GENERATION)                                                                          \
    X(INCONSISTENT_GROUP_PROTOCOL)                                                                 \
    X(INVALID_GROUP_ID)                                                                            \
    X(UNKNOWN_MEMBER_ID)                                                                           \
    X(INVALID_SESSION_TIMEOUT)                                                                     \
    X(REBALANCE_IN_PROGRESS)                                                                       \
    X(INVALID_COMMIT_OFFSET_SIZE)                                                                  \
    X(TOPIC_AUTHORIZATION_FAILED)                                                                  \
    X(GROUP_AUTHORIZATION_FAILED)                                                                  \
    X(CLUSTER_AUTHORIZATION_FAILED)                                                                \
    X(INVALID_TIMESTAMP)                                                                           \
    X(UNSUPPORTED_SASL_MECHANISM)                                                                  \
    X(ILLEGAL_SASL_STATE)                                                                          \
    X(UNSUPPORTED_VERSION)                                                                         \
    X(TOPIC_ALREADY_EXISTS)                                                                        \
    X(INVALID_PARTITIONS)                                                                          \
    X(INVALID_REPLICATION_FACTOR)                                                                  \
    X(INVALID_REPLICA_ASSIGNMENT)                                                                  \
    X(INVALID_CONFIG)                                                                              \
    X(NOT_CONTROLLER)                                                                              \
    X(INVALID_REQUEST)                                                                             \
    X(UNSUPPORTED_FOR_MESSAGE_FORMAT)                                                              \
    X(POLICY_VIOLATION)                                                                            \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER)                                                                \
    X(DUPLICATE_SEQUENCE_NUMBER)                                                                   \
    X(INVALID_PRODUCER_EPOCH)                                                                      \
    X(INVALID_TXN_STATE)                                                                           \
    X(INVALID_PRODUCER_ID_MAPPING)                                                                 \
    X(INVALID_TRANSACTION_TIMEOUT)                                                                 \
    X(CONCURRENT_TRANSACTIONS)                                                                     \
    X(TRANSACTION_COORDINATOR_FENCED)                                                              \
    X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED)                                                       \
    X(SECURITY_DISABLED)                                                                           \
    X(OPERATION_NOT_ATTEMPTED)                                                                     \
    X(KAFKA_STORAGE_ERROR)                                                                         \
    X(LOG_DIR_NOT_FOUND)                                                                           \
    X(SASL_AUTHENTICATION_FAILED)                                                                  \
    X(UNKNOWN_PRODUCER_ID)                                                                         \
    X(REASSIGNMENT_IN_PROGRESS)                                                                    \
    X(NON_EMPTY_GROUP)                                                                             \
    X(GROUP_ID_NOT_FOUND)                                                                          \
    X(FETCH_SESSION_ID_NOT_FOUND)                                                                  \
    X(INVALID_FETCH_SESSION_EPOCH)                                                                 \
    X(LISTENER_NOT_FOUND)                                                                          \
    X(TOPIC_DELETION_DISABLED)                                                                     \
    X(FENCED_LEADER_EPOCH)                                                                         \
    X(UNKNOWN_LEADER_EPOCH)                                                                        \
    X(UNSUPPORTED_COMPRESSION_TYPE)                                                                \
    X(STALE_BROKER_EPOCH)                                                                          \
    X(OFFSET_NOT_AVAILABLE)                                                                        \
    X(MEMBER_ID_REQUIRED)                                                                          \
    X(PREFERRED_LEADER_NOT_AVAILABLE)                                                              \
    X(GROUP_MAX_SIZE_REACHED)                                                                      \
    X(FENCED_INSTANCE_ID)                                                                          \
    X(ELIGIBLE_LEADERS_NOT_AVAILABLE)                                                              \
    X(ELECTION_NOT_NEEDED)                                                                         \
    X(NO_REASSIGNMENT_IN_PROGRESS)                                                                 \
    X(GROUP_SUBSCRIBED_TO_TOPIC)                                                                   \
    X(INVALID_RECORD)                                                                              \
    X(UNSTABLE_OFFSET_COMMIT)                                                                      \
    X(THROTTLING_QUOTA_EXCEEDED)                                                                   \
    X(PRODUCER_FENCED)                                                                             \
    X(RESOURCE_NOT_FOUND)                                                                          \
    X(DUPLICATE_RESOURCE)                                                                          \
    X(UNACCEPTABLE_CREDENTIAL)                                                                     \
    X(INCONSISTENT_VOTER_SET)                                                                      \
    X(INVALID_UPDATE_VERSION)                                                                      \
    X(FEATURE_UPDATE_FAILED)                                                                       \
    X(INCONSISTENT_CLUSTER_ID)                                                                     \
    X(BROKER_ID_NOT_REGISTERED)                                                                    \
    X(INCONSISTENT_TOPIC_ID)                                                                       \
    X(UNKNOWN_TOPIC_ID)                                                                            \
    X(INELIGIBLE_REPLICA)                                                                          \
    X(FETCH_SESSION_TOPIC_ID_ERROR)                                                                \
    X(FENCED_MEMBER_EPOCH)                                                                         \
    X(UNRELEASED_INSTANCE_ID)                                                                      \
    X(UNSUPPORTED_ASSIGNOR)                                                                        \
    X(STALE_MEMBER_EPOCH)                                                                          \
    X(MISMATCHED_ENDPOINT_TYPE)                                                                    \
    X(UNSUPPORTED_ENDPOINT_TYPE)                                                                   \
    X(TRANSACTION_ABORTABLE)                                                                       \
    X(INVALID_REGULAR_EXPRESSION)                                                                  \
    X(TRANSACTIONAL_ID_NOT_FOUND)                                                                  \
    X(INVALID_RECORD_STATE)                                                                        \
    X(SHARE_SESSION_NOT_FOUND)                                                                     \
    X(INVALID_SHARE_SESSION_EPOCH)                                                                 \
    X(FENCED_STATE_EPOCH)                                                                          \
    X(SHARE_SESSION_LIMIT_REACHED)                                                               \
    X(STREAMS_INVALID_TOPOLOGY)

enum weir_status {
#define X(name) WEIR_##name,
    WEIR_STATUS_LIST(X)
#undef X
        WEIR_STATUS_COUNT
};

/* The name without its prefix, for log lines: "NO_SPACE".  Never NULL. */
const char *weir_status_name(enum weir_status status);

#define WEIR_DETAIL_BYTES 512

/* Words for a person, e.g. "cannot open /data/t-0/00000000000000000000.log: Permission denied".
 * Zero-initialised is empty.  All functions accept a NULL detail and then do nothing. */
struct weir_detail {
    char text[WEIR_DETAIL_BYTES];
};

/* Replaces the text.  Cut, never overflown, when it is too long. */
void weir_detail_set(struct weir_detail *detail, const char *format, ...) WEIR_PRINTF(2, 3);

/* Puts a few words before the text that is there ("<words>: <text>"); a level of the call stack
 * does it at most once. */
void weir_detail_prefix(struct weir_detail *detail, const char *format, ...) WEIR_PRINTF(2, 3);

/* Like weir_detail_set, followed by ": " and the text of errno; returns NO_SPACE, NOT_FOUND,
 * EXISTS, BUSY, NO_MEMORY or IO_ERROR as that errno says.  saved_errno is passed so that clean-up
 * between the failure and this cannot change it. */
enum weir_status weir_detail_errno(struct weir_detail *detail, int saved_errno, const char *format,
                                   ...) WEIR_PRINTF(3, 4);
