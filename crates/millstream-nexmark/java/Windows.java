package nexmark;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.processor.WallclockTimestampExtractor;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.WindowStore;

/** q5, q7, q11 and q12: windows that say their result when they are closed. */
final class Windows {
    static final Duration SIZE = Duration.ofSeconds(10);

    static <K, V> Materialized<K, V, WindowStore<Bytes, byte[]>> windows(String store, Serde<K> key, Serde<V> value) {
        return Materialized.<K, V, WindowStore<Bytes, byte[]>>as(store).withKeySerde(key).withValueSerde(value);
    }

    record Count(long auction, long bids) {
        static final Serde<Count> SERDE = Binary.serde(Count::write, Count::read);
        static final Serde<List<Count>> LIST = Binary.list(Count::write, Count::read);

        void write(Binary.Out out) {
            out.number(auction);
            out.number(bids);
        }

        static Count read(ByteBuffer in) {
            return new Count(in.getLong(), in.getLong());
        }
    }

    static void q5(Input input) {
        KTable<Windowed<Long>, Long> counts = input.bids()
            .groupByKey(Grouped.with(Serdes.Long(), Bid.SERDE))
            .windowedBy(TimeWindows.ofSizeAndGrace(SIZE, input.disorder()).advanceBy(Duration.ofSeconds(2)))
            .emitStrategy(EmitStrategy.onWindowClose())
            .count(windows("counts", Serdes.Long(), Serdes.Long()));
        KTable<Long, List<Count>> hottest = counts.toStream()
            .map((key, bids) -> KeyValue.pair(key.window().end(), new Count(key.key(), bids)))
            .groupByKey(Input.by("by-window", Serdes.Long(), Count.SERDE))
            .aggregate(
                ArrayList::new,
                (end, count, before) -> {
                    long most = before.isEmpty() ? 0 : before.get(0).bids();
                    List<Count> now = count.bids() > most ? new ArrayList<>() : new ArrayList<>(before);
                    if (count.bids() >= most) {
                        now.add(count);
                    }
                    return now;
                },
                Input.in("hottest", Serdes.Long(), Count.LIST));
        input.write(hottest.toStream(), Serdes.Long(), Count.LIST);
    }

    record Highest(long auction, long bidder, long price, long dateTime, String extra) {
        static final Serde<Highest> SERDE = Binary.serde(Highest::write, Highest::read);
        static final Serde<List<Highest>> LIST = Binary.list(Highest::write, Highest::read);

        void write(Binary.Out out) {
            out.number(auction);
            out.number(bidder);
            out.number(price);
            out.number(dateTime);
            out.text(extra);
        }

        static Highest read(ByteBuffer in) {
            return new Highest(in.getLong(), in.getLong(), in.getLong(), in.getLong(), Binary.text(in));
        }
    }

    static void q7(Input input) {
        KTable<Windowed<Long>, List<Highest>> byAuction = input.bids()
            .mapValues(bid -> new Highest(bid.auction(), bid.bidder(), bid.price(), bid.dateTime(), bid.extra()))
            .groupByKey(Grouped.with(Serdes.Long(), Highest.SERDE))
            .windowedBy(TimeWindows.ofSizeAndGrace(SIZE, input.disorder()))
            .emitStrategy(EmitStrategy.onWindowClose())
            .aggregate(
                ArrayList::new,
                (auction, bid, highest) -> add(highest, bid),
                windows("by-auction", Serdes.Long(), Highest.LIST));
        KTable<Long, List<Highest>> all = byAuction.toStream()
            .map((key, highest) -> KeyValue.pair(key.window().end(), highest))
            .groupByKey(Input.by("by-window", Serdes.Long(), Highest.LIST))
            .aggregate(
                ArrayList::new,
                (end, bids, highest) -> {
                    List<Highest> now = highest;
                    for (Highest bid : bids) {
                        now = add(now, bid);
                    }
                    return now;
                },
                Input.in("highest", Serdes.Long(), Highest.LIST));
        input.write(all.toStream(), Serdes.Long(), Highest.LIST);
    }

    private static List<Highest> add(List<Highest> highest, Highest bid) {
        long price = highest.isEmpty() ? 0 : highest.get(0).price();
        if (bid.price() < price) {
            return highest;
        }
        List<Highest> now = bid.price() > price ? new ArrayList<>() : new ArrayList<>(highest);
        now.add(bid);
        return now;
    }

    static void q11(Input input) {
        KTable<Windowed<Long>, Long> sessions = input.bids()
            .map((auction, bid) -> KeyValue.pair(bid.bidder(), new byte[0]))
            .groupByKey(Input.by("by-bidder", Serdes.Long(), Serdes.ByteArray()))
            .windowedBy(SessionWindows.ofInactivityGapAndGrace(SIZE, input.disorder()))
            .emitStrategy(EmitStrategy.onWindowClose())
            .count(Materialized.<Long, Long, SessionStore<Bytes, byte[]>>as("sessions")
                .withKeySerde(Serdes.Long())
                .withValueSerde(Serdes.Long()));
        input.write(sessions.toStream(), WindowedSerdes.sessionWindowedSerdeFrom(Long.class), Serdes.Long());
    }

    static void q12(Input input) {
        KTable<Windowed<Long>, Long> counts = input.builder()
            .stream(
                input.inputs() + "-bids",
                Consumed.with(Serdes.Long(), Bid.SERDE).withTimestampExtractor(new WallclockTimestampExtractor()))
            .map((auction, bid) -> KeyValue.pair(bid.bidder(), new byte[0]))
            .groupByKey(Input.by("by-bidder", Serdes.Long(), Serdes.ByteArray()))
            .windowedBy(TimeWindows.ofSizeWithNoGrace(SIZE))
            .emitStrategy(EmitStrategy.onWindowClose())
            .count(windows("counts", Serdes.Long(), Serdes.Long()));
        input.write(
            counts.toStream(), WindowedSerdes.timeWindowedSerdeFrom(Long.class, SIZE.toMillis()), Serdes.Long());
    }
}
