/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Values of configuration keys: parsing, checking, printing, all as Apache Kafka's ConfigDef does,
 * with its words. The rule of a key is the text that Kafka documents it with: "[0,...]", "[1,...,9]
 * or -1", "[compact, delete]",
 * "(case insensitive) [a, b]", "non-empty string" and so on.
 */

#include "weir/metadata/config_defs.h"

#include "weir/base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool is_blank(uint8_t c)
{
    return c <= ' ';
}

static struct weir_slice trim(struct weir_slice text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

static bool is_word(struct weir_slice text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

bool weir_config_parse_bool(struct weir_slice text, bool *out)
{
    struct weir_slice trimmed = trim(text);
    bool is_true = is_word(trimmed, "true");
    if (!is_true && !is_word(trimmed, "false"))
        return false;
    *out = is_true;
    return true;
}

bool weir_config_parse_i64(struct weir_slice text, int64_t *out)
{
    struct weir_slice digits = trim(text);
    bool is_negative = false;
    if (digits.size > 0 && (digits.data[0] == '-' || digits.data[0] == '+')) {
        is_negative = digits.data[0] == '-';
        digits.data++;
        digits.size--;
    }
    if (digits.size == 0)
        return false;
    int64_t value = 0; /* kept negative, whose range is the larger one */
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' ||
            __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digits.data[i] - '0', &value))
            return false;
    }
    if (!is_negative && value == INT64_MIN)
        return false;
    *out = is_negative ? value : -value;
    return true;
}

bool weir_config_parse_f64(struct weir_slice text, double *out)
{
    struct weir_slice trimmed = trim(text);
    char copy[512];
    if (trimmed.size == 0 || trimmed.size >= sizeof(copy))
        return false;
    for (size_t i = 0; i < trimmed.size; i++) {
        if (strchr("+-.0123456789eE", trimmed.data[i]) == NULL)
            return false;
        copy[i] = (char)trimmed.data[i];
    }
    copy[trimmed.size] = '\0';
    char *end;
    double value = strtod(copy, &end);
    if (*end != '\0')
        return false;
    *out = value;
    return true;
}

bool weir_config_list_next(struct weir_slice *rest, struct weir_slice *out)
{
    if (rest->size == 0)
        return false;
    const uint8_t *comma = rest->size == 0 ? NULL : memchr(rest->data, ',', rest->size);
    size_t size = comma == NULL ? rest->size : (size_t)(comma - rest->data);
    *out = trim(weir_slice_of(rest->data, size));
    size_t taken = comma == NULL ? size : size + 1;
    *rest = weir_slice_of(rest->data + taken, rest->size - taken);
    return true;
}

static enum weir_status invalid(const struct weir_config_def *def, struct weir_slice value,
                                struct weir_detail *detail, const char *why)
{
    if (def->is_sensitive)
        weir_detail_set(detail, "Invalid value [hidden] for configuration %s: %s", def->name, why);
    else if (value.data == NULL)
        weir_detail_set(detail, "Invalid value null for configuration %s: %s", def->name, why);
    else
        weir_detail_set(detail, "Invalid value %.*s for configuration %s: %s",
                        WEIR_SLICE_ARGS(value), def->name, why);
    return WEIR_INVALID_CONFIG;
}

#define DOUBLE_TEXT_BYTES 64

/* Java's Double.toString: the shortest digits that read back, always with a point. */
static void print_double(double value, char out[DOUBLE_TEXT_BYTES])
{
    char digits[40];
    double size = fabs(value);
    bool is_plain = value == 0 || (size >= 1e-3 && size < 1e7);
    for (int count = 1; count <= 17; count++) {
        (void)snprintf(digits, sizeof(digits), "%.*e", count - 1, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    char *exponent = strchr(digits, 'e');
    if (exponent == NULL) { /* infinity */
        (void)snprintf(out, DOUBLE_TEXT_BYTES, "%s", digits);
        return;
    }
    int power = (int)strtol(exponent + 1, NULL, 10);
    *exponent = '\0';
    size_t significant = strlen(digits) - (digits[0] == '-') - (strchr(digits, '.') != NULL);
    if (is_plain) {
        int decimals = (int)significant - 1 - power;
        (void)snprintf(out, DOUBLE_TEXT_BYTES, "%.*f", decimals < 1 ? 1 : decimals, value);
    } else {
        (void)snprintf(out, DOUBLE_TEXT_BYTES, "%s%sE%d", digits,
                       strchr(digits, '.') == NULL ? ".0" : "", power);
    }
}

/* ---- Rules for numbers: "[low,...]", "[low,...,high]", with " or x" behind it ---- */

static enum weir_status check_range(const struct weir_config_def *def, struct weir_slice value,
                                    double number, struct weir_detail *detail)
{
    const char *rule = def->valid;
    if (rule[0] != '[')
        return WEIR_OK;
    const char *exception = strstr(rule, " or ");
    if (exception != NULL && number == strtod(exception + strlen(" or "), NULL))
        return WEIR_OK;
    char *end;
    double low = strtod(rule + 1, &end);
    const char *upper = strstr(rule, "...,");
    bool has_upper = upper != NULL && upper[strlen("...,")] != '\0';
    upper = has_upper ? upper + strlen("...,") : NULL;
    char why[128];
    if (exception != NULL && has_upper && (number < low || number > strtod(upper, &end))) {
        (void)snprintf(why, sizeof(why), "Value must be between %g and %g or equal to %s", low,
                       strtod(upper, NULL), exception + strlen(" or "));
        return invalid(def, value, detail, why);
    }
    if (number < low) {
        (void)snprintf(why, sizeof(why), "Value must be at least %.*s", (int)(end - rule - 1),
                       rule + 1);
        return invalid(def, value, detail, why);
    }
    if (upper == NULL)
        return WEIR_OK;
    double high = strtod(upper, &end);
    if (number > high) {
        (void)snprintf(why, sizeof(why), "Value must be no more than %.*s", (int)(end - upper),
                       upper);
        return invalid(def, value, detail, why);
    }
    return WEIR_OK;
}

/* The value in the message is the parsed one: 2 becomes 2.0. */
static enum weir_status check_double(const struct weir_config_def *def, double number,
                                     struct weir_detail *detail)
{
    char text[DOUBLE_TEXT_BYTES];
    print_double(number, text);
    return check_range(def, weir_slice_str(text), number, detail);
}

static enum weir_status check_integer(const struct weir_config_def *def, struct weir_slice value,
                                      int64_t low, int64_t high, const char *type,
                                      struct weir_detail *detail)
{
    int64_t number;
    if (!weir_config_parse_i64(value, &number) || number < low || number > high) {
        char why[64];
        (void)snprintf(why, sizeof(why), "Not a number of type %s", type);
        return invalid(def, value, detail, why);
    }
    /* Bounds are small numbers, so a double tells on which side of them a long is. */
    return check_range(def, value, (double)number, detail);
}

/* ---- Rules for texts: "[a, b]", "(case insensitive) [A, B]", "non-empty string" ---- */

static bool is_listed(const char *choices, struct weir_slice value, bool ignore_case)
{
    struct weir_slice rest = weir_slice_of(choices, strcspn(choices, "]"));
    struct weir_slice choice;
    while (weir_config_list_next(&rest, &choice)) {
        if (weir_slice_equal(choice, value) ||
            (ignore_case && choice.size == value.size &&
             strncasecmp((const char *)choice.data, (const char *)value.data, value.size) == 0))
            return true;
    }
    return false;
}

/* P[nD][T[nH][nM][n.nS]], as Java's Duration reads it, not negative. */
static bool is_duration(struct weir_slice text)
{
    size_t i = 0;
    if (i >= text.size || (text.data[i] != 'P' && text.data[i] != 'p'))
        return false;
    i++;
    const char *units = "Dd";
    bool in_time = false;
    bool has_part = false;
    while (i < text.size) {
        if (!in_time && (text.data[i] == 'T' || text.data[i] == 't')) {
            in_time = true;
            units = "HhMmSs";
            has_part = false;
            i++;
            continue;
        }
        size_t digits = 0;
        while (i < text.size &&
               ((text.data[i] >= '0' && text.data[i] <= '9') || (in_time && text.data[i] == '.'))) {
            i++;
            digits++;
        }
        if (digits == 0 || i == text.size)
            return false;
        const char *unit = strchr(units, text.data[i]);
        if (unit == NULL || text.data[i] == '\0')
            return false;
        units = unit + 1 + (((unit - units) % 2) == 0 ? 1 : 0); /* units come in falling order */
        has_part = true;
        i++;
    }
    return has_part;
}

static enum weir_status check_choice(const struct weir_config_def *def, struct weir_slice whole,
                                     struct weir_slice value, struct weir_detail *detail)
{
    bool ignore_case =
        strncmp(def->valid, "(case insensitive) [", strlen("(case insensitive) [")) == 0;
    if (def->valid[0] != '[' && !ignore_case)
        return WEIR_OK;
    const char *choices = strchr(def->valid, '[') + 1;
    static const char by_duration[] = "by_duration:";
    if (strstr(choices, by_duration) != NULL && value.size > sizeof(by_duration) - 1 &&
        strncasecmp((const char *)value.data, by_duration, sizeof(by_duration) - 1) == 0 &&
        is_duration(weir_slice_of(value.data + sizeof(by_duration) - 1,
                                  value.size - sizeof(by_duration) + 1)))
        return WEIR_OK;
    if (is_listed(choices, value, ignore_case))
        return WEIR_OK;
    char why[256];
    if (strstr(choices, by_duration) != NULL) {
        (void)snprintf(why, sizeof(why),
                       "Invalid value `%.*s` for configuration %s. The value must be either "
                       "'earliest', 'latest' or of "
                       "the format 'by_duration:<PnDTnHnMn.nS>'.",
                       WEIR_SLICE_ARGS(value), def->name);
        return invalid(def, whole, detail, why);
    }
    (void)snprintf(why, sizeof(why), "String must be one of%s: %.*s",
                   ignore_case ? " (case insensitive)" : "", (int)strcspn(choices, "]"), choices);
    return invalid(def, whole, detail, why);
}

static enum weir_status check_string(const struct weir_config_def *def, struct weir_slice value,
                                     struct weir_detail *detail)
{
    if (strcmp(def->valid, "non-empty string") == 0 && value.size == 0)
        return invalid(def, value, detail, "String must be non-empty");
    return check_choice(def, value, value, detail);
}

/* "*", or partition:broker pairs. */
static bool is_throttle_entry(struct weir_slice entry)
{
    const uint8_t *colon = memchr(entry.data, ':', entry.size);
    if (colon == NULL)
        return false;
    size_t left = (size_t)(colon - entry.data);
    for (size_t i = 0; i < entry.size; i++) {
        if (i != left && (entry.data[i] < '0' || entry.data[i] > '9'))
            return false;
    }
    return left > 0 && left + 1 < entry.size;
}

static enum weir_status check_throttle_list(const struct weir_config_def *def,
                                            struct weir_slice value, struct weir_detail *detail)
{
    struct weir_slice rest = value;
    struct weir_slice entry;
    if (weir_slice_is(trim(value), "*") || trim(value).size == 0)
        return WEIR_OK;
    while (weir_config_list_next(&rest, &entry)) {
        if (is_throttle_entry(entry))
            continue;
        weir_detail_set(
            detail,
            "Invalid value [%.*s] for configuration %s: %s must be the literal '*' or a list of "
            "replicas in "
            "the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
            WEIR_SLICE_ARGS(trim(value)), def->name, def->name);
        return WEIR_INVALID_CONFIG;
    }
    return WEIR_OK;
}

static enum weir_status check_list(const struct weir_config_def *def, struct weir_slice value,
                                   struct weir_detail *detail)
{
    if (strncmp(def->valid, "[partitionId]", strlen("[partitionId]")) == 0)
        return check_throttle_list(def, value, detail);
    struct weir_slice trimmed = trim(value);
    if (trimmed.size == 0) {
        if (strcmp(def->valid, "non-empty list") != 0)
            return WEIR_OK;
        return invalid(
            def, value, detail,
            "At least one valid string must be provided when empty values are not allowed");
    }
    struct weir_slice rest = trimmed;
    struct weir_slice entry;
    while (weir_config_list_next(&rest, &entry)) {
        bool ends_with_comma = rest.size == 0 && trimmed.data[trimmed.size - 1] == ',';
        if (entry.size == 0 || ends_with_comma) {
            weir_detail_set(detail, "Configuration '%s' values must not be empty.", def->name);
            return WEIR_INVALID_CONFIG;
        }
        enum weir_status status = check_choice(def, entry, entry, detail);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

enum weir_status weir_config_validate(const struct weir_config_def *def, struct weir_slice value,
                                      struct weir_detail *detail)
{
    if (value.data == NULL) {
        if (def->is_required || (def->valid[0] == '[' && def->default_text != NULL))
            return invalid(def, value, detail, "Value must be non-null");
        return WEIR_OK;
    }
    bool is_true;
    double number;
    switch (def->type) {
    case WEIR_CONFIG_TYPE_BOOLEAN:
        if (!weir_config_parse_bool(value, &is_true))
            return invalid(def, value, detail, "Expected value to be either true or false");
        return WEIR_OK;
    case WEIR_CONFIG_TYPE_INT:
        return check_integer(def, value, INT32_MIN, INT32_MAX, "INT", detail);
    case WEIR_CONFIG_TYPE_SHORT:
        return check_integer(def, value, INT16_MIN, INT16_MAX, "SHORT", detail);
    case WEIR_CONFIG_TYPE_LONG:
        return check_integer(def, value, INT64_MIN, INT64_MAX, "LONG", detail);
    case WEIR_CONFIG_TYPE_DOUBLE:
        if (!weir_config_parse_f64(value, &number))
            return invalid(def, value, detail, "Not a number of type DOUBLE");
        return check_double(def, number, detail);
    case WEIR_CONFIG_TYPE_LIST:
        return check_list(def, value, detail);
    case WEIR_CONFIG_TYPE_STRING:
        return check_string(def, trim(value), detail);
    case WEIR_CONFIG_TYPE_CLASS:
    case WEIR_CONFIG_TYPE_PASSWORD:
    case WEIR_CONFIG_TYPE_UNKNOWN:
        return WEIR_OK;
    }
    return WEIR_OK;
}

static bool is_in_list(struct weir_slice list, struct weir_slice wanted)
{
    struct weir_slice entry;
    while (weir_config_list_next(&list, &entry)) {
        if (weir_slice_equal(entry, wanted))
            return true;
    }
    return false;
}

/* Without blanks, and each element once: since 4.1 Kafka drops repeated ones when it parses. */
static struct weir_slice print_list(struct weir_slice value, struct weir_arena *arena)
{
    struct weir_slice rest = trim(value);
    uint8_t *text = weir_arena_alloc(arena, rest.size);
    if (text == NULL)
        return value;
    size_t size = 0;
    struct weir_slice entry;
    while (weir_config_list_next(&rest, &entry)) {
        if (is_in_list(weir_slice_of(text, size), entry))
            continue;
        if (size > 0)
            text[size++] = ',';
        if (entry.size > 0)
            memcpy(text + size, entry.data, entry.size);
        size += entry.size;
    }
    return weir_slice_of(text, size);
}

struct weir_slice weir_config_canonical(const struct weir_config_def *def, struct weir_slice value,
                                        struct weir_arena *arena)
{
    if (value.data == NULL)
        return value;
    bool is_true;
    int64_t integer;
    double number;
    struct weir_slice printed = WEIR_NULL_SLICE;
    switch (def->type) {
    case WEIR_CONFIG_TYPE_BOOLEAN:
        if (weir_config_parse_bool(value, &is_true))
            printed = is_true ? WEIR_SLICE("true") : WEIR_SLICE("false");
        break;
    case WEIR_CONFIG_TYPE_INT:
    case WEIR_CONFIG_TYPE_SHORT:
    case WEIR_CONFIG_TYPE_LONG:
        if (weir_config_parse_i64(value, &integer))
            printed = weir_arena_printf(arena, "%" PRId64, integer);
        break;
    case WEIR_CONFIG_TYPE_DOUBLE:
        if (weir_config_parse_f64(value, &number)) {
            char text[DOUBLE_TEXT_BYTES];
            print_double(number, text);
            printed = weir_arena_printf(arena, "%s", text);
        }
        break;
    case WEIR_CONFIG_TYPE_LIST:
        printed = print_list(value, arena);
        break;
    case WEIR_CONFIG_TYPE_STRING:
    case WEIR_CONFIG_TYPE_CLASS:
        printed = trim(value);
        break;
    case WEIR_CONFIG_TYPE_PASSWORD:
    case WEIR_CONFIG_TYPE_UNKNOWN:
        break;
    }
    return printed.data == NULL ? value : printed;
}
