package millstream;

import static millstream.Topologies.STRING;
import static millstream.Topologies.add;
import static millstream.Topologies.counted;
import static millstream.Topologies.counts;
import static millstream.Topologies.first;
import static millstream.Topologies.stored;
import static millstream.Topologies.stream;
import static millstream.Topologies.strings;

import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;

/** Aggregates of streams without windows, and what all aggregates do: a history that shows the order. */
final class Aggregations {
    static void register() {
        add("group_by_count", b -> counts(groupBy(b).count(counted("store")).toStream(), "out"));
        add("group_by_reduce", b -> strings(
            groupBy(b).reduce(Aggregations::reduced, stored("store")).toStream(), "out"));
        add("group_by_aggregate", b -> strings(
            groupBy(b).aggregate(() -> ">", Aggregations::added, stored("store")).toStream(), "out"));
        add("group_by_key_count", b -> counts(groupByKey(b, "in").count(counted("store")).toStream(), "out"));
        add("group_by_key_reduce", b -> strings(
            groupByKey(b, "in").reduce(Aggregations::reduced, stored("store")).toStream(), "out"));
        add("group_by_key_aggregate", b -> strings(
            groupByKey(b, "in").aggregate(() -> ">", Aggregations::added, stored("store")).toStream(), "out"));
        add("cogroup", b -> strings(
            groupByKey(b, "left").cogroup(Aggregations::added)
                .cogroup(groupByKey(b, "right"), Aggregations::marked)
                .aggregate(() -> ">", stored("store")).toStream(), "out"));
    }

    static KGroupedStream<String, String> groupByKey(StreamsBuilder builder, String topic) {
        return stream(builder, topic).groupByKey(Grouped.with(STRING, STRING));
    }

    /** By the value's first character. */
    private static KGroupedStream<String, String> groupBy(StreamsBuilder builder) {
        return stream(builder, "in").groupBy((k, v) -> first(v), Grouped.with("by-first", STRING, STRING));
    }

    static String reduced(String soFar, String next) {
        return soFar + "," + next;
    }

    static String added(String key, String value, String soFar) {
        return soFar + "+" + value;
    }

    static String removed(String key, String value, String soFar) {
        return soFar + "-" + value;
    }

    static String marked(String key, String value, String soFar) {
        return soFar + "*" + value;
    }

    /** Of two sessions that become one. */
    static String merged(String key, String left, String right) {
        return left + "&" + right;
    }
}
