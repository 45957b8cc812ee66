package nexmark;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.streams.StreamsBuilder;

/**
 * Nexmark's queries on Kafka Streams.
 *
 * <p>{@code Main QUERY BOOTSTRAP INPUTS LONGEST_AUCTION_MS DISORDER_MS}: each line of the standard input is the application id of a
 * run over what the inputs have now; when it has ended, {@code {"seconds": S, "cpu_s": C}} is written: from its start to its
 * end, and the processor time of this whole process meanwhile. What it writes is in the topic {@code ID-QUERY}.
 */
public final class Main {
    private static final Map<String, Consumer<Input>> QUERIES = Map.ofEntries(
        Map.entry("q0", Stateless::q0),
        Map.entry("q1", Stateless::q1),
        Map.entry("q2", Stateless::q2),
        Map.entry("q3", Joins::q3),
        Map.entry("q4", Joins::q4),
        Map.entry("q5", Windows::q5),
        Map.entry("q7", Windows::q7),
        Map.entry("q8", Joins::q8),
        Map.entry("q9", Joins::q9),
        Map.entry("q11", Windows::q11),
        Map.entry("q12", Windows::q12),
        Map.entry("q14", Stateless::q14),
        Map.entry("q17", Aggregates::q17),
        Map.entry("q18", Aggregates::q18),
        Map.entry("q19", Aggregates::q19),
        Map.entry("q20", Joins::q20),
        Map.entry("q22", Stateless::q22));

    public static void main(String[] arguments) throws Exception {
        Consumer<Input> query = QUERIES.get(arguments[0]);
        if (query == null) {
            throw new IllegalArgumentException("no query is called " + arguments[0] + "; there are " + QUERIES.keySet());
        }
        Duration longestAuction = Duration.ofMillis(Long.parseLong(arguments[3]));
        Duration disorder = Duration.ofMillis(Long.parseLong(arguments[4]));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String id = in.readLine(); id != null; id = in.readLine()) {
            long begun = System.nanoTime();
            long before = processorNanos();
            StreamsBuilder builder = new StreamsBuilder();
            query.accept(new Input(builder, arguments[2], id + "-" + arguments[0], longestAuction, disorder));
            try (Run run = new Run(arguments[1], id, arguments[2], builder)) {
                run.toTheEnd();
            }
            double seconds = (System.nanoTime() - begun) / 1e9;
            System.out.println("{\"seconds\": " + seconds + ", \"cpu_s\": " + (processorNanos() - before) / 1e9 + "}");
            System.out.flush();
        }
        // Whatever a client left running must not hold the process.
        System.exit(0);
    }

    private static long processorNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
}
