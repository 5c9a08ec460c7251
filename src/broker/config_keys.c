/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which keys there are, and what becomes of each.  Kafka's documented ones are in
 * metadata/config_defs.h; here are the others, and what weir does with keys that mean something
 * only to Kafka's own implementation.  docs/configuration.md lists the same for users.
 */

#include "config_int.h"
#include "nearest_int.h"

#include "weir/base/limits.h"

#include <fnmatch.h>

/* ---- Keys that Kafka's documentation does not have ---- */

#define DEF(key, type_name, text, allowed)                                                         \
    {                                                                                              \
        .name = (key), .type = WEIR_CONFIG_TYPE_##type_name, .default_text = (text),               \
        .valid = (allowed)                                                                         \
    }

static const struct weir_config_def more_defs[] = {
    /* weir's own */
    DEF("weir.cluster.id", STRING, NULL, "non-empty string"),
    DEF("weir.log.dir.free.percent.min", INT, "5", "[0,...,90]"),
    DEF("weir.log.level", STRING, "info", "[error, warn, info, debug, trace]"),
    DEF("weir.open.segment.files.max", INT, "0", "[0,...]"),
    DEF("weir.port.file", STRING, NULL, "non-empty string"),
    DEF("weir.queued.max.response.bytes", LONG, "268435456", "[1048576,...]"),
    DEF("weir.segment.index.cache.bytes", LONG, "134217728", "[1,...]"),
    DEF("weir.task.threads", INT, "4", "[1,...,64]"),
    /* Kafka's, for its own tests, but seen in files */
    DEF("log.initial.task.delay.ms", LONG, "30000", "[0,...]"),
    DEF("producer.id.expiration.check.interval.ms", INT, "600000", "[1,...]"),
    DEF("unstable.api.versions.enable", BOOLEAN, "false", ""),
    DEF("unstable.feature.versions.enable", BOOLEAN, "false", ""),
};

const struct weir_config_def *weir_config_extra_def_at(size_t index)
{
    return index < WEIR_ARRAY_COUNT(more_defs) ? &more_defs[index] : NULL;
}

const struct weir_config_def *config_def_find(struct weir_slice name)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(more_defs); i++) {
        if (weir_slice_is(name, more_defs[i].name))
            return &more_defs[i];
    }
    return weir_config_def_find(WEIR_CONFIG_BROKER, name);
}

/* ---- Keys without effect ---- */

/* Why a key has no effect.  One log line names all keys of one reason. */
enum reason {
    REASON_JVM,
    REASON_THREADS,
    REASON_BATCHES,
    REASON_ASSIGNMENTS,
    REASON_SECURITY,
    REASON_AUTHORIZER,
    REASON_TIERED,
    REASON_ONE_VOTER,
    REASON_COUNT
};

static const char *const reasons[REASON_COUNT] = {
    [REASON_JVM] = "they concern the Java virtual machine and weir has none",
    [REASON_THREADS] = "weir answers on its network threads, without such queues and pools",
    [REASON_BATCHES] = "coordinators append the records of each request at once and uncompressed",
    [REASON_ASSIGNMENTS] = "assignments of consumer groups are computed when a group changes",
    [REASON_SECURITY] = "no listener uses TLS or SASL",
    [REASON_AUTHORIZER] = "no authorizer is set",
    [REASON_TIERED] = "tiered storage is off",
    [REASON_ONE_VOTER] = "this node is the only controller and the only broker",
};

/* Shell patterns; the first that fits counts. */
static const struct silent_key {
    const char *pattern;
    enum reason reason;
} silent_keys[] = {
    {"metric.reporters", REASON_JVM},
    {"auto.include.jmx.reporter", REASON_JVM},
    {"kafka.metrics.*", REASON_JVM},
    {"metrics.*", REASON_JVM},
    {"security.providers", REASON_JVM},
    {"ssl.provider", REASON_JVM},
    {"ssl.engine.factory.class", REASON_JVM},
    {"ssl.keymanager.algorithm", REASON_JVM},
    {"ssl.trustmanager.algorithm", REASON_JVM},
    {"ssl.secure.random.implementation", REASON_JVM},
    {"sasl.*.class", REASON_JVM},
    {"remote.log.*.class.*", REASON_JVM},
    {"num.io.threads", REASON_THREADS},
    {"background.threads", REASON_THREADS},
    {"queued.max.requests", REASON_THREADS},
    {"group.coordinator.threads", REASON_THREADS},
    {"group.coordinator.background.threads", REASON_THREADS},
    {"share.coordinator.threads", REASON_THREADS},
    {"*.purgatory.purge.interval.requests", REASON_THREADS},
    {"*.coordinator.append.linger.ms", REASON_BATCHES},
    {"*.coordinator.cached.buffer.max.bytes", REASON_BATCHES},
    {"offsets.topic.compression.codec", REASON_BATCHES},
    {"share.coordinator.state.topic.compression.codec", REASON_BATCHES},
    {"group.consumer.*assignment.interval.ms", REASON_ASSIGNMENTS},
    {"ssl.*", REASON_SECURITY},
    {"sasl.*", REASON_SECURITY},
    {"delegation.token.*", REASON_SECURITY},
    {"connections.max.reauth.ms", REASON_SECURITY},
    {"connection.failed.authentication.delay.ms", REASON_SECURITY},
    {"listener.name.*.ssl.*", REASON_SECURITY},
    {"listener.name.*.sasl.*", REASON_SECURITY},
    {"listener.name.*.connections.max.reauth.ms", REASON_SECURITY},
    {"listener.name.*.principal.builder.class", REASON_SECURITY},
    {"listener.name.*.num.network.threads", REASON_THREADS},
    {"super.users", REASON_AUTHORIZER},
    {"allow.everyone.if.no.acl.found", REASON_AUTHORIZER},
    {"early.start.listeners", REASON_AUTHORIZER},
    {"remote.*", REASON_TIERED},
    {"rsm.config.*", REASON_TIERED},
    {"rlmm.config.*", REASON_TIERED},
    {"follower.fetch.last.tiered.offset.enable", REASON_TIERED},
    {"log.local.retention.*", REASON_TIERED},
    {"controller.quorum.*.ms", REASON_ONE_VOTER},
    {"controller.quorum.fetch.*", REASON_ONE_VOTER},
    {"controller.quorum.auto.join.enable", REASON_ONE_VOTER},
    {"controller.socket.timeout.ms", REASON_ONE_VOTER},
    {"auto.leader.rebalance.enable", REASON_ONE_VOTER},
    {"leader.imbalance.*", REASON_ONE_VOTER},
    {"broker.heartbeat.interval.ms", REASON_ONE_VOTER},
    {"broker.session.timeout.ms", REASON_ONE_VOTER},
    {"initial.broker.registration.timeout.ms", REASON_ONE_VOTER},
    {"controlled.shutdown.*", REASON_ONE_VOTER},
    {"replica.fetch.*", REASON_ONE_VOTER},
    {"replica.socket.*", REASON_ONE_VOTER},
    {"replica.lag.time.max.ms", REASON_ONE_VOTER},
    {"num.replica.*", REASON_ONE_VOTER},
    {"unclean.leader.election.enable", REASON_ONE_VOTER},
};

/* Keys of older versions that a file may still have. */
static const struct old_key {
    const char *pattern;
    const char *advice;
} old_keys[] = {
    {"zookeeper.*", "weir, like Apache Kafka since 4.0, keeps its metadata in KRaft"},
    {"inter.broker.protocol.version", "the feature metadata.version says what it said"},
    {"log.message.format.version", "there is one format since Apache Kafka 4.0"},
    {"log.message.downconversion.enable", "there is one format since Apache Kafka 4.0"},
    {"log.message.timestamp.difference.max.ms",
     "use log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms"},
    {"broker.id.generation.enable", "set node.id"},
    {"reserved.broker.max.id", "set node.id"},
    {"delegation.token.master.key", "use delegation.token.secret.key"},
    {"control.plane.listener.name", "use controller.listener.names"},
    {"host.name", "use listeners"},
    {"port", "use listeners"},
    {"advertised.host.name", "use advertised.listeners"},
    {"advertised.port", "use advertised.listeners"},
    {"offsets.commit.required.acks", "offsets are always committed with acks=all"},
    {"leader.imbalance.per.broker.percentage", "nothing took its place"},
    {"password.encoder.*", "nothing took its place"},
    {"controlled.shutdown.max.retries", "nothing took its place"},
    {"controlled.shutdown.retry.backoff.ms", "nothing took its place"},
    {"group.coordinator.new.enable", "use group.coordinator.rebalance.protocols"},
    {"transaction.abort.timed.out.transaction.cleanup.enable", "nothing took its place"},
};

/* ---- Keys that weir must refuse when they would change what it does ---- */

static const struct refused_key {
    const char *key;
    const char *harmless; /* the value that asks for nothing, or a list of such values */
    const char *why;
} refused_keys[] = {
    {"authorizer.class.name", "",
     "weir has no authorizer yet, so every client could do everything"},
    {"config.providers", "",
     "weir has no config providers yet, so references like ${file:...} would stay as they are"},
    {"remote.log.storage.system.enable", "false", "weir has no tiered storage"},
    {"client.quota.callback.class", "", "weir cannot run Java classes"},
    {"create.topic.policy.class.name", "", "weir cannot run Java classes"},
    {"alter.config.policy.class.name", "", "weir cannot run Java classes"},
    {"principal.builder.class",
     "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
     "weir cannot run Java classes other than the one it has built in"},
    {"replica.selector.class",
     ",org.apache.kafka.common.replica.RackAwareReplicaSelector,org.apache.kafka.common.replica."
     "LeaderSelector",
     "weir cannot run Java classes"},
    {"transaction.two.phase.commit.enable", "false", "weir has no two-phase commit yet"},
    {"cordoned.log.dirs", "", "weir cannot cordon log directories yet"},
    {"unstable.api.versions.enable", "false", "weir has no unstable API versions"},
    {"unstable.feature.versions.enable", "false", "weir has no unstable feature versions"},
    {"security.inter.broker.protocol", "PLAINTEXT", "weir has no TLS and no SASL yet"},
};

static bool is_harmless(const struct refused_key *rule, struct weir_slice value)
{
    struct weir_slice rest = weir_slice_str(rule->harmless);
    struct weir_slice entry;
    if (rest.size == 0)
        return value.size == 0;
    while (weir_config_list_next(&rest, &entry)) {
        if (weir_slice_equal(entry, value))
            return true;
    }
    return false;
}

static struct weir_slice trim(struct weir_slice text)
{
    while (text.size > 0 && text.data[0] <= ' ') {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && text.data[text.size - 1] <= ' ')
        text.size--;
    return text;
}

/* True when the key has a rule (and a problem was told if the value is not harmless). */
static bool check_refused(struct config_loader *loader, const struct setting *setting)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(refused_keys); i++) {
        const struct refused_key *rule = &refused_keys[i];
        if (strcmp(setting->name, rule->key) != 0)
            continue;
        struct weir_slice value = trim(weir_slice_str(setting->value));
        bool parsed;
        bool is_bool_off =
            strcmp(rule->harmless, "false") == 0 && (!weir_config_parse_bool(value, &parsed) ||
                                                     !parsed); /* not a boolean: told elsewhere */
        if (!is_bool_off && !is_harmless(rule, value))
            config_remark(loader, WEIR_CONFIG_PROBLEM, "'%s=%.*s' is refused: %s.", rule->key,
                          value.size > 200 ? 200 : (int)value.size, (const char *)value.data,
                          rule->why);
        return true;
    }
    return false;
}

/* ---- Unknown and misplaced keys ---- */

const char *weir_config_nearest_key(struct weir_slice name)
{
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (size_t i = 0; i < weir_config_def_count(WEIR_CONFIG_BROKER); i++)
        nearest_try(&nearest, weir_config_def_at(WEIR_CONFIG_BROKER, i)->name);
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(more_defs); i++)
        nearest_try(&nearest, more_defs[i].name);
    return nearest.best;
}

static const char *const client_keys[] = {
    "bootstrap.servers",  "group.id",           "acks",
    "key.serializer",     "value.serializer",   "client.id",
    "key.deserializer",   "linger.ms",          "value.deserializer",
    "enable.auto.commit", "batch.size",         "auto.offset.reset",
    "buffer.memory",      "enable.idempotence", "transactional.id",
    "max.poll.records",   "isolation.level",    "session.timeout.ms"};

static bool explain_misplaced(struct config_loader *loader, const char *name)
{
    struct weir_slice key = weir_slice_str(name);
    struct weir_config_synonym_key synonyms[WEIR_CONFIG_SYNONYM_KEYS_MAX];
    if (weir_config_def_find(WEIR_CONFIG_TOPIC, key) != NULL) {
        if (weir_config_topic_synonyms(key, synonyms) > 0)
            config_remark(
                loader, WEIR_CONFIG_PROBLEM,
                "'%s' is a setting of a topic; for all topics of a broker it is called '%s'.", name,
                synonyms[0].name);
        else
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'%s' is a setting of a topic; set it there, with kafka-configs.sh.",
                          name);
        return true;
    }
    if (weir_config_def_find(WEIR_CONFIG_GROUP, key) != NULL) {
        config_remark(
            loader, WEIR_CONFIG_PROBLEM,
            "'%s' is a setting of a group; for all groups of a broker it is called 'group.%s'.",
            name, name);
        return true;
    }
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(client_keys); i++) {
        if (strcmp(name, client_keys[i]) == 0) {
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'%s' is a setting of clients, not of a broker.", name);
            return true;
        }
    }
    return false;
}

static void explain_unknown(struct config_loader *loader, const char *name)
{
    if (explain_misplaced(loader, name))
        return;
    const char *nearest = weir_config_nearest_key(weir_slice_str(name));
    if (nearest != NULL)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'%s' is not a known key; the nearest one is '%s'.", name, nearest);
    else
        config_remark(loader, WEIR_CONFIG_PROBLEM, "'%s' is not a known key.", name);
}

/* ---- The walk over all keys ---- */

static const struct silent_key *find_silent(const char *name)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(silent_keys); i++) {
        if (fnmatch(silent_keys[i].pattern, name, 0) == 0)
            return &silent_keys[i];
    }
    return NULL;
}

static bool check_old(struct config_loader *loader, const struct setting *setting)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(old_keys); i++) {
        if (fnmatch(old_keys[i].pattern, setting->name, 0) == 0) {
            config_remark(loader, WEIR_CONFIG_WARNING,
                          "'%s' is a key of older versions and has no effect: %s.", setting->name,
                          old_keys[i].advice);
            return true;
        }
    }
    return false;
}

static bool is_listener_limit(const char *name)
{
    return fnmatch("listener.name.*.max.connections", name, 0) == 0 ||
           fnmatch("listener.name.*.max.connection.creation.rate", name, 0) == 0;
}

/* Names the silent keys of one reason in one sentence, or a few when they are many. */
static void tell_silent(struct config_loader *loader, enum reason reason)
{
    const size_t line_bytes_max = 380; /* what the log shows of a text, with room for the reason */
    struct weir_buf names;
    weir_buf_init(&names, 0);
    for (size_t i = 0; i <= loader->count; i++) {
        const struct setting *setting = i < loader->count ? &loader->settings[i] : NULL;
        if (names.size > 0 && (setting == NULL || names.size > line_bytes_max)) {
            config_remark(loader, WEIR_CONFIG_NOTICE, "Accepted without effect, because %s: %.*s.",
                          reasons[reason], WEIR_SLICE_ARGS(weir_buf_slice(&names)));
            weir_buf_clear(&names);
        }
        if (setting == NULL || setting->is_dropped || setting->origin == ORIGIN_WEIR)
            continue;
        const struct silent_key *silent = find_silent(setting->name);
        if (silent != NULL && silent->reason == reason)
            weir_buf_printf(&names, "%s%s", names.size > 0 ? ", " : "", setting->name);
    }
    if (weir_buf_status(&names) != WEIR_OK)
        loader->is_out_of_memory = true;
    weir_buf_done(&names);
}

void config_check_keys(struct config_loader *loader)
{
    for (size_t i = 0; i < loader->count; i++) {
        struct setting *setting = &loader->settings[i];
        if (setting->is_dropped)
            continue;
        setting->def = config_def_find(weir_slice_str(setting->name));
        if (check_refused(loader, setting) || is_listener_limit(setting->name))
            continue;
        if (setting->def == NULL && check_old(loader, setting))
            setting->is_dropped = true;
        else if (setting->def == NULL && find_silent(setting->name) == NULL)
            explain_unknown(loader, setting->name);
    }
    for (enum reason reason = 0; reason < REASON_COUNT; reason++)
        tell_silent(loader, reason);
}
