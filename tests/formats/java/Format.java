package millstream;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;

/** One of Apicurio's serdes, and its values as JSON has them. */
interface Format {
    /** What the serde is told beside what all are. */
    Map<String, Object> settings();

    Serializer<Object> serializer();

    Deserializer<Object> deserializer();

    Object fromJson(JsonNode value);

    JsonNode toJson(Object value);
}
