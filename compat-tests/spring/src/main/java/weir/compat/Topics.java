// SPDX-License-Identifier: Apache-2.0
package weir.compat;

import org.apache.kafka.clients.admin.NewTopic;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.ConsumerFactory;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.util.backoff.FixedBackOff;

/** The topics KafkaAdmin makes when the application starts, and the listeners' error handling. */
@Configuration
public class Topics {
    @Value("${weir.prefix}")
    private String prefix;

    private NewTopic topic(String word, int partitions) {
        return TopicBuilder.name(prefix + "-" + word).partitions(partitions).replicas(1).build();
    }

    @Bean
    public KafkaAdmin.NewTopics compatTopics() {
        return new KafkaAdmin.NewTopics(topic("single", 1), topic("keyed", 3), topic("headers", 1), topic("json", 1),
            topic("batch", 1), topic("wide", 3), topic("manual", 1), topic("failing", 1), topic("failing-dlt", 1),
            topic("retried", 1),
            TopicBuilder.name(prefix + "-compacted").partitions(2).replicas(1).compact().build());
    }

    @Bean
    public TaskScheduler retryScheduler() {
        return new ThreadPoolTaskScheduler();
    }

    /** Two more tries, then the record goes to the topic with the suffix -dlt. */
    @Bean
    public ConcurrentKafkaListenerContainerFactory<String, Object> deadLetterFactory(
            ConsumerFactory<String, Object> consumers, KafkaTemplate<String, Object> template) {
        ConcurrentKafkaListenerContainerFactory<String, Object> factory = new ConcurrentKafkaListenerContainerFactory<>();
        factory.setConsumerFactory(consumers);
        factory.setCommonErrorHandler(
            new DefaultErrorHandler(new DeadLetterPublishingRecoverer(template), new FixedBackOff(50, 2)));
        return factory;
    }
}
