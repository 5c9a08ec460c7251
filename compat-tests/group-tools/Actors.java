// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.requests.ProduceResponse;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Makes the state that the tools look at: members of groups and transactions, several at once. Actors ADDRESS; requests
 * come on standard input, words separated by spaces, and each is answered by one line:
 *   produce TOPIC PARTITION COUNT
 *   consumer NAME GROUP TOPIC KEY=VALUE...   joins the group, reads and commits all the time
 *   share NAME GROUP TOPIC KEY=VALUE...      as well, of a share group
 *   assigned NAME, read NAME                 how many partitions it has, how many records it has read and committed
 *   close NAME                               leaves, or ends the producer
 *   begin NAME TRANSACTIONAL-ID TOPIC PARTITION COUNT   a transaction with so many records, not ended
 *   offsets NAME GROUP TOPIC PARTITION OFFSET           commits an offset in it
 *   commit NAME, abort NAME
 *   orphan TOPIC PARTITION TIMESTAMP         a transactional batch that no coordinator knows of; answers its offset
 */
public final class Actors {
    private final String address;
    private final Map<String, Member> members = new TreeMap<>();
    private final Map<String, KafkaProducer<String, String>> producers = new TreeMap<>();

    private abstract static class Member extends Thread {
        final AtomicInteger assigned = new AtomicInteger();
        final AtomicInteger read = new AtomicInteger();

        abstract void end();
    }

    private static final class Classic extends Member {
        private final KafkaConsumer<String, String> consumer;

        Classic(Properties settings, String topic) {
            consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
            consumer.subscribe(List.of(topic));
        }

        @Override
        public void run() {
            try {
                while (true) {
                    int count = consumer.poll(Duration.ofMillis(100)).count();
                    if (count > 0) {
                        consumer.commitSync();
                        read.addAndGet(count);
                    }
                    assigned.set(consumer.assignment().size());
                }
            } catch (WakeupException ended) {
                consumer.close();
            }
        }

        @Override
        void end() {
            consumer.wakeup();
        }
    }

    private static final class Share extends Member {
        private final KafkaShareConsumer<String, String> consumer;

        Share(Properties settings, String topic) {
            consumer = new KafkaShareConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
            consumer.subscribe(List.of(topic));
        }

        @Override
        public void run() {
            try {
                while (true) {
                    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                        consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                        read.incrementAndGet();
                    }
                    consumer.commitSync();
                }
            } catch (WakeupException ended) {
                consumer.close();
            }
        }

        @Override
        void end() {
            consumer.wakeup();
        }
    }

    private Actors(String address) {
        this.address = address;
    }

    private Properties settings(String[] words, int from) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("enable.metrics.push", "false");
        for (int at = from; at < words.length; at++) {
            int equals = words[at].indexOf('=');
            settings.put(words[at].substring(0, equals), words[at].substring(equals + 1));
        }
        return settings;
    }

    private static void send(KafkaProducer<String, String> producer, String topic, int partition, int count) {
        for (int n = 0; n < count; n++) {
            producer.send(new ProducerRecord<>(topic, partition, "k" + n, "v" + n));
        }
        producer.flush();
    }

    private String join(String[] words) {
        Properties settings = settings(words, 4);
        settings.put("group.id", words[2]);
        Member member;
        if (words[0].equals("share")) {
            settings.put("share.acknowledgement.mode", "explicit");
            member = new Share(settings, words[3]);
        } else {
            settings.put("auto.offset.reset", "earliest");
            settings.put("enable.auto.commit", "false");
            member = new Classic(settings, words[3]);
        }
        members.put(words[1], member);
        member.setDaemon(true);
        member.start();
        return "OK";
    }

    private String close(String name) throws InterruptedException {
        Member member = members.remove(name);
        if (member != null) {
            member.end();
            member.join();
        } else {
            producers.remove(name).close(Duration.ZERO);
        }
        return "OK";
    }

    private String begin(String[] words) {
        KafkaProducer<String, String> producer = producers.computeIfAbsent(words[1], name -> {
            Properties settings = settings(words, 6);
            settings.put("transactional.id", words[2]);
            KafkaProducer<String, String> made = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
            made.initTransactions();
            return made;
        });
        producer.beginTransaction();
        send(producer, words[3], Integer.parseInt(words[4]), Integer.parseInt(words[5]));
        return "OK";
    }

    private String offsets(String[] words) {
        producers.get(words[1]).sendOffsetsToTransaction(
            Collections.singletonMap(new TopicPartition(words[3], Integer.parseInt(words[4])),
                new OffsetAndMetadata(Long.parseLong(words[5]))),
            new ConsumerGroupMetadata(words[2], -1, "", Optional.empty()));
        return "OK";
    }

    /** Written with version 11, as a client does that added the partition before; here nobody did. */
    private String orphan(String topic, int partition, long timestamp) throws IOException {
        MemoryRecords records = MemoryRecords.withTransactionalRecords(Compression.NONE, 987654L, (short) 3, 0,
            new SimpleRecord(timestamp, "k".getBytes(StandardCharsets.UTF_8), "orphan".getBytes(StandardCharsets.UTF_8)));
        ProduceRequestData data = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(30000).setTransactionalId("orphan");
        data.topicData().add(new ProduceRequestData.TopicProduceData().setName(topic).setTopicId(Uuid.ZERO_UUID)
            .setPartitionData(List.of(new ProduceRequestData.PartitionProduceData().setIndex(partition).setRecords(records))));
        ProduceRequest request = new ProduceRequest(data, (short) 11);
        RequestHeader header = new RequestHeader(ApiKeys.PRODUCE, (short) 11, "actors", 1);
        ByteBuffer body = request.serializeWithHeader(header);
        ByteBuffer frame = ByteBuffer.allocate(4 + body.remaining());
        frame.putInt(body.remaining()).put(body);
        int colon = address.lastIndexOf(':');
        try (Socket socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)))) {
            socket.getOutputStream().write(frame.array());
            DataInputStream in = new DataInputStream(socket.getInputStream());
            byte[] answer = new byte[in.readInt()];
            in.readFully(answer);
            ProduceResponse got = (ProduceResponse) AbstractResponse.parseResponse(ByteBuffer.wrap(answer), header);
            var one = got.data().responses().iterator().next().partitionResponses().get(0);
            return one.errorCode() == 0 ? "OK " + one.baseOffset() : "failed " + Errors.forCode(one.errorCode());
        }
    }

    private String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "produce":
                try (KafkaProducer<String, String> producer =
                        new KafkaProducer<>(settings(words, 4), new StringSerializer(), new StringSerializer())) {
                    send(producer, words[1], Integer.parseInt(words[2]), Integer.parseInt(words[3]));
                }
                return "OK";
            case "consumer":
            case "share":
                return join(words);
            case "assigned":
                return "OK " + members.get(words[1]).assigned.get();
            case "read":
                return "OK " + members.get(words[1]).read.get();
            case "close":
                return close(words[1]);
            case "begin":
                return begin(words);
            case "offsets":
                return offsets(words);
            case "commit":
                producers.get(words[1]).commitTransaction();
                return "OK";
            case "abort":
                producers.get(words[1]).abortTransaction();
                return "OK";
            case "orphan":
                return orphan(words[1], Integer.parseInt(words[2]), Long.parseLong(words[3]));
            default:
                return "failed: unknown " + words[0];
        }
    }

    public static void main(String[] words) throws IOException {
        Actors actors = new Actors(words[0]);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            String answer;
            try {
                answer = actors.answer(line.split(" "));
            } catch (Exception failed) {
                answer = "failed " + String.valueOf(failed).replace('\n', ' ');
            }
            System.out.println(answer);
            System.out.flush();
        }
        System.exit(0);
    }
}
