// SPDX-License-Identifier: Apache-2.0
package weir.compat;

import org.springframework.kafka.config.ContainerPostProcessor;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.stereotype.Component;

/** Makes a listener's container commit only what the listener acknowledges. */
@Component("manualAcknowledgement")
public class ManualAcknowledgement
        implements ContainerPostProcessor<String, Object, ConcurrentMessageListenerContainer<String, Object>> {
    @Override
    public void postProcess(ConcurrentMessageListenerContainer<String, Object> container) {
        container.getContainerProperties().setAckMode(ContainerProperties.AckMode.MANUAL_IMMEDIATE);
    }
}
