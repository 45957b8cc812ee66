package millstream;

import static millstream.Topologies.STRING;
import static millstream.Topologies.add;
import static millstream.Topologies.first;
import static millstream.Topologies.stored;
import static millstream.Topologies.stream;
import static millstream.Topologies.strings;
import static millstream.Topologies.table;
import static millstream.Topologies.versioned;
import static millstream.Windows.ms;

import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.StreamJoined;

/** Joins of a stream: with a table, with a global table, and with another stream within a window. */
final class StreamJoins {
    /** The other side's timestamps within 10 before and 10 after; grace 5. */
    private static final JoinWindows AROUND = JoinWindows.ofTimeDifferenceAndGrace(ms(10), ms(5));
    /** The right side's timestamps from 3 before to 8 after the left side's; grace 5. */
    private static final JoinWindows UNEVEN = JoinWindows.ofTimeDifferenceAndGrace(ms(8), ms(5)).before(ms(3));
    /** The right side's timestamps from 0 before to 10 after the left side's; no grace. */
    private static final JoinWindows AFTER = JoinWindows.ofTimeDifferenceWithNoGrace(ms(10)).before(ms(0));

    static void register() {
        tables();
        globalTables();
        streams("stream", AROUND);
        streams("stream_uneven", UNEVEN);
        streams("stream_after", AFTER);
        add("stream_self_join", b -> {
            KStream<String, String> in = stream(b, "in");
            strings(in.join(in, Topologies::pair, AROUND, joined()), "out");
        });
    }

    private static void tables() {
        add("stream_table_join", b -> strings(stream(b, "left").join(table(b, "right"), Topologies::pair), "out"));
        add("stream_table_left_join", b -> strings(
            stream(b, "left").leftJoin(table(b, "right"), Topologies::pair), "out"));
        add("stream_versioned_table_join", b -> strings(
            stream(b, "left").join(versioned(b, "right"), Topologies::pair), "out"));
        add("stream_versioned_table_left_join", b -> strings(
            stream(b, "left").leftJoin(versioned(b, "right"), Topologies::pair), "out"));
    }

    private static void globalTables() {
        add("global_table_join", b -> strings(
            stream(b, "left").join(global(b), (k, v) -> v == null ? null : first(v), Topologies::pair), "out"));
        add("global_table_left_join", b -> strings(
            stream(b, "left").leftJoin(global(b), (k, v) -> v == null ? null : first(v), Topologies::pair), "out"));
    }

    private static void streams(String name, JoinWindows windows) {
        add(name + "_join", b -> strings(
            stream(b, "left").join(stream(b, "right"), Topologies::pair, windows, joined()), "out"));
        add(name + "_left_join", b -> strings(
            stream(b, "left").leftJoin(stream(b, "right"), Topologies::pair, windows, joined()), "out"));
        add(name + "_outer_join", b -> strings(
            stream(b, "left").outerJoin(stream(b, "right"), Topologies::pair, windows, joined()), "out"));
    }

    private static GlobalKTable<String, String> global(StreamsBuilder builder) {
        return builder.globalTable("right", Consumed.with(STRING, STRING), stored("global-store"));
    }

    private static StreamJoined<String, String, String> joined() {
        return StreamJoined.with(STRING, STRING, STRING).withName("join").withStoreName("join");
    }
}
