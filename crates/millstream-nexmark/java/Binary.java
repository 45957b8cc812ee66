package nexmark;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** Fields one after the other: numbers in 8 bytes, texts and lists with their length in 4 bytes before them. */
final class Binary {
    /** What bytes are written to. */
    static final class Out {
        private byte[] bytes = new byte[512];
        private int length;

        void number(long number) {
            reserve(8);
            ByteBuffer.wrap(bytes, length, 8).putLong(number);
            length += 8;
        }

        void count(int count) {
            reserve(4);
            ByteBuffer.wrap(bytes, length, 4).putInt(count);
            length += 4;
        }

        void text(String text) {
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            count(utf8.length);
            reserve(utf8.length);
            System.arraycopy(utf8, 0, bytes, length, utf8.length);
            length += utf8.length;
        }

        private void reserve(int more) {
            if (length + more > bytes.length) {
                bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, length + more));
            }
        }
    }

    private static final ThreadLocal<Out> OUT = ThreadLocal.withInitial(Out::new);

    static String text(ByteBuffer in) {
        int length = in.getInt();
        String text = new String(in.array(), in.arrayOffset() + in.position(), length, StandardCharsets.UTF_8);
        in.position(in.position() + length);
        return text;
    }

    static <T> Serde<T> serde(BiConsumer<T, Out> write, Function<ByteBuffer, T> read) {
        return Serdes.serdeFrom(
            (topic, value) -> {
                if (value == null) {
                    return null;
                }
                Out out = OUT.get();
                out.length = 0;
                write.accept(value, out);
                return Arrays.copyOf(out.bytes, out.length);
            },
            (topic, bytes) -> bytes == null ? null : read.apply(ByteBuffer.wrap(bytes)));
    }

    static <T> Serde<List<T>> list(BiConsumer<T, Out> write, Function<ByteBuffer, T> read) {
        return serde(
            (list, out) -> {
                out.count(list.size());
                list.forEach(item -> write.accept(item, out));
            },
            in -> {
                int size = in.getInt();
                List<T> list = new ArrayList<>(size);
                for (int i = 0; i < size; i++) {
                    list.add(read.apply(in));
                }
                return list;
            });
    }
}
