// SPDX-License-Identifier: Apache-2.0

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.message.ApiVersionsResponseData;
import org.apache.kafka.common.message.ConsumerGroupDescribeRequestData;
import org.apache.kafka.common.message.ConsumerGroupDescribeResponseData;
import org.apache.kafka.common.message.DescribeConfigsRequestData;
import org.apache.kafka.common.message.DescribeConfigsResponseData;
import org.apache.kafka.common.message.DescribeGroupsRequestData;
import org.apache.kafka.common.message.DescribeGroupsResponseData;
import org.apache.kafka.common.message.DescribeTransactionsRequestData;
import org.apache.kafka.common.message.DescribeTransactionsResponseData;
import org.apache.kafka.common.message.DescribeUserScramCredentialsRequestData;
import org.apache.kafka.common.message.ListGroupsRequestData;
import org.apache.kafka.common.message.ListGroupsResponseData;
import org.apache.kafka.common.message.ListTransactionsRequestData;
import org.apache.kafka.common.message.OffsetFetchRequestData;
import org.apache.kafka.common.message.OffsetFetchResponseData;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.requests.ApiVersionsRequest;
import org.apache.kafka.common.requests.ApiVersionsResponse;
import org.apache.kafka.common.requests.ConsumerGroupDescribeRequest;
import org.apache.kafka.common.requests.ConsumerGroupDescribeResponse;
import org.apache.kafka.common.requests.DescribeClientQuotasRequest;
import org.apache.kafka.common.requests.DescribeConfigsRequest;
import org.apache.kafka.common.requests.DescribeConfigsResponse;
import org.apache.kafka.common.requests.DescribeGroupsRequest;
import org.apache.kafka.common.requests.DescribeGroupsResponse;
import org.apache.kafka.common.requests.DescribeTransactionsRequest;
import org.apache.kafka.common.requests.DescribeTransactionsResponse;
import org.apache.kafka.common.requests.DescribeUserScramCredentialsRequest;
import org.apache.kafka.common.requests.ListGroupsRequest;
import org.apache.kafka.common.requests.ListGroupsResponse;
import org.apache.kafka.common.requests.ListTransactionsRequest;
import org.apache.kafka.common.requests.ListTransactionsResponse;
import org.apache.kafka.common.requests.OffsetFetchRequest;
import org.apache.kafka.common.requests.OffsetFetchResponse;

/** The part of {@link Tell} that is not a log: groups, configs, features, transactions, quotas, credentials. */
final class Around {
    private Around() {
    }

    static void tell(Wire wire, Collection<String> topics, boolean isApache) throws Exception {
        Wire.patiently(() -> tellGroups(wire, isApache));
        tellConfigs(wire, topics);
        ApiVersionsResponse versions = (ApiVersionsResponse) wire.ask(new ApiVersionsRequest.Builder().build((short) 4));
        TreeMap<String, Short> features = new TreeMap<>();
        for (ApiVersionsResponseData.FinalizedFeatureKey one : versions.data().finalizedFeatures()) {
            features.put(one.name(), one.maxVersionLevel());
        }
        Tell.say("features", "", features);
        if (isApache) {
            Wire.patiently(() -> tellTransactions(wire));
            Tell.say("quotas", "", wire.ask(new DescribeClientQuotasRequest.Builder(ClientQuotaFilter.all()).build((short) 1)));
            Tell.say("credentials", "", wire.ask(new DescribeUserScramCredentialsRequest.Builder(
                new DescribeUserScramCredentialsRequestData()).build((short) 0)));
        }
    }

    private static void tellGroups(Wire wire, boolean isApache) throws Exception {
        List<String> classic = new ArrayList<>();
        List<String> newer = new ArrayList<>();
        List<String[]> lines = new ArrayList<>();
        ListGroupsResponse listed = (ListGroupsResponse) wire.ask(
            new ListGroupsRequest.Builder(new ListGroupsRequestData()).build((short) 5));
        Wire.check(listed.data().errorCode(), "ListGroups");
        for (ListGroupsResponseData.ListedGroup one : listed.data().groups()) {
            boolean isClassic = one.groupType().equalsIgnoreCase("classic");
            (isClassic ? classic : newer).add(one.groupId());
            lines.add(new String[] {"group", one.groupId(),
                one.groupType().toLowerCase() + " " + one.protocolType() + (isClassic ? " " + one.groupState() : "")});
            lines.add(new String[] {"offsets", one.groupId(), offsets(wire, one.groupId(), false)});
            lines.add(new String[] {"stable_offsets", one.groupId(), offsets(wire, one.groupId(), true)});
        }
        DescribeGroupsResponse described = (DescribeGroupsResponse) wire.ask(new DescribeGroupsRequest.Builder(
            new DescribeGroupsRequestData().setGroups(classic)).build((short) 5));
        for (DescribeGroupsResponseData.DescribedGroup one : described.data().groups()) {
            Wire.check(one.errorCode(), "DescribeGroups " + one.groupId());
            TreeMap<String, String> members = new TreeMap<>();
            for (DescribeGroupsResponseData.DescribedGroupMember member : one.members()) {
                members.put(member.memberId(), member.groupInstanceId() + "," + member.clientId() + "," + member.clientHost() + ","
                    + Arrays.hashCode(member.memberMetadata()) + "," + Arrays.hashCode(member.memberAssignment()));
            }
            lines.add(new String[] {"described_group", one.groupId(),
                one.groupState() + " " + one.protocolType() + " " + one.protocolData() + " " + members});
        }
        if (isApache && !newer.isEmpty()) {
            ConsumerGroupDescribeResponse answer = (ConsumerGroupDescribeResponse) wire.ask(
                new ConsumerGroupDescribeRequest.Builder(new ConsumerGroupDescribeRequestData().setGroupIds(newer)).build((short) 1));
            for (ConsumerGroupDescribeResponseData.DescribedGroup one : answer.data().groups()) {
                Wire.check(one.errorCode(), "ConsumerGroupDescribe " + one.groupId());
                lines.add(new String[] {"consumer_group", one.groupId(), one.toString()});
            }
        }
        lines.forEach(line -> Tell.say(line[0], line[1], line[2]));
    }

    private static String offsets(Wire wire, String group, boolean isStable) throws Exception {
        OffsetFetchRequestData wanted = new OffsetFetchRequestData().setRequireStable(isStable).setGroups(List.of(
            new OffsetFetchRequestData.OffsetFetchRequestGroup().setGroupId(group).setTopics(null)));
        OffsetFetchResponse answer = (OffsetFetchResponse) wire.ask(
            OffsetFetchRequest.Builder.forTopicNames(wanted, false).build((short) 8));
        OffsetFetchResponseData.OffsetFetchResponseGroup found = answer.data().groups().get(0);
        Wire.check(found.errorCode(), "OffsetFetch " + group);
        TreeMap<String, String> places = new TreeMap<>();
        for (OffsetFetchResponseData.OffsetFetchResponseTopics topic : found.topics()) {
            for (OffsetFetchResponseData.OffsetFetchResponsePartitions one : topic.partitions()) {
                places.put(topic.name() + "-" + one.partitionIndex(), one.errorCode() != 0 ? "error " + one.errorCode()
                    : one.committedOffset() + ",e" + one.committedLeaderEpoch() + "," + one.metadata());
            }
        }
        return places.toString();
    }

    private static void tellConfigs(Wire wire, Collection<String> topics) throws Exception {
        DescribeConfigsRequestData wanted = new DescribeConfigsRequestData();
        for (String topic : topics) {
            wanted.resources().add(new DescribeConfigsRequestData.DescribeConfigsResource().setConfigurationKeys(null)
                .setResourceType(ConfigResource.Type.TOPIC.id()).setResourceName(topic));
        }
        wanted.resources().add(new DescribeConfigsRequestData.DescribeConfigsResource().setConfigurationKeys(null)
            .setResourceType(ConfigResource.Type.BROKER.id()).setResourceName(""));
        DescribeConfigsResponse answer = (DescribeConfigsResponse) wire.ask(
            new DescribeConfigsRequest.Builder(wanted).build((short) 4));
        for (DescribeConfigsResponseData.DescribeConfigsResult one : answer.data().results()) {
            Wire.check(one.errorCode(), "DescribeConfigs " + one.resourceName());
            TreeMap<String, String> values = new TreeMap<>();
            for (DescribeConfigsResponseData.DescribeConfigsResourceResult config : one.configs()) {
                values.put(config.name(), config.value() + "/" + config.configSource());
            }
            Tell.say("config", one.resourceName(), values);
        }
    }

    private static void tellTransactions(Wire wire) throws Exception {
        ListTransactionsResponse listed = (ListTransactionsResponse) wire.ask(
            new ListTransactionsRequest.Builder(new ListTransactionsRequestData()).build((short) 1));
        Wire.check(listed.data().errorCode(), "ListTransactions");
        List<String> ids = Wire.list(made -> listed.data().transactionStates().forEach(one -> made.add(one.transactionalId())));
        DescribeTransactionsResponse answer = (DescribeTransactionsResponse) wire.ask(new DescribeTransactionsRequest.Builder(
            new DescribeTransactionsRequestData().setTransactionalIds(ids)).build((short) 0));
        for (DescribeTransactionsResponseData.TransactionState one : answer.data().transactionStates()) {
            Wire.check(one.errorCode(), "DescribeTransactions " + one.transactionalId());
            Tell.say("transaction", one.transactionalId(), one);
        }
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }
}
