package millstream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.apicurio.registry.serde.avro.AvroKafkaDeserializer;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericEnumSymbol;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;

/** Avro's generic records. Of unions it knows those of null and one other. */
final class AvroFormat implements Format {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private final Schema schema;

    AvroFormat(String schema) {
        this.schema = new Schema.Parser().parse(schema);
    }

    @Override
    public Map<String, Object> settings() {
        return Map.of("apicurio.registry.auto-register", true);
    }

    @Override
    public Serializer<Object> serializer() {
        return new AvroKafkaSerializer<>();
    }

    @Override
    public Deserializer<Object> deserializer() {
        return new AvroKafkaDeserializer<>();
    }

    @Override
    public Object fromJson(JsonNode value) {
        return fromJson(value, schema);
    }

    private static Object fromJson(JsonNode value, Schema schema) {
        return switch (schema.getType()) {
            case RECORD -> {
                GenericData.Record record = new GenericData.Record(schema);
                schema.getFields().forEach(field -> record.put(field.name(), fromJson(value.get(field.name()), field.schema())));
                yield record;
            }
            case ARRAY -> {
                List<Object> items = new ArrayList<>();
                value.forEach(item -> items.add(fromJson(item, schema.getElementType())));
                yield items;
            }
            case MAP -> {
                Map<String, Object> entries = new HashMap<>();
                value.properties().forEach(
                        entry -> entries.put(entry.getKey(), fromJson(entry.getValue(), schema.getValueType())));
                yield entries;
            }
            case UNION -> value.isNull() ? null : fromJson(value, other(schema));
            case ENUM -> new GenericData.EnumSymbol(schema, value.textValue());
            case STRING -> value.textValue();
            case INT -> value.intValue();
            case LONG -> value.longValue();
            case DOUBLE -> value.doubleValue();
            case BOOLEAN -> value.booleanValue();
            default -> throw new IllegalArgumentException("not known here: " + schema.getType());
        };
    }

    private static Schema other(Schema union) {
        return union.getTypes().stream().filter(branch -> !branch.isNullable()).findFirst().orElseThrow();
    }

    @Override
    public JsonNode toJson(Object value) {
        if (value instanceof GenericRecord record) {
            ObjectNode node = JSON.objectNode();
            record.getSchema().getFields().forEach(field -> node.set(field.name(), toJson(record.get(field.pos()))));
            return node;
        }
        if (value instanceof Iterable<?> items) {
            ArrayNode node = JSON.arrayNode();
            items.forEach(item -> node.add(toJson(item)));
            return node;
        }
        if (value instanceof Map<?, ?> entries) {
            Map<String, JsonNode> nodes = new LinkedHashMap<>();
            entries.forEach((key, entry) -> nodes.put(key.toString(), toJson(entry)));
            return new ObjectNode(JSON, nodes);
        }
        if (value == null) {
            return JSON.nullNode();
        }
        if (value instanceof CharSequence || value instanceof GenericEnumSymbol) {
            return JSON.textNode(value.toString());
        }
        return JSON.pojoNode(value);
    }
}
