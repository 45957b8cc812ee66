package millstream;

import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * All topologies by name. Keys and values are strings, counts are big-endian longs. Sources are called "in", or "left"
 * and "right"; sinks are called "out", or "out-something".
 */
final class Topologies {
    static final Map<String, Consumer<StreamsBuilder>> ALL = new TreeMap<>();

    static {
        Stateless.register();
        Aggregations.register();
        Windows.register();
        Tables.register();
        TableJoins.register();
        StreamJoins.register();
    }

    static final Serde<String> STRING = Serdes.String();
    static final Serde<Long> LONG = Serdes.Long();

    static void add(String name, Consumer<StreamsBuilder> define) {
        if (ALL.put(name, define) != null) {
            throw new IllegalStateException("two topologies are called " + name);
        }
    }

    static KStream<String, String> stream(StreamsBuilder builder, String topic) {
        return builder.stream(topic, Consumed.with(STRING, STRING));
    }

    static KTable<String, String> table(StreamsBuilder builder, String topic) {
        return builder.table(topic, Consumed.with(STRING, STRING), Materialized.as(topic + "-store"));
    }

    /** A table that keeps what its values were within the last 20 ms. */
    static KTable<String, String> versioned(StreamsBuilder builder, String topic) {
        return builder.table(topic, Consumed.with(STRING, STRING),
            Materialized.<String, String>as(
                    Stores.persistentVersionedKeyValueStore(topic + "-store", Duration.ofMillis(20)))
                .withKeySerde(STRING).withValueSerde(STRING));
    }

    static Repartitioned<String, String> repartitioned(String name) {
        return Repartitioned.<String, String>as(name).withKeySerde(STRING).withValueSerde(STRING);
    }

    static void strings(KStream<String, String> stream, String topic) {
        stream.to(topic, Produced.with(STRING, STRING));
    }

    static void counts(KStream<String, Long> stream, String topic) {
        stream.to(topic, Produced.with(STRING, LONG));
    }

    static Materialized<String, String, KeyValueStore<Bytes, byte[]>> stored(String store) {
        return Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as(store)
            .withKeySerde(STRING).withValueSerde(STRING);
    }

    static Materialized<String, Long, KeyValueStore<Bytes, byte[]>> counted(String store) {
        return Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as(store)
            .withKeySerde(STRING).withValueSerde(LONG);
    }

    /** A value's first character; of a null or empty value "-". */
    static String first(String value) {
        return value == null || value.isEmpty() ? "-" : value.substring(0, 1);
    }

    /** A value's characters; none of a null value. */
    static Stream<String> characters(String value) {
        return value == null ? Stream.empty() : value.chars().mapToObj(Character::toString);
    }

    /** A value's length; 0 of a null value. */
    static int length(String value) {
        return value == null ? 0 : value.length();
    }

    /** Both sides of a join, "null" for one that is not there. */
    static String pair(String left, String right) {
        return left + "+" + right;
    }
}
