/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of its corpus, each once as it is, cut in half and with one
 * byte changed at 16 places: so that targets are built and their corpora pass in every build,
 * without libFuzzer.
 *
 *     replay DIRECTORY...
 */

#include "weir/base/memory.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGED_PLACES = 16, PATH_BYTES = 1024 };

/* From memory of exactly this size, so that a sanitizer sees each byte read too many. */
static void run(const uint8_t *data, size_t size, size_t changed)
{
    uint8_t *copy = weir_malloc(size == 0 ? 1 : size);
    if (copy == NULL)
        abort();
    if (size != 0)
        memcpy(copy, data, size);
    if (changed < size)
        copy[changed] = (uint8_t)(copy[changed] ^ (0x81 + changed * 7));
    (void)LLVMFuzzerTestOneInput(copy, size);
    weir_free(copy);
}

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        if (file != NULL)
            fclose(file);
        return -1;
    }
    const long end = ftell(file);
    const size_t size = end < 0 ? 0 : (size_t)end;
    uint8_t *data = weir_malloc(size == 0 ? 1 : size);
    rewind(file);
    const int result = data != NULL && fread(data, 1, size, file) == size ? 0 : -1;
    if (result == 0) {
        run(data, size, SIZE_MAX);
        run(data, size / 2, SIZE_MAX);
        for (size_t i = 0; i < CHANGED_PLACES && size > 0; i++)
            run(data, size, i * size / CHANGED_PLACES);
    }
    weir_free(data);
    fclose(file);
    return result;
}

int main(int argc, char **argv)
{
    unsigned long files = 0;
    int result = EXIT_SUCCESS;
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        if (directory == NULL) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
            char path[PATH_BYTES];
            if (entry->d_name[0] == '.')
                continue;
            (void)snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            if (replay(path) != 0)
                result = EXIT_FAILURE;
            files++;
        }
        closedir(directory);
    }
    printf("%lu inputs\n", files);
    return result;
}
