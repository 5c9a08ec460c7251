// SPDX-License-Identifier: Apache-2.0
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.zip.CRC32;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Kafka Streams, exactly once and with the streams protocol, answers each request of chaos/load.py with one record whose
 * key names it.
 *
 * usage: Answerer ADDRESS PREFIX DIRECTORY    until a line comes on standard input; then, when all is answered, OK
 */
public final class Answerer {
    private static final int PARTITIONS = 3;

    private Answerer() {
    }

    private static KeyValue<String, String> answer(String topic, String request) {
        String[] words = request.split(" ");
        String key = words[0] + "/" + words[5] + "/" + words[6] + "/" + words[2];
        String text = "~streams -1 0 0 1 " + topic + " " + Math.floorMod(key.hashCode(), PARTITIONS) + " " + key;
        CRC32 crc = new CRC32();
        crc.update(text.getBytes(StandardCharsets.UTF_8));
        return KeyValue.pair(key, text + " " + String.format("%08x", crc.getValue()) + " xxxx");
    }

    private static boolean isAnswered(Admin admin, String group, String topic) throws InterruptedException {
        Map<TopicPartition, OffsetSpec> places = new HashMap<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            places.put(new TopicPartition(topic, partition), OffsetSpec.latest());
        }
        try {
            Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> ends = admin.listOffsets(places).all().get();
            Map<TopicPartition, OffsetAndMetadata> committed =
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            return ends.entrySet().stream().allMatch(end -> end.getValue().offset()
                == Optional.ofNullable(committed.get(end.getKey())).map(OffsetAndMetadata::offset).orElse(0L));
        } catch (ExecutionException e) {
            return false;
        }
    }

    public static void main(String[] words) throws Exception {
        String topic = words[1] + "-sanswers";
        String group = words[1] + "-streams";
        Properties properties = new Properties();
        properties.put("application.id", group);
        properties.put("bootstrap.servers", words[0]);
        properties.put("state.dir", words[2]);
        properties.put("processing.guarantee", StreamsConfig.EXACTLY_ONCE_V2);
        properties.put("group.protocol", "streams");
        properties.put("commit.interval.ms", "200");
        properties.put("producer.transaction.timeout.ms", "15000");
        properties.put("reconnect.backoff.max.ms", "100");
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(words[1] + "-requests", Consumed.with(Serdes.String(), Serdes.String()))
            .map((key, value) -> answer(topic, value))
            .to(topic, Produced.with(Serdes.String(), Serdes.String(), (name, key, value, count) ->
                Optional.of(Set.of(Integer.parseInt(value.split(" ")[6])))));
        try (KafkaStreams streams = new KafkaStreams(builder.build(), properties);
             Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", words[0]))) {
            streams.setUncaughtExceptionHandler(error -> {
                System.err.println("thread replaced: " + error);
                return StreamThreadExceptionResponse.REPLACE_THREAD;
            });
            streams.start();
            while (System.in.read() != '\n') {
                continue;
            }
            long deadline = System.nanoTime() + Duration.ofSeconds(120).toNanos();
            while (!isAnswered(admin, group, words[1] + "-requests") && System.nanoTime() < deadline) {
                Thread.sleep(200);
            }
            streams.close(Duration.ofSeconds(20));
        }
        System.out.println("OK");
    }
}
