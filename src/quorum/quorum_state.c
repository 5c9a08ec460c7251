/* SPDX-License-Identifier: Apache-2.0 */

/*
 * quorum-state, as Apache Kafka writes it:
 *   kraft.version 0: {"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,
 *                     "currentVoters":[{"voterId":1}],"data_version":0}
 *   kraft.version 1: {"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"...",
 *                     "data_version":1}
 */

#include "quorum_int.h"

#include "weir/runtime/file_util.h"

#include <jansson.h>

#define STATE_BYTES_MAX 65536

static enum weir_status bad(struct weir_detail *detail, const char *path, const char *why)
{
    weir_detail_set(detail, "%s: %s", path, why);
    return WEIR_CORRUPT;
}

static bool get_i32(const json_t *object, const char *key, int32_t fallback, int32_t *out)
{
    const json_t *value = json_object_get(object, key);
    *out = fallback;
    if (value == NULL)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < -1 ||
        json_integer_value(value) > INT32_MAX)
        return false;
    *out = (int32_t)json_integer_value(value);
    return true;
}

static enum weir_status parse(const json_t *root, const char *path, struct weir_quorum_state *out,
                              struct weir_detail *detail)
{
    int32_t version;
    if (!json_is_object(root) || json_object_get(root, "data_version") == NULL ||
        !get_i32(root, "data_version", 0, &version) ||
        !get_i32(root, "leaderId", -1, &out->leader_id) ||
        !get_i32(root, "leaderEpoch", -1, &out->leader_epoch) ||
        !get_i32(root, "votedId", -1, &out->voted_id))
        return bad(detail, path, "is not a quorum state");
    if (version > 1) {
        weir_detail_set(detail, "%s has version %d, this version of weir knows 0 and 1", path,
                        version);
        return WEIR_UNSUPPORTED;
    }
    if (out->leader_epoch < 0)
        return bad(detail, path, "has no leader epoch");
    out->data_version = (int16_t)version;
    const char *directory = json_string_value(json_object_get(root, "votedDirectoryId"));
    if (directory != NULL && !weir_uuid_parse(weir_slice_str(directory), &out->voted_directory_id))
        return bad(detail, path, "votedDirectoryId is no id");
    const json_t *voters = json_object_get(root, "currentVoters");
    out->voter_count = json_array_size(voters);
    if (out->voter_count > 0 && !get_i32(json_array_get(voters, 0), "voterId", -1, &out->voter_id))
        return bad(detail, path, "voterId is no number");
    return WEIR_OK;
}

enum weir_status weir_quorum_state_read(struct weir_env *env, const char *dir,
                                        struct weir_quorum_state *out, struct weir_detail *detail)
{
    char path[WEIR_QUORUM_PATH_BYTES];
    enum weir_status status = weir_quorum_path(path, detail, "%s/quorum-state", dir);
    if (status != WEIR_OK)
        return status;
    struct weir_buf text;
    weir_buf_init(&text, STATE_BYTES_MAX);
    json_t *root = NULL;
    status = weir_file_read_all(env, path, STATE_BYTES_MAX, &text, detail);
    if (status != WEIR_OK)
        goto out;
    root = json_loadb((const char *)text.data, text.size, 0, NULL);
    if (root == NULL) {
        status = bad(detail, path, "is not JSON");
        goto out;
    }
    struct weir_quorum_state state = {.voted_id = -1, .voter_id = -1};
    status = parse(root, path, &state, detail);
    if (status == WEIR_OK)
        *out = state;
out:
    json_decref(root);
    weir_buf_done(&text);
    return status;
}

enum weir_status weir_quorum_state_write(struct weir_env *env, const char *dir,
                                         const struct weir_quorum_state *state,
                                         struct weir_detail *detail)
{
    char path[WEIR_QUORUM_PATH_BYTES];
    enum weir_status status = weir_quorum_path(path, detail, "%s/quorum-state", dir);
    if (status != WEIR_OK)
        return status;
    struct weir_buf text;
    weir_buf_init(&text, 0);
    if (state->data_version == 0) {
        weir_buf_printf(&text,
                        "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
                        "\"appliedOffset\":0,"
                        "\"currentVoters\":[{\"voterId\":%d}],\"data_version\":0}",
                        state->leader_id, state->leader_epoch, state->voted_id, state->voter_id);
    } else {
        char directory[WEIR_UUID_TEXT_BYTES];
        weir_uuid_format(state->voted_directory_id, directory);
        weir_buf_printf(
            &text,
            "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,\"votedDirectoryId\":\"%s\","
            "\"data_version\":1}",
            state->leader_id, state->leader_epoch, state->voted_id, directory);
    }
    status = weir_buf_status(&text);
    if (status == WEIR_OK)
        status = weir_file_replace(env, path, weir_buf_slice(&text), detail);
    weir_buf_done(&text);
    return status;
}
