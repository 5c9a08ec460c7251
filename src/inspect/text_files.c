/* SPDX-License-Identifier: Apache-2.0 */

/* Whether a small text file is what its name says: the readers of storage and quorum decide. */

#include "inspect_int.h"

#include "weir/quorum/quorum_state.h"
#include "weir/storage/checkpoint.h"
#include "weir/storage/epoch_cache.h"
#include "weir/storage/meta_properties.h"
#include "weir/storage/partition_metadata.h"

#include <stdio.h>

/* The readers take a directory and add the name, so a left-over with something behind the name is
 * not for them. */
static bool directory_of(const char *path, char out[INSPECT_PATH_BYTES])
{
    const char *name = inspect_base_name(path);
    size_t size = (size_t)(name - path);
    if (size >= INSPECT_PATH_BYTES)
        return false;
    memcpy(out, path, size);
    out[size] = '\0';
    if (size == 0)
        (void)snprintf(out, INSPECT_PATH_BYTES, ".");
    return true;
}

static enum weir_status check(struct weir_env *env, const char *path, enum file_kind kind,
                              const char *dir, struct weir_detail *detail)
{
    struct weir_offset_checkpoint offsets = {0};
    struct weir_epoch_cache epochs = {0};
    struct weir_uuid topic_id;
    struct weir_meta_properties properties;
    struct weir_quorum_state state;
    enum weir_status status = WEIR_OK;
    switch (kind) {
    case FILE_OFFSET_CHECKPOINT:
        status = weir_offset_checkpoint_read(env, path, &offsets, detail);
        weir_offset_checkpoint_done(&offsets);
        break;
    case FILE_EPOCH_CHECKPOINT:
        status = weir_epoch_cache_read(env, path, &epochs, detail);
        weir_epoch_cache_done(&epochs);
        break;
    case FILE_PARTITION_METADATA:
        status = weir_partition_metadata_read(env, dir, &topic_id, detail);
        break;
    case FILE_META_PROPERTIES:
        status = weir_meta_properties_read(env, dir, &properties, detail);
        break;
    case FILE_QUORUM_STATE:
        status = weir_quorum_state_read(env, dir, &state, detail);
        break;
    case FILE_UNKNOWN:
    case FILE_LOG:
    case FILE_OFFSET_INDEX:
    case FILE_TIME_INDEX:
    case FILE_TXN_INDEX:
    case FILE_PRODUCER_SNAPSHOT:
    case FILE_METADATA_SNAPSHOT:
    case FILE_CLEAN_MARKER:
    case FILE_LOCK:
        break;
    }
    return status;
}

bool text_file_check(struct weir_env *env, const char *path, const struct file_name *name,
                     struct weir_detail *detail)
{
    char dir[INSPECT_PATH_BYTES];
    if (name->leftover[0] != '\0' || !directory_of(path, dir))
        return true;
    enum weir_status status = check(env, path, name->kind, dir, detail);
    if (status != WEIR_OK && detail->text[0] == '\0')
        weir_detail_set(detail, "%s: %s", path, weir_status_name(status));
    return status == WEIR_OK || status == WEIR_NOT_FOUND;
}
