/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

static const struct weir_config_listener *listener(const struct loaded *loaded, const char *name)
{
    for (size_t i = 0; i < loaded->config->listener_count; i++) {
        if (strcmp(loaded->config->listeners[i].name, name) == 0)
            return &loaded->config->listeners[i];
    }
    return NULL;
}

Test(config_listeners, several_listeners_are_read_with_names_in_capitals)
{
    struct loaded loaded = accept_text(
        "log.dirs=/a\nlisteners=plaintext://127.0.0.1:9092, Inside://host-1.example_x:0\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT, inside:plaintext\n");
    const struct weir_config_listener *first = listener(&loaded, "PLAINTEXT");
    const struct weir_config_listener *second = listener(&loaded, "INSIDE");
    cr_assert_not_null(first);
    cr_assert_not_null(second);
    cr_expect_str_eq(first->host, "127.0.0.1");
    cr_expect_eq(first->port, 9092);
    cr_expect_str_eq(second->host, "host-1.example_x");
    cr_expect_eq(second->port, 0);
    cr_expect_eq(second->protocol, WEIR_CONFIG_PLAINTEXT);
    unload(&loaded);
}

Test(config_listeners, ipv6_addresses_stand_in_brackets)
{
    struct loaded loaded = accept_text("log.dirs=/a\nlisteners=PLAINTEXT://[::1]:9092\n");
    cr_expect_str_eq(loaded.config->listeners[0].host, "::1");
    unload(&loaded);
    loaded = accept_text("log.dirs=/a\nlisteners=PLAINTEXT://[fe80::1%eth0]:9092\n");
    cr_expect_str_eq(loaded.config->listeners[0].host, "fe80::1%eth0");
    unload(&loaded);
    loaded = accept_text("log.dirs=/a\nlisteners=PLAINTEXT://[::]:9092\n");
    cr_expect_str_eq(loaded.config->listeners[0].host, "::");
    unload(&loaded);
}

Test(config_listeners, what_is_not_a_listener_is_refused)
{
    static const char *const wrong[] = {
        "PLAINTEXT",          "PLAINTEXT:9092",        "PLAINTEXT://",
        "PLAINTEXT://host",   "PLAINTEXT://host:",     "PLAINTEXT://host:65536",
        "PLAINTEXT://h:-1",   "PLAINTEXT://h:x",       "://h:1",
        "PLAINTEXT://[::1:1", "PLAINTEXT://[:x:]:1",   "PLAINTEXT://a b:1",
        "PLAINTEXT://a/b:1",  "PLAINTEXT://1:2:3:9092"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "log.dirs=/a\nlisteners=%s\n", wrong[i]);
        refuse_text(text, "is not of the form NAME://host:port");
    }
}

Test(config_listeners, no_listener_at_all_is_refused)
{
    refuse_text("log.dirs=/a\nlisteners=\n", "'listeners'");
}

Test(config_listeners, names_are_different)
{
    refuse_text("log.dirs=/a\nlisteners=PLAINTEXT://:1,plaintext://:2\n",
                "two listeners called 'PLAINTEXT'");
}

#define TWO                                                                                        \
    "log.dirs=/a\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT\n"

Test(config_listeners, ports_are_different_but_for_one_ipv4_and_one_ipv6_address)
{
    refuse_text(TWO "listeners=PLAINTEXT://:1,B://:1\n", "port 1");
    refuse_text(TWO "listeners=PLAINTEXT://127.0.0.1:1,B://127.0.0.2:1\n", "port 1");
    refuse_text(TWO "listeners=PLAINTEXT://localhost:1,B://[::1]:1\n", "port 1");
    struct loaded loaded = accept_text(TWO "listeners=PLAINTEXT://127.0.0.1:1,B://[::1]:1\n");
    unload(&loaded);
    loaded = accept_text(TWO "listeners=PLAINTEXT://:0,B://:0\n");
    unload(&loaded);
}

Test(config_listeners, a_listener_needs_a_protocol)
{
    refuse_text("log.dirs=/a\nlisteners=PLAINTEXT://:1,OTHER://:2\n",
                "Listener 'OTHER' has no entry");
    refuse_text("log.dirs=/a\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,BOGUS\n",
                "is not of the form NAME:PROTOCOL");
    refuse_text("log.dirs=/a\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,A:FOO\n",
                "is not of the form NAME:PROTOCOL");
    refuse_text("log.dirs=/a\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,plaintext:SSL\n",
                "maps 'PLAINTEXT' twice");
}

Test(config_listeners, tls_and_sasl_listeners_are_refused)
{
    refuse_text("log.dirs=/a\nlisteners=PLAINTEXT://:1,SSL://:2\n",
                "Listener 'SSL' uses SSL, which weir does not have yet");
    refuse_text(TWO "listeners=PLAINTEXT://:1,SASL_SSL://:2\n", "no entry");
    refuse_text("log.dirs=/a\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,X:SASL_PLAINTEXT\n"
                "listeners=PLAINTEXT://:1,X://:2\n",
                "Listener 'X' uses SASL_PLAINTEXT");
}

Test(config_listeners, advertised_listeners_are_read)
{
    struct loaded loaded =
        accept_text(TWO "listeners=PLAINTEXT://:1,B://:2\nadvertised.listeners=PLAINTEXT://"
                        "a.example:1,B://[2001:db8::1]:20\n");
    cr_assert_eq(loaded.config->advertised_count, (size_t)2);
    cr_expect_str_eq(loaded.config->advertised[1].host, "2001:db8::1");
    cr_expect_eq(loaded.config->advertised[1].port, 20);
    unload(&loaded);
}

Test(config_listeners, an_advertised_listener_may_leave_out_its_host)
{
    struct loaded loaded = accept_text("log.dirs=/a\nadvertised.listeners=PLAINTEXT://:19092\n");
    cr_assert_eq(loaded.config->advertised_count, (size_t)1);
    cr_expect_null(loaded.config->advertised[0].host);
    cr_expect_eq(loaded.config->advertised[0].port, 19092);
    unload(&loaded);
}

Test(config_listeners, advertised_listeners_follow_kafkas_rules)
{
    refuse_text(TWO "listeners=PLAINTEXT://:1\nadvertised.listeners=PLAINTEXT://a:1,B://b:1\n",
                "'advertised.listeners' names 'B', which 'listeners' does not have");
    refuse_text("log.dirs=/a\nadvertised.listeners=PLAINTEXT://0.0.0.0:9092\n", "0.0.0.0");
    refuse_text("log.dirs=/a\nadvertised.listeners=PLAINTEXT://a:1,PLAINTEXT://b:2\n",
                "has 'PLAINTEXT' twice");
    struct loaded loaded = accept_text(
        TWO "listeners=PLAINTEXT://:1,B://:2\nadvertised.listeners=PLAINTEXT://a:7,B://a:7\n");
    unload(&loaded);
}

Test(config_listeners, the_listener_between_brokers_is_one_that_is_there)
{
    struct loaded loaded =
        accept_text(TWO "listeners=B://:1,C://:2\ninter.broker.listener.name=c\n");
    cr_expect_str_eq(loaded.config->inter_broker_listener, "C");
    unload(&loaded);
    refuse_text(TWO "listeners=B://:1\n", "The listener between brokers is 'PLAINTEXT'");
    refuse_text(TWO "listeners=B://:1\ninter.broker.listener.name=C\n",
                "The listener between brokers is 'C'");
    refuse_text(
        "log.dirs=/"
        "a\ninter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT\n",
        "Only one of");
    refuse_text(TWO "listeners=PLAINTEXT://:1,B://:2\nadvertised.listeners=B://a:2\n",
                "'advertised.listeners' does not have");
}

Test(config_listeners, limits_of_one_listener_are_read)
{
    struct loaded loaded =
        accept_text(TWO "listeners=PLAINTEXT://:1,B://:2\nlistener.name.b.max.connections=7\n"
                        "listener.name.b.max.connection.creation.rate=9\n");
    cr_expect_eq(listener(&loaded, "B")->connections_max, 7);
    cr_expect_eq(listener(&loaded, "B")->connection_creation_rate_max, 9);
    cr_expect_eq(listener(&loaded, "PLAINTEXT")->connections_max, INT32_MAX);
    unload(&loaded);
    refuse_text("log.dirs=/a\nlistener.name.plaintext.max.connections=-1\n",
                "listener.name.plaintext.max.connections=-1");
    refuse_text("log.dirs=/a\nlistener.name.other.max.connections=1\n",
                "a listener that 'listeners' does not have");
}

Test(config_listeners, more_listeners_than_anybody_needs_are_refused)
{
    struct weir_buf text = {0};
    weir_buf_append_str(&text, "log.dirs=/a\nlisteners=");
    for (int i = 0; i < 100; i++)
        weir_buf_printf(&text, "PLAINTEXT://:%d,", i + 1);
    weir_buf_append_str(&text, "PLAINTEXT://:9092\n");
    weir_buf_append(&text, "", 1);
    struct loaded loaded = load_text((const char *)text.data);
    cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG);
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_PROBLEM, "more than 64 entries"));
    unload(&loaded);
    weir_buf_done(&text);
}
