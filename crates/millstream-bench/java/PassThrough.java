package millstream;

import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/** Each record as it is. */
final class PassThrough {
    static void define(StreamsBuilder builder, Job job) {
        builder.stream(job.inputs().get(0), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .to(job.output(), Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    }
}
