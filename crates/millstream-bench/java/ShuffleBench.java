package millstream;

import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

/** Records go to the rules that they match, each of which has a state. */
final class ShuffleBench {
    private static final long RULES = 1_000;
    private static final long ONE_OF = 5 * RULES;
    private static final long EVERY = 10;

    /** A rule's state: how many records, the sum of their first words, and their first and last word. */
    record State(long count, long sum, long first, long last) {
        static final Serde<State> SERDE = Serdes.serdeFrom(
            (topic, state) -> state == null ? null : ByteBuffer.allocate(32)
                .putLong(state.count)
                .putLong(state.sum)
                .putLong(state.first)
                .putLong(state.last)
                .array(),
            (topic, bytes) -> {
                if (bytes == null) {
                    return null;
                }
                ByteBuffer in = ByteBuffer.wrap(bytes);
                return new State(in.getLong(), in.getLong(), in.getLong(), in.getLong());
            });

        State add(long word) {
            return new State(count + 1, sum + word, count == 0 ? word : first, word);
        }
    }

    static void define(StreamsBuilder builder, Job job) {
        builder.stream(job.inputs().get(0), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .flatMap((key, value) -> {
                long place = Long.remainderUnsigned(firstWord(value), ONE_OF);
                return place < RULES ? List.of(KeyValue.pair(place, value)) : List.<KeyValue<Long, byte[]>>of();
            })
            .groupByKey(Grouped.with("by-rule", Serdes.Long(), Serdes.ByteArray()))
            .aggregate(
                () -> new State(0, 0, 0, 0),
                (rule, value, state) -> state.add(firstWord(value)),
                Materialized.<Long, State, KeyValueStore<Bytes, byte[]>>as("counts")
                    .withKeySerde(Serdes.Long())
                    .withValueSerde(State.SERDE))
            .toStream()
            .filter((rule, state) -> state.count % EVERY == 0)
            .mapValues(State::count)
            .to(job.output(), Produced.with(Serdes.Long(), Serdes.Long()));
    }

    private static long firstWord(byte[] value) {
        return ByteBuffer.wrap(value).getLong();
    }
}
