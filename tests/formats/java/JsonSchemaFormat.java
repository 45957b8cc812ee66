package millstream;

import com.fasterxml.jackson.databind.JsonNode;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaDeserializer;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaSerializer;
import java.util.Map;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;

/** JSON that is checked against its schema, which the registry has: of a tree nobody could tell it. */
final class JsonSchemaFormat implements Format {
    @Override
    public Map<String, Object> settings() {
        return Map.of(
                "apicurio.registry.find-latest", true,
                "apicurio.registry.serde.validation-enabled", true,
                "apicurio.registry.deserializer.value.return-class", JsonNode.class);
    }

    @Override
    public Serializer<Object> serializer() {
        return new JsonSchemaKafkaSerializer<>();
    }

    @Override
    public Deserializer<Object> deserializer() {
        return new JsonSchemaKafkaDeserializer<>();
    }

    @Override
    public Object fromJson(JsonNode value) {
        return value;
    }

    @Override
    public JsonNode toJson(Object value) {
        return (JsonNode) value;
    }
}
