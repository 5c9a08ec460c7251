/* SPDX-License-Identifier: Apache-2.0 */

/* The sentences a config check ends with. */

#include "config_int.h"

#include "weir/base/memory.h"

#include <stdarg.h>
#include <stdio.h>

/* A file of garbage shall not fill the memory with sentences about it. */
#define REMARKS_MAX      200
#define REMARK_BYTES_MAX 1024

void weir_config_remarks_init(struct weir_config_remarks *remarks)
{
    *remarks = (struct weir_config_remarks){0};
    weir_arena_init(&remarks->arena, (size_t)1 << 20);
}

void weir_config_remarks_done(struct weir_config_remarks *remarks)
{
    weir_free(remarks->items);
    weir_arena_done(&remarks->arena);
    *remarks = (struct weir_config_remarks){0};
}

/* Text from a file may hold anything; a sentence is one printable line. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

static bool append(struct weir_config_remarks *remarks, enum weir_config_remark_kind kind,
                   const char *sentence)
{
    struct weir_config_remark *items =
        weir_grow(remarks->items, &remarks->capacity, remarks->count + 1, sizeof(*remarks->items));
    if (items == NULL)
        return false;
    remarks->items = items;
    struct weir_slice text = weir_arena_printf(&remarks->arena, "%s", sentence);
    if (weir_slice_is_null(text))
        return false;
    items[remarks->count++] = (struct weir_config_remark){kind, (const char *)text.data};
    return true;
}

void config_remark(struct config_loader *loader, enum weir_config_remark_kind kind,
                   const char *format, ...)
{
    struct weir_config_remarks *remarks = loader->remarks;
    if (kind == WEIR_CONFIG_PROBLEM)
        remarks->problem_count++;
    if (remarks->count > REMARKS_MAX)
        return;
    if (remarks->count == REMARKS_MAX) {
        if (!append(remarks, kind, "There is more to say, but this is enough for now."))
            loader->is_out_of_memory = true;
        return;
    }
    char sentence[REMARK_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments); /* cut when too long */
    va_end(arguments);
    make_printable(sentence);
    if (!append(remarks, kind, sentence))
        loader->is_out_of_memory = true;
}

void weir_config_log_remarks(const struct weir_log *log, const struct weir_config_remarks *remarks)
{
    for (size_t i = 0; i < remarks->count; i++) {
        switch (remarks->items[i].kind) {
        case WEIR_CONFIG_PROBLEM:
            WEIR_LOG_ERROR(log, "config_problem", WEIR_STR("text", remarks->items[i].text));
            break;
        case WEIR_CONFIG_WARNING:
            WEIR_LOG_WARN(log, "config_warning", WEIR_STR("text", remarks->items[i].text));
            break;
        case WEIR_CONFIG_NOTICE:
            WEIR_LOG_INFO(log, "config_notice", WEIR_STR("text", remarks->items[i].text));
            break;
        }
    }
}
