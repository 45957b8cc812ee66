package nexmark;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** q3, q4, q8, q9 and q20: people, auctions and bids together. */
final class Joins {
    record Seller(String name, String city, String state) {
        static final Serde<Seller> SERDE = Binary.serde(Seller::write, Seller::read);

        void write(Binary.Out out) {
            out.text(name);
            out.text(city);
            out.text(state);
        }

        static Seller read(ByteBuffer in) {
            return new Seller(Binary.text(in), Binary.text(in), Binary.text(in));
        }
    }

    static void q3(Input input) {
        KTable<Long, Seller> sellers = input.people()
            .filter((id, person) -> switch (person.state()) {
                case "OR", "ID", "CA" -> true;
                default -> false;
            })
            .mapValues(person -> new Seller(person.name(), person.city(), person.state()))
            .toTable(Input.in("people", Serdes.Long(), Seller.SERDE));
        KTable<Long, Long> sellerOf = input.auctions()
            .filter((id, auction) -> auction.category() == 10)
            .mapValues(Auction::seller)
            .toTable(Input.in("seller-of", Serdes.Long(), Serdes.Long()));
        KTable<Long, Seller> joined = sellerOf.join(
            sellers, seller -> seller, (id, seller) -> seller, Materialized.with(Serdes.Long(), Seller.SERDE));
        input.write(joined.toStream(), Serdes.Long(), Seller.SERDE);
    }

    /** Two numbers. */
    record Pair(long first, long second) {
        static final Serde<Pair> SERDE = Binary.serde(Pair::write, Pair::read);

        void write(Binary.Out out) {
            out.number(first);
            out.number(second);
        }

        static Pair read(ByteBuffer in) {
            return new Pair(in.getLong(), in.getLong());
        }
    }

    /** A part of an auction or a bid, with when the one ended or the other was made. */
    record Timed<T>(long time, T part) {
        static <T> Serde<Timed<T>> serde(BiConsumer<T, Binary.Out> write, Function<ByteBuffer, T> read) {
            return Binary.serde(
                (timed, out) -> {
                    out.number(timed.time);
                    write.accept(timed.part, out);
                },
                in -> new Timed<>(in.getLong(), read.apply(in)));
        }
    }

    /** The bids that were made while their auctions were open. */
    private static <A, P, R> KStream<Long, R> offers(
        Input input,
        Function<Auction, A> ofAuction,
        Serde<Timed<A>> auctionSerde,
        Function<Bid, P> ofBid,
        Serde<Timed<P>> bidSerde,
        java.util.function.BiFunction<A, P, R> joiner) {
        KStream<Long, Timed<A>> auctions =
            input.auctions().mapValues(auction -> new Timed<>(auction.expires(), ofAuction.apply(auction)));
        KStream<Long, Timed<P>> bids = input.bids().mapValues(bid -> new Timed<>(bid.dateTime(), ofBid.apply(bid)));
        return auctions
            .join(
                bids,
                (auction, bid) -> bid.time <= auction.time ? joiner.apply(auction.part, bid.part) : null,
                JoinWindows.ofTimeDifferenceAndGrace(Duration.ZERO, input.disorder()).after(input.longestAuction()),
                StreamJoined.with(Serdes.Long(), auctionSerde, bidSerde).withStoreName("offers"))
            .filter((auction, offer) -> offer != null);
    }

    private static final Serde<Timed<Long>> TIMED_LONG = Timed.serde((number, out) -> out.number(number), ByteBuffer::getLong);

    static void q4(Input input) {
        KTable<Long, Pair> finalPrices =
            offers(input, Auction::category, TIMED_LONG, Bid::price, TIMED_LONG, Pair::new)
                .groupByKey(Grouped.with(Serdes.Long(), Pair.SERDE))
                .reduce(
                    (best, offer) -> offer.second > best.second ? offer : best,
                    Input.in("final-prices", Serdes.Long(), Pair.SERDE));
        KTable<Long, Long> averages = finalPrices
            .groupBy(
                (auction, offer) -> KeyValue.pair(offer.first, offer.second),
                Input.by("by-category", Serdes.Long(), Serdes.Long()))
            .aggregate(
                () -> new Pair(0, 0),
                (category, price, sum) -> new Pair(sum.first + price, sum.second + 1),
                (category, price, sum) -> new Pair(sum.first - price, sum.second - 1),
                Input.in("categories", Serdes.Long(), Pair.SERDE))
            .mapValues(sum -> sum.second == 0 ? 0 : sum.first / sum.second);
        input.write(averages.toStream(), Serdes.Long(), Serdes.Long());
    }

    record Offer(Auction auction, Bid bid) {
        static final Serde<Offer> SERDE = Binary.serde(Offer::write, Offer::read);

        void write(Binary.Out out) {
            auction.write(out);
            bid.write(out);
        }

        static Offer read(ByteBuffer in) {
            return new Offer(Auction.read(in), Bid.read(in));
        }
    }

    static void q9(Input input) {
        KTable<Long, Offer> winning = offers(
                input,
                auction -> auction,
                Timed.serde(Auction::write, Auction::read),
                bid -> bid,
                Timed.serde(Bid::write, Bid::read),
                Offer::new)
            .groupByKey(Grouped.with(Serdes.Long(), Offer.SERDE))
            .reduce(
                (best, offer) -> beats(offer.bid, best.bid) ? offer : best,
                Input.in("winning", Serdes.Long(), Offer.SERDE));
        input.write(winning.toStream(), Serdes.Long(), Offer.SERDE);
    }

    private static boolean beats(Bid offer, Bid best) {
        if (offer.price() != best.price()) {
            return offer.price() > best.price();
        }
        if (offer.dateTime() != best.dateTime()) {
            return offer.dateTime() < best.dateTime();
        }
        if (offer.bidder() != best.bidder()) {
            return offer.bidder() < best.bidder();
        }
        return offer.extra().compareTo(best.extra()) < 0;
    }

    record Expanded(Bid bid, Auction auction) {
        static final Serde<Expanded> SERDE = Binary.serde(Expanded::write, Expanded::read);

        void write(Binary.Out out) {
            bid.write(out);
            auction.write(out);
        }

        static Expanded read(ByteBuffer in) {
            return new Expanded(Bid.read(in), Auction.read(in));
        }
    }

    static void q20(Input input) {
        KStream<Long, Auction> auctions = input.auctions().filter((id, auction) -> auction.category() == 10);
        KStream<Long, Expanded> expanded = input.bids().join(
            auctions,
            Expanded::new,
            JoinWindows.ofTimeDifferenceAndGrace(input.longestAuction(), input.disorder()),
            StreamJoined.with(Serdes.Long(), Bid.SERDE, Auction.SERDE).withStoreName("expanded"));
        input.write(expanded, Serdes.Long(), Expanded.SERDE);
    }

    record New(String name, long window) {
        static final Serde<New> SERDE = Binary.serde(New::write, New::read);

        void write(Binary.Out out) {
            out.text(name);
            out.number(window);
        }

        static New read(ByteBuffer in) {
            return new New(Binary.text(in), in.getLong());
        }
    }

    private static final long WINDOW_MS = Windows.SIZE.toMillis();

    static void q8(Input input) {
        Duration remembered = Windows.SIZE.plus(input.disorder());
        input.builder().addStateStore(Stores.windowStoreBuilder(
            Stores.inMemoryWindowStore("sellers", remembered.plus(Windows.SIZE), Windows.SIZE, false),
            Serdes.Long(),
            Serdes.Long()));
        KStream<Long, New> people =
            input.people().mapValues(person -> new New(person.name(), person.dateTime() / WINDOW_MS * WINDOW_MS));
        KStream<Long, Long> sales = input.auctions()
            .map((id, auction) -> KeyValue.pair(auction.seller(), auction.dateTime() / WINDOW_MS * WINDOW_MS))
            .repartition(Repartitioned.with(Serdes.Long(), Serdes.Long()).withName("by-seller"))
            .processValues(FirstOfWindow::new, "sellers");
        KStream<Long, New> joined = people
            .join(
                sales,
                (person, window) -> person.window == window ? person : null,
                JoinWindows.ofTimeDifferenceAndGrace(Windows.SIZE, input.disorder()),
                StreamJoined.with(Serdes.Long(), New.SERDE, Serdes.Long()).withStoreName("new-sellers"))
            .filter((person, found) -> found != null);
        input.write(joined, Serdes.Long(), New.SERDE);
    }

    /** Passes on a key's first record of a window. */
    private static final class FirstOfWindow implements FixedKeyProcessor<Long, Long, Long> {
        private FixedKeyProcessorContext<Long, Long> context;
        private WindowStore<Long, Long> seen;

        @Override
        public void init(FixedKeyProcessorContext<Long, Long> context) {
            this.context = context;
            seen = context.getStateStore("sellers");
        }

        @Override
        public void process(FixedKeyRecord<Long, Long> record) {
            if (seen.fetch(record.key(), record.value()) == null) {
                seen.put(record.key(), record.value(), record.value());
                context.forward(record);
            }
        }
    }
}
