// SPDX-License-Identifier: Apache-2.0
package weir.compat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.kafka.config.KafkaListenerEndpointRegistry;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.MessageListenerContainer;
import org.springframework.stereotype.Component;

/** The cases; each prints one line, PASS name or FAIL name: why. */
@Component
public class Cases {
    private final KafkaTemplate<String, Object> template;
    private final KafkaAdmin admin;
    private final KafkaListenerEndpointRegistry registry;
    private final Listeners listeners;
    private final TransactionCases transactions;
    private final String prefix;
    private boolean isGood = true;

    public Cases(KafkaTemplate<String, Object> template, KafkaAdmin admin, KafkaListenerEndpointRegistry registry,
            Listeners listeners, TransactionCases transactions, @Value("${weir.prefix}") String prefix) {
        this.template = template;
        this.admin = admin;
        this.registry = registry;
        this.listeners = listeners;
        this.transactions = transactions;
        this.prefix = prefix;
    }

    private String topic(String word) {
        return prefix + "-" + word;
    }

    static void check(boolean isTrue, String what) {
        if (!isTrue) {
            throw new IllegalStateException(what);
        }
    }

    static void waitFor(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (!condition.getAsBoolean()) {
            check(System.nanoTime() < deadline, "not within 30 s: " + what);
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    private void run(String name, Callable<?> body) {
        try {
            body.call();
            System.out.println("PASS " + name);
        } catch (Exception failed) {
            isGood = false;
            System.out.println("FAIL " + name + ": " + String.valueOf(failed).replace('\n', ' '));
        }
    }

    boolean runAll() {
        run("kafka_admin_creates_topics", this::adminCreatesTopics);
        run("template_send_and_wait_to_a_single_listener", this::sendAndWait);
        run("template_send_and_forget_to_a_single_listener", this::sendAndForget);
        run("keyed_records_stay_in_order_in_one_partition", this::keyed);
        run("headers_key_and_timestamp_arrive", this::headers);
        run("json_arrives_as_the_same_object", this::json);
        run("batch_listener_gets_several_records_at_once", this::batch);
        run("concurrency_3_shares_3_partitions", this::wide);
        run("manual_acknowledgement_redelivers_what_was_not_acknowledged", this::manual);
        run("error_handler_sends_to_a_dead_letter_topic", this::deadLetter);
        run("retry_topics_then_dead_letter_topic", this::retried);
        run("transactional_methods_write_all_or_nothing", transactions::transactional);
        run("execute_in_transaction_commits_or_rolls_back", transactions::executeInTransaction);
        run("exactly_once_listener_writes_once_what_it_tries_twice", transactions::exactlyOnce);
        run("rollback_goes_to_a_dead_letter_topic", transactions::rolledBack);
        return isGood;
    }

    private Void adminCreatesTopics() {
        Map<String, TopicDescription> found = admin.describeTopics(topic("keyed"), topic("single"), topic("compacted"));
        check(found.get(topic("keyed")).partitions().size() == 3, "partitions of keyed");
        check(found.get(topic("compacted")).partitions().size() == 2, "partitions of compacted");
        check(found.get(topic("single")).partitions().get(0).leader() != null, "leader of single");
        return null;
    }

    private Void sendAndWait() throws Exception {
        RecordMetadata first = template.send(topic("single"), "one").get(30, TimeUnit.SECONDS).getRecordMetadata();
        RecordMetadata second = template.send(topic("single"), "two").get(30, TimeUnit.SECONDS).getRecordMetadata();
        check(first.hasOffset() && first.offset() == 0 && second.offset() == 1, "offsets " + first + ", " + second);
        waitFor("one and two arrive, got " + listeners.single, () -> List.copyOf(listeners.single).equals(List.of("one", "two")));
        return null;
    }

    private Void sendAndForget() throws Exception {
        List<String> wanted = new ArrayList<>(listeners.single);
        for (int n = 0; n < 1000; n++) {
            template.send(topic("single"), "forgotten-" + n);
            wanted.add("forgotten-" + n);
        }
        waitFor("1000 records arrive in order", () -> List.copyOf(listeners.single).equals(wanted));
        return null;
    }

    private Void keyed() throws Exception {
        for (int n = 0; n < 300; n++) {
            template.send(topic("keyed"), "key-" + n % 10, Integer.toString(n));
        }
        waitFor("300 records arrive", () -> listeners.keyed.size() == 300);
        Map<String, Integer> partitions = new HashMap<>();
        Map<String, Integer> last = new HashMap<>();
        for (ConsumerRecord<String, String> record : listeners.keyed) {
            int before = partitions.computeIfAbsent(record.key(), key -> record.partition());
            check(before == record.partition(), "key " + record.key() + " is in two partitions");
            Integer previous = last.put(record.key(), Integer.valueOf(record.value()));
            check(previous == null || previous < Integer.parseInt(record.value()), "key " + record.key() + " out of order");
        }
        check(new HashSet<>(partitions.values()).size() > 1, "all keys are in one partition");
        return null;
    }

    private Void headers() throws Exception {
        ProducerRecord<String, Object> record = new ProducerRecord<>(topic("headers"), 0, 1_600_000_000_123L, "the-key", "painted");
        record.headers().add("colour", "green".getBytes(StandardCharsets.UTF_8));
        template.send(record).get(30, TimeUnit.SECONDS);
        waitFor("the record arrives", () -> !listeners.headers.isEmpty());
        Map<String, String> got = listeners.headers.peek();
        check(got.equals(Map.of("value", "painted", "colour", "green", "key", "the-key", "timestamp", "1600000000123")), "got " + got);
        return null;
    }

    private Void json() throws Exception {
        Order order = new Order("o-1", 42, "zwölf Stück, 二");
        template.send(topic("json"), order.id(), order).get(30, TimeUnit.SECONDS);
        waitFor("the order arrives", () -> !listeners.json.isEmpty());
        check(listeners.json.peek().equals(order), "got " + listeners.json.peek());
        return null;
    }

    private Void batch() throws Exception {
        for (int n = 0; n < 500; n++) {
            template.send(topic("batch"), "b-" + n);
        }
        waitFor("500 records arrive", () -> listeners.batches.stream().mapToInt(List::size).sum() == 500);
        check(listeners.batches.size() < 500, "every batch held one record");
        List<String> all = listeners.batches.stream().flatMap(List::stream).toList();
        check(all.get(0).equals("b-0") && all.get(499).equals("b-499"), "not in order");
        return null;
    }

    /** The group may still be on its way to one partition for each thread: a record for each partition, until three handle them. */
    private void waitForThreeThreads() throws Exception {
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        Set<String> threads = new HashSet<>();
        for (int round = 0; threads.size() < 3; round++) {
            check(System.nanoTime() < deadline, "not within 60 s: three threads, but " + threads);
            List<String> values = List.of("r-" + round + "-0", "r-" + round + "-1", "r-" + round + "-2");
            for (int partition = 0; partition < 3; partition++) {
                template.send(new ProducerRecord<>(topic("wide"), partition, null, values.get(partition))).get(30, TimeUnit.SECONDS);
            }
            waitFor("a round arrives", () -> listeners.wide.keySet().containsAll(values));
            threads.clear();
            values.forEach(value -> threads.add(listeners.wide.get(value)));
        }
    }

    private Void wide() throws Exception {
        waitForThreeThreads();
        listeners.wide.clear();
        for (int n = 0; n < 300; n++) {
            template.send(new ProducerRecord<>(topic("wide"), n % 3, null, "w-" + n));
        }
        waitFor("300 records arrive", () -> listeners.wide.size() == 300);
        Set<String> threads = new HashSet<>(listeners.wide.values());
        check(threads.size() == 3, "handled by " + threads);
        return null;
    }

    /** Nothing is acknowledged, the container starts again: both come again; then they are, and do not. */
    private Void manual() throws Exception {
        MessageListenerContainer container = registry.getListenerContainer("manual");
        template.send(topic("manual"), "m-1").get(30, TimeUnit.SECONDS);
        template.send(topic("manual"), "m-2").get(30, TimeUnit.SECONDS);
        waitFor("both arrive", () -> listeners.manual.size() == 2);
        container.stop();
        listeners.isAcknowledging.set(true);
        container.start();
        waitFor("both arrive again", () -> listeners.manual.size() == 4);
        container.stop();
        container.start();
        template.send(topic("manual"), "m-3").get(30, TimeUnit.SECONDS);
        waitFor("the third arrives", () -> listeners.manual.contains("m-3"));
        check(List.copyOf(listeners.manual).equals(List.of("m-1", "m-2", "m-1", "m-2", "m-3")), "got " + listeners.manual);
        return null;
    }

    private Void deadLetter() throws Exception {
        for (String value : List.of("good-1", "bad-1", "good-2")) {
            template.send(topic("failing"), value).get(30, TimeUnit.SECONDS);
        }
        waitFor("the bad one is given up", () -> !listeners.deadLetters.isEmpty());
        waitFor("the good one after it arrives", () -> listeners.failing.contains("good-2"));
        check(listeners.deadLetters.peek().startsWith("bad-1|") && listeners.deadLetters.peek().contains("refused: bad-1"),
            "dead letter " + listeners.deadLetters.peek());
        check(List.copyOf(listeners.failing).equals(List.of("good-1", "bad-1", "bad-1", "bad-1", "good-2")), "got " + listeners.failing);
        return null;
    }

    private Void retried() throws Exception {
        template.send(topic("retried"), "bad-1").get(30, TimeUnit.SECONDS);
        template.send(topic("retried"), "good-1").get(30, TimeUnit.SECONDS);
        waitFor("the bad one is given up", () -> !listeners.afterRetries.isEmpty());
        check(listeners.afterRetries.peek().equals("bad-1|" + topic("retried") + "-dlt"), "after retries " + listeners.afterRetries.peek());
        long tries = listeners.retried.stream().filter(got -> got.startsWith("bad-1|")).count();
        long elsewhere = listeners.retried.stream().filter(got -> got.contains("-retry")).count();
        check(tries == 3 && elsewhere == 2, "tries: " + listeners.retried);
        check(listeners.retried.contains("good-1|" + topic("retried")), "the good one arrives: " + listeners.retried);
        return null;
    }
}
