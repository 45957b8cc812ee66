package millstream;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;

/** Theodolite's fourth use case: power of groups, and of groups of groups. */
final class Hierarchy {
    private static final Duration SIZE = Duration.ofSeconds(5);
    private static final Duration GRACE = Duration.ofDays(1);

    /** A group's member: its name, the group that the group is in, and the member's power. */
    record Member(String name, String outer, double watts) {}

    /** The group that a group is in, and the power of each of its members. */
    record Members(String outer, Map<String, Double> powers) {
        Members with(Member member) {
            TreeMap<String, Double> more = new TreeMap<>(powers);
            more.put(member.name, member.watts);
            return new Members(member.outer, more);
        }

        double watts() {
            double sum = 0;
            for (double power : powers.values()) {
                sum += power;
            }
            return sum;
        }
    }

    /** The power of a sensor, and its groups. */
    record Placed(double watts, String groups) {}

    static void define(StreamsBuilder builder, Job job) {
        KTable<String, String> groups = builder.table(
            job.inputs().get(1),
            Consumed.with(Serdes.String(), Serdes.String()),
            Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("groups")
                .withKeySerde(Serdes.String())
                .withValueSerde(Serdes.String()));
        KStream<String, Member> members = Theodolite.readings(builder, job)
            .join(
                groups,
                (reading, found) -> new Placed(reading.watts(), found),
                Joined.with(Serdes.String(), Theodolite.Reading.SERDE, Serdes.String()))
            .map((sensor, placed) -> {
                String[] found = placed.groups.split(",", 2);
                return KeyValue.pair(found[0], new Member(sensor, found[1], placed.watts));
            });
        KStream<Windowed<String>, Members> inner = power(members, "by-group", "groups-power");
        write(inner, job);
        KStream<String, Member> outer =
            inner.map((group, found) -> KeyValue.pair(found.outer, new Member(group.key(), "", found.watts())));
        write(power(outer, "by-outer-group", "outer-groups-power"), job);
    }

    private static KStream<Windowed<String>, Members> power(KStream<String, Member> members, String topic, String store) {
        return members
            .groupByKey(Grouped.with(topic, Serdes.String(), json(new TypeReference<Member>() {})))
            .windowedBy(TimeWindows.ofSizeAndGrace(SIZE, GRACE))
            .aggregate(
                () -> new Members("", Map.of()),
                (group, member, before) -> before.with(member),
                Materialized.<String, Members, WindowStore<Bytes, byte[]>>as(store)
                    .withKeySerde(Serdes.String())
                    .withValueSerde(json(new TypeReference<Members>() {})))
            .toStream();
    }

    private static void write(KStream<Windowed<String>, Members> groups, Job job) {
        groups.mapValues(Members::watts).to(
            job.output(),
            Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, SIZE.toMillis()), Serdes.Double()));
    }

    private static <T> Serde<T> json(TypeReference<T> type) {
        ObjectMapper mapper = new ObjectMapper();
        ObjectReader reader = mapper.readerFor(type);
        ObjectWriter writer = mapper.writerFor(type);
        return Serdes.serdeFrom(
            (topic, value) -> {
                try {
                    return value == null ? null : writer.writeValueAsBytes(value);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            },
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : reader.readValue(bytes);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
    }
}
