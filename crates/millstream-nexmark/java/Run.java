package nexmark;

import static org.apache.kafka.streams.StreamsConfig.consumerPrefix;
import static org.apache.kafka.streams.StreamsConfig.producerPrefix;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyDescription;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers;

/**
 * One instance of Kafka Streams, until all that its inputs had is processed and committed.
 *
 * <p>It is tuned for throughput on two threads, with state in memory; what Millstream's clients have it has, too: large fetches and
 * batches, a linger of 5 ms. Its cache holds back all changes until a commit, as Emit::OnCommit does.
 */
final class Run implements AutoCloseable {
    private static final int MB = 1 << 20;
    private static final long LOOK_MS = 100;
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(60);

    private final String bootstrapServers;
    private final String id;
    private final List<String> sources = new ArrayList<>();
    private final Path state;
    private final KafkaStreams streams;
    private volatile Throwable failure;

    Run(String bootstrapServers, String id, String inputs, StreamsBuilder builder) throws IOException {
        this.bootstrapServers = bootstrapServers;
        this.id = id;
        state = Files.createTempDirectory("kafka-streams");
        Properties settings = settings();
        Topology topology = builder.build(settings);
        for (TopologyDescription.Subtopology part : topology.describe().subtopologies()) {
            for (TopologyDescription.Node node : part.nodes()) {
                if (node instanceof TopologyDescription.Source source) {
                    source.topicSet().forEach(name -> sources.add(name.startsWith(inputs) ? name : id + "-" + name));
                }
            }
        }
        streams = new KafkaStreams(topology, settings);
        streams.setUncaughtExceptionHandler(thrown -> {
            failure = thrown;
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, id);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrapServers);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L * MB);
        settings.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, InMemoryDslStoreSuppliers.class);
        settings.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        settings.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, 1_000);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, -1);
        settings.put(consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        settings.put(consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 * MB);
        settings.put(consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 100);
        settings.put(producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 5);
        settings.put(producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), MB / 4);
        settings.put(producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 64L * MB);
        return settings;
    }

    void toTheEnd() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers))) {
            streams.start();
            do {
                Thread.sleep(LOOK_MS);
                if (failure != null) {
                    throw new IllegalStateException("Kafka Streams failed", failure);
                }
            } while (streams.state() != KafkaStreams.State.RUNNING || !isDrained(admin));
        }
        streams.close(CLOSE_LIMIT);
    }

    /** Positions are looked at before ends: what a task wrote before its input was committed is among the ends. */
    private boolean isDrained(Admin admin) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> committed =
            admin.listConsumerGroupOffsets(id).partitionsToOffsetAndMetadata().get();
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        for (TopicDescription topic : admin.describeTopics(sources).allTopicNames().get().values()) {
            topic.partitions().forEach(
                partition -> wanted.put(new TopicPartition(topic.name(), partition.partition()), OffsetSpec.latest()));
        }
        for (Map.Entry<TopicPartition, ListOffsetsResultInfo> end : admin.listOffsets(wanted).all().get().entrySet()) {
            OffsetAndMetadata position = committed.get(end.getKey());
            if (end.getValue().offset() > (position == null ? 0 : position.offset())) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void close() throws IOException {
        streams.close(CLOSE_LIMIT);
        try (Stream<Path> files = Files.walk(state)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        }
    }
}
