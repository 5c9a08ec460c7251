// SPDX-License-Identifier: Apache-2.0
package weir.compat;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.kafka.KafkaProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultAfterRollbackProcessor;
import org.springframework.kafka.transaction.KafkaTransactionManager;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.util.backoff.FixedBackOff;

/** Producers and listeners in transactions, beside the plain ones that Spring Boot makes: nobody gets these unasked. */
@Configuration
@EnableTransactionManagement(proxyTargetClass = true)
public class Transactions {
    @Value("${weir.prefix}")
    private String prefix;

    private NewTopic topic(String word) {
        return TopicBuilder.name(prefix + "-" + word).partitions(1).replicas(1).build();
    }

    @Bean
    public KafkaAdmin.NewTopics transactionTopics() {
        return new KafkaAdmin.NewTopics(topic("debit"), topic("credit"), topic("exact-in"), topic("exact-out"),
            topic("rolled"), topic("rolled-dlt"));
    }

    @Bean(defaultCandidate = false)
    public DefaultKafkaProducerFactory<String, String> transactionalProducers(KafkaProperties properties) {
        Map<String, Object> settings = new HashMap<>(properties.buildProducerProperties(null));
        DefaultKafkaProducerFactory<String, String> producers =
            new DefaultKafkaProducerFactory<>(settings, new StringSerializer(), new StringSerializer());
        producers.setTransactionIdPrefix(prefix + "-tx-");
        return producers;
    }

    @Bean(defaultCandidate = false)
    public KafkaTemplate<String, String> transactionalTemplate(
            @Qualifier("transactionalProducers") DefaultKafkaProducerFactory<String, String> producers) {
        return new KafkaTemplate<>(producers);
    }

    @Bean(defaultCandidate = false)
    public KafkaTransactionManager<String, String> kafkaTransactions(
            @Qualifier("transactionalProducers") DefaultKafkaProducerFactory<String, String> producers) {
        return new KafkaTransactionManager<>(producers);
    }

    /** What a listener writes and the offset of what it read are one transaction; the third failure goes to the topic -dlt. */
    @Bean(defaultCandidate = false)
    public ConcurrentKafkaListenerContainerFactory<String, String> exactlyOnceFactory(KafkaProperties properties,
            @Qualifier("kafkaTransactions") KafkaTransactionManager<String, String> transactions,
            @Qualifier("transactionalTemplate") KafkaTemplate<String, String> template) {
        Map<String, Object> settings = new HashMap<>(properties.buildConsumerProperties(null));
        settings.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        ConcurrentKafkaListenerContainerFactory<String, String> factory = new ConcurrentKafkaListenerContainerFactory<>();
        factory.setConsumerFactory(new DefaultKafkaConsumerFactory<>(settings, new StringDeserializer(), new StringDeserializer()));
        factory.getContainerProperties().setKafkaAwareTransactionManager(transactions);
        factory.getContainerProperties().setEosMode(ContainerProperties.EOSMode.V2);
        factory.setAfterRollbackProcessor(new DefaultAfterRollbackProcessor<>(
            new DeadLetterPublishingRecoverer(template), new FixedBackOff(50, 2), template, true));
        return factory;
    }
}
