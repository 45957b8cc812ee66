package millstream;

import java.time.Duration;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.WindowStore;

/** How many records each key has in each window. */
final class WindowCounts {
    private static final Duration SIZE = Duration.ofSeconds(10);
    private static final Duration ADVANCE = Duration.ofSeconds(2);
    private static final Duration GRACE = Duration.ofSeconds(1);

    static void tumbling(StreamsBuilder builder, Job job) {
        define(builder, job, TimeWindows.ofSizeAndGrace(SIZE, GRACE));
    }

    static void hopping(StreamsBuilder builder, Job job) {
        define(builder, job, TimeWindows.ofSizeAndGrace(SIZE, GRACE).advanceBy(ADVANCE));
    }

    private static void define(StreamsBuilder builder, Job job, TimeWindows windows) {
        builder.stream(job.inputs().get(0), Consumed.with(Serdes.String(), Serdes.ByteArray()))
            .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
            .windowedBy(windows)
            .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("counts")
                .withKeySerde(Serdes.String())
                .withValueSerde(Serdes.Long()))
            .toStream()
            .to(
                job.output(),
                Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, SIZE.toMillis()), Serdes.Long()));
    }
}
