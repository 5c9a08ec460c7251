/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages encoded by somebody else are read and written again byte for byte.
 *
 *     protocol_frames PATH...
 *
 * A path is a file, or a directory whose files are all taken.  A line is "Name version hex" or
 * "request|response key version hex".  A line without bytes behind the version is a message of
 * none. The first frames of each file are also cut at every place: no part may be read as the
 * whole.
 */

#include "weir/base/memory.h"
#include "weir/protocol/api_keys.h"
#include "weir/protocol/record_types.h"

#include "weir/protocol/messages/request_header.h"
#include "weir/protocol/messages/response_header.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { CUT_FRAMES_PER_FILE = 8, PATH_BYTES = 1024 };

struct tally {
    unsigned long frames;
    unsigned long failures;
};

static const struct weir_message_codec *find_by_name(const char *name)
{
    const struct weir_message_codec *headers[] = {&weir_request_header_codec,
                                                  &weir_response_header_codec};
    for (size_t i = 0; i < 2; i++)
        if (strcmp(headers[i]->name, name) == 0)
            return headers[i];
    for (size_t i = 0; i < weir_api_count(); i++) {
        const struct weir_api_spec *api = weir_api_at(i);
        if (api->request != NULL && strcmp(api->request->name, name) == 0)
            return api->request;
        if (api->response != NULL && strcmp(api->response->name, name) == 0)
            return api->response;
    }
    for (size_t i = 0; i < weir_record_type_count(); i++) {
        const struct weir_record_type *type = weir_record_type_at(i);
        if (type->key != NULL && strcmp(type->key->name, name) == 0)
            return type->key;
        if (type->value != NULL && strcmp(type->value->name, name) == 0)
            return type->value;
    }
    return NULL;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

/* Exactly as much memory as there are bytes; NULL when it is no hex. */
static uint8_t *parse_hex(const char *text, size_t *out_size)
{
    const size_t size = strlen(text) / 2;
    uint8_t *bytes = weir_malloc(size == 0 ? 1 : size);
    for (size_t i = 0; bytes != NULL && i < size; i++) {
        const int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            weir_free(bytes);
            return NULL;
        }
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    *out_size = size;
    return bytes;
}

static enum weir_status decode(const struct weir_message_codec *codec, int16_t version,
                               struct weir_slice bytes, struct weir_arena *arena, void **out)
{
    struct weir_reader reader;
    void *message = weir_arena_calloc(arena, 1, codec->size);
    if (message == NULL)
        return WEIR_NO_MEMORY;
    weir_reader_init(&reader, bytes, arena);
    codec->read(&reader, version, message);
    weir_reader_finish(&reader);
    *out = message;
    return weir_reader_status(&reader);
}

static const char *check_frame(const struct weir_message_codec *codec, int16_t version,
                               struct weir_slice bytes, bool cut, struct weir_arena *arena)
{
    struct weir_buf again = {0};
    struct weir_writer writer;
    const char *complaint = NULL;
    void *message = NULL;
    weir_writer_init(&writer, &again);
    enum weir_status status = decode(codec, version, bytes, arena, &message);
    if (status != WEIR_OK) {
        complaint = weir_status_name(status);
        goto out;
    }
    codec->write(&writer, version, message);
    if (weir_writer_status(&writer) != WEIR_OK)
        complaint = "was not written";
    else if (!weir_slice_equal(weir_buf_slice(&again), bytes))
        complaint = "was written differently";
    for (size_t size = 0; cut && size < bytes.size && complaint == NULL; size++) {
        /* A copy of its own, so that a sanitizer sees the first byte read too many. */
        uint8_t *part = weir_malloc(size == 0 ? 1 : size);
        memcpy(part, bytes.data, size);
        if (decode(codec, version, weir_slice_of(part, size), arena, &message) == WEIR_OK)
            complaint = "was read from a part of it";
        weir_free(part);
    }
out:
    weir_writer_done(&writer);
    weir_buf_done(&again);
    return complaint;
}

/* Cuts the next word off the text: it gets a NUL, *text stands behind it.  Empty at the end. */
static const char *next_word(char **text)
{
    char *word = *text + strspn(*text, " \n");
    char *end = word + strcspn(word, " \n");
    *text = *end == '\0' ? end : end + 1;
    *end = '\0';
    return word;
}

/* The codec and version a line names, and its hex digits; NULL when there is none. */
static const struct weir_message_codec *parse_line(char *line, long *out_version,
                                                   const char **out_hex)
{
    const char *name = next_word(&line);
    const bool is_request = strcmp(name, "request") == 0;
    const struct weir_message_codec *codec = NULL;
    if (is_request || strcmp(name, "response") == 0) {
        const long key = strtol(next_word(&line), NULL, 10);
        const struct weir_api_spec *api = weir_api_find((int16_t)key);
        if (api != NULL)
            codec = is_request ? api->request : api->response;
    } else {
        codec = find_by_name(name);
    }
    *out_version = strtol(next_word(&line), NULL, 10);
    *out_hex = next_word(&line);
    return codec;
}

static void check_file(const char *path, struct tally *tally)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        tally->failures++;
        return;
    }
    struct weir_arena arena;
    weir_arena_init(&arena, (size_t)64 << 20);
    char *line = NULL;
    size_t capacity = 0;
    for (unsigned long number = 1; getline(&line, &capacity, file) >= 0; number++) {
        long version = 0;
        const char *hex = "", *complaint = "is not understood";
        const struct weir_message_codec *codec = parse_line(line, &version, &hex);
        size_t size = 0;
        uint8_t *bytes = codec == NULL ? NULL : parse_hex(hex, &size);
        if (bytes != NULL && version >= codec->version_min && version <= codec->version_max)
            complaint = check_frame(codec, (int16_t)version, weir_slice_of(bytes, size),
                                    number <= CUT_FRAMES_PER_FILE, &arena);
        weir_free(bytes);
        weir_arena_reset(&arena);
        tally->frames++;
        if (complaint != NULL && tally->failures++ < 20)
            fprintf(stderr, "%s:%lu: %s\n", path, number, complaint);
    }
    free(line);
    fclose(file);
    weir_arena_done(&arena);
}

static void check_path(const char *path, struct tally *tally)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        check_file(path, tally);
        return;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char file[PATH_BYTES];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        check_file(file, tally);
    }
    closedir(directory);
}

int main(int argc, char **argv)
{
    struct tally tally = {0, 0};
    for (int i = 1; i < argc; i++)
        check_path(argv[i], &tally);
    printf("%lu frames, %lu failures\n", tally.frames, tally.failures);
    return tally.failures == 0 && tally.frames > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
