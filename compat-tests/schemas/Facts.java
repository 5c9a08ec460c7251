/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what Apache Kafka's own classes know: "error CODE NAME RETRIABLE" and
 * "api KEY NAME OLDEST LATEST REQUEST_HEADERS RESPONSE_HEADERS", the last two one digit a version. */

import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.Errors;

public class Facts {
    public static void main(String[] arguments) {
        for (Errors error : Errors.values())
            System.out.println("error " + error.code() + " " + error.name() + " "
                + (error.exception() instanceof RetriableException));
        for (ApiKeys api : ApiKeys.values()) {
            short oldest = api.messageType.lowestSupportedVersion();
            short latest = api.messageType.highestSupportedVersion(true);
            if (oldest > latest)
                continue; /* gone */
            StringBuilder requests = new StringBuilder();
            StringBuilder responses = new StringBuilder();
            for (short version = oldest; version <= latest; version++) {
                requests.append(api.requestHeaderVersion(version));
                responses.append(api.responseHeaderVersion(version));
            }
            System.out.println("api " + api.id + " " + api.name + " " + oldest + " " + latest + " "
                + requests + " " + responses);
        }
    }
}
