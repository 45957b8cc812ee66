package millstream;

import static millstream.Topologies.STRING;
import static millstream.Topologies.add;
import static millstream.Topologies.counted;
import static millstream.Topologies.counts;
import static millstream.Topologies.first;
import static millstream.Topologies.length;
import static millstream.Topologies.stored;
import static millstream.Topologies.stream;
import static millstream.Topologies.strings;
import static millstream.Topologies.table;
import static millstream.Topologies.versioned;
import static millstream.Windows.ms;

import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedTable;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;

/** Operators on one table. */
final class Tables {
    static void register() {
        add("table_to_stream", b -> strings(table(b, "in").toStream(), "out"));
        add("table_filter", b -> strings(even(table(b, "in")).toStream(), "out"));
        add("table_filter_not", b -> strings(table(b, "in").filterNot((k, v) -> length(v) % 2 == 0).toStream(), "out"));
        add("table_filter_stored", b -> strings(
            table(b, "in").filter((k, v) -> length(v) % 2 == 0, stored("even")).toStream(), "out"));
        add("table_map_values", b -> strings(table(b, "in").mapValues(v -> v + "!").toStream(), "out"));
        add("table_map_values_stored", b -> strings(
            table(b, "in").mapValues(v -> v + "!", stored("marked")).toStream(), "out"));
        add("table_filter_map_values", b -> strings(even(table(b, "in")).mapValues(v -> v + "!").toStream(), "out"));
        add("table_group_by_count", b -> counts(groupBy(table(b, "in")).count(counted("store")).toStream(), "out"));
        add("table_group_by_reduce", b -> strings(
            groupBy(table(b, "in")).reduce(Aggregations::reduced, (soFar, old) -> soFar + "-" + old, stored("store"))
                .toStream(), "out"));
        add("table_group_by_aggregate", b -> strings(aggregated(groupBy(table(b, "in"))), "out"));
        add("table_filter_group_by_aggregate", b -> strings(aggregated(groupBy(even(table(b, "in")))), "out"));
        add("table_group_by_null", b -> counts(
            table(b, "in").groupBy((k, v) -> KeyValue.pair(length(v) == 1 ? null : first(v), v),
                    Grouped.with("by-first", STRING, STRING))
                .count(counted("store")).toStream(), "out"));
        add("aggregate_group_by_aggregate", b -> strings(aggregated(groupBy(
            Aggregations.groupByKey(b, "in").reduce((soFar, next) -> next, stored("last")))), "out"));
        add("stream_to_table", b -> strings(stream(b, "in").toTable(stored("store")).toStream(), "out"));
        add("table_suppress", b -> strings(
            table(b, "in").suppress(Suppressed.untilTimeLimit(ms(10), BufferConfig.unbounded())).toStream(), "out"));
        add("table_suppress_two", b -> strings(
            table(b, "in").suppress(Suppressed.untilTimeLimit(ms(10), BufferConfig.maxRecords(2).emitEarlyWhenFull()))
                .toStream(), "out"));
        add("table_suppress_group_by_aggregate", b -> strings(aggregated(groupBy(
            table(b, "in").suppress(Suppressed.untilTimeLimit(ms(10), BufferConfig.unbounded())))), "out"));
        add("versioned_table", b -> strings(versioned(b, "in").toStream(), "out"));
        add("versioned_table_filter", b -> strings(even(versioned(b, "in")).toStream(), "out"));
        add("versioned_table_group_by_aggregate", b -> strings(aggregated(groupBy(versioned(b, "in"))), "out"));
        add("versioned_table_group_by_count", b -> counts(
            groupBy(versioned(b, "in")).count(counted("store")).toStream(), "out"));
    }

    private static KTable<String, String> even(KTable<String, String> table) {
        return table.filter((k, v) -> length(v) % 2 == 0);
    }

    /** By the value's first character. */
    private static KGroupedTable<String, String> groupBy(KTable<String, String> table) {
        return table.groupBy((k, v) -> KeyValue.pair(first(v), v), Grouped.with("by-first", STRING, STRING));
    }

    private static KStream<String, String> aggregated(KGroupedTable<String, String> grouped) {
        return grouped.aggregate(() -> ">", Aggregations::added, Aggregations::removed, stored("store")).toStream();
    }
}
