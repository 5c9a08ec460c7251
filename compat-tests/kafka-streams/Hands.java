// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Feeds an application's input and reads its output: Hands ADDRESS, with requests on standard input, words separated
 * by tabs, each answer ended by the line END:
 *   feed PATH RATE        lines "topic partition timestamp key value"; RATE lines a second, 0 for all at once
 *   drain TOPIC ISOLATION all records to the end: "partition offset timestamp key value"
 *   starts TOPIC, ends TOPIC   the first, the end offset of each partition as a read_committed consumer sees it
 * A null value is "\N"; the partition "-" is the one of the key's hash.
 */
public final class Hands {
    private static final String NULL = "\\N";
    private final String address;
    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    private Hands(String address) {
        this.address = address;
    }

    private void feed(String path, int rate) throws IOException {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("linger.ms", "5");
        settings.put("delivery.timeout.ms", "300000");
        settings.put("request.timeout.ms", "5000");
        AtomicReference<Exception> failure = new AtomicReference<>();
        List<String> lines = Files.readAllLines(Path.of(path));
        long began = System.nanoTime();
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int n = 0; n < lines.size(); n++) {
                String[] words = lines.get(n).split("\t", -1);
                String value = words[4].equals(NULL) ? null : words[4];
                Integer partition = words[1].equals("-") ? null : Integer.valueOf(words[1]);
                producer.send(new ProducerRecord<>(words[0], partition, Long.parseLong(words[2]), words[3], value),
                    (metadata, failed) -> failure.compareAndSet(null, failed));
                while (rate > 0 && (System.nanoTime() - began) / 1e9 * rate < n) {
                    LockSupport.parkNanos(1_000_000);
                }
            }
        }
        out.println(failure.get() == null ? "OK " + lines.size() : "failed " + failure.get());
    }

    private KafkaConsumer<String, String> consumer(String isolation) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("isolation.level", isolation);
        settings.put("enable.auto.commit", "false");
        settings.put("fetch.max.wait.ms", "50");
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private static List<TopicPartition> partitions(KafkaConsumer<String, String> consumer, String topic) {
        List<TopicPartition> found = new ArrayList<>();
        for (PartitionInfo row : consumer.partitionsFor(topic)) {
            found.add(new TopicPartition(topic, row.partition()));
        }
        return found;
    }

    private void drain(String topic, String isolation) {
        try (KafkaConsumer<String, String> consumer = consumer(isolation)) {
            List<TopicPartition> partitions = partitions(consumer, topic);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (ends.entrySet().stream().anyMatch(row -> consumer.position(row.getKey()) < row.getValue())) {
                for (ConsumerRecord<String, String> got : consumer.poll(Duration.ofMillis(200))) {
                    out.println(got.partition() + "\t" + got.offset() + "\t" + got.timestamp() + "\t" + got.key() + "\t"
                        + (got.value() == null ? NULL : got.value()));
                }
            }
        }
    }

    private void offsets(String topic, boolean isEnd) {
        try (KafkaConsumer<String, String> consumer = consumer("read_committed")) {
            List<TopicPartition> partitions = partitions(consumer, topic);
            Map<TopicPartition, Long> found = isEnd ? consumer.endOffsets(partitions) : consumer.beginningOffsets(partitions);
            found.forEach((partition, offset) -> out.println(partition.partition() + "\t" + offset));
        }
    }

    private void answer(String[] words) throws IOException {
        try {
            switch (words[0]) {
                case "feed" -> feed(words[1], Integer.parseInt(words[2]));
                case "drain" -> drain(words[1], words[2]);
                case "starts" -> offsets(words[1], false);
                case "ends" -> offsets(words[1], true);
                default -> out.println("failed: unknown " + words[0]);
            }
        } catch (RuntimeException failed) {
            out.println("failed " + failed);
        }
        out.println("END");
        out.flush();
    }

    public static void main(String[] words) throws IOException {
        Hands hands = new Hands(words[0]);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            hands.answer(line.split("\t"));
        }
    }
}
