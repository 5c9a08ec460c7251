// SPDX-License-Identifier: Apache-2.0

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.message.ListOffsetsRequestData;
import org.apache.kafka.common.message.ListOffsetsResponseData;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.requests.AbstractRequest;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.ListOffsetsRequest;
import org.apache.kafka.common.requests.ListOffsetsResponse;
import org.apache.kafka.common.requests.RequestHeader;

/** One connection on which requests of chosen versions are asked; the answer is as the broker gave it. */
final class Wire implements AutoCloseable {
    /** The broker cannot say yet: it is asked again. */
    static final class NotYet extends RuntimeException {
        private static final long serialVersionUID = 1L;

        NotYet(String why) {
            super(why);
        }
    }

    private static final int PATIENCE_MS = 60_000;
    private final Socket socket;
    private int correlation;

    Wire(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
        socket.setSoTimeout(PATIENCE_MS);
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    AbstractResponse ask(AbstractRequest request) throws IOException {
        RequestHeader header = new RequestHeader(request.apiKey(), request.version(), "swap", ++correlation);
        ByteBuffer body = request.serializeWithHeader(header);
        ByteBuffer frame = ByteBuffer.allocate(4 + body.remaining());
        frame.putInt(body.remaining()).put(body);
        OutputStream out = socket.getOutputStream();
        out.write(frame.array());
        out.flush();
        DataInputStream in = new DataInputStream(socket.getInputStream());
        byte[] answer = new byte[in.readInt()];
        in.readFully(answer);
        return AbstractResponse.parseResponse(ByteBuffer.wrap(answer), header);
    }

    /** An error is the answer of a broker that is still loading, or it ends the command. */
    static void check(short code, String what) {
        Errors error = Errors.forCode(code);
        if (error == Errors.NONE) {
            return;
        }
        if (error.exception() instanceof org.apache.kafka.common.errors.RetriableException) {
            throw new NotYet(what + ": " + error);
        }
        throw new IllegalStateException(what + ": " + error);
    }

    interface Step {
        void run() throws Exception;
    }

    /** Does the step again while the broker is not ready. */
    static void patiently(Step step) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        while (true) {
            try {
                step.run();
                return;
            } catch (NotYet why) {
                if (System.currentTimeMillis() > deadline) {
                    throw why;
                }
                Thread.sleep(50);
            }
        }
    }

    /** ListOffsets v10 of one timestamp for each partition. */
    Map<TopicPartition, ListOffsetsResponseData.ListOffsetsPartitionResponse> offsets(Map<TopicPartition, Long> wanted,
            org.apache.kafka.common.IsolationLevel isolation) throws Exception {
        Map<TopicPartition, ListOffsetsResponseData.ListOffsetsPartitionResponse> found = new TreeMap<>(Tell.ORDER);
        Map<String, ListOffsetsRequestData.ListOffsetsTopic> topics = new TreeMap<>();
        wanted.forEach((place, timestamp) -> topics
            .computeIfAbsent(place.topic(), name -> new ListOffsetsRequestData.ListOffsetsTopic().setName(name))
            .partitions().add(new ListOffsetsRequestData.ListOffsetsPartition().setPartitionIndex(place.partition())
                .setTimestamp(timestamp)));
        ListOffsetsRequest request = ListOffsetsRequest.Builder.forConsumer(false, isolation)
            .setTargetTimes(new ArrayList<>(topics.values())).build((short) 10);
        patiently(() -> {
            found.clear();
            for (ListOffsetsResponseData.ListOffsetsTopicResponse topic : ((ListOffsetsResponse) ask(request)).topics()) {
                for (ListOffsetsResponseData.ListOffsetsPartitionResponse one : topic.partitions()) {
                    check(one.errorCode(), "ListOffsets " + topic.name() + "-" + one.partitionIndex());
                    found.put(new TopicPartition(topic.name(), one.partitionIndex()), one);
                }
            }
        });
        return found;
    }

    static <T> List<T> list(Consumer<List<T>> fill) {
        List<T> made = new ArrayList<>();
        fill.accept(made);
        return made;
    }
}
