package millstream;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/**
 * The workloads on Kafka Streams.
 *
 * <p>{@code Main STORE CACHE_BYTES bounded|endless WORKLOAD BOOTSTRAP GROUP GUARANTEE COMMIT_INTERVAL_MS CHANGELOG OUTPUT
 * INPUT...} where STORE is {@code memory} or {@code rocksdb}. After a bounded run it writes its line; then each line of its
 * standard input is the arguments of one more run, from {@code bounded} on, in the same, now warm, virtual machine. It
 * ends when its standard input does.
 */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        Stores stores = Stores.parse(arguments[0], Long.parseLong(arguments[1]));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Job job = Job.parse(java.util.Arrays.copyOfRange(arguments, 2, arguments.length));
        while (job != null) {
            job = run(job, stores, in);
        }
        // Whatever a client left running must not hold the process.
        System.exit(0);
    }

    /** Runs a job, and reads the next one. */
    private static Job run(Job job, Stores stores, BufferedReader in) throws Exception {
        try (Run run = new Run(job, stores)) {
            if (job.bounded()) {
                say(run.toTheEnd());
                String next = in.readLine();
                return next == null ? null : Job.parse(next.split(" "));
            }
            run.start();
            say("{\"records\": 0, \"seconds\": 0}");
            while (in.readLine() != null) {
                // Nothing is said to an endless run but that it ends.
            }
            return null;
        }
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
