// SPDX-License-Identifier: Apache-2.0
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;

/** What an application may rely on in transactions; each case prints "PASS name" or "FAIL name: why". */
class Transactions {
    private static final int PARTITIONS = 3;
    private final String address;
    private final String prefix;
    private int topicCount;

    interface Case {
        void run() throws Exception;
    }

    Transactions(String address, String prefix) {
        this.address = address;
        this.prefix = prefix;
    }

    void runAll() {
        run("committed_records_are_read_once", this::committed);
        run("aborted_records_are_not_read_committed", this::aborted);
        run("open_transaction_holds_back_read_committed", this::open);
        run("zombie_is_fenced", this::fenced);
        run("new_instance_aborts_what_the_old_one_left_open", this::leftOpen);
        run("transaction_that_takes_too_long_is_aborted", this::timedOut);
        run("consume_transform_produce_counts_each_input_once", this::transform);
        run("offsets_of_an_aborted_transaction_are_not_committed", this::abortedOffsets);
    }

    private void run(String name, Case body) {
        try {
            body.run();
            System.out.println("PASS " + name);
        } catch (Throwable error) {
            error.printStackTrace();
            System.out.println("FAIL " + name + ": " + String.valueOf(error).replace('\n', ' '));
        }
        System.out.flush();
    }

    private static void check(boolean isTrue, String what) {
        if (!isTrue)
            throw new IllegalStateException(what);
    }

    private String newTopic() throws Exception {
        String topic = prefix + "-" + topicCount++;
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1))).all().get();
        }
        return topic;
    }

    private static List<TopicPartition> partitions(String topic) {
        return IntStream.range(0, PARTITIONS).mapToObj(n -> new TopicPartition(topic, n)).collect(Collectors.toList());
    }

    private KafkaProducer<String, String> producer(String id, int timeoutMs) {
        Map<String, Object> config = new HashMap<>();
        config.put("transactional.id", id);
        config.put("transaction.timeout.ms", timeoutMs);
        config.put("max.block.ms", 30000);
        KafkaProducer<String, String> producer = Client.producer(address, config);
        producer.initTransactions();
        return producer;
    }

    private static void send(KafkaProducer<String, String> producer, String topic, String word, int count) {
        for (int n = 0; n < count; n++)
            producer.send(new ProducerRecord<>(topic, "k" + n, word + "-" + n));
    }

    private static void transact(KafkaProducer<String, String> producer, String topic, String word, int count, boolean isCommit) {
        producer.beginTransaction();
        send(producer, topic, word, count);
        if (isCommit) {
            producer.commitTransaction();
        } else {
            producer.flush();
            producer.abortTransaction();
        }
    }

    private KafkaConsumer<String, String> reader(String isolation) {
        return Client.consumer(address, null, Map.of("isolation.level", isolation));
    }

    /** All values from the beginning to the end that this isolation level sees now. */
    private List<String> read(String topic, String isolation) {
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = reader(isolation)) {
            List<TopicPartition> all = partitions(topic);
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            long limit = System.nanoTime() + Client.LONG_NANOS;
            while (all.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                check(System.nanoTime() < limit, "reading ends at " + values.size() + " records, wanted up to " + ends);
                for (ConsumerRecord<String, String> record : consumer.poll(Client.POLL))
                    values.add(record.value());
            }
        }
        Collections.sort(values);
        return values;
    }

    private static List<String> values(Object... wordsAndCounts) {
        List<String> values = new ArrayList<>();
        for (int i = 0; i < wordsAndCounts.length; i += 2)
            for (int n = 0; n < (Integer) wordsAndCounts[i + 1]; n++)
                values.add(wordsAndCounts[i] + "-" + n);
        Collections.sort(values);
        return values;
    }

    /** A commit is answered when it is decided; the markers that let the records be seen follow soon. */
    private void checkRead(String topic, String isolation, List<String> wanted) {
        long limit = System.nanoTime() + Client.LONG_NANOS / 3;
        List<String> got = read(topic, isolation);
        while (got.size() < wanted.size() && System.nanoTime() < limit)
            got = read(topic, isolation);
        check(got.equals(wanted), isolation + " read " + got.size() + " records, wanted " + wanted.size());
    }

    private void committed() throws Exception {
        String topic = newTopic();
        try (KafkaProducer<String, String> producer = producer(topic, 60000)) {
            transact(producer, topic, "one", 200, true);
            transact(producer, topic, "two", 1, true);
            producer.beginTransaction();
            producer.commitTransaction(); // an empty one is nothing special
            transact(producer, topic, "three", 100, true);
        }
        checkRead(topic, "read_committed", values("one", 200, "two", 1, "three", 100));
    }

    private void aborted() throws Exception {
        String topic = newTopic();
        try (KafkaProducer<String, String> producer = producer(topic, 60000)) {
            transact(producer, topic, "one", 50, true);
            transact(producer, topic, "two", 50, false);
            transact(producer, topic, "three", 50, true);
            transact(producer, topic, "four", 50, false);
        }
        checkRead(topic, "read_committed", values("one", 50, "three", 50));
        checkRead(topic, "read_uncommitted", values("one", 50, "two", 50, "three", 50, "four", 50));
    }

    private void open() throws Exception {
        String topic = newTopic();
        try (KafkaProducer<String, String> producer = producer(topic, 60000);
             KafkaProducer<String, String> other = Client.producer(address, Map.of())) {
            producer.beginTransaction();
            send(producer, topic, "open", 30);
            producer.flush();
            send(other, topic, "plain", 30);
            other.flush();
            checkRead(topic, "read_committed", values());
            checkRead(topic, "read_uncommitted", values("open", 30, "plain", 30));
            producer.commitTransaction();
            checkRead(topic, "read_committed", values("open", 30, "plain", 30));
        }
    }

    private static boolean isFenced(Throwable error) {
        for (; error != null; error = error.getCause())
            if (error instanceof ProducerFencedException || error instanceof InvalidProducerEpochException)
                return true;
        return false;
    }

    private static void checkFenced(Case body) throws Exception {
        try {
            body.run();
        } catch (KafkaException error) {
            check(isFenced(error), "the zombie was told " + error + ", caused by " + error.getCause());
            return;
        }
        check(false, "the zombie was not told");
    }

    private void fenced() throws Exception {
        String topic = newTopic();
        KafkaProducer<String, String> zombie = producer(topic, 60000);
        zombie.beginTransaction();
        send(zombie, topic, "zombie", 20);
        zombie.flush();
        try (KafkaProducer<String, String> successor = producer(topic, 60000)) {
            checkFenced(() -> {
                send(zombie, topic, "late", 5);
                zombie.commitTransaction();
            });
            transact(successor, topic, "successor", 20, true);
        } finally {
            zombie.close(Duration.ZERO);
        }
        checkRead(topic, "read_committed", values("successor", 20));
    }

    private void leftOpen() throws Exception {
        String topic = newTopic();
        KafkaProducer<String, String> gone = producer(topic, 60000);
        gone.beginTransaction();
        send(gone, topic, "gone", 20);
        gone.flush();
        gone.close(Duration.ZERO);
        try (KafkaProducer<String, String> next = producer(topic, 60000)) {
            transact(next, topic, "next", 20, true);
        }
        checkRead(topic, "read_committed", values("next", 20));
    }

    private void timedOut() throws Exception {
        String topic = newTopic();
        try (KafkaProducer<String, String> producer = producer(topic, 2000);
             KafkaConsumer<String, String> stable = reader("read_committed");
             KafkaConsumer<String, String> all = reader("read_uncommitted")) {
            producer.beginTransaction();
            send(producer, topic, "late", 10);
            producer.flush();
            long limit = System.nanoTime() + Client.LONG_NANOS;
            // The end that read_committed sees is the last stable offset.
            while (!stable.endOffsets(partitions(topic)).equals(all.endOffsets(partitions(topic)))) {
                check(System.nanoTime() < limit, "the last stable offset stays");
                stable.assign(partitions(topic));
                stable.poll(Client.POLL);
            }
            boolean isRefused = false;
            try {
                producer.commitTransaction();
            } catch (KafkaException expected) {
                isRefused = true;
            }
            check(isRefused, "the commit of an aborted transaction succeeded");
        }
        checkRead(topic, "read_committed", values());
        try (KafkaProducer<String, String> producer = producer(topic, 60000)) {
            transact(producer, topic, "next", 10, true);
        }
        checkRead(topic, "read_committed", values("next", 10));
    }

    /** One life of an application that moves records from input to output; it dies in the middle of its batch number
     *  crashAt.  Every third batch it aborts and does again. */
    private void live(String input, String output, int crashAt) {
        KafkaProducer<String, String> producer = producer(output + "-id", 60000);
        KafkaConsumer<String, String> consumer = Client.consumer(address, output + "-group",
            Map.of("isolation.level", "read_committed", "max.poll.records", 40, "session.timeout.ms", 6000));
        boolean isDead = false;
        try {
            consumer.subscribe(List.of(input));
            long limit = System.nanoTime() + Client.LONG_NANOS;
            for (int batch = 1; !isDone(consumer, input);) {
                check(System.nanoTime() < limit, "the application does not come to the end of its input");
                ConsumerRecords<String, String> records = consumer.poll(Client.POLL);
                if (records.isEmpty())
                    continue;
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                producer.beginTransaction();
                for (ConsumerRecord<String, String> record : records) {
                    producer.send(new ProducerRecord<>(output, record.key(), record.value()));
                    offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
                }
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (batch == crashAt) {
                    producer.flush();
                    isDead = true;
                    return;
                }
                if (batch++ % 3 == 0) {
                    producer.abortTransaction();
                    rewind(consumer);
                } else {
                    producer.commitTransaction();
                }
            }
        } finally {
            producer.close(isDead ? Duration.ZERO : Duration.ofSeconds(10));
            consumer.close(Duration.ofSeconds(5));
        }
    }

    private static boolean isDone(KafkaConsumer<String, String> consumer, String input) {
        if (consumer.assignment().size() < PARTITIONS)
            return false;
        Map<TopicPartition, Long> ends = consumer.endOffsets(partitions(input));
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(Set.copyOf(partitions(input)));
        return partitions(input).stream().allMatch(one -> committed.get(one) != null && committed.get(one).offset() >= lastOf(ends, one));
    }

    private static long lastOf(Map<TopicPartition, Long> ends, TopicPartition partition) {
        return ends.get(partition) - 1; // the marker that ended the input takes the last offset
    }

    private static void rewind(KafkaConsumer<String, String> consumer) {
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
        for (TopicPartition partition : consumer.assignment()) {
            OffsetAndMetadata at = committed.get(partition);
            consumer.seek(partition, at == null ? 0 : at.offset());
        }
    }

    private void transform() throws Exception {
        String input = newTopic();
        String output = newTopic();
        try (KafkaProducer<String, String> producer = producer(input, 60000)) {
            transact(producer, input, "in", 400, true);
        }
        live(input, output, 4);
        live(input, output, 5);
        live(input, output, -1);
        checkRead(output, "read_committed", values("in", 400));
        check(read(output, "read_uncommitted").size() > 400, "nothing was aborted");
    }

    private void abortedOffsets() throws Exception {
        String topic = newTopic();
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = producer(topic, 60000);
             KafkaConsumer<String, String> consumer = Client.consumer(address, topic + "-group", Map.of("isolation.level", "read_committed"))) {
            consumer.assign(List.of(partition));
            for (boolean isCommit : new boolean[] {true, false, true}) {
                OffsetAndMetadata before = consumer.committed(Set.of(partition)).get(partition);
                producer.beginTransaction();
                long wanted = (before == null ? 0 : before.offset()) + 7;
                producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(wanted, "by transaction")), consumer.groupMetadata());
                if (isCommit)
                    producer.commitTransaction();
                else
                    producer.abortTransaction();
                OffsetAndMetadata after = consumer.committed(Set.of(partition)).get(partition);
                check(isCommit ? after != null && after.offset() == wanted : String.valueOf(after).equals(String.valueOf(before)),
                      (isCommit ? "committed" : "aborted") + " offset " + wanted + ", but the group has " + after);
            }
        }
    }
}
