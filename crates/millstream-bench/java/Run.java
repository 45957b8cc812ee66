package millstream;

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
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.TaskMetadata;
import org.apache.kafka.streams.ThreadMetadata;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/** One instance of Kafka Streams. */
final class Run implements AutoCloseable {
    /** How often progress is looked at, in ms: how exact the measured time is. */
    private static final long LOOK_MS = 2;

    /** The same where the broker is asked. */
    private static final long LOOK_AT_BROKER_MS = 50;

    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(60);

    /** So much of closing is a part of what is measured: it takes less, or now and then a minute with a busy thread. */
    private static final long CLOSE_MEASURED_MS = 1_000;

    private final Job job;
    private final Path state;
    private final KafkaStreams streams;
    private final Admin admin;
    private volatile Throwable failure;

    Run(Job job, Stores stores) throws IOException {
        this.job = job;
        state = Files.createTempDirectory("kafka-streams");
        admin = Admin.create(Map.of("bootstrap.servers", job.bootstrapServers()));
        Properties settings = Settings.of(job, stores, state);
        StreamsBuilder builder = new StreamsBuilder();
        Workloads.find(job.workload()).accept(builder, job);
        streams = new KafkaStreams(builder.build(settings), settings);
        streams.setUncaughtExceptionHandler(thrown -> {
            failure = thrown;
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    }

    /** Starts, and waits until all tasks run. */
    void start() throws InterruptedException {
        streams.start();
        while (streams.state() != KafkaStreams.State.RUNNING) {
            check();
            Thread.sleep(LOOK_MS);
        }
    }

    /**
     * Processes and commits what the inputs have now, and closes, for which the next call may still have to wait. Says how many
     * records that was, and the seconds from the first one processed to the last commit.
     */
    String toTheEnd() throws Exception {
        Map<TopicPartition, Long> ends = ends();
        long records = ends.values().stream().mapToLong(Long::longValue).sum();
        streams.start();
        long first = 0;
        List<Metric> processed = List.of();
        while (true) {
            check();
            long now = System.nanoTime();
            if (processed.size() < 2) {
                processed = processedMetrics();
            }
            double sum = 0;
            for (Metric metric : processed) {
                double value = (Double) metric.metricValue();
                sum += Double.isNaN(value) ? 0 : value;
            }
            if (first == 0 && sum > 0) {
                first = now;
            }
            // Records of repartition topics are in the sum: then what is committed says when it ends.
            boolean hasRepartitions = Workloads.hasRepartitions(job.workload());
            if (hasRepartitions ? first > 0 && isDrained(ends) : sum >= records) {
                break;
            }
            Thread.sleep(hasRepartitions ? LOOK_AT_BROKER_MS : LOOK_MS);
        }
        // To close brings the last commit at once; the next regular one would come up to a commit interval later.
        List<TaskMetadata> tasks = tasks();
        Thread closing = new Thread(() -> streams.close(CLOSE_LIMIT));
        closing.start();
        long last = 0;
        // What a task has committed is a view: it goes on to tell after the task is closed.
        while (last == 0) {
            boolean isClosed = !closing.isAlive();
            if (areInputsCommitted(tasks, ends)) {
                last = System.nanoTime();
            } else if (isClosed) {
                throw new IllegalStateException("closed with records that are not committed: " + tasks);
            } else {
                Thread.sleep(LOOK_MS);
            }
        }
        closing.join(CLOSE_MEASURED_MS);
        check();
        return "{\"records\": " + records + ", \"seconds\": " + (last - first) / 1e9 + "}";
    }

    private void check() {
        if (failure != null) {
            throw new IllegalStateException("Kafka Streams failed", failure);
        }
    }

    /** Where the inputs end now. */
    private Map<TopicPartition, Long> ends() throws Exception {
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        admin.describeTopics(job.inputs()).allTopicNames().get().forEach((topic, description) -> description.partitions()
            .forEach(partition -> wanted.put(new TopicPartition(topic, partition.partition()), OffsetSpec.latest())));
        Map<TopicPartition, Long> ends = new HashMap<>();
        admin.listOffsets(wanted).all().get().forEach((partition, end) -> ends.put(partition, end.offset()));
        return ends;
    }

    /** Of each thread, how many records it has processed. */
    private List<Metric> processedMetrics() {
        List<Metric> found = new ArrayList<>();
        streams.metrics().forEach((name, metric) -> {
            if (name.group().equals("stream-thread-metrics") && name.name().equals("process-total")) {
                found.add(metric);
            }
        });
        return found;
    }

    private List<TaskMetadata> tasks() {
        List<TaskMetadata> tasks = new ArrayList<>();
        for (ThreadMetadata thread : streams.metadataForLocalThreads()) {
            tasks.addAll(thread.activeTasks());
        }
        return tasks;
    }

    private static boolean areInputsCommitted(List<TaskMetadata> tasks, Map<TopicPartition, Long> ends) {
        long missing = ends.values().stream().filter(end -> end > 0).count();
        for (TaskMetadata task : tasks) {
            for (Map.Entry<TopicPartition, Long> committed : task.committedOffsets().entrySet()) {
                Long end = ends.get(committed.getKey());
                if (end != null && end > 0 && committed.getValue() >= end) {
                    missing--;
                }
            }
        }
        return missing <= 0;
    }

    /**
     * Whether the inputs, and what was written to repartition topics, is processed and committed. Positions are looked at before
     * ends: what a task wrote before its input was committed is among the ends.
     */
    private boolean isDrained(Map<TopicPartition, Long> inputs) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> committed =
            admin.listConsumerGroupOffsets(job.group()).partitionsToOffsetAndMetadata().get();
        Map<TopicPartition, OffsetSpec> read = new HashMap<>();
        for (TaskMetadata task : tasks()) {
            task.topicPartitions().forEach(partition -> read.put(partition, OffsetSpec.latest()));
        }
        for (Map.Entry<TopicPartition, ListOffsetsResultInfo> end : admin.listOffsets(read).all().get().entrySet()) {
            OffsetAndMetadata position = committed.get(end.getKey());
            if (end.getValue().offset() > (position == null ? 0 : position.offset())) {
                return false;
            }
        }
        return areInputsCommitted(tasks(), inputs);
    }

    @Override
    public void close() throws IOException {
        streams.close(CLOSE_LIMIT);
        admin.close();
        try (Stream<Path> files = Files.walk(state)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        }
    }
}
