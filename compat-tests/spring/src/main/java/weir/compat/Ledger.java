// SPDX-License-Identifier: Apache-2.0
package weir.compat;

import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.stereotype.Component;
import org.springframework.transaction.annotation.Transactional;

/** Two records or none. */
@Component
public class Ledger {
    private final KafkaTemplate<String, String> template;
    private final String prefix;

    public Ledger(@Qualifier("transactionalTemplate") KafkaTemplate<String, String> template, @Value("${weir.prefix}") String prefix) {
        this.template = template;
        this.prefix = prefix;
    }

    @Transactional("kafkaTransactions")
    public void transfer(String amount) {
        template.send(prefix + "-debit", amount);
        template.send(prefix + "-credit", amount);
        if (amount.startsWith("bad")) {
            throw new IllegalStateException("refused: " + amount);
        }
    }
}
