package millstream;

import java.time.Duration;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.state.KeyValueStore;

/** Joins: a result is the left value with the right one behind it. */
final class Joins {
    private static final Duration DIFFERENCE = Duration.ofSeconds(1);
    private static final Duration GRACE = Duration.ofSeconds(1);

    /** Each bid with its auction. */
    static void streamWithTable(StreamsBuilder builder, Job job) {
        KTable<String, byte[]> auctions = builder.table(
            job.inputs().get(1),
            Consumed.with(Serdes.String(), Serdes.ByteArray()),
            Materialized.<String, byte[], KeyValueStore<Bytes, byte[]>>as("counts")
                .withKeySerde(Serdes.String())
                .withValueSerde(Serdes.ByteArray()));
        stream(builder, job.inputs().get(0))
            .join(auctions, Joins::both, Joined.with(Serdes.String(), Serdes.ByteArray(), Serdes.ByteArray()))
            .to(job.output(), Produced.with(Serdes.String(), Serdes.ByteArray()));
    }

    /** Each bid with the views of its auction within a second. */
    static void streamWithStream(StreamsBuilder builder, Job job) {
        stream(builder, job.inputs().get(0))
            .join(
                stream(builder, job.inputs().get(1)),
                Joins::both,
                JoinWindows.ofTimeDifferenceAndGrace(DIFFERENCE, GRACE),
                StreamJoined.with(Serdes.String(), Serdes.ByteArray(), Serdes.ByteArray()).withStoreName("counts"))
            .to(job.output(), Produced.with(Serdes.String(), Serdes.ByteArray()));
    }

    private static KStream<String, byte[]> stream(StreamsBuilder builder, String topic) {
        return builder.stream(topic, Consumed.with(Serdes.String(), Serdes.ByteArray()));
    }

    private static byte[] both(byte[] left, byte[] right) {
        byte[] both = new byte[left.length + right.length];
        System.arraycopy(left, 0, both, 0, left.length);
        System.arraycopy(right, 0, both, left.length, right.length);
        return both;
    }
}
