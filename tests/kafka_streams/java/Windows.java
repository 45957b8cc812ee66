package millstream;

import static millstream.Aggregations.groupByKey;
import static millstream.Topologies.LONG;
import static millstream.Topologies.STRING;
import static millstream.Topologies.add;

import java.time.Duration;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindowedKStream;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Aggregates by window. Tumbling: size 10, grace 5. Hopping: size 10, advance 4, grace 5. Sliding: difference 10,
 * grace 5. Sessions: gap 5, grace 5.
 */
final class Windows {
    private static final TimeWindows TUMBLING = TimeWindows.ofSizeAndGrace(ms(10), ms(5));
    private static final TimeWindows NO_GRACE = TimeWindows.ofSizeWithNoGrace(ms(10));
    private static final TimeWindows HOPPING = TimeWindows.ofSizeAndGrace(ms(10), ms(5)).advanceBy(ms(4));
    private static final SlidingWindows SLIDING = SlidingWindows.ofTimeDifferenceAndGrace(ms(10), ms(5));
    private static final SessionWindows SESSIONS = SessionWindows.ofInactivityGapAndGrace(ms(5), ms(5));

    /**
     * With the retention that they have by default, the windows' size and grace, stores have often forgotten a window by
     * the time that it should be emitted on close. The stores of sessions in memory, too, but not those on disk.
     */
    private static final Duration LONG_ENOUGH = Duration.ofHours(1);

    static void register() {
        timeWindows("tumbling", b -> groupByKey(b, "in").windowedBy(TUMBLING));
        timeWindows("tumbling_no_grace", b -> groupByKey(b, "in").windowedBy(NO_GRACE));
        timeWindows("hopping", b -> groupByKey(b, "in").windowedBy(HOPPING));
        timeWindows("sliding", b -> groupByKey(b, "in").windowedBy(SLIDING));
        sessions("session", b -> groupByKey(b, "in").windowedBy(SESSIONS));
        add("tumbling_aggregate_group_by_aggregate", b -> byKey(groupByKey(b, "in").windowedBy(TUMBLING)
            .aggregate(() -> ">", Aggregations::added, window(STRING))));
        cogroups();
    }

    /**
     * name_count, name_reduce, name_aggregate; name_reduce_group_by_aggregate: all windows of a key; name_suppress: an aggregate until the window closes; name_emit_on_close:
     * the same by the emit strategy.
     */
    private static void timeWindows(
            String name, Function<StreamsBuilder, TimeWindowedKStream<String, String>> windows) {
        add(name + "_count", b -> times(windows.apply(b).count(window(LONG)), LONG));
        add(name + "_reduce", b -> times(windows.apply(b).reduce(Aggregations::reduced, window(STRING)), STRING));
        add(name + "_reduce_group_by_aggregate", b -> byKey(
            windows.apply(b).reduce(Aggregations::reduced, window(STRING))));
        add(name + "_aggregate", b -> times(
            windows.apply(b).aggregate(() -> ">", Aggregations::added, window(STRING)), STRING));
        add(name + "_suppress", b -> times(
            windows.apply(b).aggregate(() -> ">", Aggregations::added, window(STRING)).suppress(untilClosed()),
            STRING));
        add(name + "_emit_on_close", b -> times(windows.apply(b).emitStrategy(EmitStrategy.onWindowClose())
            .aggregate(() -> ">", Aggregations::added, window(STRING).withRetention(LONG_ENOUGH)), STRING));
    }

    private static void sessions(
            String name, Function<StreamsBuilder, SessionWindowedKStream<String, String>> windows) {
        add(name + "_count", b -> sessions(windows.apply(b).count(session(LONG)), LONG));
        add(name + "_reduce", b -> sessions(windows.apply(b).reduce(Aggregations::reduced, session(STRING)), STRING));
        add(name + "_reduce_group_by_aggregate", b -> byKey(
            windows.apply(b).reduce(Aggregations::reduced, session(STRING))));
        add(name + "_aggregate", b -> sessions(aggregated(windows.apply(b)), STRING));
        add(name + "_suppress", b -> sessions(aggregated(windows.apply(b)).suppress(untilClosed()), STRING));
        add(name + "_emit_on_close", b -> sessions(windows.apply(b).emitStrategy(EmitStrategy.onWindowClose())
            .aggregate(() -> ">", Aggregations::added, Aggregations::merged,
                session(STRING).withStoreType(BuiltInDslStoreSuppliers.ROCKS_DB)), STRING));
    }

    private static void cogroups() {
        add("cogroup_tumbling", b -> times(
            groupByKey(b, "left").cogroup(Aggregations::added).cogroup(groupByKey(b, "right"), Aggregations::marked)
                .windowedBy(TUMBLING).aggregate(() -> ">", window(STRING)), STRING));
        add("cogroup_sliding", b -> times(
            groupByKey(b, "left").cogroup(Aggregations::added).cogroup(groupByKey(b, "right"), Aggregations::marked)
                .windowedBy(SLIDING).aggregate(() -> ">", window(STRING)), STRING));
        add("cogroup_session", b -> sessions(
            groupByKey(b, "left").cogroup(Aggregations::added).cogroup(groupByKey(b, "right"), Aggregations::marked)
                .windowedBy(SESSIONS).aggregate(() -> ">", Aggregations::merged, session(STRING)), STRING));
    }

    private static KTable<Windowed<String>, String> aggregated(SessionWindowedKStream<String, String> windows) {
        return windows.aggregate(() -> ">", Aggregations::added, Aggregations::merged, session(STRING));
    }

    /** All windows of a key in one aggregate, which shows the values before. */
    private static void byKey(KTable<Windowed<String>, String> table) {
        Topologies.strings(table.groupBy((k, v) -> KeyValue.pair(k.key(), v), Grouped.with("by-key", STRING, STRING))
            .aggregate(() -> ">", Aggregations::added, Aggregations::removed, Topologies.stored("all")).toStream(), "out");
    }

    private static Suppressed<Windowed<?>> untilClosed() {
        return Suppressed.untilWindowCloses(BufferConfig.unbounded());
    }

    private static <V> Materialized<String, V, WindowStore<Bytes, byte[]>> window(Serde<V> serde) {
        return Materialized.<String, V, WindowStore<Bytes, byte[]>>as("store")
            .withKeySerde(STRING).withValueSerde(serde);
    }

    private static <V> Materialized<String, V, SessionStore<Bytes, byte[]>> session(Serde<V> serde) {
        return Materialized.<String, V, SessionStore<Bytes, byte[]>>as("store")
            .withKeySerde(STRING).withValueSerde(serde);
    }

    private static <V> void times(KTable<Windowed<String>, V> table, Serde<V> serde) {
        table.toStream().to("out", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 10), serde));
    }

    private static <V> void sessions(KTable<Windowed<String>, V> table, Serde<V> serde) {
        table.toStream().to("out", Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), serde));
    }

    static Duration ms(long ms) {
        return Duration.ofMillis(ms);
    }
}
