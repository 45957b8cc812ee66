package nexmark;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Serde;

record Auction(
    long id,
    String itemName,
    String description,
    long initialBid,
    long reserve,
    long dateTime,
    long expires,
    long seller,
    long category,
    String extra) {
    static final Serde<Auction> SERDE = Binary.serde(Auction::write, Auction::read);

    void write(Binary.Out out) {
        out.number(id);
        out.text(itemName);
        out.text(description);
        out.number(initialBid);
        out.number(reserve);
        out.number(dateTime);
        out.number(expires);
        out.number(seller);
        out.number(category);
        out.text(extra);
    }

    static Auction read(ByteBuffer in) {
        return new Auction(
            in.getLong(),
            Binary.text(in),
            Binary.text(in),
            in.getLong(),
            in.getLong(),
            in.getLong(),
            in.getLong(),
            in.getLong(),
            in.getLong(),
            Binary.text(in));
    }
}
