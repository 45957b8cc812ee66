package millstream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Runs scripts on Kafka Streams' own test driver. Reads one script a line as JSON from standard input, and writes what
 * came out one script a line as JSON to standard output. With the argument "topologies" it writes the names of the
 * topologies.
 */
public final class Main {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        if (arguments.length == 1 && arguments[0].equals("topologies")) {
            Topologies.ALL.keySet().forEach(out::println);
            out.flush();
            return;
        }
        Path state = Files.createTempDirectory("kafka-streams");
        // Stores on disk wait for the disk, for longer than all else takes: so several scripts run at once.
        ExecutorService threads = Executors.newFixedThreadPool(16);
        List<Future<ObjectNode>> results = new ArrayList<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode script = JSON.readTree(line);
            Path own = state.resolve(Integer.toString(results.size()));
            results.add(threads.submit(() -> run(script, own)));
        }
        for (Future<ObjectNode> result : results) {
            out.println(JSON.writeValueAsString(result.get()));
        }
        threads.shutdown();
        out.flush();
        try (Stream<Path> files = Files.walk(state)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        }
    }

    private static ObjectNode run(JsonNode script, Path state) {
        ObjectNode result = JSON.createObjectNode();
        result.set("name", script.get("name"));
        ArrayNode outputs = result.putArray("outputs");
        String name = script.get("topology").textValue();
        Consumer<StreamsBuilder> define = Topologies.ALL.get(name);
        if (define == null) {
            return result.put("error", "no topology is called " + name);
        }
        StreamsBuilder builder = new StreamsBuilder();
        define.accept(builder);
        Properties settings = settings(state);
        Topology topology = builder.build(settings);
        try (TopologyTestDriver driver = new TopologyTestDriver(topology, settings, Instant.ofEpochMilli(0))) {
            int step = 0;
            for (JsonNode next : script.get("steps")) {
                if (next.has("advance_wall_clock_ms")) {
                    driver.advanceWallClockTime(Duration.ofMillis(next.get("advance_wall_clock_ms").longValue()));
                } else {
                    String topic = next.get("topic").textValue();
                    driver.createInputTopic(topic, new ByteArraySerializer(), new ByteArraySerializer())
                        .pipeInput(record(next));
                }
                read(driver, step, outputs);
                step++;
            }
        } catch (RuntimeException failure) {
            result.put("error", failure.toString());
        }
        return result;
    }

    private static Properties settings(Path state) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "test");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "nowhere:1");
        settings.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0L);
        settings.put(
            StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
        // Both say how long, by the wall clock, an operator rests before it looks again for what has become final.
        settings.put(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_OUTER_JOIN_SPURIOUS_RESULTS_FIX, 0L);
        settings.put(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_WINDOWED_AGGREGATION, 0L);
        return settings;
    }

    private static TestRecord<byte[], byte[]> record(JsonNode step) {
        RecordHeaders headers = new RecordHeaders();
        if (step.has("headers")) {
            step.get("headers").forEach(header -> headers.add(header.get(0).textValue(), bytes(header.get(1))));
        }
        Instant timestamp = Instant.ofEpochMilli(step.get("timestamp").longValue());
        return new TestRecord<>(bytes(step.get("key")), bytes(step.get("value")), headers, timestamp);
    }

    /** Takes what came to the topics that are called "out" or "out-something". */
    private static void read(TopologyTestDriver driver, int step, ArrayNode outputs) {
        for (String topic : new TreeSet<>(driver.producedTopicNames())) {
            if (!topic.equals("out") && !topic.startsWith("out-")) {
                continue;
            }
            var records = driver.createOutputTopic(topic, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            for (TestRecord<byte[], byte[]> record : records.readRecordsToList()) {
                ObjectNode output = outputs.addObject();
                output.put("step", step).put("topic", topic);
                output.put("key", hex(record.key())).put("value", hex(record.value()));
                output.put("timestamp", record.timestamp());
                ArrayNode headers = output.putArray("headers");
                for (Header header : record.headers()) {
                    headers.addArray().add(header.key()).add(hex(header.value()));
                }
            }
        }
    }

    private static byte[] bytes(JsonNode hex) {
        return hex == null || hex.isNull() ? null : HEX.parseHex(hex.textValue());
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? null : HEX.formatHex(bytes);
    }
}
