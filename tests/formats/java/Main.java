package millstream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes or reads records of one topic with Apicurio's serdes: the job is JSON on the standard input, what was read is a JSON
 * list on the standard output.
 */
public final class Main {
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        JsonNode job = JSON.readTree(System.in);
        Format format = format(job);
        boolean writes = job.get("do").asText().equals("write");
        ArrayNode values = writes ? write(job, format) : read(job, format);
        JSON.writeValue(System.out, values);
        // The serdes leave threads behind.
        System.exit(0);
    }

    private static Format format(JsonNode job) throws Exception {
        return switch (job.get("format").asText()) {
            case "avro" -> new AvroFormat(job.get("schema").asText());
            case "json" -> new JsonSchemaFormat();
            case "protobuf" -> new ProtobufFormat(job.get("descriptors").binaryValue(), job.get("message").asText());
            default -> throw new IllegalArgumentException("no such format");
        };
    }

    /** The settings of a serde that writes as Confluent's do: a content's id in four bytes, no headers. */
    private static Map<String, Object> settings(JsonNode job, Format format) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", job.get("kafka").asText());
        settings.put("apicurio.registry.url", job.get("registry").asText().replaceFirst("/apis/.*", "/apis/registry/v3"));
        settings.put("apicurio.registry.artifact-resolver-strategy", "io.apicurio.registry.serde.strategy.TopicIdStrategy");
        settings.put("apicurio.registry.id-handler", "io.apicurio.registry.serde.Default4ByteIdHandler");
        settings.put("apicurio.registry.use-id", "contentId");
        settings.put("apicurio.registry.headers.enabled", false);
        settings.putAll(format.settings());
        return settings;
    }

    private static ArrayNode write(JsonNode job, Format format) throws ExecutionException, InterruptedException {
        Map<String, Object> settings = settings(job, format);
        var serializer = format.serializer();
        serializer.configure(settings, false);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), serializer)) {
            List<Future<?>> sent = new ArrayList<>();
            int number = 0;
            for (JsonNode value : job.get("values")) {
                String key = Integer.toString(number++);
                sent.add(producer.send(new ProducerRecord<>(job.get("topic").asText(), key, format.fromJson(value))));
            }
            producer.flush();
            for (Future<?> record : sent) {
                record.get();
            }
        }
        return JSON.createArrayNode();
    }

    private static ArrayNode read(JsonNode job, Format format) {
        Map<String, Object> settings = settings(job, format);
        var deserializer = format.deserializer();
        deserializer.configure(settings, false);
        ArrayNode values = JSON.createArrayNode();
        int count = job.get("count").asInt();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), deserializer)) {
            List<TopicPartition> partitions = List.of(new TopicPartition(job.get("topic").asText(), 0));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long end = System.nanoTime() + LIMIT.toNanos();
            while (values.size() < count) {
                consumer.poll(Duration.ofSeconds(1)).forEach(record -> values.add(format.toJson(record.value())));
                if (System.nanoTime() > end) {
                    throw new IllegalStateException(values.size() + " records within " + LIMIT + ", not " + count);
                }
            }
        }
        return values;
    }
}
