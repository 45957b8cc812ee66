package millstream;

import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.WindowStore;

/** Theodolite's use cases: power measurements of sensors. */
final class Theodolite {
    private static final Duration DAY = Duration.ofDays(1);
    private static final Duration GRACE = DAY;
    private static final long HOUR_MS = 3_600_000;

    /** What a sensor says. */
    record Reading(long time, double watts) {
        static final Serde<Reading> SERDE = Serdes.serdeFrom(
            (topic, reading) -> ByteBuffer.allocate(16).putLong(reading.time).putDouble(reading.watts).array(),
            (topic, bytes) -> {
                ByteBuffer in = ByteBuffer.wrap(bytes);
                return new Reading(in.getLong(), in.getDouble());
            });
    }

    /** How many values there were, and how they lie (Welford's method). */
    record Statistics(long count, double mean, double squares, double least, double most) {
        static final Statistics NONE =
            new Statistics(0, 0, 0, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY);

        static final Serde<Statistics> SERDE = Serdes.serdeFrom(
            (topic, statistics) -> statistics == null ? null : ByteBuffer.allocate(40)
                .putLong(statistics.count)
                .putDouble(statistics.mean)
                .putDouble(statistics.squares)
                .putDouble(statistics.least)
                .putDouble(statistics.most)
                .array(),
            (topic, bytes) -> {
                if (bytes == null) {
                    return null;
                }
                ByteBuffer in = ByteBuffer.wrap(bytes);
                return new Statistics(in.getLong(), in.getDouble(), in.getDouble(), in.getDouble(), in.getDouble());
            });

        Statistics add(double value) {
            double distance = value - mean;
            double moved = mean + distance / (count + 1);
            return new Statistics(
                count + 1, moved, squares + distance * (value - moved), Math.min(least, value), Math.max(most, value));
        }
    }

    /** What UC1 writes. */
    @JsonPropertyOrder({"identifier", "timestamp", "valueInW"})
    public static final class Document {
        public final String identifier;
        public final long timestamp;
        public final double valueInW;

        Document(String identifier, long timestamp, double valueInW) {
            this.identifier = identifier;
            this.timestamp = timestamp;
            this.valueInW = valueInW;
        }
    }

    static void uc1(StreamsBuilder builder, Job job) {
        ObjectWriter writer = new ObjectMapper().writerFor(Document.class);
        Serde<Document> json = Serdes.serdeFrom(
            (topic, document) -> {
                try {
                    return writer.writeValueAsBytes(document);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            },
            (topic, bytes) -> {
                throw new UnsupportedOperationException("documents are only written");
            });
        readings(builder, job)
            .mapValues((sensor, reading) -> new Document(sensor, reading.time, reading.watts))
            .to(job.output(), Produced.with(Serdes.String(), json));
    }

    static void uc2(StreamsBuilder builder, Job job) {
        Duration minute = Duration.ofMinutes(1);
        statistics(
            readings(builder, job).groupByKey(Grouped.with(Serdes.String(), Reading.SERDE)),
            TimeWindows.ofSizeAndGrace(minute, GRACE),
            job);
    }

    static void uc3(StreamsBuilder builder, Job job) {
        KGroupedStream<String, Reading> byHour = readings(builder, job)
            .map((sensor, reading) ->
                KeyValue.pair(sensor + " " + Math.floorMod(reading.time / HOUR_MS, 24L), reading))
            .groupByKey(Grouped.with("by-hour", Serdes.String(), Reading.SERDE));
        statistics(byHour, TimeWindows.ofSizeAndGrace(DAY.multipliedBy(30), GRACE).advanceBy(DAY), job);
    }

    static KStream<String, Reading> readings(StreamsBuilder builder, Job job) {
        return builder.stream(job.inputs().get(0), Consumed.with(Serdes.String(), Reading.SERDE));
    }

    private static void statistics(KGroupedStream<String, Reading> readings, TimeWindows windows, Job job) {
        readings
            .windowedBy(windows)
            .aggregate(
                () -> Statistics.NONE,
                (key, reading, statistics) -> statistics.add(reading.watts),
                Materialized.<String, Statistics, WindowStore<Bytes, byte[]>>as("counts")
                    .withKeySerde(Serdes.String())
                    .withValueSerde(Statistics.SERDE))
            .toStream()
            .to(
                job.output(),
                Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, windows.size()), Statistics.SERDE));
    }
}
