/* SPDX-License-Identifier: Apache-2.0 */

/* "version: 0\ntopic_id: <22 characters>", without a newline at the end. */

#include "weir/storage/partition_metadata.h"

#include "text_int.h"

#include "weir/runtime/file_util.h"

#include <stdio.h>

enum { PATH_BYTES = 4096, FILE_BYTES_MAX = 4096 };

static bool take_value(struct weir_slice *text, struct weir_slice name, struct weir_slice *out)
{
    struct weir_slice line;
    struct weir_slice word;
    return weir_text_take_line(text, &line) && weir_text_take_word(&line, &word) &&
           weir_slice_equal(word, name) && weir_text_take_word(&line, out);
}

enum weir_status weir_partition_metadata_read(struct weir_env *env, const char *dir,
                                              struct weir_uuid *out_topic_id,
                                              struct weir_detail *detail)
{
    char path[PATH_BYTES];
    struct weir_buf bytes = {0};
    (void)snprintf(path, sizeof(path), "%s/partition.metadata", dir);
    enum weir_status status = weir_file_read_all(env, path, FILE_BYTES_MAX, &bytes, detail);
    if (status == WEIR_OK) {
        struct weir_slice text = weir_buf_slice(&bytes);
        struct weir_slice version;
        struct weir_slice id;
        struct weir_uuid topic_id;
        if (!take_value(&text, WEIR_SLICE("version:"), &version) || !weir_slice_is(version, "0") ||
            !take_value(&text, WEIR_SLICE("topic_id:"), &id) || !weir_uuid_parse(id, &topic_id) ||
            weir_uuid_is_zero(topic_id)) {
            weir_detail_set(detail, "%s is not understood", path);
            status = WEIR_CORRUPT;
        } else {
            *out_topic_id = topic_id;
        }
    }
    weir_buf_done(&bytes);
    return status;
}

enum weir_status weir_partition_metadata_write(struct weir_env *env, const char *dir,
                                               struct weir_uuid topic_id,
                                               struct weir_detail *detail)
{
    char path[PATH_BYTES];
    char id[WEIR_UUID_TEXT_BYTES];
    char text[64];
    weir_uuid_format(topic_id, id);
    (void)snprintf(path, sizeof(path), "%s/partition.metadata", dir);
    (void)snprintf(text, sizeof(text), "version: 0\ntopic_id: %s", id);
    return weir_file_replace(env, path, weir_slice_str(text), detail);
}
