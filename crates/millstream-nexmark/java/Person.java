package nexmark;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Serde;

record Person(
    long id, String name, String emailAddress, String creditCard, String city, String state, long dateTime, String extra) {
    static final Serde<Person> SERDE = Binary.serde(Person::write, Person::read);

    void write(Binary.Out out) {
        out.number(id);
        out.text(name);
        out.text(emailAddress);
        out.text(creditCard);
        out.text(city);
        out.text(state);
        out.number(dateTime);
        out.text(extra);
    }

    static Person read(ByteBuffer in) {
        return new Person(
            in.getLong(),
            Binary.text(in),
            Binary.text(in),
            Binary.text(in),
            Binary.text(in),
            Binary.text(in),
            in.getLong(),
            Binary.text(in));
    }
}
