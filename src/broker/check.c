/* SPDX-License-Identifier: Apache-2.0 */

/* `weir check` and `weir format`: the commands that end by themselves. */

#include "weir/broker/cli.h"

#include "weir/base/memory.h"
#include "weir/quorum/format.h"

static void append_remarks(struct weir_buf *out, const struct weir_config_remarks *remarks,
                           enum weir_config_remark_kind kind, const char *prefix)
{
    for (size_t i = 0; i < remarks->count; i++) {
        if (remarks->items[i].kind == kind)
            weir_buf_printf(out, "%s%s\n", prefix, remarks->items[i].text);
    }
}

/* Problems and, when there are none, warnings; notices are for the log of a running broker. */
static int report(enum weir_status status, const struct weir_config_remarks *remarks,
                  struct weir_buf *out)
{
    if (status == WEIR_OK)
        return WEIR_EXIT_OK;
    if (status == WEIR_INVALID_CONFIG) {
        append_remarks(out, remarks, WEIR_CONFIG_PROBLEM, "");
        return WEIR_EXIT_USAGE;
    }
    weir_buf_printf(out, "The settings could not be checked: %s.\n", weir_status_name(status));
    return WEIR_EXIT_FAILURE;
}

int weir_check_run(const struct weir_config_options *options, struct weir_buf *out)
{
    struct weir_config_remarks remarks;
    struct weir_config *config = NULL;
    weir_config_remarks_init(&remarks);
    enum weir_status status = weir_config_load(options, &config, &remarks);
    int code = report(status, &remarks, out);
    if (code == WEIR_EXIT_OK) {
        append_remarks(out, &remarks, WEIR_CONFIG_WARNING, "Warning: ");
        weir_buf_append_str(out, "ok\n");
    }
    weir_config_free(config);
    weir_config_remarks_done(&remarks);
    return code;
}

static enum weir_status run_format(const struct weir_cli *cli, const struct weir_config *config,
                                   struct weir_env *env, char out_cluster_id[64],
                                   struct weir_detail *detail)
{
    struct weir_format_feature *features = weir_calloc(cli->feature_count + 1, sizeof(*features));
    if (features == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < cli->feature_count; i++)
        features[i] = (struct weir_format_feature){cli->features[i].name, cli->features[i].level};
    struct weir_format_options options = {
        .log_dirs = config->log_dirs,
        .log_dir_count = config->log_dir_count,
        .metadata_dir = config->metadata_log_dir,
        .node_id = config->node_id,
        .cluster_id = cli->cluster_id != NULL ? cli->cluster_id : config->cluster_id,
        .features = features,
        .feature_count = cli->feature_count,
        .ignore_formatted = cli->ignore_formatted,
    };
    enum weir_status status = WEIR_OK;
    if (cli->is_standalone && config->controller_listener_count == 0) {
        weir_detail_set(detail, "--standalone needs a controller listener in the file");
        status = WEIR_INVALID;
    } else if (cli->is_standalone) {
        const struct weir_config_listener *listener = &config->controller_listeners[0];
        options.controller_listener = listener->name;
        options.controller_host = listener->host[0] == '\0' ? "localhost" : listener->host;
        options.controller_port = listener->port;
    }
    if (status == WEIR_OK)
        status = weir_format(env, &options, out_cluster_id, detail);
    weir_free(features);
    return status;
}

int weir_format_run(const struct weir_cli *cli, const struct weir_config_options *options,
                    struct weir_buf *out)
{
    struct weir_config_remarks remarks;
    struct weir_config *config = NULL;
    weir_config_remarks_init(&remarks);
    enum weir_status status = weir_config_load(options, &config, &remarks);
    int code = report(status, &remarks, out);
    if (code == WEIR_EXIT_OK) {
        struct weir_detail detail = {{0}};
        char cluster_id[64];
        status = run_format(cli, config, options->env, cluster_id, &detail);
        if (status == WEIR_OK) {
            for (size_t i = 0; i < config->log_dir_count; i++)
                weir_buf_printf(out, "%s is formatted for node %d of cluster %s.\n",
                                config->log_dirs[i], (int)config->node_id, cluster_id);
        } else {
            weir_buf_printf(out, "%s\n",
                            detail.text[0] != '\0' ? detail.text : weir_status_name(status));
            code = WEIR_EXIT_FAILURE;
        }
    }
    weir_config_free(config);
    weir_config_remarks_done(&remarks);
    return code;
}
