package millstream;

import static millstream.Topologies.STRING;
import static millstream.Topologies.add;
import static millstream.Topologies.first;
import static millstream.Topologies.length;
import static millstream.Topologies.stored;
import static millstream.Topologies.strings;
import static millstream.Topologies.table;
import static millstream.Topologies.versioned;

import org.apache.kafka.streams.kstream.TableJoined;

/** Joins of tables: by their key, and by a foreign key, which is the left value's first character. */
final class TableJoins {
    static void register() {
        add("table_join", b -> strings(table(b, "left").join(table(b, "right"), Topologies::pair).toStream(), "out"));
        add("table_left_join", b -> strings(
            table(b, "left").leftJoin(table(b, "right"), Topologies::pair).toStream(), "out"));
        add("table_outer_join", b -> strings(
            table(b, "left").outerJoin(table(b, "right"), Topologies::pair).toStream(), "out"));
        add("table_join_stored", b -> strings(
            table(b, "left").join(table(b, "right"), Topologies::pair, stored("store")).toStream(), "out"));
        add("table_left_join_stored", b -> strings(
            table(b, "left").leftJoin(table(b, "right"), Topologies::pair, stored("store")).toStream(), "out"));
        add("table_outer_join_stored", b -> strings(
            table(b, "left").outerJoin(table(b, "right"), Topologies::pair, stored("store")).toStream(), "out"));
        add("table_filter_join", b -> strings(
            table(b, "left").filter((k, v) -> length(v) % 2 == 0).join(table(b, "right"), Topologies::pair).toStream(),
            "out"));
        add("table_join_join", b -> strings(
            table(b, "left").join(table(b, "right"), Topologies::pair).leftJoin(table(b, "third"), Topologies::pair)
                .toStream(), "out"));
        add("versioned_table_join", b -> strings(
            versioned(b, "left").join(versioned(b, "right"), Topologies::pair).toStream(), "out"));
        add("versioned_table_left_join", b -> strings(
            versioned(b, "left").leftJoin(versioned(b, "right"), Topologies::pair).toStream(), "out"));
        add("versioned_table_outer_join", b -> strings(
            versioned(b, "left").outerJoin(versioned(b, "right"), Topologies::pair).toStream(), "out"));
        add("foreign_key_join", b -> strings(
            table(b, "left").join(table(b, "right"), TableJoins::foreignKey, Topologies::pair, TableJoined.as("fk"),
                stored("store")).toStream(), "out"));
        add("foreign_key_left_join", b -> strings(
            table(b, "left").leftJoin(table(b, "right"), TableJoins::foreignKey, Topologies::pair, TableJoined.as("fk"),
                stored("store")).toStream(), "out"));
    }

    /** Null for an empty value, and for one that begins with "-". */
    private static String foreignKey(String value) {
        String key = first(value);
        return key.equals("-") ? null : key;
    }
}
