/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An image as text, to compare two of them: the records of its checkpoint in hexadecimal. */

#include "image_write.h"

#include <criterion/criterion.h>

static inline enum weir_status emit_text(void *context, const struct weir_quorum_new_record *record,
                                         struct weir_detail *detail)
{
    (void)detail;
    struct weir_buf *text = context;
    weir_buf_printf(text, "%d v%d ", record->kind, record->version);
    for (size_t i = 0; i < record->body.size; i++)
        weir_buf_printf(text, "%02x", record->body.data[i]);
    weir_buf_append_str(text, "\n");
    return weir_buf_status(text);
}

static inline void image_text(const struct weir_image *image, struct weir_buf *out)
{
    weir_buf_init(out, 0);
    cr_assert_eq(weir_image_write(image, emit_text, out, NULL), WEIR_OK);
}

static inline bool images_are_equal(const struct weir_image *a, const struct weir_image *b)
{
    struct weir_buf left;
    struct weir_buf right;
    image_text(a, &left);
    image_text(b, &right);
    bool is_equal = weir_slice_equal(weir_buf_slice(&left), weir_buf_slice(&right));
    weir_buf_done(&left);
    weir_buf_done(&right);
    return is_equal;
}
