package nexmark;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** q0, q1, q2, q14 and q22: each bid by itself. */
final class Stateless {
    private static final long EURO_THOUSANDTHS = 908;

    static void q0(Input input) {
        input.write(input.bids(), Serdes.Long(), Bid.SERDE);
    }

    static void q1(Input input) {
        input.write(
            input.bids().mapValues(bid -> new Bid(
                bid.auction(),
                bid.bidder(),
                bid.price() * EURO_THOUSANDTHS,
                bid.channel(),
                bid.url(),
                bid.dateTime(),
                bid.extra())),
            Serdes.Long(),
            Bid.SERDE);
    }

    static void q2(Input input) {
        input.write(
            input.bids().filter((auction, bid) -> bid.auction() % 123 == 0).mapValues(Bid::price),
            Serdes.Long(),
            Serdes.Long());
    }

    record Worked(long bidder, long price, String timeOfDay, long dateTime, String extra, long cs) {
        static final Serde<Worked> SERDE = Binary.serde(Worked::write, Worked::read);

        void write(Binary.Out out) {
            out.number(bidder);
            out.number(price);
            out.text(timeOfDay);
            out.number(dateTime);
            out.text(extra);
            out.number(cs);
        }

        static Worked read(ByteBuffer in) {
            return new Worked(
                in.getLong(), in.getLong(), Binary.text(in), in.getLong(), Binary.text(in), in.getLong());
        }
    }

    static void q14(Input input) {
        input.write(
            input.bids()
                .filter((auction, bid) -> {
                    long price = bid.price() * EURO_THOUSANDTHS;
                    return price > 1_000_000_000L && price < 50_000_000_000L;
                })
                .mapValues(bid -> new Worked(
                    bid.bidder(),
                    bid.price() * EURO_THOUSANDTHS,
                    timeOfDay(bid.dateTime()),
                    bid.dateTime(),
                    bid.extra(),
                    bid.extra().chars().filter(letter -> letter == 'c').count())),
            Serdes.Long(),
            Worked.SERDE);
    }

    private static String timeOfDay(long time) {
        long hour = Math.floorMod(Math.floorDiv(time, 3_600_000L), 24L);
        if (hour >= 8 && hour <= 18) {
            return "dayTime";
        }
        return hour <= 6 || hour >= 20 ? "nightTime" : "otherTime";
    }

    record Folders(long bidder, long price, String channel, String first, String second, String third) {
        static final Serde<Folders> SERDE = Binary.serde(Folders::write, Folders::read);

        void write(Binary.Out out) {
            out.number(bidder);
            out.number(price);
            out.text(channel);
            out.text(first);
            out.text(second);
            out.text(third);
        }

        static Folders read(ByteBuffer in) {
            return new Folders(
                in.getLong(), in.getLong(), Binary.text(in), Binary.text(in), Binary.text(in), Binary.text(in));
        }
    }

    static void q22(Input input) {
        input.write(
            input.bids().mapValues(bid -> {
                String[] parts = bid.url().split("/", -1);
                return new Folders(bid.bidder(), bid.price(), bid.channel(), part(parts, 3), part(parts, 4), part(parts, 5));
            }),
            Serdes.Long(),
            Folders.SERDE);
    }

    private static String part(String[] parts, int index) {
        return index < parts.length ? parts[index] : "";
    }
}
