/* SPDX-License-Identifier: Apache-2.0 */
import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.ConsumerGroupPartitionAssignor;
import org.apache.kafka.coordinator.group.api.assignor.GroupAssignment;
import org.apache.kafka.coordinator.group.api.assignor.SubscribedTopicDescriber;
import org.apache.kafka.coordinator.group.api.assignor.SubscriptionType;
import org.apache.kafka.coordinator.group.assignor.RangeAssignor;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.GroupSpecImpl;
import org.apache.kafka.coordinator.group.modern.MemberSubscriptionAndAssignmentImpl;

/**
 * Writes what Apache Kafka answers to random questions, for tests/unit/assign to compare with.
 *
 *     Answers assignors SEED CASES > file      assignments of random groups that change
 *     Answers regex SEED CASES PATTERNS > file expressions of a file and random ones
 */
public class Answers {
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] args) throws Exception {
        Random random = new Random(Long.parseLong(args[1]));
        int cases = Integer.parseInt(args[2]);
        OUT.println("# SPDX-License-Identifier: Apache-2.0");
        if (args[0].equals("assignors")) {
            for (int i = 0; i < cases; i++)
                new Group(random).live();
        } else {
            expressions(random, cases, Files.readAllLines(Path.of(args[3])));
        }
        OUT.flush();
    }

    /** One group that changes a few times; each time every assignor is asked. */
    private static final class Group {
        private final Random random;
        private final List<Uuid> topics;
        private final Map<Uuid, Integer> counts = new HashMap<>();
        private final Map<String, Set<Uuid>> subscriptions = new LinkedHashMap<>();
        private final Map<String, String> instances = new HashMap<>();
        private final boolean mixed;
        private Map<String, Map<Uuid, Set<Integer>>> owned = new HashMap<>();
        private int nextMember = 0;

        Group(Random random) {
            this.random = random;
            Set<Uuid> ids = new HashSet<>();
            int topicCount = 1 + random.nextInt(7);
            while (ids.size() < topicCount)
                ids.add(new Uuid(random.nextLong(), random.nextLong()));
            // The order in which the homogeneous assignor will walk over them.
            topics = new ArrayList<>(new HashSet<>(ids));
            for (Uuid topic : topics)
                counts.put(topic, random.nextInt(16));
            mixed = random.nextBoolean();
        }

        void live() {
            int steps = 2 + random.nextInt(4);
            ConsumerGroupPartitionAssignor assignor =
                random.nextInt(4) == 0 ? new RangeAssignor() : new UniformAssignor();
            for (int step = 0; step < steps; step++) {
                change();
                owned = ask(assignor);
            }
        }

        private Set<Uuid> subscription() {
            Set<Uuid> out = new LinkedHashSet<>();
            for (Uuid topic : topics) {
                if (!mixed || random.nextInt(3) > 0)
                    out.add(topic);
            }
            return out;
        }

        private void change() {
            int changes = subscriptions.isEmpty() ? 4 : 1 + random.nextInt(2);
            for (int i = 0; i < changes; i++) {
                List<String> members = new ArrayList<>(subscriptions.keySet());
                int what = members.isEmpty() ? 0 : random.nextInt(5);
                if (what <= 1) {
                    String id = String.format("m%d", random.nextInt(1000) * 100 + nextMember++);
                    subscriptions.put(id, subscription());
                    if (random.nextInt(3) == 0)
                        instances.put(id, "i" + (random.nextInt(1000) * 100 + nextMember));
                } else if (what == 2) {
                    String id = members.get(random.nextInt(members.size()));
                    subscriptions.remove(id);
                    instances.remove(id);
                    owned.remove(id);
                } else if (what == 3) {
                    counts.merge(topics.get(random.nextInt(topics.size())), random.nextInt(6), Integer::sum);
                } else if (mixed) {
                    subscriptions.put(members.get(random.nextInt(members.size())), subscription());
                }
            }
        }

        private Map<String, Map<Uuid, Set<Integer>>> ask(ConsumerGroupPartitionAssignor assignor) {
            Map<String, MemberSubscriptionAndAssignmentImpl> members = new LinkedHashMap<>();
            Map<Uuid, Map<Integer, String>> inverted = new HashMap<>();
            OUT.printf("case %s %d%n", assignor.name(), mixed ? 1 : 0);
            for (Uuid topic : topics)
                OUT.printf("topic %016x%016x %d%n", topic.getMostSignificantBits(),
                    topic.getLeastSignificantBits(), counts.get(topic));
            for (String id : subscriptions.keySet()) {
                Map<Uuid, Set<Integer>> has = owned.getOrDefault(id, Map.of());
                has.forEach((topic, partitions) -> partitions.forEach(
                    p -> inverted.computeIfAbsent(topic, t -> new HashMap<>()).put(p, id)));
                members.put(id, new MemberSubscriptionAndAssignmentImpl(Optional.empty(),
                    Optional.ofNullable(instances.get(id)), subscriptions.get(id),
                    new Assignment(Collections.unmodifiableMap(has))));
                OUT.printf("member %s %s %s %s%n", id, instances.getOrDefault(id, "-"),
                    subscriptions.get(id).isEmpty() ? "-" : subscriptions.get(id).stream()
                        .map(t -> "" + topics.indexOf(t)).collect(Collectors.joining(",")),
                    text(has));
            }
            SubscribedTopicDescriber describer = new SubscribedTopicDescriber() {
                @Override
                public int numPartitions(Uuid topic) {
                    return counts.getOrDefault(topic, -1);
                }

                @Override
                public Set<String> racksForPartition(Uuid topic, int partition) {
                    return Set.of();
                }
            };
            GroupAssignment answer = assignor.assign(new GroupSpecImpl(members,
                mixed ? SubscriptionType.HETEROGENEOUS : SubscriptionType.HOMOGENEOUS, inverted), describer);
            Map<String, Map<Uuid, Set<Integer>>> out = new HashMap<>();
            for (String id : subscriptions.keySet()) {
                Map<Uuid, Set<Integer>> ordered = new LinkedHashMap<>();
                if (answer.members().containsKey(id)) {
                    for (Uuid topic : topics) {
                        Set<Integer> partitions = answer.members().get(id).partitions().get(topic);
                        if (partitions != null && !partitions.isEmpty())
                            ordered.put(topic, new TreeSet<>(partitions));
                    }
                }
                out.put(id, ordered);
                OUT.printf("result %s%n", text(ordered));
            }
            OUT.println("end");
            return out;
        }

        private String text(Map<Uuid, Set<Integer>> assignment) {
            if (assignment.isEmpty())
                return "-";
            return assignment.entrySet().stream()
                .map(e -> topics.indexOf(e.getKey()) + ":" + e.getValue().stream().sorted()
                    .map(p -> "" + p).collect(Collectors.joining(",")))
                .collect(Collectors.joining(";"));
        }
    }

    private static final List<String> NAMES = List.of("a", "b", "ab", "aab", "abc", "A", "AB", "k", "K", "s",
        "orders", "orders-1", "orders.eu", "orders_eu", "Orders", "0", "42", "a-b", "a.b", "a_b", "__consumer_offsets",
        "aaaa", "bbbb", "abab", "-", "_", "Z9", "zzz", "payments-2024.01", "x");

    private static final String[] PIECES = {"a", "b", "k", "s", "A", "ab", ".", "[ab]", "[^a]", "[a-c_.-]", "\\d", "\\w",
        "\\W", "\\D", "\\s", "\\pL", "\\p{Lu}", "\\P{Ll}", "[[:alpha:]]", "[[:^digit:]]", "[[:upper:]]", "[\\w-]", "^", "$",
        "\\b", "\\B", "\\A", "\\z", "(", ")", "(?:", "(?i)", "(?-i)", "(?i:", "(?s)", "|", "|", "*", "+", "?", "*?", "+?",
        "{2}", "{1,2}", "{0,3}", "{2,}", "{0}", "\\Qa.b\\E", "\\x61", "\\141", "\\.", "-", "_", "\u212A", "\u017F",
        "[\u0100-\u2fff]", "(?P<n>", "()", "orders", "{", "}", "]", "\\p{Greek}", "\\p{^L}", "0", "[0-9]"};

    private static void expressions(Random random, int cases, List<String> given) {
        OUT.println(String.join(" ", NAMES));
        given.stream().filter(line -> !line.startsWith("# SPDX")).forEach(Answers::expression);
        for (int i = 0; i < cases; i++) {
            StringBuilder text = new StringBuilder();
            int open = 0;
            for (int j = 1 + random.nextInt(7); j > 0; j--) {
                String piece = PIECES[random.nextInt(PIECES.length)];
                if (piece.equals(")") && open == 0 && random.nextInt(8) > 0)
                    continue;
                if (piece.equals(")"))
                    open--;
                if (piece.equals("(") || piece.endsWith(":") && piece.startsWith("(") || piece.endsWith(">"))
                    open++;
                text.append(piece);
            }
            while (open-- > 0 && random.nextInt(8) > 0)
                text.append(")");
            expression(text.toString());
        }
    }

    /** RE2/J 1.8 does not come back from some expressions; those are left out. */
    private static void expression(String text) {
        if (text.isEmpty() || text.contains("\t"))
            return;
        String[] answer = new String[1];
        Thread asking = new Thread(() -> answer[0] = ask(text));
        asking.setDaemon(true);
        asking.start();
        try {
            asking.join(3000);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        if (answer[0] == null)
            System.err.println("no answer: " + text);
        else
            OUT.println(answer[0]);
    }

    private static String ask(String text) {
        try {
            Pattern pattern = Pattern.compile(text);
            StringBuilder matches = new StringBuilder();
            for (String name : NAMES)
                matches.append(pattern.matches(name) ? '1' : '0');
            return "ok\t" + text + "\t" + matches;
        } catch (PatternSyntaxException e) {
            return "bad\t" + text + "\t" + e.getDescription();
        }
    }
}
