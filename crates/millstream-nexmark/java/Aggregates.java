package nexmark;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;

/** q17, q18 and q19: bids by key. */
final class Aggregates {
    static final Duration DAY = Duration.ofDays(1);

    record Prices(long total, long rank1, long rank2, long rank3, long min, long max, long sum) {
        static final Serde<Prices> SERDE = Binary.serde(Prices::write, Prices::read);

        void write(Binary.Out out) {
            out.number(total);
            out.number(rank1);
            out.number(rank2);
            out.number(rank3);
            out.number(min);
            out.number(max);
            out.number(sum);
        }

        static Prices read(ByteBuffer in) {
            return new Prices(
                in.getLong(), in.getLong(), in.getLong(), in.getLong(), in.getLong(), in.getLong(), in.getLong());
        }

        Prices add(long price) {
            return new Prices(
                total + 1,
                rank1 + (price < 10_000 ? 1 : 0),
                rank2 + (price >= 10_000 && price < 1_000_000 ? 1 : 0),
                rank3 + (price >= 1_000_000 ? 1 : 0),
                Math.min(min, price),
                Math.max(max, price),
                sum + price);
        }
    }

    static void q17(Input input) {
        KTable<Windowed<Long>, Prices> prices = input.bids()
            .mapValues(Bid::price)
            .groupByKey(Grouped.with(Serdes.Long(), Serdes.Long()))
            .windowedBy(TimeWindows.ofSizeAndGrace(DAY, input.disorder()))
            .aggregate(
                () -> new Prices(0, 0, 0, 0, Long.MAX_VALUE, 0, 0),
                (auction, price, before) -> before.add(price),
                Windows.windows("prices", Serdes.Long(), Prices.SERDE));
        input.write(
            prices.toStream(), WindowedSerdes.timeWindowedSerdeFrom(Long.class, DAY.toMillis()), Prices.SERDE);
    }

    static void q18(Input input) {
        KTable<Joins.Pair, Bid> last = input.bids()
            .groupBy(
                (auction, bid) -> new Joins.Pair(bid.bidder(), auction),
                Input.by("by-bidding", Joins.Pair.SERDE, Bid.SERDE))
            .reduce(
                (before, bid) -> LATER.compare(bid, before) > 0 ? bid : before,
                Input.in("last", Joins.Pair.SERDE, Bid.SERDE));
        input.write(last.toStream(), Joins.Pair.SERDE, Bid.SERDE);
    }

    private static final Comparator<Bid> LATER =
        Comparator.comparingLong(Bid::dateTime).thenComparingLong(Bid::price).thenComparing(Bid::extra);

    private static final int HIGHEST = 10;

    private static final Comparator<Bid> RANK = Comparator.comparingLong(Bid::price)
        .reversed()
        .thenComparingLong(Bid::dateTime)
        .thenComparingLong(Bid::bidder)
        .thenComparing(Bid::extra);

    static void q19(Input input) {
        Serde<List<Bid>> bids = Binary.list(Bid::write, Bid::read);
        KTable<Long, List<Bid>> highest = input.bids()
            .groupByKey(Grouped.with(Serdes.Long(), Bid.SERDE))
            .aggregate(
                ArrayList::new,
                (auction, bid, before) -> {
                    int place = before.size();
                    while (place > 0 && RANK.compare(bid, before.get(place - 1)) < 0) {
                        place--;
                    }
                    if (place < HIGHEST) {
                        before.add(place, bid);
                        if (before.size() > HIGHEST) {
                            before.remove(HIGHEST);
                        }
                    }
                    return before;
                },
                Input.in("highest", Serdes.Long(), bids));
        input.write(highest.toStream(), Serdes.Long(), bids);
    }
}
