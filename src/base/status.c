/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *weir_status_name(enum weir_status status)
{
    static const char *const names[WEIR_STATUS_COUNT] = {
#define X(name) [WEIR_##name] = #name,
        WEIR_STATUS_LIST(X)
#undef X
    };
    if ((unsigned)status >= WEIR_STATUS_COUNT)
        return "UNKNOWN_STATUS";
    return names[status];
}

void weir_detail_set(struct weir_detail *detail, const char *format, ...)
{
    if (detail == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail->text, sizeof(detail->text), format, arguments); /* cut is fine */
    va_end(arguments);
}

void weir_detail_prefix(struct weir_detail *detail, const char *format, ...)
{
    if (detail == NULL)
        return;
    char old[WEIR_DETAIL_BYTES];
    memcpy(old, detail->text, sizeof(old));
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(detail->text, sizeof(detail->text), format, arguments);
    va_end(arguments);
    if (used < 0 || (size_t)used >= sizeof(detail->text))
        return;
    (void)snprintf(detail->text + used, sizeof(detail->text) - (size_t)used, ": %s", old);
}

static enum weir_status status_of_errno(int saved_errno)
{
    switch (saved_errno) {
    case ENOSPC:
    case EDQUOT:
        return WEIR_NO_SPACE;
    case ENOENT:
    case ENOTDIR:
        return WEIR_NOT_FOUND;
    case EEXIST:
        return WEIR_EXISTS;
    case EBUSY:
    case EADDRINUSE:
        return WEIR_BUSY;
    case ENOMEM:
        return WEIR_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return WEIR_LIMIT; /* of open files; says nothing of the file */
    case EOPNOTSUPP:
    case ENOSYS:
        return WEIR_UNSUPPORTED;
    default:
        return WEIR_IO_ERROR;
    }
}

enum weir_status weir_detail_errno(struct weir_detail *detail, int saved_errno, const char *format,
                                   ...)
{
    if (detail != NULL) {
        va_list arguments;
        va_start(arguments, format);
        int used = vsnprintf(detail->text, sizeof(detail->text), format, arguments);
        va_end(arguments);
        char reason[128];
        const char *text = strerror_r(saved_errno, reason, sizeof(reason));
        if (used >= 0 && (size_t)used < sizeof(detail->text))
            (void)snprintf(detail->text + used, sizeof(detail->text) - (size_t)used, ": %s", text);
    }
    return status_of_errno(saved_errno);
}
