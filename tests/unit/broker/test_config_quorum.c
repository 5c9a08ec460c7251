/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

/* What the server.properties that Apache Kafka 4 comes with sets. */
#define STOCK                                                                                      \
    "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:"   \
    "9093\n"                                                                                       \
    "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n"       \
    "advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"                \
    "controller.listener.names=CONTROLLER\n"                                                       \
    "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,"             \
    "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n"                                            \
    "num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\nsocket.receive."    \
    "buffer.bytes=102400\n"                                                                        \
    "socket.request.max.bytes=104857600\nlog.dirs=/tmp/kraft-combined-logs\nnum.partitions=1\n"    \
    "num.recovery.threads.per.data.dir=2\noffsets.topic.replication.factor=1\n"                    \
    "share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr="   \
    "1\n"                                                                                          \
    "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\nlog.retention."  \
    "hours=168\n"                                                                                  \
    "log.segment.bytes=1073741824\nlog.retention.check.interval.ms=300000\n"

Test(config_quorum, the_file_of_a_single_node_kafka_works_as_it_is)
{
    struct loaded loaded = accept_text(STOCK);
    const struct weir_config *config = loaded.config;
    cr_expect_eq(config->listener_count, (size_t)1);
    cr_expect_eq(config->controller_listener_count, (size_t)1);
    cr_expect_eq(config->controller_listeners[0].port, 9093);
    cr_expect_eq(config->advertised_count, (size_t)1);
    cr_expect_str_eq(config->log_dirs[0], "/tmp/kraft-combined-logs");
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_NOTICE, "'CONTROLLER' is not opened"));
    cr_expect_null(find_remark(&loaded, WEIR_CONFIG_WARNING, ""));
    unload(&loaded);
}

#define OLD_STYLE                                                                                  \
    "log.dirs=/a\nprocess.roles=broker,controller\nnode.id=7\nlisteners=PLAINTEXT://"              \
    ":9092,CONTROLLER://:9093\n"                                                                   \
    "controller.listener.names=CONTROLLER\n"

Test(config_quorum, the_only_voter_may_be_this_node)
{
    struct loaded loaded = accept_text(OLD_STYLE "controller.quorum.voters=7@localhost:9093\n");
    cr_expect_eq(loaded.config->node_id, 7);
    cr_expect_str_eq(static_value(&loaded, "broker.id"), "7");
    unload(&loaded);
}

Test(config_quorum, other_voters_are_refused)
{
    refuse_text(OLD_STYLE "controller.quorum.voters=8@localhost:9093\n",
                "does not have this node (node.id=7)");
    refuse_text(OLD_STYLE "controller.quorum.voters=7@a:9093,8@b:9093,9@c:9093\n",
                "names 3 controllers");
    refuse_text(OLD_STYLE "controller.quorum.voters=localhost:9093\n", "id@host:port");
    refuse_text(OLD_STYLE "controller.quorum.voters=7@localhost\n", "id@host:port");
}

Test(config_quorum, other_controllers_are_refused)
{
    refuse_text(OLD_STYLE "controller.quorum.bootstrap.servers=other:9999\n",
                "is not a controller listener of this node");
    refuse_text(OLD_STYLE "controller.quorum.bootstrap.servers=a:9093,b:9093\n",
                "names 2 controllers");
    refuse_text(OLD_STYLE "controller.quorum.bootstrap.servers=a\n", "host:port");
}

Test(config_quorum, roles_other_than_both_are_refused)
{
    refuse_text("log.dirs=/a\nprocess.roles=broker\n",
                "'process.roles=broker' needs the controllers");
    refuse_text("log.dirs=/a\nprocess.roles=controller\n", "must contain broker");
    refuse_text("log.dirs=/a\nprocess.roles=king\n", "process.roles");
}

Test(config_quorum, a_controller_listener_needs_no_entry_in_the_map_unless_there_is_a_map)
{
    struct loaded loaded = accept_text(OLD_STYLE);
    cr_expect_eq(loaded.config->controller_listener_count, (size_t)1);
    unload(&loaded);
    refuse_text(OLD_STYLE "listener.security.protocol.map=PLAINTEXT:PLAINTEXT\n",
                "Listener 'CONTROLLER' has no entry");
}

Test(config_quorum, controller_listener_names_are_listeners)
{
    refuse_text("log.dirs=/a\ncontroller.listener.names=CTRL\n",
                "'controller.listener.names' names 'CTRL'");
}

Test(config_quorum, one_listener_is_for_clients)
{
    refuse_text("log.dirs=/a\ncontroller.listener.names=PLAINTEXT\n", "no listener for clients");
}

Test(config_quorum, node_id_and_broker_id_are_one_number)
{
    struct loaded loaded = accept_text("log.dirs=/a\nbroker.id=5\n");
    cr_expect_eq(loaded.config->node_id, 5);
    cr_expect_str_eq(static_value(&loaded, "node.id"), "5");
    unload(&loaded);
    loaded = accept_text("log.dirs=/a\nbroker.id=-1\n");
    cr_expect_eq(loaded.config->node_id, 1);
    unload(&loaded);
    refuse_text("log.dirs=/a\nbroker.id=5\nnode.id=6\n", "must be the same");
    refuse_text("log.dirs=/a\nnode.id=-5\n", "node.id");
}
