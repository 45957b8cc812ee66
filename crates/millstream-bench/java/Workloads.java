package millstream;

import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import org.apache.kafka.streams.StreamsBuilder;

/** The workloads by name. */
final class Workloads {
    private static final Map<String, BiConsumer<StreamsBuilder, Job>> ALL = Map.ofEntries(
        Map.entry("pass-through", PassThrough::define),
        Map.entry("filter", Filter::define),
        Map.entry("count", Counts::define),
        Map.entry("count-zipf", Counts::define),
        Map.entry("tumbling", WindowCounts::tumbling),
        Map.entry("hopping", WindowCounts::hopping),
        Map.entry("stream-table-join", Joins::streamWithTable),
        Map.entry("stream-stream-join", Joins::streamWithStream),
        Map.entry("theodolite-uc1", Theodolite::uc1),
        Map.entry("theodolite-uc2", Theodolite::uc2),
        Map.entry("theodolite-uc3", Theodolite::uc3),
        Map.entry("theodolite-uc4", Hierarchy::define),
        Map.entry("shuffle-bench", ShuffleBench::define));

    private static final Set<String> WITH_REPARTITIONS = Set.of("theodolite-uc3", "theodolite-uc4", "shuffle-bench");

    static BiConsumer<StreamsBuilder, Job> find(String name) {
        BiConsumer<StreamsBuilder, Job> found = ALL.get(name);
        if (found == null) {
            throw new IllegalArgumentException("no workload is called " + name + "; there are " + ALL.keySet());
        }
        return found;
    }

    static boolean hasRepartitions(String name) {
        return WITH_REPARTITIONS.contains(name);
    }
}
