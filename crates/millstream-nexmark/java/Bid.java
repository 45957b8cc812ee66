package nexmark;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Serde;

record Bid(long auction, long bidder, long price, String channel, String url, long dateTime, String extra) {
    static final Serde<Bid> SERDE = Binary.serde(Bid::write, Bid::read);

    void write(Binary.Out out) {
        out.number(auction);
        out.number(bidder);
        out.number(price);
        out.text(channel);
        out.text(url);
        out.number(dateTime);
        out.text(extra);
    }

    static Bid read(ByteBuffer in) {
        return new Bid(
            in.getLong(), in.getLong(), in.getLong(), Binary.text(in), Binary.text(in), in.getLong(), Binary.text(in));
    }
}
