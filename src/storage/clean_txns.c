/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which transaction a batch belongs to, and how it ended, while the batches of a log are read in
 * order.  The transaction index tells of aborts before their data comes; a commit needs no telling.
 */

#include "clean_int.h"

#include "weir/base/memory.h"

#include <stdlib.h>

static int compare_first_offsets(const void *a, const void *b)
{
    int64_t left = ((const struct weir_aborted_txn *)a)->first_offset;
    int64_t right = ((const struct weir_aborted_txn *)b)->first_offset;
    return left < right ? -1 : left > right;
}

enum weir_status weir_clean_txns_init(struct clean_txns *txns, struct weir_partition_log *log,
                                      int64_t from_offset, int64_t to_offset,
                                      struct weir_detail *detail)
{
    *txns = (struct clean_txns){0};
    enum weir_status status = weir_partition_log_aborted_txns(
        log, from_offset, to_offset, &txns->pending, &txns->pending_count, detail);
    if (status == WEIR_OK && txns->pending_count > 1)
        qsort(txns->pending, txns->pending_count, sizeof(txns->pending[0]), compare_first_offsets);
    return status;
}

void weir_clean_txns_done(struct clean_txns *txns)
{
    const struct weir_map_entry *entry;
    size_t cursor = 0;
    while ((entry = weir_map_next(&txns->ongoing, &cursor)) != NULL)
        weir_free(entry->value);
    weir_map_done(&txns->ongoing);
    weir_free(txns->pending);
    *txns = (struct clean_txns){0};
}

static struct clean_txn *find(struct clean_txns *txns, int64_t producer_id)
{
    return weir_map_get(&txns->ongoing, WEIR_KEY(producer_id));
}

/* The producer's transaction; begun when there is none. */
static enum weir_status begin(struct clean_txns *txns, int64_t producer_id, struct clean_txn **out)
{
    struct clean_txn *txn = find(txns, producer_id);
    if (txn == NULL) {
        txn = weir_calloc(1, sizeof(*txn));
        if (txn == NULL)
            return WEIR_NO_MEMORY;
        txn->producer_id = producer_id;
        enum weir_status status =
            weir_map_put(&txns->ongoing, WEIR_KEY(txn->producer_id), txn, NULL);
        if (status != WEIR_OK) {
            weir_free(txn);
            return status;
        }
    }
    *out = txn;
    return WEIR_OK;
}

static enum weir_status begin_aborted_up_to(struct clean_txns *txns, int64_t offset)
{
    while (txns->pending_at < txns->pending_count &&
           txns->pending[txns->pending_at].first_offset <= offset) {
        const struct weir_aborted_txn *aborted = &txns->pending[txns->pending_at];
        struct clean_txn *txn = NULL;
        enum weir_status status = begin(txns, aborted->producer_id, &txn);
        if (status != WEIR_OK)
            return status;
        if (!txn->is_aborted) {
            txn->is_aborted = true;
            txn->has_data = false;
            txn->aborted = *aborted;
        }
        txns->pending_at++;
    }
    return WEIR_OK;
}

enum weir_status weir_clean_txns_on_data(struct clean_txns *txns, const struct weir_batch *batch,
                                         bool *out_is_aborted)
{
    enum weir_status status = begin_aborted_up_to(txns, batch->last_offset);
    *out_is_aborted = false;
    if (status != WEIR_OK || !weir_batch_is_transactional(batch))
        return status;
    struct clean_txn *txn = NULL;
    status = begin(txns, batch->producer_id, &txn);
    if (status != WEIR_OK)
        return status;
    txn->has_data = true;
    *out_is_aborted = txn->is_aborted;
    return WEIR_OK;
}

enum weir_status weir_clean_txns_on_control(struct clean_txns *txns, const struct weir_batch *batch,
                                            bool *out_is_empty, bool *out_has_aborted,
                                            struct weir_aborted_txn *out_aborted,
                                            struct weir_detail *detail)
{
    struct weir_txn_marker marker;
    *out_is_empty = true;
    *out_has_aborted = false;
    enum weir_status status = begin_aborted_up_to(txns, batch->last_offset);
    if (status != WEIR_OK || batch->record_count == 0)
        return status; /* an earlier round took the marker and left its place */
    status = weir_txn_marker_parse(batch, &marker, detail);
    if (status == WEIR_INVALID) {
        *out_is_empty = false; /* a control record of another kind stays */
        weir_detail_set(detail, "%s", "");
        return WEIR_OK;
    }
    if (status != WEIR_OK)
        return status;
    struct clean_txn *txn = find(txns, batch->producer_id);
    if (txn == NULL)
        return WEIR_OK;
    if (marker.is_commit == txn->is_aborted) {
        weir_detail_set(detail,
                        "a transaction of producer %lld ends in another way than its index "
                        "says",
                        (long long)batch->producer_id);
        return WEIR_CORRUPT;
    }
    *out_is_empty = !txn->has_data;
    *out_has_aborted = txn->is_aborted && txn->has_data;
    *out_aborted = txn->aborted;
    (void)weir_map_remove(&txns->ongoing, WEIR_KEY(txn->producer_id)); /* it is txn */
    weir_free(txn);
    return WEIR_OK;
}
