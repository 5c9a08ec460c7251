// SPDX-License-Identifier: Apache-2.0

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.DescribeProducersRequestData;
import org.apache.kafka.common.message.DescribeProducersResponseData;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.ListOffsetsResponseData;
import org.apache.kafka.common.message.MetadataResponseData;
import org.apache.kafka.common.message.OffsetForLeaderEpochRequestData;
import org.apache.kafka.common.message.OffsetForLeaderEpochResponseData;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.Records;
import org.apache.kafka.common.requests.DescribeProducersRequest;
import org.apache.kafka.common.requests.DescribeProducersResponse;
import org.apache.kafka.common.requests.FetchRequest;
import org.apache.kafka.common.requests.FetchResponse;
import org.apache.kafka.common.requests.MetadataRequest;
import org.apache.kafka.common.requests.MetadataResponse;
import org.apache.kafka.common.requests.OffsetsForLeaderEpochRequest;
import org.apache.kafka.common.requests.OffsetsForLeaderEpochResponse;
import org.apache.kafka.common.utils.Utils;

/**
 * Prints what a broker says about all it holds, a line "what TAB place TAB value" for each fact; two brokers on the same
 * directory have to say the same.
 *
 * <p>usage: Tell ADDRESS WITH_APACHE_ONLY
 */
public final class Tell {
    static final Comparator<TopicPartition> ORDER =
        Comparator.comparing(TopicPartition::topic).thenComparingInt(TopicPartition::partition);
    private static final int FETCH_BYTES = 50 << 20;

    /** Written to while it is asked. */
    private static final String BUSY = "flood";

    private final Wire wire;
    private final Map<String, MetadataResponseData.MetadataResponseTopic> topics = new TreeMap<>();
    private final Map<TopicPartition, Integer> epochs = new TreeMap<>(ORDER);
    private final Map<TopicPartition, List<Long>> times = new TreeMap<>(ORDER);

    private Tell(Wire wire) {
        this.wire = wire;
    }

    public static void main(String[] arguments) throws Exception {
        try (Wire wire = new Wire(arguments[0])) {
            Tell tell = new Tell(wire);
            Wire.patiently(tell::learnTopics);
            tell.tellTopics();
            tell.tellOffsets();
            tell.tellContent();
            tell.tellTimes();
            tell.tellEpochs();
            tell.tellProducers();
            Around.tell(wire, tell.topics.keySet(), Boolean.parseBoolean(arguments[1]));
        }
    }

    static void say(String what, Object place, Object value) {
        System.out.println(what + "\t" + place + "\t" + value.toString().replace('\n', ' '));
    }

    private void learnTopics() throws Exception {
        topics.clear();
        epochs.clear();
        MetadataResponse answer = (MetadataResponse) wire.ask(MetadataRequest.Builder.allTopics().build((short) 12));
        for (MetadataResponseData.MetadataResponseTopic topic : answer.data().topics()) {
            Wire.check(topic.errorCode(), "Metadata " + topic.name());
            topics.put(topic.name(), topic);
            if (topic.name().equals(BUSY)) {
                continue;
            }
            for (MetadataResponseData.MetadataResponsePartition one : topic.partitions()) {
                TopicPartition place = new TopicPartition(topic.name(), one.partitionIndex());
                Wire.check(one.errorCode(), "Metadata " + place);
                epochs.put(place, one.leaderEpoch());
            }
        }
    }

    private void tellTopics() {
        topics.forEach((name, topic) -> say("topic", name, topic.topicId() + " partitions=" + topic.partitions().size()));
    }

    private void tellOffsets() throws Exception {
        long[] asked = {-1, -1, -2, -4, -3};
        String[] names = {"latest_uncommitted", "latest_committed", "earliest", "earliest_local", "max_timestamp"};
        for (int n = 0; n < asked.length; n++) {
            Map<TopicPartition, Long> wanted = new HashMap<>();
            for (TopicPartition place : epochs.keySet()) {
                wanted.put(place, asked[n]);
            }
            String name = names[n];
            IsolationLevel isolation = n == 1 ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED;
            boolean isFound = n == 4;
            wire.offsets(wanted, isolation).forEach((place, one) -> say(name, place,
                one.offset() + (isFound ? " ts=" + one.timestamp() + " epoch=" + one.leaderEpoch() : "")));
        }
    }

    private FetchResponseData.PartitionData fetch(TopicPartition place, long offset, IsolationLevel isolation) throws Exception {
        FetchResponseData.PartitionData[] found = new FetchResponseData.PartitionData[1];
        Map<TopicPartition, FetchRequest.PartitionData> wanted = Map.of(place,
            new FetchRequest.PartitionData(Uuid.ZERO_UUID, offset, 0, FETCH_BYTES, Optional.empty()));
        FetchRequest request = FetchRequest.Builder.forConsumer((short) 12, 0, 1, wanted).setMaxBytes(FETCH_BYTES)
            .isolationLevel(isolation).build((short) 12);
        Wire.patiently(() -> {
            FetchResponseData data = ((FetchResponse) wire.ask(request)).data();
            Wire.check(data.errorCode(), "Fetch");
            found[0] = data.responses().get(0).partitions().get(0);
            Wire.check(found[0].errorCode(), "Fetch " + place + " at " + offset);
        });
        return found[0];
    }

    /** What a consumer of read_committed is given: drops aborted data as it learns of it, batch after batch. */
    private static final class Visible {
        private final Set<Long> aborting = new HashSet<>();
        private final List<FetchResponseData.AbortedTransaction> pending = new ArrayList<>();

        Visible(List<FetchResponseData.AbortedTransaction> aborted) {
            if (aborted != null) {
                pending.addAll(aborted);
            }
            pending.sort(Comparator.comparingLong(FetchResponseData.AbortedTransaction::firstOffset));
        }

        boolean shows(RecordBatch batch) {
            while (!pending.isEmpty() && pending.get(0).firstOffset() <= batch.lastOffset()) {
                aborting.add(pending.remove(0).producerId());
            }
            if (batch.isControlBatch()) {
                if (batch.iterator().hasNext()
                    && ControlRecordType.parse(batch.iterator().next().key()) == ControlRecordType.ABORT) {
                    aborting.remove(batch.producerId());
                }
                return false;
            }
            return !batch.isTransactional() || !aborting.contains(batch.producerId());
        }
    }

    private void tellContent() throws Exception {
        for (TopicPartition place : epochs.keySet()) {
            tellContent(place, IsolationLevel.READ_UNCOMMITTED);
            tellContent(place, IsolationLevel.READ_COMMITTED);
        }
    }

    private long start(TopicPartition place) throws Exception {
        return wire.offsets(Map.of(place, -2L), IsolationLevel.READ_UNCOMMITTED).get(place).offset();
    }

    private void tellContent(TopicPartition place, IsolationLevel isolation) throws Exception {
        boolean isCommitted = isolation == IsolationLevel.READ_COMMITTED;
        StringBuilder batches = new StringBuilder();
        Map<String, String> keys = new TreeMap<>();
        Set<String> aborted = new TreeSet<>();
        Set<Long> seen = new TreeSet<>();
        long from = start(place);
        long next = from;
        while (true) {
            FetchResponseData.PartitionData data = fetch(place, next, isolation);
            long end = isCommitted ? data.lastStableOffset() : data.highWatermark();
            if (data.abortedTransactions() != null) {
                data.abortedTransactions().forEach(one -> aborted.add(one.producerId() + "@" + one.firstOffset()));
            }
            long before = next;
            Visible visible = new Visible(data.abortedTransactions());
            for (RecordBatch batch : ((Records) data.records()).batches()) {
                if (batch.nextOffset() <= next) {
                    continue;
                }
                batch.ensureValid();
                if (!isCommitted || visible.shows(batch)) {
                    batches.append(describe(batch)).append(' ');
                    learnRecords(batch, from, keys, seen);
                }
                next = batch.nextOffset();
            }
            if (next >= end || next == before) {
                if (!isCommitted) {
                    say("fetched_marks", place, "hw=" + data.highWatermark() + " lso=" + data.lastStableOffset() + " start="
                        + data.logStartOffset());
                }
                break;
            }
        }
        String kind = isCommitted ? "committed" : "uncommitted";
        say("content_" + kind, place, batches);
        say("keys_" + kind, place, keys);
        if (isCommitted) {
            say("aborted", place, aborted);
        } else {
            times.put(place, new ArrayList<>(seen));
        }
    }

    private static String describe(RecordBatch batch) {
        return batch.baseOffset() + ".." + batch.lastOffset() + "/" + Long.toHexString(batch.checksum()) + "/e"
            + batch.partitionLeaderEpoch() + "/" + batch.compressionType().name + "/n" + batch.countOrNull()
            + "/" + batch.sizeInBytes();
    }

    private static String hash(ByteBuffer bytes) {
        return bytes == null ? "null" : Long.toHexString(Arrays.hashCode(Utils.toArray(bytes)) & 0xffffffffL);
    }

    private static void learnRecords(RecordBatch batch, long from, Map<String, String> keys, Set<Long> seen) {
        for (Record record : batch) {
            if (record.offset() < from) {
                continue;
            }
            if (!batch.isControlBatch()) {
                seen.add(record.timestamp());
            }
            if (record.hasKey() && !batch.isControlBatch()) {
                keys.put(hash(record.key()), record.offset() + ":" + hash(record.value()) + ":" + record.timestamp() + ":"
                    + Arrays.toString(record.headers()).hashCode());
            }
        }
    }

    /** Look-ups of the least, the greatest and some times between, and of those beside them. */
    private void tellTimes() throws Exception {
        int parts = 6;
        for (int n = 0; n <= parts; n++) {
            for (int beside = 0; beside <= 1; beside++) {
                Map<TopicPartition, Long> wanted = new HashMap<>();
                for (TopicPartition place : epochs.keySet()) {
                    List<Long> seen = times.get(place);
                    long at = seen.isEmpty() ? n : seen.get((seen.size() - 1) * n / parts);
                    wanted.put(place, Math.max(0, at + beside));
                }
                Map<TopicPartition, ListOffsetsResponseData.ListOffsetsPartitionResponse> found =
                    wire.offsets(wanted, IsolationLevel.READ_UNCOMMITTED);
                found.forEach((place, one) -> say("time", place + " " + wanted.get(place),
                    one.offset() + " ts=" + one.timestamp() + " epoch=" + one.leaderEpoch()));
            }
        }
    }

    private void tellEpochs() throws Exception {
        int most = 0;
        for (int epoch : epochs.values()) {
            most = Math.max(most, epoch);
        }
        for (int epoch = 0; epoch <= most; epoch++) {
            OffsetForLeaderEpochRequestData.OffsetForLeaderTopicCollection wanted =
                new OffsetForLeaderEpochRequestData.OffsetForLeaderTopicCollection();
            for (Map.Entry<TopicPartition, Integer> one : epochs.entrySet()) {
                if (one.getValue() < epoch) {
                    continue;
                }
                OffsetForLeaderEpochRequestData.OffsetForLeaderTopic topic = wanted.find(one.getKey().topic());
                if (topic == null) {
                    topic = new OffsetForLeaderEpochRequestData.OffsetForLeaderTopic().setTopic(one.getKey().topic());
                    wanted.add(topic);
                }
                topic.partitions().add(new OffsetForLeaderEpochRequestData.OffsetForLeaderPartition()
                    .setPartition(one.getKey().partition()).setCurrentLeaderEpoch(-1).setLeaderEpoch(epoch));
            }
            tellEpoch(epoch, wanted);
        }
    }

    private void tellEpoch(int epoch, OffsetForLeaderEpochRequestData.OffsetForLeaderTopicCollection wanted) throws Exception {
        OffsetsForLeaderEpochResponse answer = (OffsetsForLeaderEpochResponse) wire.ask(
            OffsetsForLeaderEpochRequest.Builder.forConsumer(wanted).build((short) 4));
        for (OffsetForLeaderEpochResponseData.OffsetForLeaderTopicResult topic : answer.data().topics()) {
            for (OffsetForLeaderEpochResponseData.EpochEndOffset one : topic.partitions()) {
                Wire.check(one.errorCode(), "OffsetForLeaderEpoch " + topic.topic());
                say("epoch", topic.topic() + "-" + one.partition() + " " + epoch, one.endOffset() + " " + one.leaderEpoch());
            }
        }
    }

    private void tellProducers() throws Exception {
        DescribeProducersRequestData wanted = new DescribeProducersRequestData();
        Map<String, DescribeProducersRequestData.TopicRequest> asked = new TreeMap<>();
        epochs.keySet().forEach(place -> asked
            .computeIfAbsent(place.topic(), name -> new DescribeProducersRequestData.TopicRequest().setName(name))
            .partitionIndexes().add(place.partition()));
        wanted.topics().addAll(asked.values());
        DescribeProducersResponse answer = (DescribeProducersResponse) wire.ask(
            new DescribeProducersRequest.Builder(wanted).build((short) 0));
        for (DescribeProducersResponseData.TopicResponse topic : answer.data().topics()) {
            for (DescribeProducersResponseData.PartitionResponse one : topic.partitions()) {
                Wire.check(one.errorCode(), "DescribeProducers " + topic.name());
                for (DescribeProducersResponseData.ProducerState state : one.activeProducers()) {
                    say("producer", topic.name() + "-" + one.partitionIndex() + " " + state.producerId(),
                        "epoch=" + state.producerEpoch() + " sequence=" + state.lastSequence() + " ts=" + state.lastTimestamp()
                        + " coordinator=" + state.coordinatorEpoch() + " open=" + state.currentTxnStartOffset());
                }
            }
        }
    }
}
