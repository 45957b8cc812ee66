package millstream;

import static org.apache.kafka.streams.StreamsConfig.consumerPrefix;
import static org.apache.kafka.streams.StreamsConfig.producerPrefix;

import java.nio.file.Path;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers.RocksDBDslStoreSuppliers;

/**
 * Kafka Streams tuned for throughput on two threads. What differs from its defaults is here, and what Millstream's clients
 * have it has, too: large fetches and batches, a linger of 5 ms (default: 100 ms), fetches that wait 100 ms.
 */
final class Settings {
    private static final int MB = 1 << 20;

    static Properties of(Job job, Stores stores, Path state) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, job.group());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.bootstrapServers());
        settings.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(
            StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
            job.exactlyOnce() ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, job.commitIntervalMs());
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, stores.cacheBytes());
        settings.put(
            StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
            stores.inMemory() ? InMemoryDslStoreSuppliers.class : RocksDBDslStoreSuppliers.class);
        settings.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, -1);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put(consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        settings.put(consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 * MB);
        settings.put(consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 100);
        settings.put(producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 5);
        settings.put(producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), MB / 4);
        settings.put(producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 64L * MB);
        return settings;
    }
}
