package nexmark;

import java.time.Duration;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.common.utils.Bytes;

/** What a query is built with: its topics, and what is known of the events. */
record Input(StreamsBuilder builder, String inputs, String output, Duration longestAuction, Duration disorder) {
    KStream<Long, Person> people() {
        return builder.stream(inputs + "-people", Consumed.with(Serdes.Long(), Person.SERDE));
    }

    KStream<Long, Auction> auctions() {
        return builder.stream(inputs + "-auctions", Consumed.with(Serdes.Long(), Auction.SERDE));
    }

    KStream<Long, Bid> bids() {
        return builder.stream(inputs + "-bids", Consumed.with(Serdes.Long(), Bid.SERDE));
    }

    <K, V> void write(KStream<K, V> results, Serde<K> key, Serde<V> value) {
        results.to(output, Produced.with(key, value));
    }

    static <K, V> Grouped<K, V> by(String name, Serde<K> key, Serde<V> value) {
        return Grouped.with(name, key, value);
    }

    static <K, V> Materialized<K, V, KeyValueStore<Bytes, byte[]>> in(String store, Serde<K> key, Serde<V> value) {
        return Materialized.<K, V, KeyValueStore<Bytes, byte[]>>as(store).withKeySerde(key).withValueSerde(value);
    }
}
