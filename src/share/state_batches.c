/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How batches that overlap become a sorted list of batches that do not.
 *
 * A sweep over all places where a batch begins or has ended: between two such places the same
 * batches lie one upon another, and the one delivered most often (then: of the highest state) is
 * true.  n log n, for the batches come from outside.
 */

#include "state_int.h"

#include "weir/base/heap.h"
#include "weir/base/memory.h"

#include <stdlib.h>

struct swept {
    struct weir_heap_node node; /* key: the true one first */
    struct weir_share_batch batch;
};

struct sweep {
    struct swept *items; /* sorted by first offset */
    size_t count;
    int64_t *places; /* sorted */
    size_t place_count;
    struct weir_heap active;
};

bool batches_are_valid(const struct weir_share_batch *batches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (batches[i].first_offset < 0 || batches[i].last_offset < batches[i].first_offset ||
            batches[i].last_offset == INT64_MAX)
            return false;
    }
    return true;
}

static int by_first(const void *left, const void *right)
{
    int64_t a = ((const struct swept *)left)->batch.first_offset;
    int64_t b = ((const struct swept *)right)->batch.first_offset;
    return a < b ? -1 : a > b;
}

static int by_value(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

static void add_cut(struct sweep *sweep, const struct weir_share_batch *batches, size_t count,
                    int64_t start_offset)
{
    for (size_t i = 0; i < count; i++) {
        struct weir_share_batch batch = batches[i];
        if (start_offset != -1 && batch.last_offset < start_offset)
            continue;
        if (start_offset != -1 && batch.first_offset < start_offset)
            batch.first_offset = start_offset;
        sweep->items[sweep->count++] = (struct swept){.batch = batch};
        sweep->places[sweep->place_count++] = batch.first_offset;
        sweep->places[sweep->place_count++] = batch.last_offset + 1;
    }
}

static void emit(struct state_batches *out, const struct weir_share_batch *winner, int64_t first,
                 int64_t last)
{
    struct weir_share_batch *tail = out->count == 0 ? NULL : &out->items[out->count - 1];
    if (tail != NULL && tail->last_offset + 1 == first &&
        tail->delivery_state == winner->delivery_state &&
        tail->delivery_count == winner->delivery_count) {
        tail->last_offset = last;
        return;
    }
    out->items[out->count] = *winner;
    out->items[out->count].first_offset = first;
    out->items[out->count].last_offset = last;
    out->count++;
}

static enum weir_status run_sweep(struct sweep *sweep, struct state_batches *out)
{
    size_t next = 0;
    for (size_t i = 0; i + 1 < sweep->place_count; i++) {
        int64_t place = sweep->places[i];
        if (place == sweep->places[i + 1])
            continue;
        for (; next < sweep->count && sweep->items[next].batch.first_offset == place; next++) {
            const struct weir_share_batch *batch = &sweep->items[next].batch;
            enum weir_status status =
                weir_heap_set(&sweep->active, &sweep->items[next].node,
                              -((int64_t)batch->delivery_count * 256 + batch->delivery_state));
            if (status != WEIR_OK)
                return status;
        }
        struct weir_heap_node *first;
        while ((first = weir_heap_first(&sweep->active)) != NULL) {
            const struct swept *top = WEIR_CONTAINER_OF(first, struct swept, node);
            if (top->batch.last_offset >= place) {
                emit(out, &top->batch, place, sweep->places[i + 1] - 1);
                break;
            }
            weir_heap_remove(&sweep->active, first);
        }
    }
    return WEIR_OK;
}

enum weir_status batches_combine(const struct weir_share_batch *older, size_t older_count,
                                 const struct weir_share_batch *newer, size_t newer_count,
                                 int64_t start_offset, struct state_batches *out)
{
    size_t count = older_count + newer_count;
    struct state_batches result = {0};
    if (count == 0) {
        *out = result;
        return WEIR_OK;
    }
    struct sweep sweep = {.items = weir_calloc(count, sizeof(struct swept)),
                          .places = weir_calloc(count, 2 * sizeof(int64_t))};
    result.items = weir_calloc(count, 2 * sizeof(struct weir_share_batch));
    enum weir_status status = WEIR_NO_MEMORY;
    if (sweep.items == NULL || sweep.places == NULL || result.items == NULL)
        goto out;
    add_cut(&sweep, older, older_count, start_offset);
    add_cut(&sweep, newer, newer_count, start_offset);
    qsort(sweep.items, sweep.count, sizeof(struct swept), by_first);
    qsort(sweep.places, sweep.place_count, sizeof(int64_t), by_value);
    status = run_sweep(&sweep, &result);
out:
    weir_heap_done(&sweep.active);
    weir_free(sweep.items);
    weir_free(sweep.places);
    if (status != WEIR_OK || result.count == 0) {
        weir_free(result.items);
        result.items = NULL;
    }
    if (status == WEIR_OK)
        *out = result;
    return status;
}
