// SPDX-License-Identifier: Apache-2.0
package weir.compat;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.stereotype.Component;

/** A template in transactions, and the listeners that see what is committed. */
@Component
public class Transfers {
    static final String COMMITTED = "isolation.level=read_committed";
    static final String PLAIN = "value.deserializer=org.apache.kafka.common.serialization.StringDeserializer";
    final Queue<String> debits = new ConcurrentLinkedQueue<>();
    final Queue<String> credits = new ConcurrentLinkedQueue<>();
    final Queue<String> exactTries = new ConcurrentLinkedQueue<>();
    final Queue<String> exactOut = new ConcurrentLinkedQueue<>();
    final Queue<String> rolledTries = new ConcurrentLinkedQueue<>();
    final Queue<String> rolledDead = new ConcurrentLinkedQueue<>();
    private final KafkaTemplate<String, String> template;
    private final String prefix;

    public Transfers(@Qualifier("transactionalTemplate") KafkaTemplate<String, String> template, @Value("${weir.prefix}") String prefix) {
        this.template = template;
        this.prefix = prefix;
    }

    boolean executeInTransaction(String amount) {
        return template.executeInTransaction(operations -> {
            operations.send(prefix + "-debit", amount);
            operations.flush();
            if (amount.startsWith("bad")) {
                throw new IllegalStateException("refused: " + amount);
            }
            return true;
        });
    }

    @KafkaListener(topics = "${weir.prefix}-debit", groupId = "${weir.prefix}-debit", properties = {COMMITTED, PLAIN})
    public void debit(String amount) {
        debits.add(amount);
    }

    @KafkaListener(topics = "${weir.prefix}-credit", groupId = "${weir.prefix}-credit", properties = {COMMITTED, PLAIN})
    public void credit(String amount) {
        credits.add(amount);
    }

    /** Fails after it has written, once for each value that says so. */
    @KafkaListener(topics = "${weir.prefix}-exact-in", groupId = "${weir.prefix}-exact-in", containerFactory = "exactlyOnceFactory")
    public void exactly(String value) {
        boolean isFirst = !exactTries.contains(value);
        exactTries.add(value);
        template.send(prefix + "-exact-out", "out-" + value);
        if (value.startsWith("once-bad") && isFirst) {
            throw new IllegalStateException("refused once: " + value);
        }
    }

    @KafkaListener(topics = "${weir.prefix}-exact-out", groupId = "${weir.prefix}-exact-out", properties = {COMMITTED, PLAIN})
    public void exactOut(String value) {
        exactOut.add(value);
    }

    @KafkaListener(topics = "${weir.prefix}-rolled", groupId = "${weir.prefix}-rolled", containerFactory = "exactlyOnceFactory")
    public void rolled(String value) {
        rolledTries.add(value);
        template.send(prefix + "-exact-out", "rolled-" + value);
        if (value.startsWith("bad")) {
            throw new IllegalStateException("refused: " + value);
        }
    }

    @KafkaListener(topics = "${weir.prefix}-rolled-dlt", groupId = "${weir.prefix}-rolled-dlt", properties = {COMMITTED, PLAIN})
    public void rolledDead(String value) {
        rolledDead.add(value);
    }
}
