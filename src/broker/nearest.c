/* SPDX-License-Identifier: Apache-2.0 */

/* Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.
 */

#include "nearest_int.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(struct weir_slice a, struct weir_slice b)
{
    size_t rows[3][NEAREST_BYTES_MAX + 1];
    size_t *before = rows[0]; /* two letters of a ago */
    size_t *last = rows[1];
    size_t *now = rows[2];
    for (size_t j = 0; j <= b.size; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t cost = a.data[i - 1] == b.data[j - 1] ? 0 : 1;
            now[j] = least(last[j - 1] + cost, least(last[j], now[j - 1]) + 1);
            bool is_swap =
                i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
            if (is_swap)
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b.size];
}

void nearest_init(struct nearest *nearest, struct weir_slice name)
{
    *nearest = (struct nearest){.best_score = 2 * (name.size / 3 + 2)};
    if (name.size > NEAREST_BYTES_MAX)
        return;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        nearest->name[i] = c == '_' || c == '-' ? '.' : c;
    }
    nearest->size = name.size;
}

void nearest_try(struct nearest *nearest, const char *candidate)
{
    struct nearest other;
    size_t size = strlen(candidate);
    if (nearest->size == 0 || size > NEAREST_BYTES_MAX)
        return;
    nearest_init(&other, weir_slice_of(candidate, size));
    size_t found =
        distance(weir_slice_of(nearest->name, nearest->size), weir_slice_of(other.name, size));
    size_t score =
        2 * found + (size == nearest->size ? 0 : 1); /* of equals, the same length wins */
    if (score < nearest->best_score) {
        nearest->best_score = score;
        nearest->best = candidate;
    }
}
