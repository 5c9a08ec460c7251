/* SPDX-License-Identifier: Apache-2.0 */

#include "config_rules.h"

#include "weir/base/limits.h"

#include <inttypes.h>
#include <stdio.h>

static struct weir_slice entry_value(const struct weir_image_config_entry *entries, size_t count,
                                     const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_slice_is(entries[i].name, name))
            return entries[i].value;
    }
    return WEIR_NULL_SLICE;
}

static struct weir_controller_result check_values(struct weir_decision *decision,
                                                  enum weir_config_scope scope, const char *unknown,
                                                  const struct weir_image_config_entry *entries,
                                                  size_t count)
{
    /* Kafka names all unknown keys before it looks at any value. */
    for (size_t i = 0; i < count; i++) {
        if (weir_config_def_find(scope, entries[i].name) == NULL)
            return weir_result_of(decision, WEIR_INVALID_CONFIG, "%s%.*s", unknown,
                                  WEIR_SLICE_ARGS(entries[i].name));
    }
    for (size_t i = 0; i < count; i++) {
        struct weir_detail detail = {{0}};
        enum weir_status status = weir_config_validate(weir_config_def_find(scope, entries[i].name),
                                                       entries[i].value, &detail);
        if (status != WEIR_OK)
            return weir_result_of(decision, status, "%s", detail.text);
    }
    return weir_result_ok();
}

/* ---- Topics ---- */

static int64_t topic_number(struct weir_decision *decision,
                            const struct weir_image_config_entry *entries, size_t count,
                            const char *name)
{
    int64_t number;
    if (weir_config_parse_i64(entry_value(entries, count, name), &number))
        return number;
    return weir_config_topic_i64(&decision->resolver, WEIR_EMPTY_SLICE, name);
}

static struct weir_controller_result check_topic(struct weir_decision *decision,
                                                 const struct weir_config_request *request,
                                                 const struct weir_image_config_entry *entries,
                                                 size_t count)
{
    if (request->name.size == 0)
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "Default topic resources are not allowed.");
    struct weir_controller_result result = weir_check_topic_name(decision, request->name);
    if (result.status == WEIR_OK)
        result = check_values(decision, WEIR_CONFIG_TOPIC, "Unknown topic config name: ", entries,
                              count);
    if (result.status != WEIR_OK)
        return result;
    int64_t min_lag = topic_number(decision, entries, count, "min.compaction.lag.ms");
    int64_t max_lag = topic_number(decision, entries, count, "max.compaction.lag.ms");
    if (min_lag > max_lag)
        return weir_result_of(decision, WEIR_INVALID_CONFIG,
                              "conflict topic config setting min.compaction.lag.ms (%" PRId64
                              ") > max.compaction.lag.ms (%" PRId64 ")",
                              min_lag, max_lag);
    bool is_remote = false;
    (void)weir_config_parse_bool(entry_value(entries, count, "remote.storage.enable"), &is_remote);
    if (is_remote)
        return weir_result_of(decision, WEIR_INVALID_CONFIG,
                              "Tiered Storage functionality is disabled in the broker. Topic "
                              "cannot be configured with "
                              "remote log storage.");
    return result;
}

/* ---- Groups ---- */

/* The broker key that bounds a group key: consumer.session.timeout.ms ->
 * group.consumer.min.session.timeout.ms. */
static const struct weir_config_def *bound_def(const char *name, const char *bound, char out[160])
{
    const char *dot = strchr(name, '.');
    const char *rest = dot + 1;
    /* The one irregular name. */
    if (strcmp(name, "streams.num.standby.replicas") == 0)
        rest = "standby.replicas";
    (void)snprintf(out, 160, "group.%.*s.%s.%s", (int)(dot - name), name, bound, rest);
    return weir_config_def_find(WEIR_CONFIG_BROKER, weir_slice_str(out));
}

static struct weir_controller_result check_bounds(struct weir_decision *decision,
                                                  const struct weir_config_def *def, int64_t number)
{
    char key[160];
    if (bound_def(def->name, "min", key) != NULL &&
        number < weir_config_broker_i64(&decision->resolver, key))
        return weir_result_of(decision, WEIR_INVALID_CONFIG,
                              "%s must be greater than or equal to %s", def->name, key);
    if (bound_def(def->name, "max", key) != NULL &&
        number > weir_config_broker_i64(&decision->resolver, key))
        return weir_result_of(decision, WEIR_INVALID_CONFIG, "%s must be less than or equal to %s",
                              def->name, key);
    return weir_result_ok();
}

static int64_t group_number(struct weir_decision *decision,
                            const struct weir_image_config_entry *entries, size_t count,
                            const char *name)
{
    int64_t number;
    if (weir_config_parse_i64(entry_value(entries, count, name), &number))
        return number;
    return weir_config_group_i64(&decision->resolver, WEIR_EMPTY_SLICE, name);
}

static struct weir_controller_result check_group(struct weir_decision *decision,
                                                 const struct weir_config_request *request,
                                                 const struct weir_image_config_entry *entries,
                                                 size_t count)
{
    if (request->name.size == 0)
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "Default group resources are not allowed.");
    struct weir_controller_result result =
        check_values(decision, WEIR_CONFIG_GROUP, "Unknown group config name: ", entries, count);
    for (size_t i = 0; i < count && result.status == WEIR_OK; i++) {
        const struct weir_config_def *def =
            weir_config_def_find(WEIR_CONFIG_GROUP, entries[i].name);
        int64_t number;
        if (def->type == WEIR_CONFIG_TYPE_INT && weir_config_parse_i64(entries[i].value, &number))
            result = check_bounds(decision, def, number);
    }
    static const char *const protocols[] = {"consumer", "share", "streams"};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(protocols) && result.status == WEIR_OK; i++) {
        char session[64];
        char heartbeat[64];
        (void)snprintf(session, sizeof(session), "%s.session.timeout.ms", protocols[i]);
        (void)snprintf(heartbeat, sizeof(heartbeat), "%s.heartbeat.interval.ms", protocols[i]);
        if (group_number(decision, entries, count, session) <=
            group_number(decision, entries, count, heartbeat))
            result = weir_result_of(decision, WEIR_INVALID_CONFIG, "%s must be greater than %s",
                                    session, heartbeat);
    }
    return result;
}

/* ---- Client metrics (KIP-714) ---- */

static bool is_client_selector(struct weir_slice name)
{
    static const char *const names[] = {"client_instance_id",    "client_id",
                                        "client_software_name",  "client_software_version",
                                        "client_source_address", "client_source_port"};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(names); i++) {
        if (weir_slice_is(name, names[i]))
            return true;
    }
    return false;
}

/* A rough check of a regular expression: brackets that close.  Kafka compiles it with Java's. */
static bool may_compile(struct weir_slice pattern)
{
    int round = 0;
    bool in_class = false;
    for (size_t i = 0; i < pattern.size; i++) {
        uint8_t c = pattern.data[i];
        if (c == '\\') {
            if (++i == pattern.size)
                return false;
        } else if (in_class) {
            in_class = c != ']';
        } else if (c == '[') {
            in_class = true;
        } else if (c == '(') {
            round++;
        } else if (c == ')' && --round < 0) {
            return false;
        }
    }
    bool starts_with_repeat =
        pattern.size > 0 && strchr("*+?", pattern.data[0]) != NULL && pattern.data[0] != '\0';
    return !in_class && round == 0 && !starts_with_repeat;
}

static struct weir_controller_result check_match(struct weir_decision *decision,
                                                 struct weir_slice value)
{
    struct weir_slice entry;
    while (weir_config_list_next(&value, &entry)) {
        const uint8_t *equals = entry.size == 0 ? NULL : memchr(entry.data, '=', entry.size);
        size_t name_bytes = equals == NULL ? 0 : (size_t)(equals - entry.data);
        if (equals == NULL || !is_client_selector(weir_slice_of(entry.data, name_bytes)) ||
            !may_compile(weir_slice_of(equals + 1, entry.size - name_bytes - 1)))
            return weir_result_of(decision, WEIR_INVALID_CONFIG,
                                  "Illegal client matching pattern: %.*s", WEIR_SLICE_ARGS(entry));
    }
    return weir_result_ok();
}

static struct weir_controller_result
check_client_metrics(struct weir_decision *decision, const struct weir_config_request *request,
                     const struct weir_image_config_entry *entries, size_t count)
{
    if (request->name.size == 0)
        return weir_result_of(decision, WEIR_INVALID_REQUEST, "Subscription name can't be empty");
    for (size_t i = 0; i < count; i++) {
        const struct weir_config_def *def =
            weir_config_def_find(WEIR_CONFIG_CLIENT_METRICS, entries[i].name);
        if (def == NULL)
            return weir_result_of(decision, WEIR_INVALID_REQUEST,
                                  "Unknown client metrics configuration: %.*s",
                                  WEIR_SLICE_ARGS(entries[i].name));
        int64_t number;
        if (weir_slice_is(entries[i].name, "interval.ms") &&
            weir_config_parse_i64(entries[i].value, &number) && number >= INT32_MIN &&
            number <= INT32_MAX && (number < 100 || number > 3600000))
            return weir_result_of(
                decision, WEIR_INVALID_REQUEST,
                "Invalid value %" PRId64
                " for interval.ms, interval must be between 100 and 3600000 (1 hour)",
                number);
        struct weir_detail detail = {{0}};
        enum weir_status status = weir_config_validate(def, entries[i].value, &detail);
        if (status != WEIR_OK)
            return weir_result_of(decision, status, "%s", detail.text);
        if (weir_slice_is(entries[i].name, "match")) {
            struct weir_controller_result result = check_match(decision, entries[i].value);
            if (result.status != WEIR_OK)
                return result;
        }
    }
    return weir_result_ok();
}

struct weir_controller_result weir_check_resource(struct weir_decision *decision,
                                                  const struct weir_config_request *request,
                                                  const struct weir_image_config_entry *entries,
                                                  size_t count)
{
    switch (request->type) {
    case WEIR_RESOURCE_TOPIC:
        return check_topic(decision, request, entries, count);
    case WEIR_RESOURCE_GROUP:
        return check_group(decision, request, entries, count);
    case WEIR_RESOURCE_CLIENT_METRICS:
        return check_client_metrics(decision, request, entries, count);
    case WEIR_RESOURCE_BROKER: /* the broker has checked them; unknown keys are allowed, plug-ins
                                  have their own */
    case WEIR_RESOURCE_BROKER_LOGGER:
    case WEIR_RESOURCE_UNKNOWN:
        return weir_result_ok();
    }
    return weir_result_ok();
}

/* ---- Brokers ---- */

static struct weir_controller_result check_broker_name(struct weir_decision *decision,
                                                       struct weir_slice name)
{
    if (name.size == 0)
        return weir_result_ok();
    int64_t id;
    bool is_number = name.data[0] > ' ' && name.data[name.size - 1] > ' ' &&
                     weir_config_parse_i64(name, &id) && id >= INT32_MIN && id <= INT32_MAX;
    if (!is_number)
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "Node id must be an integer, but it is: %.*s", WEIR_SLICE_ARGS(name));
    if (id != decision->resolver.broker_id)
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "Unexpected broker id, expected %d, but received %.*s",
                              decision->resolver.broker_id, WEIR_SLICE_ARGS(name));
    return weir_result_ok();
}

/* Key stores and the like, which change at run time only with a listener's prefix. */
static bool is_security_key(struct weir_slice name)
{
    static const char *const names[] = {"ssl.key.password",
                                        "ssl.keystore.certificate.chain",
                                        "ssl.keystore.key",
                                        "ssl.keystore.location",
                                        "ssl.keystore.password",
                                        "ssl.keystore.type",
                                        "ssl.protocol",
                                        "ssl.provider",
                                        "ssl.truststore.certificates",
                                        "ssl.truststore.location",
                                        "ssl.truststore.password",
                                        "ssl.truststore.type",
                                        "ssl.cipher.suites",
                                        "ssl.enabled.protocols",
                                        "ssl.endpoint.identification.algorithm",
                                        "ssl.engine.factory.class",
                                        "ssl.keymanager.algorithm",
                                        "ssl.secure.random.implementation",
                                        "ssl.trustmanager.algorithm",
                                        "ssl.client.auth",
                                        "sasl.jaas.config"};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(names); i++) {
        if (weir_slice_is(name, names[i]))
            return true;
    }
    return false;
}

/* Pools of threads grow and shrink by a factor of two at most, so that a slip does not stop a
 * broker. */
static struct weir_controller_result check_threads(struct weir_decision *decision,
                                                   struct weir_slice name, struct weir_slice value)
{
    static const char *const names[] = {"background.threads", "num.io.threads",
                                        "num.network.threads", "num.recovery.threads.per.data.dir",
                                        "num.replica.fetchers"};
    const char *key = NULL;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(names); i++) {
        if (weir_slice_is(name, names[i]))
            key = names[i];
    }
    bool is_cleaner = weir_slice_is(name, "log.cleaner.threads");
    int64_t wanted;
    if ((key == NULL && !is_cleaner) || !weir_config_parse_i64(value, &wanted))
        return weir_result_ok();
    int64_t now =
        weir_config_broker_i64(&decision->resolver, is_cleaner ? "log.cleaner.threads" : key);
    static const char prefix[] = "Invalid value org.apache.kafka.common.config.ConfigException: ";
    static const char suffix[] = " for configuration Invalid dynamic configuration";
    if (is_cleaner && (wanted < 1 || wanted < now / 2 || wanted > now * 2)) {
        if (wanted < 1)
            return weir_result_of(decision, WEIR_INVALID_REQUEST,
                                  "%sLog cleaner threads should be at least 1%s", prefix, suffix);
        return weir_result_of(
            decision, WEIR_INVALID_REQUEST,
            "%sLog cleaner threads cannot be %s the current value %" PRId64 "%s", prefix,
            wanted > now ? "increased to more than double" : "reduced to less than half", now,
            suffix);
    }
    if (is_cleaner || (wanted >= now / 2 && wanted <= now * 2))
        return weir_result_ok();
    return weir_result_of(decision, WEIR_INVALID_REQUEST,
                          "%sDynamic thread count update validation failed for %s=%" PRId64
                          ", value should %s %" PRId64 "%s",
                          prefix, key, wanted,
                          wanted > now ? "not be greater than double the current value"
                                       : "be at least half the current value",
                          now, suffix);
}

static struct weir_controller_result check_broker_change(struct weir_decision *decision,
                                                         const struct weir_config_request *request,
                                                         const struct weir_config_change *change)
{
    struct weir_slice name = change->name;
    const struct weir_config_def *def = weir_config_def_find(WEIR_CONFIG_BROKER, name);
    if (def != NULL && def->dynamic == WEIR_CONFIG_READ_ONLY)
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "Cannot update these configs dynamically: [%.*s]",
                              WEIR_SLICE_ARGS(name));
    if (is_security_key(name))
        return weir_result_of(decision, WEIR_INVALID_REQUEST,
                              "These security configs can be dynamically updated only per-listener "
                              "using the listener "
                              "prefix: [%.*s]",
                              WEIR_SLICE_ARGS(name));
    if (def != NULL && def->dynamic == WEIR_CONFIG_PER_BROKER && request->name.size == 0)
        return weir_result_of(
            decision, WEIR_INVALID_REQUEST,
            "Cannot update these configs at default cluster level, broker id must be specified: "
            "[%.*s]",
            WEIR_SLICE_ARGS(name));
    bool is_set = request->replace_all || change->op == WEIR_CONFIG_SET;
    if (def == NULL)
        def = weir_config_rate_def_find(name);
    if (def == NULL || !is_set)
        return weir_result_ok();
    struct weir_detail detail = {{0}};
    if (weir_config_validate(def, change->value, &detail) != WEIR_OK)
        return weir_result_of(decision, WEIR_INVALID_REQUEST, "%s", detail.text);
    return check_threads(decision, name, change->value);
}

struct weir_controller_result weir_check_broker_request(struct weir_decision *decision,
                                                        const struct weir_config_request *request)
{
    struct weir_controller_result result = check_broker_name(decision, request->name);
    for (size_t i = 0; i < request->change_count && result.status == WEIR_OK; i++)
        result = check_broker_change(decision, request, &request->changes[i]);
    return result;
}
