// SPDX-License-Identifier: Apache-2.0
package weir.compat;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.ConfigurableApplicationContext;

/** A usual Spring Boot application; it runs the cases once all listeners are up and ends with their outcome. */
@SpringBootApplication
public class CompatApplication {
    public static void main(String[] arguments) {
        ConfigurableApplicationContext context = SpringApplication.run(CompatApplication.class, arguments);
        boolean isGood = context.getBean(Cases.class).runAll();
        System.exit(SpringApplication.exit(context, () -> isGood ? 0 : 1));
    }
}
