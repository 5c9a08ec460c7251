// SPDX-License-Identifier: Apache-2.0
package weir.compat;

import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.kafka.annotation.DltHandler;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.annotation.RetryableTopic;
import org.springframework.kafka.support.Acknowledgment;
import org.springframework.kafka.support.KafkaHeaders;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.messaging.handler.annotation.Payload;
import org.springframework.retry.annotation.Backoff;
import org.springframework.stereotype.Component;

/** One listener of each kind; all remember what they got. */
@Component
public class Listeners {
    final Queue<String> single = new ConcurrentLinkedQueue<>();
    final Queue<ConsumerRecord<String, String>> keyed = new ConcurrentLinkedQueue<>();
    final Queue<Map<String, String>> headers = new ConcurrentLinkedQueue<>();
    final Queue<Order> json = new ConcurrentLinkedQueue<>();
    final Queue<List<String>> batches = new ConcurrentLinkedQueue<>();
    final Map<String, String> wide = new ConcurrentHashMap<>();
    final Queue<String> manual = new ConcurrentLinkedQueue<>();
    final AtomicBoolean isAcknowledging = new AtomicBoolean(false);
    final Queue<String> failing = new ConcurrentLinkedQueue<>();
    final Queue<String> deadLetters = new ConcurrentLinkedQueue<>();
    final Queue<String> retried = new ConcurrentLinkedQueue<>();
    final Queue<String> afterRetries = new ConcurrentLinkedQueue<>();

    @KafkaListener(topics = "${weir.prefix}-single", groupId = "${weir.prefix}-single")
    public void single(String value) {
        single.add(value);
    }

    @KafkaListener(topics = "${weir.prefix}-keyed", groupId = "${weir.prefix}-keyed")
    public void keyed(ConsumerRecord<String, String> record) {
        keyed.add(record);
    }

    @KafkaListener(topics = "${weir.prefix}-headers", groupId = "${weir.prefix}-headers")
    public void headers(@Payload String value, @Header("colour") String colour,
            @Header(KafkaHeaders.RECEIVED_KEY) String key, @Header(KafkaHeaders.RECEIVED_TIMESTAMP) long timestamp) {
        headers.add(Map.of("value", value, "colour", colour, "key", key, "timestamp", Long.toString(timestamp)));
    }

    @KafkaListener(topics = "${weir.prefix}-json", groupId = "${weir.prefix}-json")
    public void json(Order order) {
        json.add(order);
    }

    @KafkaListener(topics = "${weir.prefix}-batch", groupId = "${weir.prefix}-batch", batch = "true")
    public void batch(List<String> values) {
        batches.add(values);
    }

    @KafkaListener(topics = "${weir.prefix}-wide", groupId = "${weir.prefix}-wide", concurrency = "3")
    public void wide(String value) {
        wide.put(value, Thread.currentThread().getName());
    }

    @KafkaListener(id = "manual", topics = "${weir.prefix}-manual", groupId = "${weir.prefix}-manual",
        containerPostProcessor = "manualAcknowledgement")
    public void manual(String value, Acknowledgment acknowledgment) {
        manual.add(value);
        if (isAcknowledging.get()) {
            acknowledgment.acknowledge();
        }
    }

    @KafkaListener(topics = "${weir.prefix}-failing", groupId = "${weir.prefix}-failing", containerFactory = "deadLetterFactory")
    public void failing(String value) {
        failing.add(value);
        if (value.startsWith("bad")) {
            throw new IllegalStateException("refused: " + value);
        }
    }

    @KafkaListener(topics = "${weir.prefix}-failing-dlt", groupId = "${weir.prefix}-failing-dlt")
    public void deadLetter(String value, @Header(KafkaHeaders.DLT_EXCEPTION_MESSAGE) String why) {
        deadLetters.add(value + "|" + why);
    }

    @RetryableTopic(attempts = "3", backoff = @Backoff(delay = 100), numPartitions = "1", replicationFactor = "1")
    @KafkaListener(topics = "${weir.prefix}-retried", groupId = "${weir.prefix}-retried")
    public void retried(String value, @Header(KafkaHeaders.RECEIVED_TOPIC) String topic) {
        retried.add(value + "|" + topic);
        if (value.startsWith("bad")) {
            throw new IllegalStateException("refused: " + value);
        }
    }

    @DltHandler
    public void afterRetries(String value, @Header(KafkaHeaders.RECEIVED_TOPIC) String topic) {
        afterRetries.add(value + "|" + topic);
    }
}
