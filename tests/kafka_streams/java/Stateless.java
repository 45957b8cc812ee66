package millstream;

import static millstream.Topologies.add;
import static millstream.Topologies.characters;
import static millstream.Topologies.length;
import static millstream.Topologies.repartitioned;
import static millstream.Topologies.stream;
import static millstream.Topologies.strings;

import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Branched;

/** Operators without state. */
final class Stateless {
    static void register() {
        add("filter", b -> strings(stream(b, "in").filter((k, v) -> length(v) % 2 == 0), "out"));
        add("filter_not", b -> strings(stream(b, "in").filterNot((k, v) -> length(v) % 2 == 0), "out"));
        add("map", b -> strings(stream(b, "in").map((k, v) -> KeyValue.pair(v, k)), "out"));
        add("map_values", b -> strings(stream(b, "in").mapValues(v -> v == null ? null : v + "!"), "out"));
        add("flat_map", b -> strings(
            stream(b, "in").flatMap((k, v) -> characters(v).map(c -> KeyValue.pair(c, k)).toList()), "out"));
        add("flat_map_values", b -> strings(stream(b, "in").flatMapValues(v -> characters(v).toList()), "out"));
        add("split", b -> stream(b, "in").split()
            .branch((k, v) -> length(v) < 2, Branched.withConsumer(s -> strings(s, "out-short")))
            .branch((k, v) -> length(v) < 3, Branched.withConsumer(s -> strings(s, "out-middle")))
            .defaultBranch(Branched.withConsumer(s -> strings(s, "out-long"))));
        add("merge", b -> strings(stream(b, "left").merge(stream(b, "right").mapValues(v -> v + "!")), "out"));
        add("repartition", b -> strings(
            stream(b, "in").map((k, v) -> KeyValue.pair(v, k)).repartition(repartitioned("again")), "out"));
    }
}
