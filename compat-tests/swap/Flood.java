// SPDX-License-Identifier: Apache-2.0

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** An idempotent producer that writes numbers, some thousand a second, also while its broker is killed. */
final class Flood implements Runnable {
    private static final int MOST_UNDER_WAY = 200;
    private static final long BETWEEN_NANOS = 200_000;
    private static int next;
    private final KafkaProducer<byte[], byte[]> producer;
    private final Thread thread = new Thread(this, "flood");
    private final AtomicInteger sent = new AtomicInteger();
    private final AtomicInteger acknowledged = new AtomicInteger();
    private final AtomicReference<Exception> failed = new AtomicReference<>();
    private volatile boolean isEnding;

    Flood(KafkaProducer<byte[], byte[]> producer) {
        this.producer = producer;
        thread.setDaemon(true);
        thread.start();
    }

    /** The first flood on a new node begins with 0; each later one goes on where the one before ended. */
    static void begin() {
        next = 0;
    }

    int acknowledged() {
        return acknowledged.get();
    }

    @Override
    public void run() {
        while (!isEnding) {
            LockSupport.parkNanos(BETWEEN_NANOS);
            if (sent.get() - acknowledged.get() >= MOST_UNDER_WAY) {
                continue;
            }
            sent.incrementAndGet();
            int number = next++;
            producer.send(new ProducerRecord<>("flood", number % 3, null, Around.bytes(Integer.toString(number))), (place, error) -> {
                if (error != null) {
                    failed.compareAndSet(null, error);
                }
                acknowledged.incrementAndGet();
            });
        }
    }

    /** Sends what is under way; -> how many records all floods of this process have written. */
    int end() throws Exception {
        isEnding = true;
        thread.join();
        producer.close();
        if (failed.get() != null) {
            throw failed.get();
        }
        return next;
    }
}
