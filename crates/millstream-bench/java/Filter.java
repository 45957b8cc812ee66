package millstream;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/** Of the bids with a price of at least 500,000, their auction and price. */
final class Filter {
    private static final long LEAST_PRICE = 500_000;

    /** What is read of a bid, and what is written. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    @JsonPropertyOrder({"auction", "price"})
    public static final class Bid {
        public long auction;
        public long price;
    }

    static void define(StreamsBuilder builder, Job job) {
        Serde<Bid> bids = json();
        builder.stream(job.inputs().get(0), Consumed.with(Serdes.ByteArray(), bids))
            .filter((key, bid) -> bid.price >= LEAST_PRICE)
            .to(job.output(), Produced.with(Serdes.ByteArray(), bids));
    }

    private static Serde<Bid> json() {
        ObjectMapper mapper = new ObjectMapper();
        ObjectReader reader = mapper.readerFor(Bid.class);
        ObjectWriter writer = mapper.writerFor(Bid.class);
        return Serdes.serdeFrom(
            (topic, bid) -> {
                try {
                    return writer.writeValueAsBytes(bid);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            },
            (topic, bytes) -> {
                try {
                    return reader.readValue(bytes);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
    }
}
