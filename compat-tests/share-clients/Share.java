// SPDX-License-Identifier: Apache-2.0
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/**
 * What an application may rely on in share groups; each case prints "PASS name" or "FAIL name: why".
 *
 * usage: Share ADDRESS PREFIX             all cases
 *        Share ADDRESS hold GROUP TOPIC   takes records, prints how many, and keeps them until it is killed
 */
class Share {
    private static final int LOCK_MS = 2000;
    private static final int RECORDS = 200;
    private final String address;
    private final String prefix;
    private final Admin admin;
    private int caseCount;
    /** Of the case that runs. */
    private String name;

    interface Case {
        void run() throws Exception;
    }

    Share(String address, String prefix) {
        this.address = address;
        this.prefix = prefix;
        this.admin = Admin.create(Map.of("bootstrap.servers", address));
    }

    private void runAll() {
        run("accepted_records_come_once", this::accepted);
        run("implicit_acknowledgements_come_with_the_next_poll", this::implicit);
        run("released_records_come_again_until_they_are_given_up", this::released);
        run("rejected_records_do_not_come_again", this::rejected);
        run("several_consumers_share_one_partition", this::shared);
        run("record_limit_mode_gives_no_more_than_it_may", this::limited);
        run("records_held_too_long_go_to_others", this::heldTooLong);
        run("renewed_records_are_kept", this::renewed);
        run("records_of_a_killed_consumer_go_to_others", this::killed);
        run("records_of_a_closed_consumer_go_to_others", this::closed);
        run("deleted_records_are_passed_over", this::deleted);
        run("aborted_records_come_only_to_those_who_read_uncommitted", this::aborted);
        admin.close();
    }

    private void run(String title, Case body) {
        name = prefix + "-" + caseCount++;
        try {
            body.run();
            System.out.println("PASS " + title);
        } catch (Throwable error) {
            error.printStackTrace();
            System.out.println("FAIL " + title + ": " + String.valueOf(error).replace('\n', ' '));
        }
        System.out.flush();
    }

    // ---- Tools ----

    private static void check(boolean is, String what) {
        if (!is) {
            throw new AssertionError(what);
        }
    }

    /** A topic and a group of the case's name, with the group's configuration as key, value, ... */
    private void begin(int partitions, String... config) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
        List<AlterConfigOp> entries = new ArrayList<>();
        entries.add(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET));
        for (int i = 0; i < config.length; i += 2) {
            entries.add(new AlterConfigOp(new ConfigEntry(config[i], config[i + 1]), AlterConfigOp.OpType.SET));
        }
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, name), entries)).all().get();
    }

    private KafkaProducer<String, String> producer(String... config) {
        Map<String, Object> properties = new HashMap<>();
        properties.put("bootstrap.servers", address);
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        for (int i = 0; i < config.length; i += 2) {
            properties.put(config[i], config[i + 1]);
        }
        return new KafkaProducer<>(properties);
    }

    /** In batches of ten. */
    private void produce(int count) {
        try (KafkaProducer<String, String> producer = producer("linger.ms", "1000")) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(name, 0, null, "value-" + i));
                if (i % 10 == 9) {
                    producer.flush();
                }
            }
        }
    }

    private static KafkaShareConsumer<String, String> consumerOf(String address, String group, String topic, String... config) {
        Map<String, Object> properties = new HashMap<>();
        properties.put("bootstrap.servers", address);
        properties.put("group.id", group);
        properties.put("share.acknowledgement.mode", "explicit");
        properties.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        properties.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        for (int i = 0; i < config.length; i += 2) {
            properties.put(config[i], config[i + 1]);
        }
        KafkaShareConsumer<String, String> consumer = new KafkaShareConsumer<>(properties);
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    private KafkaShareConsumer<String, String> consumer(String... config) {
        return consumerOf(address, name, name, config);
    }

    private static List<ConsumerRecord<String, String>> poll(KafkaShareConsumer<String, String> consumer, int ms) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        consumer.poll(Duration.ofMillis(ms)).forEach(records::add);
        return records;
    }

    /** Waits for some. */
    private static List<ConsumerRecord<String, String>> take(KafkaShareConsumer<String, String> consumer) {
        long end = System.nanoTime() + 30_000_000_000L;
        while (System.nanoTime() < end) {
            List<ConsumerRecord<String, String>> records = poll(consumer, 1000);
            if (!records.isEmpty()) {
                return records;
            }
        }
        throw new AssertionError("no records within 30 s");
    }

    private static void acknowledge(KafkaShareConsumer<String, String> consumer, List<ConsumerRecord<String, String>> records,
                                    AcknowledgeType type) {
        records.forEach(record -> consumer.acknowledge(record, type));
        commit(consumer);
    }

    private static void commit(KafkaShareConsumer<String, String> consumer) {
        consumer.commitSync().forEach((partition, error) -> check(error.isEmpty(), "commit of " + partition + ": " + error));
    }

    /** Takes and accepts until it has so many. -> how often each offset came */
    private static Map<Long, Integer> accept(KafkaShareConsumer<String, String> consumer, int count) {
        Map<Long, Integer> came = new TreeMap<>();
        while (came.size() < count) {
            List<ConsumerRecord<String, String>> records = take(consumer);
            records.forEach(record -> came.merge(record.offset(), 1, Integer::sum));
            acknowledge(consumer, records, AcknowledgeType.ACCEPT);
        }
        return came;
    }

    private static void checkOnce(Map<Long, Integer> came, int count) {
        check(came.size() == count && came.values().stream().allMatch(times -> times == 1), "came: " + came);
    }

    // ---- Cases ----

    private void accepted() throws Exception {
        begin(1);
        produce(RECORDS);
        try (KafkaShareConsumer<String, String> one = consumer()) {
            checkOnce(accept(one, RECORDS), RECORDS);
            check(poll(one, 500).isEmpty(), "accepted records came again");
        }
        produce(10);
        try (KafkaShareConsumer<String, String> one = consumer()) {
            Map<Long, Integer> came = accept(one, 10);
            check(came.keySet().iterator().next() == RECORDS, "a new consumer got " + came);
        }
    }

    private void implicit() throws Exception {
        begin(1);
        produce(20);
        Set<Long> came = new TreeSet<>();
        try (KafkaShareConsumer<String, String> one = consumer("share.acknowledgement.mode", "implicit", "max.poll.records", "5")) {
            while (came.size() < 20) {
                take(one).forEach(record -> check(came.add(record.offset()), record.offset() + " came twice"));
            }
            commit(one);
        }
        try (KafkaShareConsumer<String, String> two = consumer()) {
            check(poll(two, 2000).isEmpty(), "accepted records came again");
        }
    }

    private void released() throws Exception {
        begin(1, "share.delivery.count.limit", "3");
        produce(1);
        try (KafkaShareConsumer<String, String> one = consumer()) {
            for (short times = 1; times <= 3; times++) {
                List<ConsumerRecord<String, String>> records = take(one);
                check(records.size() == 1 && records.get(0).deliveryCount().get() == times, times + ": " + records);
                acknowledge(one, records, AcknowledgeType.RELEASE);
            }
            check(poll(one, 500).isEmpty(), "a record came a fourth time");
            produce(1);
            check(take(one).get(0).offset() == 1, "the next record");
        }
    }

    private void rejected() throws Exception {
        begin(1);
        produce(10);
        try (KafkaShareConsumer<String, String> one = consumer()) {
            List<ConsumerRecord<String, String>> records = take(one);
            for (ConsumerRecord<String, String> record : records) {
                one.acknowledge(record, record.offset() == 4 ? AcknowledgeType.REJECT
                    : record.offset() == 7 ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT);
            }
            commit(one);
            records = take(one);
            check(records.size() == 1 && records.get(0).offset() == 7, "came again: " + records);
        }
    }

    private void shared() throws Exception {
        begin(1);
        List<KafkaShareConsumer<String, String>> consumers = new ArrayList<>();
        Map<Long, Integer> came = new TreeMap<>();
        int[] each = new int[3];
        try {
            for (int i = 0; i < 3; i++) {
                consumers.add(consumer("max.poll.records", "10"));
            }
            produce(RECORDS);
            long end = System.nanoTime() + 60_000_000_000L;
            while (came.size() < RECORDS && System.nanoTime() < end) {
                for (int i = 0; i < 3; i++) {
                    List<ConsumerRecord<String, String>> records = poll(consumers.get(i), 200);
                    records.forEach(record -> came.merge(record.offset(), 1, Integer::sum));
                    each[i] += records.size();
                    acknowledge(consumers.get(i), records, AcknowledgeType.ACCEPT);
                }
            }
            checkOnce(came, RECORDS);
            check(each[0] > 0 && each[1] > 0 && each[2] > 0, "they got " + each[0] + ", " + each[1] + " and " + each[2]);
        } finally {
            consumers.forEach(KafkaShareConsumer::close);
        }
    }

    private void limited() throws Exception {
        begin(1);
        produce(50);
        Map<Long, Integer> came = new TreeMap<>();
        try (KafkaShareConsumer<String, String> one = consumer("share.acquire.mode", "record_limit", "max.poll.records", "7")) {
            while (came.size() < 50) {
                List<ConsumerRecord<String, String>> records = take(one);
                check(records.size() <= 7, "one poll gave " + records.size());
                records.forEach(record -> came.merge(record.offset(), 1, Integer::sum));
                acknowledge(one, records, AcknowledgeType.ACCEPT);
            }
            checkOnce(came, 50);
        }
    }

    private void heldTooLong() throws Exception {
        begin(1, "share.record.lock.duration.ms", String.valueOf(LOCK_MS));
        produce(10);
        try (KafkaShareConsumer<String, String> one = consumer(); KafkaShareConsumer<String, String> two = consumer()) {
            check(take(one).size() == 10, "one did not get all");
            check(one.acquisitionLockTimeoutMs().get() == LOCK_MS, "lock timeout " + one.acquisitionLockTimeoutMs());
            checkOnce(accept(two, 10), 10);
        }
    }

    private void renewed() throws Exception {
        begin(1, "share.record.lock.duration.ms", String.valueOf(LOCK_MS));
        produce(5);
        try (KafkaShareConsumer<String, String> one = consumer(); KafkaShareConsumer<String, String> two = consumer()) {
            List<ConsumerRecord<String, String>> records = take(one);
            int count = records.size();
            check(count == 5, "came: " + count);
            long end = System.nanoTime() + 3L * LOCK_MS * 1_000_000;
            while (System.nanoTime() < end) {
                acknowledge(one, records, AcknowledgeType.RENEW);
                check(poll(two, LOCK_MS / 4).isEmpty(), "another got renewed records");
                records = poll(one, 100);   // the renewed ones are given to the application again
                check(records.size() == count, "after renewal " + records.size());
            }
            acknowledge(one, records, AcknowledgeType.ACCEPT);
            check(poll(two, 500).isEmpty(), "accepted records came again");
        }
    }

    private void killed() throws Exception {
        begin(1);
        produce(30);
        Process holder = new ProcessBuilder(ProcessHandle.current().info().command().get(), "-Xmx128m", "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
            System.getProperty("java.class.path"), "Share", address, "hold", name, name).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        int held;
        try {
            String line = holder.inputReader().readLine();
            check(line != null && line.startsWith("HELD "), "the holder said " + line);
            held = Integer.parseInt(line.substring(5));
        } finally {
            holder.destroyForcibly().waitFor();
        }
        check(held > 0, "nothing was held");
        try (KafkaShareConsumer<String, String> one = consumer()) {
            Map<Long, Integer> came = new TreeMap<>();
            int again = 0;
            while (came.size() < 30) {
                List<ConsumerRecord<String, String>> records = take(one);
                for (ConsumerRecord<String, String> record : records) {
                    came.merge(record.offset(), 1, Integer::sum);
                    again += record.deliveryCount().get() == 2 ? 1 : 0;
                }
                acknowledge(one, records, AcknowledgeType.ACCEPT);
            }
            checkOnce(came, 30);
            check(again >= held, again + " came again of " + held);
        }
    }

    private void hold(String group, String topic) throws Exception {
        try (KafkaShareConsumer<String, String> one = consumerOf(address, group, topic)) {
            List<ConsumerRecord<String, String>> records = take(one);
            System.out.println("HELD " + records.size());
            System.out.flush();
            Thread.currentThread().join();
        }
    }

    private void closed() throws Exception {
        begin(1);
        produce(20);
        Set<Long> accepted = new TreeSet<>();
        try (KafkaShareConsumer<String, String> one = consumer("max.poll.records", "10")) {
            List<ConsumerRecord<String, String>> records = take(one);
            for (ConsumerRecord<String, String> record : records) {
                if (record.offset() % 2 == 0) {
                    one.acknowledge(record, AcknowledgeType.ACCEPT);
                    accepted.add(record.offset());
                } else {
                    one.acknowledge(record, AcknowledgeType.RELEASE);
                }
            }
        }
        try (KafkaShareConsumer<String, String> two = consumer()) {
            Map<Long, Integer> came = accept(two, 20 - accepted.size());
            checkOnce(came, 20 - accepted.size());
            came.keySet().forEach(offset -> check(!accepted.contains(offset), offset + " came after it was accepted"));
        }
    }

    private void deleted() throws Exception {
        begin(1);
        produce(40);
        try (KafkaShareConsumer<String, String> one = consumer("max.poll.records", "10", "share.acquire.mode", "record_limit")) {
            take(one).forEach(record -> one.acknowledge(record, AcknowledgeType.RELEASE));
            commit(one);
            admin.deleteRecords(Map.of(new TopicPartition(name, 0), RecordsToDelete.beforeOffset(25))).all().get();
            Set<Long> came = new TreeSet<>();
            while (!came.contains(39L)) {
                List<ConsumerRecord<String, String>> records = take(one);
                records.forEach(record -> came.add(record.offset()));
                acknowledge(one, records, AcknowledgeType.ACCEPT);
            }
            came.removeIf(offset -> offset < 25); // fetched before
            check(came.size() == 15, "came: " + came);
        }
    }

    private void aborted() throws Exception {
        begin(1, "share.isolation.level", "read_committed");
        try (KafkaProducer<String, String> producer = producer("transactional.id", name)) {
            producer.initTransactions();
            for (int i = 0; i < 6; i++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(name, 0, null, i % 2 == 0 ? "committed" : "aborted"));
                if (i % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.flush();
                    producer.abortTransaction();
                }
            }
        }
        try (KafkaShareConsumer<String, String> one = consumer()) {
            int count = 0;
            while (count < 3) {
                List<ConsumerRecord<String, String>> records = take(one);
                records.forEach(record -> check(record.value().equals("committed"), "got " + record));
                count += records.size();
                acknowledge(one, records, AcknowledgeType.ACCEPT);
            }
            check(poll(one, 500).isEmpty(), "there were more");
        }
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, name + "-u"), List.of(
            new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)))).all().get();
        try (KafkaShareConsumer<String, String> one = consumerOf(address, name + "-u", name)) {
            int count = 0;
            while (count < 6) {
                List<ConsumerRecord<String, String>> records = take(one);
                count += records.size();
                acknowledge(one, records, AcknowledgeType.ACCEPT);
            }
        }
    }

    public static void main(String[] words) throws Exception {
        Share share = new Share(words[0], words[1]);
        if (words[1].equals("hold")) {
            share.hold(words[2], words[3]);
        } else {
            share.runAll();
        }
    }
}
