// SPDX-License-Identifier: Apache-2.0

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes on a broker.  The producers of {@link #steady} and of the flood live as long as this process, so that they go
 * on with their sequence numbers when another broker has taken the directory over.
 *
 * <p>usage: Load fill|late|work|flood|flooded|calm|end ADDRESS [NUMBER IS_APACHE]
 */
public final class Load {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final long SECOND = 1000;
    private static KafkaProducer<byte[], byte[]> steady;
    private static Flood flood;
    /** Record times run from six hours ago, a second a record, so that segments of six seconds are full soon. */
    private static long clock = System.currentTimeMillis() - 6 * 3600 * SECOND;

    private final String address;
    private final Random random;

    private Load(String address, int number) {
        this.address = address;
        this.random = new Random(number);
    }

    public static void main(String[] arguments) throws Exception {
        String verb = arguments[0];
        int number = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 0;
        Load load = new Load(arguments[1], number);
        switch (verb) {
            case "fill" -> load.fill();
            case "late" -> load.leaveOpen("late", "late", 12);
            case "work" -> load.work(number, Boolean.parseBoolean(arguments[3]));
            case "flood" -> flood = new Flood(load.producer(Map.of("delivery.timeout.ms", "300000", "linger.ms", "2")));
            case "flooded" -> System.out.println(flood.acknowledged());
            case "calm" -> {
                int sent = flood.end();
                flood = null;
                load.checkFlood(sent);
                System.out.println(sent);
            }
            case "end" -> {
                if (steady != null) {
                    steady.close(Duration.ZERO);
                    steady = null;
                }
            }
            default -> throw new IllegalArgumentException(verb);
        }
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, String> more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        settings.put("linger.ms", "5");
        settings.put("reconnect.backoff.max.ms", "200");
        settings.put("retry.backoff.max.ms", "200");
        settings.putAll(more);
        return new KafkaProducer<>(settings);
    }

    private KafkaConsumer<byte[], byte[]> consumer(String group, Map<String, String> more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("group.id", group);
        settings.put("client.id", group);
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.putAll(more);
        return new KafkaConsumer<>(settings);
    }

    private ProducerRecord<byte[], byte[]> record(String topic, int partition, String key, String value) {
        clock += SECOND;
        ProducerRecord<byte[], byte[]> made =
            new ProducerRecord<>(topic, partition, clock, Around.bytes(key), Around.bytes(value));
        if (random.nextInt(3) == 0) {
            made.headers().add(new RecordHeader("h", "x".getBytes(StandardCharsets.UTF_8))).add(new RecordHeader("n", null));
        }
        return made;
    }

    private static void all(Collection<? extends Future<?>> sent) throws Exception {
        for (Future<?> one : sent) {
            one.get();
        }
    }

    private void write(KafkaProducer<byte[], byte[]> producer, String topic, int partition, int count) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            int kind = random.nextInt(6);
            sent.add(producer.send(record(topic, partition, kind == 0 ? null : "k" + random.nextInt(8),
                kind == 1 ? null : "value-" + random.nextInt() + "-" + "padding".repeat(random.nextInt(6)))));
            if (random.nextInt(3) == 0) {
                all(sent);
            }
        }
        all(sent);
    }

    private void writeKeyed(KafkaProducer<byte[], byte[]> producer, String topic, int partition, int count) throws Exception {
        for (int n = 0; n < count; n++) {
            producer.send(record(topic, partition, "k" + random.nextInt(10),
                random.nextInt(4) == 0 ? null : "v" + random.nextInt())).get();
        }
    }

    private static NewTopic topic(String name, int partitions, String... configs) {
        Map<String, String> settings = new HashMap<>();
        for (int n = 0; n < configs.length; n += 2) {
            settings.put(configs[n], configs[n + 1]);
        }
        return new NewTopic(name, partitions, (short) 1).configs(settings);
    }

    private Admin admin() {
        return Admin.create(Map.<String, Object>of("bootstrap.servers", address));
    }

    private void fill() throws Exception {
        String[] brief = {"segment.ms", "6000"};
        String[] compact = {"cleanup.policy", "compact", "segment.ms", "6000", "min.cleanable.dirty.ratio", "0.01",
            "delete.retention.ms", "1"};
        String[] both = compact.clone();
        both[1] = "compact,delete";
        try (Admin admin = admin()) {
            admin.createTopics(List.of(topic("plain", 3, brief), topic("codec", 1, brief), topic("keyed", 2, compact),
                topic("both", 1, both), topic("stamp", 1, "message.timestamp.type", "LogAppendTime"), topic("cut", 2, brief),
                topic("tx", 2, brief), topic("open", 1), topic("late", 1), topic("empty", 3), topic("gone-1", 2),
                topic("gone-2", 1), topic("flood", 3, "retention.ms", "123456789"))).all().get();
            Flood.begin();
            steady = producer(Map.of("delivery.timeout.ms", "300000"));
            transactions("one", 3);
            admin.updateFeatures(Map.of("transaction.version", new FeatureUpdate((short) 2, FeatureUpdate.UpgradeType.UPGRADE)),
                new UpdateFeaturesOptions()).all().get();
            transactions("two", 4);
            for (String codec : CODECS) {
                codec(codec, true);
                codec(codec, false);
            }
            for (String name : List.of("gone-1", "gone-2", "stamp", "open", "late")) {
                write(steady, name, 0, 5);
            }
            for (int partition = 0; partition < 3; partition++) {
                write(steady, "plain", partition, 25);
                writeKeyed(steady, partition < 2 ? "keyed" : "both", partition % 2, 40);
                write(steady, "cut", partition % 2, 20);
            }
            admin.deleteTopics(List.of("gone-1", "gone-2")).all().get();
            admin.deleteRecords(Map.of(new TopicPartition("cut", 0), RecordsToDelete.beforeOffset(9),
                new TopicPartition("cut", 1), RecordsToDelete.beforeOffset(2))).all().get();
            admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(Map.of("client-id", "some")),
                List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 98765.0))))).all().get();
            admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("somebody",
                new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get();
            alter(admin, ConfigResource.Type.BROKER, "", "log.cleaner.threads", "1");
        }
        groups();
        leaveOpen("open", "open", 900);
    }

    /** All numbers that were acknowledged are there, once, and each partition's in order. */
    private void checkFlood(int sent) {
        boolean[] seen = new boolean[sent];
        int[] last = {-1, -1, -1};
        int count = 0;
        try (KafkaConsumer<byte[], byte[]> one = consumer("flood", Map.of("group.protocol", "classic", "max.poll.records", "10000"))) {
            List<TopicPartition> places =
                List.of(new TopicPartition("flood", 0), new TopicPartition("flood", 1), new TopicPartition("flood", 2));
            one.assign(places);
            one.seekToBeginning(places);
            long end = one.endOffsets(places).values().stream().mapToLong(Long::longValue).sum();
            if (end != sent) {
                throw new IllegalStateException(end + " records in the log, " + sent + " acknowledged");
            }
            while (count < sent) {
                for (ConsumerRecord<byte[], byte[]> record : one.poll(Duration.ofSeconds(10))) {
                    int number = Integer.parseInt(new String(record.value(), StandardCharsets.UTF_8));
                    if (seen[number] || number <= last[record.partition()]) {
                        throw new IllegalStateException("number " + number + " after " + last[record.partition()]);
                    }
                    seen[number] = true;
                    last[record.partition()] = number;
                    count++;
                }
            }
        }
    }

    private void alter(Admin admin, ConfigResource.Type type, String name, String key, String value) throws Exception {
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(type, name),
            List.of(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)))).all().get();
    }

    private void codec(String codec, boolean isIdempotent) throws Exception {
        try (KafkaProducer<byte[], byte[]> made = producer(Map.of("compression.type", codec,
                "enable.idempotence", Boolean.toString(isIdempotent)))) {
            write(made, "codec", 0, 12);
        }
    }

    /** Committed and aborted transactions by turns, each with data in two partitions and with a group's offsets. */
    private void transactions(String id, int count) throws Exception {
        try (KafkaProducer<byte[], byte[]> made = producer(Map.of("transactional.id", id))) {
            made.initTransactions();
            for (int n = 0; n < count; n++) {
                made.beginTransaction();
                for (int one = 0; one < 4; one++) {
                    made.send(record("tx", one % 2, "k" + one, id + "-" + n));
                }
                made.sendOffsetsToTransaction(Map.of(new TopicPartition("tx", 0), new OffsetAndMetadata(n + 1, id)), group("g-tx"));
                if (n % 2 == 0) {
                    made.commitTransaction();
                } else {
                    made.flush(); // what is not sent yet would never be
                    made.abortTransaction();
                }
            }
        }
    }

    private ConsumerGroupMetadata group(String name) {
        try (KafkaConsumer<byte[], byte[]> one = consumer(name, Map.of("group.protocol", "classic"))) {
            return one.groupMetadata();
        }
    }

    /** A transaction that nobody ends: its client is gone. */
    private void leaveOpen(String id, String topic, int timeoutSeconds) throws Exception {
        KafkaProducer<byte[], byte[]> made = producer(Map.of("transactional.id", id,
            "transaction.timeout.ms", Long.toString(timeoutSeconds * SECOND)));
        commit("g-" + id, Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1, "settled")));
        made.initTransactions();
        made.beginTransaction();
        made.send(record(topic, 0, "open", "open")).get();
        made.send(record(topic, 0, "open", "open again")).get();
        made.sendOffsetsToTransaction(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(3, "pending")), group("g-" + id));
        made.flush();
        made.close(Duration.ZERO);
        write(steady, topic, 0, 3);
    }

    private void join(String group, String topic, CloseOptions.GroupMembershipOperation how, List<Map<String, String>> members)
            throws Exception {
        List<KafkaConsumer<byte[], byte[]>> made = new ArrayList<>();
        for (Map<String, String> one : members) {
            made.add(consumer(group, one));
        }
        for (KafkaConsumer<byte[], byte[]> one : made) {
            one.subscribe(List.of(topic));
        }
        long deadline = System.currentTimeMillis() + 60 * SECOND;
        int wanted = topic.equals("plain") ? 3 : 2;
        while (made.stream().anyMatch(one -> one.assignment().isEmpty())
            || made.stream().mapToInt(one -> one.assignment().size()).sum() != wanted) {
            for (KafkaConsumer<byte[], byte[]> one : made) {
                one.poll(Duration.ofMillis(50));
            }
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException("group " + group + " does not settle");
            }
        }
        for (KafkaConsumer<byte[], byte[]> one : made) {
            Map<TopicPartition, OffsetAndMetadata> places = new HashMap<>();
            one.assignment().forEach(place -> places.put(place, new OffsetAndMetadata(random.nextInt(8), "m" + group)));
            one.commitSync(places);
        }
        for (KafkaConsumer<byte[], byte[]> one : made) {
            one.close(CloseOptions.groupMembershipOperation(how).withTimeout(Duration.ofSeconds(10)));
        }
    }

    private void groups() throws Exception {
        CloseOptions.GroupMembershipOperation leave = CloseOptions.GroupMembershipOperation.LEAVE_GROUP;
        CloseOptions.GroupMembershipOperation stay = CloseOptions.GroupMembershipOperation.REMAIN_IN_GROUP;
        Map<String, String> classic = Map.of("group.protocol", "classic", "session.timeout.ms", "1800000", "heartbeat.interval.ms", "200");
        Map<String, String> newer = Map.of("group.protocol", "consumer");
        join("g-leaves", "plain", leave, List.of(classic));
        join("g-stays", "plain", stay, List.of(classic, classic));
        join("g-static", "plain", stay, List.of(with(classic, "one"), with(classic, "two")));
        join("g-new", "plain", stay, List.of(newer, newer));
        join("g-new-left", "plain", leave, List.of(newer));
        join("g-new-static", "keyed", stay, List.of(with(newer, "one")));
        simple(0);
    }

    private static Map<String, String> with(Map<String, String> settings, String instance) {
        Map<String, String> made = new HashMap<>(settings);
        made.put("group.instance.id", instance);
        return made;
    }

    private void commit(String group, Map<TopicPartition, OffsetAndMetadata> places) {
        try (KafkaConsumer<byte[], byte[]> one = consumer(group, Map.of("group.protocol", "classic"))) {
            one.commitSync(places);
        }
    }

    private void simple(int number) {
        commit("g-simple", Map.of(new TopicPartition("plain", number % 3), new OffsetAndMetadata(number, "simple " + number),
            new TopicPartition("cut", 1), new OffsetAndMetadata(7L * number, Optional.of(0), "")));
    }

    private void work(int number, boolean isApache) throws Exception {
        CloseOptions.GroupMembershipOperation stay = CloseOptions.GroupMembershipOperation.REMAIN_IN_GROUP;
        Map<String, String> classic = Map.of("group.protocol", "classic", "session.timeout.ms", "1800000", "heartbeat.interval.ms", "200");
        for (int partition = 0; partition < 3; partition++) {
            write(steady, "plain", partition, 8);
            writeKeyed(steady, partition < 2 ? "keyed" : "both", partition % 2, 15);
            write(steady, "cut", partition % 2, 6);
        }
        write(steady, "stamp", 0, 2);
        write(steady, "open", 0, 2);
        codec(CODECS[number % CODECS.length], number % 2 == 0);
        codec(CODECS[(number + 2) % CODECS.length], number % 2 == 1);
        try (Admin admin = admin()) {
            admin.createTopics(List.of(topic("new-" + number, 2, "max.message.bytes", Integer.toString(100000 + number)),
                topic("brief-" + number, 1))).all().get();
            write(steady, "new-" + number, 1, 3);
            if (number > 1) {
                admin.deleteTopics(List.of("new-" + (number - 2))).all().get();
            }
            write(steady, "brief-" + number, 0, 1);
            admin.deleteTopics(List.of("brief-" + number)).all().get();
            admin.deleteRecords(Map.of(new TopicPartition("cut", 0), RecordsToDelete.beforeOffset(9 + 5L * number))).all().get();
            alter(admin, ConfigResource.Type.TOPIC, "plain", "retention.ms", Integer.toString(900_000_000 + number));
        }
        simple(number);
        join("g-leaves", "plain", CloseOptions.GroupMembershipOperation.LEAVE_GROUP, List.of(classic));
        join("g-static", "plain", stay, List.of(with(classic, "one"), with(classic, "two")));
        if (isApache) {
            transactions("two", 2);
            transactions("three-" + number, 3);
            join("g-new-left", "plain", CloseOptions.GroupMembershipOperation.LEAVE_GROUP,
                List.of(Map.of("group.protocol", "consumer")));
        }
    }
}
