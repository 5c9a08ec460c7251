/* SPDX-License-Identifier: Apache-2.0 */

/* The texts of --help and --version. */

#include "weir/broker/cli.h"

const char *weir_cli_version(void)
{
    return "weir " WEIR_VERSION " (Apache Kafka 4.3.0)";
}

const char *weir_cli_help(void)
{
    return "weir - an Apache Kafka compatible broker\n"
           "\n"
           "  weir                          serve on port 9092, data in ./data\n"
           "  weir serve [FILE] [options]   serve, with the settings of a server.properties\n"
           "  weir check [FILE] [options]   check the settings: \"ok\", or a sentence for each "
           "problem\n"
           "  weir format --config FILE [options]\n"
           "                                prepare the log directories, as kafka-storage.sh "
           "format does\n"
           "                                (serve does this by itself for directories that are "
           "empty)\n"
           "  weir --version\n"
           "  weir --help\n"
           "\n"
           "Options of serve, check and format:\n"
           "  --config FILE                 another way to name the file\n"
           "  --override KEY=VALUE          set one key; may be repeated\n"
           "\n"
           "Options of serve:\n"
           "  --ephemeral                   a broker for a test: temporary directory, a free port "
           "of 127.0.0.1;\n"
           "                                it ends with the process that started it and leaves "
           "nothing behind\n"
           "\n"
           "Options of format:\n"
           "  --cluster-id ID               the cluster's id; a random one when it is not given\n"
           "  --ignore-formatted            leave directories as they are that are formatted "
           "already\n"
           "  --standalone                  a quorum whose voters may change, with this node as "
           "the first\n"
           "  --feature NAME=LEVEL          begin with another level of a feature; may be "
           "repeated\n"
           "\n"
           "Settings have Kafka's names and defaults.  A key can also be set by an environment "
           "variable: WEIR_LOG_DIRS\n"
           "is log.dirs ('_' for '.', '__' for '_', '___' for '-').  The file is weakest, then the "
           "environment, then\n"
           "--override.  With weir.port.file=PATH the ports that were opened are written to PATH.\n"
           "\n"
           "Exit codes: 0 stopped cleanly, 1 failed, 2 the command line or the settings are "
           "wrong.\n";
}
