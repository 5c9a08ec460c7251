// SPDX-License-Identifier: Apache-2.0
import java.time.Duration;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The commands that harness/clients.py describes, and "transactions".  The environment variable GROUP_CONFIG holds
 *  further settings of a consumer: key=value, separated by ';'.  Written for what clients 2.8 to 4.3 have in common. */
public class Client {
    static final Duration POLL = Duration.ofMillis(100);
    static final long LONG_NANOS = TimeUnit.SECONDS.toNanos(60);

    static KafkaProducer<String, String> producer(String address, Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", address);
        config.put("linger.ms", 5);
        config.putAll(more);
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String address, String group, Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", address);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", false);
        if (group != null)
            config.put("group.id", group);
        config.putAll(more);
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    static Map<String, Object> groupConfig() {
        Map<String, Object> config = new HashMap<>();
        String words = System.getenv("GROUP_CONFIG");
        for (String word : (words == null ? "" : words).split(";")) {
            int at = word.indexOf('=');
            if (at > 0)
                config.put(word.substring(0, at), word.substring(at + 1));
        }
        if (!"consumer".equals(config.get("group.protocol"))) {
            config.putIfAbsent("session.timeout.ms", 6000);
            config.putIfAbsent("heartbeat.interval.ms", 500);
        }
        return config;
    }

    static void show(ConsumerRecord<String, String> record) {
        System.out.println("R " + record.partition() + " " + record.offset() + " " + record.key() + " " + record.value());
    }

    static void produce(String address, String topic, String codec, int count, String prefix) throws Exception {
        Map<String, Object> config = new HashMap<>();
        config.put("compression.type", codec);
        config.put("acks", "all");
        try (KafkaProducer<String, String> producer = producer(address, config)) {
            Future<?>[] sent = new Future<?>[count];
            for (int n = 0; n < count; n++)
                sent[n] = producer.send(new ProducerRecord<>(topic, "k" + n, prefix + "-" + n));
            for (Future<?> one : sent)
                one.get(30, TimeUnit.SECONDS);
        }
        System.out.println("OK " + count);
    }

    /** In a group; from: the offset that every partition is moved to first, or -1. */
    static void consume(String address, String topic, String group, long from, int count) {
        try (KafkaConsumer<String, String> consumer = consumer(address, group, groupConfig())) {
            Set<TopicPartition> moved = new java.util.HashSet<>();
            consumer.subscribe(List.of(topic));
            long end = System.nanoTime() + LONG_NANOS;
            for (int got = 0; got < count;) {
                if (System.nanoTime() > end)
                    throw new IllegalStateException(got + " of " + count + " records");
                var records = consumer.poll(POLL);
                boolean isMoved = false;
                for (TopicPartition partition : consumer.assignment()) {
                    if (from >= 0 && moved.add(partition)) {
                        consumer.seek(partition, from);
                        isMoved = true;
                    }
                }
                if (isMoved)
                    continue;
                for (ConsumerRecord<String, String> record : records) {
                    show(record);
                    got++;
                }
            }
            consumer.commitSync();
        }
    }

    static void member(String address, String topic, String group) {
        KafkaConsumer<String, String> consumer = consumer(address, group, groupConfig());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join(10000);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        }));
        ConsumerRebalanceListener listener = new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                consumer.commitSync();
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            }

            @Override
            public void onPartitionsLost(Collection<TopicPartition> partitions) {
                System.out.println("LOST " + partitions.size());
            }
        };
        Set<Integer> shown = null;
        try {
            consumer.subscribe(Collections.singletonList(topic), listener);
            for (;;) {
                for (ConsumerRecord<String, String> record : consumer.poll(POLL))
                    show(record);
                Set<Integer> assigned = new TreeSet<>();
                for (TopicPartition partition : consumer.assignment())
                    assigned.add(partition.partition());
                if (!assigned.equals(shown)) {
                    System.out.println("A " + assigned.toString().replaceAll("[\\[\\] ]", ""));
                    shown = assigned;
                }
                consumer.commitAsync();
            }
        } catch (WakeupException leaving) {
            System.out.println("LEAVING");
        } finally {
            consumer.close(Duration.ofSeconds(5));
            System.out.flush();
        }
    }

    public static void main(String[] words) throws Exception {
        String address = words[1];
        switch (words[0]) {
            case "produce":
                produce(address, words[2], words[3], Integer.parseInt(words[4]), words[5]);
                break;
            case "consume":
                consume(address, words[2], words[3], -1, Integer.parseInt(words[4]));
                break;
            case "replay":
                consume(address, words[2], words[3], Long.parseLong(words[4]), Integer.parseInt(words[5]));
                break;
            case "member":
                member(address, words[2], words[3]);
                break;
            case "transactions":
                new Transactions(address, words[2]).runAll();
                break;
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }
}
