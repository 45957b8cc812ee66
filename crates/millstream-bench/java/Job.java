package millstream;

import java.util.List;

/** One run, as its arguments say it. */
record Job(
    boolean bounded,
    String workload,
    String bootstrapServers,
    String group,
    boolean exactlyOnce,
    long commitIntervalMs,
    String output,
    List<String> inputs) {

    static Job parse(String[] arguments) {
        if (arguments.length < 9) {
            throw new IllegalArgumentException(
                "expected bounded|endless WORKLOAD BOOTSTRAP GROUP GUARANTEE COMMIT_INTERVAL_MS CHANGELOG OUTPUT INPUT...,"
                    + " found " + String.join(" ", arguments));
        }
        // Kafka Streams names the changelog (arguments[6]) by itself.
        return new Job(
            arguments[0].equals("bounded"),
            arguments[1],
            arguments[2],
            arguments[3],
            arguments[4].equals("exactly-once"),
            Long.parseLong(arguments[5]),
            arguments[7],
            List.of(arguments).subList(8, arguments.length));
    }
}
