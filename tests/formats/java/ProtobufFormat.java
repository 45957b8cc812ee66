package millstream;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.DescriptorValidationException;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaDeserializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaSerializer;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;

/** Protobuf's dynamic messages, with indexes before each as Confluent's serdes have them. */
final class ProtobufFormat implements Format {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static Descriptor message;

    /** That message; `descriptors` are a set of files, each behind those that it needs. */
    ProtobufFormat(byte[] descriptors, String message) throws IOException, DescriptorValidationException {
        Map<String, FileDescriptor> files = new HashMap<>();
        Descriptor found = null;
        for (FileDescriptorProto proto : FileDescriptorSet.parseFrom(descriptors).getFileList()) {
            FileDescriptor[] needed = proto.getDependencyList().stream().map(files::get).toArray(FileDescriptor[]::new);
            FileDescriptor file = FileDescriptor.buildFrom(proto, needed);
            files.put(proto.getName(), file);
            String start = file.getPackage() + ".";
            Descriptor here = message.startsWith(start) ? find(file, message.substring(start.length())) : null;
            found = here == null ? found : here;
        }
        if (found == null) {
            throw new IllegalArgumentException("no message " + message);
        }
        ProtobufFormat.message = found;
    }

    /** Stands for the class that protoc generates: the deserializer passes indexes over, and leaves the message to this method. */
    public static final class Received {
        public static Message parseFrom(InputStream bytes) throws IOException {
            return DynamicMessage.parseFrom(message, bytes);
        }
    }

    private static Descriptor find(FileDescriptor file, String path) {
        String[] names = path.split("\\.");
        Descriptor found = file.findMessageTypeByName(names[0]);
        for (int at = 1; found != null && at < names.length; at++) {
            found = found.findNestedTypeByName(names[at]);
        }
        return found;
    }

    @Override
    public Map<String, Object> settings() {
        return Map.of(
                "apicurio.registry.auto-register", true,
                "apicurio.registry.serde.send-type-ref", false,
                "apicurio.registry.serde.read-type-ref", false,
                "apicurio.registry.serde.send-indexes", true,
                "apicurio.registry.serde.read-indexes", true,
                // It looks for messages that are not within others only.
                "apicurio.registry.serde.validation-enabled", message.getContainingType() == null,
                "apicurio.registry.deserializer.value.return-class", Received.class);
    }

    @Override
    @SuppressWarnings({"unchecked", "rawtypes"})
    public Serializer<Object> serializer() {
        return (Serializer) new ProtobufKafkaSerializer<Message>();
    }

    @Override
    @SuppressWarnings({"unchecked", "rawtypes"})
    public Deserializer<Object> deserializer() {
        return (Deserializer) new ProtobufKafkaDeserializer<Message>();
    }

    @Override
    public Object fromJson(JsonNode value) {
        DynamicMessage.Builder builder = DynamicMessage.newBuilder(message);
        try {
            JsonFormat.parser().merge(value.toString(), builder);
        } catch (InvalidProtocolBufferException error) {
            throw new IllegalArgumentException(error);
        }
        return builder.build();
    }

    @Override
    public JsonNode toJson(Object value) {
        try {
            return JSON.readTree(JsonFormat.printer().preservingProtoFieldNames().print((Message) value));
        } catch (InvalidProtocolBufferException | JsonProcessingException error) {
            throw new IllegalStateException(error);
        }
    }
}
