// SPDX-License-Identifier: Apache-2.0
package weir.compat;

import static weir.compat.Cases.check;
import static weir.compat.Cases.waitFor;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.stereotype.Component;

/** What an application that uses Spring's transactions relies on. */
@Component
public class TransactionCases {
    private final Ledger ledger;
    private final Transfers transfers;
    private final KafkaTemplate<String, String> template;
    private final String prefix;

    public TransactionCases(Ledger ledger, Transfers transfers, @Qualifier("transactionalTemplate") KafkaTemplate<String, String> template,
            @Value("${weir.prefix}") String prefix) {
        this.ledger = ledger;
        this.transfers = transfers;
        this.template = template;
        this.prefix = prefix;
    }

    private void send(String topic, String... values) {
        template.executeInTransaction(operations -> {
            for (String value : values) {
                operations.send(prefix + "-" + topic, value);
            }
            return null;
        });
    }

    private static void refused(Runnable body) {
        try {
            body.run();
        } catch (IllegalStateException expected) {
            return;
        }
        check(false, "nothing was thrown");
    }

    Void transactional() throws Exception {
        ledger.transfer("10");
        refused(() -> ledger.transfer("bad-20"));
        ledger.transfer("30");
        waitFor("30 arrives twice", () -> transfers.debits.contains("30") && transfers.credits.contains("30"));
        check(List.copyOf(transfers.debits).equals(List.of("10", "30")), "debits " + transfers.debits);
        check(List.copyOf(transfers.credits).equals(List.of("10", "30")), "credits " + transfers.credits);
        return null;
    }

    Void executeInTransaction() throws Exception {
        refused(() -> transfers.executeInTransaction("bad-40"));
        check(transfers.executeInTransaction("50"), "its value");
        waitFor("50 arrives", () -> transfers.debits.contains("50"));
        check(!transfers.debits.contains("bad-40"), "debits " + transfers.debits);
        return null;
    }

    Void exactlyOnce() throws Exception {
        List<String> wanted = new ArrayList<>();
        for (int n = 0; n < 20; n++) {
            String value = (n % 5 == 3 ? "once-bad-" : "good-") + n;
            send("exact-in", value);
            wanted.add("out-" + value);
        }
        waitFor("all arrive", () -> transfers.exactOut.size() >= wanted.size());
        TimeUnit.MILLISECONDS.sleep(200); /* what comes twice comes soon */
        List<String> got = new ArrayList<>(transfers.exactOut);
        check(got.equals(wanted), "got " + got);
        check(transfers.exactTries.size() == 24, "tries " + transfers.exactTries);
        return null;
    }

    Void rolledBack() throws Exception {
        send("rolled", "good-1", "bad-1", "good-2");
        waitFor("the bad one is given up", () -> !transfers.rolledDead.isEmpty());
        waitFor("the good one after it arrives", () -> transfers.exactOut.contains("rolled-good-2"));
        check(List.copyOf(transfers.rolledDead).equals(List.of("bad-1")), "dead letters " + transfers.rolledDead);
        check(!transfers.exactOut.contains("rolled-bad-1"), "what was rolled back is read");
        check(Collections.frequency(new ArrayList<>(transfers.rolledTries), "bad-1") == 3, "tries " + transfers.rolledTries);
        return null;
    }
}
