// SPDX-License-Identifier: Apache-2.0

import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.WindowStore;

/** What the applications compute; expected.py computes the same in plain loops. All keys and values are strings. */
final class Topologies {
    private static final Duration SIZE = Duration.ofSeconds(10);
    private static final Duration ADVANCE = Duration.ofSeconds(5);
    private static final Duration GRACE = Duration.ofSeconds(5);
    private static final Duration GAP = Duration.ofSeconds(3);
    /** So long that no store forgets a window; what is too late is the grace period's business alone. */
    private static final Duration RETENTION = Duration.ofHours(1);

    private final StreamsBuilder builder = new StreamsBuilder();
    private final String prefix;

    Topologies(String prefix) {
        this.prefix = prefix;
    }

    Topology build(Properties settings) {
        return builder.build(settings);
    }

    void add(String name) {
        switch (name) {
            case "words" -> words();
            case "windows" -> windows();
            case "joins" -> joins();
            case "tally" -> tally();
            default -> throw new IllegalArgumentException(name);
        }
    }

    private String topic(String word) {
        return prefix + "-" + word;
    }

    private static String text(Long count) {
        return count == null ? null : count.toString();
    }

    private void words() {
        KStream<String, String> lines = builder.stream(topic("lines"));
        lines.flatMapValues(line -> Arrays.asList(line.toLowerCase(Locale.ROOT).split(" ")))
            .groupBy((key, word) -> word, Grouped.as("by-word"))
            .count(Materialized.as("counts"))
            .toStream().mapValues(Topologies::text).to(topic("counts-out"));
    }

    private void put(KTable<Windowed<String>, Long> counts, String out) {
        counts.toStream()
            .map((key, count) -> KeyValue.pair(key.key() + "@" + key.window().start() + "-" + key.window().end(), text(count)))
            .to(topic(out));
    }

    private static Materialized<String, Long, WindowStore<Bytes, byte[]>> windowStore(String name) {
        return Materialized.<String, Long, WindowStore<Bytes, byte[]>>as(name).withRetention(RETENTION).withKeySerde(Serdes.String());
    }

    private void windows() {
        KGroupedStream<String, String> clicks = builder.<String, String>stream(topic("clicks")).groupByKey();
        put(clicks.windowedBy(TimeWindows.ofSizeAndGrace(SIZE, GRACE)).count(windowStore("tumbling")), "tumbling-out");
        put(clicks.windowedBy(TimeWindows.ofSizeAndGrace(SIZE, GRACE).advanceBy(ADVANCE)).count(windowStore("hopping")),
            "hopping-out");
        put(clicks.windowedBy(SessionWindows.ofInactivityGapAndGrace(GAP, GRACE)).count(
            Materialized.<String, Long, SessionStore<Bytes, byte[]>>as("sessions").withRetention(RETENTION)), "sessions-out");
        put(clicks.windowedBy(TimeWindows.ofSizeAndGrace(SIZE, GRACE))
            .count(windowStore("final"))
            .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded())), "final-out");
    }

    private void joins() {
        KStream<String, String> left = builder.stream(topic("left"));
        KStream<String, String> right = builder.stream(topic("right"));
        left.leftJoin(right, (one, other) -> one + "+" + other,
            JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(2), Duration.ofSeconds(1))).to(topic("stream-stream-out"));

        KTable<String, String> prices = builder.table(topic("prices"));
        builder.<String, String>stream(topic("orders")).join(prices, (order, price) -> order + "*" + price)
            .to(topic("stream-table-out"));

        KTable<String, String> tracks = builder.table(topic("tracks"));
        KTable<String, String> artists = builder.table(topic("artists"));
        tracks.leftJoin(artists, track -> track.split("/")[0], (track, artist) -> track + "=" + artist)
            .toStream().to(topic("foreign-key-out"));
    }

    /** Counts what it reads twice: once as it comes, once behind a repartition topic in a state store. */
    private void tally() {
        KStream<String, String> events = builder.stream(topic("events"));
        events.to(topic("seen-out"));
        events.groupBy((key, id) -> "b" + Integer.parseInt(id) % 7, Grouped.as("by-bucket"))
            .count(Materialized.as("tally"))
            .toStream().mapValues(Topologies::text).to(topic("tally-out"));
    }
}
