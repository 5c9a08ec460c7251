// SPDX-License-Identifier: Apache-2.0
import java.io.BufferedWriter;
import java.io.FileWriter;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.function.Consumer;
import java.util.zip.CRC32;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The part of the chaos load that the Java client plays: transfers and consume-transform-produce in the newest
 * transaction version.  The history is that of load.py, the values are those of judge.py.
 *
 * usage: Bank ADDRESS PREFIX HISTORY GROUP_PROTOCOL [share]    until a line comes on standard input; then prints OK
 */
public final class Bank {
    private static final int ACCOUNTS = 4;
    private static final int REQUESTS = 3;
    private static final int TIMEOUT_MS = 15000;

    private final String address;
    private final String prefix;
    private final String groupProtocol;
    private final BufferedWriter history;
    private final List<String> failures = new ArrayList<>();
    private volatile boolean isStopping;
    private volatile long endsAt = Long.MAX_VALUE;

    private Bank(String[] words) throws IOException {
        address = words[0];
        prefix = words[1];
        history = new BufferedWriter(new FileWriter(words[2]));
        groupProtocol = words[3];
    }

    private synchronized void note(String line) {
        try {
            history.write(line);
            history.newLine();
        } catch (IOException e) {
            failures.add(e.toString());
        }
    }

    private boolean isLate() {
        return System.nanoTime() > endsAt;
    }

    private static final class Place {
        final String topic;
        final int partition;
        final String key;

        Place(String topic, int partition, String key) {
            this.topic = topic;
            this.partition = partition;
            this.key = key;
        }
    }

    /** A transactional id and what is known of its transactions. */
    private final class Actor {
        private final String name;
        private final Map<String, Integer> sequences = new HashMap<>();
        private KafkaProducer<String, String> producer;
        private int number;

        Actor(String name) {
            this.name = name;
        }

        private boolean start() {
            while (!isLate()) {
                Properties properties = new Properties();
                properties.put("bootstrap.servers", address);
                properties.put("transactional.id", prefix + "-" + name);
                properties.put("transaction.timeout.ms", TIMEOUT_MS);
                properties.put("max.block.ms", 10000);
                properties.put("reconnect.backoff.max.ms", 100);
                properties.put("retry.backoff.ms", 10);
                properties.put("delivery.timeout.ms", 60000);
                properties.put("request.timeout.ms", 10000);
                KafkaProducer<String, String> made = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
                try {
                    made.initTransactions();
                    producer = made;
                    return true;
                } catch (KafkaException e) {
                    made.close(Duration.ZERO);
                }
            }
            return false;
        }

        private String value(Place place, int transaction, int sequence, int index, int count) {
            String text = name + " " + transaction + " " + sequence + " " + index + " " + count + " " + place.topic + " "
                + place.partition + " " + place.key;
            CRC32 crc = new CRC32();
            crc.update(text.getBytes());
            return text + " " + String.format("%08x", crc.getValue()) + " xxxx";
        }

        private void retry(Runnable action) {
            while (true) {
                try {
                    action.run();
                    return;
                } catch (TimeoutException e) {
                    if (isLate())
                        throw e;
                }
            }
        }

        private String outcome(Runnable body, boolean isWanted) {
            try {
                producer.beginTransaction();
                try {
                    body.run();
                    if (isWanted) {
                        retry(producer::commitTransaction);
                        return "committed";
                    }
                } catch (TimeoutException e) {
                    if (isLate())
                        throw e;
                } catch (KafkaException e) {
                    // aborted below, unless it is fatal: then that fails, too
                }
                retry(producer::abortTransaction);
                return "aborted";
            } catch (KafkaException | IllegalStateException e) {
                producer.close(Duration.ZERO);
                producer = null;
                return "unknown";
            }
        }

        String transact(List<Place> places, boolean isWanted, Consumer<KafkaProducer<String, String>> more) {
            if (producer == null && !start())
                return "unknown";
            int transaction = number++;
            List<String> named = new ArrayList<>();
            note("[\"begin\", \"" + name + "\", " + transaction + "]");
            String outcome = outcome(() -> {
                for (int i = 0; i < places.size(); i++) {
                    Place place = places.get(i);
                    int sequence = sequences.merge(place.topic + "-" + place.partition, 1, Integer::sum) - 1;
                    named.add("[\"" + place.topic + "\", " + place.partition + ", " + sequence + "]");
                    producer.send(new ProducerRecord<>(place.topic, place.partition, place.key,
                        value(place, transaction, sequence, i, places.size())));
                }
                more.accept(producer);
            }, isWanted);
            note("[\"end\", \"" + name + "\", " + transaction + ", \"" + outcome + "\", [" + String.join(", ", named) + "]]");
            return outcome;
        }
    }

    private void transfer(String name) throws InterruptedException {
        Random choice = new Random(name.hashCode());
        Actor actor = new Actor(name);
        while (!isStopping) {
            List<Place> places = new ArrayList<>();
            for (int i = 0; i < 1 + choice.nextInt(4); i++)
                places.add(new Place(prefix + "-accounts", choice.nextInt(ACCOUNTS), "account" + choice.nextInt(1000)));
            actor.transact(places, choice.nextInt(5) != 0, producer -> { });
            Thread.sleep(choice.nextInt(20));
        }
    }

    private KafkaConsumer<String, String> subscribe() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        properties.put("group.id", prefix + "-jworkers");
        properties.put("group.protocol", groupProtocol);
        properties.put("enable.auto.commit", false);
        properties.put("auto.offset.reset", "earliest");
        properties.put("isolation.level", "read_committed");
        properties.put("reconnect.backoff.max.ms", 100);
        properties.put("default.api.timeout.ms", 10000);
        if (groupProtocol.equals("classic"))
            properties.put("session.timeout.ms", 6000);
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
        consumer.subscribe(List.of(prefix + "-requests"));
        return consumer;
    }

    private static void close(KafkaConsumer<String, String> consumer) {
        try {
            consumer.close();
        } catch (KafkaException e) {
            // it is closed all the same
        }
    }

    private boolean isAnswered(KafkaConsumer<String, String> consumer) {
        try {
            java.util.Set<TopicPartition> places = new java.util.HashSet<>();
            for (int partition = 0; partition < REQUESTS; partition++)
                places.add(new TopicPartition(prefix + "-requests", partition));
            Map<TopicPartition, Long> ends = consumer.endOffsets(places);
            Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(places);
            return places.stream().allMatch(
                place -> (committed.get(place) == null ? 0 : committed.get(place).offset()) >= ends.get(place));
        } catch (KafkaException e) {
            return false;
        }
    }

    private void work(String name) {
        Random choice = new Random(name.hashCode());
        Actor actor = new Actor(name);
        KafkaConsumer<String, String> consumer = subscribe();
        while (!isLate()) {
            boolean isDone = false;
            try {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(300));
                if (records.isEmpty()) {
                    if (isStopping && isAnswered(consumer))
                        break;
                    continue;
                }
                isDone = answer(actor, consumer, records, choice.nextInt(10) != 0, choice);
            } catch (WakeupException e) {
                throw e;
            } catch (KafkaException e) {
                // start again from what was committed
            }
            if (!isDone) {
                close(consumer);
                consumer = subscribe();
            }
        }
        close(consumer);
    }

    private boolean answer(Actor actor, KafkaConsumer<String, String> consumer, ConsumerRecords<String, String> records,
                           boolean isWanted, Random choice) {
        List<Place> places = new ArrayList<>();
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (ConsumerRecord<String, String> record : records) {
            String[] words = record.value().split(" ");
            places.add(new Place(prefix + "-janswers", choice.nextInt(3),
                words[0] + "/" + record.topic() + "/" + record.partition() + "/" + words[2]));
            offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        return actor.transact(places, isWanted,
            producer -> producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata())).equals("committed");
    }

    /** A member of a share group that accepts every record it is given. */
    private void share(String name) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        properties.put("group.id", prefix + "-jshare");
        properties.put("client.id", name);
        properties.put("share.acknowledgement.mode", "explicit");
        properties.put("reconnect.backoff.max.ms", 100);
        KafkaShareConsumer<String, String> consumer = null;
        long quietSince = System.nanoTime();
        while (!isLate() && !(isStopping && System.nanoTime() - quietSince > Duration.ofSeconds(8).toNanos())) {
            try {
                if (consumer == null) {
                    consumer = new KafkaShareConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
                    consumer.subscribe(List.of(prefix + "-requests"));
                }
                if (accept(consumer))
                    quietSince = System.nanoTime();
            } catch (KafkaException | IllegalStateException e) {
                System.err.println(name + ": " + e);
                close(consumer);
                consumer = null;
                quietSince = System.nanoTime();
            }
        }
        close(consumer);
    }

    private boolean accept(KafkaShareConsumer<String, String> consumer) {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(300));
        for (ConsumerRecord<String, String> record : records) {
            note("[\"shared\", \"" + record.topic() + "\", " + record.partition() + ", " + record.offset() + "]");
            consumer.acknowledge(record, AcknowledgeType.ACCEPT);
        }
        if (records.isEmpty())
            return false;
        Map<TopicIdPartition, Optional<KafkaException>> answers = Map.of();
        try {
            answers = consumer.commitSync(Duration.ofSeconds(20));
        } finally {
            for (ConsumerRecord<String, String> record : records) {
                boolean isAccepted = answers.entrySet().stream().anyMatch(answer -> answer.getKey().topic().equals(record.topic())
                    && answer.getKey().partition() == record.partition() && answer.getValue().isEmpty());
                note("[\"" + (isAccepted ? "accepted" : "doubted") + "\", \"" + record.topic() + "\", " + record.partition() + ", "
                    + record.offset() + "]");
            }
        }
        return true;
    }

    private static void close(KafkaShareConsumer<String, String> consumer) {
        try {
            if (consumer != null)
                consumer.close(Duration.ofSeconds(5));
        } catch (KafkaException e) {
            // it is closed all the same
        }
    }

    /** A share group begins at the end of a log unless it is told otherwise. */
    private void beginShares() throws Exception {
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", address))) {
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, prefix + "-jshare"),
                List.of(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET))))
                .all().get();
        }
    }

    private interface Part {
        void run() throws Exception;
    }

    private Thread start(Part part) {
        Thread thread = new Thread(() -> {
            try {
                part.run();
            } catch (Exception e) {
                synchronized (this) {
                    failures.add(e.toString());
                }
            }
        });
        thread.start();
        return thread;
    }

    public static void main(String[] words) throws Exception {
        Bank bank = new Bank(words);
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            String number = Integer.toString(i);
            threads.add(bank.start(() -> bank.transfer("jtransfer" + number)));
            threads.add(bank.start(() -> bank.work("jworker" + number)));
        }
        if (words.length > 4 && words[4].equals("share")) {
            bank.beginShares();
            threads.add(bank.start(() -> bank.share("jshare0")));
            threads.add(bank.start(() -> bank.share("jshare1")));
        }
        while (System.in.read() != '\n')
            continue;
        bank.endsAt = System.nanoTime() + Duration.ofSeconds(120).toNanos();
        bank.isStopping = true;
        for (Thread thread : threads)
            thread.join();
        synchronized (bank) {
            bank.history.close();
            System.out.println(bank.failures.isEmpty() ? "OK" : "FAILED " + bank.failures);
        }
    }
}
