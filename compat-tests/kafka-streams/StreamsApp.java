// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.query.QueryResult;
import org.apache.kafka.streams.query.StateQueryRequest;
import org.apache.kafka.streams.query.StateQueryResult;
import org.apache.kafka.streams.query.TimestampedKeyQuery;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import org.apache.kafka.streams.state.ReadOnlyWindowStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;

/**
 * A Kafka Streams application: StreamsApp TOPOLOGY,... PREFIX STATE-DIRECTORY KEY=VALUE...
 *
 * It tells of its states, answers the queries it reads from standard input (each answer ends with the line END), and
 * closes with "close" or at the end of its input.
 */
public final class StreamsApp {
    private final KafkaStreams streams;

    private StreamsApp(KafkaStreams streams) {
        this.streams = streams;
    }

    private static Properties settings(String[] words) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.STATE_DIR_CONFIG, words[2]);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class.getName());
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class.getName());
        for (int at = 3; at < words.length; at++) {
            int equals = words[at].indexOf('=');
            settings.put(words[at].substring(0, equals), words[at].substring(equals + 1));
        }
        /* A left join tells of a row without a match at most once a second unless told otherwise. */
        settings.put(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_OUTER_JOIN_SPURIOUS_RESULTS_FIX, 0L);
        return settings;
    }

    private static synchronized void say(String text) {
        System.out.println(text);
        System.out.flush();
    }

    private void all(String store) {
        ReadOnlyKeyValueStore<String, Long> found =
            streams.store(StoreQueryParameters.fromNameAndType(store, QueryableStoreTypes.keyValueStore()));
        TreeMap<String, Long> rows = new TreeMap<>();
        try (KeyValueIterator<String, Long> each = found.all()) {
            while (each.hasNext()) {
                KeyValue<String, Long> row = each.next();
                rows.put(row.key, row.value);
            }
        }
        rows.forEach((key, value) -> say(key + "\t" + value));
    }

    private void window(String store, String key, long from, long to) {
        ReadOnlyWindowStore<String, Long> found =
            streams.store(StoreQueryParameters.fromNameAndType(store, QueryableStoreTypes.windowStore()));
        try (KeyValueIterator<Long, Long> each = found.fetch(key, Instant.ofEpochMilli(from), Instant.ofEpochMilli(to))) {
            while (each.hasNext()) {
                KeyValue<Long, Long> row = each.next();
                say(row.key + "\t" + row.value);
            }
        }
    }

    private void one(String store, String key) {
        StateQueryResult<ValueAndTimestamp<Long>> results = streams.query(StateQueryRequest.inStore(store)
            .withQuery(TimestampedKeyQuery.<String, Long>withKey(key)));
        for (QueryResult<ValueAndTimestamp<Long>> result : results.getPartitionResults().values()) {
            if (result.isSuccess() && result.getResult() != null) {
                say(key + "\t" + result.getResult().value());
            }
        }
    }

    private void answer(String[] words) {
        try {
            switch (words[0]) {
                case "all" -> all(words[1]);
                case "one" -> one(words[1], words[2]);
                case "window" -> window(words[1], words[2], Long.parseLong(words[3]), Long.parseLong(words[4]));
                default -> say("unknown " + words[0]);
            }
        } catch (RuntimeException failed) {
            say("failed " + failed);
        }
        say("END");
    }

    public static void main(String[] words) throws IOException {
        Topologies topologies = new Topologies(words[1]);
        Properties settings = settings(words);
        for (String name : words[0].split(",")) {
            topologies.add(name);
        }
        KafkaStreams streams = new KafkaStreams(topologies.build(settings), settings);
        streams.setStateListener((now, before) -> say("STATE " + now));
        streams.setUncaughtExceptionHandler(failed -> {
            say("UNCAUGHT " + String.valueOf(failed).replace('\n', ' '));
            failed.printStackTrace();
            return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        StreamsApp app = new StreamsApp(streams);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null && !line.equals("close"); line = requests.readLine()) {
            app.answer(line.split("\t"));
        }
        boolean isClosed = streams.close(CloseOptions.timeout(Duration.ofSeconds(30))
            .withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
        say(isClosed ? "CLOSED" : "STUCK");
        System.exit(isClosed ? 0 : 1);
    }
}
