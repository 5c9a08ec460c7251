/* SPDX-License-Identifier: Apache-2.0 */

/* What the arguments ask for. */

#include "weir/broker/cli.h"

#include "nearest_int.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

/* A mask of commands an option belongs to. */
#define FOR(command) (1u << (command))
#define FOR_FILES    (FOR(WEIR_CLI_DUMP) | FOR(WEIR_CLI_VERIFY))
#define FOR_CONFIG   (FOR(WEIR_CLI_SERVE) | FOR(WEIR_CLI_FORMAT) | FOR(WEIR_CLI_CHECK))

enum option_kind {
    OPTION_CONFIG,
    OPTION_OVERRIDE,
    OPTION_EPHEMERAL,
    OPTION_CLUSTER_ID,
    OPTION_IGNORE_FORMATTED,
    OPTION_STANDALONE,
    OPTION_FEATURE,
    OPTION_RECORDS,
    OPTION_TOPIC,
    OPTION_MAX_BYTES,
    OPTION_QUIET
};

static const struct option {
    const char *name;
    const char *short_name; /* as kafka-storage.sh has it; NULL: none */
    enum option_kind kind;
    unsigned commands;
    bool has_value;
} options[] = {
    {"--config", "-c", OPTION_CONFIG, FOR_CONFIG, true},
    {"--override", NULL, OPTION_OVERRIDE, FOR_CONFIG, true},
    {"--ephemeral", NULL, OPTION_EPHEMERAL, FOR(WEIR_CLI_SERVE), false},
    {"--cluster-id", "-t", OPTION_CLUSTER_ID, FOR(WEIR_CLI_FORMAT), true},
    {"--ignore-formatted", "-g", OPTION_IGNORE_FORMATTED, FOR(WEIR_CLI_FORMAT), false},
    {"--standalone", "-s", OPTION_STANDALONE, FOR(WEIR_CLI_FORMAT), false},
    {"--feature", "-f", OPTION_FEATURE, FOR(WEIR_CLI_FORMAT), true},
    {"--records", NULL, OPTION_RECORDS, FOR(WEIR_CLI_DUMP), false},
    {"--topic", NULL, OPTION_TOPIC, FOR(WEIR_CLI_DUMP), true},
    {"--max-bytes", NULL, OPTION_MAX_BYTES, FOR(WEIR_CLI_DUMP), true},
    {"--quiet", "-q", OPTION_QUIET, FOR(WEIR_CLI_VERIFY), false},
};

static const struct {
    const char *name;
    enum weir_cli_command command;
} commands[] = {
    {"serve", WEIR_CLI_SERVE},       {"format", WEIR_CLI_FORMAT}, {"check", WEIR_CLI_CHECK},
    {"dump", WEIR_CLI_DUMP},         {"verify", WEIR_CLI_VERIFY}, {"version", WEIR_CLI_VERSION},
    {"--version", WEIR_CLI_VERSION}, {"help", WEIR_CLI_HELP},     {"--help", WEIR_CLI_HELP},
    {"-h", WEIR_CLI_HELP},
};

static const char *command_name(enum weir_cli_command command)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(commands); i++) {
        if (commands[i].command == command)
            return commands[i].name;
    }
    return "";
}

struct arguments {
    int count;
    char *const *items;
    int next;
};

static enum weir_status unknown_command(const char *word, struct weir_detail *detail)
{
    struct nearest nearest;
    nearest_init(&nearest, weir_slice_str(word));
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(commands); i++) {
        if (commands[i].name[0] != '-')
            nearest_try(&nearest, commands[i].name);
    }
    if (strpbrk(word, "./") != NULL)
        weir_detail_set(detail, "'%s' is not a command; to serve with this file: weir serve %s",
                        word, word);
    else if (nearest.best != NULL)
        weir_detail_set(detail, "'%s' is not a command; the nearest one is '%s'", word,
                        nearest.best);
    else
        weir_detail_set(detail, "'%s' is not a command; weir --help lists them", word);
    return WEIR_INVALID;
}

static enum weir_status unknown_option(const struct weir_cli *cli, const char *word,
                                       struct weir_detail *detail)
{
    struct nearest nearest;
    nearest_init(&nearest, weir_slice_of(word, strcspn(word, "=")));
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(options); i++) {
        if ((options[i].commands & FOR(cli->command)) != 0)
            nearest_try(&nearest, options[i].name);
    }
    const char *command = command_name(cli->command);
    if (nearest.best != NULL)
        weir_detail_set(detail, "'%s' is not an option of '%s'; the nearest one is '%s'", word,
                        command, nearest.best);
    else
        weir_detail_set(detail, "'%s' is not an option of '%s'; weir --help lists them", word,
                        command);
    return WEIR_INVALID;
}

static const struct option *find_option(const struct weir_cli *cli, const char *word)
{
    size_t size = strcspn(word, "=");
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(options); i++) {
        const struct option *option = &options[i];
        bool is_long = strlen(option->name) == size && strncmp(option->name, word, size) == 0;
        bool is_short = option->short_name != NULL && strcmp(option->short_name, word) == 0;
        if ((is_long || is_short) && (option->commands & FOR(cli->command)) != 0)
            return option;
    }
    return NULL;
}

static enum weir_status set_file(struct weir_cli *cli, const char *file, struct weir_detail *detail)
{
    if (cli->file != NULL) {
        weir_detail_set(detail, "two files are given, '%s' and '%s'; there can be one", cli->file,
                        file);
        return WEIR_INVALID;
    }
    cli->file = file;
    return WEIR_OK;
}

/* NAME=LEVEL */
static enum weir_status add_feature(struct weir_cli *cli, const char *text,
                                    struct weir_detail *detail)
{
    struct weir_cli_feature *feature = &cli->features[cli->feature_count];
    const char *equals = strchr(text, '=');
    int64_t level = -1;
    size_t size = equals == NULL ? 0 : (size_t)(equals - text);
    if (size == 0 || size >= sizeof(feature->name) ||
        !weir_config_parse_i64(weir_slice_str(equals + 1), &level) || level < 0 ||
        level > INT16_MAX) {
        weir_detail_set(detail, "--feature needs NAME=LEVEL, not '%s'", text);
        return WEIR_INVALID;
    }
    memcpy(feature->name, text, size);
    feature->name[size] = '\0';
    feature->level = (int16_t)level;
    cli->feature_count++;
    return WEIR_OK;
}

static enum weir_status set_max_bytes(struct weir_cli *cli, const char *text,
                                      struct weir_detail *detail)
{
    int64_t bytes = 0;
    if (!weir_config_parse_i64(weir_slice_str(text), &bytes) || bytes < 1 || bytes > INT32_MAX) {
        weir_detail_set(detail, "--max-bytes needs a number above 0, not '%s'", text);
        return WEIR_INVALID;
    }
    cli->text_bytes_max = (size_t)bytes;
    return WEIR_OK;
}

static enum weir_status apply_option(struct weir_cli *cli, const struct option *option,
                                     const char *value, struct weir_detail *detail)
{
    switch (option->kind) {
    case OPTION_CONFIG:
        return set_file(cli, value, detail);
    case OPTION_OVERRIDE:
        cli->overrides[cli->override_count++] = value;
        return WEIR_OK;
    case OPTION_EPHEMERAL:
        cli->is_ephemeral = true;
        return WEIR_OK;
    case OPTION_CLUSTER_ID:
        cli->cluster_id = value;
        return WEIR_OK;
    case OPTION_IGNORE_FORMATTED:
        cli->ignore_formatted = true;
        return WEIR_OK;
    case OPTION_STANDALONE:
        cli->is_standalone = true;
        return WEIR_OK;
    case OPTION_FEATURE:
        WEIR_ASSERT(value != NULL); /* the table gives it one */
        return add_feature(cli, value, detail);
    case OPTION_RECORDS:
        cli->with_records = true;
        return WEIR_OK;
    case OPTION_TOPIC:
        cli->topic = value;
        return WEIR_OK;
    case OPTION_MAX_BYTES:
        WEIR_ASSERT(value != NULL);
        return set_max_bytes(cli, value, detail);
    case OPTION_QUIET:
        cli->is_quiet = true;
        return WEIR_OK;
    }
    WEIR_UNREACHABLE();
}

static enum weir_status parse_option(struct weir_cli *cli, struct arguments *arguments,
                                     struct weir_detail *detail)
{
    const char *word = arguments->items[arguments->next++];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        cli->command = WEIR_CLI_HELP;
        return WEIR_OK;
    }
    const struct option *option = find_option(cli, word);
    if (option == NULL)
        return unknown_option(cli, word, detail);
    const char *equals = strchr(word, '=');
    const char *value = equals == NULL ? NULL : equals + 1;
    if (!option->has_value && value != NULL) {
        weir_detail_set(detail, "%s takes no value", option->name);
        return WEIR_INVALID;
    }
    if (option->has_value && value == NULL) {
        if (arguments->next >= arguments->count) {
            weir_detail_set(detail, "%s needs a value", option->name);
            return WEIR_INVALID;
        }
        value = arguments->items[arguments->next++];
    }
    return apply_option(cli, option, value, detail);
}

/* Without a command weir serves, also when the first word is an option. */
static enum weir_status parse_command(struct weir_cli *cli, struct arguments *arguments,
                                      struct weir_detail *detail)
{
    if (arguments->next >= arguments->count)
        return WEIR_OK;
    const char *word = arguments->items[arguments->next];
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(commands); i++) {
        if (strcmp(commands[i].name, word) == 0) {
            cli->command = commands[i].command;
            arguments->next++;
            return WEIR_OK;
        }
    }
    return word[0] == '-' ? WEIR_OK : unknown_command(word, detail);
}

/* A word that is no option. */
static enum weir_status take_word(struct weir_cli *cli, const char *word,
                                  struct weir_detail *detail)
{
    if ((FOR(cli->command) & FOR_CONFIG) != 0)
        return set_file(cli, word, detail);
    if (cli->command == WEIR_CLI_VERIFY && cli->input_count > 0) {
        weir_detail_set(detail, "two directories are given, '%s' and '%s'; there can be one",
                        cli->inputs[0], word);
        return WEIR_INVALID;
    }
    cli->inputs[cli->input_count++] = word;
    return WEIR_OK;
}

static enum weir_status check_needs(const struct weir_cli *cli, struct weir_detail *detail)
{
    const char *missing = NULL;
    if (cli->command == WEIR_CLI_FORMAT && cli->file == NULL)
        missing = "format needs --config FILE";
    else if (cli->command == WEIR_CLI_DUMP && cli->input_count == 0)
        missing = "dump needs a file";
    else if (cli->command == WEIR_CLI_VERIFY && cli->input_count == 0)
        missing = "verify needs a directory";
    if (missing == NULL)
        return WEIR_OK;
    weir_detail_set(detail, "%s", missing);
    return WEIR_INVALID;
}

static enum weir_status parse(struct weir_cli *cli, struct arguments *arguments,
                              struct weir_detail *detail)
{
    enum weir_status status = parse_command(cli, arguments, detail);
    while (status == WEIR_OK && arguments->next < arguments->count) {
        const char *word = arguments->items[arguments->next];
        if ((FOR(cli->command) & (FOR_CONFIG | FOR_FILES)) == 0)
            break; /* --help and --version answer whatever else is said */
        if (word[0] == '-') {
            status = parse_option(cli, arguments, detail);
        } else {
            arguments->next++;
            status = take_word(cli, word, detail);
        }
    }
    return status == WEIR_OK ? check_needs(cli, detail) : status;
}

enum weir_status weir_cli_parse(int argc, char *const *argv, struct weir_cli *out,
                                struct weir_detail *detail)
{
    size_t count = argc < 1 ? 1 : (size_t)argc;
    struct weir_cli cli = {.command = WEIR_CLI_SERVE};
    cli.overrides = weir_calloc(count, sizeof(*cli.overrides));
    cli.features = weir_calloc(count, sizeof(*cli.features));
    cli.inputs = weir_calloc(count, sizeof(*cli.inputs));
    enum weir_status status = WEIR_NO_MEMORY;
    if (cli.overrides != NULL && cli.features != NULL && cli.inputs != NULL) {
        struct arguments arguments = {.count = argc, .items = argv, .next = 1};
        status = parse(&cli, &arguments, detail);
    }
    if (status != WEIR_OK) {
        weir_cli_done(&cli);
        return status;
    }
    *out = cli;
    return WEIR_OK;
}

void weir_cli_done(struct weir_cli *cli)
{
    weir_free(cli->overrides);
    weir_free(cli->features);
    weir_free(cli->inputs);
    *cli = (struct weir_cli){0};
}
